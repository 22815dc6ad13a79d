//! Instants are microseconds since 1970-01-01T00:00:00Z in an `i64`; this is how they are read and written.

/// One second, in microseconds.
pub const SECOND: i64 = 1_000_000;
/// One day, in microseconds.
pub const DAY: i64 = 86_400 * SECOND;

/// RFC 3339 in UTC, always with six digits of a second: `2026-01-15T10:30:45.000000Z`.
pub fn rfc3339(micros: i64) -> String {
    with_rfc3339(micros, str::to_owned)
}

/// The same without an allocation, but for years that have not four digits.
pub(crate) fn with_rfc3339<T>(micros: i64, take: impl FnOnce(&str) -> T) -> T {
    let Ok(instant) = jiff::Timestamp::from_microsecond(micros) else { return take(&format!("{micros}us")) };
    let civil = jiff::tz::Offset::UTC.to_datetime(instant);
    if civil.year() < 0 {
        return take(&format!("{instant:.6}"));
    }
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |end: usize, mut value: i64| {
        let mut at = end;
        while value > 0 {
            at -= 1;
            text[at] += (value % 10) as u8;
            value /= 10;
        }
    };
    put(4, civil.year().into());
    put(7, civil.month().into());
    put(10, civil.day().into());
    put(13, civil.hour().into());
    put(16, civil.minute().into());
    put(19, civil.second().into());
    put(26, micros.rem_euclid(SECOND));
    take(std::str::from_utf8(&text).expect("digits are ASCII"))
}

/// `2026-01-15`, the UTC day of an instant; far times outside the calendar clamp to its ends.
pub fn day(micros: i64) -> String {
    let clamped = jiff::Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    clamped.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Reads RFC 3339 (any offset; a space may stand for the `T`; `None` when it isn't).
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond())
}

/// The units of lengths of time: the letters, µs, the word.
pub const UNITS: &[(&str, i64, &str)] = &[
    ("us", 1, "microseconds"),
    ("ms", SECOND / 1000, "milliseconds"),
    ("s", SECOND, "seconds"),
    ("m", 60 * SECOND, "minutes"),
    ("h", 3600 * SECOND, "hours"),
    ("d", DAY, "days"),
    ("w", 7 * DAY, "weeks"),
];

/// Reads a length of time into µs: `500ms`, `30s`, `5m`, `1h30m`, `7d`, `2w` (`None` when it isn't one).
pub fn duration(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_start = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_len = rest[unit_start..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - unit_start);
        let unit = &rest[unit_start..unit_start + unit_len];
        let (_, scale, _) = UNITS.iter().find(|(word, _, _)| *word == unit)?;
        let amount: i64 = rest[..unit_start].parse().ok()?;
        total = total.checked_add(amount.checked_mul(*scale)?)?;
        rest = &rest[unit_start + unit_len..];
    }
    (!text.is_empty()).then_some(total)
}

/// Now, µs UTC. Only collectors and the shell around the engine may ask; no rule ever sees it.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_round_trip() {
        assert_eq!(rfc3339(1_768_473_045_000_000), "2026-01-15T10:30:45.000000Z");
        assert_eq!(parse_rfc3339("2026-01-15T11:30:45.000000+01:00"), Some(1_768_473_045_000_000));
        assert_eq!(day(1_768_473_045_000_000), "2026-01-15");
        assert_eq!(day(-1), "1969-12-31");
        for micros in [0, -1, 1, 951_782_400_123_456, 4_102_444_799_999_999, -62_135_596_800_000_000, i64::MAX] {
            let expected = jiff::Timestamp::from_microsecond(micros).map(|t| format!("{t:.6}"));
            assert_eq!(rfc3339(micros), expected.unwrap_or(format!("{micros}us")));
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("5m"), Some(300 * SECOND));
        assert_eq!(duration("1h30m"), Some(5400 * SECOND));
        assert_eq!(duration("500ms"), Some(500_000));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("m"), None);
        assert_eq!(duration("5 m"), None);
        assert_eq!(duration("9999999999999d"), None);
        assert_eq!(duration(""), None);
    }
}
