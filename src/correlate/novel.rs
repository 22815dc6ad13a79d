//! Novel: values that the key has not shown for long, or seldom.

use compact_str::CompactString;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::episode::{Point, Proof};
use super::tally::part;

/// So many values are kept before those not seen for long are looked for.
const FEW: usize = 64;

/// What the form asks for; see [`Form::Novel`](crate::rule::plan::Form::Novel).
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) over: i64,
    pub(super) learn: i64,
    pub(super) fewer_than: usize,
    pub(super) slot: usize,
}

/// The values of the key's present activity.
#[derive(Clone, Debug, Default)]
pub(super) struct Novel {
    seen: HashMap<CompactString, Seen, FxBuildHasher>,
    /// When more than so many values are kept, those not seen for long are freed.
    full: usize,
    activity: Activity,
    /// The last event, when it is a match.
    found: Option<Point>,
}

/// When a value was last seen, and, where more than one event counts, when before, latest last; µs.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    last: i64,
    before: Vec<i64>,
}

/// Since when the key is active, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    span: Option<(i64, i64)>,
}

impl Activity {
    /// Takes the time of the next event; a gap of more than `over` ends what was before. Whether it did.
    pub(super) fn step(&mut self, time: i64, over: i64) -> bool {
        let goes_on = self.span.filter(|(_, latest)| time.saturating_sub(*latest) <= over);
        self.span = Some((goes_on.map_or(time, |(first, _)| first), time));
        goes_on.is_none()
    }

    /// The time of its first event and of its latest one.
    pub(super) fn span(&self) -> (i64, i64) {
        self.span.unwrap_or((i64::MAX, i64::MIN))
    }

    /// Whether it lasts for so long.
    pub(super) fn lasts(&self, learn: i64) -> bool {
        self.span.is_some_and(|(first, latest)| latest.saturating_sub(first) >= learn)
    }
}

impl Novel {
    /// Takes the next event; whether it is a match. `None` when it misses the value, and so is no event of the key.
    pub(super) fn step(&mut self, terms: Terms, point: &Point) -> Option<bool> {
        let time = point.place.time;
        let horizon = time.saturating_sub(terms.over);
        let value = part(&point.values, terms.slot)?;
        self.activity.step(time, terms.over);
        let times = match self.seen.get_mut(value) {
            Some(seen) => seen.step(time, horizon, terms.fewer_than),
            None => {
                self.free(horizon);
                self.seen.insert(value.into(), Seen { last: time, before: Vec::new() });
                0
            }
        };
        let found = times < terms.fewer_than && self.activity.lasts(terms.learn);
        self.found = found.then(|| point.clone());
        Some(found)
    }

    /// Frees what was not seen since `horizon` (µs), once as much again has come.
    fn free(&mut self, horizon: i64) {
        if self.seen.len() >= self.full {
            self.seen.retain(|_, seen| seen.last >= horizon);
            self.full = FEW.max(2 * self.seen.len());
        }
    }

    /// The event that is the match.
    pub(super) fn proof(&self) -> Proof {
        self.found.iter().map(|point| (0, point.clone())).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.seen.len()
    }

    /// Whether both know the same, but for what is too long ago to matter.
    pub(super) fn same(&self, other: &Novel, over: i64) -> bool {
        let (_, latest) = self.activity.span();
        let alive = |seen: &&Seen| latest.saturating_sub(seen.last) <= over;
        let count = |novel: &Novel| novel.seen.values().filter(alive).count();
        self.activity == other.activity
            && count(self) == count(other)
            && self.seen.iter().filter(|(_, seen)| alive(seen)).all(|(value, seen)| other.seen.get(value) == Some(seen))
    }
}

impl Seen {
    /// Sees it again; how many times it was seen since `horizon`, up to `most`.
    fn step(&mut self, time: i64, horizon: i64, most: usize) -> usize {
        let times = self.before.iter().filter(|t| **t >= horizon).count() + usize::from(self.last >= horizon);
        if most > 1 {
            self.before.push(self.last);
            let surplus = self.before.len().saturating_sub(most - 1);
            self.before.drain(..surplus);
        }
        self.last = time;
        times
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::key::Key;
    use crate::correlate::trial::{episodes, rows, rule};
    use crate::rule::plan::{Form, Rule};

    fn novel(learn: i64, fewer_than: usize) -> Rule {
        rule(Form::Novel { over: 10, learn, fewer_than, slot: 0 }, 0)
    }

    #[test]
    fn a_value_is_new_when_it_was_not_seen_for_long() {
        assert_eq!(episodes(&novel(0, 1), "0/x 1/x 11/x", 0), "0-0×1");
        assert_eq!(episodes(&novel(0, 1), "0/x 10/y 11/x", 0), "0-0×1 10-10×1 11-11×1");
        assert_eq!(episodes(&novel(0, 1), "5/x 5/y 5/x", 0), "5-5×1 5-5×1", "two values of one instant are two");
        assert_eq!(episodes(&novel(0, 1), "0/-", 0), "");
    }

    #[test]
    fn nothing_is_new_while_the_key_is_learnt() {
        assert_eq!(episodes(&novel(5, 1), "0/x 4/y", 0), "");
        assert_eq!(episodes(&novel(5, 1), "0/x 5/y", 0), "5-5×1");
        assert_eq!(episodes(&novel(5, 1), "0/x 10/y 21/z", 0), "10-10×1", "a gap begins anew");
    }

    #[test]
    fn a_value_is_rare_while_it_was_seen_seldom() {
        assert_eq!(episodes(&novel(0, 2), "0/x 1/x 2/x 11/x 12/x", 0), "0-0×1 1-1×1");
        assert_eq!(episodes(&novel(0, 2), "0/x 1/x 12/x", 0), "0-0×1 1-1×1 12-12×1");
    }

    #[test]
    fn values_not_seen_for_long_are_freed() {
        let (rule, mut ended) = (novel(0, 1), Vec::new());
        let mut key = Key::new(&rule);
        for n in 0..10_000 {
            rows(&format!("{}/v{n}", n / 10)).iter().for_each(|row| key.push_final(&rule, row, &mut ended));
        }
        assert_eq!(ended.len(), 10_000);
        assert!(key.size() < 300, "{}", key.size());
    }
}
