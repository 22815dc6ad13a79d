//! What is usual among figures of which many are 0. In: figures, one by one. Out: median, deviation, mean.

/// Figures in order; those of 0 that were never given are counted only.
#[derive(Debug, Default)]
pub(super) struct Usual {
    sorted: Vec<f64>,
    /// How many more there are, all 0.
    pub(super) zeros: u64,
    sum: f64,
    squares: f64,
}

impl Usual {
    pub(super) fn add(&mut self, figure: f64) {
        let at = self.sorted.partition_point(|f| *f < figure);
        self.sorted.insert(at, figure);
        self.sum += figure;
        self.squares += figure * figure;
    }

    /// Takes one back that was added.
    pub(super) fn remove(&mut self, figure: f64) {
        let at = self.sorted.partition_point(|f| *f < figure);
        if self.sorted.get(at) == Some(&figure) {
            self.sorted.remove(at);
            self.sum -= figure;
            self.squares -= figure * figure;
        }
    }

    fn len(&self) -> u64 {
        self.sorted.len() as u64 + self.zeros
    }

    /// The `place`-th least, from 0.
    fn least(&self, place: u64) -> f64 {
        let below = self.sorted.partition_point(|f| *f < 0.0) as u64;
        match place {
            p if p < below => self.sorted[p as usize],
            p if p < below + self.zeros => 0.0,
            p => self.sorted[(p - self.zeros) as usize],
        }
    }

    pub(super) fn median(&self) -> Option<f64> {
        middle(self.len(), |place| self.least(place))
    }

    /// The median of the distances from `centre`.
    pub(super) fn deviation(&self, centre: f64) -> Option<f64> {
        middle(self.len(), |place| self.distance(centre, place))
    }

    /// The `place`-th least distance from `centre`, from 0.
    fn distance(&self, centre: f64, place: u64) -> f64 {
        let within = |d: f64| {
            let from = self.sorted.partition_point(|f| centre - *f > d);
            let to = self.sorted.partition_point(|f| *f - centre <= d);
            to.saturating_sub(from) as u64 + if centre.abs() <= d { self.zeros } else { 0 }
        };
        let enough = |d: f64| within(d) > place;
        // Distances grow to both sides of the centre.
        let split = self.sorted.partition_point(|f| *f < centre);
        let (left, right) = self.sorted.split_at(split);
        let mut best = if self.zeros > 0 && enough(centre.abs()) { centre.abs() } else { f64::INFINITY };
        let far = left.partition_point(|f| enough(centre - *f));
        if let Some(f) = left[..far].last() {
            best = best.min(centre - *f);
        }
        let near = right.partition_point(|f| !enough(*f - centre));
        if let Some(f) = right.get(near) {
            best = best.min(*f - centre);
        }
        best
    }

    /// The mean, and the standard deviation of the population.
    pub(super) fn mean(&self) -> Option<(f64, f64)> {
        let count = self.len() as f64;
        if count == 0.0 {
            return None;
        }
        let mean = self.sum / count;
        Some((mean, (self.squares / count - mean * mean).max(0.0).sqrt()))
    }
}

fn middle(count: u64, at: impl Fn(u64) -> f64) -> Option<f64> {
    match count {
        0 => None,
        odd if odd % 2 == 1 => Some(at(odd / 2)),
        even => Some((at(even / 2 - 1) + at(even / 2)) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_count_as_figures() {
        let mut usual = Usual { zeros: 3, ..Usual::default() };
        assert_eq!(usual.median(), Some(0.0));
        for figure in [5.0, 1.0, 9.0, -2.0, 7.0] {
            usual.add(figure);
        }
        usual.remove(7.0);
        // -2 0 0 0 1 5 9
        assert_eq!(usual.median(), Some(0.0));
        // Distances from 0: 0 0 0 1 2 5 9.
        assert_eq!(usual.deviation(0.0), Some(1.0));
        usual.zeros = 0;
        // -2 1 5 9: the median is 3, distances are 2 2 5 6.
        assert_eq!((usual.median(), usual.deviation(3.0)), (Some(3.0), Some(3.5)));
        let (mean, sigma) = usual.mean().unwrap();
        assert!((mean - 3.25).abs() < 1e-9 && (sigma - 4.145_780_98).abs() < 1e-6, "{mean} {sigma}");
        assert_eq!(Usual::default().median(), None);
    }
}
