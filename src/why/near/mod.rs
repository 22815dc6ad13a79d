//! What a rule makes of one key's events: its matches, and where there is none the nearest miss.
//!
//! In: a rule of the plan and the events of one key that take part in it, in (time, id) order. Out:
//! [`Match`]es with the events that prove them, and [`Miss`]es, the nearest first. Written for one key
//! and to be read, not for speed, but never worse than n log n in the number of events.

use std::rc::Rc;

use serde::Serialize;

use crate::event::EventId;
use crate::rule::plan::{Form, Rule, Tuple};

mod all;
mod baseline;
mod broken;
mod chain;
mod count;
mod gauge;
mod met;
mod novel;
mod residual;
mod sequence;
mod usual;

pub(super) use gauge::{sign, slot};
pub(super) use met::met;

/// An event that takes part in a rule, for one key.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Event time, µs UTC.
    pub(super) time: i64,
    pub(super) id: EventId,
    /// The steps it satisfies, bit i for the i-th.
    pub(super) steps: u32,
    /// The steps it would satisfy were there no exceptions.
    pub(super) excepted: u32,
    /// The first exception that holds for it.
    pub(super) exception: Option<usize>,
    /// The rule's payload.
    pub(super) values: Tuple,
}

/// Events that prove a match: a run of one step's, and those before.
#[derive(Debug)]
pub(super) struct Link {
    step: usize,
    /// Positions of the step's events among the rows.
    members: Rc<[usize]>,
    /// The run, both ends included.
    from: usize,
    to: usize,
    before: Option<Rc<Link>>,
}

/// A match: its span, and what proves it.
#[derive(Clone, Debug)]
pub(super) struct Match {
    /// Time of its first event, µs.
    pub(super) start: i64,
    /// Its end, µs: the time of its last event, or the deadline of an absence.
    pub(super) end: i64,
    /// Position of the event that completes it.
    pub(super) last: usize,
    /// Time in the archive ends before the deadline of the absence.
    pub(super) pending: bool,
    proof: Rc<Link>,
}

/// Why there is no match.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    pub(super) finding: Finding,
    /// Events that show it: step and position among the rows.
    pub(super) events: Vec<(usize, usize)>,
}

/// What a miss is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Too few events, values or too small a figure.
    Figure,
    /// Everything came, but not within the window.
    Window,
    /// Steps came in another order.
    Order,
    /// An `until` event broke the chain.
    Until,
    /// What had to stay away came.
    Absence,
    /// Whether something stays away is not decided yet.
    Undecided,
    /// A condition between events of two steps did not hold.
    Condition,
    /// A step has no event, or none after the step before.
    Step,
    /// An exception.
    Exception,
    /// The value was seen before.
    Seen,
    /// The key is not known for long enough.
    Learning,
    /// It stood out, but not by enough.
    Deviation,
}

/// One reason why a rule did not fire.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// In words.
    pub text: String,
    /// What was reached, in the unit of `wanted`: events, values, a figure, or µs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<f64>,
    /// What the rule wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<f64>,
}

impl Miss {
    fn new(kind: Kind, text: String) -> Miss {
        Miss { finding: Finding { kind, text, reached: None, wanted: None }, events: Vec::new() }
    }

    fn of(mut self, reached: impl AsNumber, wanted: impl AsNumber) -> Miss {
        self.finding.reached = Some(reached.number());
        self.finding.wanted = Some(wanted.number());
        self
    }

    fn events(self, events: Vec<(usize, usize)>) -> Miss {
        Miss { events, ..self }
    }
}

/// Counts, figures and lengths of time all become JSON numbers.
trait AsNumber {
    fn number(self) -> f64;
}

impl AsNumber for i128 {
    fn number(self) -> f64 {
        self as f64
    }
}

impl AsNumber for i64 {
    fn number(self) -> f64 {
        self as f64
    }
}

impl AsNumber for usize {
    fn number(self) -> f64 {
        self as f64
    }
}

impl Link {
    /// The first event's position among the rows.
    fn first(&self) -> usize {
        match &self.before {
            Some(before) => before.first(),
            None => self.members[self.from],
        }
    }

    fn collect(&self, out: &mut Vec<(usize, usize)>) {
        if let Some(before) = &self.before {
            before.collect(out);
        }
        out.extend(self.members[self.from..=self.to].iter().map(|row| (self.step, *row)));
    }
}

impl Match {
    /// A match that ends with its last event.
    fn at(rows: &[Row], last: usize, proof: Rc<Link>) -> Match {
        let start = rows[proof.first()].time.min(rows[last].time);
        Match { start, end: rows[last].time, last, pending: false, proof }
    }

    /// The events that prove it, each with its step, in order.
    pub(super) fn events(&self, rule: &Rule, rows: &[Row]) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        self.proof.collect(&mut out);
        out.sort_by_key(|(_, row)| *row);
        out.dedup_by_key(|(_, row)| *row);
        if let Form::Distinct { slot, .. } = rule.form {
            // One event a value, the latest.
            let mut seen = rustc_hash::FxHashSet::default();
            out.reverse();
            out.retain(|(_, row)| seen.insert(rows[*row].values.get(slot)));
            out.reverse();
        }
        out
    }
}

/// All matches, in the order of the events that complete them. Events before `end` (µs) are all known.
pub(super) fn matches(rule: &Rule, rows: &[Row], end: i64) -> Vec<Match> {
    match &rule.form {
        Form::Single => count::each(rows),
        Form::Threshold { .. } | Form::Distinct { .. } | Form::Aggregate { .. } => count::matches(rule, rows),
        Form::Sequence { .. } => sequence::matches(rule, rows, end),
        Form::All { .. } => all::matches(rule, rows),
        Form::Novel { .. } => novel::matches(rule, rows),
        Form::Baseline { .. } => baseline::matches(rule, rows),
    }
}

/// Why there is no match, the nearest miss first. Of events that no step takes it says nothing.
pub(super) fn misses(rule: &Rule, rows: &[Row], end: i64) -> Vec<Miss> {
    let mut out = excepted(rule, rows, end);
    out.extend(match &rule.form {
        Form::Single => Vec::new(),
        Form::Threshold { .. } | Form::Distinct { .. } | Form::Aggregate { .. } => count::misses(rule, rows),
        Form::Sequence { .. } => broken::misses(rule, rows, end),
        Form::All { .. } => all::misses(rule, rows),
        Form::Novel { .. } => novel::misses(rule, rows),
        Form::Baseline { .. } => baseline::misses(rule, rows),
    });
    out
}

/// A match of which the archive does not show whether what must stay away did.
pub(super) fn undecided(rule: &Rule, rows: &[Row], found: &Match, end: i64) -> Miss {
    use super::value::{duration, instant};
    let text = format!(
        "not decided yet: nothing came that must stay away, but time in the archive ends at {}, {} before the deadline at {}",
        instant(end),
        duration(found.end - end),
        instant(found.end)
    );
    Miss::new(Kind::Undecided, text).of(end - found.start, found.end - found.start).events(found.events(rule, rows))
}

/// Whether it would have fired without its exceptions.
fn excepted(rule: &Rule, rows: &[Row], end: i64) -> Vec<Miss> {
    if rows.iter().all(|r| r.exception.is_none()) {
        return Vec::new();
    }
    let all: Vec<Row> = rows.iter().map(|r| Row { steps: r.steps | r.excepted, ..r.clone() }).collect();
    let Some(first) = matches(rule, &all, end).into_iter().next() else { return Vec::new() };
    let events = first.events(rule, &all);
    let left_out: Vec<(usize, usize)> = events.into_iter().filter(|(_, row)| rows[*row].exception.is_some()).collect();
    let mut reasons: Vec<usize> = left_out.iter().filter_map(|(_, row)| rows[*row].exception).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let named: Vec<String> =
        reasons.iter().filter_map(|r| rule.exceptions.all.get(*r)).map(|e| format!("\"{}\"", e.reason)).collect();
    let at = left_out.first().map_or(first.start, |(_, row)| rows[*row].time);
    let text = format!(
        "excepted by {} at {}: without it the rule would have fired",
        named.join(" and "),
        super::value::instant(at)
    );
    vec![Miss::new(Kind::Exception, text).events(left_out)]
}

/// Positions of the rows that satisfy a step.
fn members(rows: &[Row], step: usize) -> Rc<[usize]> {
    let bit = 1u32.checked_shl(step as u32).unwrap_or(0);
    rows.iter().enumerate().filter(|(_, r)| r.steps & bit != 0).map(|(at, _)| at).collect()
}

/// A step as a sentence names it: its label, or its number.
pub(super) fn step_name(rule: &Rule, step: usize) -> String {
    match rule.steps.get(step).and_then(|s| s.name.as_deref()) {
        Some(name) => format!("step `{name}`"),
        None if until(rule) == Some(step) => "the `until` event".to_owned(),
        None if rule.steps.len() == 1 => "the condition".to_owned(),
        None => format!("step {}", step + 1),
    }
}

/// The step that breaks a chain.
pub(super) fn until(rule: &Rule) -> Option<usize> {
    sequence::Parts::of(rule).and_then(|parts| parts.until)
}

/// `a to b`, of two events' times.
fn span(rows: &[Row], first: usize, last: usize) -> String {
    use super::value::{instant, instant_beside};
    let (a, b) = (rows[first].time, rows[last].time);
    if a == b { format!("at {}", instant(a)) } else { format!("{} to {}", instant(a), instant_beside(b, a)) }
}

/// Up to this many events are shown of a miss, the last ones.
const SHOWN: usize = 12;

/// The events of a run of members, the last few of them.
fn shown(step: usize, run: &[usize]) -> Vec<(usize, usize)> {
    run[run.len().saturating_sub(SHOWN)..].iter().map(|row| (step, *row)).collect()
}
