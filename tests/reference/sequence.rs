//! Sequences: all chains of events that end at an event.
//!
//! A chain gives each present stage its events: as many as it counts, of its step, or for another condition the shortest run of its
//! step's events that ends with its last one. Each stage's events come after those of the stage before.

use std::ops::Range;

use weir::rule::plan::{Form, Having, Residual, Rule, Stage};

use super::figure::holds;
use super::{Row, is_until};

/// The latest first event of a chain whose last event is `end`, if there is one.
pub(super) fn start(rule: &Rule, rows: &[&Row], end: usize, watermark: i64) -> Option<usize> {
    let Form::Sequence { within, stages, residuals, .. } = &rule.form else { return None };
    let last = stages.iter().rposition(|s| matches!(s, Stage::Present(_)))?;
    let search = Search { rule, rows, within: *within, stages, residuals, watermark, last, end };
    // What must be absent after it is asked of this one chain only.
    search.start(last, end, &mut Vec::new()).filter(|first| search.stays(*first))
}

struct Search<'a> {
    rule: &'a Rule,
    rows: &'a [&'a Row],
    within: i64,
    stages: &'a [Stage],
    residuals: &'a [Residual],
    watermark: i64,
    /// The last present stage and the chain's last event.
    last: usize,
    end: usize,
}

impl Search<'_> {
    /// The latest first event of a chain that goes on with `later` (stage, its last event), and through this
    /// stage with this last event.
    fn start(&self, stage: usize, last: usize, later: &mut Vec<(usize, usize)>) -> Option<usize> {
        let Stage::Present(having) = &self.stages[stage] else { return None };
        if !self.rows[last].is(stage) || self.rows[self.end].time - self.rows[last].time > self.within {
            return None;
        }
        later.push((stage, last));
        let mut found = None;
        if self.residuals.iter().all(|r| self.agrees(r, later)) {
            let before = self.stages[..stage].iter().rposition(|s| matches!(s, Stage::Present(_)));
            for first in (0..=last).filter(|first| self.complete(stage, having, *first, last)) {
                found = found.max(match before {
                    None => self.is_whole(first).then_some(first),
                    Some(before) => (0..first)
                        .filter(|end| !self.occurs(before + 1..stage, end + 1..first))
                        .filter_map(|end| self.start(before, end, later))
                        .max(),
                });
            }
        }
        later.pop();
        found
    }

    /// Whether the stage can have events from `first` to `last`.
    fn complete(&self, stage: usize, having: &Having, first: usize, last: usize) -> bool {
        let run =
            |from: usize| -> Vec<&Row> { self.rows[from..=last].iter().copied().filter(|r| r.is(stage)).collect() };
        if !self.rows[first].is(stage) {
            return false;
        }
        match having.only_count() {
            Some(0 | 1) => first == last,
            Some(count) => first < last && run(first).len() >= count,
            None => holds(having, &run(first)) && (first == last || !holds(having, &run(first + 1))),
        }
    }

    /// Whether an event of one of these steps is among these.
    fn occurs(&self, mut steps: Range<usize>, events: Range<usize>) -> bool {
        steps.any(|step| self.rows[events.clone()].iter().any(|r| r.is(step)))
    }

    /// Whether a chain from `first` lies in the window and is not broken.
    fn is_whole(&self, first: usize) -> bool {
        let in_window = self.rows[self.end].time <= self.rows[first].time + self.within;
        in_window && !self.rows[first..=self.end].iter().any(|r| is_until(self.rule, r))
    }

    /// Whether nothing comes that must be absent at the end of a chain from `first`, nor breaks it until then.
    fn stays(&self, first: usize) -> bool {
        let deadline = self.rows[first].time + self.within;
        let absent = self.last + 1..self.stages.len();
        if absent.is_empty() {
            return true;
        }
        let open = self.end + 1..self.rows.iter().filter(|r| r.time <= deadline).count();
        deadline < self.watermark
            && !self.rows[open.clone()].iter().any(|r| is_until(self.rule, r))
            && !self.occurs(absent, open)
    }

    /// Whether the residual holds, or one of its events is not chosen yet.
    fn agrees(&self, residual: &Residual, chosen: &[(usize, usize)]) -> bool {
        let event = |step: usize| chosen.iter().find(|(s, _)| *s == step).map(|(_, event)| self.rows[*event]);
        let (Some(row), Some(other)) = (event(residual.step), event(residual.other)) else { return true };
        let (Some(a), Some(b)) = (row.values.get(residual.slot), other.values.get(residual.other_slot)) else {
            return residual.negated;
        };
        let compares = if residual.numbers {
            match (a.parse::<i128>(), b.parse::<i128>()) {
                (Ok(a), Ok(b)) => residual.compare.holds(&a, &b),
                (Err(_), _) | (_, Err(_)) => false,
            }
        } else {
            residual.compare.holds(&a.to_lowercase(), &b.to_lowercase())
        };
        compares != residual.negated
    }
}
