//! One key of one rule, kept exact while events arrive in any order.
//!
//! Events before the horizon are *final*: they went through [`Key::base`] in order and are
//! forgotten. Later ones are held in [`Live`], which knows the state after all of them and what there is to say of
//! them. What comes out is the set of episodes that can still change, so its differences are all
//! there is to say.

use super::episode::Episode;
use super::live::Live;
use super::machine::{Machine, Row};
use crate::rule::plan;

/// State of a rule and key.
pub(super) struct Key {
    /// After all final events.
    base: Machine,
    /// What is not final, if anything.
    live: Option<Box<Live>>,
    /// Time of the latest event, µs.
    latest: i64,
}

impl Key {
    /// A key without events.
    pub(super) fn new(rule: &plan::Rule) -> Key {
        Key { base: Machine::new(rule), live: None, latest: i64::MIN }
    }

    /// Takes an event that is final at once: no earlier one can come. Episodes that ended by it or before are
    /// appended to `ended`.
    pub(super) fn push_final(&mut self, rule: &plan::Rule, row: &Row, ended: &mut Vec<Episode>) {
        debug_assert!(self.live.is_none(), "final events come before live ones");
        self.latest = self.latest.max(row.time);
        if self.base.waits() {
            self.base.pass(rule, row.time, ended);
        }
        self.base.step(rule, row, ended);
    }

    /// Whether there is anything that is not final.
    pub(super) fn has_live(&self) -> bool {
        self.live.is_some()
    }

    /// Takes an event in any order. [`Key::settle`] must follow before episodes are read.
    pub(super) fn push(&mut self, rule: &plan::Rule, row: Row) {
        self.latest = self.latest.max(row.time);
        self.live.get_or_insert_with(|| Box::new(Live::new(self.base.clone()))).push(rule, row);
    }

    /// Takes an event back, if it is among those that are not final. [`Key::settle`] must follow.
    pub(super) fn retract(&mut self, row: &Row) {
        if let Some(live) = &mut self.live {
            live.retract(row);
        }
    }

    /// Puts late events in their place, and decides on what waited until before `watermark` (µs). Returns how many of the
    /// first [`Key::episodes`] are for sure as they were the last time.
    pub(super) fn settle(&mut self, rule: &plan::Rule, watermark: i64) -> usize {
        if self.live.is_none() && self.due(rule).is_none_or(|due| due >= watermark) {
            return self.base.episodes().count();
        }
        let live = self.live.get_or_insert_with(|| Box::new(Live::new(self.base.clone())));
        live.settle(rule, &self.base, watermark)
    }

    /// The next deadline, µs: once the watermark is above it, [`Key::settle`] may have something new to say.
    pub(super) fn due(&self, rule: &plan::Rule) -> Option<i64> {
        match &self.live {
            Some(live) => live.due(rule),
            None => self.base.due(rule, i64::MIN),
        }
    }

    /// Makes events before the horizon final, the bulk of them at least. Silent: the episodes that thereby end were said
    /// before. [`Key::settle`] must have come before it.
    pub(super) fn freeze(&mut self, rule: &plan::Rule, horizon: i64) {
        if let Some(live) = &mut self.live
            && live.freeze(rule, &mut self.base, horizon)
        {
            self.live = None;
        }
    }

    /// The episodes that can still change or were closed by live events, in order.
    pub(super) fn episodes(&self) -> impl Iterator<Item = &Episode> {
        let base = if self.live.is_none() { Some(&self.base) } else { None };
        let live = self.live.iter().flat_map(|live| live.episodes());
        live.chain(base.into_iter().flat_map(Machine::episodes))
    }

    /// Time of the latest event, µs.
    pub(super) fn latest(&self) -> i64 {
        self.latest
    }

    /// About how many events the state after the final ones holds.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.base.size()
    }
}
