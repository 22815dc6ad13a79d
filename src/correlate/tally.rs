//! Tallies: the figures of a set of events, kept while events come and go, and conditions on them.

use std::collections::BTreeMap;

use compact_str::CompactString;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::rank::Ranked;
use crate::event::Type;
use crate::rule::plan::{Aggregate, Bound, FieldRef, Having, Tuple};

/// The figures that conditions need.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    count: u64,
    figures: Vec<Figure>,
}

#[derive(Clone, Debug, PartialEq)]
struct Figure {
    /// Of what, a position in the payload.
    slot: usize,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// How often each is there; of lists, how often each element is.
    Distinct {
        seen: HashMap<CompactString, u32, FxBuildHasher>,
        lists: bool,
    },
    /// How many numbers, and their sum.
    Sum {
        count: u64,
        sum: i128,
    },
    /// How often each number is there.
    Ordered(BTreeMap<i128, u32>),
    Ranked(Ranked),
}

impl Tally {
    /// Of no events yet, for this condition on this payload.
    pub(super) fn of(having: &Having, payload: &[FieldRef]) -> Tally {
        let mut tally = Tally::default();
        tally.prepare(having, payload);
        tally
    }

    /// Of no events yet, for this figure of this payload.
    pub(super) fn of_one(aggregate: Aggregate, payload: &[FieldRef]) -> Tally {
        let mut tally = Tally::default();
        tally.add_figure(aggregate, payload);
        tally
    }

    /// Of no events again.
    pub(super) fn clear(&mut self) {
        self.count = 0;
        for Figure { values, .. } in &mut self.figures {
            match values {
                Values::Distinct { seen, .. } => *seen = HashMap::default(),
                Values::Sum { count, sum } => (*count, *sum) = (0, 0),
                Values::Ordered(numbers) => numbers.clear(),
                Values::Ranked(ranked) => *ranked = Ranked::new(ranked.thousandths()),
            }
        }
    }

    fn prepare(&mut self, having: &Having, payload: &[FieldRef]) {
        match having {
            Having::Bound(bound) => self.add_figure(bound.aggregate, payload),
            Having::And(all) | Having::Or(all) => all.iter().for_each(|h| self.prepare(h, payload)),
        }
    }

    fn add_figure(&mut self, aggregate: Aggregate, payload: &[FieldRef]) {
        if aggregate != Aggregate::Count && self.find(aggregate).is_none() {
            let (slot, values) = match aggregate {
                Aggregate::Count => return,
                Aggregate::Distinct { slot } => {
                    let lists = payload.get(slot).is_some_and(|field| field.ty() == Type::TextList);
                    (slot, Values::Distinct { seen: HashMap::default(), lists })
                }
                Aggregate::Sum { slot, .. } | Aggregate::Average { slot } => (slot, Values::Sum { count: 0, sum: 0 }),
                Aggregate::Least { slot } | Aggregate::Greatest { slot } => (slot, Values::Ordered(BTreeMap::new())),
                Aggregate::Percentile { slot, thousandths } => (slot, Values::Ranked(Ranked::new(thousandths))),
            };
            self.figures.push(Figure { slot, values });
        }
    }

    fn find(&self, aggregate: Aggregate) -> Option<&Values> {
        let fits = |f: &&Figure| match (aggregate, &f.values) {
            (Aggregate::Distinct { slot }, Values::Distinct { .. })
            | (Aggregate::Sum { slot, .. } | Aggregate::Average { slot }, Values::Sum { .. })
            | (Aggregate::Least { slot } | Aggregate::Greatest { slot }, Values::Ordered(_)) => f.slot == slot,
            (Aggregate::Percentile { slot, thousandths }, Values::Ranked(ranked)) => {
                f.slot == slot && ranked.thousandths() == thousandths
            }
            (
                Aggregate::Count
                | Aggregate::Distinct { .. }
                | Aggregate::Sum { .. }
                | Aggregate::Average { .. }
                | Aggregate::Least { .. }
                | Aggregate::Greatest { .. }
                | Aggregate::Percentile { .. },
                Values::Distinct { .. } | Values::Sum { .. } | Values::Ordered(_) | Values::Ranked(_),
            ) => false,
        };
        self.figures.iter().find(fits).map(|f| &f.values)
    }

    /// Takes in an event's values.
    pub(super) fn add(&mut self, tuple: &Tuple) {
        self.count += 1;
        for Figure { slot, values } in &mut self.figures {
            let Some(part) = part(tuple, *slot) else { continue };
            match values {
                Values::Distinct { seen, lists } => {
                    for value in elements(part, *lists) {
                        match seen.get_mut(value) {
                            Some(times) => *times += 1,
                            None => {
                                seen.insert(value.into(), 1);
                            }
                        }
                    }
                }
                Values::Sum { count, sum } => {
                    if let Some(n) = number(part) {
                        (*count, *sum) = (*count + 1, *sum + n);
                    }
                }
                Values::Ordered(numbers) => {
                    if let Some(n) = number(part) {
                        *numbers.entry(n).or_default() += 1;
                    }
                }
                Values::Ranked(ranked) => {
                    if let Some(n) = number(part) {
                        ranked.add(n);
                    }
                }
            }
        }
    }

    /// Takes back what [`Tally::add`] took in.
    pub(super) fn remove(&mut self, tuple: &Tuple) {
        self.count -= 1;
        for Figure { slot, values } in &mut self.figures {
            let Some(part) = part(tuple, *slot) else { continue };
            match values {
                Values::Distinct { seen, lists } => {
                    for value in elements(part, *lists) {
                        let Some(times) = seen.get_mut(value) else { continue };
                        *times -= 1;
                        if *times == 0 {
                            seen.remove(value);
                        }
                    }
                }
                Values::Sum { count, sum } => {
                    if let Some(n) = number(part) {
                        (*count, *sum) = (*count - 1, *sum - n);
                    }
                }
                Values::Ordered(numbers) => {
                    if let Some(n) = number(part)
                        && let Some(times) = numbers.get_mut(&n)
                    {
                        *times -= 1;
                        if *times == 0 {
                            numbers.remove(&n);
                        }
                    }
                }
                Values::Ranked(ranked) => {
                    if let Some(n) = number(part) {
                        ranked.remove(n);
                    }
                }
            }
        }
    }

    /// How many values it holds.
    pub(super) fn size(&self) -> usize {
        let size = |figure: &Figure| match &figure.values {
            Values::Distinct { seen, .. } => seen.len(),
            Values::Sum { .. } => 1,
            Values::Ordered(numbers) => numbers.len(),
            Values::Ranked(ranked) => ranked.size(),
        };
        self.figures.iter().map(size).sum()
    }

    /// A figure as a fraction, exact; `None` over no values.
    pub(super) fn figure(&self, aggregate: Aggregate) -> Option<(i128, i128)> {
        let whole = |n: i128| (n, 1);
        match (aggregate, self.find(aggregate)) {
            (Aggregate::Count, _) => Some(whole(i128::from(self.count))),
            (Aggregate::Distinct { .. }, Some(Values::Distinct { seen, .. })) => Some(whole(seen.len() as i128)),
            (Aggregate::Sum { .. }, Some(Values::Sum { count, sum })) => (*count > 0).then_some(whole(*sum)),
            (Aggregate::Average { .. }, Some(Values::Sum { count, sum })) => {
                (*count > 0).then_some((*sum, i128::from(*count)))
            }
            (Aggregate::Least { .. }, Some(Values::Ordered(n))) => n.first_key_value().map(|(n, _)| whole(*n)),
            (Aggregate::Greatest { .. }, Some(Values::Ordered(n))) => n.last_key_value().map(|(n, _)| whole(*n)),
            (Aggregate::Percentile { .. }, Some(Values::Ranked(ranked))) => ranked.value().map(whole),
            (
                Aggregate::Distinct { .. }
                | Aggregate::Sum { .. }
                | Aggregate::Average { .. }
                | Aggregate::Least { .. }
                | Aggregate::Greatest { .. }
                | Aggregate::Percentile { .. },
                _,
            ) => None,
        }
    }

    /// Whether the condition holds on the events.
    pub(super) fn holds(&self, having: &Having) -> bool {
        match having {
            Having::Bound(Bound { aggregate, compare, value }) => {
                // A product beyond 128 bits is beyond any sum of numbers, so the greatest one stands for it.
                self.figure(*aggregate).is_some_and(|(sum, of)| compare.holds(&sum, &value.saturating_mul(of)))
            }
            Having::And(all) => all.iter().all(|h| self.holds(h)),
            Having::Or(any) => any.iter().any(|h| self.holds(h)),
        }
    }
}

/// The value at a position as the tuple holds it: the same text exactly for the same value; `None` when it is missing.
pub(super) fn part(tuple: &Tuple, slot: usize) -> Option<&str> {
    let mut rest = tuple.0.as_str();
    for _ in 0..slot {
        rest = rest.split_once('\u{1f}')?.1;
    }
    let end = rest.bytes().position(|b| b == 0x1f).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|part| *part != "\0")
}

/// The elements of a list, or the one value.
fn elements(part: &str, list: bool) -> impl Iterator<Item = &str> {
    let (rest, one) = if list { (Some(part), None) } else { (None, Some(part)) };
    one.into_iter().chain(rest.into_iter().flat_map(|part| part.split(", ")))
}

/// The number that a value is. No field has numbers beyond 64 bits, signed or not, so nothing else is one.
pub(super) fn number(part: &str) -> Option<i128> {
    match part.parse::<i64>() {
        Ok(n) => Some(n.into()),
        Err(_) => part.parse::<u64>().ok().map(i128::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FieldId;
    use crate::rule::plan::Compare;

    fn tuple(value: &str) -> Tuple {
        Tuple::new([(value != "-").then_some(value)])
    }

    #[test]
    fn figures_follow_events_that_come_and_go() {
        let bound = |aggregate| Having::Bound(Bound { aggregate, compare: Compare::AtLeast, value: 0 });
        let all = [
            Aggregate::Count,
            Aggregate::Distinct { slot: 0 },
            Aggregate::Sum { slot: 0, unsigned: false },
            Aggregate::Average { slot: 0 },
            Aggregate::Least { slot: 0 },
            Aggregate::Greatest { slot: 0 },
            Aggregate::Percentile { slot: 0, thousandths: 50_000 },
        ];
        let mut tally = Tally::of(&Having::And(all.map(bound).to_vec()), &[]);
        let figures = |tally: &Tally| all.map(|a| tally.figure(a));
        let none = [Some((0, 1)), Some((0, 1)), None, None, None, None, None];
        assert_eq!(figures(&tally), none);
        let events = ["7", "-", "x", "-3", "7", "18446744073709551615"];
        events.iter().for_each(|e| tally.add(&tuple(e)));
        let sum = i128::from(u64::MAX) + 11;
        let expected = [(6, 1), (4, 1), (sum, 1), (sum, 4), (-3, 1), (i128::from(u64::MAX), 1), (7, 1)].map(Some);
        assert_eq!(figures(&tally), expected);
        tally.remove(&tuple("-3"));
        assert_eq!(tally.figure(Aggregate::Least { slot: 0 }), Some((7, 1)));
        events.iter().filter(|e| **e != "-3").for_each(|e| tally.remove(&tuple(e)));
        assert_eq!(figures(&tally), none);
    }

    #[test]
    fn every_element_of_a_list_is_a_value() {
        let list = (0..).map(FieldId).find(|id| id.ty() == Type::TextList).map(FieldRef::Column).unwrap();
        let (lists, distinct) = (Tuple::new([Some("a, b"), Some("a, b")]), |slot| Aggregate::Distinct { slot });
        let both =
            [0, 1].map(|slot| Having::Bound(Bound { aggregate: distinct(slot), compare: Compare::AtLeast, value: 0 }));
        let mut tally = Tally::of(&Having::And(both.to_vec()), &[list, FieldRef::Extra("text".into())]);
        tally.add(&lists);
        tally.add(&Tuple::new([Some("b, c"), Some("b, c")]));
        assert_eq!((tally.figure(distinct(0)), tally.figure(distinct(1))), (Some((3, 1)), Some((2, 1))));
        tally.remove(&lists);
        assert_eq!((tally.figure(distinct(0)), tally.figure(distinct(1))), (Some((2, 1)), Some((1, 1))));
    }

    #[test]
    fn bounds_beyond_any_sum_compare_rightly() {
        let average =
            |compare, value| Having::Bound(Bound { aggregate: Aggregate::Average { slot: 0 }, compare, value });
        let mut tally = Tally::of(&average(Compare::Less, 0), &[]);
        assert!(!tally.holds(&average(Compare::Less, i128::MAX)), "false over no values");
        ["1", "2"].iter().for_each(|e| tally.add(&tuple(e)));
        assert!(tally.holds(&average(Compare::Less, i128::MAX)) && tally.holds(&average(Compare::Greater, i128::MIN)));
        assert!(tally.holds(&average(Compare::Unequal, 1)) && !tally.holds(&average(Compare::AtLeast, 2)));
    }
}
