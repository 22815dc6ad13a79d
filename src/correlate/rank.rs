//! Percentiles by nearest rank, kept while numbers come and go.

use std::collections::BTreeMap;

/// Numbers in two halves: as many of the least as the rank asks for, and the others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranked {
    thousandths: u32,
    low: Half,
    high: Half,
}

/// How often each number is there, and how many there are.
#[derive(Clone, Debug, Default, PartialEq)]
struct Half {
    numbers: BTreeMap<i128, u32>,
    count: u64,
}

impl Ranked {
    /// No number yet; for the percentile of so many thousandths of a percent.
    pub(super) fn new(thousandths: u32) -> Ranked {
        Ranked { thousandths, low: Half::default(), high: Half::default() }
    }

    /// Which percentile it is for.
    pub(super) fn thousandths(&self) -> u32 {
        self.thousandths
    }

    /// Takes in a number.
    pub(super) fn add(&mut self, number: i128) {
        match self.low.greatest() {
            Some(middle) if number <= middle => self.low.add(number),
            Some(_) | None => self.high.add(number),
        }
        self.balance();
    }

    /// Takes back a number that was taken in.
    pub(super) fn remove(&mut self, number: i128) {
        match self.low.greatest() {
            Some(middle) if number <= middle => self.low.remove(number),
            Some(_) | None => self.high.remove(number),
        }
        self.balance();
    }

    /// The percentile; `None` of no numbers.
    pub(super) fn value(&self) -> Option<i128> {
        self.low.greatest()
    }

    /// How many different numbers it holds.
    pub(super) fn size(&self) -> usize {
        self.low.numbers.len() + self.high.numbers.len()
    }

    fn balance(&mut self) {
        let all = self.low.count + self.high.count;
        // At most 2^64 numbers times 10^5 is far below 2^128.
        let rank = (u128::from(self.thousandths) * u128::from(all)).div_ceil(100_000) as u64;
        let rank = rank.clamp(all.min(1), all);
        while self.low.count < rank
            && let Some(least) = self.high.least()
        {
            self.high.remove(least);
            self.low.add(least);
        }
        while self.low.count > rank
            && let Some(greatest) = self.low.greatest()
        {
            self.low.remove(greatest);
            self.high.add(greatest);
        }
    }
}

impl Half {
    fn add(&mut self, number: i128) {
        *self.numbers.entry(number).or_default() += 1;
        self.count += 1;
    }

    fn remove(&mut self, number: i128) {
        let Some(times) = self.numbers.get_mut(&number) else { return };
        *times -= 1;
        self.count -= 1;
        if *times == 0 {
            self.numbers.remove(&number);
        }
    }

    fn least(&self) -> Option<i128> {
        self.numbers.first_key_value().map(|(n, _)| *n)
    }

    fn greatest(&self) -> Option<i128> {
        self.numbers.last_key_value().map(|(n, _)| *n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_nearest_rank() {
        for thousandths in [1, 25_000, 50_000, 50_001, 95_000, 100_000] {
            let mut ranked = Ranked::new(thousandths);
            assert_eq!(ranked.value(), None);
            let mut all: Vec<i128> = Vec::new();
            for step in 0..400i128 {
                if step % 3 == 2 {
                    ranked.remove(all.swap_remove((step * 31 % all.len() as i128) as usize));
                } else {
                    all.push(step * 7919 % 23 - 11);
                    ranked.add(all[all.len() - 1]);
                }
                let mut sorted = all.clone();
                sorted.sort_unstable();
                let rank = (thousandths as usize * sorted.len()).div_ceil(100_000);
                assert_eq!(ranked.value(), sorted.get(rank - 1).copied());
            }
        }
    }
}
