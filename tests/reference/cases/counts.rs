//! Single events, thresholds, distinct counts, steps in any order, and how matches grow into episodes.

use weir::rule::plan::{Aggregate, Bound, Compare, Form, Having};

use super::{check, check_at};

#[test]
fn single_events_never_merge() {
    check(&Form::Single, "", "");
    check(&Form::Single, "3", "3..3=1");
    check(&Form::Single, "3 1", "1..1=1 3..3=1");
    check(&Form::Single, "3 3", "3..3=1 3..3=1");
    check_at(&Form::Single, 9, i64::MIN, "1 2", "1..1=1 2..2=1");
}

#[test]
fn a_threshold_is_so_many_within_the_window() {
    let form = Form::Threshold { within: 5, count: 3 };
    check(&form, "0 2 5", "0..5=3");
    check(&form, "0 2 6", "");
    check(&form, "5 0 2", "0..5=3");
    check(&form, "1 1 1", "1..1=3");
    check(&form, "0 1 2 6 7 8", "0..8=6");
    check(&form, "0 1 2 8 9 10", "0..2=3 8..10=3");
    // The fourth one's match starts with the second, not with the first.
    check(&form, "0 4 5 6", "0..6=4");
    check(&Form::Threshold { within: 0, count: 2 }, "1 1 2", "1..1=2");
}

#[test]
fn matches_merge_over_the_cooldown() {
    let form = Form::Threshold { within: 0, count: 2 };
    check_at(&form, 2, i64::MAX, "1 1 3 3 6 6", "1..3=4 6..6=2");
    check_at(&form, 0, i64::MAX, "1 1 3 3", "1..1=2 3..3=2");
    let each = Form::Threshold { within: 0, count: 1 };
    check_at(&each, 3, i64::MAX, "0 3 6 10", "0..6=3 10..10=1");
    // Without a gap there is nothing for a cooldown to bridge.
    check_at(&each, 0, i64::MAX, "4 4 5", "4..4=2 5..5=1");
    // The event between two matches of an episode counts.
    check_at(&form, 9, i64::MAX, "1 1 4 7 7", "1..7=5");
}

#[test]
fn distinct_values_within_the_window() {
    let form = Form::Distinct { within: 3, count: 2, slot: 0 };
    check(&form, "0=x 3=y", "0..3=2");
    check(&form, "0=x 4=y", "");
    check(&form, "0=x 1=x 2=y", "1..2=2");
    check(&form, "0=x 1=- 2=y", "0..2=2");
    check(&form, "0=x 1=y 2=y 3=y", "0..3=4");
    check(&form, "0=x 1=y 2=y 3=y 4=y", "0..3=4");
    check(&form, "0=x 1=y 9=x 10=y", "0..1=2 9..10=2");
    check(&form, "2=x 2=y", "2..2=2");
}

#[test]
fn all_steps_in_any_order() {
    let form = Form::All { within: 5, stages: vec![Having::one(), Having::one()] };
    check(&form, "0a 5b", "0..5=2");
    check(&form, "0b 5a", "0..5=2");
    check(&form, "0a 6b", "");
    check(&form, "2ab", "2..2=1");
    check(&form, "0a 1a 2b", "1..2=2");
    check(&form, "0a 1b 2a", "0..2=3");
    check(&form, "0a 1a 2a", "");
    let twice = Form::All { within: 5, stages: vec![Having::count(2), Having::one()] };
    check(&twice, "0a 1b 5a", "0..5=3");
    check(&twice, "0a 1b 6a", "");
    check(&twice, "3ab 4a", "3..4=2");
    let values = Bound { aggregate: Aggregate::Distinct { slot: 0 }, compare: Compare::Greater, value: 1 };
    let values = Form::All { within: 5, stages: vec![Having::Bound(values), Having::one()] };
    check(&values, "0a=x 1a=x 2b=y", "");
    check(&values, "0a=x 1a=y 2b=y 3a=y", "0..3=4");
}
