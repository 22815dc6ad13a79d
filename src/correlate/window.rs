//! The window operator: all rules and keys of a worker.
//!
//! It has differential's contract: rows come with an epoch and a multiplicity, records leave
//! likewise, and the sum of what left up to an epoch is the answer for what came up to it. Within
//! an epoch the order is: all rows, then the watermark, so that every worker gives the same.
//!
//! Alerts that open are said once more, for the rules over alerts, and so are those that go again
//! because their first event or their first match is another one now.
//!
//! Rules are looked up by number in the roster of the epoch. Where programs follow one another there is one
//! level, so that what is said of levels here is about the first program.

use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;

use super::agenda::{Agenda, For};
use super::climb::Opened;
use super::driver::Emit;
use super::episode::{Place, Record};
use super::fill::{self, Aside, Deadlines, Filling};
use super::keyed::{self, Keyed};
use super::machine::Row;
use super::render::{Mark, Part, Status, Update};
use super::roster::Roster;
use super::slot::find;
use crate::event::deal::deal;
use crate::event::fetch::fetch;
use crate::matching::MatchRow;
use crate::rule::plan::{Group, Member, Tuple};

/// Rows are fetched so many ahead.
const ROWS_AHEAD: usize = 1024;

/// State and timers of one worker.
pub(super) struct Windows {
    roster: Arc<Roster>,
    keys: Keyed,
    agenda: Agenda,
    /// Rules went; their keys with a deadline before this are gone, too.
    swept: Option<i64>,
}

impl Windows {
    /// For the rules of a level.
    pub(super) fn new(roster: Arc<Roster>, emit: Emit, level: u32) -> Windows {
        let agenda = Agenda::new(roster.program(), emit, level);
        Windows { roster, keys: Keyed::default(), agenda, swept: None }
    }

    /// One epoch: its rows with their multiplicities, then its watermark (µs; events before it are final).
    /// Changes of the answer are appended to `out`, which is empty.
    pub(super) fn epoch(&mut self, rows: Vec<Update>, mark: &Mark, out: &mut Vec<(Record, isize)>) {
        if !Arc::ptr_eq(&self.roster, &mark.roster) {
            self.change(mark.roster.clone(), out);
        }
        if self.agenda.is_quiet() && !mark.quiet {
            self.settle(self.agenda.watermark, out);
            self.catch_up(out);
        }
        let watermark = self.agenda.lagging(mark.watermark);
        // As long as time stands still nothing is final, and nobody listens.
        let later = mark.quiet && self.agenda.is_quiet() && watermark <= self.agenda.watermark && self.is_settled_in();
        self.agenda.be_quiet(mark.quiet);
        self.take(&rows, watermark, mark.part, out);
        self.take_aside(fill::TAKEN_AT_A_TIME, out);
        if !later {
            self.settle(watermark, out);
        }
        self.advance(watermark, out);
        self.advance_filling(out);
        self.sweep();
        self.agenda.hear(out);
    }

    /// The alerts that opened (+) and went again (−) since the last call; none when there are no rules over them.
    pub(super) fn opened(&mut self) -> Vec<(Opened, isize)> {
        let mut opened = std::mem::take(&mut self.agenda.opened);
        consolidate(&mut opened);
        opened
    }

    /// Takes the rows of an epoch.
    fn take(&mut self, rows: &[Update], watermark: i64, part: Part, out: &mut Vec<(Record, isize)>) {
        let mut aside = Vec::new();
        let hashes: Vec<u32> = rows.iter().map(|(row, ..)| keyed::hash(&row.key)).collect();
        let hash = |at: &u32| hashes[*at as usize];
        let row = |at: &u32| &rows[*at as usize];
        let alike = |a: &u32, b: &u32| row(a).0.key == row(b).0.key;
        // What goes before what comes: an alert whose values changed goes and comes in one epoch, and is not there twice.
        let place = |at: &u32| (row(at).0.time, row(at).0.id, row(at).2);
        let mut order = by_hash(&hashes);
        // What is left, and how many of it are fetched.
        let (mut rest, mut fetched) = (&mut order[..], 0);
        while !rest.is_empty() {
            self.keys.warm(rest.chunk_by(|a, b| hash(a) == hash(b)).map(|run| hash(&run[0])));
            for _ in 0..keyed::AT_ONCE {
                let ahead = rest.len().min(ROWS_AHEAD).max(fetched);
                rest[fetched..ahead].iter().for_each(|at| fetch(row(at)));
                let Some(first) = rest.first().map(hash) else { break };
                let length = rest.iter().take_while(|at| hash(at) == first).count();
                let (run, behind) = std::mem::take(&mut rest).split_at_mut(length);
                (rest, fetched) = (behind, ahead.saturating_sub(length));
                if run.chunk_by(alike).nth(1).is_some() {
                    run.sort_by(|a, b| row(a).0.key.cmp(&row(b).0.key));
                }
                for run in run.chunk_by_mut(alike) {
                    if self.has_state(run.iter().map(row)) && !run.is_sorted_by_key(place) {
                        run.sort_by_key(place);
                    }
                    self.take_key(first, run.iter().map(row), watermark, part, &mut aside, out);
                }
            }
        }
        if let Some(filling) = &mut self.agenda.filling {
            filling.set_aside(aside, self.agenda.watermark);
            filling.note(part);
        }
    }

    /// Whether any of these rows is for a rule that keeps something of it.
    fn has_state<'r>(&self, mut rows: impl Iterator<Item = &'r Update>) -> bool {
        let groups = self.roster.program().groups();
        rows.any(|(row, ..)| groups.get(row.group as usize).is_some_and(|group| !group.single))
    }

    /// Takes rows of one key, which has this hash, in their order.
    fn take_key<'r>(
        &mut self,
        hash: u32,
        rows: impl Iterator<Item = &'r Update> + Clone,
        watermark: i64,
        part: Part,
        aside: &mut Vec<Aside>,
        out: &mut Vec<(Record, isize)>,
    ) {
        let Windows { roster, keys, agenda, .. } = self;
        let program = roster.program();
        let filling = agenda.filling.is_some();
        let group = |row: &MatchRow| program.groups().get(row.group as usize);
        let kept = |(row, ..): &&Update| group(row).is_some_and(|group| !group.single);
        let of = rows.clone().find(kept).map(|(row, ..)| &row.key);
        let mut slots = of.map(|key| keys.slots(hash, key));
        for (row, _, diff) in rows {
            let Some(group) = group(row) else { continue };
            if group.single {
                let hits = group.hits(row.hits);
                agenda.single(hits.map(|(member, _)| single(roster, member, row)), *diff, out);
                continue;
            }
            let mut hits = row.hits;
            if filling && part == Part::Live {
                hits = set_aside(roster, group, row, *diff, aside);
                if hits == 0 {
                    continue;
                }
            }
            let Some(slots) = &mut slots else { continue };
            for (member, steps) in group.hits(hits) {
                let rule = For {
                    number: roster.number(member.rule),
                    rule: &program.rules[member.rule as usize],
                    filling: filling && roster.is_filling(member.rule),
                };
                agenda.apply(rule, &row.key, slots, (event(member, steps, row), *diff), watermark, out);
            }
        }
        // All were set aside, or too late.
        if slots.is_some_and(|slots| slots.is_empty())
            && let Some(key) = of
        {
            keys.remove(key);
        }
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
            let slots = self.keys.slots(keyed::hash(&key), &key);
            self.agenda.apply(For { number, rule, filling: true }, &key, slots, (row, diff), i64::MIN, out);
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

    /// Whether no rule comes or goes.
    fn is_settled_in(&self) -> bool {
        self.agenda.filling.is_none() && self.swept.is_none()
    }

    /// Says what changed for the keys of this epoch, and of those before that were left for later.
    fn settle(&mut self, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let watermark = self.agenda.time(watermark);
        for (number, key) in std::mem::take(&mut self.agenda.touched) {
            let slots = self.keys.get_mut(&key).expect("touched keys are kept until they expire");
            let at = find(slots, number).expect("touched slots are kept until they expire");
            let slot = &mut slots[at];
            slot.touched = false;
            let Some(rule) = self.agenda.of(&self.roster, number) else { continue };
            let time = if rule.filling { self.agenda.time_of(rule) } else { watermark };
            let same = slot.key.settle(rule.rule, time);
            self.agenda.say(slot, &key, same, out);
            self.agenda.schedule(rule, slot, &key);
        }
    }

    /// Says what was left for later.
    fn catch_up(&mut self, out: &mut Vec<(Record, isize)>) {
        let Windows { keys, agenda, .. } = self;
        for (key, slots) in keys.iter_mut() {
            for slot in slots {
                slot.catch_up(key, usize::MAX, out);
                agenda.unmute(slot, key);
            }
        }
    }

    /// Takes the watermark and drops the keys that are over.
    fn advance(&mut self, watermark: i64, out: &mut Vec<(Record, isize)>) {
        if watermark <= self.agenda.watermark {
            return;
        }
        self.agenda.advance(watermark);
        out.extend(self.agenda.unsettled.settled(watermark));
        let deadlines = &mut self.agenda.deadlines;
        let later = if watermark == i64::MAX { Deadlines::new() } else { deadlines.split_off(&watermark) };
        for (at, keys) in std::mem::replace(deadlines, later) {
            let mut keys = keys.into_iter();
            while !keys.as_slice().is_empty() {
                self.keys.warm(keys.as_slice().iter().map(|(_, key)| keyed::hash(key)));
                keys.by_ref().take(keyed::AT_ONCE).for_each(|(number, key)| self.look(at, number, key, watermark, out));
            }
        }
    }

    /// The same for the rules that are being filled, by their own time; once it is everybody's they are like all others.
    fn advance_filling(&mut self, out: &mut Vec<(Record, isize)>) {
        let watermark = self.agenda.watermark;
        let Some(filling) = &mut self.agenda.filling else { return };
        filling.advance(watermark);
        let (frontier, due) = (filling.frontier, filling.due(fill::EXPIRED_AT_A_TIME));
        for (at, number, key) in due {
            self.look(at, number, key, frontier, out);
        }
        if self.agenda.filling.as_ref().is_some_and(|f| f.is_over(watermark)) {
            self.end_filling();
        }
    }

    /// Looks at a rule's key under whose deadline `at` it stood, now that the time of the rule is `watermark`, and drops
    /// it when it is over.
    fn look(&mut self, at: i64, number: u32, key: Tuple, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let Some(slots) = self.keys.get_mut(&key) else { return };
        let Ok(place) = find(slots, number) else { return };
        let slot = &mut slots[place];
        if slot.look != at {
            return;
        }
        if let Some(rule) = self.agenda.of(&self.roster, number)
            && !self.agenda.pass(rule, slot, &key, watermark, out)
        {
            return;
        }
        slots.remove(place);
        self.agenda.slots -= 1;
        if slots.is_empty() {
            self.keys.remove(&key);
        }
    }

    /// How it stands.
    pub(super) fn status(&self) -> Status {
        Status { keys: self.agenda.slots, filling: self.agenda.filling.is_some() }
    }
}

/// Positions of rows by the hash of their keys: the state of a key is looked up once, and in the cache after that.
fn by_hash(hashes: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..hashes.len() as u32).collect();
    let of = |at: u32| hashes[at as usize];
    deal(&mut order, |at| of(at).into(), |few| few.sort_by_key(|at| of(*at)));
    order
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
