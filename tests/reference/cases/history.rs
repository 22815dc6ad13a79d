//! First seen, rare, and baselines.

use weir::rule::plan::{Aggregate, Deviation, Form};

use super::{check, check_at};

fn novel(over: i64, learn: i64, fewer_than: usize) -> Form {
    Form::Novel { over, learn, fewer_than, slot: 0 }
}

#[test]
fn new_values_of_a_known_key() {
    let form = novel(10, 5, 1);
    check(&form, "0=x 4=y", "");
    check(&form, "0=x 5=y", "5..5=1");
    check(&form, "0=x 5=x", "");
    check(&form, "0=- 5=y", "");
    check(&form, "0=x 6=y 6=y", "6..6=1");
    check(&form, "0=x 6=y 16=y", "6..6=1");
    check(&form, "0=x 6=y 16=x", "6..6=1 16..16=1");
    // After too long a gap the key is learnt anew.
    check(&form, "0=x 6=y 17=z", "6..6=1");
    check(&form, "0=x 6=y 17=z 22=w", "6..6=1 22..22=1");
    check(&novel(10, 0, 1), "0=x", "0..0=1");
}

#[test]
fn new_values_are_matches_of_their_own() {
    check(&novel(10, 5, 1), "0=x 5=y 5=z", "5..5=1 5..5=1");
    check_at(&novel(10, 5, 1), 9, i64::MAX, "0=x 5=y 6=z", "5..5=1 6..6=1");
}

#[test]
fn rare_values() {
    let form = novel(10, 5, 2);
    check(&form, "0=x 1=x 6=y 7=y 8=y", "6..6=1 7..7=1");
    check(&form, "0=y 1=y 6=y", "");
    check(&form, "0=y 1=x 6=y", "6..6=1");
    check(&form, "0=y 1=y 10=y", "");
    check(&form, "0=y 1=y 11=y", "11..11=1");
}

fn baseline(learn: i64, above: Deviation, least: Option<i128>) -> Form {
    Form::Baseline { every: 10, over: 30, learn, aggregate: Aggregate::Count, above, least }
}

#[test]
fn more_than_a_multiple_of_the_mean() {
    let form = baseline(20, Deviation::Times(2000), None);
    check(&form, "0 10 20 21 22", "22..22=1");
    check(&form, "0 10 20 21", "");
    check(&form, "0 1 10 20 21 22", "");
    check(&baseline(22, Deviation::Times(2000), None), "0 10 20 21 22", "22..22=1");
    check(&baseline(23, Deviation::Times(2000), None), "0 10 20 21 22", "");
    // The bucket without events counts as 0.
    check(&form, "0 20 21", "21..21=1");
    // One for each event that stands out; a cooldown makes one of them.
    check(&form, "0 10 20 21 22 23", "22..22=1 23..23=1");
    check_at(&form, 1, i64::MAX, "0 10 20 21 22 23", "22..23=2");
}

#[test]
fn more_than_deviations_above_what_is_usual() {
    // Two and four: median and mean are 3, both deviations 1.
    let before = "0 1 10 11 12 13";
    for above in [Deviation::Mad(1000), Deviation::Sigma(1000)] {
        check(&baseline(20, above, None), &format!("{before} 20 21 22 23"), "");
        check(&baseline(20, above, None), &format!("{before} 20 21 22 23 24"), "24..24=1");
        check(&baseline(20, above, Some(5)), &format!("{before} 20 21 22 23 24"), "24..24=1");
        check(&baseline(20, above, Some(6)), &format!("{before} 20 21 22 23 24"), "");
    }
    check(&baseline(20, Deviation::Mad(0), None), &format!("{before} 20 21 22 23"), "23..23=1");
}

#[test]
fn a_key_without_history_has_nothing_to_stand_out_from() {
    let form = baseline(0, Deviation::Times(0), None);
    check(&form, "0 1 9", "");
    check(&form, "0 10", "10..10=1");
    // After a gap of more than 30 it is a new key.
    check(&form, "0 31", "");
    check(&form, "0 30", "30..30=1");
}

#[test]
fn history_is_the_whole_buckets_within_reach() {
    let aggregate = Aggregate::Count;
    let form = Form::Baseline { every: 10, over: 20, learn: 0, aggregate, above: Deviation::Times(1000), least: None };
    // At 20 the first bucket is in [0, 20), at 21 it is not in [1, 21) any more.
    check(&form, "0 1 2 10 20", "");
    check(&form, "0 1 2 10 20 20", "");
    check(&form, "0 1 2 10 20 21", "21..21=1");
}

#[test]
fn sums_of_buckets() {
    let aggregate = Aggregate::Sum { slot: 1, unsigned: true };
    let form = Form::Baseline { every: 10, over: 30, learn: 0, aggregate, above: Deviation::Times(1000), least: None };
    check(&form, "0=-,5 10=-,6", "10..10=1");
    check(&form, "0=-,5 10=-,5", "");
    check(&form, "0=-,5 10=-,3 19=-,3", "19..19=1");
    check(&form, "0 10=-,1 11", "10..10=1 11..11=1");
    check(&form, "0=-,-,1 10", "");
}
