//! What the keys of a worker share: how far time is, and what is to be done about which key when.
//!
//! A rule that takes the past in has a time of its own, [`Filling::frontier`], and deadlines of its own; all others go by
//! the watermark.

use super::climb::Opened;
use super::driver::Emit;
use super::episode::{Episode, Record};
use super::fill::{Deadlines, Filling};
use super::machine::Row;
use super::roster::Roster;
use super::slot::{Slot, difference, find};
use super::unsettled::Unsettled;
use crate::rule::plan::{Program, Rule, Tuple};

/// Deadlines are rounded up to this, so that many keys share one, µs.
const DEADLINE_GRAIN: i64 = 1_000_000;

/// Time and timers of one worker.
pub(super) struct Agenda {
    emit: Emit,
    /// The level of its rules. Only rows of events come in time order: those of alerts come when these open.
    level: u32,
    /// Whether there are rules over their alerts.
    heard: bool,
    /// How far the level stays behind the watermark, µs.
    lag: i64,
    pub(super) watermark: i64,
    /// The last watermark that was not the end of a finite input, µs.
    passed: i64,
    /// What is said to rules over alerts.
    pub(super) opened: Vec<(Opened, isize)>,
    /// What is said to all others, where rules over alerts know already.
    late: Vec<(Record, isize)>,
    /// Records of stateless rules over alerts that may be taken back, in finite input, where nothing said is.
    pub(super) unsettled: Unsettled,
    /// When to look whether something waits for time alone to pass, or a key is over. Each rule and key stands under one
    /// deadline, its slot's; others that are found here are out of date.
    pub(super) deadlines: Deadlines,
    pub(super) touched: Vec<(u32, Tuple)>,
    /// Episodes that the event at hand has ended.
    ended: Vec<Episode>,
    /// How many slots there are.
    pub(super) slots: usize,
    /// The rules that take the past in.
    pub(super) filling: Option<Filling>,
    /// What can be said later is left for later.
    quiet: bool,
}

/// Which rule something is about.
#[derive(Clone, Copy)]
pub(super) struct For<'r> {
    pub(super) number: u32,
    pub(super) rule: &'r Rule,
    /// It is of [`Agenda::filling`].
    pub(super) filling: bool,
}

impl Agenda {
    /// For the rules of a level.
    pub(super) fn new(program: &Program, emit: Emit, level: u32) -> Agenda {
        Agenda {
            emit,
            level,
            heard: level + 1 < program.levels(),
            lag: program.lag(level),
            watermark: i64::MIN,
            passed: i64::MIN,
            opened: Vec::new(),
            late: Vec::new(),
            unsettled: Unsettled::default(),
            deadlines: Deadlines::new(),
            touched: Vec::new(),
            ended: Vec::new(),
            slots: 0,
            filling: None,
            quiet: false,
        }
    }

    /// The rule of this number; `None` when it is gone.
    pub(super) fn of<'r>(&self, roster: &'r Roster, number: u32) -> Option<For<'r>> {
        let rule = roster.rule(number)?;
        Some(For { number, rule, filling: self.filling.is_some() && roster.fills(number) })
    }

    /// The watermark of the level, given that of events.
    pub(super) fn lagging(&self, watermark: i64) -> i64 {
        if watermark == i64::MAX { watermark } else { watermark.saturating_sub(self.lag) }
    }

    /// How far time is: the end of a finite input, which is the greatest watermark, is not the passing of time.
    pub(super) fn time(&self, watermark: i64) -> i64 {
        if watermark == i64::MAX { self.passed } else { watermark }
    }

    /// How far the time of a rule is as of the end of the last epoch, µs.
    pub(super) fn time_of(&self, rule: For<'_>) -> i64 {
        self.time(self.frontier(rule))
    }

    /// No row of the rule before this time (µs) will come any more.
    fn frontier(&self, rule: For<'_>) -> i64 {
        match &self.filling {
            Some(filling) if rule.filling => filling.frontier,
            Some(_) | None => self.watermark,
        }
    }

    /// Takes the watermark.
    pub(super) fn advance(&mut self, watermark: i64) {
        self.passed = self.time(watermark);
        self.watermark = watermark;
    }

    /// Lets rules over alerts hear what was said in an epoch, but for what they know already.
    pub(super) fn hear(&mut self, said: &mut Vec<(Record, isize)>) {
        if self.heard && self.emit == Emit::Running {
            self.opened.extend(said.iter().map(|(record, diff)| (Opened::of(record), *diff)));
        }
        said.append(&mut self.late);
    }

    /// Whether what was said of a key is remembered.
    fn compares(&self) -> bool {
        self.emit == Emit::Running || self.level > 0 || self.heard
    }

    /// Says what changed for a key, the first `same` of whose episodes are as they were.
    pub(super) fn say(&mut self, slot: &mut Slot, key: &Tuple, same: usize, out: &mut Vec<(Record, isize)>) {
        if !self.compares() {
            return;
        }
        let same = slot.unsaid.take().map_or(same, |unsaid| unsaid.min(same));
        if self.quiet && !self.heard {
            slot.unsaid = Some(same);
            return;
        }
        let now: Vec<Record> = slot.key.episodes().skip(same).map(|e| e.record(slot.rule, key)).collect();
        match self.emit_of(slot) {
            Emit::Running => difference(&slot.said[same..], &now, out),
            Emit::Final => self.open(&slot.said[same..], &now),
        }
        slot.said.truncate(same);
        slot.said.extend(now);
    }

    /// What is said of a slot: one that is muted is as if input were finite.
    fn emit_of(&self, slot: &Slot) -> Emit {
        if slot.muted { Emit::Final } else { self.emit }
    }

    /// Says of a muted slot to all others what rules over alerts know; it is not muted any more.
    pub(super) fn unmute(&mut self, slot: &mut Slot, key: &Tuple) {
        if std::mem::take(&mut slot.muted) {
            let now: Vec<Record> = slot.key.episodes().map(|e| e.record(slot.rule, key)).collect();
            self.open(&slot.said, &now);
            self.late.extend(now.iter().map(|record| (record.clone(), 1)));
            slot.said = now;
        }
    }

    /// From now on, what can be said later is left for later, or no longer.
    pub(super) fn be_quiet(&mut self, quiet: bool) {
        self.quiet = quiet && self.emit == Emit::Running;
    }

    /// Whether something is left for later.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Has a rule's key looked at when the time of the rule has passed `at` (µs).
    fn note(&mut self, rule: For<'_>, key: &Tuple, at: i64) {
        let deadlines = match &mut self.filling {
            Some(filling) if rule.filling => &mut filling.deadlines,
            Some(_) | None => &mut self.deadlines,
        };
        deadlines.entry(at).or_default().push((rule.number, key.clone()));
    }

    /// Sees to it that a key is looked at when the watermark passes what it waits for.
    pub(super) fn schedule(&mut self, rule: For<'_>, slot: &mut Slot, key: &Tuple) {
        if self.compares()
            && let Some(due) = slot.key.due(rule.rule)
            && due < slot.look
        {
            slot.look = due;
            self.note(rule, key, due);
        }
    }

    /// Says what the passing of time alone decided of a key.
    fn decide(&mut self, rule: For<'_>, slot: &mut Slot, key: &Tuple, time: i64, out: &mut Vec<(Record, isize)>) {
        if self.compares() && slot.key.due(rule.rule).is_some_and(|due| due < time) {
            let same = slot.key.settle(rule.rule, time);
            self.say(slot, key, same, out);
        }
    }

    /// Lets a key's time be `watermark`. Returns whether it is over; otherwise it stands under another deadline.
    pub(super) fn pass(
        &mut self,
        rule: For<'_>,
        slot: &mut Slot,
        key: &Tuple,
        watermark: i64,
        out: &mut Vec<(Record, isize)>,
    ) -> bool {
        let time = self.time(watermark);
        self.decide(rule, slot, key, time, out);
        let end = self.deadline(rule.rule, slot.key.latest());
        if end >= watermark && watermark != i64::MAX {
            slot.look = end;
            self.note(rule, key, end);
            self.schedule(rule, slot, key);
            return false;
        }
        slot.catch_up(key, usize::MAX, out);
        if self.emit_of(slot) == Emit::Final {
            slot.key.settle(rule.rule, time);
            let out = if slot.muted { &mut self.late } else { out };
            out.extend(slot.key.episodes().map(|e| (e.record(rule.number, key), 1)));
        }
        true
    }

    /// How far back a change of a list can still bring rows of the rule or take them back, µs.
    fn reach(&self, rule: &Rule) -> i64 {
        match self.emit {
            Emit::Running => rule.retro,
            Emit::Final => 0,
        }
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

    /// Says which alerts opened by an event that was final at once, those that it ended among them, and which went: a match
    /// may reach back before an episode that is open.
    fn open_final(&mut self, rule: For<'_>, slot: &mut Slot, key: &Tuple) {
        let firsts = || slot.key.episodes().map(Episode::first);
        if !self.ended.is_empty() || !firsts().eq(slot.said.iter().map(|said| said.first)) {
            let open: Vec<Record> = slot.key.episodes().map(|e| e.record(slot.rule, key)).collect();
            let mut new: Vec<Record> = self.ended.iter().map(|e| e.record(slot.rule, key)).collect();
            new.extend(open.iter().cloned());
            let known = |all: &[Record], record: &Record| all.iter().any(|other| other.first == record.first);
            let gone: Vec<Record> = slot.said.iter().filter(|said| !known(&new, said)).cloned().collect();
            new.retain(|record| !known(&slot.said, record));
            self.open(&gone, &new);
            slot.said = open;
        }
        self.schedule(rule, slot, key);
    }

    /// Takes the records that stateless rules make of a row.
    pub(super) fn single(
        &mut self,
        records: impl Iterator<Item = Record>,
        diff: isize,
        out: &mut Vec<(Record, isize)>,
    ) {
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

    /// Takes a row into the slot of its rule, one of those of its key.
    pub(super) fn apply(
        &mut self,
        of: For<'_>,
        key: &Tuple,
        slots: &mut Vec<Slot>,
        (row, diff): (Row, isize),
        watermark: i64,
        out: &mut Vec<(Record, isize)>,
    ) {
        let For { number, rule, .. } = of;
        // Rows of the rule before this neither come nor go any more.
        let frozen = self.frontier(of).saturating_sub(self.reach(rule));
        if row.time < frozen {
            // An alert of an event that came too late for windows. INVARIANT: nothing else comes or goes behind the watermark.
            return;
        }
        let at = find(slots, number).unwrap_or_else(|at| {
            let look = self.deadline(rule, row.time);
            self.note(of, key, look);
            self.slots += 1;
            slots.reserve_exact(1);
            slots.insert(at, Slot::new(number, rule, self.quiet && self.heard, look));
            at
        });
        let slot = &mut slots[at];
        // Only finished episodes are wanted and nothing earlier can come: no need to hold the event.
        if self.is_final(rule, slot) && row.time < watermark && diff > 0 && !slot.key.has_live(&row) {
            for _ in 0..diff {
                slot.key.push_final(rule, &row, &mut self.ended);
            }
            if self.quiet && !self.heard {
                slot.unsaid = Some(0);
                self.schedule(of, slot, key);
            } else if self.compares() {
                self.open_final(of, slot, key);
            }
            // Hardly ever: even an empty extension is felt here.
            if !self.ended.is_empty() {
                let out = if slot.muted { &mut self.late } else { out };
                out.extend(self.ended.drain(..).map(|ended| (ended.record(number, key), 1)));
            }
            return;
        }
        let few = slot.key.is_few();
        if few {
            slot.key.freeze(rule, frozen);
        } else if !slot.touched {
            self.touch(of, slot, key, frozen, out);
        }
        for _ in 0..diff {
            slot.key.push(rule, row.clone());
        }
        for _ in 0..-diff {
            slot.key.retract(rule, &row);
        }
        if few && !slot.key.is_few() {
            slot.touched = true;
            self.touched.push((number, key.clone()));
        }
    }

    /// Whether of a key nothing is wanted but episodes that are over, and no event before the watermark goes again.
    fn is_final(&self, rule: &Rule, slot: &Slot) -> bool {
        match self.emit {
            Emit::Final => true,
            Emit::Running if self.heard => slot.muted && self.reach(rule) == 0,
            Emit::Running => self.quiet && self.reach(rule) == 0 && slot.said.is_empty(),
        }
    }

    /// Notes that rows of a key come or go in this epoch. What happened before `frozen` (µs) is final.
    fn touch(&mut self, of: For<'_>, slot: &mut Slot, key: &Tuple, frozen: i64, out: &mut Vec<(Record, isize)>) {
        let time = self.time_of(of);
        if slot.look < time {
            // Of filled rules not all keys are looked at when they are due. What becomes final was said before.
            self.decide(of, slot, key, time, out);
        }
        slot.touched = true;
        slot.catch_up(key, slot.key.ended(), out);
        let before = slot.unsaid.map(|_| slot.key.episodes().count());
        slot.key.freeze(of.rule, frozen);
        // What became final stays said for good.
        let kept = slot.key.episodes().count();
        let settled = before.unwrap_or(slot.said.len()).saturating_sub(kept);
        slot.unsaid = slot.unsaid.map(|same| same.saturating_sub(settled));
        let settled = slot.said.drain(..settled.min(slot.said.len()));
        match (self.emit, slot.muted) {
            (Emit::Final, _) => out.extend(settled.map(|record| (record, 1))),
            (Emit::Running, true) => self.late.extend(settled.map(|record| (record, 1))),
            (Emit::Running, false) => drop(settled),
        }
        self.touched.push((of.number, key.clone()));
    }
}
