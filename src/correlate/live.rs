//! The events of a key that are not final, with checkpoints.
//!
//! In order an event moves the state after all events on. Every so many events that state is put
//! down: a stretch of events is sealed. Events that come late, or go, are gathered and worked in together: the stretches they
//! belong to are run again from the checkpoint before, and so are those behind, until a state comes out that
//! goes on as the one before did. What is behind that is left as it is, but for an [`Amendment`].

use std::collections::VecDeque;

use super::amend::Amendment;
use super::episode::Episode;
use super::machine::{Machine, Row};
use super::stretch::{self, Changes, Stretch};
use crate::rule::plan;

/// Events, states and episodes behind the final ones.
pub(super) struct Live {
    sealed: VecDeque<Stretch>,
    /// The events behind the last checkpoint, in order.
    rows: Vec<Row>,
    /// The episodes that ended by them; where matches wait for deadlines, all that ended by what was decided for now.
    closed: Vec<Episode>,
    /// After all events.
    tail: Machine,
    /// Came and went since the last [`Live::settle`] and is not worked in.
    late: Vec<Row>,
    gone: Vec<Row>,
    /// How many of the first closed episodes are as they were at the last [`Live::settle`].
    told: usize,
    /// Where matches wait for deadlines: the episodes that are open by what was decided for now, the watermark of the last
    /// [`Live::settle`] up to which that is, and up to when all is decided for good.
    judged: Option<Box<Episode>>,
    watermark: i64,
    decided: i64,
}

impl Live {
    /// No event after this state.
    pub(super) fn new(base: Machine) -> Live {
        Live {
            sealed: VecDeque::new(),
            rows: Vec::new(),
            closed: Vec::new(),
            tail: base,
            late: Vec::new(),
            gone: Vec::new(),
            told: 0,
            judged: None,
            watermark: i64::MIN,
            decided: i64::MIN,
        }
    }

    /// Takes an event in any order. One that takes the place of another (its steps are others, since a list has changed) waits
    /// for that to go.
    pub(super) fn push(&mut self, rule: &plan::Rule, row: Row) {
        if self.late.is_empty() && self.gone.is_empty() && self.last().is_none_or(|last| last.place() < row.place()) {
            self.append(rule, row);
        } else {
            self.late.push(row);
        }
    }

    /// Takes an event back.
    pub(super) fn retract(&mut self, row: &Row) {
        self.gone.push(row.clone());
    }

    /// Works in what came and went, and decides for now on matches that waited until before `watermark`. Returns how many of the
    /// first episodes are as they were the last time.
    pub(super) fn settle(&mut self, rule: &plan::Rule, base: &Machine, watermark: i64) -> usize {
        self.work_in(rule, base);
        if self.tail.waits() {
            self.tail.pass(rule, self.decided, &mut Vec::new());
            self.watermark = self.watermark.max(watermark);
            self.closed.clear();
            self.judged = self.tail.judge(rule, self.watermark, &mut self.closed);
            return 0;
        }
        let ended = self.ended();
        std::mem::replace(&mut self.told, ended)
    }

    /// The next deadline that is not decided on, µs.
    pub(super) fn due(&self, rule: &plan::Rule) -> Option<i64> {
        self.tail.due(rule, self.watermark)
    }

    /// Makes events before `horizon` final, in `base`: whole stretches, and of what is not sealed once it is the greater part.
    /// Whether nothing is left here that `base` does not know.
    pub(super) fn freeze(&mut self, rule: &plan::Rule, base: &mut Machine, horizon: i64) -> bool {
        debug_assert!(self.late.is_empty() && self.gone.is_empty(), "settled before frozen");
        let mut silent = 0;
        while self.sealed.front().is_some_and(|s| s.rows.last().is_none_or(|r| r.time < horizon))
            && let Some(stretch) = self.sealed.pop_front()
        {
            silent += stretch.closed.len();
            *base = stretch.after;
            base.pass(rule, self.decided, &mut Vec::new());
        }
        let mut over = false;
        if self.sealed.is_empty() {
            let count = self.rows.partition_point(|r| r.time < horizon);
            if count == self.rows.len() && (!self.tail.waits() || self.watermark <= horizon) {
                std::mem::swap(base, &mut self.tail);
                over = true;
            } else if count > 0 && 2 * count >= self.rows.len() {
                let mut ended = Vec::new();
                self.rows.drain(..count).for_each(|row| base.step(rule, &row, &mut ended));
                self.closed.drain(..ended.len().min(self.closed.len()));
                silent += ended.len();
            }
        }
        self.told = self.told.saturating_sub(silent);
        if base.waits() {
            let first = self.sealed.front().map_or(&self.rows, |s| &s.rows).first().filter(|_| !over);
            // Only what was said is decided on for good, since that is not said again.
            let limit = first.map_or(horizon, |row| horizon.min(row.time)).min(self.watermark).max(self.decided);
            let mut ended = Vec::new();
            base.pass(rule, limit, &mut ended);
            self.closed.drain(..ended.len().min(self.closed.len()));
            self.decided = limit;
        }
        over
    }

    /// The episodes that can still change or were closed by these events, in order.
    pub(super) fn episodes(&self) -> impl Iterator<Item = &Episode> {
        let waits = self.tail.waits();
        let open = (!waits).then(|| self.tail.episodes());
        let judged = waits.then(|| Episode::in_order(self.judged.as_deref()));
        let closed = self.sealed.iter().flat_map(|s| &s.closed).chain(&self.closed);
        closed.chain(open.into_iter().flatten()).chain(judged.into_iter().flatten())
    }

    /// How many of the first episodes are over; the others are open.
    pub(super) fn ended(&self) -> usize {
        self.sealed.iter().map(|s| s.closed.len()).sum::<usize>() + self.closed.len()
    }

    fn last(&self) -> Option<&Row> {
        self.rows.last().or_else(|| self.sealed.back().and_then(|s| s.rows.last()))
    }

    /// Takes an event behind all others.
    fn append(&mut self, rule: &plan::Rule, row: Row) {
        self.tail.step(rule, &row, &mut self.closed);
        if self.rows.len() == self.rows.capacity() {
            // With little room to spare: most of what a busy key holds is here.
            self.rows.reserve_exact(4.max(self.rows.len() / 4));
        }
        self.rows.push(row);
        if self.rows.len().is_multiple_of(stretch::LEAST) && self.rows.len() >= stretch::length(&self.tail) {
            let mut rows = std::mem::take(&mut self.rows);
            // What was decided for now belongs to no stretch.
            let closed = if self.tail.waits() { Vec::new() } else { std::mem::take(&mut self.closed) };
            rows.shrink_to_fit();
            self.sealed.push_back(Stretch { rows, closed, after: self.tail.clone() });
        }
    }

    fn work_in(&mut self, rule: &plan::Rule, base: &Machine) {
        if self.late.is_empty() && self.gone.is_empty() {
            return;
        }
        let (mut late, mut gone) = (std::mem::take(&mut self.late), std::mem::take(&mut self.gone));
        late.sort_unstable();
        stretch::cancel(&mut late, &mut gone);
        // What is behind all others goes on from the state after them, once that is right.
        let within = self.last().map_or(0, |last| late.partition_point(|row| row.place() <= last.place()));
        let behind = late.split_off(within);
        if !late.is_empty() || !gone.is_empty() {
            self.rework(rule, base, Changes::new(late, gone));
        }
        behind.into_iter().for_each(|row| self.append(rule, row));
    }

    /// Works changes in: from stretch to stretch, those that run again and those that are amended.
    fn rework(&mut self, rule: &plan::Rule, base: &Machine, mut changes: Changes) {
        let mut at = self.stretch_of(&changes);
        self.told = self.told.min(self.sealed.iter().take(at).map(|s| s.closed.len()).sum());
        let (mut running, mut amendment): (Option<Machine>, Option<Amendment>) = (None, None);
        while at < self.sealed.len() {
            let next = self.sealed.get(at + 1).map_or(self.rows.first(), |s| s.rows.first());
            let here = changes.before(next);
            if here.is_empty() && running.is_none() {
                let amended = amendment.as_ref().is_some_and(|amendment| self.sealed[at].amend(amendment));
                at += 1;
                if !amended {
                    amendment = None;
                    if changes.is_empty() {
                        return;
                    }
                    at = at.max(self.stretch_of(&changes));
                }
                continue;
            }
            let mut machine = running.take().unwrap_or_else(|| self.state_before(rule, base, at));
            let until = self.sealed[at].merge(rule, here, &mut changes);
            while self.sealed[at].rows.len() >= 2 * stretch::length(&machine) {
                let part = self.sealed[at].split(rule, &mut machine);
                self.sealed.insert(at, part);
                at += 1;
            }
            let here = &mut self.sealed[at];
            here.run(rule, &mut machine);
            here.after.pass(rule, self.decided, &mut Vec::new());
            amendment = machine.amendment(&here.after, rule, changes.done(), until);
            match &amendment {
                Some(_) => here.after = machine,
                None => {
                    here.after = machine.clone();
                    running = Some(machine);
                }
            }
            if here.rows.is_empty() {
                self.sealed.remove(at);
            } else {
                at += 1;
            }
        }
        let here = changes.before(None);
        if running.is_some() || !here.is_empty() {
            self.tail = running.unwrap_or_else(|| self.state_before(rule, base, at));
            let mut rows = std::mem::take(&mut self.rows);
            self.closed.clear();
            changes.merge(rule, &mut rows, here);
            rows.into_iter().for_each(|row| self.append(rule, row));
        } else if let Some(amendment) = &amendment {
            amendment.episodes(&mut self.closed);
            self.tail.amend(amendment);
        }
    }

    /// In which stretch the first change is.
    fn stretch_of(&self, changes: &Changes) -> usize {
        let Some(first) = changes.first() else { return self.sealed.len() };
        let at = self.sealed.partition_point(|s| s.rows.first().is_none_or(|row| row <= first));
        if at == self.sealed.len() && self.rows.first().is_some_and(|row| row <= first) {
            return at;
        }
        at.saturating_sub(1)
    }

    /// The state before a stretch, or what is not sealed, begins.
    fn state_before(&self, rule: &plan::Rule, base: &Machine, at: usize) -> Machine {
        let Some(before) = at.checked_sub(1).and_then(|at| self.sealed.get(at)) else { return base.clone() };
        let mut machine = before.after.clone();
        machine.pass(rule, self.decided, &mut Vec::new());
        machine
    }
}
