//! The window operator: all rules and keys of a worker.
//!
//! It has differential's contract: rows come with an epoch and a multiplicity, records leave
//! likewise, and the sum of what left up to an epoch is the answer for what came up to it. Within
//! an epoch the order is: all rows, then the watermark, so that every worker gives the same.

use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::driver::Emit;
use super::episode::{Place, Record};
use super::fill::{self, Aside, Deadlines, Filling};
use super::key::Key;
use super::machine::Row;
use super::render::{Mark, Part, Status, Update};
use super::roster::Roster;
use crate::matching::MatchRow;
use crate::rule::plan::{Group, Member, Rule, Tuple};

/// Deadlines are rounded up to this, so that many keys share one, µs.
const DEADLINE_GRAIN: i64 = 1_000_000;
/// For so many rows slots are looked for ahead.
const AHEAD: usize = 96;

/// State and timers of one worker.
pub(super) struct Windows {
    roster: Arc<Roster>,
    /// The slots of a key, by number of the rule: rows of one event that several rules count by the same key are looked up once.
    keys: HashMap<Tuple, Vec<Slot>, FxBuildHasher>,
    agenda: Agenda,
    /// Rules went; their keys with a deadline before this are gone, too.
    swept: Option<i64>,
}

/// What all keys share: how far time is, and what is to be done about which key when.
struct Agenda {
    emit: Emit,
    watermark: i64,
    /// When to look whether a key is over; each rule and key stands under one deadline.
    deadlines: Deadlines,
    touched: Vec<(u32, Tuple)>,
    /// How many slots there are.
    slots: usize,
    /// The rules that take the past in.
    filling: Option<Filling>,
}

/// Which rule a row is for.
#[derive(Clone, Copy)]
struct For<'r> {
    number: u32,
    rule: &'r Rule,
    /// It is of [`Agenda::filling`].
    filling: bool,
}

/// State of a rule and key.
struct Slot {
    rule: u32,
    key: Key,
    touched: bool,
    /// What was said and may have to be taken back.
    said: Vec<Record>,
}

impl Windows {
    pub(super) fn new(roster: Arc<Roster>, emit: Emit) -> Windows {
        let (deadlines, touched) = (Deadlines::new(), Vec::new());
        let agenda = Agenda { emit, watermark: i64::MIN, deadlines, touched, slots: 0, filling: None };
        Windows { roster, keys: HashMap::default(), agenda, swept: None }
    }

    /// One epoch: its rows with their multiplicities, then its watermark (µs; events before it are final).
    /// Changes of the answer are appended to `out`.
    pub(super) fn epoch(&mut self, mut rows: Vec<Update>, mark: &Mark, out: &mut Vec<(Record, isize)>) {
        if !Arc::ptr_eq(&self.roster, &mark.roster) {
            self.change(mark.roster.clone(), out);
        }
        let before = |r: &Update| (r.0.time, r.0.id);
        if !rows.is_sorted_by_key(before) {
            rows.sort_by_key(before);
        }
        let roster = self.roster.clone();
        let program = roster.program();
        let filling = self.agenda.filling.is_some();
        let mut aside = Vec::new();
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
                out.extend(hits.map(|(member, _)| (single(&roster, member, &row), diff)));
                continue;
            }
            let mut hits = row.hits;
            if filling && mark.part == Part::Live {
                hits = set_aside(&roster, group, &row, diff, &mut aside);
                if hits == 0 {
                    continue;
                }
            }
            let slots = self.keys.entry(row.key.clone()).or_default();
            for (member, steps) in group.hits(hits) {
                let rule = For {
                    number: roster.number(member.rule),
                    rule: &program.rules[member.rule as usize],
                    filling: filling && roster.is_filling(member.rule),
                };
                self.agenda.apply(rule, &row.key, slots, event(member, steps, &row), diff, mark.watermark, out);
            }
        }
        if let Some(filling) = &mut self.agenda.filling {
            filling.set_aside(aside, self.agenda.watermark);
            filling.note(mark.part);
        }
        self.take_aside(fill::TAKEN_AT_A_TIME, out);
        self.settle(out);
        self.advance(mark.watermark, out);
        self.advance_filling(out);
        self.sweep();
    }

    /// Another program: the slots of its rules are those they had. Slots of rules that are gone are swept later.
    fn change(&mut self, roster: Arc<Roster>, out: &mut Vec<(Record, isize)>) {
        self.roster = roster;
        // A past that has come is taken in now; one that has not is forgotten with its rules.
        self.take_aside(usize::MAX, out);
        self.end_filling();
        self.agenda.filling = self.roster.filling().next().map(|_| Filling::new());
        self.swept = Some(i64::MIN);
    }

    /// Rows that waited for the past of their rules.
    fn take_aside(&mut self, most: usize, out: &mut Vec<(Record, isize)>) {
        let Some(filling) = &mut self.agenda.filling else { return };
        for Aside { number, key, row, diff } in filling.take(most) {
            let Some(rule) = self.roster.rule(number) else { continue };
            let slots = self.keys.entry(key.clone()).or_default();
            self.agenda.apply(For { number, rule, filling: true }, &key, slots, row, diff, i64::MIN, out);
        }
    }

    fn end_filling(&mut self) {
        let Some(filling) = self.agenda.filling.take() else { return };
        for (deadline, mut keys) in filling.deadlines {
            self.agenda.deadlines.entry(deadline).or_default().append(&mut keys);
        }
    }

    /// Drops some of the slots of rules that are gone.
    fn sweep(&mut self) {
        let Some(from) = self.swept else { return };
        let Windows { roster, keys, agenda: Agenda { deadlines, slots: count, .. }, .. } = self;
        let mut looked = 0;
        for (deadline, due) in deadlines.range_mut(from..) {
            if looked >= fill::SWEPT_AT_A_TIME {
                self.swept = Some(*deadline);
                return;
            }
            looked += due.len();
            due.retain(|(number, key)| {
                if roster.rule(*number).is_some() {
                    return true;
                }
                if let Some(slots) = keys.get_mut(key)
                    && let Ok(at) = find(slots, *number)
                {
                    slots.remove(at);
                    *count -= 1;
                    if slots.is_empty() {
                        keys.remove(key);
                    }
                }
                false
            });
        }
        self.swept = None;
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
    fn settle(&mut self, out: &mut Vec<(Record, isize)>) {
        for (number, key) in std::mem::take(&mut self.agenda.touched) {
            let slots = self.keys.get_mut(&key).expect("touched keys are kept until they expire");
            let at = find(slots, number).expect("touched slots are kept until they expire");
            let slot = &mut slots[at];
            slot.touched = false;
            let Some(rule) = self.roster.rule(number) else { continue };
            slot.key.settle(rule);
            if self.agenda.emit == Emit::Final {
                continue;
            }
            let now: Vec<Record> = slot.key.episodes().map(|e| e.record(number, &key)).collect();
            difference(&slot.said, &now, out);
            slot.said = now;
        }
    }

    /// Takes the watermark and drops the keys that are over.
    fn advance(&mut self, watermark: i64, out: &mut Vec<(Record, isize)>) {
        if watermark <= self.agenda.watermark {
            return;
        }
        self.agenda.watermark = watermark;
        let deadlines = &mut self.agenda.deadlines;
        let later = if watermark == i64::MAX { Deadlines::new() } else { deadlines.split_off(&watermark) };
        for (number, key) in std::mem::replace(deadlines, later).into_values().flatten() {
            if let Some(due) = self.expire(number, &key, watermark, out) {
                self.agenda.deadlines.entry(due).or_default().push((number, key));
            }
        }
    }

    /// The same for the rules that are being filled, by their own time; once it is everybody's they are like all others.
    fn advance_filling(&mut self, out: &mut Vec<(Record, isize)>) {
        let watermark = self.agenda.watermark;
        let Some(filling) = &mut self.agenda.filling else { return };
        filling.advance(watermark);
        let (frontier, due) = (filling.frontier, filling.due(fill::EXPIRED_AT_A_TIME));
        for (number, key) in due {
            if let Some(due) = self.expire(number, &key, frontier, out)
                && let Some(filling) = &mut self.agenda.filling
            {
                filling.deadlines.entry(due).or_default().push((number, key));
            }
        }
        if self.agenda.filling.as_ref().is_some_and(|f| f.is_over(watermark)) {
            self.end_filling();
        }
    }

    /// Drops a rule's key that is over when its time is `watermark`; else says when to look again.
    fn expire(&mut self, number: u32, key: &Tuple, watermark: i64, out: &mut Vec<(Record, isize)>) -> Option<i64> {
        let slots = self.keys.get_mut(key)?;
        let at = find(slots, number).ok()?;
        let slot = &mut slots[at];
        if let Some(rule) = self.roster.rule(number) {
            let due = deadline(rule, slot.key.latest());
            if due >= watermark && watermark != i64::MAX {
                return Some(due);
            }
            if self.agenda.emit == Emit::Final {
                slot.key.settle(rule);
                out.extend(slot.key.episodes().map(|e| (e.record(number, key), 1)));
            }
        }
        slots.remove(at);
        self.agenda.slots -= 1;
        if slots.is_empty() {
            self.keys.remove(key);
        }
        None
    }

    /// How it stands.
    pub(super) fn status(&self) -> Status {
        Status { keys: self.agenda.slots, filling: self.agenda.filling.is_some() }
    }
}

/// Sets aside what a row is for rules whose past has not come; the rest of its hits is left.
fn set_aside(roster: &Roster, group: &Group, row: &MatchRow, diff: isize, aside: &mut Vec<Aside>) -> u64 {
    let mut left = row.hits;
    for (member, steps) in group.hits(row.hits).filter(|(member, _)| roster.is_filling(member.rule)) {
        left &= !(member.mask << member.shift);
        let (number, key) = (roster.number(member.rule), row.key.clone());
        aside.push(Aside { number, key, row: event(member, steps, row), diff });
    }
    left
}

fn event(member: &Member, steps: u32, row: &MatchRow) -> Row {
    let values = if member.values { row.values.clone() } else { Tuple::default() };
    Row { time: row.time, id: row.id, steps, values }
}

/// Where the slot of a rule is among those of a key, or belongs.
fn find(slots: &[Slot], rule: u32) -> Result<usize, usize> {
    slots.binary_search_by_key(&rule, |s| s.rule)
}

impl Agenda {
    /// Takes a row into the slot of its rule, one of those of its key.
    fn apply(
        &mut self,
        For { number, rule, filling }: For<'_>,
        key: &Tuple,
        slots: &mut Vec<Slot>,
        row: Row,
        diff: isize,
        watermark: i64,
        out: &mut Vec<(Record, isize)>,
    ) {
        let (deadlines, time) = match &mut self.filling {
            Some(f) if filling => (&mut f.deadlines, f.frontier),
            Some(_) | None => (&mut self.deadlines, self.watermark),
        };
        let at = find(slots, number).unwrap_or_else(|at| {
            deadlines.entry(deadline(rule, row.time)).or_default().push((number, key.clone()));
            self.slots += 1;
            slots.reserve_exact(1);
            slots.insert(at, Slot { rule: number, key: Key::new(rule), touched: false, said: Vec::new() });
            at
        });
        let slot = &mut slots[at];
        // Only finished episodes are wanted and nothing earlier can come: no need to hold the event.
        if self.emit == Emit::Final && row.time < watermark && diff > 0 && !slot.key.has_live() {
            for _ in 0..diff {
                if let Some(ended) = slot.key.push_final(rule, &row) {
                    out.push((ended.record(number, key), 1));
                }
            }
            return;
        }
        if !slot.touched {
            slot.touched = true;
            slot.key.freeze(rule, time);
            // What became final stays said for good.
            let kept = slot.key.episodes().count().min(slot.said.len());
            slot.said.drain(..slot.said.len() - kept);
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

/// Past this time no further event can belong to an episode or match of the key's latest event.
fn deadline(rule: &Rule, latest: i64) -> i64 {
    let end = latest.saturating_add(rule.form.within()).saturating_add(rule.cooldown);
    end.div_euclid(DEADLINE_GRAIN).saturating_add(2).saturating_mul(DEADLINE_GRAIN)
}

fn single(roster: &Roster, member: &Member, row: &MatchRow) -> Record {
    let rule = &roster.program().rules[member.rule as usize];
    let place = Place { time: row.time, id: row.id };
    let mut values = vec![None; rule.steps.len() + 2];
    if member.values {
        let first = rule.steps.len();
        [0, first, first + 1].into_iter().for_each(|at| values[at] = Some(row.values.clone()));
    }
    Record {
        rule: roster.number(member.rule),
        key: row.key.clone(),
        first: place,
        last: place,
        count: 1,
        evidence: vec![place],
        values,
    }
}

/// Appends what leads from one set of records to the other.
fn difference(before: &[Record], after: &[Record], out: &mut Vec<(Record, isize)>) {
    out.extend(before.iter().filter(|r| !after.contains(r)).map(|r| (r.clone(), -1)));
    out.extend(after.iter().filter(|r| !before.contains(r)).map(|r| (r.clone(), 1)));
}
