//! What a worker has of one rule and key: its state, and what was said of it.
//!
//! What is said is the difference between the episodes that are there now and those that were said before. In quiet epochs
//! (see [`Input::quiet`](super::Input::quiet)) that waits; what cannot is what is about to become final, and is forgotten then.
//! Rules over alerts cannot wait: a slot that they hear of is muted instead, which is to say that they alone are told.

use super::episode::Record;
use super::key::Key;
use crate::rule::plan::{Rule, Tuple};

/// State of a rule and key, and what was said of it.
pub(super) struct Slot {
    /// Number of the rule.
    pub(super) rule: u32,
    pub(super) key: Key,
    pub(super) touched: bool,
    /// Since it is there, only rules over alerts were told of it.
    pub(super) muted: bool,
    /// What was said and may have to be taken back.
    pub(super) said: Vec<Record>,
    /// Something is left for later: all but so many of the first episodes, which are as they were said.
    pub(super) unsaid: Option<usize>,
    /// The deadline it stands under, µs.
    pub(super) look: i64,
}

impl Slot {
    /// Nothing said of nothing.
    pub(super) fn new(number: u32, rule: &Rule, muted: bool, look: i64) -> Slot {
        Slot { rule: number, key: Key::new(rule), touched: false, muted, said: Vec::new(), unsaid: None, look }
    }

    /// Says what was left for later of the first `until` episodes of a key.
    pub(super) fn catch_up(&mut self, key: &Tuple, until: usize, out: &mut Vec<(Record, isize)>) {
        let Some(same) = self.unsaid.filter(|same| *same < until) else { return };
        let due = self.key.episodes().take(until).skip(same);
        let now: Vec<Record> = due.map(|e| e.record(self.rule, key)).collect();
        difference(&self.said[same..], &now, out);
        self.said.truncate(same);
        self.said.extend(now);
        self.unsaid = (until < usize::MAX).then_some(until);
    }
}

/// Where the slot of a rule is among those of a key, or belongs.
pub(super) fn find(slots: &[Slot], rule: u32) -> Result<usize, usize> {
    slots.binary_search_by_key(&rule, |s| s.rule)
}

/// Appends what leads from one list of records to the other. Both are in order of their first events, which no two share.
pub(super) fn difference(before: &[Record], after: &[Record], out: &mut Vec<(Record, isize)>) {
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
