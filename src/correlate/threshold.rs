//! Threshold: `count` events within the window.
//!
//! The latest start of a match that ends at event r is the `count`-th event back from r.

use std::collections::VecDeque;

use super::episode::{Place, Point, Proof};
use crate::event::fetch::fetch;
use crate::rule::plan::Tuple;

/// The last `count` events, no older than the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Threshold {
    ring: VecDeque<Place>,
    /// Their payloads, where there are any.
    #[expect(clippy::box_collection, reason = "most rules have none: one word instead of four")]
    values: Option<Box<VecDeque<Tuple>>>,
    /// The number of the last one; they follow one another. Late events that would change it are in the ring themselves,
    /// so there is nothing to amend.
    ordinal: u64,
}

impl Threshold {
    /// Takes the next event; whether it completes a match.
    pub(super) fn step(&mut self, within: i64, count: usize, point: Point) -> bool {
        let horizon = point.place.time.saturating_sub(within);
        if self.values.is_none() && point.values != Tuple::default() {
            self.values = Some(Box::new(vec![Tuple::default(); self.ring.len()].into()));
        }
        self.ring.push_back(point.place);
        self.ordinal = point.ordinal;
        if let Some(values) = &mut self.values {
            values.push_back(point.values);
        }
        while self.ring.len() > count || self.ring.front().is_some_and(|p| p.time < horizon) {
            self.ring.pop_front();
            self.values.as_mut().and_then(|values| values.pop_front());
        }
        self.ring.len() == count
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        self.ring.front().map_or(i64::MIN, |p| p.time)
    }

    /// The events of that match.
    pub(super) fn proof(&self) -> Proof {
        let first = self.ordinal.wrapping_sub(self.ring.len() as u64);
        let point = |(at, place): (usize, &Place)| {
            let values = self.values.as_ref().and_then(|values| values.get(at)).cloned().unwrap_or_default();
            (0, Point { place: *place, ordinal: first.wrapping_add(at as u64 + 1), values })
        };
        self.ring.iter().enumerate().map(point).collect()
    }

    /// See [`Key::fetch`](super::key::Key::fetch).
    pub(super) fn fetch(&self) {
        [self.ring.front(), self.ring.back()].into_iter().flatten().for_each(fetch);
    }

    pub(super) fn size(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn same(&self, other: &Threshold) -> bool {
        let values = |t: &Threshold| t.values.as_ref().is_some_and(|v| v.iter().any(|v| *v != Tuple::default()));
        self.ring == other.ring && (self.values == other.values || !values(self) && !values(other))
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
