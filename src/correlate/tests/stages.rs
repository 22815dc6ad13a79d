//! Sequences with conditions and absences.

use crate::correlate::trial::{bound, episodes, rule};
use crate::rule::plan::{Aggregate, Compare, Form, Having, Rule, Stage};

const ONE: fn() -> Stage = || Stage::Present(Having::one());

fn sequence(stages: Vec<Stage>, until: bool) -> Rule {
    let until = until.then_some(stages.len());
    rule(Form::Sequence { within: 10, stages, until, residuals: vec![] }, 0)
}

#[test]
fn a_step_may_ask_for_more_than_a_number() {
    let sum = bound(Aggregate::Sum { slot: 0, unsigned: true }, Compare::AtLeast, 10);
    let rule = sequence(vec![Stage::Present(sum), ONE()], false);
    assert_eq!(episodes(&rule, "0a/4 1a/5 2b", 0), "");
    assert_eq!(episodes(&rule, "0a/1 1a/4 2a/6 3b", 0), "1-3×3");
    assert_eq!(episodes(&rule, "0a/4 1a/6 10b", 0), "0-10×3");
    assert_eq!(episodes(&rule, "0a/4 1a/6 11b", 0), "");
    assert_eq!(episodes(&rule, "0a/10 1ab/0", 0), "0-1×2");
}

#[test]
fn an_absent_event_breaks_the_chains_that_wait() {
    let rule = sequence(vec![ONE(), Stage::Absent, ONE()], false);
    assert_eq!(episodes(&rule, "0a 1c", 0), "0-1×2");
    assert_eq!(episodes(&rule, "0a 1b 2c", 0), "");
    assert_eq!(episodes(&rule, "0a 1b 2a 3c", 0), "2-3×2");
    assert_eq!(episodes(&rule, "0ab 1bc 2c", 0), "0-1×2", "an event is not between itself and another");
}

#[test]
fn an_absent_event_after_a_step_has_begun_breaks_nothing() {
    let rule = sequence(vec![ONE(), Stage::Absent, Stage::Present(Having::count(2))], false);
    assert_eq!(episodes(&rule, "0a 1c 2b 3c", 0), "0-3×4");
    assert_eq!(episodes(&rule, "0a 1c 2b 3c 4c", 0), "0-4×5", "any two events");
    assert_eq!(episodes(&rule, "0a 1b 2c 3c", 0), "");
}

#[test]
fn a_complete_step_stays_so_behind_broken_events() {
    let rule = sequence(vec![ONE(), Stage::Absent, ONE(), ONE()], false);
    assert_eq!(episodes(&rule, "0a 1c 2b 3c 4d", 0), "0-4×5");
}

#[test]
fn absence_at_the_end_is_decided_when_time_is_over() {
    let rule = sequence(vec![ONE(), Stage::Absent], false);
    assert_eq!(episodes(&rule, "0a", 10), "", "the deadline itself counts");
    assert_eq!(episodes(&rule, "0a", 11), "0-0×1");
    assert_eq!(episodes(&rule, "0a 10b", 20), "");
    assert_eq!(episodes(&rule, "0a 11b", 20), "0-0×1");
    assert_eq!(episodes(&rule, "0ab 5ab 10ab", 30), "10-10×1", "one cancels the one before and waits itself");
}

#[test]
fn absence_counts_from_the_first_event_of_the_latest_chain() {
    let rule = sequence(vec![ONE(), ONE(), Stage::Absent], false);
    assert_eq!(episodes(&rule, "0a 4b 10c", 40), "");
    assert_eq!(episodes(&rule, "0a 4b 11c", 40), "0-4×2");
    assert_eq!(episodes(&rule, "0a 2a 4b 11c", 40), "");
    assert_eq!(episodes(&rule, "0a 4b 6b 20c", 40), "0-6×3");
}

#[test]
fn until_breaks_chains_and_what_waits() {
    let rule = sequence(vec![ONE(), Stage::Absent, ONE(), Stage::Absent], true);
    assert_eq!(episodes(&rule, "0a 2c", 20), "0-2×2");
    assert_eq!(episodes(&rule, "0a 1e 2c", 20), "");
    assert_eq!(episodes(&rule, "0a 2c 10e", 20), "");
    assert_eq!(episodes(&rule, "0a 2c 11e", 20), "0-2×2");
}
