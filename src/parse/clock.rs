//! Calendar work. In: a date and time as a log wrote it. Out: µs UTC.
//!
//! Times with an offset are plain arithmetic. Local ones need the zone's rules, and those without a
//! year also a reference; both are worked out once a minute of log time and remembered, since lines
//! come in runs.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::event::time::{DAY, SECOND};

/// How many minutes of log time are remembered. A power of two; some hours of an ordered log and little memory.
const REMEMBERED: usize = 256;

/// A date and time as written. The year is 0 where the log has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Year, or 0.
    pub year: u32,
    /// Month, from 1.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute.
    pub minute: u32,
    /// Second; 60 in a leap second.
    pub second: u32,
    /// Microseconds.
    pub micros: u32,
}

impl Written {
    /// Whether such a date and time can exist (in some year, where none is given).
    pub fn is_valid(&self) -> bool {
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if self.year == 0 || is_leap(self.year) => 29,
            2 => 28,
            _ => return false,
        };
        (1..=days).contains(&self.day) && self.hour < 24 && self.minute < 60 && self.second <= 60 && self.year < 10_000
    }

    fn below_minute(&self) -> i64 {
        i64::from(self.second) * SECOND + i64::from(self.micros)
    }

    /// The instant, for a time this many seconds ahead of UTC; the year must be there.
    pub fn at_offset(&self, offset_seconds: i64) -> Option<i64> {
        if !self.is_valid() || self.year == 0 {
            return None;
        }
        let minutes = (days(self.year, self.month, self.day) * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute);
        Some((minutes * 60 - offset_seconds) * SECOND + self.below_minute())
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[derive(Clone, Copy)]
struct Minute {
    key: u64,
    instant: i64,
    /// References for which the year holds: from here …
    from: i64,
    /// … to just before here.
    until: i64,
}

const EMPTY: Minute = Minute { key: u64::MAX, instant: 0, from: 0, until: 0 };

/// Turns local and yearless times into instants, for one zone and reference.
pub struct Clock {
    zone: TimeZone,
    reference: i64,
    minutes: Box<[Minute]>,
    /// The head of the last line, up to the blank behind its time, and that time: lines of one second come together.
    last: Option<(Head, i64)>,
}

/// Bytes of a line that begins with a time of 15.
pub(super) type Head = [u8; 16];

impl Clock {
    /// A clock for logs written in this zone; `reference` (µs UTC) is about when they were.
    pub fn new(zone: TimeZone, reference: i64) -> Clock {
        Clock { zone, reference, minutes: vec![EMPTY; REMEMBERED].into_boxed_slice(), last: None }
    }

    /// Moves the reference, µs UTC: the file's modification time, or arrival.
    pub fn set_reference(&mut self, reference: i64) {
        self.reference = reference;
        self.last = None;
    }

    /// The time of a line that begins as the last one did.
    #[inline]
    pub(super) fn again(&self, head: &Head) -> Option<i64> {
        self.last.filter(|(last, _)| last == head).map(|(_, time)| time)
    }

    /// Notes the time of a line whose head is that time and a blank.
    pub(super) fn note(&mut self, head: Head, time: i64) {
        self.last = Some((head, time));
    }

    /// The instant of a local time. Without a year it gets the latest one in which the time is no more than a day
    /// after the reference. A time that a clock change skips or repeats is read as RFC 5545 does.
    pub fn local(&mut self, written: &Written) -> Option<i64> {
        if !written.is_valid() {
            return None;
        }
        let minute = u64::from(((written.month * 32 + written.day) * 32 + written.hour) * 64 + written.minute);
        let key = minute | u64::from(written.year) << 32;
        // Minutes of a day, then days: neighbours in time do not share a place.
        let place = (written.day * 1440 + written.hour * 60 + written.minute) as usize % REMEMBERED;
        let known = self.minutes[place];
        if known.key == key && (known.from..known.until).contains(&self.reference) {
            return Some(known.instant + written.below_minute());
        }
        let (instant, from, until) = match written.year {
            0 => self.complete(written)?,
            year => (self.minute(year, written)?, i64::MIN, i64::MAX),
        };
        self.minutes[place] = Minute { key, instant, from, until };
        Some(instant + written.below_minute())
    }

    fn minute(&self, year: u32, written: &Written) -> Option<i64> {
        let date = civil::Date::new(year as i16, written.month as i8, written.day as i8).ok()?;
        let time = civil::Time::new(written.hour as i8, written.minute as i8, 0, 0).ok()?;
        Some(self.zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()?.as_microsecond())
    }

    /// The instant in the year that the reference chooses, and the references for which it would choose the same.
    fn complete(&self, written: &Written) -> Option<(i64, i64, i64)> {
        let reference = jiff::Timestamp::from_microsecond(self.reference).ok()?;
        let latest = u32::try_from(reference.to_zoned(self.zone.clone()).year()).ok()? + 1;
        // A leap day may be eight years back (1904 follows 1896).
        for year in (latest.saturating_sub(9).max(1)..=latest).rev() {
            let Some(instant) = self.minute(year, written) else { continue };
            if instant <= self.reference.saturating_add(DAY) {
                // A later year's instant is at least 365 days on; less a day for changes of the zone's offset.
                return Some((instant, instant - DAY, instant + 363 * DAY));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::time::{parse_rfc3339, rfc3339};

    fn at(text: &str) -> i64 {
        parse_rfc3339(text).unwrap()
    }

    fn dec(day: u32) -> Written {
        Written { month: 12, day, hour: 6, minute: 55, second: 46, ..Written::default() }
    }

    #[test]
    fn the_year_is_the_latest_not_more_than_a_day_ahead() {
        let mut clock = Clock::new(TimeZone::UTC, at("2026-01-05T12:00:00Z"));
        assert_eq!(rfc3339(clock.local(&dec(30)).unwrap()), "2025-12-30T06:55:46.000000Z");
        clock.set_reference(at("2025-12-29T06:55:00Z"));
        assert_eq!(rfc3339(clock.local(&dec(30)).unwrap()), "2025-12-30T06:55:46.000000Z");
        clock.set_reference(at("2025-12-29T06:54:59Z"));
        assert_eq!(rfc3339(clock.local(&dec(30)).unwrap()), "2024-12-30T06:55:46.000000Z");
        clock.set_reference(at("2027-06-01T00:00:00Z"));
        assert_eq!(rfc3339(clock.local(&dec(30)).unwrap()), "2026-12-30T06:55:46.000000Z");
    }

    #[test]
    fn a_leap_day_gets_a_year_that_has_it() {
        let mut clock = Clock::new(TimeZone::UTC, at("2026-11-21T00:00:00Z"));
        let leap = Written { month: 2, day: 29, ..Written::default() };
        assert_eq!(rfc3339(clock.local(&leap).unwrap()), "2024-02-29T00:00:00.000000Z");
        assert_eq!(clock.local(&Written { day: 30, ..leap }), None);
        assert_eq!(clock.local(&Written { year: 2023, ..leap }), None);
    }

    #[test]
    fn zones_and_offsets() {
        let zone = TimeZone::get("Europe/Oslo").unwrap_or(TimeZone::fixed(jiff::tz::offset(1)));
        let mut clock = Clock::new(zone, at("2026-01-05T12:00:00Z"));
        assert_eq!(rfc3339(clock.local(&dec(30)).unwrap()), "2025-12-30T05:55:46.000000Z");
        let written = Written { year: 2015, month: 5, day: 17, hour: 10, minute: 5, second: 3, micros: 7 };
        assert_eq!(rfc3339(written.at_offset(-7 * 3600).unwrap()), "2015-05-17T17:05:03.000007Z");
        assert_eq!(rfc3339(Written { year: 1969, ..dec(31) }.at_offset(0).unwrap()), "1969-12-31T06:55:46.000000Z");
    }
}
