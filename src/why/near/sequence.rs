//! Sequences: which chains are matches. In: the events of a key. Out: matches, also with a rule of the form left aside,
//! which is how the nearest miss is found.

use super::chain::{Chain, Stages};
use super::residual;
use super::{Match, Row};
use crate::rule::plan::{Form, Residual, Rule, Stage};

/// The parts of a sequence, some of which may be left aside.
#[derive(Clone, Copy)]
pub(super) struct Parts<'p> {
    pub(super) within: i64,
    pub(super) stages: &'p [Stage],
    pub(super) until: Option<usize>,
    pub(super) residuals: &'p [Residual],
    /// Whether what must stay away must.
    pub(super) absences: bool,
}

impl<'p> Parts<'p> {
    /// Of a rule that is a sequence.
    pub(super) fn of(rule: &'p Rule) -> Option<Parts<'p>> {
        match &rule.form {
            Form::Sequence { within, stages, until, residuals } => {
                Some(Parts { within: *within, stages, until: *until, residuals, absences: true })
            }
            Form::Single
            | Form::Threshold { .. }
            | Form::Distinct { .. }
            | Form::Aggregate { .. }
            | Form::All { .. }
            | Form::Novel { .. }
            | Form::Baseline { .. } => None,
        }
    }
}

pub(super) fn matches(rule: &Rule, rows: &[Row], end: i64) -> Vec<Match> {
    Parts::of(rule).map(|parts| found(parts, rows, end)).unwrap_or_default()
}

/// The matches of these parts.
pub(super) fn found(parts: Parts<'_>, rows: &[Row], end: i64) -> Vec<Match> {
    let stages = Stages::new(parts.stages, parts.until, parts.absences, rows);
    let chains = complete(&stages, parts, rows);
    let breaks = breakers(&stages, parts.until, rows);
    let mut out = Vec::new();
    for (last, chain) in chains.into_iter().enumerate().filter_map(|(at, c)| c.map(|c| (at, c))) {
        if rows[last].time.saturating_sub(chain.start) > parts.within {
            continue;
        }
        let one = Match { start: chain.start, end: rows[last].time, last, pending: false, proof: chain.link };
        if stages.trailing == 0 {
            out.push(one);
            continue;
        }
        let deadline = chain.start.saturating_add(parts.within);
        if breaks[last].is_none_or(|at| rows[at].time > deadline) {
            out.push(Match { end: deadline, pending: end <= deadline, ..one });
        }
    }
    out
}

/// By row the latest-starting chain through all stages.
pub(super) fn complete(stages: &Stages<'_>, parts: Parts<'_>, rows: &[Row]) -> Vec<Option<Chain>> {
    if parts.residuals.is_empty() {
        return stages.chains(rows).pop().unwrap_or_else(|| vec![None; rows.len()]);
    }
    residual::chains(stages, parts.residuals, parts.within, rows)
}

/// By row the next one that breaks a silence after it.
pub(super) fn breakers(stages: &Stages<'_>, until: Option<usize>, rows: &[Row]) -> Vec<Option<usize>> {
    let bits = stages.trailing | until.map_or(0, |u| 1u32.checked_shl(u as u32).unwrap_or(0));
    let mut out = vec![None; rows.len()];
    let mut next = None;
    for at in (0..rows.len()).rev() {
        out[at] = next;
        if rows[at].steps & bits != 0 {
            next = Some(at);
        }
    }
    out
}
