//! Every form gives the reference's answer, however its events come.

use proptest::strategy::BoxedStrategy;
use proptest::test_runner::TestCaseError;
use weir::correlate::Emit;
use weir::rule::plan::Form;

use super::case::{Case, cases};
use super::generate::{aggregate, all, any_form, baseline, distinct, novel, sequence, single, threshold};
use super::run::{self, Running};
use super::{same, try_cases};
use crate::reference;

/// Later than every deadline.
const LATER: i64 = 1 << 50;

/// How many cases a form is tried with.
const CASES: u32 = 1000;

/// Live: after every epoch the answer is that for the rows up to then.
fn live(case: &Case) -> Result<(), TestCaseError> {
    let program = &case.program;
    let mut live = Running::start(program, 1, Emit::Running);
    let mut rows = Vec::new();
    for (i, (new, watermark)) in case.epochs.iter().enumerate() {
        rows.extend_from_slice(new);
        live.epoch(new, *watermark);
        let expected = reference::episodes(program, &rows, *watermark);
        same(&format!("live, after epoch {i}"), &live.answer, &expected)?;
    }
    live.epoch(&[], LATER);
    same("live, much later", &live.finish(), &reference::episodes(program, &rows, LATER))
}

/// Finite: the answer for all rows, said once, spilled to disk or not, in one epoch or in several. It is that of a live run up
/// to the end to the last piece of evidence.
fn finite(case: &Case) -> Result<(), TestCaseError> {
    let program = &case.program;
    let rows = case.rows();
    let Some(last) = rows.iter().map(|r| r.time).max() else { return Ok(()) };
    let expected = reference::episodes(program, &rows, last + 1);
    let mut epochs = case.epochs.clone();
    epochs.retain(|(_, watermark)| *watermark <= last);
    let sent: usize = epochs.iter().map(|(rows, _)| rows.len()).sum();
    epochs.push((rows[sent..].to_vec(), last + 1));
    let live = run::epochs(program, &epochs, 1, Emit::Running);
    same("live, up to the end", &live, &expected)?;
    let bundles: Vec<_> = case.epochs.iter().map(|(rows, _)| rows.clone()).collect();
    let spooled = run::finite(program, &bundles, if case.choice.is_multiple_of(2) { 5 } else { usize::MAX }, 1);
    let ended = run::epochs(program, &case.in_order(), 1, Emit::Final);
    for (what, other) in [("finite", spooled), ("finite, in several epochs", ended)] {
        same(what, &other, &expected)?;
        if let Some((a, b)) = live.keys().zip(other.keys()).find(|(a, b)| a != b) {
            return Err(TestCaseError::fail(format!("evidence or values differ\n  live {a:?}\n  {what} {b:?}")));
        }
    }
    Ok(())
}

fn any_order_and_batching_gives_the_answer(case: &Case) -> Result<(), TestCaseError> {
    live(case)?;
    finite(case)
}

fn check(form: BoxedStrategy<Form>) {
    try_cases(CASES, cases(form, 1..2, 40), any_order_and_batching_gives_the_answer);
}

#[test]
fn singles() {
    check(single());
}

#[test]
fn thresholds() {
    check(threshold());
}

#[test]
fn distinct_counts() {
    check(distinct());
}

#[test]
fn aggregates() {
    check(aggregate());
}

#[test]
fn sequences() {
    check(sequence());
}

#[test]
fn all_in_any_order() {
    check(all());
}

#[test]
fn new_and_rare_values() {
    check(novel());
}

#[test]
fn baselines() {
    check(baseline());
}

#[test]
fn several_rules_over_the_same_events() {
    try_cases(CASES / 2, cases(any_form(), 2..8, 30), any_order_and_batching_gives_the_answer);
}

#[test]
fn any_number_of_workers_gives_the_same() {
    try_cases(CASES / 10, cases(any_form(), 1..6, 50), |case| {
        let bundles: Vec<_> = case.epochs.iter().map(|(rows, _)| rows.clone()).collect();
        let live = run::epochs(&case.program, &case.epochs, 1, Emit::Running);
        let finite = run::finite(&case.program, &bundles, 5, 1);
        for workers in [2, 4] {
            let many = run::epochs(&case.program, &case.epochs, workers, Emit::Running);
            proptest::prop_assert_eq!(&many, &live, "live, {} workers", workers);
            let many = run::finite(&case.program, &bundles, 5, workers);
            proptest::prop_assert_eq!(&many, &finite, "finite, {} workers", workers);
        }
        Ok(())
    });
}
