//! What the archive says about a rule and a key. In: a rule, a key, a range of time. Out: the events that take
//! part, how near the others came to each step, and single events to be shown.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use super::WhyError;
use super::near::Row;
use super::predicate::{Judge, Judged};
use super::source::{Batch, Source};
use super::value::{elements, tuple};
use crate::archive;
use crate::event::field::{self, Type};
use crate::event::{EventBatch, EventId};
use crate::rule::plan::{FieldRef, Form, Predicate, Rule};

/// More events of a key than this are not looked at.
pub(super) const MOST: usize = 100_000;
/// So many different ways of missing a step are told apart.
const WAYS: usize = 1_000;
/// So many values of a key field are compared with the one that was not found.
const VALUES: usize = 200_000;
/// The tag of an event that windowed rules did not see.
const LATE: &str = "late";

/// Which events.
pub(super) struct Wanted<'w, 'p> {
    pub(super) source: &'w Source<'p>,
    /// The key's values, one for each of the rule's key fields; empty for all events.
    pub(super) key: &'w [String],
    /// Only this event.
    pub(super) event: Option<EventId>,
    pub(super) range: RangeInclusive<i64>,
    /// Which are taken of very many.
    pub(super) keep: Keep,
}

/// Which events are taken of more than [`MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Earliest,
    Latest,
}

/// What was found.
pub(super) struct Gathered {
    /// The events that take part, in (time, id) order.
    pub(super) rows: Vec<Row>,
    /// By step.
    pub(super) steps: Vec<Tally>,
    /// Events in the range.
    pub(super) events: u64,
    /// Events of the key.
    pub(super) of_key: u64,
    /// Events that satisfy a step, but lack the value that the rule looks at.
    pub(super) valueless: u64,
    /// Events that came too late for a rule with a window.
    pub(super) late: u64,
    /// There were too many: only those from this time on, or up to it, were kept, µs.
    pub(super) cut: Option<i64>,
}

/// How the events of a key stand to one step.
#[derive(Default)]
pub(super) struct Tally {
    /// Events that have the step's key.
    pub(super) of_key: u64,
    /// Those that satisfy it.
    pub(super) satisfied: u64,
    /// Those that only an exception keeps out.
    pub(super) excepted: u64,
    /// Those that do not satisfy it, by what they lack.
    ways: FxHashMap<(u64, String), Way>,
}

/// One way of missing a step.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) events: u64,
    /// What decided it, on the first such event.
    pub(super) because: Judged,
}

impl Tally {
    /// The ways that lack least, most frequent first.
    pub(super) fn nearest(&self, most: usize) -> Vec<Way> {
        let least = self.ways.keys().map(|(mask, _)| mask.count_ones()).min();
        let mut ways: Vec<&Way> =
            self.ways.iter().filter(|((mask, _), _)| Some(mask.count_ones()) == least).map(|(_, way)| way).collect();
        ways.sort_by_cached_key(|way| (std::cmp::Reverse(way.events), way.because.lines()));
        ways.into_iter().take(most).cloned().collect()
    }
}

/// The columns that a rule names, in any version.
pub(super) fn columns<'r>(rules: impl Iterator<Item = &'r Rule>) -> BTreeSet<FieldRef> {
    let mut out = BTreeSet::new();
    for rule in rules {
        out.extend(rule.key.iter().chain(&rule.payload).cloned());
        for step in &rule.steps {
            out.extend(step.key.iter().cloned());
            named(&step.predicate, &mut out);
        }
        rule.exceptions.all.iter().for_each(|e| named(&e.predicate, &mut out));
        rule.exceptions.bare.iter().for_each(|p| named(p, &mut out));
    }
    out
}

fn named(predicate: &Predicate, out: &mut BTreeSet<FieldRef>) {
    match predicate {
        Predicate::Constant(_) => {}
        Predicate::Atom(atom) => drop(out.insert(atom.field.clone())),
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|p| named(p, out)),
        Predicate::Not(part) => named(part, out),
    }
}

/// Reads the events of a key and holds them against the rule.
pub(super) fn gather<'p>(rule: &'p Rule, judge: &Judge<'p>, wanted: &Wanted<'_, 'p>) -> Result<Gathered, WhyError> {
    let columns = columns(wanted.source.rules());
    let steps = rule.steps.iter().map(|_| Tally::default()).collect();
    let mut out = Gathered { rows: Vec::new(), steps, events: 0, of_key: 0, valueless: 0, late: 0, cut: None };
    for batch in wanted.source.read(&columns, wanted.range.clone())? {
        let Batch { events, rule } = batch?;
        out.events += events.len() as u64;
        // It did not run when these came.
        let Some(rule) = rule else { continue };
        for row in 0..events.len() {
            if wanted.event.is_none_or(|id| events.id(row) == id) {
                out.take(rule, judge, wanted, &events, row);
            }
        }
        if out.rows.len() >= 2 * MOST {
            out.shorten(wanted.keep);
        }
    }
    out.shorten(wanted.keep);
    Ok(out)
}

impl Gathered {
    fn take<'p>(&mut self, rule: &'p Rule, judge: &Judge<'p>, wanted: &Wanted<'_, 'p>, batch: &EventBatch, row: usize) {
        let has_key = |step: usize| {
            let key = &rule.steps[step].key;
            wanted.key.is_empty() || key.iter().zip(wanted.key).all(|(field, value)| is(field, value, batch, row))
        };
        let ours: Vec<usize> = (0..rule.steps.len()).filter(|s| has_key(*s)).collect();
        if ours.is_empty() {
            return;
        }
        self.of_key += 1;
        // What a windowed rule never saw does not explain it.
        let archived = !wanted.source.is_of_alerts();
        if archived && rule.form != Form::Single && elements(&FieldRef::Column(field::TAGS), batch, row).contains(&LATE)
        {
            self.late += 1;
            return;
        }
        let slot = rule.form.required_slot().and_then(|slot| rule.payload.get(slot));
        let counts = slot.is_none_or(|field| batch.shown(field, row).is_some());
        let holds = rule.exceptions.all.iter().position(|e| judge.holds(&e.predicate, batch, row));
        let (mut steps, mut excepted) = (0u32, 0u32);
        let before = self.satisfied();
        for step in ours {
            let bare = rule.exceptions.bare.get(step).unwrap_or(&rule.steps[step].predicate);
            let tally = &mut self.steps[step];
            tally.of_key += 1;
            if !judge.holds(bare, batch, row) {
                tally.miss(judge, bare, batch, row);
                continue;
            }
            let (set, count) = match holds {
                Some(_) => (&mut excepted, &mut tally.excepted),
                None => (&mut steps, &mut tally.satisfied),
            };
            *count += 1;
            if counts {
                *set |= 1u32.checked_shl(step as u32).unwrap_or(0);
            }
        }
        let satisfied = !counts && holds.is_none() && before != self.satisfied();
        self.valueless += u64::from(satisfied);
        if steps | excepted != 0 {
            let (time, id) = (batch.times()[row], batch.id(row));
            let values = tuple(&rule.payload, batch, row);
            self.rows.push(Row { time, id, steps, excepted, exception: holds, values });
        }
    }

    fn satisfied(&self) -> u64 {
        self.steps.iter().map(|tally| tally.satisfied).sum()
    }

    fn shorten(&mut self, keep: Keep) {
        self.rows.sort_unstable_by_key(|r| (r.time, r.id));
        if self.rows.len() > MOST {
            self.cut = match keep {
                Keep::Earliest => {
                    self.rows.truncate(MOST);
                    self.rows.last()
                }
                Keep::Latest => {
                    self.rows.drain(..self.rows.len() - MOST);
                    self.rows.first()
                }
            }
            .map(|r| r.time);
        }
    }
}

impl Tally {
    fn miss<'p>(&mut self, judge: &Judge<'p>, predicate: &'p Predicate, batch: &EventBatch, row: usize) {
        let parts = match predicate {
            Predicate::And(parts) => &parts[..],
            Predicate::Constant(_) | Predicate::Atom(_) | Predicate::Or(_) | Predicate::Not(_) => {
                std::slice::from_ref(predicate)
            }
        };
        let (mut mask, mut values) = (0u64, String::new());
        for (at, part) in parts.iter().enumerate().filter(|(_, part)| !judge.holds(part, batch, row)) {
            mask |= 1u64.checked_shl(at as u32).unwrap_or(0);
            if let Predicate::Atom(atom) = part
                && atom.field.ty() != Type::LongText
            {
                values.push_str(batch.shown(&atom.field, row).as_deref().unwrap_or("\0"));
                values.push('\u{1f}');
            }
        }
        let full = self.ways.len() >= WAYS;
        match self.ways.get_mut(&(mask, values.clone())) {
            Some(way) => way.events += 1,
            None if full => {}
            None => {
                let because = judge.explain(predicate, batch, row).decisive();
                self.ways.insert((mask, values), Way { events: 1, because });
            }
        }
    }
}

/// Whether a field has this value, as keys have it.
fn is(field: &FieldRef, value: &str, batch: &EventBatch, row: usize) -> bool {
    match field.ty() {
        Type::Text | Type::LongText | Type::Ip => elements(field, batch, row).first() == Some(&value),
        Type::TextList | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp | Type::Id => {
            batch.shown(field, row).as_deref() == Some(value)
        }
    }
}

/// An event that is shown.
pub(super) struct Exhibit<'p> {
    /// It alone in a batch of its own.
    pub(super) event: EventBatch,
    /// Its line.
    pub(super) line: String,
    /// The rule that judged it.
    pub(super) rule: Option<&'p Rule>,
}

/// Events that are shown, by id.
pub(super) type Exhibits<'p> = BTreeMap<EventId, Exhibit<'p>>;

/// The events of these ids with the columns a rule names and their raw lines; those that are not there are left out.
pub(super) fn exhibits<'p>(
    source: &Source<'p>,
    ids: &FxHashSet<EventId>,
    range: RangeInclusive<i64>,
) -> Result<Exhibits<'p>, WhyError> {
    let mut out = Exhibits::new();
    if ids.is_empty() {
        return Ok(out);
    }
    let mut columns = columns(source.rules());
    columns.extend([field::EVENT_ORIGINAL, field::MESSAGE].map(FieldRef::Column));
    for batch in source.read_all(&columns, range)? {
        let Batch { events, rule } = batch?;
        for row in 0..events.len() {
            let id = events.id(row);
            if ids.contains(&id) {
                let event = events.take(&[row as u32]);
                out.insert(id, Exhibit { line: source.line(&event), event, rule });
            }
        }
        if out.len() == ids.len() {
            break;
        }
    }
    Ok(out)
}

/// Times of the earliest and the latest archived event, µs; `None` when there is none.
pub(super) fn span(data: &Path) -> Result<Option<(i64, i64)>, WhyError> {
    let held = archive::snapshot(data)?;
    let stored = held.files().iter().filter(|f| f.rows > 0).map(|f| (f.min_time, f.max_time));
    let tail = held.tail()?;
    let logged = tail.iter().flat_map(|batch| batch.times().iter().map(|t| (*t, *t)));
    Ok(stored.chain(logged).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))))
}

/// The values of a field in a range that are nearest to one that no event has.
pub(super) fn nearest_values(
    wanted: &Wanted<'_, '_>,
    field: &FieldRef,
    value: &str,
    most: usize,
) -> Result<Vec<(String, u64)>, WhyError> {
    let mut known: FxHashMap<String, u64> = FxHashMap::default();
    let columns = BTreeSet::from([field.clone()]);
    for batch in wanted.source.read(&columns, wanted.range.clone())? {
        let batch = batch?.events;
        for row in 0..batch.len() {
            let Some(text) = batch.shown(field, row) else { continue };
            if let Some(count) = known.get_mut(&text) {
                *count += 1;
            } else if known.len() < VALUES {
                known.insert(text, 1);
            }
        }
    }
    let letters = |text: &str| text.chars().take(80).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let asked = letters(value);
    let mut near: Vec<(usize, String, u64)> = known
        .into_iter()
        .map(|(text, count)| (crate::rule::nearest::slips(&asked, &letters(&text)), text, count))
        .collect();
    near.sort_by(|a, b| (a.0, b.2, &a.1).cmp(&(b.0, a.2, &b.1)));
    Ok(near.into_iter().take(most).map(|(_, text, count)| (text, count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_events_one_end_is_kept() {
        let row = |time| Row {
            time,
            id: EventId::from_bits(0),
            steps: 1,
            excepted: 0,
            exception: None,
            values: Default::default(),
        };
        let most = MOST as i64;
        for (keep, first, cut) in [(Keep::Earliest, 0, most - 1), (Keep::Latest, 5, 5)] {
            let rows = (0..most + 5).rev().map(row).collect();
            let mut all = Gathered { rows, steps: Vec::new(), events: 0, of_key: 0, valueless: 0, late: 0, cut: None };
            all.shorten(keep);
            assert_eq!((all.rows.len(), all.rows[0].time, all.cut), (MOST, first, Some(cut)));
        }
    }
}
