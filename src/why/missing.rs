//! `weir why-not`: why a rule did not fire for a key. In: the archive, a rule, a key and a range of time. Out: the
//! nearest misses, what the events of the key lacked by step, or the alerts that there are.

use std::collections::BTreeMap;
use std::path::Path;

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::alert::{show, trim};
use super::evidence::{self, Exhibit, Gathered, Keep, MOST, Wanted};
use super::fired::{self, Fired};
use super::near::{self, Finding, Kind, Row};
use super::predicate::{Judge, Judged};
use super::report::Shown;
use super::source::{Rules, Source};
use super::value::{counted, instant};
use super::{WhyError, key, sentence};
use crate::archive;
use crate::event::{EventBatch, EventId};
use crate::rule::plan::Rule;

/// So many ways of missing a step are shown.
const WAYS: usize = 3;
/// So many near values of a key field are shown.
const VALUES: usize = 5;
/// So many findings are shown.
const FINDINGS: usize = 3;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The rule's name.
    pub rule: String,
    /// `FIELD=VALUE` for each field of its key.
    pub key: Vec<String>,
    /// An event, for rules without a key; of another rule it names the key.
    pub event: Option<EventId>,
    /// Only matches that end at or after this time, µs.
    pub from: Option<i64>,
    /// Only matches that start before this time, µs.
    pub to: Option<i64>,
}

/// Why a rule did not fire, or that it did.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// What it looks for.
    pub sentence: String,
    /// The key.
    pub key: BTreeMap<String, String>,
    /// What it gives; empty when it did not fire.
    pub fired: Vec<Fired>,
    /// Why it did not, the nearest miss first.
    pub findings: Vec<Found>,
    /// The event that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventNote>,
    /// The events of the key by step.
    pub steps: Vec<StepNote>,
    /// Where no event has the key: the values that are near.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<NearValues>,
    /// What was looked at.
    pub looked: Looked,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// A reason with the events that show it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The reason.
    #[serde(flatten)]
    pub finding: Finding,
    /// Its events.
    pub events: Vec<Shown>,
}

/// One event held against every step.
#[derive(Clone, Debug, Serialize)]
pub struct EventNote {
    /// The event.
    pub event: Shown,
    /// Each step.
    pub steps: Vec<StepJudged>,
}

/// A step on one event.
#[derive(Clone, Debug, Serialize)]
pub struct StepJudged {
    /// The step.
    pub step: String,
    /// All its tests.
    pub because: Judged,
}

/// How the events of the key stand to a step.
#[derive(Clone, Debug, Serialize)]
pub struct StepNote {
    /// The step.
    pub step: String,
    /// Events that have its key.
    pub of_key: u64,
    /// Those that satisfy it.
    pub satisfied: u64,
    /// Those that only an exception keeps out.
    pub excepted: u64,
    /// What the others lack, those that lack least.
    pub misses: Vec<MissNote>,
}

/// Events that lack the same.
#[derive(Clone, Debug, Serialize)]
pub struct MissNote {
    /// How many.
    pub events: u64,
    /// What they lack.
    pub because: Judged,
}

/// Values near one that no event has.
#[derive(Clone, Debug, Serialize)]
pub struct NearValues {
    /// The field.
    pub field: String,
    /// The value that was asked for.
    pub value: String,
    /// Events that have it.
    pub events: u64,
    /// Values that are near, and how many events have them.
    pub values: Vec<(String, u64)>,
}

/// What was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Looked {
    /// What the rule looks at: `event` or `alert`.
    pub of: &'static str,
    /// Events in the range, with what lies a window before it.
    pub events: u64,
    /// Events of the key among them.
    pub of_key: u64,
    /// Times of the first and the last archived event, µs UTC.
    pub archive: Option<(i64, i64)>,
    /// Not all of the archive was.
    #[serde(skip)]
    pub(super) limited: bool,
}

/// What is said where not all events of a key were looked at.
pub(super) fn cut(from: i64) -> String {
    format!(
        "more than {} of this key take part: only the latest, from {} on, were looked at; --from and --to choose others",
        counted(MOST, "event"),
        instant(from)
    )
}

/// Says why a rule did not fire.
pub fn why_not(data: &Path, rules: Rules<'_>, asked: &Asked) -> Result<Verdict, WhyError> {
    let rule = key::rule(rules.now, &asked.rule)?;
    if let (Some(from), Some(to)) = (asked.from, asked.to)
        && from >= to
    {
        return Err(WhyError::NoTime { from: instant(from), to: instant(to) });
    }
    let archive = evidence::span(data)?;
    let judge = Judge::new(&rules.now.lists);
    let source = Source::open(data, rules, Some(rule))?;
    let event = asked.event.map(|id| find(&source, id)).transpose()?;
    let mut values = key::values(rule, &asked.key, event.is_some())?;
    if let (true, Some(event)) = (values.is_empty(), &event) {
        values = own_key(rule, &event.event);
    }
    if rule.key.is_empty() && asked.event.is_none() && asked.from.is_none() && asked.to.is_none() {
        return Err(WhyError::NoKey(rule.name.clone()));
    }
    let within = rule.form.within();
    let (from, to) = (asked.from.unwrap_or(i64::MIN), asked.to.map_or(i64::MAX, |t| t.saturating_sub(1)));
    // An absence is decided a window later.
    let range = from.saturating_sub(within)..=to.saturating_add(within);
    let only = asked.event.filter(|_| values.is_empty());
    let wanted = Wanted { source: &source, key: &values, event: only, range, keep: Keep::Latest };
    let gathered = evidence::gather(rule, &judge, &wanted)?;
    let mut out = Verdict {
        rule: rule.name.clone(),
        sentence: sentence::rule(rule),
        key: rule.key.iter().map(|f| f.name()).zip(values.iter().cloned()).collect(),
        fired: Vec::new(),
        findings: Vec::new(),
        event: event.as_ref().map(|e| note(rule, &judge, e)),
        steps: steps(rule, &gathered),
        near: Vec::new(),
        looked: Looked {
            of: source.noun(),
            events: gathered.events,
            of_key: gathered.of_key,
            archive,
            limited: asked.from.is_some() || asked.to.is_some(),
        },
        notes: gathered.cut.map(cut).into_iter().collect(),
    };
    if gathered.late > 0 {
        let late = counted(gathered.late as usize, "event");
        out.notes.push(format!(
            "{late} of this key came later than the lateness allows (tag late): rules with a window do not see them"
        ));
    }
    if gathered.of_key == 0 && !values.is_empty() {
        for (field, value) in rule.key.iter().zip(&values) {
            let values = evidence::nearest_values(&wanted, field, value, VALUES)?;
            let events = values.iter().find(|(v, _)| v == value).map_or(0, |(_, count)| *count);
            let values = if events > 0 { Vec::new() } else { values };
            out.near.push(NearValues { field: field.name(), value: value.clone(), events, values });
        }
        return Ok(out);
    }
    let end = archive::end_of_time(data)?.unwrap_or(i64::MIN);
    out.judge(&source, rule, &judge, &values, &gathered, (from, to), end)?;
    Ok(out)
}

/// The event of this id.
fn find<'p>(source: &Source<'p>, id: EventId) -> Result<Exhibit<'p>, WhyError> {
    let ids = FxHashSet::from_iter([id]);
    // An id of ours starts with its time in ms.
    let around = i64::try_from(id.bits() >> 80).unwrap_or_default().saturating_mul(1000);
    for range in [around..=around.saturating_add(999), i64::MIN..=i64::MAX] {
        if let Some(event) = evidence::exhibits(source, &ids, range)?.remove(&id) {
            return Ok(event);
        }
    }
    Err(WhyError::NoEvent { id: id.to_string(), data: source.data.to_owned() })
}

/// The key that an event has, by the first step of which it has all fields.
fn own_key(rule: &Rule, event: &EventBatch) -> Vec<String> {
    let of = |key: &[crate::rule::plan::FieldRef]| key.iter().map(|f| event.shown(f, 0)).collect();
    rule.steps.iter().find_map(|step| of(&step.key)).unwrap_or_default()
}

fn note<'p>(rule: &'p Rule, judge: &Judge<'p>, exhibit: &Exhibit<'p>) -> EventNote {
    let rule = exhibit.rule.unwrap_or(rule);
    let event = &exhibit.event;
    let step = |(at, step): (usize, &'p crate::rule::plan::Step)| StepJudged {
        step: near::step_name(rule, at),
        because: judge.explain(&step.predicate, event, 0),
    };
    let (id, time) = (event.id(0), event.times().first().copied().unwrap_or_default());
    let raw = Some(exhibit.line.clone());
    let event = Shown { id, time, offset_us: 0, step: None, place: None, raw, because: None };
    EventNote { event, steps: rule.steps.iter().enumerate().map(step).collect() }
}

fn steps(rule: &Rule, gathered: &Gathered) -> Vec<StepNote> {
    let note = |(at, tally): (usize, &evidence::Tally)| StepNote {
        step: near::step_name(rule, at),
        of_key: tally.of_key,
        satisfied: tally.satisfied,
        excepted: tally.excepted,
        // Nobody misses an `until` event.
        misses: tally
            .nearest(if near::until(rule) == Some(at) { 0 } else { WAYS })
            .into_iter()
            .map(|w| MissNote { events: w.events, because: w.because })
            .collect(),
    };
    gathered.steps.iter().enumerate().map(note).collect()
}

impl Verdict {
    /// Whether it fired, else why not.
    #[expect(clippy::too_many_arguments, reason = "what was asked, what was found, and where it goes")]
    fn judge<'p>(
        &mut self,
        source: &Source<'p>,
        rule: &'p Rule,
        judge: &Judge<'p>,
        key: &[String],
        gathered: &Gathered,
        (from, to): (i64, i64),
        end: i64,
    ) -> Result<(), WhyError> {
        let rows = &gathered.rows;
        let matches = near::matches(rule, rows, end);
        let (fired, pending) = fired::episodes(source.data, rule, rows, key, &matches, (from, to))?;
        self.fired = fired;
        if !self.fired.is_empty() {
            return Ok(());
        }
        // What fired at another time does not explain this one.
        let inside: Vec<Row>;
        let (rows, pending) = match matches.iter().find(|m| !m.pending) {
            None => (rows, pending),
            Some(other) => {
                self.notes.push(format!(
                    "it fired at another time: {} to {}",
                    instant(other.start),
                    instant(other.end)
                ));
                inside = rows.iter().filter(|r| (from..=to).contains(&r.time)).cloned().collect();
                (&inside, None)
            }
        };
        let mut misses = near::misses(rule, rows, end);
        // Where no live run says more, time ends with the last event.
        let last = self.looked.archive.map_or(end, |(_, last)| last);
        let ends = if end == last.saturating_add(1) { last } else { end };
        misses.extend(pending.map(|m| near::undecided(rule, rows, m, ends)));
        misses.truncate(FINDINGS);
        for miss in &mut misses {
            trim(&mut miss.events);
        }
        let ids: FxHashSet<EventId> = misses.iter().flat_map(|m| &m.events).map(|(_, row)| rows[*row].id).collect();
        let times = misses.iter().flat_map(|m| &m.events).map(|(_, row)| rows[*row].time);
        let (first, last) = times.fold((i64::MAX, i64::MIN), |(a, b), t| (a.min(t), b.max(t)));
        let exhibits = evidence::exhibits(source, &ids, first..=last)?;
        for miss in misses {
            let events = show(rule, judge, rows, &miss.events, &exhibits);
            self.findings.push(Found { finding: miss.finding, events });
        }
        if self.findings.is_empty() {
            self.findings.push(self.unsatisfied(rule, gathered));
        }
        Ok(())
    }

    /// The first step that no event satisfies.
    fn unsatisfied(&self, rule: &Rule, gathered: &Gathered) -> Found {
        let of = self.looked.of;
        let value = rule.form.required_slot().and_then(|slot| rule.payload.get(slot));
        let step = self.steps.iter().find(|s| s.satisfied == 0);
        let text = match step.map(|s| (&s.step, s.misses.first())) {
            Some((step, Some(miss))) => {
                let events = counted(miss.events as usize, of);
                let lines: Vec<String> = miss.because.lines().iter().map(|l| l.trim().to_owned()).collect();
                format!("no {of} satisfied {step}: {events} came nearest, but {}", lines.join(", "))
            }
            Some((step, None)) => format!("no {of} satisfied {step}"),
            None => match value.filter(|_| gathered.valueless > 0) {
                Some(field) => {
                    let verb = if gathered.valueless == 1 { "has" } else { "have" };
                    let events = counted(gathered.valueless as usize, of);
                    format!("{events} satisfied the condition, but {verb} no {}", field.name())
                }
                None => "its steps were never complete in one window".to_owned(),
            },
        };
        let finding = Finding { kind: Kind::Step, text, reached: None, wanted: None };
        Found { finding, events: Vec::new() }
    }
}
