//! Runs: the latest events of a key that a condition is asked of, with their figures.
//!
//! Where the condition can only become true by more events, the run is kept as short as it may be: the
//! shortest one that ends at the latest event and meets it. Its start only moves forward, so nothing before it is
//! kept, and each event is taken in and out a fixed number of times.

use std::borrow::{Borrow, BorrowMut};
use std::collections::VecDeque;

use super::amend::Amendment;
use super::episode::{Point, ends};
use super::tally::Tally;
use crate::rule::plan::{FieldRef, Having};

/// Events in order, each as a point or with one in it.
#[derive(Clone, Debug)]
pub(super) struct Run<P> {
    points: VecDeque<P>,
    tally: Tally,
    holds: bool,
}

impl<P: Borrow<Point> + BorrowMut<Point>> Run<P> {
    /// No event yet.
    pub(super) fn new(having: &Having, payload: &[FieldRef]) -> Run<P> {
        let tally = Tally::of(having, payload);
        let holds = tally.holds(having);
        Run { points: VecDeque::new(), tally, holds }
    }

    /// Takes the next event. [`Run::shorten`] or [`Run::judge`] must follow.
    pub(super) fn push(&mut self, point: P) {
        self.tally.add(&point.borrow().values);
        self.points.push_back(point);
    }

    /// Drops events from the start while they are `stale`.
    pub(super) fn expire(&mut self, having: &Having, stale: impl Fn(&P) -> bool) {
        let before = self.points.len();
        while self.points.front().is_some_and(&stale)
            && let Some(point) = self.points.pop_front()
        {
            self.tally.remove(&point.borrow().values);
        }
        if self.points.len() != before {
            self.judge(having);
        }
    }

    /// Drops events from the start that the condition, which can only become true by more, does not need. `keep` are
    /// left anyway.
    pub(super) fn shorten(&mut self, having: &Having, keep: usize) {
        self.judge(having);
        while self.holds
            && self.points.len() > keep
            && let Some(first) = self.points.pop_front()
        {
            self.tally.remove(&first.borrow().values);
            if !self.tally.holds(having) {
                self.tally.add(&first.borrow().values);
                self.points.push_front(first);
                break;
            }
        }
    }

    /// Asks the condition of all events.
    pub(super) fn judge(&mut self, having: &Having) {
        self.holds = self.tally.holds(having);
    }

    /// Whether the condition holds.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// Forgets all events.
    pub(super) fn clear(&mut self, having: &Having) {
        self.points.clear();
        self.tally.clear();
        self.judge(having);
    }

    /// The events.
    pub(super) fn points(&self) -> &VecDeque<P> {
        &self.points
    }

    /// The first event.
    pub(super) fn front(&self) -> Option<&P> {
        self.points.front()
    }

    /// What an alert keeps of the events, with the position of their step.
    pub(super) fn proof(&self, step: usize) -> impl Iterator<Item = (usize, Point)> {
        ends(self.points.iter().map(|p| p.borrow())).map(move |p| (step, p.clone()))
    }

    /// Whether both have the same events.
    pub(super) fn same(&self, other: &Run<P>, same: impl Fn(&P, &P) -> bool) -> bool {
        self.points.len() == other.points.len() && self.points.iter().zip(&other.points).all(|(a, b)| same(a, b))
    }

    /// For corrections in place that leave times and values as they are.
    pub(super) fn points_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.points.iter_mut()
    }

    /// Corrects the numbers of its events; whether there was one that may have had to be.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        amendment.points(self.points.iter_mut().map(|p| p.borrow_mut()))
    }
}
