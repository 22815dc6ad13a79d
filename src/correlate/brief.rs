//! Brief: an event of a key in 16 bytes, without its payload.
//!
//! Most of what the engine holds is these. An event's id begins with its time, which so is not said twice, and time is
//! counted from a base that the events of a key share. Ids that were not made so, events over a month apart
//! and steps beyond the tenth do not fit: their keys hold [`Row`]s.

use super::episode::Place;
use super::machine::Row;
use crate::event::EventId;
use crate::rule::plan::Tuple;

/// How far before the first event the base lies, ms: late ones come there.
const BEFORE: i64 = 1 << 30;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Brief {
    /// Milliseconds since the base …
    after: u32,
    /// … and from there: 10 bits of microseconds, 10 bits of steps, 12 bits of the id's hash.
    rest: u32,
    /// The other bits of that, and the id's mark.
    low: u64,
}

impl Brief {
    /// The base of a key whose first event has this time (µs).
    pub(super) fn base(first: i64) -> i64 {
        first.div_euclid(1000) - BEFORE
    }

    /// An event, if it fits.
    pub(super) fn of(row: &Row, base: i64) -> Option<Brief> {
        let after = u32::try_from(row.time.div_euclid(1000) - base).ok()?;
        let fits = row.steps < 1 << 10 && row.id == EventId::from_hash(row.time, row.id.bits());
        let rest = (row.time.rem_euclid(1000) as u32) << 22 | row.steps << 12 | row.id.high() as u32 & 0xfff;
        fits.then_some(Brief { after, rest, low: row.id.low() })
    }

    /// The same with another base, if it fits.
    pub(super) fn moved(self, from: i64, to: i64) -> Option<Brief> {
        let after = u32::try_from(i64::from(self.after) + from - to).ok()?;
        Some(Brief { after, ..self })
    }

    /// Its time, µs.
    pub(super) fn time(self, base: i64) -> i64 {
        (i64::from(self.after) + base).wrapping_mul(1000).wrapping_add(i64::from(self.rest >> 22))
    }

    /// Where it stands.
    pub(super) fn place(self, base: i64) -> Place {
        let time = self.time(base);
        Place { time, id: EventId::from_hash(time, u128::from(self.rest & 0xfff) << 64 | u128::from(self.low)) }
    }

    /// With its payload.
    pub(super) fn row(self, base: i64, values: Tuple) -> Row {
        let Place { time, id } = self.place(base);
        Row { time, id, steps: self.rest >> 12 & 0x3ff, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        assert_eq!(size_of::<Brief>(), 16);
        for time in [0, -1, 999, i64::MIN, 1_763_754_000_123_456, -62_000_000_000_000_001] {
            for (hash, steps) in [(0, 1), (u128::MAX, 1023), (0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, 6)] {
                let row = Row { time, id: EventId::from_hash(time, hash), steps, values: Tuple("x".into()) };
                let (base, later) = (Brief::base(time), Brief::base(time + 3_600_000_999));
                let brief = Brief::of(&row, base).expect("it fits");
                assert_eq!((brief.time(base), brief.place(base)), (time, row.place()));
                assert_eq!(brief.moved(base, later).map(|b| b.row(later, row.values.clone())), Some(row));
            }
        }
    }
}
