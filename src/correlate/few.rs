//! Few: the events of a key while they are too few for a match.
//!
//! Most keys of most rules never come near one. They need no machine, no checkpoints, nothing to say: only
//! their events, packed (as [`Brief`]), as far back as a match could reach.

use std::collections::VecDeque;

use super::brief::Brief;
use super::machine::Row;
use crate::event::fetch::fetch;
use crate::rule::plan::{Rule, Tuple};

/// Keys with more events than this have a machine, so that a late event never moves many.
const MOST: usize = 1024;

/// Events in order, which do not make a match.
#[derive(Default)]
pub(super) struct Few {
    rows: VecDeque<Brief>,
    /// What they count time from.
    base: i64,
    /// Their payloads, once one has any.
    #[expect(clippy::box_collection, reason = "most keys have none: one word instead of four")]
    values: Option<Box<VecDeque<Tuple>>>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was taken, and there is still no match for sure.
    Few,
    /// It was taken, and there may be a match.
    Enough,
    /// It was not taken: it cannot be packed.
    Not,
}

impl Few {
    /// Whether keys of the rule begin so: one event is no match yet.
    pub(super) fn suffices(rule: &Rule) -> bool {
        rule.form.least() > 1
    }

    /// See [`Key::fetch_state`](super::key::Key::fetch_state).
    pub(super) fn fetch(&self) {
        [self.rows.front(), self.rows.back()].into_iter().flatten().for_each(fetch);
    }

    /// Takes an event in any order.
    pub(super) fn push(&mut self, rule: &Rule, row: &Row) -> Taken {
        let Some(brief) = Brief::of(row, self.base).or_else(|| Brief::of(row, self.rebase(row.time)?)) else {
            return Taken::Not;
        };
        let base = self.base;
        let at = match self.rows.back() {
            Some(last) if row.place() < last.place(base) => self.rows.partition_point(|r| r.place(base) <= row.place()),
            Some(_) | None => self.rows.len(),
        };
        insert(&mut self.rows, at, brief);
        if self.values.is_none() && row.values != Tuple::default() {
            self.values = Some(Box::new(vec![Tuple::default(); self.rows.len() - 1].into()));
        }
        if let Some(values) = &mut self.values {
            insert(values, at, row.values.clone());
        }
        let enough = MOST.min(rule.form.least());
        match self.rows.len() >= enough && self.spans(at, enough, rule.form.within()) {
            true => Taken::Enough,
            false => Taken::Few,
        }
    }

    /// Counts time from elsewhere, so that an event of this time (µs) can be packed; unless one of the others then cannot.
    fn rebase(&mut self, time: i64) -> Option<i64> {
        let first = self.rows.front().map_or(time, |first| first.time(self.base).min(time));
        let base = Brief::base(first);
        if let Some(last) = self.rows.back() {
            last.moved(self.base, base)?;
        }
        for row in &mut self.rows {
            *row = row.moved(self.base, base)?;
        }
        self.base = base;
        Some(base)
    }

    /// Whether so many events, with that at `at` among them, lie within a window.
    fn spans(&self, at: usize, count: usize, within: i64) -> bool {
        let last = (at + count).min(self.rows.len());
        let time = |at: usize| self.rows[at].time(self.base);
        (at.max(count - 1)..last).any(|end| time(end).saturating_sub(time(end + 1 - count)) <= within)
    }

    /// Takes an event back; whether it was there.
    pub(super) fn remove(&mut self, row: &Row) -> bool {
        let from = self.rows.partition_point(|r| r.place(self.base) < row.place());
        let same = |at: &usize| self.row(*at).is_some_and(|r| r == *row);
        let alike = (from..self.rows.len()).take_while(|at| self.rows[*at].place(self.base) == row.place());
        let Some(at) = alike.into_iter().find(same) else { return false };
        self.rows.remove(at);
        if let Some(values) = &mut self.values {
            values.remove(at);
        }
        true
    }

    /// Drops events before `time` (µs).
    pub(super) fn forget(&mut self, time: i64) {
        while self.rows.front().is_some_and(|r| r.time(self.base) < time) {
            self.rows.pop_front();
            if let Some(values) = &mut self.values {
                values.pop_front();
            }
        }
    }

    /// Whether an event comes before one of these.
    pub(super) fn is_behind(&self, row: &Row) -> bool {
        self.rows.back().is_some_and(|last| row.place() < last.place(self.base))
    }

    /// Time of the latest event, µs.
    pub(super) fn latest(&self) -> i64 {
        self.rows.back().map_or(i64::MIN, |r| r.time(self.base))
    }

    fn row(&self, at: usize) -> Option<Row> {
        let values = self.values.as_ref().and_then(|v| v.get(at)).cloned().unwrap_or_default();
        Some(self.rows.get(at)?.row(self.base, values))
    }

    /// The events, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        (0..self.rows.len()).filter_map(|at| self.row(at))
    }
}

/// Inserts, with little room to spare: there are many of these.
fn insert<T>(rows: &mut VecDeque<T>, at: usize, row: T) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact(if rows.len() < 16 { 1 + rows.len() / 2 } else { rows.len() / 4 });
    }
    rows.insert(at, row);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::trial::rule;
    use crate::event::EventId;
    use crate::event::time::DAY;
    use crate::rule::plan::Form;

    fn row(time: i64, id: u128, values: &str) -> Row {
        let values = Tuple(values.into());
        Row { time, id: EventId::from_hash(time, id), steps: 1, values }
    }

    #[test]
    fn it_is_said_when_they_are_enough() {
        let rule = rule(Form::Threshold { within: 10, count: 3 }, 0);
        let mut few = Few::default();
        assert!(Few::suffices(&rule));
        assert!([0, 5, 11, 16, 22].into_iter().all(|time| few.push(&rule, &row(time, 0, "")) == Taken::Few));
        assert_eq!(few.push(&rule, &row(10, 0, "x")), Taken::Enough, "late, at the window's end");
        let times = |few: &Few| few.rows().map(|r| r.time).collect::<Vec<_>>();
        assert_eq!(times(&few), [0, 5, 10, 11, 16, 22]);
        assert!(!few.remove(&row(10, 0, "y")) && few.remove(&row(10, 0, "x")));
        assert!(few.is_behind(&row(21, 9, "")) && !few.is_behind(&row(22, 0, "")));
        few.forget(11);
        assert_eq!((times(&few), few.latest()), (vec![11, 16, 22], 22));
        assert_eq!(few.rows().map(|r| r.values).max(), Some(Tuple::default()));
    }

    #[test]
    fn events_of_one_instant_keep_their_order_and_payload() {
        let rule = rule(Form::Threshold { within: 10, count: 9 }, 0);
        let mut few = Few::default();
        let rows = [row(1, 1, "a"), row(1, 2, ""), row(1, 3, "c"), row(2, 0, "d")];
        for at in [3, 0, 2, 1] {
            few.push(&rule, &rows[at]);
        }
        assert_eq!(few.rows().collect::<Vec<_>>(), rows);
        assert!(few.remove(&rows[1]));
        assert_eq!(few.rows().map(|r| r.values.0.to_string()).collect::<Vec<_>>(), ["a", "c", "d"]);
    }

    #[test]
    fn what_cannot_be_packed_is_not_taken() {
        let rule = rule(Form::Threshold { within: 90 * DAY, count: 9 }, 0);
        let mut few = Few::default();
        let mut push = |time: i64| few.push(&rule, &row(time, 0, ""));
        assert_eq!([100 * DAY, 136 * DAY, 90 * DAY].map(&mut push), [Taken::Few; 3]);
        assert_eq!(
            [80 * DAY, 140 * DAY, 137 * DAY].map(&mut push),
            [Taken::Not, Taken::Not, Taken::Few],
            "too far apart"
        );
        let foreign = Row { id: EventId::from_bits(7), ..row(100 * DAY, 0, "") };
        assert_eq!(few.push(&rule, &foreign), Taken::Not);
        assert_eq!(few.push(&rule, &Row { steps: 1 << 10, ..row(100 * DAY, 0, "") }), Taken::Not);
        few.forget(137 * DAY);
        assert_eq!(few.push(&rule, &row(170 * DAY, 0, "")), Taken::Few, "time goes on");
        assert_eq!(few.rows().collect::<Vec<_>>(), [row(137 * DAY, 0, ""), row(170 * DAY, 0, "")]);
        few.forget(i64::MAX);
        assert_eq!([-5, i64::MAX].map(|time| few.push(&rule, &row(time, 0, ""))), [Taken::Few, Taken::Not]);
    }
}
