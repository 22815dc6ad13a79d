//! Times that a statement writes with an offset or a zone, which DuckDB's TIMESTAMP would pass over in silence.
//!
//! In comes a statement, out comes what is wrong with it. `ts > '2026-01-15 10:00:00+02'` asks for events from 10:00 UTC on;
//! whoever wrote that wanted 8:00. TIMESTAMPTZ reads offsets, but no names of zones without ICU.

use std::sync::LazyLock;

use regex::Regex;

use super::lex::{self, Kind, Token};
use crate::event::time;

/// A time, and after it an offset or the name of a zone.
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\s*(\d{4}-\d\d?-\d\d?)[ T](\d\d?:\d\d)(:\d\d(?:\.\d+)?)?\s*(?:([+-]\d\d?)(?::?(\d\d))?|([A-Z]{2,5}|[A-Za-z]+/[\w/+-]+))\s*$";
    Regex::new(pattern).expect("the pattern is right")
});

/// Words before a text that say how it is read, or that it is none to be read as a time.
const READ_RIGHT: [&str; 8] = ["timestamptz", "zone", "varchar", "text", "like", "ilike", "similar", "glob"];
/// Words before a parenthesis that are no functions.
const NO_FUNCTIONS: [&str; 15] = [
    "in", "and", "or", "not", "where", "when", "then", "else", "between", "having", "on", "select", "values", "cast",
    "try_cast",
];

/// What is wrong with the times in a statement, if anything.
pub(super) fn check(sql: &str) -> Result<(), String> {
    let tokens: Vec<Token<'_>> = lex::tokens(sql).filter(|t| !matches!(t.kind, Kind::Blank | Kind::Comment)).collect();
    let wrong = |at: &usize| tokens[*at].kind == Kind::Text && !is_read_right(&tokens, *at);
    (0..tokens.len()).filter(wrong).try_for_each(|at| value(tokens[at].text.trim_matches('\'')))
}

/// What is wrong with a text where a time may be meant.
pub(super) fn value(text: &str) -> Result<(), String> {
    let Some(found) = TIME.captures(text) else { return Ok(()) };
    let part = |at: usize| found.get(at).map(|m| m.as_str());
    if let Some(zone) = part(6) {
        return match zone.to_ascii_lowercase().as_str() {
            "z" | "utc" | "gmt" | "etc/utc" | "am" | "pm" => Ok(()),
            _ => Err(format!("times are UTC, and the zone of '{text}' would be passed over: write the time in UTC")),
        };
    }
    let (hours, minutes) = (part(4).unwrap_or_default(), part(5).unwrap_or("00"));
    if [&hours[1..], minutes].iter().all(|digits| digits.trim_matches('0').is_empty()) {
        return Ok(());
    }
    let (day, clock) = (part(1).unwrap_or_default(), part(2).unwrap_or_default());
    let rfc3339 = format!("{day}T{clock}{}{}{:0>2}:{minutes}", part(3).unwrap_or(":00"), &hours[..1], &hours[1..]);
    let same = time::parse_rfc3339(&rfc3339).map_or_else(
        || "the time in UTC".to_owned(),
        |micros| format!("'{}', which is that time in UTC", time::rfc3339(micros).replace(".000000", "")),
    );
    Err(format!(
        "times are UTC, and the offset of '{text}' would be passed over: write {same} (or TIMESTAMPTZ before it; a text that \
         is no time takes ::VARCHAR after it)"
    ))
}

/// Whether this text is read with its offset, or not as a time at all.
fn is_read_right(tokens: &[Token<'_>], at: usize) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |t| t.text);
    let is = |at: Option<usize>, words: &[&str]| words.iter().any(|w| w.eq_ignore_ascii_case(word(at)));
    let (before, twice) = (at.checked_sub(1), at.checked_sub(2));
    let is_name = |at: Option<usize>| at.is_some_and(|at| tokens[at].kind == Kind::Word);
    let of_function = word(before) == "(" && is_name(twice) && !is(twice, &NO_FUNCTIONS);
    let ty = match word(Some(at + 1)) {
        ":" if word(Some(at + 2)) == ":" => Some(at + 3),
        as_word if as_word.eq_ignore_ascii_case("as") => Some(at + 2),
        _ => None,
    };
    let with_zone = is(ty.map(|at| at + 1), &["with"]);
    is(before, &READ_RIGHT) || of_function || (ty.is_some() && (is(ty, &READ_RIGHT) || with_zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_whose_offset_would_be_lost_are_refused() {
        for sql in [
            "SELECT 1 FROM events WHERE ts > '2026-01-15 10:00:00+02'",
            "SELECT timestamp '2026-01-15T10:00:00+02:00'",
            "SELECT '2026-01-15 10:00+0230'::timestamp",
            "SELECT CAST('2026-01-15 10:00:00.5-05' AS TIMESTAMP)",
            "FROM events WHERE ts BETWEEN '2026-01-15' AND '2026-01-16 00:00:00 +01:00'",
            "FROM events WHERE ts IN ('2026-01-15 10:00:00+02')",
            "SELECT date_diff('hour', '2026-01-15 10:00:00+02', ts) FROM events",
            "SELECT timestamp '2026-01-15 10:00:00 Europe/Berlin'",
            "SELECT timestamptz '2026-01-15 10:00:00+02' > '2026-01-15 10:00:00+02'",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
        for sql in [
            "SELECT 1 FROM events WHERE ts > '2026-01-15 10:00:00Z'",
            "SELECT timestamp '2026-01-15 10:00:00+00', '2026-01-15 10:00:00 UTC'::timestamp",
            "SELECT TIMESTAMPTZ '2026-01-15 10:00:00+02', timestamp with time zone '2026-01-15 10:00:00+02'",
            "SELECT '2026-01-15 10:00:00+02'::timestamptz, CAST('2026-01-15 10:00:00+02' AS TIMESTAMP WITH TIME ZONE)",
            "SELECT '2026-01-15 10:00:00+02'::varchar, '2026-01-15 10:00:00+02' :: TIMESTAMP WITH TIME ZONE",
            "SELECT strptime('2026-01-15 10:00 +0200', '%Y-%m-%d %H:%M %z')",
            "FROM events WHERE message LIKE '2026-01-15 10:00:00+02' -- '2026-01-15 10:00:00+02'",
            "SELECT '2026-01-15', '10:00+02', 'a 2026-01-15 10:00:00+02', '2026-01-15 10:00 root'",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn the_same_time_in_utc_is_told() {
        let told = check("SELECT timestamp '2026-1-15 10:00+02'").unwrap_err();
        assert!(!told.contains("which is"), "a day of one digit is not RFC 3339: {told}");
        let told = check("SELECT timestamp '2026-01-15 10:00+02'").unwrap_err();
        assert!(told.contains("write '2026-01-15T08:00:00Z', which is that time in UTC"), "{told}");
        let told = value("2026-01-15T10:00:00.250-0530").unwrap_err();
        assert!(told.contains("'2026-01-15T15:30:00.250000Z'"), "{told}");
    }
}
