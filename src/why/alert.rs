//! `weir why`: an alert explained. In: the archive, the rules as they are now, the beginning of an id. Out: the rule,
//! the events of the first match and what each of them met, how the episode grew, what was said of the alert.

use std::path::Path;

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::evidence::{self, Exhibit, Exhibits, Gathered, Keep, MOST, Wanted};
use super::history::{Said, changes, said, standing};
use super::near::{self, Match, Row};
use super::predicate::{Judge, Judged};
use super::report::Shown;
use super::source::{Rules, Source};
use super::value::{counted, duration, instant};
use super::{WhyError, sentence};
use crate::alert::{Alert, AlertId};
use crate::archive;
use crate::event::EventId;
use crate::rule::plan::{Form, Rule};

/// So many events of a match are shown, half of them its first ones.
const EVENTS: usize = 30;
/// So many of the latest events of an episode are shown.
const LATEST: usize = 5;

/// An alert explained.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The alert as it was last.
    pub alert: Alert,
    /// Whether it stands, in words.
    pub standing: String,
    /// What its rule looks at: `event` or `alert`.
    pub of: &'static str,
    /// Its rule.
    pub rule: RuleNote,
    /// The events of the first match; where the rule does not give it any more, the evidence that the alert names.
    pub first_match: Vec<Shown>,
    /// Which conditions were met, and when.
    pub met: Vec<String>,
    /// How it grew.
    pub episode: Vec<String>,
    /// Its latest events.
    pub latest: Vec<Shown>,
    /// The rule's exceptions.
    pub exceptions: Vec<ExceptionNote>,
    /// What was said of it, in order.
    pub history: Vec<Said>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// The rule of an alert.
#[derive(Clone, Debug, Serialize)]
pub struct RuleNote {
    /// Its name.
    pub name: String,
    /// The file it is in now.
    pub file: Option<String>,
    /// What it looks for, as it is now.
    pub sentence: Option<String>,
    /// Whether it still gives this alert.
    pub state: RuleState,
}

/// What became of an alert's rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum RuleState {
    /// It gives this alert.
    Same,
    /// It does not any more, or another one in its place.
    Changed {
        /// How one can tell.
        how: String,
    },
    /// There is none of this name.
    Removed,
}

/// An exception on the first event of the match.
#[derive(Clone, Debug, Serialize)]
pub struct ExceptionNote {
    /// Why it is there.
    pub reason: String,
    /// Whether it holds.
    pub holds: bool,
    /// What decides.
    pub because: Judged,
}

/// Explains the alert whose id starts so.
pub fn why(data: &Path, rules: Rules<'_>, id: &str) -> Result<Explanation, WhyError> {
    let changes = changes(data, id)?;
    let alert = changes.1;
    let rule = rules.now.rules.iter().find(|r| r.name == alert.rule);
    let judge = Judge::new(&rules.now.lists);
    let source = Source::open(data, rules, rule)?;
    let noun = source.noun();
    let mut out = Explanation {
        standing: standing(&alert, &changes.0),
        of: noun,
        rule: RuleNote {
            name: alert.rule.clone(),
            file: rule.map(|r| r.file.to_string()),
            sentence: rule.map(sentence::rule),
            state: if rule.is_some() { RuleState::Same } else { RuleState::Removed },
        },
        first_match: Vec::new(),
        met: Vec::new(),
        episode: Vec::new(),
        latest: Vec::new(),
        exceptions: Vec::new(),
        history: changes.0.iter().map(|c| said(&alert, c, noun)).collect(),
        notes: Vec::new(),
        alert,
    };
    let found = match rule {
        Some(rule) => out.again(&source, rule, &judge)?,
        None => None,
    };
    match (rule, found) {
        (Some(rule), Some((gathered, found))) => out.explain(&source, rule, &judge, &gathered.rows, &found)?,
        (rule, _) => out.evidence(&source, rule, &judge)?,
    }
    Ok(out)
}

/// The key of an alert as the rule has it now; the name of a field that the alert lacks otherwise.
fn key(rule: &Rule, alert: &Alert) -> Result<Vec<String>, String> {
    let value = |name: String| match alert.key.get(&name) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => Err(name),
    };
    rule.key.iter().map(|f| value(f.name())).collect()
}

impl Explanation {
    /// Runs the rule over the archive again. `None` when it does not give this alert any more, which is noted.
    fn again<'p>(
        &mut self,
        source: &Source<'p>,
        rule: &'p Rule,
        judge: &Judge<'p>,
    ) -> Result<Option<(Gathered, Match)>, WhyError> {
        let alert = &self.alert;
        let key = match key(rule, alert) {
            Ok(key) if key.len() == alert.key.len() => key,
            Ok(_) => {
                self.rule.state = RuleState::Changed { how: "its key has fewer fields now".to_owned() };
                return Ok(None);
            }
            Err(field) => {
                self.rule.state = RuleState::Changed { how: format!("its key has {field} now") };
                return Ok(None);
            }
        };
        let within = rule.form.within();
        let event = alert.evidence.first().copied().filter(|_| rule.form == Form::Single);
        let range = alert.first.saturating_sub(within)..=alert.last.saturating_add(within);
        let gathered =
            evidence::gather(rule, judge, &Wanted { source, key: &key, event, range, keep: Keep::Earliest })?;
        let tuple = super::key::tuple(&key);
        let end = archive::end_of_time(source.data)?.unwrap_or(i64::MIN);
        let matches = near::matches(rule, &gathered.rows, end);
        let first = |m: &Match| m.events(rule, &gathered.rows).first().map(|(_, row)| gathered.rows[*row].id);
        let ours = |m: &&Match| {
            m.start == alert.first && first(m).is_some_and(|id| AlertId::new(&rule.name, &tuple.0, id) == alert.id)
        };
        let Some(found) = matches.iter().find(ours).cloned() else {
            let how = match matches.iter().any(|m| m.start <= alert.last && m.end >= alert.first) {
                true => "as it is now it gives another alert here",
                false if source.is_of_alerts() => {
                    "as it is now it gives no alert here (or the alerts that it rests on do not stand any more)"
                }
                false => "as it is now it gives no alert here (or its events left the archive)",
            };
            self.rule.state = RuleState::Changed { how: how.to_owned() };
            return Ok(None);
        };
        if rule.severity != alert.severity {
            self.notes.push(format!("the rule's severity is {} now, it was {}", rule.severity, alert.severity));
        }
        self.grew(rule, &gathered.rows, &matches, &found);
        if let Some(from) = gathered.cut {
            self.notes.push(format!(
                "more than {} of this key take part: only those up to {} were looked at",
                counted(MOST, self.of),
                instant(from)
            ));
        }
        Ok(Some((gathered, found)))
    }

    /// How the episode went on after its first match.
    fn grew(&mut self, rule: &Rule, rows: &[Row], matches: &[Match], found: &Match) {
        // An episode reaches to the last event of its matches; the end of an absence is no event.
        let (mut end, mut more, mut latest) = (found.end, 0, rows[found.last].time);
        let after = matches.iter().filter(|m| (m.end, m.last) > (found.end, found.last));
        for m in after.take_while(|m| m.start <= self.alert.last.saturating_add(rule.cooldown)) {
            if m.start > latest.saturating_add(rule.cooldown) {
                break;
            }
            end = end.max(m.end);
            latest = latest.max(rows[m.last].time);
            more += 1;
        }
        let opened = rows[found.last].time;
        if rule.form != Form::Single {
            let text = match more {
                0 => format!("it opened at {} and did not grow", instant(opened)),
                1 => format!(
                    "it opened at {}; one more match extended it by {}",
                    instant(opened),
                    duration(end - opened)
                ),
                n => format!(
                    "it opened at {}; {n} more matches extended it by {}",
                    instant(opened),
                    duration(end - opened)
                ),
            };
            self.episode.push(text);
        }
        if latest > self.alert.last {
            self.episode.push(format!("the rule would extend it to {} now", instant(latest)));
        }
    }

    /// The first match, its conditions, the latest events, the exceptions.
    fn explain<'p>(
        &mut self,
        source: &Source<'p>,
        rule: &'p Rule,
        judge: &Judge<'p>,
        rows: &[Row],
        found: &Match,
    ) -> Result<(), WhyError> {
        let mut events = found.events(rule, rows);
        self.met = near::met(rule, rows, found);
        let left_out = trim(&mut events);
        if left_out > 0 {
            self.notes.push(format!("{} of the first match are not shown", counted(left_out, self.of)));
        }
        let proof: FxHashSet<EventId> = events.iter().map(|(_, row)| rows[*row].id).collect();
        let latest: Vec<EventId> = self.alert.evidence.iter().rev().filter(|id| !proof.contains(id)).copied().collect();
        let mut latest: Vec<EventId> = latest.into_iter().take(LATEST).collect();
        latest.reverse();
        let ids = proof.iter().chain(&latest).copied().collect();
        let range = found.start..=self.alert.last.max(found.end);
        let exhibits = evidence::exhibits(source, &ids, range)?;
        self.first_match = show(rule, judge, rows, &events, &exhibits);
        self.latest = latest.iter().filter_map(|id| exhibits.get(id).map(|e| bare(*id, e, self.alert.first))).collect();
        if let Some(first) = events.first().and_then(|(_, row)| exhibits.get(&rows[*row].id)) {
            let note = |e: &'p crate::rule::plan::Exception| {
                let because = judge.explain(&e.predicate, &first.event, 0).decisive();
                ExceptionNote { reason: e.reason.clone(), holds: because.holds, because }
            };
            self.exceptions = first.rule.unwrap_or(rule).exceptions.all.iter().map(note).collect();
        }
        Ok(())
    }

    /// The events that the alert names, with what the rule, if there is one, makes of them now.
    fn evidence<'p>(&mut self, source: &Source<'p>, rule: Option<&'p Rule>, judge: &Judge<'p>) -> Result<(), WhyError> {
        let ids: FxHashSet<EventId> = self.alert.evidence.iter().copied().collect();
        let exhibits = evidence::exhibits(source, &ids, self.alert.first..=self.alert.last)?;
        let missing = ids.len() - exhibits.len();
        if missing > 0 {
            let of = counted(ids.len(), self.of);
            let place = if source.is_of_alerts() { "alert log" } else { "archive" };
            self.notes.push(format!("{missing} of the {of} that it names are not in the {place}"));
        }
        for id in &self.alert.evidence {
            let Some(exhibit) = exhibits.get(id) else { continue };
            let mut shown = bare(*id, exhibit, self.alert.first);
            let steps = exhibit.rule.map(|r| r.steps.iter().enumerate()).into_iter().flatten();
            let satisfied =
                steps.map(|(at, step)| (at, judge.explain(&step.predicate, &exhibit.event, 0))).find(|(_, j)| j.holds);
            if let Some((at, judged)) = satisfied {
                shown.step = rule.and_then(|r| label(r, at));
                shown.because = Some(judged.decisive());
            }
            self.first_match.push(shown);
        }
        Ok(())
    }
}

/// Leaves the first and the last of many events; how many went.
pub(super) fn trim(events: &mut Vec<(usize, usize)>) -> usize {
    let left_out = events.len().saturating_sub(EVENTS);
    if left_out > 0 {
        events.drain(EVENTS / 2..EVENTS / 2 + left_out);
    }
    left_out
}

/// A step as it stands before an event; none where a rule has one only.
fn label(rule: &Rule, step: usize) -> Option<String> {
    let name = rule.steps.get(step)?.name.clone();
    let name = name.or_else(|| (near::until(rule) == Some(step)).then(|| "until".to_owned()));
    name.or_else(|| (rule.steps.len() > 1).then(|| format!("step {}", step + 1)))
}

/// An event alone.
fn bare(id: EventId, exhibit: &Exhibit<'_>, first: i64) -> Shown {
    let time = exhibit.event.times().first().copied().unwrap_or_default();
    Shown { id, time, offset_us: time - first, step: None, place: None, raw: Some(exhibit.line.clone()), because: None }
}

/// Events of a match or a miss with their lines, and what made each satisfy its step.
pub(super) fn show<'p>(
    rule: &'p Rule,
    judge: &Judge<'p>,
    rows: &[Row],
    events: &[(usize, usize)],
    exhibits: &Exhibits<'p>,
) -> Vec<Shown> {
    let first = events.iter().map(|(_, row)| rows[*row].time).min().unwrap_or_default();
    let mut totals = vec![0; rule.steps.len()];
    events.iter().for_each(|(step, _)| totals[*step] += 1);
    let mut seen = vec![0; rule.steps.len()];
    let mut out = Vec::new();
    for (step, row) in events {
        let row = &rows[*row];
        let exhibit = exhibits.get(&row.id);
        let rule = exhibit.and_then(|e| e.rule).unwrap_or(rule);
        let bare = rule.exceptions.bare.get(*step).or_else(|| rule.steps.get(*step).map(|s| &s.predicate));
        let predicate = if row.exception.is_some() { bare } else { rule.steps.get(*step).map(|s| &s.predicate) };
        seen[*step] += 1;
        let number = seen[*step];
        let all = totals[*step];
        out.push(Shown {
            id: row.id,
            time: row.time,
            offset_us: row.time - first,
            step: label(rule, *step),
            place: (all > 1 && rule.steps.len() > 1).then(|| format!("{number} of {all}")),
            raw: exhibit.map(|e| e.line.clone()),
            because: exhibit.zip(predicate).map(|(e, p)| judge.explain(p, &e.event, 0).decisive()),
        });
    }
    out
}
