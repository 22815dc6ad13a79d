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

#[cfg(test)]
mod tests {
    use crate::correlate::trial::{episodes, rule};
    use crate::rule::plan::Form;

    #[test]
    fn so_many_events_within_the_window() {
        let rule = rule(Form::Threshold { within: 10, count: 3 }, 0);
        assert_eq!(episodes(&rule, "0 1", 0), "");
        assert_eq!(episodes(&rule, "0 5 10", 0), "0-10×3");
        assert_eq!(episodes(&rule, "0 5 11", 0), "");
        assert_eq!(episodes(&rule, "0 1 2 8 9 20 21 22", 0), "0-9×5 20-22×3");
    }

    #[test]
    fn a_cooldown_joins_matches_that_follow() {
        let rule = rule(Form::Threshold { within: 0, count: 1 }, 5);
        assert_eq!(episodes(&rule, "0 5 11", 0), "0-5×2 11-11×1");
    }
}
