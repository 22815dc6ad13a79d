//! Amendments: what late events change in states that lie behind where they matter.
//!
//! When late events have been worked in and the machine comes out as it did before, whatever follows
//! is as it was, but for two things: events from before the late ones are further back by as
//! many as came, and the episode that is open may have begun or gone on differently. An amendment brings both to
//! the states behind, so that they need not be run again.
//!
//! Numbers of events are never compared but only subtracted, so each state may count from where it likes.

use super::episode::{Episode, Place, Point, Renewal};

/// What has changed before states that are otherwise right.
#[derive(Debug, Default)]
pub(super) struct Amendment {
    /// Where events came or went, in order, and how many more there are there and behind.
    shifts: Vec<(Place, u64)>,
    renewal: Option<Renewal>,
}

impl Amendment {
    /// With these changes, in order: how many events came or went at each place.
    pub(super) fn new(changes: &[(Place, i64)]) -> Amendment {
        let mut shifts: Vec<(Place, u64)> = changes.iter().map(|(p, n)| (*p, *n as u64)).collect();
        let mut after = 0u64;
        for (_, shift) in shifts.iter_mut().rev() {
            after = after.wrapping_add(*shift);
            *shift = after;
        }
        if shifts.iter().all(|(_, shift)| *shift == 0) {
            shifts.clear();
        }
        Amendment { shifts, renewal: None }
    }

    /// Adds what becomes of the episode that is open.
    pub(super) fn renew(&mut self, renewal: Option<Renewal>) {
        self.renewal = renewal;
    }

    /// Corrects the number of the event at `place`; false when it, and so any later one, lies behind all changes.
    pub(super) fn number(&self, place: Place, ordinal: &mut u64) -> bool {
        if self.shifts.last().is_none_or(|(last, _)| *last < place) {
            return false;
        }
        let at = self.shifts.partition_point(|(at, _)| *at <= place);
        let after = self.shifts.get(at).map_or(0, |(_, after)| *after);
        *ordinal = ordinal.wrapping_sub(after);
        true
    }

    /// As [`Amendment::number`].
    pub(super) fn point(&self, point: &mut Point) -> bool {
        self.number(point.place, &mut point.ordinal)
    }

    /// Corrects events that are in order; whether there was one that may have had to be.
    pub(super) fn points<'a>(&self, points: impl IntoIterator<Item = &'a mut Point>) -> bool {
        let mut touched = false;
        for point in points {
            if !self.point(point) {
                break;
            }
            touched = true;
        }
        touched
    }

    /// What becomes of the episode that began with this event.
    pub(super) fn renewal(&self, first: Place) -> Option<&Renewal> {
        self.renewal.as_ref().filter(|r| r.opened() == first)
    }

    /// Corrects episodes; whether there was one that may have had to be.
    pub(super) fn episodes<'a>(&self, episodes: impl IntoIterator<Item = &'a mut Episode>) -> bool {
        episodes.into_iter().fold(false, |touched, e| touched | e.amend(self))
    }
}
