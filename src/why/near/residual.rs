//! Chains with conditions between the events of their steps: searched for, since which event of a step is taken matters.
//!
//! In: the stages of a sequence and the conditions. Out: for each event of the last stage the latest-starting
//! chain on which all hold. The search is bounded: past [`BUDGET`] looks the chains found so far are the answer.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::chain::{Chain, Stages};
use super::{Link, Row};
use crate::matching::fold;
use crate::rule::plan::Residual;

/// So many events are looked at in all: about half a second.
const BUDGET: usize = 3_000_000;

/// What conditions compare: the values of the slots they name.
pub(super) struct Values {
    slots: FxHashMap<usize, Vec<Value>>,
}

struct Value {
    /// Without case.
    text: Option<String>,
    number: Option<i128>,
}

impl Values {
    pub(super) fn new(residuals: &[Residual], rows: &[Row]) -> Values {
        let value = |row: &Row, slot: usize| {
            let text = row.values.get(slot);
            Value { number: text.as_deref().and_then(|t| t.parse().ok()), text: text.map(|t| fold(&t)) }
        };
        let named = residuals.iter().flat_map(|r| [r.slot, r.other_slot]);
        Values { slots: named.map(|slot| (slot, rows.iter().map(|row| value(row, slot)).collect())).collect() }
    }

    fn hold(&self, residual: &Residual, later: usize, earlier: usize) -> bool {
        let (a, b) = (&self.slots[&residual.slot][later], &self.slots[&residual.other_slot][earlier]);
        let compared = match residual.numbers {
            true => a.number.zip(b.number).map(|(a, b)| residual.compare.holds(&a, &b)),
            false => a.text.as_ref().zip(b.text.as_ref()).map(|(a, b)| residual.compare.holds(a, b)),
        };
        compared.unwrap_or(false) != residual.negated
    }

    /// The conditions that do not hold between events of steps.
    pub(super) fn broken<'r>(&self, residuals: &'r [Residual], events: &[(usize, usize)]) -> Vec<&'r Residual> {
        let of = |step: usize| events.iter().rev().find(|(s, _)| *s == step).map(|(_, row)| *row);
        let holds = |r: &Residual| of(r.step).zip(of(r.other)).is_some_and(|(a, b)| self.hold(r, a, b));
        residuals.iter().filter(|r| !holds(r)).collect()
    }
}

/// By row the latest-starting chain through all stages, no longer than the window (µs).
pub(super) fn chains(stages: &Stages<'_>, residuals: &[Residual], within: i64, rows: &[Row]) -> Vec<Option<Chain>> {
    let mut out = vec![None; rows.len()];
    let Some(last) = stages.present.last() else { return out };
    let values = Values::new(residuals, rows);
    let mut search = Search { stages, residuals, values, rows, left: BUDGET, least: 0, taken: Vec::new(), best: None };
    for (at, row) in last.members.iter().enumerate() {
        search.least = rows[*row].time.saturating_sub(within);
        search.best = None;
        search.visit(stages.present.len() - 1, at);
        out[*row] = search.best.take();
    }
    out
}

struct Search<'s> {
    stages: &'s Stages<'s>,
    residuals: &'s [Residual],
    values: Values,
    rows: &'s [Row],
    left: usize,
    /// A chain must not start before this, µs.
    least: i64,
    /// The events taken so far, from the last stage back: stage, and the first and last of its run.
    taken: Vec<(usize, usize, usize)>,
    best: Option<Chain>,
}

impl Search<'_> {
    /// Takes the run of a stage that ends at this member, and goes on to the stage before.
    fn visit(&mut self, level: usize, to: usize) {
        let stage = &self.stages.present[level];
        let Some(from) = stage.starts[to] else { return };
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        self.taken.push((level, from, to));
        if self.consistent(level) {
            let first = stage.members[from];
            match level {
                0 => self.keep(first),
                _ => self.back(level, first),
            }
        }
        self.taken.pop();
    }

    /// Tries the events of the stage before, the latest first.
    fn back(&mut self, level: usize, first: usize) {
        let (members, absent) = (&self.stages.present[level - 1].members, self.stages.present[level].absent);
        let mut between = first;
        for at in (0..members.partition_point(|m| *m < first)).rev() {
            let row = members[at];
            // What must stay away came between: also for all earlier ones.
            if absent != 0 {
                let passed = &self.rows[row + 1..between.max(row + 1)];
                self.left = self.left.saturating_sub(passed.len());
                if passed.iter().any(|r| r.steps & absent != 0) {
                    return;
                }
                between = row + 1;
            }
            let too_early = self.rows[row].time < self.floor();
            if too_early || self.stages.segments[row] != self.stages.segments[first] || self.left == 0 {
                return;
            }
            self.visit(level - 1, at);
        }
    }

    /// Only a chain that starts later than the best one is of use.
    fn floor(&self) -> i64 {
        self.best.as_ref().map_or(self.least, |b| self.least.max(b.start.saturating_add(1)))
    }

    /// Whether the conditions hold between the stage just taken and those taken before.
    fn consistent(&self, level: usize) -> bool {
        let row = |step: usize| {
            let (level, _, to) = self.taken.iter().find(|(l, _, _)| self.stages.present[*l].step == step)?;
            Some(self.stages.present[*level].members[*to])
        };
        let step = self.stages.present[level].step;
        self.residuals.iter().filter(|r| r.step == step || r.other == step).all(|r| {
            let both = row(r.step).zip(row(r.other));
            both.is_none_or(|(later, earlier)| self.values.hold(r, later, earlier))
        })
    }

    fn keep(&mut self, first: usize) {
        let start = self.rows[first].time;
        if start < self.floor() {
            return;
        }
        let link = self.taken.iter().rev().fold(None, |before, (level, from, to)| {
            let stage = &self.stages.present[*level];
            Some(Rc::new(Link { step: stage.step, members: stage.members.clone(), from: *from, to: *to, before }))
        });
        self.best = link.map(|link| Chain { start, link });
    }
}
