//! Aggregate: a condition on the key's events of a window, asked at every event.

use super::amend::Amendment;
use super::episode::{Point, Proof};
use super::run::Run;
use crate::rule::plan::{Having, Window};

/// The events of the window, or the shortest run of them that meets the condition.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    run: Run<Point>,
    /// Whether the condition can only become true by more events.
    monotone: bool,
}

impl Aggregate {
    /// No event yet.
    pub(super) fn new(having: &Having) -> Aggregate {
        Aggregate { run: Run::new(having), monotone: having.is_monotone() }
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
