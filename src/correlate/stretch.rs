//! Stretches: live events between two checkpoints, and changes of them.

use std::collections::VecDeque;

use super::amend::Amendment;
use super::episode::{Episode, Place};
use super::machine::{Machine, Row};
use crate::rule::plan;

/// A stretch has at least so many events, so that checkpoints are a small part of memory and of work. (Tests have few
/// events and want many checkpoints.)
pub(super) const LEAST: usize = if cfg!(test) { 2 } else { 64 };
/// And so many times as many as its checkpoint holds, while that is less than [`LARGE`]; then as many as that holds.
const SPARSE: usize = if cfg!(test) { 0 } else { 4 };
/// A large stretch.
const LARGE: usize = 4096;

/// Events between two checkpoints. There is always one.
pub(super) struct Stretch {
    pub(super) rows: Vec<Row>,
    /// Episodes that ended by them.
    pub(super) closed: Vec<Episode>,
    /// The checkpoint behind them.
    pub(super) after: Machine,
}

/// Events that came and went, in order.
#[derive(Default)]
pub(super) struct Changes {
    late: VecDeque<Row>,
    gone: VecDeque<Row>,
    /// Those worked in, as places and by how many events there are more.
    done: Vec<(Place, i64)>,
}

/// How many events there should be between checkpoints like this state.
pub(super) fn length(machine: &Machine) -> usize {
    let size = machine.size();
    LEAST.max((SPARSE * size).min(LARGE.max(size)))
}

/// Leaves out events that came and went at once. `late` is sorted; so is `gone` then.
pub(super) fn cancel(late: &mut Vec<Row>, gone: &mut Vec<Row>) {
    gone.sort_unstable();
    if !late.is_empty() && !gone.is_empty() {
        let known = std::mem::take(gone);
        *gone = remove(late, known).1;
    }
}

/// Takes these out of sorted events. Returns those that were there and those that were not.
fn remove(rows: &mut Vec<Row>, gone: Vec<Row>) -> (Vec<Row>, Vec<Row>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let mut gone = gone.into_iter().peekable();
    rows.retain(|row| {
        while let Some(earlier) = gone.next_if(|g| g < row) {
            missing.push(earlier);
        }
        let same = gone.next_if_eq(row);
        let stays = same.is_none();
        found.extend(same);
        stays
    });
    missing.extend(gone);
    (found, missing)
}

impl Stretch {
    /// Works changes in. Returns the last place that it knew or knows.
    pub(super) fn merge(&mut self, rule: &plan::Rule, here: Changes, changes: &mut Changes) -> Place {
        let before = self.rows.last().map(Row::place);
        changes.merge(rule, &mut self.rows, here);
        let last = before.max(self.rows.last().map(Row::place));
        last.expect("a stretch has events before or after changes")
    }

    /// Runs its events from this state.
    pub(super) fn run(&mut self, rule: &plan::Rule, machine: &mut Machine) {
        self.closed.clear();
        self.rows.iter().for_each(|row| machine.step(rule, row, &mut self.closed));
    }

    /// Takes a stretch from its beginning and runs it from this state.
    pub(super) fn split(&mut self, rule: &plan::Rule, machine: &mut Machine) -> Stretch {
        let rest = self.rows.split_off(length(machine));
        let (rows, mut closed) = (std::mem::replace(&mut self.rows, rest), Vec::new());
        rows.iter().for_each(|row| machine.step(rule, row, &mut closed));
        Stretch { rows, closed, after: machine.clone() }
    }

    /// Corrects it for changes before it; whether there may be something to correct behind it.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        amendment.episodes(&mut self.closed);
        self.after.amend(amendment)
    }
}

impl Changes {
    /// Both sorted.
    pub(super) fn new(late: Vec<Row>, gone: Vec<Row>) -> Changes {
        Changes { late: late.into(), gone: gone.into(), done: Vec::new() }
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.late.is_empty() && self.gone.is_empty()
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<&Row> {
        self.late.front().into_iter().chain(self.gone.front()).min()
    }

    /// Those before `next`, or all.
    pub(super) fn before(&mut self, next: Option<&Row>) -> Changes {
        let take = |rows: &mut VecDeque<Row>| {
            let count = next.map_or(rows.len(), |next| rows.partition_point(|row| row < next));
            rows.drain(..count).collect()
        };
        Changes { late: take(&mut self.late), gone: take(&mut self.gone), done: Vec::new() }
    }

    /// Works these in, which are the next.
    pub(super) fn merge(&mut self, rule: &plan::Rule, rows: &mut Vec<Row>, here: Changes) {
        let from = self.done.len();
        if !here.late.is_empty() {
            self.done.extend(here.late.iter().map(|row| (row.place(), Machine::counts(rule, row))));
            rows.extend(here.late);
            // Two sorted runs, which this sort merges in linear time.
            rows.sort();
        }
        if !here.gone.is_empty() {
            let (found, _) = remove(rows, here.gone.into());
            self.done.extend(found.iter().map(|row| (row.place(), -Machine::counts(rule, row))));
        }
        self.done[from..].sort_unstable();
    }

    /// What was worked in: places, in order, and how many events more there are at each.
    pub(super) fn done(&self) -> &[(Place, i64)] {
        &self.done
    }
}
