//! The meaning of a predicate, one event at a time: slow and plainly right.
//!
//! In: a predicate, a batch, a row. Out: whether it holds. `weir why` explains with it, and the
//! tests hold the matcher to it.

use std::net::IpAddr;

use super::text::fold;
use crate::event::batch::{EventBatch, LIST_SEPARATOR, dictionary_value};
use crate::event::field::{FieldId, Type};
use crate::rule::plan::{Atom, FieldRef, Predicate, Test};

/// Whether the predicate holds on the event at `row`.
pub fn evaluate(predicate: &Predicate, batch: &EventBatch, row: usize) -> bool {
    match predicate {
        Predicate::Constant(value) => *value,
        Predicate::Atom(atom) => holds(atom, batch, row),
        Predicate::And(all) => all.iter().all(|p| evaluate(p, batch, row)),
        Predicate::Or(any) => any.iter().any(|p| evaluate(p, batch, row)),
        Predicate::Not(inner) => !evaluate(inner, batch, row),
    }
}

fn holds(atom: &Atom, batch: &EventBatch, row: usize) -> bool {
    let text = |test: &dyn Fn(&str) -> bool| elements(&atom.field, batch, row).is_some_and(|e| e.into_iter().any(test));
    match &atom.test {
        Test::Exists => exists(&atom.field, batch, row),
        Test::OneOf { values, fold: false } => text(&|v| values.contains(v)),
        Test::OneOf { values, fold: true } => text(&|v| {
            let folded = fold(v);
            values.contains(&folded) || values.iter().any(|value| fold(value) == folded)
        }),
        Test::Like { pattern, fold: false } => text(&|v| like(&characters(pattern), &characters(v))),
        Test::Like { pattern, fold: true } => text(&|v| like(&characters(&fold(pattern)), &characters(&fold(v)))),
        Test::Regex(pattern) => text(&|v| regex::Regex::new(pattern).is_ok_and(|r| r.is_match(v))),
        Test::Network(networks) => {
            text(&|v| v.parse::<IpAddr>().is_ok_and(|address| networks.iter().any(|n| n.contains(address))))
        }
        Test::Listed(_) => false,
        Test::Range(low, high) => number(&atom.field, batch, row).is_some_and(|n| (*low..=*high).contains(&n)),
        Test::Numbers(values) => number(&atom.field, batch, row).is_some_and(|n| values.contains(&n)),
    }
}

/// The texts of a field: the elements of a list, else one; `None` when it is missing or no text.
fn elements<'b>(field: &FieldRef, batch: &'b EventBatch, row: usize) -> Option<Vec<&'b str>> {
    Some(match field {
        FieldRef::Column(id) if id.ty() == Type::TextList => batch.text(*id, row)?.split(LIST_SEPARATOR).collect(),
        FieldRef::Column(id) => vec![batch.text(*id, row)?],
        FieldRef::Extra(name) => vec![dictionary_value(batch.extra(name)?, row)?],
    })
}

fn number(field: &FieldRef, batch: &EventBatch, row: usize) -> Option<i128> {
    match field {
        FieldRef::Column(id) => batch.number(*id, row),
        FieldRef::Extra(_) => None,
    }
}

/// Whether the event has a value for the field.
pub(super) fn exists(field: &FieldRef, batch: &EventBatch, row: usize) -> bool {
    let FieldRef::Column(id) = field else { return elements(field, batch, row).is_some() };
    match id.ty() {
        Type::Text | Type::LongText | Type::TextList | Type::Ip => batch.text(*id, row).is_some(),
        Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp => batch.number(*id, row).is_some(),
        Type::Id => has_id(*id, batch, row),
    }
}

fn has_id(id: FieldId, batch: &EventBatch, row: usize) -> bool {
    batch.column(id).is_some_and(|array| array.is_valid(row))
}

fn characters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        ['?', rest @ ..] => text.split_first().is_some_and(|(_, text)| like(rest, text)),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            text.split_first().is_some_and(|(c, text)| c == literal && like(rest, text))
        }
    }
}
