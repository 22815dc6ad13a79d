//! Denied comparisons that hold where their field is missing: `source.ip != 10.0.0.5` is true for an event without a
//! source address. Told only where nothing else that must hold says something of the field.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Lets, Subject, conditions};
use crate::event::field::{self, FieldId, Type};
use crate::rule::ast::{Comparison, Condition, Operand, Setting, SettingKind, ValueKind};
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::raised;

/// What an event is, in the words of its parser, not what it is about: whoever writes `event.outcome != "failure"` means
/// those of no known outcome too.
const CLASS: &str = "event.";

type Fields<'a> = FxHashSet<&'a str>;

pub(super) fn check(subject: &Subject<'_>, lets: &Lets<'_>, found: &mut Vec<Diagnostic>) {
    let mut shared = Fields::default();
    subject.shared().iter().for_each(|s| keys(s, &mut shared));
    let counted = subject.plan.form.required_slot().map(|slot| subject.plan.payload[slot].name());
    shared.extend(counted.as_deref());
    let mut all: Option<Fields<'_>> = None;
    for (pattern, settings) in subject.patterns() {
        let (conditions, source) = conditions(pattern, subject.file, lets);
        let mut bound = shared.clone();
        settings.iter().for_each(|s| keys(s, &mut bound));
        conditions.iter().for_each(|(_, c)| asked(c, false, &mut bound));
        for (file, condition) in &conditions {
            tell(file, condition, &bound, source == "alert", found);
        }
        // What every step asks for, no exception needs to ask again.
        all = Some(match all {
            Some(all) => all.intersection(&bound).copied().collect(),
            None => bound,
        });
    }
    let all = all.unwrap_or_default();
    for except in subject.tree.excepts() {
        let mut bound = all.clone();
        asked(&except.condition, false, &mut bound);
        tell(subject.file, &except.condition, &bound, subject.plan.level > 0, found);
    }
}

/// The fields of a key: an event that misses one does not take part.
fn keys<'a>(setting: &'a Setting, out: &mut Fields<'a>) {
    match &setting.kind {
        SettingKind::By(fields) | SettingKind::On(fields) => out.extend(fields.iter().map(|f| f.text.as_str())),
        SettingKind::Novel(novel) => out.extend(novel.fields.iter().map(|f| f.text.as_str())),
        SettingKind::Within(_) | SettingKind::Every(_) | SettingKind::Having(_) | SettingKind::Baseline(_) => {}
    }
}

/// The fields of which something is known when the condition holds, or does not: that they are there, or that somebody
/// thought of their absence.
fn asked<'a>(condition: &'a Condition, denied: bool, out: &mut Fields<'a>) {
    match (condition, denied) {
        (Condition::Constant(_), _) => {}
        (Condition::Exists(field), _) => {
            out.insert(&field.text);
        }
        (Condition::Compare(comparison), _) => {
            if !negative(comparison, denied) {
                out.insert(&comparison.field.text);
            }
        }
        (Condition::Not(inner), _) => asked(inner, !denied, out),
        (Condition::And(parts), false) | (Condition::Or(parts), true) => {
            parts.iter().for_each(|p| asked(p, denied, out));
        }
        (Condition::And(parts), true) | (Condition::Or(parts), false) => {
            let sets = parts.iter().map(|p| {
                let mut one = Fields::default();
                asked(p, denied, &mut one);
                one
            });
            let common = sets.reduce(|a, b| a.intersection(&b).copied().collect());
            out.extend(common.unwrap_or_default());
        }
    }
}

fn negative(comparison: &Comparison, denied: bool) -> bool {
    let negated = comparison.negated != (comparison.operator.text == "!=");
    negated != denied
}

/// Reports the conditions that must hold and hold for a missing field.
fn tell(file: &Arc<str>, condition: &Condition, bound: &Fields<'_>, alerts: bool, found: &mut Vec<Diagnostic>) {
    let mut negatives = Vec::new();
    denials(condition, false, &mut negatives);
    for comparison in negatives {
        let name = comparison.field.text.as_str();
        if bound.contains(name) || certain(name, alerts) || is_joined(comparison) {
            continue;
        }
        let message = format!("this holds for events without `{name}` too");
        found.push(
            Diagnostic::error(Code::MissingToo, file, comparison.span, message)
                .label(format!("true where `{name}` is missing"))
                .help(format!("if that is not meant: exists {name} and …"))
                .warning(),
        );
    }
}

/// The denied comparisons that must hold; those of an `or` need not.
fn denials<'a>(condition: &'a Condition, denied: bool, out: &mut Vec<&'a Comparison>) {
    match (condition, denied) {
        (Condition::Compare(comparison), _) => {
            if negative(comparison, denied) {
                out.push(comparison);
            }
        }
        (Condition::Not(inner), _) => denials(inner, !denied, out),
        (Condition::And(parts), false) | (Condition::Or(parts), true) => {
            parts.iter().for_each(|p| denials(p, denied, out));
        }
        (Condition::And(_), true) | (Condition::Or(_), false) => {}
        (Condition::Exists(_) | Condition::Constant(_), _) => {}
    }
}

/// Whether the field is never missing, or its absence says as much as an empty list or an unknown class.
fn certain(name: &str, alerts: bool) -> bool {
    let own = |id: FieldId| alerts && raised::OWN.contains(&id);
    let known = |id: FieldId| id == field::TIMESTAMP || id.ty() == Type::TextList || own(id);
    name.starts_with(CLASS) || field::by_name(name).is_some_and(known)
}

/// A comparison with an earlier step: what is missing differs from what is there.
fn is_joined(comparison: &Comparison) -> bool {
    matches!(&comparison.operand, Operand::One(value) if value.kind == ValueKind::Path && value.text.contains('.'))
}
