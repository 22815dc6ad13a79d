//! Distinct: `count` different values within the window.
//!
//! The latest start of a match that ends at event r is the latest occurrence of the `count`-th most
//! recently seen value, so no more than `count` values are remembered.

use std::collections::VecDeque;

use super::amend::Amendment;
use super::episode::{Point, Proof};
use super::tally::part;
use crate::event::fetch::fetch;

/// What [`Tuple::hash_at`](crate::rule::plan::Tuple::hash_at) gives of a missing value.
const MISSING: u64 = 0xc44b_dff4_074e_ecdb;

/// The most recently seen values, each with its latest event, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Distinct {
    /// Hashes of the values, apart: most comparisons end there.
    hashes: VecDeque<u64>,
    points: VecDeque<Point>,
}

impl Distinct {
    /// Takes the next event, whose value stands at `slot` of its payload; whether it completes a match. `None` when it
    /// misses the value, and so is no event of the key.
    pub(super) fn step(&mut self, within: i64, count: usize, slot: usize, point: Point) -> Option<bool> {
        let horizon = point.place.time.saturating_sub(within);
        let hash = point.values.hash_at(slot);
        if hash == MISSING {
            part(&point.values, slot)?;
        }
        let alike = (0..self.hashes.len()).rev().filter(|at| self.hashes[*at] == hash);
        let known = alike.into_iter().find(|at| self.points[*at].values.same_at(&point.values, slot));
        if let Some(at) = known {
            self.hashes.remove(at);
            self.points.remove(at);
        }
        self.hashes.push_back(hash);
        self.points.push_back(point);
        while self.points.len() > count || self.points.front().is_some_and(|p| p.place.time < horizon) {
            self.hashes.pop_front();
            self.points.pop_front();
        }
        Some(self.points.len() == count)
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        self.points.front().map_or(i64::MIN, |p| p.place.time)
    }

    /// The events of that match, one a value.
    pub(super) fn proof(&self) -> Proof {
        self.points.iter().map(|p| (0, p.clone())).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.points.len()
    }

    /// See [`Key::fetch`](super::key::Key::fetch).
    pub(super) fn fetch(&self) {
        fetch(self.hashes.as_slices().0);
        // Most values are new ones, or those of the last event.
        [self.points.front(), self.points.back()].into_iter().flatten().for_each(fetch);
    }

    pub(super) fn same(&self, other: &Distinct) -> bool {
        self.points.len() == other.points.len() && self.points.iter().zip(&other.points).all(|(a, b)| a.same(b))
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        amendment.points(&mut self.points)
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::trial::{episodes, rule};
    use crate::rule::plan::{Form, Tuple};

    #[test]
    fn a_missing_value_is_known_by_its_hash() {
        assert_eq!(Tuple::new([None]).hash_at(0), super::MISSING);
    }

    #[test]
    fn so_many_values_within_the_window() {
        let rule = rule(Form::Distinct { within: 10, count: 3, slot: 1 }, 0);
        assert_eq!(episodes(&rule, "0/-,a 1/-,b 2/-,a", 0), "");
        assert_eq!(episodes(&rule, "0/-,a 5/-,b 10/-,c", 0), "0-10×3");
        assert_eq!(episodes(&rule, "0/-,a 5/-,b 11/-,c", 0), "");
        assert_eq!(episodes(&rule, "0/-,a 1/-,b 2/-,a 3/-,c", 0), "1-3×3", "the latest a");
        assert_eq!(episodes(&rule, "0/-,a 1/-,b 2/-,- 3/-,c", 0), "0-3×3", "without the value it takes no part");
    }
}
