//! Where the events of a rule are, and how it judged each. In: a data folder, rules as they are and as they were while
//! lists held something else. Out: batches, each with the version of the rule that met it.
//!
//! The events of a rule over alerts are the alerts that stand, as the engine makes events of them.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use regex::Regex;
use rustc_hash::FxHashMap;

use super::WhyError;
use super::value::printable;
use crate::alert::{Alert, AlertId, Change};
use crate::archive::{self, Snapshot};
use crate::event::field;
use crate::event::{BatchBuilder, EventBatch, EventId};
use crate::rule::plan::{FieldRef, Piece, Program, Rule};
use crate::rule::raised::Raised;

/// Alerts of a batch at most.
const BATCH: usize = 8 << 10;
/// So many digits of an alert's id are shown.
const DIGITS: usize = 12;

/// Spans of event numbers, in order and without gaps, and the rules over the lists that stood then.
pub type Spans = Vec<(Range<u64>, Arc<Program>)>;

/// Rules as they are, and as they were when events came.
#[derive(Clone, Copy)]
pub struct Rules<'p> {
    /// As they are.
    pub now: &'p Program,
    /// [`Spans`]; none where lists always were what they are.
    pub then: &'p [(Range<u64>, Arc<Program>)],
}

impl<'p> From<&'p Program> for Rules<'p> {
    fn from(now: &'p Program) -> Rules<'p> {
        Rules { now, then: &[] }
    }
}

/// The events of one rule.
pub(super) struct Source<'p> {
    pub(super) data: &'p Path,
    /// The rule over the lists of each span of event numbers; `None` when it did not run then.
    versions: Vec<(Range<u64>, Option<&'p Rule>)>,
    alerts: Option<Alerts>,
}

/// Alerts as events.
struct Alerts {
    standing: Vec<EventBatch>,
    /// Those that were superseded or withdrawn.
    gone: Vec<EventBatch>,
    /// How each is shown.
    lines: FxHashMap<EventId, String>,
}

/// A batch, and the rule that judges it.
pub(super) struct Batch<'p> {
    pub(super) events: EventBatch,
    pub(super) rule: Option<&'p Rule>,
}

/// Batches as they are read.
pub(super) type Batches<'s, 'p> = Box<dyn Iterator<Item = Result<Batch<'p>, WhyError>> + 's>;

impl<'p> Source<'p> {
    /// The events of this rule; all archived ones where there is none.
    pub(super) fn open(data: &'p Path, rules: Rules<'p>, rule: Option<&'p Rule>) -> Result<Source<'p>, WhyError> {
        let mut versions = vec![(0..u64::MAX, rule)];
        let mut alerts = None;
        match rule {
            Some(rule) if rule.level > 0 => alerts = Some(Alerts::read(data, rules.now, rule)?),
            // A rule that follows its lists judges by what they hold now.
            Some(rule) if !rules.then.is_empty() && rule.retroactive().is_none() => {
                versions = rules.then.iter().map(|(span, then)| (span.clone(), version(rule, then))).collect();
            }
            Some(_) | None => {}
        }
        Ok(Source { data, versions, alerts })
    }

    /// Whether its events are alerts.
    pub(super) fn is_of_alerts(&self) -> bool {
        self.alerts.is_some()
    }

    /// What it is made of, in a word.
    pub(super) fn noun(&self) -> &'static str {
        self.rules().next().map_or("event", super::sentence::noun)
    }

    /// The rule in all its versions.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'p Rule> {
        self.versions.iter().filter_map(|(_, rule)| *rule)
    }

    /// The events of a range of time that the rule could see.
    pub(super) fn read<'s>(
        &'s self,
        columns: &BTreeSet<FieldRef>,
        range: RangeInclusive<i64>,
    ) -> Result<Batches<'s, 'p>, WhyError> {
        if let Some(alerts) = &self.alerts {
            return Ok(self.batches(alerts.standing.iter(), range));
        }
        if let [(_, rule)] = self.versions[..] {
            let events = archive::read(self.data, Some(columns), range)?;
            return Ok(Box::new(events.map(move |batch| Ok(Batch { events: batch?, rule }))));
        }
        let held: Snapshot = archive::snapshot(self.data)?;
        let mut readers = Vec::new();
        for (numbers, rule) in &self.versions {
            readers.push((held.read(Some(columns), range.clone(), numbers.clone())?, *rule));
        }
        let all =
            readers.into_iter().flat_map(|(reader, rule)| reader.map(move |batch| Ok(Batch { events: batch?, rule })));
        Ok(Box::new(all))
    }

    /// The same, and of alerts those that do not stand any more.
    pub(super) fn read_all<'s>(
        &'s self,
        columns: &BTreeSet<FieldRef>,
        range: RangeInclusive<i64>,
    ) -> Result<Batches<'s, 'p>, WhyError> {
        match &self.alerts {
            Some(alerts) => Ok(self.batches(alerts.standing.iter().chain(&alerts.gone), range)),
            None => self.read(columns, range),
        }
    }

    fn batches<'s>(
        &'s self,
        all: impl Iterator<Item = &'s EventBatch> + 's,
        range: RangeInclusive<i64>,
    ) -> Batches<'s, 'p> {
        let rule = self.versions.first().and_then(|(_, rule)| *rule);
        Box::new(all.map(move |batch| {
            let inside = batch.times().iter().enumerate().filter(|(_, time)| range.contains(time));
            let rows: Vec<u32> = inside.map(|(row, _)| row as u32).collect();
            Ok(Batch { events: batch.take(&rows), rule })
        }))
    }

    /// How an event, alone in its batch, is shown.
    pub(super) fn line(&self, event: &EventBatch) -> String {
        match &self.alerts {
            Some(alerts) => alerts.lines.get(&event.id(0)).cloned().unwrap_or_default(),
            None => {
                let line = event.text(field::EVENT_ORIGINAL, 0).or_else(|| event.message(0));
                printable(line.unwrap_or("(the event has no raw line)"))
            }
        }
    }
}

/// The rule as it stands in `then`: the same one, compiled with other lists.
fn version<'p>(rule: &Rule, then: &'p Program) -> Option<&'p Rule> {
    let was = then.position(&rule.name).map(|at| &then.rules[at as usize])?;
    (was.steps.len() == rule.steps.len() && was.payload == rule.payload).then_some(was)
}

impl Alerts {
    /// Those that a rule can look at: of rules below it.
    fn read(data: &Path, program: &Program, rule: &Rule) -> Result<Alerts, WhyError> {
        let columns = super::evidence::columns(std::iter::once(rule));
        let mut out = Alerts { standing: Vec::new(), gone: Vec::new(), lines: FxHashMap::default() };
        let (mut standing, mut gone) = (BatchBuilder::new(), BatchBuilder::new());
        let mut titles: FxHashMap<&str, Option<Regex>> = FxHashMap::default();
        for change in archive::latest_changes(data)?.into_values() {
            let below = program.position(&change.alert.rule).map(|at| &program.rules[at as usize]);
            if below.is_some_and(|below| below.level >= rule.level) {
                continue;
            }
            let (builder, state) = match change.change {
                _ if below.is_none() => (&mut gone, ", of a rule that was removed"),
                Change::Added | Change::Changed => (&mut standing, ""),
                Change::Superseded { .. } => (&mut gone, ", superseded since"),
                Change::Withdrawn => (&mut gone, ", withdrawn since"),
            };
            let counts = below.and_then(|below| titles.entry(&below.name).or_insert_with(|| counts(below)).as_ref());
            event(builder, &columns, below, &change.alert, &|| uncounted(counts, &change.alert));
            out.lines.insert(seen_as(&change.alert), line(&change.alert, state));
            for (builder, batches) in [(&mut standing, &mut out.standing), (&mut gone, &mut out.gone)] {
                if builder.len() >= BATCH {
                    batches.push(builder.finish());
                }
            }
        }
        out.standing.push(standing.finish());
        out.gone.push(gone.finish());
        Ok(out)
    }
}

fn seen_as(alert: &Alert) -> EventId {
    alert.id.event_id(alert.first)
}

fn line(alert: &Alert, state: &str) -> String {
    format!("{}  {}: {}{state}", short(alert.id), alert.rule, printable(&alert.title))
}

/// The beginning of an alert's id, which does to ask for it.
pub(super) fn short(id: AlertId) -> String {
    id.to_string()[..DIGITS].to_owned()
}

/// Adds an alert as an event; `rule` is its own, if there is one of its name.
fn event(
    builder: &mut BatchBuilder,
    columns: &BTreeSet<FieldRef>,
    rule: Option<&Rule>,
    alert: &Alert,
    title: &dyn Fn() -> String,
) {
    let raised = Raised {
        id: alert.id,
        first: alert.first,
        rule: &alert.rule,
        severity: alert.severity,
        tags: &alert.tags,
        attack: &alert.attack,
        risk: alert.risk,
    };
    let value = |field: &FieldRef| match alert.key.get(&field.name())? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let key = rule.into_iter().flat_map(|r| &r.key).filter_map(|field| Some((field, value(field)?)));
    raised.event(builder, &|field| columns.contains(field), title, key);
}

/// Finds the counts in a rule's titles; nothing where there are none.
fn counts(rule: &Rule) -> Option<Regex> {
    let pieces = &rule.title.pieces;
    if !pieces.contains(&Piece::Count) {
        return None;
    }
    let part = |piece: &Piece| match piece {
        Piece::Text(text) => regex::escape(text),
        Piece::Count => r"(\d+)".to_owned(),
        Piece::Key(_) | Piece::Value { .. } => ".*?".to_owned(),
    };
    Regex::new(&format!("(?s)^{}$", pieces.iter().map(part).collect::<String>())).ok()
}

/// The title as it was when the alert opened: without its count.
fn uncounted(counts: Option<&Regex>, alert: &Alert) -> String {
    let mut text = alert.title.clone();
    if let Some(found) = counts.and_then(|counts| counts.captures(&alert.title)) {
        let places: Vec<Range<usize>> = found.iter().skip(1).flatten().map(|m| m.range()).collect();
        places.into_iter().rev().for_each(|place| text.replace_range(place, "-"));
    }
    text
}
