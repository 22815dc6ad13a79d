//! Events and alerts a second, over the last minutes.
//!
//! In: counts as they come, and a tick about once a second. Out: one number a second, evenly
//! spaced: a tick that comes late spreads its count over the seconds it stands for.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::alert::Change;
use crate::event::time::{SECOND, rfc3339};

/// The rates of the last seconds.
pub(super) struct Rates {
    seconds: usize,
    total: u64,
    events: u64,
    alerts: u64,
    last: Option<i64>,
    history: VecDeque<(f64, u64)>,
}

impl Rates {
    pub(super) fn new(seconds: usize) -> Rates {
        Rates { seconds, total: 0, events: 0, alerts: 0, last: None, history: VecDeque::with_capacity(seconds) }
    }

    pub(super) fn events(&mut self, count: u64) {
        self.total += count;
        self.events += count;
    }

    /// Only alerts that are new count: a running episode would draw a line of its own.
    pub(super) fn alert(&mut self, change: &Change) {
        match change {
            Change::Added => self.alerts += 1,
            Change::Changed | Change::Superseded { .. } | Change::Withdrawn => {}
        }
    }

    pub(super) fn tick(&mut self, now: i64) {
        let elapsed = self.last.map_or(SECOND, |last| now.saturating_sub(last)).max(1);
        self.last = Some(now);
        let seconds = ((elapsed + SECOND / 2) / SECOND).clamp(1, self.seconds.max(1) as i64);
        let span = if seconds == 1 { (elapsed as f64 / SECOND as f64).max(0.5) } else { seconds as f64 };
        let rate = std::mem::take(&mut self.events) as f64 / span;
        for i in 0..seconds {
            if self.history.len() >= self.seconds {
                self.history.pop_front();
            }
            let alerts = if i + 1 == seconds { std::mem::take(&mut self.alerts) } else { 0 };
            self.history.push_back(((rate * 10.0).round() / 10.0, alerts));
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Events in the last closed second.
    pub(super) fn latest(&self) -> f64 {
        self.history.back().map_or(0.0, |s| s.0)
    }

    pub(super) fn latest_alerts(&self) -> u64 {
        self.history.back().map_or(0, |s| s.1)
    }

    /// One number a second, the last one at `end`.
    pub(super) fn history(&self) -> Value {
        json!({
            "end": self.last.map(rfc3339),
            "step_seconds": 1,
            "events_per_second": self.history.iter().map(|s| s.0).collect::<Vec<_>>(),
            "alerts": self.history.iter().map(|s| s.1).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_spreads_its_count() {
        let mut rates = Rates::new(4);
        rates.events(10);
        rates.tick(100 * SECOND);
        assert_eq!(rates.latest(), 10.0);
        rates.events(30);
        rates.alert(&Change::Added);
        rates.alert(&Change::Changed);
        rates.tick(103 * SECOND);
        assert_eq!(rates.history()["events_per_second"], json!([10.0, 10.0, 10.0, 10.0]));
        assert_eq!(rates.history()["alerts"], json!([0, 0, 0, 1]));
        rates.tick(104 * SECOND);
        assert_eq!(rates.history()["events_per_second"], json!([10.0, 10.0, 10.0, 0.0]));
        assert_eq!(rates.total(), 40);
    }

    #[test]
    fn a_clock_that_steps_back_is_survived() {
        let mut rates = Rates::new(4);
        rates.tick(100 * SECOND);
        rates.events(1);
        rates.tick(50 * SECOND);
        assert!(rates.latest().is_finite());
    }
}
