//! The ways in which logs write a time. In: text that begins with one. Out: the instant (µs UTC) and
//! how many bytes it took.

use super::clock::{Clock, Written};
use super::scan::{four, is, two};

/// An instant, µs UTC, and the length of its text in bytes.
pub(crate) type Read = Option<(i64, usize)>;

fn month(bytes: &[u8], at: usize) -> Option<u32> {
    Some(match bytes.get(at..at + 3)? {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// A day that may be padded with a blank.
fn day(bytes: &[u8], at: usize) -> Option<u32> {
    match bytes.get(at..at + 2)? {
        [b' ', d @ b'0'..=b'9'] => Some(u32::from(d - b'0')),
        _ => two(bytes, at),
    }
}

/// `hh:mm:ss`, eight bytes.
#[inline]
fn clock_face(bytes: &[u8], at: usize, written: &mut Written) -> Option<()> {
    if !is(bytes, at + 2, b':') || !is(bytes, at + 5, b':') {
        return None;
    }
    (written.hour, written.minute, written.second) = (two(bytes, at)?, two(bytes, at + 3)?, two(bytes, at + 6)?);
    Some(())
}

/// `.123456` or `,123`; gives the microseconds and the length, 0 where there is none.
#[inline]
fn fraction(bytes: &[u8], at: usize) -> (u32, usize) {
    if !is(bytes, at, b'.') && !is(bytes, at, b',') {
        return (0, 0);
    }
    let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return (0, 0);
    }
    let micros = (0..6).fold(0, |v, i| v * 10 + if i < digits { u32::from(bytes[at + 1 + i] - b'0') } else { 0 });
    (micros, digits + 1)
}

/// `Z`, `+hh:mm`, `+hhmm`, `+hh`; seconds ahead of UTC and the length.
fn offset(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let sign = match bytes.get(at)? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = i64::from(two(bytes, at + 1)?);
    let (minutes, len) =
        if is(bytes, at + 3, b':') { (two(bytes, at + 4)?, 6) } else { two(bytes, at + 3).map_or((0, 3), |m| (m, 5)) };
    (hours < 24 && minutes < 60).then(|| (sign * (hours * 3600 + i64::from(minutes) * 60), len))
}

/// `Dec 10 06:55:46`, optionally with a fraction; `Dec 10 2025 06:55:46` as network gear writes it.
pub(crate) fn bsd(text: &str, clock: &mut Clock) -> Read {
    let bytes = text.as_bytes();
    let head = bytes.first_chunk();
    if let Some(time) = head.and_then(|head| clock.again(head)) {
        return Some((time, PADDED));
    }
    let (time, len) = bsd_anew(bytes, clock)?;
    if let Some(head) = head.filter(|_| len == PADDED && is(bytes, PADDED, b' ')) {
        clock.note(*head, time);
    }
    Some((time, len))
}

/// Bytes of `Dec 10 06:55:46`.
const PADDED: usize = 15;

fn bsd_anew(bytes: &[u8], clock: &mut Clock) -> Read {
    let mut written = Written { month: month(bytes, 0)?, ..Written::default() };
    if !is(bytes, 3, b' ') {
        return None;
    }
    // `Dec 1 06:…`: some programs do not pad.
    let after = match (day(bytes, 4), is(bytes, 5, b' ')) {
        (Some(d), _) => {
            written.day = d;
            6
        }
        (None, true) => {
            written.day = u32::from(bytes[4].wrapping_sub(b'0'));
            5
        }
        (None, false) => return None,
    };
    if !is(bytes, after, b' ') {
        return None;
    }
    let mut face = after + 1;
    if is(bytes, face + 4, b' ') && !is(bytes, face + 2, b':') {
        written.year = four(bytes, face)?;
        face += 5;
    }
    clock_face(bytes, face, &mut written)?;
    let (micros, len) = fraction(bytes, face + 8);
    written.micros = micros;
    Some((clock.local(&written)?, face + 8 + len))
}

/// `2024-05-01T10:00:00.123456+02:00`; a blank may stand for the `T`; local where there is no zone.
pub(crate) fn iso(text: &str, clock: &mut Clock) -> Read {
    let bytes = text.as_bytes();
    if !is(bytes, 4, b'-') || !is(bytes, 7, b'-') || !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    let mut written =
        Written { year: four(bytes, 0)?, month: two(bytes, 5)?, day: two(bytes, 8)?, ..Written::default() };
    clock_face(bytes, 11, &mut written)?;
    let (micros, len) = fraction(bytes, 19);
    written.micros = micros;
    let at = 19 + len;
    match offset(bytes, at) {
        Some((seconds, len)) => Some((written.at_offset(seconds)?, at + len)),
        None if written.year > 0 => Some((clock.local(&written)?, at)),
        None => None,
    }
}

/// `17/May/2015:10:05:03 +0000`, as web servers write it.
pub(crate) fn access(text: &str) -> Read {
    let bytes = text.as_bytes();
    if !is(bytes, 2, b'/') || !is(bytes, 6, b'/') || !is(bytes, 11, b':') || !is(bytes, 20, b' ') {
        return None;
    }
    let mut written =
        Written { day: two(bytes, 0)?, month: month(bytes, 3)?, year: four(bytes, 7)?, ..Written::default() };
    clock_face(bytes, 12, &mut written)?;
    let (seconds, len) = offset(bytes, 21)?;
    Some((written.at_offset(seconds)?, 21 + len))
}

/// `Sun Dec 04 04:47:44.123456 2005`, local.
pub(crate) fn apache_error(text: &str, clock: &mut Clock) -> Read {
    let bytes = text.as_bytes();
    if !is(bytes, 3, b' ') || !is(bytes, 7, b' ') || !is(bytes, 10, b' ') {
        return None;
    }
    let mut written = Written { month: month(bytes, 4)?, day: day(bytes, 8)?, ..Written::default() };
    clock_face(bytes, 11, &mut written)?;
    let (micros, len) = fraction(bytes, 19);
    written.micros = micros;
    let at = 19 + len;
    if !is(bytes, at, b' ') {
        return None;
    }
    written.year = four(bytes, at + 1).filter(|y| *y > 0)?;
    Some((clock.local(&written)?, at + 5))
}

/// `2024/05/01 10:00:00`, local.
pub(crate) fn nginx_error(text: &str, clock: &mut Clock) -> Read {
    let bytes = text.as_bytes();
    if !is(bytes, 4, b'/') || !is(bytes, 7, b'/') || !is(bytes, 10, b' ') {
        return None;
    }
    let mut written = Written {
        year: four(bytes, 0).filter(|y| *y > 0)?,
        month: two(bytes, 5)?,
        day: two(bytes, 8)?,
        ..Written::default()
    };
    clock_face(bytes, 11, &mut written)?;
    Some((clock.local(&written)?, 19))
}

/// Seconds, milli-, micro- or nanoseconds since 1970, told apart by size; a fraction is kept to the microsecond.
pub(crate) fn epoch(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = i64::try_from(super::scan::uint(whole)?).ok()?;
    // Seconds reach the year 5138, milliseconds begin in 1973, and so on up.
    let (unit, below) = match whole.max(1).ilog10() {
        0..=10 => (1_000_000, 6),
        11..=13 => (1_000, 3),
        14..=16 => (1, 0),
        _ => return Some(if negative { -(whole / 1_000) } else { whole / 1_000 }),
    };
    let part = (0..below).fold(0, |v, i| v * 10 + decimals.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0')));
    let micros = whole * unit + part;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::time::{parse_rfc3339, rfc3339};
    use jiff::tz::TimeZone;

    fn clock() -> Clock {
        Clock::new(TimeZone::UTC, parse_rfc3339("2026-11-21T00:00:00Z").unwrap())
    }

    fn show(read: Read) -> String {
        read.map_or("none".into(), |(at, len)| format!("{} {len}", rfc3339(at)))
    }

    #[test]
    fn syslog_times() {
        let mut c = clock();
        assert_eq!(show(bsd("Dec 10 06:55:46 LabSZ", &mut c)), "2025-12-10T06:55:46.000000Z 15");
        assert_eq!(show(bsd("Jul  1 00:21:28 combo", &mut c)), "2026-07-01T00:21:28.000000Z 15");
        assert_eq!(show(bsd("Jul 1 00:21:28 combo", &mut c)), "2026-07-01T00:21:28.000000Z 14");
        assert_eq!(show(bsd("Oct 11 2019 22:14:15 fw", &mut c)), "2019-10-11T22:14:15.000000Z 20");
        assert_eq!(show(bsd("Oct 11 22:14:15.003 mymachine", &mut c)), "2026-10-11T22:14:15.003000Z 19");
        for bad in ["Dec 32 06:55:46", "Foo 10 06:55:46", "Dec 10 24:00:00", "Dec 10", "Dec x 06:55:46", ""] {
            assert_eq!(show(bsd(bad, &mut c)), "none", "{bad}");
        }
    }

    #[test]
    fn iso_times() {
        let mut c = clock();
        assert_eq!(show(iso("2024-05-01T10:00:00.123456+02:00 h", &mut c)), "2024-05-01T08:00:00.123456Z 32");
        assert_eq!(show(iso("2003-10-11T22:14:15.003Z x", &mut c)), "2003-10-11T22:14:15.003000Z 24");
        assert_eq!(show(iso("2003-08-24T05:14:15.000000003-0700", &mut c)), "2003-08-24T12:14:15.000000Z 34");
        assert_eq!(show(iso("2024-05-01 10:00:00,5", &mut c)), "2024-05-01T10:00:00.500000Z 21");
        assert_eq!(show(iso("2016-12-31T23:59:60Z", &mut c)), "2017-01-01T00:00:00.000000Z 20");
        for bad in ["2024-02-30T10:00:00Z", "2024-05-01", "0000-01-01T00:00:00", "2024-05-01T1é:00:00Z"] {
            assert_eq!(show(iso(bad, &mut c)), "none", "{bad}");
        }
    }

    #[test]
    fn web_times() {
        let mut c = clock();
        assert_eq!(show(access("17/May/2015:10:05:03 +0000]")), "2015-05-17T10:05:03.000000Z 26");
        assert_eq!(show(access("10/Oct/2000:13:55:36 -0700")), "2000-10-10T20:55:36.000000Z 26");
        assert_eq!(show(apache_error("Sun Dec 04 04:47:44 2005]", &mut c)), "2005-12-04T04:47:44.000000Z 24");
        assert_eq!(show(apache_error("Wed Oct 11 14:32:52.123456 2023", &mut c)), "2023-10-11T14:32:52.123456Z 31");
        assert_eq!(show(nginx_error("2024/05/01 10:00:00 [e", &mut c)), "2024-05-01T10:00:00.000000Z 19");
    }

    #[test]
    fn epochs() {
        for (text, micros) in [
            ("1524680171", Some(1_524_680_171_000_000)),
            ("1524680171.123456789", Some(1_524_680_171_123_456)),
            ("1768473045000", Some(1_768_473_045_000_000)),
            ("1768473045000.5", Some(1_768_473_045_000_500)),
            ("1768473045000000", Some(1_768_473_045_000_000)),
            ("1768473045000000000", Some(1_768_473_045_000_000)),
            ("-1.5", Some(-1_500_000)),
            ("1e3", None),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(epoch(text), micros, "{text}");
        }
    }
}
