//! Rules that can never raise an alert: conditions that contradict one another, keys that are always missing, exceptions
//! that take out everything, bounds that no window meets.

use super::Subject;
use super::logic::{contradict, implies};
use super::within::Patterns;
use crate::rule::ast::{Condition, Setting, SettingKind, Span};
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::plan::{Aggregate, Atom, Compare, Form, Having, Predicate, Test};

pub(super) fn check(subject: &Subject<'_>, patterns: &mut Patterns, found: &mut Vec<Diagnostic>) {
    let rule = subject.plan;
    for (i, (pattern, settings)) in subject.patterns().into_iter().enumerate() {
        let (true, Some(step)) = (rule.form.must_happen(i), rule.steps.get(i)) else { continue };
        let bare = rule.exceptions.bare.get(i).unwrap_or(&step.predicate);
        let source = pattern.source.span;
        let end = pattern.condition.as_ref().and_then(end).unwrap_or(source.end);
        let span = Span { start: source.start, end };
        let never = |message: &str| warning(subject, span, message);
        // The compiler tells of one that is plainly false.
        if *bare == Predicate::Constant(false) {
            continue;
        }
        if contradict(&[(bare, true)], patterns) {
            found.push(never("no event can fulfil this").label("its parts contradict one another"));
            continue;
        }
        let there = |field| Predicate::Atom(Atom { field, test: Test::Exists });
        let key = step.key.iter().cloned().map(there).find(|key| contradict(&[(bare, true), (key, true)], patterns));
        if let Some(Predicate::Atom(key)) = key {
            let message = format!("events of this kind never have `{}`, which is their key", key.field.name());
            found.push(never(&message).label("without its key, an event does not take part"));
            continue;
        }
        if let Some(span) = settings.iter().chain(subject.shared()).find_map(|s| having(&rule.form, s)) {
            found.push(warning(subject, span, "no window can meet this").label("its bounds exclude one another"));
        }
        excepted(subject, bare, &step.predicate, patterns, found);
    }
}

/// Reports the exception that takes out all that a step looks for, or all of them together.
fn excepted(
    subject: &Subject<'_>,
    bare: &Predicate,
    rest: &Predicate,
    patterns: &mut Patterns,
    found: &mut Vec<Diagnostic>,
) {
    let all = &subject.plan.exceptions.all;
    let alone = all.iter().position(|e| implies(bare, &e.predicate, patterns));
    if let Some(except) = alone.and_then(|at| subject.tree.excepts().nth(at)).filter(|e| e.expires.is_none()) {
        let message = "this exception takes out every event that the rule looks for";
        found.push(warning(subject, except.reason.span, message).label("nothing is left"));
    } else if !all.is_empty() && contradict(&[(rest, true)], patterns) {
        let message = "the exceptions together take out every event that the rule looks for";
        found.push(warning(subject, subject.tree.name.span, message).label("nothing is left"));
    }
}

fn warning(subject: &Subject<'_>, span: Span, message: &str) -> Diagnostic {
    let name = &subject.tree.name.text;
    let warning = Diagnostic::error(Code::NeverFires, subject.file, span, message);
    warning.help(format!("rule `{name}` can never raise an alert")).warning()
}

/// Where a condition ends, as far as its tree knows.
fn end(condition: &Condition) -> Option<usize> {
    match condition {
        Condition::Or(parts) | Condition::And(parts) => parts.last().and_then(end),
        Condition::Not(inner) => end(inner),
        Condition::Exists(field) => Some(field.span.end),
        Condition::Compare(comparison) => Some(comparison.span.end),
        Condition::Constant(_) => None,
    }
}

/// The `having` of a form, when its bounds leave no value of some aggregate.
fn having(form: &Form, setting: &Setting) -> Option<Span> {
    let (SettingKind::Having(_), Form::Aggregate { having, .. }) = (&setting.kind, form) else { return None };
    impossible(having).then_some(setting.span)
}

fn impossible(having: &Having) -> bool {
    match having {
        Having::Bound(_) => false,
        Having::Or(any) => any.iter().all(impossible),
        Having::And(all) => {
            let mut left: Vec<(Aggregate, i128, i128)> = Vec::new();
            let bounds = all.iter().filter_map(|h| if let Having::Bound(bound) = h { Some(bound) } else { None });
            for bound in bounds {
                let (low, high) = match bound.compare {
                    Compare::Equal => (bound.value, bound.value),
                    Compare::Unequal => continue,
                    Compare::Less => (i128::MIN, bound.value.saturating_sub(1)),
                    Compare::AtMost => (i128::MIN, bound.value),
                    Compare::Greater => (bound.value.saturating_add(1), i128::MAX),
                    Compare::AtLeast => (bound.value, i128::MAX),
                };
                match left.iter_mut().find(|l| l.0 == bound.aggregate) {
                    // A mean lies between whole numbers too.
                    Some(known) if !matches!(bound.aggregate, Aggregate::Average { .. }) => {
                        (known.1, known.2) = (known.1.max(low), known.2.min(high));
                    }
                    Some(_) => {}
                    None => left.push((bound.aggregate, low, high)),
                }
            }
            left.iter().any(|(_, low, high)| low > high) || all.iter().any(impossible)
        }
    }
}
