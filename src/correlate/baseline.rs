//! Baseline: an aggregate that stands out from what is usual for the key.

use std::collections::VecDeque;

use super::episode::{Point, Proof};
use super::novel::Activity;
use super::tally::Tally;
use super::usual::{Figure, Usual};
use crate::rule::plan::{Aggregate, Deviation, FieldRef};

/// What the form asks for; see [`Form::Baseline`](crate::rule::plan::Form::Baseline).
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) every: i64,
    pub(super) over: i64,
    pub(super) learn: i64,
    pub(super) aggregate: Aggregate,
    pub(super) above: Deviation,
    pub(super) least: Option<i128>,
}

/// The buckets of the key's present activity.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    activity: Activity,
    /// The number of the bucket that goes on, and its figures.
    bucket: i64,
    tally: Tally,
    /// The buckets with events that are over, by number.
    over: VecDeque<(i64, Figure)>,
    /// What is usual by the buckets of these numbers, the second excluded.
    usual: Option<(i64, i64, Usual)>,
    /// The last event, when it is a match.
    found: Option<Point>,
}

impl Baseline {
    /// No event yet.
    pub(super) fn new(aggregate: Aggregate, payload: &[FieldRef]) -> Baseline {
        let tally = Tally::of_one(aggregate, payload);
        Baseline {
            activity: Activity::default(),
            bucket: i64::MIN,
            tally,
            over: VecDeque::new(),
            usual: None,
            found: None,
        }
    }

    /// Takes the next event; whether it is a match.
    pub(super) fn step(&mut self, terms: &Terms, point: &Point) -> bool {
        let (time, every) = (point.place.time, terms.every.max(1));
        let bucket = time.div_euclid(every);
        if bucket != self.bucket {
            let figure = self.tally.figure(terms.aggregate).unwrap_or((0, 1));
            self.over.push_back((self.bucket, figure));
            self.tally.clear();
            self.bucket = bucket;
        }
        self.tally.add(&point.values);
        let begins = self.activity.step(time, terms.over);
        // The first bucket that begins at or after the time that history reaches back to.
        let reach = time.saturating_sub(terms.over);
        let reach = reach.div_euclid(every) + i64::from(reach.rem_euclid(every) != 0);
        let from = reach.max(self.activity.span().0.div_euclid(every));
        if begins {
            self.usual = None;
        }
        while self.over.front().is_some_and(|(number, _)| *number < from) {
            self.over.pop_front();
        }
        self.found = (self.activity.lasts(terms.learn) && self.stands_out(terms, from)).then(|| point.clone());
        self.found.is_some()
    }

    /// Whether the figure of the bucket so far is above what is usual by the buckets since `from`.
    fn stands_out(&mut self, terms: &Terms, from: i64) -> bool {
        if from >= self.bucket {
            return false;
        }
        let Some(figure) = self.tally.figure(terms.aggregate) else { return false };
        if terms.least.is_some_and(|least| figure.0 < least.saturating_mul(figure.1)) {
            return false;
        }
        if self.usual.as_ref().is_none_or(|(a, b, _)| (*a, *b) != (from, self.bucket)) {
            let figures: Vec<Figure> = self.over.iter().map(|(_, figure)| *figure).collect();
            let empty = (self.bucket - from) as u64 - figures.len() as u64;
            self.usual = Some((from, self.bucket, Usual::new(&figures, empty, terms.above)));
        }
        self.usual.as_ref().is_some_and(|(_, _, usual)| usual.is_below(figure))
    }

    /// The event that is the match.
    pub(super) fn proof(&self) -> Proof {
        self.found.iter().map(|point| (0, point.clone())).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.over.len() + self.tally.size()
    }

    pub(super) fn same(&self, other: &Baseline) -> bool {
        self.activity == other.activity
            && self.bucket == other.bucket
            && self.tally == other.tally
            && self.over == other.over
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::trial::{episodes, rule};
    use crate::rule::plan::{Aggregate, Deviation, Form, Rule};

    fn baseline(learn: i64, aggregate: Aggregate, above: Deviation, least: Option<i128>) -> Rule {
        rule(Form::Baseline { every: 10, over: 30, learn, aggregate, above, least }, 0)
    }

    const TWICE: Deviation = Deviation::Times(2000);

    #[test]
    fn a_bucket_stands_out_at_the_event_that_makes_it() {
        let rule = baseline(20, Aggregate::Count, TWICE, None);
        assert_eq!(episodes(&rule, "1 11 12 22 23 24", 0), "", "twice the mean of 1 and 2 is not above");
        assert_eq!(episodes(&rule, "1 11 12 22 23 24 25", 0), "25-25×1");
        assert_eq!(episodes(&rule, "1 11 12 20 20 20 20", 0), "", "not known for long enough");
    }

    #[test]
    fn history_is_of_whole_buckets_that_are_over() {
        let rule = baseline(0, Aggregate::Count, TWICE, None);
        assert_eq!(episodes(&rule, "5 6 7", 0), "", "there is none yet");
        assert_eq!(episodes(&rule, "5 6 15 16 17 18 19", 0), "19-19×1");
        // At 30 the buckets have 4, 0 and 1; at 31 the first one is out of reach.
        assert_eq!(episodes(&rule, "0 0 0 0 29 30 30 30", 0), "");
        assert_eq!(episodes(&rule, "0 0 0 0 29 30 30 30 30", 0), "30-30×1");
        assert_eq!(episodes(&rule, "0 0 0 0 29 31 31", 0), "31-31×1");
    }

    #[test]
    fn a_long_gap_begins_anew() {
        let rule = baseline(10, Aggregate::Count, TWICE, None);
        assert_eq!(episodes(&rule, "0 30 30", 0), "30-30×2");
        assert_eq!(episodes(&rule, "0 31 31 31", 0), "");
    }

    #[test]
    fn the_least_value_that_matches() {
        let sum = Aggregate::Sum { slot: 0, unsigned: true };
        let rule = baseline(0, sum, Deviation::Mad(4000), Some(100));
        assert_eq!(episodes(&rule, "0/10 10/12 20/11 30/99", 0), "");
        assert_eq!(episodes(&rule, "0/10 10/12 20/11 30/100", 0), "30-30×1");
    }
}
