//! Conditions on all kinds of figures over sliding and tumbling windows.

use weir::rule::plan::{Aggregate, Bound, Compare, Form, Having, Window};

use super::{check, check_at};

const AMOUNT: usize = 1;
const FIGURE: usize = 2;

fn bound(aggregate: Aggregate, compare: Compare, value: i128) -> Having {
    Having::Bound(Bound { aggregate, compare, value })
}

fn sliding(length: i64, having: Having) -> Form {
    Form::Aggregate { window: Window::Sliding(length), having }
}

fn tumbling(length: i64, having: Having) -> Form {
    Form::Aggregate { window: Window::Tumbling(length), having }
}

#[test]
fn what_only_grows_takes_the_shortest_run() {
    let form = sliding(5, bound(Aggregate::Sum { slot: AMOUNT, unsigned: true }, Compare::AtLeast, 10));
    check(&form, "0=-,4 2=-,3 5=-,3", "0..5=3");
    check(&form, "0=-,4 2=-,3 6=-,3", "");
    check(&form, "0=-,4 3=-,3 4=-,9", "3..4=2");
    check(&form, "0=-,10", "0..0=1");
    check(&form, "0=-,10 1=x 3=-,x", "0..3=3");
    let both = Having::And(vec![Having::count(2), bound(Aggregate::Distinct { slot: 0 }, Compare::Greater, 1)]);
    check(&sliding(9, both.clone()), "0=x 1=x 2=y", "1..2=2");
    check(&sliding(9, both), "0=x 1=y 2=y", "0..2=3");
    let either = Having::Or(vec![Having::count(3), bound(Aggregate::Distinct { slot: 0 }, Compare::AtLeast, 2)]);
    check(&sliding(9, either.clone()), "0=x 1=y", "0..1=2");
    check(&sliding(9, either), "0=x 1=x 2=x 3=x", "0..3=4");
}

#[test]
fn anything_else_takes_the_whole_window() {
    let mean = sliding(4, bound(Aggregate::Average { slot: AMOUNT }, Compare::Greater, 5));
    check(&mean, "0=-,9 2=-,3 4=-,4 5=-,9", "0..5=4");
    check(&mean, "0=-,5 1=-,5", "");
    check(&mean, "0=-,5 1=-,6", "0..1=2");
    check(&mean, "0=-,5 5=-,6", "5..5=1");
    check(&sliding(3, bound(Aggregate::Count, Compare::Less, 3)), "0 1 2", "0..1=2");
    let least = sliding(2, bound(Aggregate::Least { slot: FIGURE }, Compare::Equal, -2));
    check(&least, "0=-,-,-2 1 3=-,-,5", "0..1=2");
    let greatest = bound(Aggregate::Greatest { slot: FIGURE }, Compare::AtLeast, 3);
    check(&sliding(9, greatest.clone()), "0 1=-,-,9", "0..1=2");
    check(&sliding(9, Having::Or(vec![greatest, Having::count(3)])), "0 1 2 3", "0..3=4");
}

#[test]
fn a_window_ends_with_its_event_even_among_those_of_its_time() {
    let alone = sliding(0, bound(Aggregate::Count, Compare::Equal, 1));
    check(&alone, "3 3", "3..3=1");
    check(&alone, "3 4", "3..3=1 4..4=1");
    let even = sliding(9, bound(Aggregate::Count, Compare::Unequal, 1));
    check(&even, "3 3", "3..3=2");
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let half =
        |value| sliding(9, bound(Aggregate::Percentile { slot: AMOUNT, thousandths: 50_000 }, Compare::AtLeast, value));
    check(&half(5), "0=-,1 1=-,9 2=-,5 3=-,2", "0..2=3");
    check(&half(2), "0=-,1 1=-,9 2=-,5 3=-,2", "0..3=4");
    let of = |thousandths, value| {
        sliding(9, bound(Aggregate::Percentile { slot: AMOUNT, thousandths }, Compare::Equal, value))
    };
    // The last of 1, 2, 3, 4 is their 75.001th percentile, their 75th is the one before.
    check(&of(75_000, 4), "0=-,1 0=-,2 0=-,3 0=-,4", "");
    check(&of(75_001, 4), "0=-,1 0=-,2 0=-,3 0=-,4", "0..0=4");
    check(&of(1, 1), "0=-,3 1=-,1", "0..1=2");
}

#[test]
fn no_values_meet_no_bound() {
    let sum = Aggregate::Sum { slot: FIGURE, unsigned: false };
    check(&sliding(9, bound(sum, Compare::Unequal, 5)), "0", "");
    check(&sliding(9, bound(sum, Compare::Unequal, 5)), "0=-,-,x", "");
    check(&sliding(9, bound(sum, Compare::Unequal, 5)), "0=-,-,4", "0..0=1");
    check(&sliding(9, bound(sum, Compare::AtMost, -1)), "0=-,-,4 1=-,-,-5", "0..1=2");
    check(&sliding(9, bound(Aggregate::Distinct { slot: 0 }, Compare::Less, 1)), "0", "0..0=1");
}

#[test]
fn tumbling_windows_start_with_the_hour() {
    let form = tumbling(5, Having::count(2));
    check(&form, "3 4 5 9", "3..4=2 5..9=2");
    check(&form, "4 5", "");
    check(&form, "-3 -1 0", "-3..-1=2");
    check(&form, "0 1 2", "0..2=3");
    check_at(&form, 1, i64::MAX, "3 4 5 9", "3..9=4");
    let mean = tumbling(5, bound(Aggregate::Average { slot: AMOUNT }, Compare::Less, 3));
    check(&mean, "4=-,1 5=-,9 6=-,1 9=-,-", "4..4=1");
    check(&mean, "4=-,1 5=-,4 6=-,1 9=-,-", "4..4=1 5..9=3");
}
