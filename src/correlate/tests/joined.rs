//! Sequences with conditions between events.

use crate::correlate::trial::{episodes, rule};
use crate::rule::plan::{Compare, Form, Having, Residual, Rule, Stage};

const ONE: fn() -> Stage = || Stage::Present(Having::one());

/// Ties: later step and slot, comparison, earlier step and slot; `!=` is a denied equality.
fn sequence(stages: Vec<Stage>, ties: &[(usize, usize, Compare, usize, usize)]) -> Rule {
    let residual = |&(step, slot, compare, other, other_slot): &(usize, usize, Compare, usize, usize)| {
        let negated = compare == Compare::Unequal;
        let numbers = matches!(compare, Compare::Less | Compare::AtMost | Compare::Greater | Compare::AtLeast);
        let compare = if negated { Compare::Equal } else { compare };
        Residual { step, slot, compare, negated, other, other_slot, numbers }
    };
    let residuals = ties.iter().map(residual).collect();
    rule(Form::Sequence { within: 10, stages, until: None, residuals }, 0)
}

#[test]
fn values_of_two_steps_compare() {
    let same = sequence(vec![ONE(), ONE()], &[(1, 0, Compare::Equal, 0, 0)]);
    assert_eq!(episodes(&same, "0a/x 1a/y 2b/X", 0), "0-2×3", "without case");
    assert_eq!(episodes(&same, "0a/x 1b/y", 0), "");
    assert_eq!(episodes(&same, "0a/- 1b/-", 0), "");
    assert_eq!(episodes(&same, "0a/x 10b/x", 0), "0-10×2");
    assert_eq!(episodes(&same, "0a/x 11b/x", 0), "");
    let other = sequence(vec![ONE(), ONE()], &[(1, 0, Compare::Unequal, 0, 0)]);
    assert_eq!(episodes(&other, "0a/x 1a/y 2a/y 3b/y", 0), "0-3×4");
    assert_eq!(episodes(&other, "0a/y 1b/y", 0), "");
    assert_eq!(episodes(&other, "0a/- 1b/y", 0), "0-1×2");
    let more = sequence(vec![ONE(), ONE()], &[(1, 0, Compare::Greater, 0, 0)]);
    assert_eq!(episodes(&more, "0a/9 1a/11 2b/10", 0), "0-2×3");
}

#[test]
fn all_conditions_hold_at_once() {
    let ties = [(2, 0, Compare::Equal, 0, 0), (1, 1, Compare::Equal, 0, 1), (2, 2, Compare::Unequal, 1, 2)];
    let rule = sequence(vec![ONE(), ONE(), ONE()], &ties);
    // The later pair of a and b does for b, but not for c.
    assert_eq!(episodes(&rule, "0a/x,1,- 1b/-,1,p 2a/y,2,- 3b/-,2,q 4c/x,-,q", 0), "0-4×5");
    assert_eq!(episodes(&rule, "0a/x,1,- 1b/-,1,q 2a/y,2,- 3b/-,2,q 4c/x,-,q", 0), "");
}

#[test]
fn a_later_match_may_start_before_and_join_others() {
    let rule = sequence(vec![ONE(), ONE()], &[(1, 0, Compare::Equal, 0, 0)]);
    assert_eq!(episodes(&rule, "0a/x 1a/y 2b/y 4a/z 5b/z", 0), "1-2×2 4-5×2");
    assert_eq!(episodes(&rule, "0a/x 1a/y 2b/y 4a/z 5b/z 6b/x", 0), "0-6×6");
}

#[test]
fn absences_hold_for_the_chain_that_is_chosen() {
    let rule = sequence(vec![ONE(), Stage::Absent, ONE()], &[(2, 0, Compare::Equal, 0, 0)]);
    assert_eq!(episodes(&rule, "0a/x 2a/y 3c/x", 0), "0-3×3");
    assert_eq!(episodes(&rule, "0a/x 1b 2a/y 3c/x", 0), "");
    assert_eq!(episodes(&rule, "0a/x 1b 2a/y 3c/y", 0), "2-3×2");
    let end = sequence(vec![ONE(), ONE(), Stage::Absent], &[(1, 0, Compare::Equal, 0, 0)]);
    assert_eq!(episodes(&end, "0a/x 4a/y 5b/y 6b/x", 11), "0-6×4");
    assert_eq!(episodes(&end, "0a/x 4a/y 5b/y 6b/x 10c", 30), "");
    assert_eq!(episodes(&end, "0a/x 4a/y 5b/y 6b/x 12c", 30), "0-6×4");
}

#[test]
fn steps_without_conditions_ask_for_more_than_one_event() {
    let stages = vec![ONE(), Stage::Absent, Stage::Present(Having::count(2)), ONE()];
    let rule = sequence(stages, &[(3, 0, Compare::Equal, 0, 0)]);
    assert_eq!(episodes(&rule, "0a/x 1c 2c 3d/x", 0), "0-3×4");
    assert_eq!(
        episodes(&rule, "0a/x 1c 2b 3c 4c 5d/x", 0),
        "0-5×6",
        "the first event may be any before the absent one"
    );
    assert_eq!(episodes(&rule, "0a/x 1b 2c 3c 5d/x", 0), "");
}
