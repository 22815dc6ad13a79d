//! One key of one rule, kept exact while events arrive in any order.
//!
//! Events before the watermark are *final*: they went through [`Key::base`] in order and are
//! forgotten. Later ones are held in [`Key::live`]. An event that arrives in order moves a copy of
//! the machine on, the tail; one that arrives late re-runs the live events from the base. What comes
//! out is the set of episodes that can still change, so its differences are all there is to say.

use super::episode::Episode;
use super::machine::{Machine, Row};
use crate::rule::plan;

/// State of a rule and key.
pub(super) struct Key {
    /// After all final events.
    base: Machine,
    /// After all events; `None` while there is no live one.
    tail: Option<Box<Machine>>,
    /// Not final, in order.
    live: Vec<Row>,
    /// Episodes of live events that another one followed.
    closed: Vec<Episode>,
    /// A live event came out of order since the last [`Key::settle`].
    disordered: bool,
    /// Time of the latest event, µs.
    latest: i64,
}

impl Key {
    /// A key without events.
    pub(super) fn new(rule: &plan::Rule) -> Key {
        let base = Machine::new(rule);
        Key { base, tail: None, live: Vec::new(), closed: Vec::new(), disordered: false, latest: i64::MIN }
    }

    /// Takes an event that is final at once: no earlier one can come. Returns the episode that ended by it.
    pub(super) fn push_final(&mut self, rule: &plan::Rule, row: &Row) -> Option<Box<Episode>> {
        debug_assert!(self.live.is_empty(), "final events come before live ones");
        self.latest = self.latest.max(row.time);
        self.base.step(rule, row)
    }

    /// Whether there are events that are not final.
    pub(super) fn has_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// Takes an event in any order. [`Key::settle`] must follow before episodes are read.
    pub(super) fn push(&mut self, rule: &plan::Rule, row: Row) {
        self.latest = self.latest.max(row.time);
        if !self.disordered && self.live.last().is_none_or(|last| last.place() <= row.place()) {
            let tail = self.tail.get_or_insert_with(|| Box::new(self.base.clone()));
            self.closed.extend(tail.step(rule, &row).map(|e| *e));
            self.live.push(row);
            return;
        }
        self.disordered = true;
        self.live.push(row);
    }

    /// Takes one event back; false when it is not among the live ones.
    pub(super) fn retract(&mut self, row: &Row) -> bool {
        let Some(at) = self.live.iter().position(|r| r == row) else { return false };
        self.live.remove(at);
        self.disordered = true;
        true
    }

    /// Puts late events in their place and re-runs what follows from the last final event.
    pub(super) fn settle(&mut self, rule: &plan::Rule) {
        if !std::mem::take(&mut self.disordered) {
            return;
        }
        self.live.sort_unstable();
        let mut tail = Box::new(self.base.clone());
        self.closed.clear();
        for row in &self.live {
            self.closed.extend(tail.step(rule, row).map(|e| *e));
        }
        self.tail = Some(tail);
    }

    /// Makes events before the watermark final. Silent: the episodes that thereby end were said before.
    pub(super) fn freeze(&mut self, rule: &plan::Rule, watermark: i64) {
        let count = self.live.partition_point(|r| r.time < watermark);
        if count == 0 {
            return;
        }
        if count == self.live.len() {
            self.base = *self.tail.take().expect("live events have a tail");
            self.live.clear();
            self.closed.clear();
            return;
        }
        for row in self.live.drain(..count) {
            if self.base.step(rule, &row).is_some() && !self.closed.is_empty() {
                self.closed.remove(0);
            }
        }
    }

    /// The episodes that can still change or were closed by live events, in order.
    pub(super) fn episodes(&self) -> impl Iterator<Item = &Episode> {
        let last = self.tail.as_deref().unwrap_or(&self.base);
        self.closed.iter().chain(last.episode())
    }

    /// Time of the latest event, µs.
    pub(super) fn latest(&self) -> i64 {
        self.latest
    }
}
