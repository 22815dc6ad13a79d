//! Sends the rows of a case through the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir::correlate::spool::{Overflow, Spool};
use weir::correlate::{Emit, Input, ListChange, Outputs, Record, start};
use weir::matching::MatchRow;
use weir::rule::plan::Program;

use super::match_rows;
use crate::reference::Row;

/// What is said, and how often.
pub(crate) type Answer = BTreeMap<Record, isize>;

/// A dataflow and what it said up to now.
pub(crate) struct Running {
    program: Arc<Program>,
    input: Input,
    outputs: Outputs,
    /// The sum of all changes.
    pub(crate) answer: Answer,
}

impl Running {
    /// A dataflow without events.
    pub(crate) fn start(program: &Arc<Program>, workers: usize, emit: Emit) -> Running {
        let (input, outputs) = start(program.clone(), workers, emit).unwrap();
        Running { program: program.clone(), input, outputs, answer: Answer::new() }
    }

    /// Whether what can be said later is, from the next epoch on.
    pub(crate) fn quiet(&mut self, quiet: bool) {
        self.input.quiet(quiet);
    }

    /// Sends an epoch and takes what it changes.
    pub(crate) fn epoch(&mut self, rows: &[Row], watermark: i64) {
        let rows = match_rows(&self.program, rows);
        self.matched(rows, &[], watermark);
    }

    /// Sends an epoch of rows as matching makes them, with changes of lists before it.
    pub(crate) fn matched(&mut self, rows: Vec<MatchRow>, lists: &[ListChange], watermark: i64) {
        self.input.change_lists(lists.iter().cloned());
        self.input.send(rows, watermark).unwrap();
        let changes = self.outputs.receive().unwrap().unwrap().changes;
        sum(&mut self.answer, changes);
    }

    /// Ends the input.
    pub(crate) fn finish(mut self) -> Answer {
        drop(self.input);
        assert!(self.outputs.receive().unwrap().is_none());
        self.answer
    }
}

/// Adds changes to what was said.
pub(crate) fn sum(answer: &mut Answer, changes: Vec<(Record, isize)>) {
    for (record, diff) in changes {
        *answer.entry(record).or_default() += diff;
    }
    answer.retain(|_, n| *n != 0);
}

/// Runs epochs one after the other. A finite input is then said to be over.
pub(crate) fn epochs(program: &Arc<Program>, epochs: &[(Vec<Row>, i64)], workers: usize, emit: Emit) -> Answer {
    let mut running = Running::start(program, workers, emit);
    epochs.iter().for_each(|(rows, watermark)| running.epoch(rows, *watermark));
    if emit == Emit::Final {
        running.epoch(&[], i64::MAX);
    }
    running.finish()
}

/// Runs rows as a finite input, of which `budget` are held in memory.
pub(crate) fn finite(program: &Arc<Program>, bundles: &[Vec<Row>], budget: usize, workers: usize) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::new(Overflow::Spill, budget, folder.path());
    bundles.iter().for_each(|rows| spool.push(match_rows(program, rows)).unwrap());
    let (mut input, mut outputs) = start(program.clone(), workers, Emit::Final).unwrap();
    while let Some((rows, watermark)) = spool.next_epoch().unwrap() {
        input.send(rows, watermark).unwrap();
    }
    input.send(Vec::new(), i64::MAX).unwrap();
    drop(input);
    let mut answer = Answer::new();
    while let Some(output) = outputs.receive().unwrap() {
        sum(&mut answer, output.changes);
    }
    answer
}
