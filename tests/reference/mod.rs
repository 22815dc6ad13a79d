//! The naive evaluator: what a rule means, written so that it is obviously right and never fast.
//!
//! In: a program and the events that take part in its rules, in any order. Out: all episodes. It shares no code with
//! the engine but the types of the plan: every form looks at every event as the end of a match and tries what could
//! be its start ([`matches`], [`sequence`], [`history`]); matches then grow into episodes ([`episodes`]). [`levels`] has rules over
//! alerts, [`lists`] rules whose lists change. The cases worked out by hand are in `cases`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use weir::event::EventId;
use weir::rule::plan::{Form, Program, Rule, Tuple};

mod cases;
mod figure;
mod history;
pub(crate) mod levels;
pub(crate) mod lists;
mod matches;
pub(crate) mod plans;
mod sequence;

/// Where an event stands in the total order: its time, then its id.
pub(crate) type Place = (i64, EventId);

/// An event that takes part in a rule under a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// Position of the rule in its program.
    pub(crate) rule: u32,
    /// Bit i for the rule's i-th step.
    pub(crate) steps: u32,
    /// Event time, µs.
    pub(crate) time: i64,
    /// Event id.
    pub(crate) id: EventId,
    /// Values of the key.
    pub(crate) key: Tuple,
    /// Values of the payload.
    pub(crate) values: Tuple,
}

/// An episode: what becomes one alert.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Episode {
    /// Position of the rule in its program.
    pub(crate) rule: u32,
    /// Values of the key.
    pub(crate) key: Tuple,
    /// Its first event.
    pub(crate) first: Place,
    /// Its last event.
    pub(crate) last: Place,
    /// How many events of the rule and key lie between them, both included.
    pub(crate) count: u64,
}

impl Row {
    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        (self.time, self.id)
    }

    fn is(&self, step: usize) -> bool {
        self.steps & (1 << step) != 0
    }
}

/// All episodes of a set of rows, whatever their order. What waits for events that may still come is decided when all
/// events before `watermark` are known to be there.
pub(crate) fn episodes(program: &Program, rows: &[Row], watermark: i64) -> BTreeSet<Episode> {
    let mut groups: BTreeMap<(u32, &Tuple), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry((row.rule, &row.key)).or_default().push(row);
    }
    let mut out = BTreeSet::new();
    for ((number, key), mut rows) in groups {
        let rule = &program.rules[number as usize];
        rows.retain(|r| takes_part(rule, r));
        rows.sort_by_key(|r| r.place());
        for (first, last) in grown(rule, matches::matches(rule, &rows, watermark)) {
            let inside = |r: &&&Row| r.place() >= first && r.place() <= last && !is_until(rule, r);
            let count = rows.iter().filter(inside).count() as u64;
            out.insert(Episode { rule: number, key: key.clone(), first, last, count });
        }
    }
    out
}

/// An event without the value that a rule looks at does not take part in it.
fn takes_part(rule: &Rule, row: &Row) -> bool {
    match rule.form {
        Form::Distinct { slot, .. } | Form::Novel { slot, .. } => row.values.get(slot).is_some(),
        Form::Single
        | Form::Threshold { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::All { .. }
        | Form::Baseline { .. } => true,
    }
}

fn is_until(rule: &Rule, row: &Row) -> bool {
    matches!(rule.form, Form::Sequence { until: Some(until), .. } if row.is(until))
}

/// Matches whose spans overlap or whose gap is at most the cooldown, merged.
fn grown(rule: &Rule, mut matches: Vec<(Place, Place)>) -> Vec<(Place, Place)> {
    if matches!(rule.form, Form::Single | Form::Novel { .. }) {
        return matches;
    }
    matches.sort_unstable();
    let mut out: Vec<(Place, Place)> = Vec::new();
    for (first, last) in matches {
        match out.last_mut() {
            Some((_, end)) if first.0 - end.0 <= rule.cooldown => *end = last.max(*end),
            Some(_) | None => out.push((first, last)),
        }
    }
    out
}

impl fmt::Debug for Row {
    /// `rule 0 key "1" at 7 #3 steps 0+2 values a,-,5`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = (0..32).filter(|s| self.is(*s)).map(|s| s.to_string()).collect();
        let (key, values) = (text(&self.key), text(&self.values));
        let (rule, time, id, steps) = (self.rule, self.time, self.id.bits(), steps.join("+"));
        write!(f, "rule {rule} key {key} at {time} #{id} steps {steps} values {values}")
    }
}

impl fmt::Debug for Episode {
    /// `rule 0 key "1" from 7 #3 to 9 #5 count 3`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((a, x), (b, y)) = (self.first, self.last);
        let (key, rule, count) = (text(&self.key), self.rule, self.count);
        write!(f, "rule {rule} key {key} from {a} #{} to {b} #{} count {count}", x.bits(), y.bits())
    }
}

/// The values of a tuple side by side, `-` for a missing one.
fn text(tuple: &Tuple) -> String {
    let parts = tuple.0.split('\u{1f}').count();
    (0..parts).map(|i| tuple.get(i).unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(",")
}
