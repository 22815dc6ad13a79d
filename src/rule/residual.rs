//! Comparisons between the events of two steps: `source.ip != made.source.ip`. In: a step's condition. Out: its
//! predicate without them, and conditions that correlation checks.

use super::ast::{self, Comparison, Condition, Operand, Role, Span, Value, ValueKind, Word};
use super::code::Code;
use super::condition::Check;
use super::form::slot;
use super::operand;
use super::plan::{Compare, FieldRef, Predicate, Residual};
use super::simplify;
use super::steps::Draft;
use crate::event::field::{self, Type};

/// A comparison with a field of another step, as written.
#[derive(Clone, Copy)]
pub(super) struct Joined<'a> {
    comparison: &'a Comparison,
    value: &'a Value,
    /// It stands under `not`.
    denied: bool,
}

/// The condition of a step: its conjuncts that name another step go to `joined`, the others are the predicate.
pub(super) fn condition<'a>(
    check: &mut Check<'_>,
    written: &'a Condition,
    joined: &mut Vec<Joined<'a>>,
) -> Option<Predicate> {
    match (written, conjunct(check, written, false)) {
        (_, Some(found)) => {
            joined.push(found);
            Some(Predicate::Constant(true))
        }
        (Condition::And(parts), None) => {
            let checked: Vec<Option<Predicate>> = parts.iter().map(|p| condition(check, p, joined)).collect();
            checked.into_iter().collect::<Option<Vec<_>>>().map(simplify::and)
        }
        (other, None) => check.condition(other),
    }
}

/// One comparison with another step, perhaps denied.
fn conjunct<'a>(check: &Check<'_>, written: &'a Condition, denied: bool) -> Option<Joined<'a>> {
    match written {
        Condition::Not(inner) => conjunct(check, inner, !denied),
        Condition::Compare(comparison) => match &comparison.operand {
            Operand::One(value) if step_of(check, value).is_some() => Some(Joined { comparison, value, denied }),
            Operand::One(_) | Operand::Many(..) | Operand::List(..) | Operand::Regex(_) => None,
        },
        Condition::Or(_) | Condition::And(_) | Condition::Exists(_) | Condition::Constant(_) => None,
    }
}

/// The label and the field of `label.field`, if a step of the rule has this label.
pub(super) fn step_of<'v>(check: &Check<'_>, value: &'v Value) -> Option<(&'v str, &'v str)> {
    let known = field::by_name(&value.text).is_some() || check.scope.lists.contains_key(&value.text);
    if value.kind != ValueKind::Path || known {
        return None;
    }
    let (label, name) = value.text.split_once('.')?;
    check.labels.iter().any(|l| l == label).then_some((label, name))
}

/// Such a comparison where none may stand.
pub(super) fn refuse(check: &mut Check<'_>, value: &Value) {
    let message = format!("`{}` belongs to another event, so it cannot be asked for here", value.text);
    check.report(
        check
            .error(Code::StepField, value.span, message)
            .label("a field of another step")
            .help("let it stand by itself in the step's `where`, joined with `and`: login where … and user.name != made.user.name"),
    );
}

/// The condition of the plan for step `own` (its place in the plan).
pub(super) fn resolve(
    check: &mut Check<'_>,
    drafts: &[Draft<'_>],
    own: usize,
    joined: Joined<'_>,
    ordered: bool,
    payload: &mut Vec<FieldRef>,
) -> Option<Residual> {
    let Joined { comparison, value, denied } = joined;
    let (label, name) = step_of(check, value)?;
    let start = value.span.start + label.len() + 1;
    let place = Word { text: name.to_owned(), span: Span { start, end: value.span.end } };
    let field = check.field(&comparison.field);
    let other_field = check.field(&place);
    let other = drafts.iter().position(|d| d.written.label.as_ref().is_some_and(|l| l.text == label))?;
    placed(check, drafts, own, other, value, ordered)?;
    let (field, other_field) = (field?, other_field?);
    types(check, &field, &other_field, comparison)?;
    let (compare, negated) = operator(check, &field, comparison)?;
    Some(Residual {
        step: own,
        slot: slot(payload, field.clone()),
        compare,
        negated: negated != denied,
        other,
        other_slot: slot(payload, other_field),
        numbers: field.ty().is_number(),
    })
}

/// Both steps happen, one after the other, with one event each.
fn placed(
    check: &mut Check<'_>,
    drafts: &[Draft<'_>],
    own: usize,
    other: usize,
    value: &Value,
    ordered: bool,
) -> Option<()> {
    let (here, there) = (&drafts[own], &drafts[other]);
    let label = there.written.label.as_ref().map_or("", |l| &l.text);
    let several = [here, there].into_iter().find(|d| d.having.only_count() != Some(1));
    let (message, help): (String, &str) = if !ordered {
        ("steps in any order have no earlier step".into(), "write a `sequence`, or compare with a value")
    } else if own == other {
        (format!("`{label}` is this step itself"), "a field is compared with a value, or with one of an earlier step")
    } else if here.written.role != Role::Present {
        let word = if here.written.role == Role::Until { "`until`" } else { "a `not` step" };
        (
            format!("{word} cannot be compared with another step's event"),
            "to ask for the same value, make it part of the key: `by`, or `on` in each step",
        )
    } else if there.written.role != Role::Present {
        (
            format!("step `{label}` must not happen, so there is no value to compare with"),
            "name a step that must happen",
        )
    } else if other > own {
        (format!("step `{label}` comes later"), "write the comparison in the later of the two steps")
    } else if several.is_some() {
        (
            "a comparison needs steps of one event each".into(),
            "of several events it is not clear which one is meant: remove `having`, or make the field part of the key",
        )
    } else {
        return Some(());
    };
    let mut error = check.error(Code::StepField, value.span, message).label("compared here").help(help);
    if let Some(draft) = several.filter(|_| ordered && own > other) {
        error = error.related(check.file, draft.written.span, "this step");
    }
    check.report(error);
    None
}

/// Text is compared with text, addresses with addresses, numbers with numbers.
fn types(check: &mut Check<'_>, field: &FieldRef, other: &FieldRef, comparison: &ast::Comparison) -> Option<()> {
    for side in [field, other] {
        let why = match side.ty() {
            Type::TextList => "it is a list, which has no single value",
            Type::Id => "every event has its own",
            Type::Timestamp => "the order of the steps and `within` say how times are related",
            Type::Text | Type::LongText | Type::Ip | Type::U16 | Type::U32 | Type::U64 | Type::I64 => continue,
        };
        let message = format!("`{}` cannot be compared with another step's: {why}", side.name());
        check.report(check.error(Code::WrongOperator, comparison.span, message).label("choose other fields"));
        return None;
    }
    let class = |f: &FieldRef| (f.ty().is_number(), f.ty() == Type::Ip);
    if class(field) != class(other) {
        let message = format!(
            "`{}` is {}, `{}` is {}: they are never equal",
            field.name(),
            operand::a(field.ty()),
            other.name(),
            operand::a(other.ty())
        );
        check.report(check.error(Code::TypeMismatch, comparison.span, message).label("nothing is converted"));
        return None;
    }
    Some(())
}

/// How they compare, and whether that is denied.
fn operator(check: &mut Check<'_>, field: &FieldRef, comparison: &ast::Comparison) -> Option<(Compare, bool)> {
    let written = &comparison.operator;
    let (compare, negated) = match written.text.as_str() {
        "==" => (Compare::Equal, false),
        "!=" => (Compare::Equal, true),
        "<" => (Compare::Less, false),
        "<=" => (Compare::AtMost, false),
        ">" => (Compare::Greater, false),
        ">=" => (Compare::AtLeast, false),
        other => {
            let message = format!("`{other}` does not compare with a field of another step");
            let error = check.error(Code::WrongOperator, written.span, message);
            check.report(error.fix("==").help("use ==, !=, or with numbers <, <=, > and >="));
            return None;
        }
    };
    if compare != Compare::Equal && !field.ty().is_number() {
        let diagnostic = operand::wrong_operator(check, field, comparison);
        check.report(diagnostic.help("with another step's, text and addresses are compared with == and !="));
        return None;
    }
    Some((compare, negated != comparison.negated))
}
