//! Threshold: `count` events within the window.
//!
//! The latest start of a match that ends at event r is the `count`-th event back from r.

use std::collections::VecDeque;

use super::amend::Amendment;
use super::episode::{Point, Proof};

/// The last `count` events, no older than the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Threshold {
    ring: VecDeque<Point>,
}

impl Threshold {
    /// Takes the next event; whether it completes a match.
    pub(super) fn step(&mut self, within: i64, count: usize, point: Point) -> bool {
        let horizon = point.place.time.saturating_sub(within);
        self.ring.push_back(point);
        while self.ring.len() > count || self.ring.front().is_some_and(|p| p.place.time < horizon) {
            self.ring.pop_front();
        }
        self.ring.len() == count
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        self.ring.front().map_or(i64::MIN, |p| p.place.time)
    }

    /// The events of that match.
    pub(super) fn proof(&self) -> Proof {
        self.ring.iter().map(|p| (0, p.clone())).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn same(&self, other: &Threshold) -> bool {
        self.ring.len() == other.ring.len() && self.ring.iter().zip(&other.ring).all(|(a, b)| a.same(b))
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        amendment.points(&mut self.ring)
    }
}
