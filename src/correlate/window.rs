//! The window operator: all rules and keys of a worker.
//!
//! It has differential's contract: rows come with an epoch and a multiplicity, records leave
//! likewise, and the sum of what left up to an epoch is the answer for what came up to it. Within
//! an epoch the order is: all rows, then the watermark, so that every worker gives the same.
//!
//! Alerts that open are said once more, for the rules over alerts, and so are those that go again
//! because their first event or their first match is another one now.

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::climb::Opened;
use super::driver::Emit;
use super::episode::{Episode, Place, Record};
use super::key::Key;
use super::machine::Row;
use super::render::Update;
use super::unsettled::Unsettled;
use crate::matching::MatchRow;
use crate::rule::plan::{Member, Program, Rule, Tuple};

/// Deadlines are rounded up to this, so that many keys share one, µs.
const DEADLINE_GRAIN: i64 = 1_000_000;
/// For so many rows slots are looked for ahead.
const AHEAD: usize = 96;

/// State and timers of one worker.
pub(super) struct Windows {
    program: Arc<Program>,
    /// The slots of a key, by rule: rows of one event that several rules count by the same key are looked up once.
    keys: HashMap<Tuple, Vec<Slot>, FxBuildHasher>,
    agenda: Agenda,
}

/// What all keys share: how far time is, and what is to be done about which key when.
struct Agenda {
    emit: Emit,
    /// The level of its rules. Only rows of events come in time order: those of alerts come when these open.
    level: u32,
    /// Whether there are rules over their alerts.
    heard: bool,
    /// How far the level stays behind the watermark, µs.
    lag: i64,
    watermark: i64,
    /// What is said to rules over alerts.
    opened: Vec<(Opened, isize)>,
    /// Records of stateless rules over alerts that may be taken back, in finite input, where nothing said is.
    unsettled: Unsettled,
    /// When to look whether something waits for time alone to pass, or a key is over. Each rule and key stands under one
    /// deadline, its slot's; others that are found here are out of date.
    deadlines: BTreeMap<i64, Vec<(u32, Tuple)>>,
    touched: Vec<(u32, Tuple)>,
    /// Episodes that the event at hand has ended.
    ended: Vec<Episode>,
    /// How many slots there are.
    slots: usize,
}

/// State of a rule and key.
struct Slot {
    rule: u32,
    key: Key,
    touched: bool,
    /// What was said and may have to be taken back.
    said: Vec<Record>,
    /// The deadline it stands under, µs.
    look: i64,
}

impl Windows {
    /// For the rules of a level.
    pub(super) fn new(program: Arc<Program>, emit: Emit, level: u32) -> Windows {
        let agenda = Agenda {
            emit,
            level,
            heard: level + 1 < program.levels(),
            lag: program.lag(level),
            watermark: i64::MIN,
            opened: Vec::new(),
            unsettled: Unsettled::default(),
            deadlines: BTreeMap::new(),
            touched: Vec::new(),
            ended: Vec::new(),
            slots: 0,
        };
        Windows { program, keys: HashMap::default(), agenda }
    }

    /// One epoch: its rows with their multiplicities, then its watermark (µs; events before it are final).
    /// Changes of the answer are appended to `out`, which is empty.
    pub(super) fn epoch(&mut self, mut rows: Vec<Update>, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let watermark = if watermark == i64::MAX { watermark } else { watermark.saturating_sub(self.agenda.lag) };
        let before = |r: &Update| (r.0.time, r.0.id);
        if !rows.is_sorted_by_key(before) {
            rows.sort_by_key(before);
        }
        let program = self.program.clone();
        let mut rows = rows.into_iter();
        let mut cold = rows.len();
        while let Some((row, _, diff)) = rows.next() {
            if rows.len() < cold {
                cold = rows.len().saturating_sub(AHEAD);
                self.warm(&rows.as_slice()[..rows.len() - cold]);
            }
            let Some(group) = program.groups().get(row.group as usize) else { continue };
            if group.single {
                let hits = group.hits(row.hits);
                let records = hits.map(|(member, _)| single(&program.rules[member.rule as usize], member, &row));
                self.agenda.single(records, diff, out);
                continue;
            }
            let slots = self.keys.entry(row.key.clone()).or_default();
            for (member, steps) in group.hits(row.hits) {
                let values = if member.values { row.values.clone() } else { Tuple::default() };
                let event = Row { time: row.time, id: row.id, steps, values };
                let rule = &program.rules[member.rule as usize];
                self.agenda.apply((member.rule, rule), &row.key, slots, (event, diff), watermark, out);
            }
        }
        self.settle(&program, watermark, out);
        self.advance(&program, watermark, out);
        if self.agenda.heard && self.agenda.emit == Emit::Running {
            self.agenda.opened.extend(out.iter().map(|(record, diff)| (Opened::of(record), *diff)));
        }
    }

    /// The alerts that opened (+) and went again (−) since the last call; none when there are no rules over them.
    pub(super) fn opened(&mut self) -> Vec<(Opened, isize)> {
        let mut opened = std::mem::take(&mut self.agenda.opened);
        consolidate(&mut opened);
        opened
    }

    /// Brings the slots of coming rows into the processor's cache. None of these look-ups waits for another, as those
    /// of [`Windows::epoch`] do.
    fn warm(&self, rows: &[Update]) {
        for (row, ..) in rows {
            let slots = self.keys.get(&row.key);
            std::hint::black_box(slots.and_then(|slots| slots.last()).map(|slot| slot.key.latest()));
        }
    }

    /// Says what changed for the keys of this epoch.
    fn settle(&mut self, program: &Program, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let watermark = self.agenda.time(watermark);
        for (number, key) in std::mem::take(&mut self.agenda.touched) {
            let slots = self.keys.get_mut(&key).expect("touched keys are kept until they expire");
            let at = find(slots, number).expect("touched slots are kept until they expire");
            let slot = &mut slots[at];
            slot.touched = false;
            let rule = &program.rules[number as usize];
            let same = slot.key.settle(rule, watermark);
            self.agenda.say(slot, &key, same, out);
            self.agenda.schedule(rule, slot, &key);
        }
    }

    /// Takes the watermark and drops the keys that are over.
    fn advance(&mut self, program: &Program, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let agenda = &mut self.agenda;
        if watermark <= agenda.watermark {
            return;
        }
        let time = agenda.time(watermark);
        agenda.watermark = watermark;
        out.extend(agenda.unsettled.settled(watermark));
        let later = if watermark == i64::MAX { BTreeMap::new() } else { agenda.deadlines.split_off(&watermark) };
        for (at, keys) in std::mem::replace(&mut agenda.deadlines, later) {
            for (number, key) in keys {
                let rule = &program.rules[number as usize];
                let Some(slots) = self.keys.get_mut(&key) else { continue };
                let Ok(place) = find(slots, number) else { continue };
                let slot = &mut slots[place];
                if slot.look != at {
                    continue;
                }
                let end = agenda.deadline(rule, slot.key.latest());
                let over = end < watermark || watermark == i64::MAX;
                if agenda.compares() && slot.key.due(rule).is_some_and(|due| due < time) {
                    let same = slot.key.settle(rule, time);
                    agenda.say(slot, &key, same, out);
                }
                if !over {
                    slot.look = end;
                    agenda.deadlines.entry(end).or_default().push((number, key.clone()));
                    agenda.schedule(rule, slot, &key);
                    continue;
                }
                if agenda.emit == Emit::Final {
                    slot.key.settle(rule, time);
                    out.extend(slot.key.episodes().map(|e| (e.record(number, &key), 1)));
                }
                slots.remove(place);
                agenda.slots -= 1;
                if slots.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
    }

    /// How many keys of rules have state.
    pub(super) fn len(&self) -> usize {
        self.agenda.slots
    }
}

/// Where the slot of a rule is among those of a key, or belongs.
fn find(slots: &[Slot], rule: u32) -> Result<usize, usize> {
    slots.binary_search_by_key(&rule, |s| s.rule)
}

impl Agenda {
    /// Whether what was said of a key is remembered.
    fn compares(&self) -> bool {
        self.emit == Emit::Running || self.level > 0 || self.heard
    }

    /// Says what changed for a key, the first `same` of whose episodes are as they were.
    fn say(&mut self, slot: &mut Slot, key: &Tuple, same: usize, out: &mut Vec<(Record, isize)>) {
        if !self.compares() {
            return;
        }
        let now: Vec<Record> = slot.key.episodes().skip(same).map(|e| e.record(slot.rule, key)).collect();
        match self.emit {
            Emit::Running => difference(&slot.said[same..], &now, out),
            Emit::Final => self.open(&slot.said[same..], &now),
        }
        slot.said.truncate(same);
        slot.said.extend(now);
    }

    /// Sees to it that a key is looked at when the watermark passes what it waits for.
    fn schedule(&mut self, rule: &Rule, slot: &mut Slot, key: &Tuple) {
        if self.compares()
            && let Some(due) = slot.key.due(rule)
            && due < slot.look
        {
            slot.look = due;
            self.deadlines.entry(due).or_default().push((slot.rule, key.clone()));
        }
    }

    /// How far back a change of a list can still bring rows of the rule or take them back, µs.
    fn reach(&self, rule: &Rule) -> i64 {
        match self.emit {
            Emit::Running => rule.retro,
            Emit::Final => 0,
        }
    }

    /// Rows of the rule before this time (µs) neither come nor go any more.
    fn frozen(&self, rule: &Rule) -> i64 {
        self.watermark.saturating_sub(self.reach(rule))
    }

    /// Past this time nothing further can belong to an episode or match of the key's latest event.
    fn deadline(&self, rule: &Rule, latest: i64) -> i64 {
        let end = latest.saturating_add(rule.form.within()).saturating_add(rule.cooldown);
        let end = end.saturating_add(self.reach(rule));
        end.div_euclid(DEADLINE_GRAIN).saturating_add(2).saturating_mul(DEADLINE_GRAIN)
    }

    /// Says which alerts opened and went between two states of a key.
    fn open(&mut self, before: &[Record], after: &[Record]) {
        if self.heard {
            self.opened.extend(before.iter().map(|r| (Opened::of(r), -1)));
            self.opened.extend(after.iter().map(|r| (Opened::of(r), 1)));
        }
    }

    /// Says which alerts opened by an event that was final at once: those that it ended may have opened by it, too.
    fn open_final(&mut self, rule: &Rule, slot: &mut Slot, key: &Tuple) {
        if !self.ended.is_empty() || slot.said.is_empty() {
            let open: Vec<Record> = slot.key.episodes().map(|e| e.record(slot.rule, key)).collect();
            let ended: Vec<Record> = self.ended.iter().map(|e| e.record(slot.rule, key)).collect();
            let mut new: Vec<Record> = ended.into_iter().chain(open.iter().cloned()).collect();
            new.retain(|record| !slot.said.iter().any(|said| said.first == record.first));
            self.open(&[], &new);
            slot.said = open;
        }
        self.schedule(rule, slot, key);
    }

    /// Takes the records that stateless rules make of a row.
    fn single(&mut self, records: impl Iterator<Item = Record>, diff: isize, out: &mut Vec<(Record, isize)>) {
        if self.emit == Emit::Running || self.level == 0 && !self.heard {
            return out.extend(records.map(|record| (record, diff)));
        }
        for record in records {
            if self.heard {
                self.opened.push((Opened::of(&record), diff));
            }
            match self.level {
                0 => out.push((record, diff)),
                _ => self.unsettled.add(record, diff),
            }
        }
    }

    /// How far time is: the end of a finite input, which is the greatest watermark, is not the passing of time.
    fn time(&self, watermark: i64) -> i64 {
        if watermark == i64::MAX { self.watermark } else { watermark }
    }

    /// Takes a row into the slot of its rule, one of those of its key.
    fn apply(
        &mut self,
        (number, rule): (u32, &Rule),
        key: &Tuple,
        slots: &mut Vec<Slot>,
        (row, diff): (Row, isize),
        watermark: i64,
        out: &mut Vec<(Record, isize)>,
    ) {
        let frozen = self.frozen(rule);
        if row.time < frozen {
            // An alert of an event that came too late for windows. INVARIANT: nothing else comes or goes behind the watermark.
            return;
        }
        let at = find(slots, number).unwrap_or_else(|at| {
            let look = self.deadline(rule, row.time);
            self.deadlines.entry(look).or_default().push((number, key.clone()));
            self.slots += 1;
            slots.reserve_exact(1);
            slots.insert(at, Slot { rule: number, key: Key::new(rule), touched: false, said: Vec::new(), look });
            at
        });
        let slot = &mut slots[at];
        // Only finished episodes are wanted and nothing earlier can come: no need to hold the event.
        if self.emit == Emit::Final && row.time < watermark && diff > 0 && !slot.key.has_live() {
            for _ in 0..diff {
                slot.key.push_final(rule, &row, &mut self.ended);
            }
            if self.compares() {
                self.open_final(rule, slot, key);
            }
            out.extend(self.ended.drain(..).map(|ended| (ended.record(number, key), 1)));
            return;
        }
        if !slot.touched {
            slot.touched = true;
            slot.key.freeze(rule, frozen);
            // What became final stays said for good.
            let kept = slot.key.episodes().count().min(slot.said.len());
            let settled = slot.said.drain(..slot.said.len() - kept);
            if self.emit == Emit::Final {
                out.extend(settled.map(|record| (record, 1)));
            }
            self.touched.push((number, key.clone()));
        }
        for _ in 0..diff {
            slot.key.push(rule, row.clone());
        }
        for _ in 0..-diff {
            slot.key.retract(&row);
        }
    }
}

fn single(rule: &Rule, member: &Member, row: &MatchRow) -> Record {
    let place = Place { time: row.time, id: row.id };
    let mut values = vec![None; rule.steps.len() + 2];
    if member.values {
        let first = rule.steps.len();
        [0, first, first + 1].into_iter().for_each(|at| values[at] = Some(row.values.clone()));
    }
    Record {
        rule: member.rule,
        key: row.key.clone(),
        first: place,
        last: place,
        count: 1,
        evidence: vec![place],
        values,
    }
}

/// Appends what leads from one list of records to the other. Both are in order of their first events, which no two share.
fn difference(before: &[Record], after: &[Record], out: &mut Vec<(Record, isize)>) {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    loop {
        match (before.peek(), after.peek()) {
            (None, None) => return,
            (Some(a), Some(b)) if a == b => {
                before.next();
                after.next();
            }
            (Some(a), b) if b.is_none_or(|b| a.first <= b.first) => {
                out.extend(before.next().map(|r| (r.clone(), -1)));
            }
            (_, _) => out.extend(after.next().map(|r| (r.clone(), 1))),
        }
    }
}
