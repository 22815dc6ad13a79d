//! Figures of sets of events, exact, and the conditions on them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use weir::rule::plan::{Aggregate, Bound, Compare, Having};

use super::Row;

/// A fraction; the lower part is positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio(pub(super) i128, pub(super) i128);

impl Ratio {
    pub(super) fn plus(self, other: Ratio) -> Ratio {
        Ratio(self.0 * other.1 + other.0 * self.1, self.1 * other.1).reduced()
    }

    pub(super) fn minus(self, other: Ratio) -> Ratio {
        self.plus(Ratio(-other.0, other.1))
    }

    pub(super) fn times(self, other: Ratio) -> Ratio {
        Ratio(self.0 * other.0, self.1 * other.1).reduced()
    }

    fn reduced(self) -> Ratio {
        let (mut a, mut b) = (self.0.abs(), self.1);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Ratio(self.0 / a, self.1 / a)
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Ratio) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Ratio) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Ratio) -> Ordering {
        (self.0 * other.1).cmp(&(other.0 * self.1))
    }
}

/// The values of a payload slot that are there.
fn texts(rows: &[&Row], slot: usize) -> Vec<String> {
    rows.iter().filter_map(|r| r.values.get(slot)).collect()
}

/// Those that are numbers, from the least to the greatest.
fn numbers(rows: &[&Row], slot: usize) -> Vec<i128> {
    let mut numbers: Vec<i128> = texts(rows, slot).iter().filter_map(|text| text.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The figure, `None` where there is no value to take it from.
pub(super) fn figure(aggregate: Aggregate, rows: &[&Row]) -> Option<Ratio> {
    match aggregate {
        Aggregate::Count => Some(Ratio(rows.len() as i128, 1)),
        Aggregate::Distinct { slot } => {
            Some(Ratio(texts(rows, slot).into_iter().collect::<BTreeSet<_>>().len() as i128, 1))
        }
        Aggregate::Sum { slot, .. } => {
            let numbers = numbers(rows, slot);
            (!numbers.is_empty()).then(|| Ratio(numbers.iter().sum(), 1))
        }
        Aggregate::Average { slot } => {
            let numbers = numbers(rows, slot);
            (!numbers.is_empty()).then(|| Ratio(numbers.iter().sum(), numbers.len() as i128))
        }
        Aggregate::Least { slot } => numbers(rows, slot).first().map(|n| Ratio(*n, 1)),
        Aggregate::Greatest { slot } => numbers(rows, slot).last().map(|n| Ratio(*n, 1)),
        Aggregate::Percentile { slot, thousandths } => {
            let numbers = numbers(rows, slot);
            // The least rank of which at least p percent of the values are not above.
            let enough = |rank: &usize| *rank as u128 * 100_000 >= u128::from(thousandths) * numbers.len() as u128;
            (1..=numbers.len()).find(enough).map(|rank| Ratio(numbers[rank - 1], 1))
        }
    }
}

/// Whether the condition holds on these events.
pub(super) fn holds(having: &Having, rows: &[&Row]) -> bool {
    match having {
        Having::Bound(Bound { aggregate, compare, value }) => {
            figure(*aggregate, rows).is_some_and(|figure| compare.holds(&figure, &Ratio(*value, 1)))
        }
        Having::And(all) => all.iter().all(|h| holds(h, rows)),
        Having::Or(any) => any.iter().any(|h| holds(h, rows)),
    }
}

/// Whether more events can only make it true: `>=` or `>` of counts, distinct counts and sums of what is never negative.
pub(super) fn only_grows(having: &Having) -> bool {
    match having {
        Having::Bound(Bound { aggregate, compare, .. }) => {
            let lower = [Compare::AtLeast, Compare::Greater].contains(compare);
            let grows = match aggregate {
                Aggregate::Count | Aggregate::Distinct { .. } => true,
                Aggregate::Sum { unsigned, .. } => *unsigned,
                Aggregate::Average { .. }
                | Aggregate::Least { .. }
                | Aggregate::Greatest { .. }
                | Aggregate::Percentile { .. } => false,
            };
            lower && grows
        }
        Having::And(all) | Having::Or(all) => all.iter().all(only_grows),
    }
}
