//! Clauses by themselves: exceptions that have expired, ATT&CK techniques that there are not, or not any more.

use super::Subject;
use crate::rule::ast::{ClauseKind, Word};
use crate::rule::attack::{self, State};
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::literal;

pub(super) fn check(subject: &Subject<'_>, now: i64, found: &mut Vec<Diagnostic>) {
    for except in subject.tree.excepts() {
        let Some(expires) = &except.expires else { continue };
        if literal::instant(&expires.text).is_some_and(|end| end <= now) {
            let message = format!("the exception \"{}\" has expired", except.reason.text);
            found.push(
                Diagnostic::error(Code::Expired, subject.file, expires.span, message)
                    .label("later events raise alerts again")
                    .help("remove it, or give it another date if its reason still holds")
                    .warning(),
            );
        }
    }
    for clause in &subject.tree.clauses {
        if let ClauseKind::Attack(words) = &clause.kind {
            found.extend(words.iter().filter_map(|word| technique(subject, word)));
        }
    }
}

fn technique(subject: &Subject<'_>, word: &Word) -> Option<Diagnostic> {
    let warning = |code, message| Diagnostic::error(code, subject.file, word.span, message).warning();
    let Some(known) = attack::technique(&word.text) else {
        let message = format!("ATT&CK has no technique {}", word.text);
        let parent = word.text.split_once('.').and_then(|(parent, _)| attack::technique(parent));
        let unknown = warning(Code::UnknownTechnique, message).help(format!("known are those of {}", attack::VERSIONS));
        return Some(match parent {
            Some(parent) => unknown.label(format!("{} is {}; it has no such sub-technique", parent.id, parent.name)),
            None => unknown.label("no matrix has it"),
        });
    };
    let (word_, successor) = match known.state {
        State::Current => return None,
        State::Revoked(successor) => ("revoked", successor),
        State::Deprecated(successor) => ("deprecated", successor),
    };
    let message = format!("ATT&CK has withdrawn {}, {}", known.id, known.name);
    let withdrawn = warning(Code::WithdrawnTechnique, message);
    Some(match successor.and_then(attack::technique) {
        Some(next) => withdrawn.fix(next.id).help(format!("{} is {}", next.id, next.full_name())),
        None => withdrawn.label(format!("{word_}, and nothing took its place")),
    })
}
