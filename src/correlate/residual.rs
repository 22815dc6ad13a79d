//! Residuals: how the values of two events of a chain compare.

use std::borrow::Cow;
use std::cmp::Ordering;

use compact_str::CompactString;

use super::tally::{number, part};
use crate::rule::plan::{Compare, Residual, Tuple};

/// Whether the condition holds between the later event's values and the earlier one's.
pub(super) fn holds(residual: &Residual, later: &Tuple, earlier: &Tuple) -> bool {
    let (a, b) = (part(later, residual.slot), part(earlier, residual.other_slot));
    let order = match (a, b) {
        (Some(a), Some(b)) if residual.numbers => number(a).zip(number(b)).map(|(a, b)| a.cmp(&b)),
        (Some(a), Some(b)) => Some(order(a, b)),
        (None, _) | (_, None) => None,
    };
    order.is_some_and(|order| residual.compare.holds(&order, &Ordering::Equal)) != residual.negated
}

/// Whether it asks that both values are there and equal.
pub(super) fn is_equality(residual: &Residual) -> bool {
    residual.compare == Compare::Equal && !residual.negated
}

/// What two values have in common exactly if they are equal; `None` when the value equals nothing.
pub(super) fn identity(tuple: &Tuple, slot: usize, numbers: bool) -> Option<CompactString> {
    let part = part(tuple, slot)?;
    if numbers {
        return number(part).map(|n| compact_str::format_compact!("{n}"));
    }
    Some(if part.is_ascii() {
        let mut lower = CompactString::from(part);
        lower.make_ascii_lowercase();
        lower
    } else {
        part.to_lowercase().into()
    })
}

/// The order of two texts without case.
fn order(a: &str, b: &str) -> Ordering {
    let plain = |text: &str| text.is_ascii() && !text.contains('\u{1b}');
    if plain(a) && plain(b) {
        return a.bytes().map(|b| b.to_ascii_lowercase()).cmp(b.bytes().map(|b| b.to_ascii_lowercase()));
    }
    text(a).to_lowercase().cmp(&text(b).to_lowercase())
}

/// A value as it is, from how a tuple holds it.
fn text(part: &str) -> Cow<'_, str> {
    if part.contains('\u{1b}') { Tuple(part.into()).get(0).unwrap_or_default().into() } else { part.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compares(a: Option<&str>, compare: Compare, negated: bool, b: Option<&str>, numbers: bool) -> bool {
        let residual = Residual { step: 1, slot: 0, compare, negated, other: 0, other_slot: 1, numbers };
        holds(&residual, &Tuple::new([a]), &Tuple::new([None, b]))
    }

    #[test]
    fn text_is_compared_without_case_and_numbers_as_numbers() {
        assert!(compares(Some("Ärger"), Compare::Equal, false, Some("äRGER"), false));
        assert!(compares(Some("a\u{1f}B"), Compare::Equal, false, Some("A\u{1f}b"), false));
        assert!(compares(Some("b"), Compare::Greater, false, Some("A"), false));
        assert!(compares(Some("9"), Compare::Less, false, Some("10"), true));
        assert!(!compares(Some("9"), Compare::Less, false, Some("10"), false));
        assert!(compares(Some("007"), Compare::Equal, false, Some("7"), true));
        assert!(!compares(Some("x"), Compare::Unequal, false, Some("7"), true), "not a number");
    }

    #[test]
    fn a_comparison_with_a_missing_value_is_false() {
        assert!(
            !compares(None, Compare::Equal, false, None, false)
                && !compares(None, Compare::Unequal, false, Some("a"), false)
        );
        assert!(compares(None, Compare::Equal, true, Some("a"), false), "and its denial true");
    }

    #[test]
    fn equal_values_have_the_same_identity() {
        let of = |value: &str, numbers| identity(&Tuple::new([Some(value)]), 0, numbers);
        assert_eq!(of("Ärger", false), of("ÄRGER", false));
        assert_eq!(of("Root", false), of("rOOT", false));
        assert_eq!((of("007", true), of("x", true)), (of("7", true), None));
        assert_eq!(identity(&Tuple::new([None]), 0, false), None);
    }
}
