//! Lists that are followed while a rule runs (`retro`). In: a comparison with a list. Out: a test that names the list,
//! and at the end the lists of the program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::ast::{self, Operand, Span, ValueKind};
use super::code::Code;
use super::condition::Check;
use super::entry::{Entry, Kind};
use super::plan::{self, Atom, FieldRef, Network, Predicate, Test};
use super::scope::{List, Scope};
use super::{literal, operand};
use crate::event::field::Type;

/// The list that the right side names, if it names one that there is.
pub(super) fn named<'c>(check: &Check<'_>, comparison: &'c ast::Comparison) -> Option<(&'c str, Span)> {
    let (name, span) = match &comparison.operand {
        Operand::List(name, span) => (name.text.as_str(), *span),
        Operand::One(value) if value.kind == ValueKind::Path => (value.text.as_str(), value.span),
        Operand::One(_) | Operand::Many(..) | Operand::Regex(_) => return None,
    };
    check.scope.lists.contains_key(name).then_some((name, span))
}

/// The predicate of `field in list`, in a rule that follows its lists.
pub(super) fn test(
    check: &mut Check<'_>,
    field: FieldRef,
    operator: &str,
    (name, span): (&str, Span),
    comparison: &ast::Comparison,
) -> Option<Predicate> {
    check.asked_list = true;
    if matches!(operator, "==" | "<" | "<=" | ">" | ">=") {
        return operand::test(check, field, operator, comparison);
    }
    let scope = check.scope;
    let list = scope.lists.get(name).filter(|l| !l.broken)?;
    let text = match field.ty() {
        Type::Text | Type::LongText | Type::TextList => true,
        Type::Ip => false,
        Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp | Type::Id => {
            let message = format!(
                "`retro` follows lists of text and addresses, and `{}` is {}",
                field.name(),
                operand::a(field.ty())
            );
            check.report(check.error(Code::BadRetro, comparison.span, message).label("this list would stand still"));
            return None;
        }
    };
    if operator != "in" {
        let message = format!("`retro` cannot follow a list asked with `{operator}`");
        check.report(
            check
                .error(Code::BadRetro, comparison.operator.span, message)
                .fix("in")
                .help("with `retro`, a value is in the list or it is not; patterns go into a rule without it"),
        );
        return None;
    }
    if let Some(exact) = list.entries.iter().find(|e| e.exact && text) {
        let message = format!("`{name}` holds c\"{}\", but `retro` compares without case", exact.text);
        check.report(check.error(Code::BadRetro, span, message).label("a list with exact values"));
        return None;
    }
    if !text {
        let listed = |e: &'_ super::scope::Entry| networks(&e.text).is_none();
        let wrong: Vec<Entry<'_>> = list
            .entries
            .iter()
            .filter(|e| listed(e))
            .map(|e| Entry { text: &e.text, kind: Kind::Listed, span })
            .collect();
        operand::misfits(check, &field, &wrong.iter().collect::<Vec<_>>(), Code::BadAddress);
    }
    Some(Predicate::Atom(Atom { field, test: Test::Listed(list.number) }))
}

/// The entry as a network.
fn networks(text: &str) -> Option<Network> {
    literal::network(text).or_else(|| literal::address(text)?.parse().ok())
}

/// The lists that these rules follow; their tests are numbered by what is returned.
pub(super) fn lists(scope: &Scope, rules: &mut [plan::Rule]) -> Vec<plan::List> {
    let mut used: BTreeMap<u32, u32> = BTreeMap::new();
    let followed = |rules: &mut [plan::Rule], of: &mut dyn FnMut(&mut u32)| {
        for step in rules.iter_mut().filter(|r| r.retro > 0).flat_map(|r| &mut r.steps) {
            each(&mut step.predicate, of);
        }
    };
    followed(rules, &mut |number| {
        used.insert(*number, 0);
    });
    used.values_mut().zip(0..).for_each(|(new, position)| *new = position);
    followed(rules, &mut |number| *number = used[&*number]);
    let mut named: Vec<(&String, &List)> = scope.lists.iter().filter(|(_, l)| used.contains_key(&l.number)).collect();
    named.sort_by_key(|(_, list)| list.number);
    named.into_iter().map(|(name, list)| followed_list(name, list)).collect()
}

fn followed_list(name: &str, list: &List) -> plan::List {
    plan::List {
        name: name.to_owned(),
        file: list.file.as_ref().map(PathBuf::from),
        values: Arc::new(list.entries.iter().map(|e| e.text.to_lowercase()).collect()),
        networks: Arc::new(list.entries.iter().filter_map(|e| networks(&e.text)).collect()),
    }
}

impl plan::List {
    /// The list with what stands in this text of its file.
    pub fn read(&self, text: &str) -> plan::List {
        let entries = super::scope::lines(text);
        let list = List { number: 0, file: None, broken: false, entries };
        plan::List { file: self.file.clone(), ..followed_list(&self.name, &list) }
    }
}

/// Hands every list number of a predicate to `of`.
fn each(predicate: &mut Predicate, of: &mut dyn FnMut(&mut u32)) {
    match predicate {
        Predicate::Constant(_) => {}
        Predicate::Atom(atom) => match &mut atom.test {
            Test::Listed(number) => of(number),
            Test::Exists
            | Test::OneOf { .. }
            | Test::Like { .. }
            | Test::Regex(_)
            | Test::Range(..)
            | Test::Numbers(_)
            | Test::Network(_) => {}
        },
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter_mut().for_each(|part| each(part, of)),
        Predicate::Not(part) => each(part, of),
    }
}
