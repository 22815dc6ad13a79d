//! Aggregate: a condition on the key's events of a window, asked at every event.

use super::amend::Amendment;
use super::episode::{Point, Proof};
use super::run::Run;
use crate::rule::plan::{FieldRef, Having, Window};

/// The events of the window, or the shortest run of them that meets the condition.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    run: Run<Point>,
    /// Whether the condition can only become true by more events.
    monotone: bool,
}

impl Aggregate {
    /// No event yet.
    pub(super) fn new(having: &Having, payload: &[FieldRef]) -> Aggregate {
        Aggregate { run: Run::new(having, payload), monotone: having.is_monotone() }
    }

    /// Takes the next event; whether it completes a match.
    pub(super) fn step(&mut self, window: Window, having: &Having, point: Point) -> bool {
        let time = point.place.time;
        let from = match window {
            Window::Sliding(length) => time.saturating_sub(length),
            Window::Tumbling(length) => time.saturating_sub(time.rem_euclid(length.max(1))),
        };
        self.run.expire(having, |p| p.place.time < from);
        self.run.push(point);
        if self.monotone {
            self.run.shorten(having, 1);
        } else {
            self.run.judge(having);
        }
        self.run.holds()
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        self.run.front().map_or(i64::MIN, |p| p.place.time)
    }

    /// The events of that match: the first ones and the last one.
    pub(super) fn proof(&self) -> Proof {
        self.run.proof(0).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.run.points().len()
    }

    pub(super) fn same(&self, other: &Aggregate) -> bool {
        self.run.same(&other.run, Point::same)
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        self.run.amend(amendment)
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::trial::{bound, episodes, rule};
    use crate::rule::plan::{Aggregate, Compare, Form, Having, Window};

    fn aggregate(window: Window, having: Having) -> crate::rule::plan::Rule {
        rule(Form::Aggregate { window, having }, 0)
    }

    const SUM: Aggregate = Aggregate::Sum { slot: 0, unsigned: true };

    #[test]
    fn a_sum_of_what_is_never_negative_takes_the_shortest_run() {
        let rule = aggregate(Window::Sliding(10), bound(SUM, Compare::AtLeast, 10));
        assert_eq!(episodes(&rule, "0/1 2/6 4/2", 0), "");
        assert_eq!(episodes(&rule, "0/1 2/6 4/4", 0), "2-4×2");
        assert_eq!(episodes(&rule, "0/4 10/6", 0), "0-10×2", "the window's start is in it");
        assert_eq!(episodes(&rule, "0/4 11/6", 0), "");
        assert_eq!(episodes(&rule, "0/10 5/- 7/x", 0), "0-7×3", "an event without the value still ends a run");
    }

    #[test]
    fn what_may_become_false_is_asked_of_the_whole_window() {
        let average = Aggregate::Average { slot: 0 };
        let rule = aggregate(Window::Sliding(10), bound(average, Compare::Greater, 5));
        assert_eq!(episodes(&rule, "0/1 4/9", 0), "", "exactly 5 is not above");
        assert_eq!(episodes(&rule, "0/1 4/10", 0), "0-4×2");
        assert_eq!(episodes(&rule, "0/1 10/10 11/1", 0), "0-11×3", "the first leaves the window at 11");
        assert_eq!(episodes(&rule, "0/- 1/x", 0), "", "over no values every bound is false");
    }

    #[test]
    fn buckets_are_aligned_and_exclude_their_end() {
        let rule = aggregate(Window::Tumbling(10), Having::count(2));
        assert_eq!(episodes(&rule, "9 10", 0), "");
        assert_eq!(episodes(&rule, "10 19", 0), "10-19×2");
        assert_eq!(episodes(&rule, "-1 0", 0), "");
        assert_eq!(episodes(&rule, "-10 -1", 0), "-10--1×2");
    }

    #[test]
    fn the_least_the_greatest_and_percentiles() {
        let percentile = Aggregate::Percentile { slot: 0, thousandths: 50_000 };
        let rule = aggregate(Window::Sliding(10), bound(percentile, Compare::AtLeast, 7));
        assert_eq!(episodes(&rule, "0/1 1/9 2/7", 0), "0-2×3", "the second of three");
        assert_eq!(episodes(&rule, "0/1 1/9 2/6", 0), "");
        let rule = aggregate(Window::Sliding(3), bound(Aggregate::Least { slot: 0 }, Compare::Greater, 2));
        assert_eq!(episodes(&rule, "0/1 3/5 4/5", 0), "3-4×2");
        let both = [bound(Aggregate::Greatest { slot: 0 }, Compare::Less, 4), Having::count(2)];
        let rule = aggregate(Window::Sliding(3), Having::And(both.to_vec()));
        assert_eq!(episodes(&rule, "0/9 3/2 4/2", 0), "3-4×2");
    }

    #[test]
    fn conditions_combine() {
        let any = Having::Or(vec![
            bound(SUM, Compare::AtLeast, 100),
            bound(Aggregate::Distinct { slot: 0 }, Compare::AtLeast, 3),
        ]);
        let rule = aggregate(Window::Sliding(10), any);
        assert_eq!(episodes(&rule, "0/1 1/2 2/2", 0), "");
        assert_eq!(episodes(&rule, "0/1 1/2 2/2 3/3", 0), "0-3×4");
        assert_eq!(episodes(&rule, "0/1 1/2 2/100", 0), "2-2×1");
    }
}
