//! What is usual, by the figures of earlier buckets, and whether a figure stands above it.
//!
//! Exact with fractions of 128 bits. Where those are too narrow (figures near 2^60 squared, averages of hundreds
//! of buckets with different numbers of events) 64-bit floating point takes over, by operations that IEEE 754 defines to the
//! last bit and in a fixed order, so that every machine gives the same answer.

use crate::rule::plan::Deviation;

/// A figure of a bucket as a fraction; the lower part is positive.
pub(super) type Figure = (i128, i128);

/// Beyond this common denominator figures are rounded down to multiples of its inverse.
const FINEST: i128 = 1 << 40;

/// What a figure must be above.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    /// What figures are multiplied with so that those of history are whole.
    scale: i128,
    bar: Bar,
}

#[derive(Clone, Debug)]
enum Bar {
    /// This fraction.
    Fraction(i128, i128),
    /// (This sum + k × root of `square` / 1000) / count.
    Root { sum: i128, count: i128, square: i128 },
    /// About this.
    About(f64),
}

impl Usual {
    /// By the figures of buckets with events and the number of those without, of which there is one at least in all.
    pub(super) fn new(figures: &[Figure], empty: u64, above: Deviation) -> Usual {
        let common = figures.iter().try_fold(1i128, |all, (_, of)| {
            let all = all / greatest_common_divisor(all, *of) * of;
            (all <= FINEST).then_some(all)
        });
        let scale = common.unwrap_or(FINEST);
        // A whole number when the denominators have a common one; else rounded down.
        let scaled = |(sum, of): &Figure| sum.checked_mul(scale).map(|n| n.div_euclid(*of));
        let whole: Option<Vec<i128>> = figures.iter().map(scaled).collect();
        let bar = whole.as_ref().and_then(|values| exact(values, empty, above));
        let about = || {
            let values: Vec<f64> = figures.iter().map(|(sum, of)| *sum as f64 / *of as f64).collect();
            Usual { scale: 1, bar: Bar::About(about(&values, empty as f64, above)) }
        };
        bar.map_or_else(about, |bar| Usual { scale, bar })
    }

    /// Whether this figure is above.
    pub(super) fn is_below(&self, (sum, of): Figure) -> bool {
        let exact = || -> Option<bool> {
            let sum = sum.checked_mul(self.scale)?;
            match self.bar {
                Bar::Fraction(bar, below) => Some(sum.checked_mul(below)? > bar.checked_mul(of)?),
                Bar::Root { sum: total, count, square } => {
                    let apart = sum.checked_mul(count)?.checked_sub(total.checked_mul(of)?)?.checked_mul(1000)?;
                    let square = square.checked_mul(of)?.checked_mul(of)?;
                    // A whole number is above a root exactly if it is above the whole part of the root.
                    Some(apart > square.isqrt())
                }
                Bar::About(bar) => Some(sum as f64 / of as f64 > bar),
            }
        };
        exact().unwrap_or_else(|| sum as f64 / of as f64 > self.bar.about() / self.scale as f64)
    }
}

impl Bar {
    fn about(&self) -> f64 {
        match *self {
            Bar::Fraction(bar, below) => bar as f64 / below as f64,
            Bar::Root { sum, count, square } => (sum as f64 + (square as f64).sqrt() / 1000.0) / count as f64,
            Bar::About(bar) => bar,
        }
    }
}

/// `None` when 128 bits are too few.
fn exact(values: &[i128], empty: u64, above: Deviation) -> Option<Bar> {
    let count = values.len() as i128 + i128::from(empty);
    let sum = values.iter().try_fold(0i128, |sum, v| sum.checked_add(*v));
    match above {
        Deviation::Times(k) => Some(Bar::Fraction(sum?.checked_mul(k.into())?, count.checked_mul(1000)?)),
        Deviation::Sigma(k) => {
            // The variance is (count × sum of squares − square of the sum) / count².
            let squares = values.iter().try_fold(0i128, |all, v| all.checked_add(v.checked_mul(*v)?))?;
            let variance = count.checked_mul(squares)?.checked_sub(sum?.checked_mul(sum?)?)?;
            let square = variance.checked_mul(i128::from(k).checked_mul(k.into())?)?;
            Some(Bar::Root { sum: sum?, count, square })
        }
        Deviation::Mad(k) => {
            // Everything doubled, and doubled again, so that the means of two middle values are whole.
            let median = twice_the_median(values.to_vec(), 0, empty)?;
            let apart = |v: i128| v.checked_mul(2)?.checked_sub(median).map(i128::abs);
            let deviations = values.iter().map(|v| apart(*v)).collect::<Option<Vec<i128>>>()?;
            let deviation = twice_the_median(deviations, median.abs(), empty)?;
            let bar = median.checked_mul(2000)?.checked_add(deviation.checked_mul(k.into())?)?;
            Some(Bar::Fraction(bar, 4000))
        }
    }
}

/// The sum of the middle two of these values and as often `other`.
fn twice_the_median(mut values: Vec<i128>, other: i128, often: u64) -> Option<i128> {
    values.sort_unstable();
    let count = values.len() as u64 + often;
    middle(&values, other, often, (count - 1) / 2).checked_add(middle(&values, other, often, count / 2))
}

/// The value at a position among these sorted ones and as often `other`.
fn middle<T: Copy + PartialOrd>(sorted: &[T], other: T, often: u64, at: u64) -> T {
    let below = sorted.partition_point(|v| *v < other) as u64;
    if at < below {
        sorted[at as usize]
    } else if at < below + often {
        other
    } else {
        sorted[(at - often) as usize]
    }
}

fn about(values: &[f64], empty: f64, above: Deviation) -> f64 {
    let count = values.len() as f64 + empty;
    let mean = values.iter().sum::<f64>() / count;
    match above {
        Deviation::Times(k) => mean * k as f64 / 1000.0,
        Deviation::Sigma(k) => {
            let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() + empty * mean * mean;
            mean + (squares / count).sqrt() * k as f64 / 1000.0
        }
        Deviation::Mad(k) => {
            let median = |mut values: Vec<f64>, other: f64| {
                values.sort_unstable_by(f64::total_cmp);
                let (often, count) = (empty as u64, values.len() as u64 + empty as u64);
                let at = |at: u64| middle(&values, other, often, at);
                (at((count - 1) / 2) + at(count / 2)) / 2.0
            };
            let usual = median(values.to_vec(), 0.0);
            let apart = median(values.iter().map(|v| (v - usual).abs()).collect(), usual.abs());
            usual + apart * k as f64 / 1000.0
        }
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least whole number above what is usual.
    fn bar(figures: &[Figure], empty: u64, above: Deviation) -> i128 {
        let usual = Usual::new(figures, empty, above);
        (-1000..100_000).find(|n| usual.is_below((*n, 1))).unwrap()
    }

    fn whole(values: &[i128]) -> Vec<Figure> {
        values.iter().map(|v| (*v, 1)).collect()
    }

    #[test]
    fn buckets_without_events_count_as_nothing() {
        assert_eq!(bar(&whole(&[6]), 2, Deviation::Times(1000)), 3, "mean 2");
        assert_eq!(bar(&whole(&[6]), 2, Deviation::Mad(4000)), 1, "median 0, deviation 0");
        assert_eq!(bar(&whole(&[-5, 7, 9]), 1, Deviation::Mad(1000)), 9, "median 3.5, deviation 4.5");
        assert_eq!(bar(&[], 3, Deviation::Sigma(3000)), 1);
    }

    #[test]
    fn deviations_are_exact() {
        // Mean 5, deviation 2.
        let known = whole(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(bar(&known, 0, Deviation::Sigma(3000)), 12);
        assert_eq!(bar(&known, 0, Deviation::Sigma(2999)), 11);
        assert_eq!(bar(&known, 0, Deviation::Mad(1000)), 6, "median 4.5, deviation 0.5");
        let averages = [(1, 3), (2, 3)];
        assert!(!Usual::new(&averages, 0, Deviation::Times(1000)).is_below((1, 2)));
        assert!(Usual::new(&averages, 0, Deviation::Times(1000)).is_below((501, 1000)));
    }

    #[test]
    fn what_is_too_wide_for_128_bits_is_about_right() {
        let wide = whole(&[1 << 80, 3 << 80]);
        for above in [Deviation::Sigma(1000), Deviation::Mad(i64::MAX), Deviation::Times(1500)] {
            let usual = Usual::new(&wide, 0, above);
            assert!(!usual.is_below((2 << 80, 1)));
            assert_eq!(usual.is_below((4 << 80, 1)), above != Deviation::Mad(i64::MAX));
        }
        let primes = [1_000_003, 1_000_033, 1_000_037, 1_000_039].map(|p| (p * 7, p));
        let usual = Usual::new(&primes, 0, Deviation::Times(1000));
        assert!(!usual.is_below((69, 10)) && usual.is_below((71, 10)));
    }
}
