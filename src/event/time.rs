//! Instants are microseconds since 1970-01-01T00:00:00Z in an `i64`; this is how they are read and written.

/// One second, in microseconds.
pub const SECOND: i64 = 1_000_000;
/// One day, in microseconds.
pub const DAY: i64 = 86_400 * SECOND;

/// RFC 3339 in UTC, always with six digits of a second: `2026-01-15T10:30:45.000000Z`.
pub fn rfc3339(micros: i64) -> String {
    match jiff::Timestamp::from_microsecond(micros) {
        Ok(instant) => format!("{instant:.6}"),
        Err(_) => format!("{micros}us"),
    }
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
    }
}
