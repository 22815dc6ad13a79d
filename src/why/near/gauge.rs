//! Figures of a set of events that grows at one end and shrinks at the other: counts, sums, percentiles.
//!
//! In: the events of a step and a `having`. Out: whether it holds on a run of them, how much is missing,
//! and for each event the run that ends there.

use rustc_hash::FxHashMap;

use super::Row;
use crate::rule::plan::{Aggregate, Bound, Compare, Having, Window};

/// The figures of a run of events.
pub(super) struct Gauge<'a> {
    having: &'a Having,
    count: i128,
    slots: FxHashMap<usize, Slot>,
}

/// What is known of the values at one position of the payload.
struct Slot {
    /// Number of the value of each event, `None` where it is missing.
    codes: Vec<Option<usize>>,
    /// How many events of the run have the value.
    seen: Vec<u32>,
    distinct: i128,
    /// Rank of the value of each event among all, where it is a number.
    ranks: Vec<Option<usize>>,
    sorted: Vec<i128>,
    /// How many numbers of the run there are by rank: a Fenwick tree.
    tree: Vec<u32>,
    numbers: i128,
    sum: i128,
}

impl Slot {
    fn new(rows: &[Row], members: &[usize], slot: usize) -> Slot {
        let mut known: FxHashMap<String, usize> = FxHashMap::default();
        let mut codes = Vec::with_capacity(members.len());
        let mut numbers = Vec::with_capacity(members.len());
        for member in members {
            let value = rows[*member].values.get(slot);
            numbers.push(value.as_deref().and_then(|v| v.parse::<i128>().ok()));
            codes.push(value.map(|v| {
                let next = known.len();
                *known.entry(v).or_insert(next)
            }));
        }
        let mut sorted: Vec<i128> = numbers.iter().flatten().copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let ranks = numbers.iter().map(|n| n.and_then(|n| sorted.binary_search(&n).ok())).collect();
        let (seen, tree) = (vec![0; known.len()], vec![0; sorted.len() + 1]);
        Slot { codes, seen, distinct: 0, ranks, sorted, tree, numbers: 0, sum: 0 }
    }

    fn change(&mut self, member: usize, add: bool) {
        if let Some(code) = self.codes[member] {
            let seen = &mut self.seen[code];
            match add {
                true => *seen += 1,
                false => *seen -= 1,
            }
            match (add, *seen) {
                (true, 1) => self.distinct += 1,
                (false, 0) => self.distinct -= 1,
                (true | false, _) => {}
            }
        }
        if let Some(rank) = self.ranks[member] {
            let sign = if add { 1 } else { -1 };
            self.numbers += sign;
            self.sum = self.sum.saturating_add(sign * self.sorted[rank]);
            let mut at = rank + 1;
            while at < self.tree.len() {
                self.tree[at] = self.tree[at].wrapping_add_signed(sign as i32);
                at += at & at.wrapping_neg();
            }
        }
    }

    /// The `place`-th least number, from 1.
    fn least(&self, place: i128) -> Option<i128> {
        if place < 1 || place > self.numbers {
            return None;
        }
        let (mut at, mut left) = (0, place as u64);
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if at + step < self.tree.len() && u64::from(self.tree[at + step]) < left {
                at += step;
                left -= u64::from(self.tree[at]);
            }
            step /= 2;
        }
        self.sorted.get(at).copied()
    }
}

/// A bound and how far a run came.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) bound: Bound,
    /// The figure; of a mean its floor.
    pub(super) value: Option<i128>,
    pub(super) holds: bool,
}

impl<'a> Gauge<'a> {
    /// Of an empty run of these events.
    pub(super) fn new(having: &'a Having, rows: &[Row], members: &[usize]) -> Gauge<'a> {
        let mut slots = FxHashMap::default();
        bounds(having, &mut |bound| {
            if let Some(slot) = slot(bound.aggregate) {
                slots.entry(slot).or_insert_with(|| Slot::new(rows, members, slot));
            }
        });
        Gauge { having, count: 0, slots }
    }

    /// Takes the event at this position among the members.
    pub(super) fn add(&mut self, member: usize) {
        self.count += 1;
        self.slots.values_mut().for_each(|s| s.change(member, true));
    }

    /// Gives it back.
    pub(super) fn remove(&mut self, member: usize) {
        self.count -= 1;
        self.slots.values_mut().for_each(|s| s.change(member, false));
    }

    /// The figure, and the number it is to be divided by.
    pub(super) fn figure(&self, aggregate: Aggregate) -> Option<(i128, i128)> {
        let of = |slot: usize| self.slots.get(&slot).filter(|s| s.numbers > 0);
        let whole = |n: i128| (n, 1);
        match aggregate {
            Aggregate::Count => Some(whole(self.count)),
            Aggregate::Distinct { slot } => self.slots.get(&slot).map(|s| whole(s.distinct)),
            Aggregate::Sum { slot, .. } => of(slot).map(|s| whole(s.sum)),
            Aggregate::Average { slot } => of(slot).map(|s| (s.sum, s.numbers)),
            Aggregate::Least { slot } => of(slot).and_then(|s| s.least(1)).map(whole),
            Aggregate::Greatest { slot } => of(slot).and_then(|s| s.least(s.numbers)).map(whole),
            Aggregate::Percentile { slot, thousandths } => of(slot).and_then(|s| {
                // ⌈p/100 × n⌉ with p in thousandths of a per cent.
                let place = (s.numbers * i128::from(thousandths) + 99_999).div_euclid(100_000);
                s.least(place.clamp(1, s.numbers)).map(whole)
            }),
        }
    }

    fn reading(&self, bound: &Bound) -> Reading {
        let figure = self.figure(bound.aggregate);
        let holds = figure.is_some_and(|(n, by)| bound.compare.holds(&n, &bound.value.saturating_mul(by)));
        Reading { bound: *bound, value: figure.map(|(n, by)| n.div_euclid(by)), holds }
    }

    /// Whether the condition holds on the run.
    pub(super) fn holds(&self) -> bool {
        self.shortfall_of(self.having) == 0.0
    }

    /// How far it is from holding: 0 when it holds.
    pub(super) fn shortfall(&self) -> f64 {
        self.shortfall_of(self.having)
    }

    fn shortfall_of(&self, having: &Having) -> f64 {
        match having {
            Having::Bound(bound) => shortfall(&self.reading(bound)),
            Having::And(all) => all.iter().map(|h| self.shortfall_of(h)).sum(),
            Having::Or(any) => any.iter().map(|h| self.shortfall_of(h)).fold(f64::INFINITY, f64::min),
        }
    }

    /// Every bound, in the order in which they are written.
    pub(super) fn readings(&self) -> Vec<Reading> {
        let mut out = Vec::new();
        bounds(self.having, &mut |bound| out.push(self.reading(bound)));
        out
    }
}

fn shortfall(reading: &Reading) -> f64 {
    if reading.holds {
        return 0.0;
    }
    let Some(value) = reading.value else { return 1e9 };
    let apart = (value as f64 - reading.bound.value as f64).abs();
    (apart / (reading.bound.value as f64).abs().max(1.0)).max(1e-9)
}

fn bounds<'h>(having: &'h Having, each: &mut dyn FnMut(&'h Bound)) {
    match having {
        Having::Bound(bound) => each(bound),
        Having::And(all) | Having::Or(all) => all.iter().for_each(|h| bounds(h, each)),
    }
}

/// The position of the payload that an aggregate is of.
pub(in crate::why) fn slot(aggregate: Aggregate) -> Option<usize> {
    match aggregate {
        Aggregate::Count => None,
        Aggregate::Distinct { slot }
        | Aggregate::Sum { slot, .. }
        | Aggregate::Average { slot }
        | Aggregate::Least { slot }
        | Aggregate::Greatest { slot }
        | Aggregate::Percentile { slot, .. } => Some(slot),
    }
}

/// For each event the run that ends there, and the run that came nearest.
pub(super) struct Sweep {
    /// Position of the first member of the match that ends at each.
    pub(super) starts: Vec<Option<usize>>,
    /// Position of the first and last member of the run that is nearest to a match, and its figures.
    pub(super) best: Option<Best>,
}

/// The run that came nearest.
pub(super) struct Best {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) shortfall: f64,
    pub(super) readings: Vec<Reading>,
}

/// Goes over all runs that a window allows; `None` is one without end.
pub(super) fn sweep(having: &Having, window: Option<Window>, rows: &[Row], members: &[usize]) -> Sweep {
    let mut gauge = Gauge::new(having, rows, members);
    let mut sweep = Sweep { starts: vec![None; members.len()], best: None };
    let monotone = having.is_monotone();
    let mut left = 0;
    for at in 0..members.len() {
        gauge.add(at);
        let time = rows[members[at]].time;
        let from = match window {
            None => i64::MIN,
            Some(Window::Sliding(length)) => time.saturating_sub(length),
            Some(Window::Tumbling(length)) => bucket_start(time, length),
        };
        while rows[members[left]].time < from {
            gauge.remove(left);
            left += 1;
        }
        let shortfall = gauge.shortfall();
        if sweep.best.as_ref().is_none_or(|b| shortfall < b.shortfall) {
            sweep.best = Some(Best { first: left, last: at, shortfall, readings: gauge.readings() });
        }
        if shortfall > 0.0 {
            continue;
        }
        // The shortest run: it stays true as events come, so what was left out is never needed again.
        while monotone && left < at {
            gauge.remove(left);
            if !gauge.holds() {
                gauge.add(left);
                break;
            }
            left += 1;
        }
        sweep.starts[at] = Some(left);
    }
    sweep
}

/// Start of the bucket that an instant is in.
pub(super) fn bucket_start(time: i64, length: i64) -> i64 {
    let length = length.max(1);
    time.div_euclid(length).saturating_mul(length)
}

/// `>=`
pub(in crate::why) fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Equal => "==",
        Compare::Unequal => "!=",
        Compare::Less => "<",
        Compare::AtMost => "<=",
        Compare::Greater => ">",
        Compare::AtLeast => ">=",
    }
}
