//! Filling: a rule that joined while events flow takes the past in, beside what comes.
//!
//! Its past comes in time order, in chunks that are epochs of their own. Rows that come live meanwhile
//! are set aside, and follow the last chunk a bounded number an epoch. Until then its time is not the
//! watermark but how far its past has come ([`Filling::frontier`]): what became final and what is over
//! is judged by that. So a filled rule's state is what it would be had it been there from the start, and no
//! epoch waits for it.

use std::collections::{BTreeMap, VecDeque};

use super::machine::Row;
use super::render::Part;
use crate::rule::plan::Tuple;

/// How many rows that were set aside an epoch takes in: more than come in one.
pub(super) const TAKEN_AT_A_TIME: usize = 20_000;
/// How many keys of filled rules are looked at in an epoch, whether they are over.
pub(super) const EXPIRED_AT_A_TIME: usize = 50_000;
/// Of how many keys it is looked in an epoch whether they are those of a rule that is gone.
pub(super) const SWEPT_AT_A_TIME: usize = 20_000;

/// When to look whether a rule (by number) and key is over.
pub(super) type Deadlines = BTreeMap<i64, Vec<(u32, Tuple)>>;

/// The rules that joined with the present roster, while they are filled.
pub(super) struct Filling {
    /// All rows of the past before this time have come, µs.
    reached: i64,
    /// The past has come; what was set aside follows.
    complete: bool,
    /// Time of these rules, µs: no row before it will come any more. As of the end of the last epoch.
    pub(super) frontier: i64,
    pub(super) deadlines: Deadlines,
    /// What came live in an epoch, with the watermark before it: none of its rows is older.
    aside: VecDeque<(i64, std::vec::IntoIter<Aside>)>,
    /// How many of them came in the last epoch.
    came: usize,
}

/// A row that waits for the past of its rule.
pub(super) struct Aside {
    /// Number of the rule.
    pub(super) number: u32,
    pub(super) key: Tuple,
    pub(super) row: Row,
    pub(super) diff: isize,
}

impl Filling {
    /// Before the first chunk.
    pub(super) fn new() -> Filling {
        let (deadlines, aside) = (Deadlines::new(), VecDeque::new());
        Filling { reached: i64::MIN, complete: false, frontier: i64::MIN, deadlines, aside, came: 0 }
    }

    /// Notes which part of the past an epoch brought.
    pub(super) fn note(&mut self, part: Part) {
        match part {
            Part::Live => {}
            Part::Fill { reached } => self.reached = self.reached.max(reached),
            Part::Filled => (self.reached, self.complete) = (i64::MAX, true),
        }
    }

    /// Sets aside what came in an epoch; `watermark` is the one before it.
    pub(super) fn set_aside(&mut self, rows: Vec<Aside>, watermark: i64) {
        self.came = rows.len();
        if !rows.is_empty() {
            self.aside.push_back((watermark, rows.into_iter()));
        }
    }

    /// The next rows of those set aside, once the past has come: about so many, but more than came last.
    pub(super) fn take(&mut self, most: usize) -> Vec<Aside> {
        let most = most.max(2 * self.came);
        let mut taken = Vec::new();
        while self.complete
            && taken.len() < most
            && let Some((_, rows)) = self.aside.front_mut()
        {
            taken.extend(rows.by_ref().take(most - taken.len()));
            if rows.len() == 0 {
                self.aside.pop_front();
            }
        }
        taken
    }

    /// Moves time on to what is behind us, given the watermark.
    pub(super) fn advance(&mut self, watermark: i64) {
        let waiting = self.aside.front().map_or(watermark, |(before, _)| *before);
        self.frontier = self.frontier.max(self.reached.min(waiting));
    }

    /// Keys whose deadline has passed, with it, at most so many.
    pub(super) fn due(&mut self, most: usize) -> Vec<(i64, u32, Tuple)> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some(mut first) = self.deadlines.first_entry()
            && *first.key() < self.frontier
        {
            let at = *first.key();
            let keys = first.get_mut();
            let from = keys.len() - keys.len().min(most - due.len());
            due.extend(keys.drain(from..).map(|(number, key)| (at, number, key)));
            if keys.is_empty() {
                first.remove();
            }
        }
        due
    }

    /// Whether these rules are like all others now.
    pub(super) fn is_over(&self, watermark: i64) -> bool {
        let none_due = self.deadlines.first_key_value().is_none_or(|(first, _)| *first >= self.frontier);
        self.complete && self.aside.is_empty() && none_due && self.frontier >= watermark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    fn rows(times: std::ops::Range<i64>) -> Vec<Aside> {
        let row = |time| Row { time, id: EventId::from_bits(0), steps: 1, values: Tuple::default() };
        times.map(|time| Aside { number: 0, key: Tuple::default(), row: row(time), diff: 1 }).collect()
    }

    #[test]
    fn time_waits_for_what_was_set_aside() {
        let mut filling = Filling::new();
        filling.set_aside(rows(100..110), 50);
        filling.set_aside(rows(110..120), 60);
        assert_eq!(filling.came, 10);
        filling.set_aside(Vec::new(), 70);
        filling.note(Part::Fill { reached: 40 });
        filling.advance(70);
        assert_eq!((filling.frontier, filling.take(5).len()), (40, 0), "the past comes first");
        filling.note(Part::Filled);
        filling.advance(70);
        assert_eq!(filling.frontier, 50);
        assert_eq!(filling.take(12).len(), 12);
        filling.advance(70);
        assert_eq!((filling.frontier, filling.is_over(70)), (60, false));
        filling.came = 3;
        assert_eq!(filling.take(1).len(), 6, "more than what comes");
        assert_eq!(filling.take(100).len(), 2);
        filling.deadlines.insert(65, vec![(0, Tuple::default()); 3]);
        filling.advance(70);
        assert_eq!((filling.due(2).len(), filling.is_over(70)), (2, false));
        assert_eq!((filling.due(2).len(), filling.is_over(70)), (1, true));
    }
}
