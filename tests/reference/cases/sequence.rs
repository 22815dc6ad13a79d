//! Sequences: order, counted steps, `until`, absence, conditions between steps.

use weir::rule::plan::{Aggregate, Bound, Compare, Form, Having, Residual, Stage};

use super::{check, check_at};

fn present(count: usize) -> Stage {
    Stage::Present(Having::count(count))
}

fn of(within: i64, stages: Vec<Stage>) -> Form {
    Form::Sequence { within, stages, until: None, residuals: vec![] }
}

#[test]
fn steps_come_in_order() {
    let form = Form::sequence(5, [1, 1], None);
    check(&form, "0a 5b", "0..5=2");
    check(&form, "0a 6b", "");
    check(&form, "3a 3b", "3..3=2");
    check(&form, "3b 3a", "");
    check(&form, "2ab", "");
    check(&form, "1ab 2ab", "1..2=2");
    check(&form, "0a 1a 3b", "1..3=2");
    check(&form, "0a 1b 2b", "0..2=3");
    // The start is the latest possible, also for a match within another's span.
    check(&form, "0a 1b 2a 3b", "0..1=2 2..3=2");
    check(&Form::sequence(5, [1, 1, 1], None), "0a 1b 2b 3a 4c 5c", "0..5=6");
}

#[test]
fn counted_steps_are_so_many_events() {
    let form = Form::sequence(5, [2, 1], None);
    check(&form, "0a 1a 2b", "0..2=3");
    check(&form, "0a 2b", "");
    check(&form, "0a 1a 2a 3b", "1..3=3");
    check(&form, "0a 2a 6b", "");
    check(&Form::sequence(5, [1, 2], None), "0a 1b 2b 3b", "0..3=4");
    let values = Bound { aggregate: Aggregate::Distinct { slot: 0 }, compare: Compare::AtLeast, value: 2 };
    let form = of(5, vec![Stage::Present(Having::Bound(values)), present(1)]);
    check(&form, "0a=x 1a=x 2b", "");
    check(&form, "0a=x 1a=x 2a=y 3b", "1..3=3");
    check(&form, "0a=x 1a=y 2a=y 3b", "0..3=4");
    let sum = Bound { aggregate: Aggregate::Sum { slot: 1, unsigned: true }, compare: Compare::Greater, value: 5 };
    let form = of(5, vec![present(1), Stage::Present(Having::Bound(sum))]);
    check(&form, "0a 1b=-,3 2b=-,2", "");
    check(&form, "0b=-,3 1a 2b=-,3 3b=-,3", "1..3=3");
}

#[test]
fn until_breaks_a_chain() {
    let form = Form::sequence(5, [1, 1], Some(2));
    check(&form, "0a 1c 2b", "");
    check(&form, "0a 1c 2a 3b", "2..3=2");
    check(&form, "0a 1bc", "");
    check(&form, "0ac 1b", "");
    check(&form, "0a 1b 2c 3b", "0..1=2");
    // An event that breaks does not count.
    check_at(&form, 9, i64::MAX, "0a 1b 2c 3a 4b", "0..4=4");
}

#[test]
fn absence_between_two_steps() {
    let form = of(9, vec![present(1), Stage::Absent, present(1)]);
    check(&form, "0a 2c", "0..2=2");
    check(&form, "0a 1b 2c", "");
    check(&form, "0a 1b 2a 3c", "2..3=2");
    check(&form, "0a 2b 2c", "");
    check(&form, "0a 2c 2b", "0..2=2");
    check(&form, "1ab 3bc", "1..3=2");
    check(&form, "0a 1c 2b 3c", "0..1=2");
    // Of two events that are asked for, one may be before what must be absent before both.
    let twice = of(9, vec![present(1), Stage::Absent, present(2)]);
    check(&twice, "0a 1c 2b 3c", "0..3=4");
    check(&twice, "0a 1b 2c 3c", "");
    // An earlier start is taken where the latest one is spoilt.
    let later = of(9, vec![present(1), present(1), Stage::Absent, present(1)]);
    check(&later, "0a 1b 2a 3d", "0..3=4");
    check(&later, "0a 1b 2c 3d", "");
}

#[test]
fn absence_at_the_end_waits_for_its_deadline() {
    let form = of(5, vec![present(1), Stage::Absent]);
    check(&form, "0a", "0..0=1");
    check_at(&form, 0, 5, "0a", "");
    check_at(&form, 0, 6, "0a", "0..0=1");
    check(&form, "0a 5b", "");
    check(&form, "0a 6b", "0..0=1");
    check(&form, "0a 0b", "");
    check(&form, "0b 0a", "0..0=1");
    check(&form, "0ab", "0..0=1");
    check(&form, "0a 1a 6b", "0..0=1");
    check(&form, "0a 1a 5b", "");
    let three = of(10, vec![present(1), present(1), Stage::Absent]);
    // The chain from 5 is the one that counts: it would have been over at 15.
    check(&three, "0a 5a 6b 12c", "");
    check(&three, "0a 5a 6b 16c", "5..6=2");
    check_at(&three, 0, 15, "0a 5a 6b", "");
    check_at(&three, 0, 16, "0a 5a 6b", "5..6=2");
    check(&three, "0a 11b", "");
    let until =
        Form::Sequence { within: 5, stages: vec![present(1), Stage::Absent], until: Some(2), residuals: vec![] };
    check(&until, "0a 3c", "");
    check(&until, "0a 6c", "0..0=1");
}

#[test]
fn the_same_event_is_what_comes_and_what_stays_away() {
    // The compiler gives both steps the same condition: a heartbeat satisfies both.
    let form = of(5, vec![present(1), Stage::Absent]);
    check(&form, "0ab 3ab 9ab", "3..3=1 9..9=1");
    check(&form, "0ab 5ab", "5..5=1");
    check_at(&form, 9, i64::MAX, "0ab 6ab", "0..6=2");
}

#[test]
fn conditions_between_steps() {
    let residual = |slot, compare, negated, numbers| Residual {
        step: 1,
        slot,
        compare,
        negated,
        other: 0,
        other_slot: slot,
        numbers,
    };
    let form = |residual| Form::Sequence {
        within: 9,
        stages: vec![present(1), present(1)],
        until: None,
        residuals: vec![residual],
    };
    let unlike = form(residual(0, Compare::Equal, true, false));
    check(&unlike, "0a=x 1b=X", "");
    check(&unlike, "0a=x 1b=y", "0..1=2");
    check(&unlike, "0a=x 1b", "0..1=2");
    check(&unlike, "0a=y 1a=x 2b=x", "0..2=3");
    let like = form(residual(0, Compare::Equal, false, false));
    check(&like, "0a=x 1b=X", "0..1=2");
    check(&like, "0a 1b", "");
    check(&like, "0a=x 1a=y 2b=y 3b=x", "0..3=4");
    let more = form(residual(1, Compare::Greater, false, true));
    check(&more, "0a=-,9 1b=-,10", "0..1=2");
    check(&more, "0a=-,10 1b=-,9", "");
    check(&more, "0a=-,9 1b=-,x", "");
}
