//! What a literal means: escapes of texts, numbers, sizes, times, addresses and networks.

use std::net::IpAddr;

use super::plan::Network;
use crate::event::is_canonical_v4;

/// The units of sizes, and how many bytes each is.
pub(super) const SIZES: &[(&str, i128)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A whole number, perhaps with a size unit: `10`, `-3`, `1_000`, `100MB` (10^6), `1GiB` (2^30).
pub(super) fn number(text: &str) -> Option<i128> {
    let (digits, unit) = split(text)?;
    let scale = if unit.is_empty() { 1 } else { SIZES.iter().find(|(word, _)| *word == unit)?.1 };
    digits.checked_mul(scale)
}

/// A number with at most three decimals, in thousandths: `4`, `2.5`, `99.9`.
pub(super) fn thousandths(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| (1..=9).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    Some(whole.parse::<i64>().ok()? * 1000 + format!("{decimals:0<3}").parse::<i64>().ok()?)
}

/// An instant in µs: `2027-01-01` (its first instant, UTC) or RFC 3339.
pub(super) fn instant(text: &str) -> Option<i64> {
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_microsecond());
    }
    crate::event::time::parse_rfc3339(text)
}

/// An address, as address columns spell it (IPv4-mapped IPv6 becomes IPv4).
pub(super) fn address(text: &str) -> Option<String> {
    // Most are, and lists have many.
    if is_canonical_v4(text.as_bytes()) {
        return Some(text.to_owned());
    }
    text.parse::<IpAddr>().ok().map(|a| a.to_canonical().to_string())
}

/// A network with its prefix length.
pub(super) fn network(text: &str) -> Option<Network> {
    if text.contains('/') { text.parse().ok() } else { None }
}

/// The leading whole number and the rest.
fn split(text: &str) -> Option<(i128, &str)> {
    let body = text.strip_prefix('-').unwrap_or(text);
    let end = body.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(body.len());
    let digits: String = body[..end].chars().filter(|c| *c != '_').collect();
    let value: i128 = digits.parse().ok()?;
    Some((if body.len() == text.len() { value } else { -value }, &body[end..]))
}

/// Resolves escapes; `bad` is told of unknown ones with their offset.
pub(super) fn unescape(body: &str, mut bad: impl FnMut(usize, &str)) -> String {
    let mut out = String::with_capacity(body.len());
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some((_, 'n')) => out.push('\n'),
            Some((_, 'r')) => out.push('\r'),
            Some((_, 't')) => out.push('\t'),
            Some((_, c @ ('\\' | '"'))) => out.push(c),
            Some((_, c)) => {
                bad(at, &body[at..at + 1 + c.len_utf8()]);
                out.push(c);
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::time::{DAY, SECOND};

    #[test]
    fn numbers_and_sizes() {
        assert_eq!(number("1_000"), Some(1000));
        assert_eq!(number("-5"), Some(-5));
        assert_eq!(number("100MB"), Some(100_000_000));
        assert_eq!(number("1GiB"), Some(1 << 30));
        assert_eq!(number("1.5"), None);
        assert_eq!(number("5m"), None);
        assert_eq!(number("99999999999999999999999999999999999999999999"), None);
    }

    #[test]
    fn decimals() {
        assert_eq!(thousandths("4"), Some(4000));
        assert_eq!(thousandths("2.5"), Some(2500));
        assert_eq!(thousandths("99.999"), Some(99_999));
        assert_eq!(thousandths("0.001"), Some(1));
        for wrong in ["", "-1", "1.", ".5", "1.2345", "1.2.3", "4x", "1e3", "9999999999"] {
            assert_eq!(thousandths(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn instants() {
        assert_eq!(instant("1970-01-02"), Some(DAY));
        assert_eq!(instant("1970-01-01T00:00:01Z"), Some(SECOND));
        assert_eq!(instant("2027-13-01"), None);
        assert_eq!(instant("tomorrow"), None);
    }

    #[test]
    fn addresses() {
        assert_eq!(address("::ffff:10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(address("2001:DB8:0::1").as_deref(), Some("2001:db8::1"));
        assert!(network("10.0.0.0/8").is_some() && network("10.0.0.1").is_none() && network("10.0.0.0/99").is_none());
    }
}
