//! `having`: what is counted and the least count that matches. In: the bounds as written. Out: a count of
//! events, or of the values of a field.

use super::ast;
use super::code::Code;
use super::condition::Check;
use super::nearest::nearest;
use super::plan::FieldRef;
use super::{literal, operand, setting};
use crate::event::field::Type;

/// The most that a rule may count; beyond it, state would be the archive.
const MOST: i128 = 1_000_000;

/// What a `having` counts, and how many there must be.
pub(super) enum Counted {
    Events(usize),
    Values(FieldRef, usize),
}

/// What is counted and how often, `None` when that is wrong.
pub(super) fn counted(check: &mut Check<'_>, having: setting::Having<'_>) -> Option<Counted> {
    let [bound] = having.bounds else {
        check.report(
            check
                .error(Code::LaterAggregate, having.span, "`having` takes one bound yet")
                .label("several bounds are not supported yet")
                .help("write one rule for each bound"),
        );
        return None;
    };
    let function = function(check, bound)?;
    let count = lower_bound(check, bound)?;
    match function {
        None => Some(Counted::Events(count)),
        Some(field) => Some(Counted::Values(field, count)),
    }
}

/// `None` for `count()`, the field of `distinct(field)`.
#[expect(clippy::option_option, reason = "the outer one is failure, the inner one an absent field")]
fn function(check: &mut Check<'_>, bound: &ast::Bound) -> Option<Option<FieldRef>> {
    let (name, span) = (bound.function.text.as_str(), bound.span);
    match (name, bound.arguments.as_slice()) {
        ("count", []) => Some(None),
        ("count", [field, ..]) => {
            check.report(
                check
                    .error(Code::BadHaving, bound.function.span, "`count()` counts events and takes no field")
                    .fix("distinct")
                    .help(format!("to count different values, write distinct({})", field.text)),
            );
            None
        }
        ("distinct", [field]) => {
            let id = check.field(field)?;
            if matches!(id.ty(), Type::TextList | Type::Id) {
                let message = format!("`{}` has no values to tell apart: it is {}", field.text, operand::a(id.ty()));
                check.report(check.error(Code::BadHaving, field.span, message).label("choose another field"));
                return None;
            }
            Some(Some(id))
        }
        ("distinct", _) => {
            check.report(check.error(Code::BadHaving, span, "`distinct` takes one field").label("distinct(user.name)"));
            None
        }
        ("sum" | "avg" | "min" | "max" | "percentile", _) => {
            check.report(
                check
                    .error(Code::LaterAggregate, span, format!("`{name}` is not supported yet"))
                    .label("not supported yet")
                    .help("`count()` and `distinct(field)` are"),
            );
            None
        }
        (_, _) => {
            let error = check.error(Code::BadHaving, bound.function.span, format!("there is no function `{name}`"));
            let near = nearest(name, ["count", "distinct"]);
            check.report(match near {
                Some(near) => error.fix(near),
                None => error.label("use `count()` or `distinct(field)`"),
            });
            None
        }
    }
}

/// The least count that meets the bound.
fn lower_bound(check: &mut Check<'_>, bound: &ast::Bound) -> Option<usize> {
    let extra = match bound.operator.text.as_str() {
        ">=" => 0,
        ">" => 1,
        "==" => return refuse(check, bound, "an exact count").map(|()| 0),
        "<" | "<=" | "!=" => return refuse(check, bound, "an upper bound").map(|()| 0),
        other => {
            let message = format!("`{other}` does not compare counts");
            check.report(check.error(Code::BadHaving, bound.operator.span, message).fix(">="));
            return None;
        }
    };
    let number = (bound.value.kind == ast::ValueKind::Bare).then(|| literal::number(&bound.value.text)).flatten();
    let Some(number) = number else {
        check
            .report(check.error(Code::BadNumber, bound.value.span, "a count is a whole number").label("for example 5"));
        return None;
    };
    if !(1..=MOST).contains(&(number + extra)) {
        let message = format!("a count is from 1 to {MOST}");
        check.report(check.error(Code::BadCount, bound.value.span, message).label("out of bounds"));
        return None;
    }
    Some((number + extra) as usize)
}

fn refuse(check: &mut Check<'_>, bound: &ast::Bound, what: &str) -> Option<()> {
    check.report(
        check
            .error(Code::LaterAggregate, bound.operator.span, format!("{what} is not supported yet"))
            .label("use `>=` or `>`")
            .help("it can stop being true when more events come, which needs the whole window"),
    );
    None
}
