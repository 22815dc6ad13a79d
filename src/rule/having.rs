//! `having`: aggregates and the numbers they are compared with. In: the bounds as written. Out: a condition
//! of the plan; the fields it needs are added to the payload.

use super::ast::{self, Bounds, Value, ValueKind, Word};
use super::code::Code;
use super::condition::Check;
use super::form::slot;
use super::nearest::nearest;
use super::plan::{Aggregate, Bound, Compare, FieldRef, Having};
use super::words::condition::{AGGREGATE_WORDS, usage};
use super::{literal, operand};
use crate::event::field::{self, Type};

/// The most that a rule may count; beyond it, state would be the archive.
pub(super) const MOST: i128 = 1_000_000;

/// Numbers beyond this are no sum of anything, and products with them must stay in an `i128`.
pub(super) const GREATEST: i128 = 1_000_000_000_000_000_000_000;

/// The condition, `None` when something in it is wrong.
pub(super) fn condition(check: &mut Check<'_>, bounds: &Bounds, payload: &mut Vec<FieldRef>) -> Option<Having> {
    match bounds {
        Bounds::One(bound) => self::bound(check, bound, payload).map(Having::Bound),
        Bounds::And(parts) => all(check, parts, payload).map(Having::And),
        Bounds::Or(parts) => all(check, parts, payload).map(Having::Or),
    }
}

/// Checks all of them before giving up, so that every mistake is reported.
fn all(check: &mut Check<'_>, parts: &[Bounds], payload: &mut Vec<FieldRef>) -> Option<Vec<Having>> {
    let checked: Vec<Option<Having>> = parts.iter().map(|p| condition(check, p, payload)).collect();
    checked.into_iter().collect()
}

fn bound(check: &mut Check<'_>, bound: &ast::Bound, payload: &mut Vec<FieldRef>) -> Option<Bound> {
    let aggregate = aggregate(check, &bound.aggregate, payload);
    let compare = compare(check, &bound.operator);
    let (aggregate, compare) = (aggregate?, compare?);
    match aggregate {
        Aggregate::Count | Aggregate::Distinct { .. } => count(check, &bound.value, aggregate, compare),
        Aggregate::Sum { .. }
        | Aggregate::Average { .. }
        | Aggregate::Least { .. }
        | Aggregate::Greatest { .. }
        | Aggregate::Percentile { .. } => {
            let value = number(check, &bound.value)?;
            Some(Bound { aggregate, compare, value })
        }
    }
}

/// The aggregate; the field it needs is added to the payload.
pub(super) fn aggregate(
    check: &mut Check<'_>,
    written: &ast::Aggregate,
    payload: &mut Vec<FieldRef>,
) -> Option<Aggregate> {
    let name = written.function.text.as_str();
    match (name, written.arguments.as_slice()) {
        ("count", []) => Some(Aggregate::Count),
        ("count", [field, ..]) => {
            check.report(
                check
                    .error(Code::BadHaving, written.function.span, "`count()` counts events and takes no field")
                    .fix("distinct")
                    .help(format!("to count different values, write distinct({})", field.text)),
            );
            None
        }
        ("distinct", [field]) => {
            let id = check.field(field)?;
            if id.ty() == Type::Id {
                let message = format!("every `{}` is different", field.text);
                check.report(
                    check
                        .error(Code::BadHaving, field.span, message)
                        .label("choose another field")
                        .help("to count events, write count()"),
                );
                return None;
            }
            Some(Aggregate::Distinct { slot: slot(payload, id) })
        }
        ("sum" | "avg" | "min" | "max", [field]) => {
            let field = number_field(check, &written.function, field)?;
            let unsigned = unsigned(check, &field);
            let slot = slot(payload, field);
            Some(match name {
                "sum" => Aggregate::Sum { slot, unsigned },
                "avg" => Aggregate::Average { slot },
                "min" => Aggregate::Least { slot },
                _ => Aggregate::Greatest { slot },
            })
        }
        ("percentile", [field, percent]) => {
            let field = number_field(check, &written.function, field);
            let thousandths = self::percent(check, percent);
            let (field, thousandths) = (field?, thousandths?);
            Some(Aggregate::Percentile { slot: slot(payload, field), thousandths })
        }
        (known, _) if AGGREGATE_WORDS.contains(&known) => {
            let takes = if known == "percentile" { "a field and a number" } else { "one field" };
            let message = format!("`{known}` takes {takes}");
            check.report(check.error(Code::BadHaving, written.span, message).label(usage(known)));
            None
        }
        (_, _) => {
            let error = check.error(Code::BadHaving, written.function.span, format!("there is no function `{name}`"));
            let other_names = [("average", "avg"), ("mean", "avg"), ("total", "sum"), ("unique", "distinct")];
            let other = other_names.iter().find(|(other, _)| *other == name).map(|(_, right)| *right);
            check.report(match other.or_else(|| nearest(name, AGGREGATE_WORDS.iter().copied())) {
                Some(near) => error.fix(near),
                None => error.label(format!("use one of {}", AGGREGATE_WORDS.join(", "))),
            });
            None
        }
    }
}

/// Whether values are never negative. Risk points of rules are not; those that a log brings are not known.
fn unsigned(check: &Check<'_>, field: &FieldRef) -> bool {
    match field.ty() {
        Type::U16 | Type::U32 | Type::U64 => true,
        Type::I64 => *field == FieldRef::Column(field::RISK_SCORE) && check.alerts.is_some(),
        Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Timestamp | Type::Id => false,
    }
}

/// A field that holds numbers.
fn number_field(check: &mut Check<'_>, function: &Word, word: &Word) -> Option<FieldRef> {
    let field = check.field(word)?;
    if field.ty().is_number() {
        return Some(field);
    }
    let name = &function.text;
    let message = format!("`{name}` needs numbers, and `{}` is {}", word.text, operand::a(field.ty()));
    let last = word.text.rsplit('.').next().unwrap_or_default().to_lowercase();
    let numbers = || field::TABLE.iter().filter(|f| f.ty.is_number()).map(|f| f.name);
    let near =
        numbers().find(|n| n.rsplit('.').next() == Some(last.as_str())).or_else(|| nearest(&word.text, numbers()));
    let help = match field {
        FieldRef::Extra(_) => format!(
            "what stands under `fields.` is text, and text is never converted; distinct({}) counts its different values",
            word.text
        ),
        FieldRef::Column(_) => format!("to count different values, write distinct({})", word.text),
    };
    let error = check.error(Code::BadHaving, word.span, message).help(help);
    check.report(match near {
        Some(near) => error.fix(near),
        None => error.label("a field such as source.bytes or http.response.status_code"),
    });
    None
}

/// `95`, `99.9`, in thousandths.
fn percent(check: &mut Check<'_>, word: &Word) -> Option<u32> {
    let thousandths = literal::thousandths(&word.text).filter(|p| (1..=100_000).contains(p));
    if thousandths.is_none() {
        let message = format!("`{}` is not a percentile", word.text);
        check.report(
            check
                .error(Code::BadNumber, word.span, message)
                .label("a number above 0 and up to 100, with at most three decimals"),
        );
    }
    thousandths.and_then(|p| u32::try_from(p).ok())
}

fn compare(check: &mut Check<'_>, operator: &Word) -> Option<Compare> {
    match operator.text.as_str() {
        "==" => Some(Compare::Equal),
        "!=" => Some(Compare::Unequal),
        "<" => Some(Compare::Less),
        "<=" => Some(Compare::AtMost),
        ">" => Some(Compare::Greater),
        ">=" => Some(Compare::AtLeast),
        other => {
            let message = format!("`{other}` does not compare numbers");
            check.report(check.error(Code::BadHaving, operator.span, message).fix(">="));
            None
        }
    }
}

/// A bound on a count that may hold and may fail; `> n` becomes `>= n + 1`.
fn count(check: &mut Check<'_>, written: &Value, aggregate: Aggregate, compare: Compare) -> Option<Bound> {
    let number = (written.kind == ValueKind::Bare).then(|| literal::number(&written.text)).flatten();
    let Some(number) = number.filter(|n| n.abs() <= GREATEST) else {
        check.report(check.error(Code::BadNumber, written.span, "a count is a whole number").label("for example 5"));
        return None;
    };
    let lower = matches!(compare, Compare::Greater | Compare::AtLeast);
    let decisive = match compare {
        Compare::Greater => number + 1,
        Compare::Less => number - 1,
        Compare::Equal | Compare::Unequal | Compare::AtMost | Compare::AtLeast => number,
    };
    // There always is the event that it is asked for, but perhaps none that has the value.
    let least = i128::from(lower || aggregate == Aggregate::Count);
    if !(least..=MOST).contains(&decisive) {
        let message = format!("a count is from {least} to {MOST}");
        let label = if decisive < least && !lower { "this never or always holds" } else { "out of bounds" };
        check.report(check.error(Code::BadCount, written.span, message).label(label));
        return None;
    }
    Some(match compare {
        Compare::Greater => Bound { aggregate, compare: Compare::AtLeast, value: decisive },
        Compare::Equal | Compare::Unequal | Compare::Less | Compare::AtMost | Compare::AtLeast => {
            Bound { aggregate, compare, value: number }
        }
    })
}

/// A whole number, perhaps with a size unit.
fn number(check: &mut Check<'_>, written: &Value) -> Option<i128> {
    let number = (written.kind == ValueKind::Bare).then(|| literal::number(&written.text)).flatten();
    match number {
        Some(number) if number.abs() <= GREATEST => Some(number),
        Some(_) => {
            let message = format!("`{}` is beyond any sum", written.text);
            check.report(check.error(Code::OutOfRange, written.span, message).label("at most 10^21"));
            None
        }
        None => {
            let shown = &check.text[written.span.start..written.span.end];
            let message = format!("`{shown}` is not a whole number");
            let error = check.error(Code::BadNumber, written.span, message);
            check.report(match literal::number(written.text.trim()) {
                Some(_) if written.kind != ValueKind::Bare => error.fix(written.text.trim()),
                _ => error.label("for example 1000 or 100MB"),
            });
            None
        }
    }
}
