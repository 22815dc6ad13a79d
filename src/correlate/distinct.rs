//! Distinct: `count` different values within the window.
//!
//! The latest start of a match that ends at event r is the latest occurrence of the `count`-th most
//! recently seen value, so no more than `count` values are remembered.

use super::amend::Amendment;
use super::episode::{Point, Proof};
use super::tally::part;

/// What [`Tuple::hash_at`](crate::rule::plan::Tuple::hash_at) gives of a missing value.
const MISSING: u64 = 0xc44b_dff4_074e_ecdb;

/// The most recently seen values, each with its latest event, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Distinct {
    seen: Vec<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    /// Hash of the value: most comparisons end there.
    hash: u64,
    point: Point,
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
        let same = |s: &Seen| s.hash == hash && s.point.values.same_at(&point.values, slot);
        if let Some(at) = self.seen.iter().rposition(same) {
            self.seen.remove(at);
        }
        self.seen.push(Seen { hash, point });
        let expired = self.seen.iter().take_while(|s| s.point.place.time < horizon).count();
        let surplus = self.seen.len().saturating_sub(count);
        let drop = expired.max(surplus);
        if drop > 0 {
            self.seen.drain(..drop);
        }
        Some(self.seen.len() == count)
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        self.seen.first().map_or(i64::MIN, |s| s.point.place.time)
    }

    /// The events of that match, one a value.
    pub(super) fn proof(&self) -> Proof {
        self.seen.iter().map(|s| (0, s.point.clone())).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn same(&self, other: &Distinct) -> bool {
        self.seen.len() == other.seen.len() && self.seen.iter().zip(&other.seen).all(|(a, b)| a.point.same(&b.point))
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        amendment.points(self.seen.iter_mut().map(|s| &mut s.point))
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
