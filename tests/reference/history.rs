//! What a key did before: how long it is known, and what is usual for it.

use weir::rule::plan::{Aggregate, Deviation};

use super::Row;
use super::figure::{Ratio, figure};

/// The first event of the activity that the event at `end` belongs to: a gap of more than `over` ends one.
fn beginning(rows: &[&Row], end: usize, over: i64) -> usize {
    (1..=end).rev().find(|i| rows[*i].time - rows[i - 1].time > over).unwrap_or(0)
}

/// Whether the key is known for `learn` when the event at `end` happens.
pub(super) fn is_known(rows: &[&Row], end: usize, over: i64, learn: i64) -> bool {
    rows[end].time - rows[beginning(rows, end, over)].time >= learn
}

/// How a baseline cuts time and what it takes from each piece.
pub(super) struct Bucket {
    pub(super) every: i64,
    pub(super) over: i64,
    pub(super) aggregate: Aggregate,
}

impl Bucket {
    /// Whether the figure of the bucket up to the event at `end` is unusual.
    pub(super) fn stands_out(&self, rows: &[&Row], end: usize, above: Deviation, least: Option<i128>) -> bool {
        let here = rows[end].time;
        let start = |time: i64| time.div_euclid(self.every) * self.every;
        let now: Vec<&Row> = rows[..=end].iter().copied().filter(|r| r.time >= start(here)).collect();
        let Some(now) = figure(self.aggregate, &now) else { return false };
        let mut earlier = Vec::new();
        let mut bucket = start(rows[beginning(rows, end, self.over)].time);
        while bucket < start(here) {
            // Those that lie in [here - over, here).
            if bucket >= here - self.over {
                let of: Vec<&Row> = rows.iter().copied().filter(|r| start(r.time) == bucket).collect();
                earlier.push(figure(self.aggregate, &of).unwrap_or(Ratio(0, 1)));
            }
            bucket += self.every;
        }
        least.is_none_or(|least| now >= Ratio(least, 1)) && !earlier.is_empty() && is_above(now, earlier, above)
    }
}

fn is_above(now: Ratio, earlier: Vec<Ratio>, above: Deviation) -> bool {
    let thousandths = |k: i64| Ratio(i128::from(k), 1000);
    match above {
        Deviation::Mad(k) => {
            let usual = median(earlier.clone());
            let apart = median(earlier.into_iter().map(|x| x.minus(usual).max(usual.minus(x))).collect());
            now > usual.plus(apart.times(thousandths(k)))
        }
        Deviation::Sigma(k) => {
            // now − mean > k σ, without the root: now − mean > 0 and (now − mean)² > k² σ².
            let usual = mean(&earlier);
            let variance = mean(&earlier.iter().map(|x| x.minus(usual).times(x.minus(usual))).collect::<Vec<_>>());
            let apart = now.minus(usual);
            apart > Ratio(0, 1) && apart.times(apart) > thousandths(k).times(thousandths(k)).times(variance)
        }
        Deviation::Times(k) => now > mean(&earlier).times(thousandths(k)),
    }
}

fn mean(values: &[Ratio]) -> Ratio {
    let sum = values.iter().fold(Ratio(0, 1), |sum, x| sum.plus(*x));
    sum.times(Ratio(1, values.len() as i128))
}

/// The middle one, or the mean of the middle two.
fn median(mut values: Vec<Ratio>) -> Ratio {
    values.sort_unstable();
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    low.plus(high).times(Ratio(1, 2))
}
