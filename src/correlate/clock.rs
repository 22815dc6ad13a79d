//! The live watermark: the time before which no event is expected any more.
//!
//! It is the greatest event time seen less the allowed lateness, the least over the live sources; a
//! source that says nothing for a while stops holding it back. It never goes back. Every event that
//! is accepted after the watermark passed its time is marked `late` in the archive, so that a replay
//! makes the same decision without a clock.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::event::time::{DAY, SECOND};

/// How late an event may be, by default, µs.
pub const LATENESS: i64 = 600 * SECOND;
/// After how long without an event a source stops holding the watermark, µs of arrival.
pub const IDLE_AFTER: i64 = 60 * SECOND;
/// Events that came at most so long after they happened came as they happened: when these cease, time goes on without them, µs.
const PRESENT: i64 = 3600 * SECOND;
/// The least step by which it does, µs: each is recorded.
const STEP: i64 = 10 * SECOND;

/// The watermark and what it is made from.
#[derive(Debug)]
pub struct Clock {
    lateness: i64,
    sources: FxHashMap<Arc<str>, Progress>,
    watermark: i64,
    /// What was last heard of any source.
    last: Option<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    greatest: i64,
    heard: i64,
}

impl Clock {
    /// A clock that allows this lateness (µs) and starts at `floor`, the watermark that held before a restart.
    pub fn new(lateness: i64, floor: i64) -> Clock {
        Clock { lateness, sources: FxHashMap::default(), watermark: floor, last: None }
    }

    /// Holds the watermark for a source that is about to speak, as of `now` (µs): a file whose old lines come first
    /// must not find them late because another one was read faster.
    pub fn expect(&mut self, source: Arc<str>, now: i64) {
        self.sources.entry(source).or_insert(Progress { greatest: i64::MIN, heard: now });
    }

    /// Notes that events of a source arrived at `now` (µs), with these times. A time over a day ahead of arrival is a
    /// wrong clock and does not count.
    pub fn observe(&mut self, source: &Arc<str>, times: &[i64], now: i64) {
        let Some(greatest) = times.iter().copied().filter(|t| *t <= now.saturating_add(DAY)).max() else { return };
        self.last = Some(Progress { greatest, heard: now });
        match self.sources.get_mut(source) {
            Some(progress) => {
                progress.greatest = progress.greatest.max(greatest);
                progress.heard = now;
            }
            None => {
                self.sources.insert(source.clone(), Progress { greatest, heard: now });
            }
        }
    }

    /// Moves the watermark on, as of `now` (µs of arrival), and returns it.
    pub fn advance(&mut self, now: i64) -> i64 {
        self.sources.retain(|_, p| now.saturating_sub(p.heard) <= IDLE_AFTER);
        if let Some(least) = self.sources.values().map(|p| p.greatest).min() {
            self.watermark = self.watermark.max(least.saturating_sub(self.lateness));
        }
        self.watermark
    }

    /// Whether no source holds the watermark, as of the last [`Clock::advance`].
    pub fn is_silent(&self) -> bool {
        self.sources.is_empty()
    }

    /// Where the watermark may go when all sources are silent whose events came as they happened, as of `now` (µs of arrival): what
    /// must not happen has then not happened. The caller records it, and then says [`Clock::pass`]. A log of the
    /// past that was read to its end does not make time pass.
    pub fn silence(&self, now: i64) -> Option<i64> {
        let last = self.last.filter(|_| self.sources.is_empty())?;
        let reached = now.saturating_sub(IDLE_AFTER).saturating_sub(self.lateness);
        let present = last.heard.saturating_sub(last.greatest) <= PRESENT;
        (present && reached >= self.watermark.saturating_add(STEP)).then_some(reached)
    }

    /// Moves the watermark to where [`Clock::silence`] said.
    pub fn pass(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(watermark);
    }

    /// The watermark, µs: an accepted event before it is late.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_live_source_holds_it() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut clock = Clock::new(10 * SECOND, i64::MIN);
        clock.observe(&a, &[100 * SECOND], 100 * SECOND);
        clock.observe(&b, &[50 * SECOND], 100 * SECOND);
        assert_eq!(clock.advance(100 * SECOND), 40 * SECOND);
        clock.observe(&a, &[170 * SECOND], 170 * SECOND);
        assert_eq!(clock.advance(170 * SECOND), 160 * SECOND, "b is idle and let go");
        clock.observe(&b, &[60 * SECOND], 171 * SECOND);
        assert_eq!(clock.advance(171 * SECOND), 160 * SECOND, "it never goes back");
    }

    #[test]
    fn an_expected_source_holds_it_until_it_is_idle() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut clock = Clock::new(0, i64::MIN);
        clock.expect(b, 0);
        clock.observe(&a, &[5 * SECOND], 6 * SECOND);
        assert_eq!(clock.advance(6 * SECOND), i64::MIN);
        clock.observe(&a, &[70 * SECOND], 70 * SECOND);
        assert_eq!(clock.advance(70 * SECOND), 70 * SECOND);
    }

    #[test]
    fn time_goes_on_when_all_are_silent_that_spoke_of_the_present() {
        let a: Arc<str> = "a".into();
        let mut clock = Clock::new(10 * SECOND, i64::MIN);
        clock.observe(&a, &[100 * SECOND], 101 * SECOND);
        assert_eq!((clock.advance(150 * SECOND), clock.silence(150 * SECOND)), (90 * SECOND, None), "a may speak");
        assert_eq!(clock.advance(165 * SECOND), 90 * SECOND);
        assert_eq!(clock.silence(165 * SECOND), None, "too small a step");
        assert_eq!(clock.silence(171 * SECOND), Some(101 * SECOND));
        clock.pass(101 * SECOND);
        assert_eq!((clock.advance(171 * SECOND), clock.silence(171 * SECOND)), (101 * SECOND, None));
        let mut old = Clock::new(10 * SECOND, i64::MIN);
        old.observe(&a, &[100 * SECOND], DAY);
        old.advance(2 * DAY);
        assert_eq!(old.silence(2 * DAY), None, "an old log says nothing of the present");
    }

    #[test]
    fn a_wrong_clock_does_not_move_it() {
        let a: Arc<str> = "a".into();
        let mut clock = Clock::new(0, i64::MIN);
        clock.observe(&a, &[5 * SECOND, 3 * DAY], 6 * SECOND);
        assert_eq!(clock.advance(6 * SECOND), 5 * SECOND);
    }
}
