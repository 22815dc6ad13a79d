//! Restart is replay: the state of the dataflow is rebuilt from the archive, which is the only checkpoint.
//!
//! Events are replayed from long enough before the cut that everything which can still change is exact:
//! the watermark at the cut, or the first event of an episode that was open then, less the longest
//! window and cooldown. What the replay finds is compared with what was said before; the difference,
//! and only it, is said. Rules that join later are filled in the same way, each from its own
//! [`Floors`]; a program that cannot join the running dataflow is replayed into one beside it (`shadow`).

use std::collections::BTreeMap;

use super::EngineError;
use super::past::Past;
use super::rules::Rules;
use super::turns::{Turn, Turns};
use crate::alert::{Alert, AlertChange, AlertId, Change};
use crate::archive::{Archive, ListHistory};
use crate::correlate::{Input, Outputs, changes};
use crate::event::time;
use crate::rule::plan::{Form, Program, Rule};

/// How many epochs may be sent before what they said is looked at.
const AHEAD: u64 = 3;

/// From when on what a replay finds of some rules is exact.
#[derive(Debug)]
pub(super) struct Floors {
    /// By name of the rule: episodes that start at or after this are, µs.
    exact: BTreeMap<String, i64>,
    /// Events before this are not needed, µs.
    pub(super) from: i64,
}

/// What was found of the past of some rules.
pub(super) struct Found {
    pub(super) floors: Floors,
    pub(super) alerts: BTreeMap<AlertId, Alert>,
}

impl Found {
    /// Nothing yet.
    pub(super) fn new(floors: Floors) -> Found {
        Found { floors, alerts: BTreeMap::new() }
    }

    /// Takes what is said of these rules; returns the rest.
    pub(super) fn take(&mut self, changes: Vec<AlertChange>) -> Vec<AlertChange> {
        let Found { floors, alerts } = self;
        let (past, present) = changes.into_iter().partition(|change| floors.exact(&change.alert.rule).is_some());
        let past: Vec<AlertChange> = past;
        for change in past {
            match change.change {
                Change::Added | Change::Changed => alerts.insert(change.alert.id, change.alert),
                Change::Superseded { .. } | Change::Withdrawn => alerts.remove(&change.alert.id),
            };
        }
        present
    }
}

impl Floors {
    /// For all rules of a program that is replayed, given what was said. Nothing is judged by an archive without events.
    pub(super) fn of(program: &Program, past: &Past, said: &BTreeMap<AlertId, Alert>) -> Floors {
        let rules = program.rules.iter();
        match past.watermark {
            Some(watermark) => {
                let mut floors = Floors::new(rules, said, watermark, program.horizon());
                floors.keep_expired(program, past.snapshot.expired());
                if let Some(changed) = past.history.watermark() {
                    floors.keep_late(program, changed);
                }
                floors
            }
            None => {
                let mut floors = Floors::new(rules, said, i64::MIN, 0);
                floors.nothing();
                floors
            }
        }
    }

    /// For these rules, given what was said and the watermark. Each is exact at least for `least` (µs) before it, which for
    /// rules over alerts is the whole program's [`Program::horizon`](crate::rule::plan::Program::horizon).
    pub(super) fn new<'r>(
        rules: impl Iterator<Item = &'r Rule>,
        said: &BTreeMap<AlertId, Alert>,
        watermark: i64,
        least: i64,
    ) -> Floors {
        let state = |rule: &Rule| state(rule, least);
        let rules: Vec<&Rule> = rules.collect();
        let reach = |rule: &&Rule| state(rule).max(least);
        let mut exact: BTreeMap<String, i64> =
            rules.iter().map(|r| (r.name.clone(), watermark.saturating_sub(reach(r)))).collect();
        let states: BTreeMap<&str, i64> = rules.iter().map(|r| (r.name.as_str(), state(r))).collect();
        // An episode that is open goes on; it must not seem to begin later than it did.
        for alert in said.values() {
            if let (Some(exact), Some(state)) = (exact.get_mut(&alert.rule), states.get(alert.rule.as_str()))
                && alert.last.saturating_add(*state) >= watermark
            {
                *exact = alert.first.min(*exact);
            }
        }
        let needed = exact.iter().map(|(name, exact)| exact.saturating_sub(states[name.as_str()]));
        let from = needed.min().unwrap_or(i64::MAX);
        Floors { exact, from }
    }

    /// A single event that came too late for windows was judged by the lists of then, which a replay knows only as far back as
    /// their last change (at this watermark, µs) reached: what was said of those before stands.
    fn keep_late(&mut self, program: &Program, changed: i64) {
        for rule in program.rules.iter().filter(|rule| rule.form == Form::Single && rule.retro > 0) {
            if let Some(exact) = self.exact.get_mut(&rule.name) {
                *exact = changed.saturating_sub(rule.retro).max(*exact);
            }
        }
    }

    /// What events that were removed had a part in stands as it was said: no event up to `expired` (µs) can be relied on.
    pub(super) fn keep_expired(&mut self, program: &Program, expired: Option<i64>) {
        let Some(expired) = expired else { return };
        for rule in &program.rules {
            if let Some(exact) = self.exact.get_mut(&rule.name) {
                let state = state(rule, program.horizon());
                *exact = expired.saturating_add(1).saturating_add(state).max(*exact);
            }
        }
    }

    /// For a past that cannot be read: none of it is judged.
    pub(super) fn nothing(&mut self) {
        self.exact.values_mut().for_each(|exact| *exact = i64::MAX);
    }

    /// Leaves rules out.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.exact.retain(|rule, _| keep(rule));
    }

    /// The rules.
    pub(super) fn rules(&self) -> impl Iterator<Item = &String> {
        self.exact.keys()
    }

    /// From when on what is found of a rule is exact, µs; `None` for other rules.
    pub(super) fn exact(&self, rule: &str) -> Option<i64> {
        self.exact.get(rule).copied()
    }
}

/// How far back the state of a rule reaches, µs: a rule over alerts needs those of all levels below it, which reach `least`.
fn state(rule: &Rule, least: i64) -> i64 {
    if rule.level > 0 { rule.reach().max(least) } else { rule.reach() }
}

/// How far before the watermark a restart reads events, µs, as long as no episode goes on for longer.
pub(super) fn reach(program: &Program) -> i64 {
    Floors::new(program.rules.iter(), &BTreeMap::new(), 0, program.horizon()).from.saturating_neg()
}

/// What a dataflow says while it is rebuilt.
pub(super) struct Heard<'o> {
    outputs: &'o mut Outputs,
    pub(super) found: Found,
    received: u64,
}

impl<'o> Heard<'o> {
    pub(super) fn new(outputs: &'o mut Outputs, floors: Floors) -> Heard<'o> {
        Heard { outputs, found: Found::new(floors), received: 0 }
    }

    /// Receives what was said a few epochs before this one, so that it does not pile up.
    pub(super) fn up_to(&mut self, sent: u64) -> Result<(), EngineError> {
        while self.received + AHEAD <= sent {
            let output = self.outputs.receive()?.ok_or(EngineError::Stage("correlate"))?;
            self.received = output.epoch + 1;
            let changes = changes::changes(output.roster.program(), &output.changes, time::now());
            drop(self.found.take(changes));
        }
        Ok(())
    }
}

/// What a rebuilt dataflow stands at.
pub(super) struct Rebuilt {
    /// How many epochs the replay took; they say nothing by themselves.
    pub(super) epochs: u64,
    /// What was said in those that were received.
    pub(super) found: Found,
    /// The watermark to go on from, µs.
    pub(super) watermark: i64,
}

/// The watermark an archive stands at, given the lists it was judged by; `None` when it is empty.
pub(super) fn watermark(archive: &Archive, lists: &ListHistory, lateness: i64) -> Option<i64> {
    let greatest = archive.greatest_time()?;
    // An archive that no live run wrote has no recorded watermark: as if all of it had just come in.
    let recorded = archive.watermark().unwrap_or_else(|| greatest.saturating_sub(lateness));
    // The latest commit may have been before the latest change of lists.
    Some(lists.watermark().map_or(recorded, |changed| changed.max(recorded)))
}

/// Rebuilds the dataflow of an engine that starts.
pub(super) fn rebuild(
    rules: &Rules,
    archive: &Archive,
    past: &Past,
    said: &BTreeMap<AlertId, Alert>,
    input: &mut Input,
    outputs: &mut Outputs,
) -> Result<Rebuilt, EngineError> {
    if input.peers().is_some() {
        return rebuild_together(rules, archive, past, said, input);
    }
    let floors = Floors::of(&rules.program, past, said);
    let (mut epochs, from) = (0, floors.from);
    let mut heard = Heard::new(outputs, floors);
    replay(rules, past, from, input, &|| false, &mut |sent| {
        epochs = sent + 1;
        heard.up_to(sent)
    })?;
    Ok(Rebuilt { epochs, found: heard.found, watermark: past.watermark.unwrap_or(i64::MIN) })
}

/// The same for one process of several. They agree on the watermark and on the time from which on they replay, each its own
/// archive, by the lists as they are now, and go through time side by side.
fn rebuild_together(
    rules: &Rules,
    archive: &Archive,
    past: &Past,
    said: &BTreeMap<AlertId, Alert>,
    input: &mut Input,
) -> Result<Rebuilt, EngineError> {
    let all = || rules.program.rules.iter();
    if most(input, past.watermark.is_some().into())? == 0 {
        let mut floors = Floors::new(all(), said, i64::MIN, 0);
        floors.nothing();
        return Ok(Rebuilt { epochs: input.next(), found: Found::new(floors), watermark: i64::MIN });
    }
    // What nobody recorded counts only where nobody recorded anything.
    let recorded = most(input, archive.watermark().is_some().into())? == 1;
    let watermark = past.watermark.filter(|_| !recorded || archive.watermark().is_some());
    let reached = most(input, watermark.unwrap_or(i64::MIN))?;
    // The last that several processes stored may not have been known to all; what all promised holds.
    let promised = least(&input.agree(Vec::new(), i64::MIN, archive.promise().unwrap_or(i64::MIN))?);
    let watermark = reached.max(promised);
    let mut floors = Floors::new(all(), said, watermark, rules.program.horizon());
    floors.keep_expired(&rules.program, past.snapshot.expired());
    let from = least(&input.agree(Vec::new(), i64::MIN, floors.from)?);
    let every: Vec<u32> = (0..rules.program.rules.len() as u32).collect();
    let mut reading = past.read(rules, every, from, &|| false);
    // All rows of ours before `own` were sent, and those of all processes before `common`.
    let (mut own, mut common) = (i64::MIN, i64::MIN);
    input.quiet(true);
    while common < i64::MAX {
        let mut rows = Vec::new();
        if own <= common {
            (rows, own) = reading.next_epoch()?.unwrap_or((rows, i64::MAX));
        }
        common = least(&input.agree(rows, own.min(watermark), own)?);
    }
    tracing::info!("windows are rebuilt from {} match rows of the archive", reading.rows());
    input.quiet(false);
    input.agree(Vec::new(), watermark, i64::MAX)?;
    Ok(Rebuilt { epochs: input.next(), found: Found::new(floors), watermark })
}

fn most(input: &mut Input, word: i64) -> Result<i64, EngineError> {
    Ok(input.agree(Vec::new(), i64::MIN, word)?.into_iter().max().unwrap_or(word))
}

fn least(words: &[i64]) -> i64 {
    words.iter().copied().min().unwrap_or(i64::MAX)
}

/// Replays what the archive retains of the windows into a dataflow that has just started: all rows from a time on (µs), and
/// the changes of lists where they came. `sent` is told of each epoch. Ends early when `stop` says so.
pub(super) fn replay(
    rules: &Rules,
    past: &Past,
    from: i64,
    input: &mut Input,
    stop: &dyn Fn() -> bool,
    sent: &mut dyn FnMut(u64) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let Some(watermark) = past.watermark else { return Ok(()) };
    let every: Vec<u32> = (0..rules.program.rules.len() as u32).collect();
    let mut reading = past.read(rules, every, from, stop);
    let mut turns = Turns::new(&past.history, rules, from);
    // Only what is found in the end is looked at.
    input.quiet(true);
    input.change_lists(turns.begin());
    while let Some((mut rows, reached)) = reading.next_epoch()?.filter(|_| !stop()) {
        let reached = reached.min(watermark);
        while let Some(Turn { at, changes }) = turns.next(reached) {
            let later = rows.split_off(rows.partition_point(|row| row.time < at));
            sent(input.send(std::mem::replace(&mut rows, later), at)?)?;
            input.change_lists(changes);
        }
        sent(input.send(rows, reached)?)?;
    }
    tracing::info!("windows are rebuilt from {} match rows of the archive", reading.rows());
    while let Some(Turn { at, changes }) = turns.next(watermark) {
        sent(input.send(Vec::new(), at)?)?;
        input.change_lists(changes);
    }
    input.quiet(false);
    sent(input.send(Vec::new(), watermark)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::rule::compile_alone;

    #[test]
    fn each_rule_has_a_floor_of_its_own() {
        let text = "rule a { when any where event.code == \"1\" }
            rule b { when any by source.ip within 10s having count() >= 3 cooldown 5s }";
        let program = compile_alone("a.weir", text).program;
        let floors = |said: &BTreeMap<AlertId, Alert>, least| {
            let floors = Floors::new(program.rules.iter(), said, 100_000_000, least);
            (floors.exact("a"), floors.exact("b"), floors.from)
        };
        let none = BTreeMap::new();
        assert_eq!(floors(&none, 0), (Some(100_000_000), Some(85_000_000), 70_000_000));
        assert_eq!(floors(&none, 20_000_000), (Some(80_000_000), Some(80_000_000), 65_000_000));
        let alert = |rule: &str, first, last| {
            let id = AlertId::new(rule, "", EventId::from_bits(first as u128));
            let key = serde_json::Map::new();
            let (title, severity) = (String::new(), crate::alert::Severity::Low);
            let (attack, tags, runbook, risk) = (vec![], vec![], None, None);
            let rule = rule.to_owned();
            (
                id,
                Alert {
                    id,
                    rule,
                    severity,
                    title,
                    key,
                    first,
                    last,
                    count: 1,
                    evidence: vec![],
                    attack,
                    tags,
                    runbook,
                    risk,
                },
            )
        };
        let said = BTreeMap::from([
            alert("b", 50_000_000, 90_000_000),
            alert("b", 10_000_000, 20_000_000),
            alert("x", 0, 99_000_000),
        ]);
        assert_eq!(floors(&said, 0), (Some(100_000_000), Some(50_000_000), 35_000_000), "an open episode counts");
    }
}
