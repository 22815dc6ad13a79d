//! One key of one rule, kept exact while events arrive in any order.
//!
//! Events before the horizon are *final*: they went through [`Key::base`] in order and are
//! forgotten. Later ones are held in [`Live`], which knows the state after all of them and what there is to say of
//! them. What comes out is the set of episodes that can still change, so its differences are all
//! there is to say. A key has a machine only once it has enough events for a match: see [`Few`].

use super::episode::Episode;
use super::few::{Few, Taken};
use super::live::Live;
use super::machine::{Machine, Row};
use crate::event::fetch::fetch;
use crate::rule::plan;

/// State of a rule and key.
pub(super) enum Key {
    /// There is no match, and so nothing to say.
    Few(Few),
    /// There may be.
    Full(Box<Full>),
}

/// State of a key that has a machine.
pub(super) struct Full {
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
        if Few::suffices(rule) { Key::Few(Few::default()) } else { Key::Full(Box::new(Full::new(rule))) }
    }

    /// Whether there is nothing to say of it yet.
    pub(super) fn is_few(&self) -> bool {
        match self {
            Key::Few(_) => true,
            Key::Full(_) => false,
        }
    }

    /// Takes an event that is final at once: no earlier one can come. Episodes that ended by it or before are
    /// appended to `ended`.
    pub(super) fn push_final(&mut self, rule: &plan::Rule, row: &Row, ended: &mut Vec<Episode>) {
        match self {
            Key::Few(few) => {
                few.forget(row.time.saturating_sub(rule.form.within()));
                let taken = few.push(rule, row);
                if taken != Taken::Few {
                    let mut full = Full::new(rule);
                    few.rows().for_each(|row| full.push_final(rule, &row, ended));
                    if taken == Taken::Not {
                        full.push_final(rule, row, ended);
                    }
                    *self = Key::Full(Box::new(full));
                }
            }
            Key::Full(full) => full.push_final(rule, row, ended),
        }
    }

    /// Whether what it has makes [`Key::push_final`] wrong for this event.
    pub(super) fn has_live(&self, row: &Row) -> bool {
        match self {
            Key::Few(few) => few.is_behind(row),
            Key::Full(full) => full.live.is_some(),
        }
    }

    /// Takes an event in any order. [`Key::settle`] must follow before episodes are read.
    pub(super) fn push(&mut self, rule: &plan::Rule, row: Row) {
        match self {
            Key::Few(few) => match few.push(rule, &row) {
                Taken::Few => {}
                Taken::Enough => self.fill(rule),
                Taken::Not => {
                    self.fill(rule);
                    self.push(rule, row);
                }
            },
            Key::Full(full) => full.push(rule, row),
        }
    }

    /// Gives it a machine.
    fn fill(&mut self, rule: &plan::Rule) {
        if let Key::Few(few) = self {
            let mut full = Full::new(rule);
            few.rows().for_each(|row| full.push(rule, row));
            *self = Key::Full(Box::new(full));
        }
    }

    /// Takes an event back, if it is among those that are not final. [`Key::settle`] must follow.
    pub(super) fn retract(&mut self, rule: &plan::Rule, row: &Row) {
        if let Key::Few(few) = self {
            if few.remove(row) {
                return;
            }
            // It may come yet.
            self.fill(rule);
        }
        if let Key::Full(full) = self {
            full.retract(row);
        }
    }

    /// Puts late events in their place, and decides on what waited until before `watermark` (µs). Returns how many of the
    /// first [`Key::episodes`] are for sure as they were the last time.
    pub(super) fn settle(&mut self, rule: &plan::Rule, watermark: i64) -> usize {
        let Key::Full(full) = self else { return 0 };
        full.settle(rule, watermark)
    }

    /// The next deadline, µs: once the watermark is above it, [`Key::settle`] may have something new to say.
    pub(super) fn due(&self, rule: &plan::Rule) -> Option<i64> {
        match self {
            Key::Few(_) => None,
            Key::Full(full) => full.due(rule),
        }
    }

    /// Makes events before the horizon final, the bulk of them at least. Silent: the episodes that thereby end were said
    /// before. [`Key::settle`] must have come before it.
    pub(super) fn freeze(&mut self, rule: &plan::Rule, horizon: i64) {
        match self {
            Key::Few(few) => few.forget(horizon.saturating_sub(rule.form.within())),
            Key::Full(full) => full.freeze(rule, horizon),
        }
    }

    /// The episodes that can still change or were closed by live events, in order.
    pub(super) fn episodes(&self) -> impl Iterator<Item = &Episode> {
        let full = match self {
            Key::Few(_) => None,
            Key::Full(full) => Some(full),
        };
        full.into_iter().flat_map(|full| full.episodes())
    }

    /// How many of the first of these were closed. Only they can become final by [`Key::freeze`].
    pub(super) fn ended(&self) -> usize {
        match self {
            Key::Few(_) => 0,
            Key::Full(full) => full.live.as_ref().map_or(0, |live| live.ended()),
        }
    }

    /// Time of the latest event, µs.
    pub(super) fn latest(&self) -> i64 {
        match self {
            Key::Few(few) => few.latest(),
            Key::Full(full) => full.latest,
        }
    }

    /// Has what the next event has to do with fetched into the processor's cache, the first step of the way to it: the state itself.
    pub(super) fn fetch_state(&self) {
        match self {
            Key::Few(few) => few.fetch(),
            Key::Full(full) => fetch(&**full),
        }
    }

    /// The second step, once the first is done: what the state points to.
    pub(super) fn fetch(&self) {
        match self {
            Key::Few(_) => {}
            Key::Full(full) => full.base.fetch(),
        }
    }

    /// The third step.
    pub(super) fn fetch_inside(&self) {
        match self {
            Key::Few(_) => {}
            Key::Full(full) => full.base.fetch_inside(),
        }
    }

    /// About how many events the state after the final ones holds.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        match self {
            Key::Few(few) => few.rows().count(),
            Key::Full(full) => full.base.size(),
        }
    }
}

impl Full {
    fn new(rule: &plan::Rule) -> Full {
        Full { base: Machine::new(rule), live: None, latest: i64::MIN }
    }

    fn push_final(&mut self, rule: &plan::Rule, row: &Row, ended: &mut Vec<Episode>) {
        debug_assert!(self.live.is_none(), "final events come before live ones");
        self.latest = self.latest.max(row.time);
        if self.base.waits() {
            self.base.pass(rule, row.time, ended);
        }
        self.base.step(rule, row, ended);
    }

    fn push(&mut self, rule: &plan::Rule, row: Row) {
        self.latest = self.latest.max(row.time);
        self.live.get_or_insert_with(|| Box::new(Live::new(self.base.clone()))).push(rule, row);
    }

    fn retract(&mut self, row: &Row) {
        if let Some(live) = &mut self.live {
            live.retract(row);
        }
    }

    fn settle(&mut self, rule: &plan::Rule, watermark: i64) -> usize {
        if self.live.is_none() && self.due(rule).is_none_or(|due| due >= watermark) {
            return self.base.episodes().count();
        }
        let live = self.live.get_or_insert_with(|| Box::new(Live::new(self.base.clone())));
        live.settle(rule, &self.base, watermark)
    }

    fn due(&self, rule: &plan::Rule) -> Option<i64> {
        match &self.live {
            Some(live) => live.due(rule),
            None => self.base.due(rule, i64::MIN),
        }
    }

    fn freeze(&mut self, rule: &plan::Rule, horizon: i64) {
        if let Some(live) = &mut self.live
            && live.freeze(rule, &mut self.base, horizon)
        {
            self.live = None;
        }
    }

    fn episodes(&self) -> impl Iterator<Item = &Episode> {
        let base = if self.live.is_none() { Some(&self.base) } else { None };
        let live = self.live.iter().flat_map(|live| live.episodes());
        live.chain(base.into_iter().flat_map(Machine::episodes))
    }
}
