//! A restart half-way: what was said before it and what a dataflow says that is filled with what can still matter.

use proptest::test_runner::TestCaseError;
use weir::correlate::Emit;

use super::case::{Case, cases};
use super::generate::any_form;
use super::run::{Answer, Running};
use super::{same, try_cases};
use crate::reference::{self, Row};

/// Stops after some epoch, starts again with the rows since the first event of what may still change less the
/// program's horizon, and goes on. What began earlier stays as it was said.
fn a_restart_changes_nothing(case: &Case) -> Result<(), TestCaseError> {
    let program = &case.program;
    let (before, after) = case.epochs.split_at(case.choice % case.epochs.len());
    let mut stopped = Running::start(program, 1, Emit::Running);
    before.iter().for_each(|(rows, watermark)| stopped.epoch(rows, *watermark));
    let said = stopped.finish();
    let watermark = before.last().map_or(i64::MIN / 2, |(_, watermark)| *watermark);
    let horizon = program.horizon();
    let open = said.keys().filter(|r| r.last.time + horizon >= watermark).map(|r| r.first.time);
    let exact_from = open.fold(watermark - horizon, i64::min);
    let rows = |from: i64| -> Vec<Row> {
        before.iter().flat_map(|(rows, _)| rows.iter().filter(|r| r.time >= from).cloned()).collect()
    };
    let mut again = Running::start(program, 1, Emit::Running);
    again.epoch(&rows(exact_from - horizon), watermark);
    after.iter().for_each(|(rows, watermark)| again.epoch(rows, *watermark));
    let mut answer: Answer = said.into_iter().filter(|(r, _)| r.first.time < exact_from).collect();
    answer.extend(again.finish().into_iter().filter(|(r, _)| r.first.time >= exact_from));
    same("after a restart", &answer, &reference::episodes(program, &case.rows(), case.end()))
}

#[test]
fn a_restart_half_way() {
    try_cases(1000, cases(any_form(), 1..4, 50), a_restart_changes_nothing);
}
