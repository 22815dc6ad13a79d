//! Values of events as people read them. In: a field and a row of a batch. Out: text.

use crate::event::batch::{EventBatch, LIST_SEPARATOR, dictionary_value};
use crate::event::field::Type;
use crate::event::printable;
use crate::event::time::{self, SECOND, rfc3339};
use crate::rule::plan::{FieldRef, Tuple};

/// A value longer than this is cut, in characters.
const WIDEST: usize = 160;

/// The texts of a field: the elements of a list, else one; none when it is missing or no text.
pub(super) fn elements<'b>(field: &FieldRef, batch: &'b EventBatch, row: usize) -> Vec<&'b str> {
    let text = match field {
        FieldRef::Column(id) => batch.text(*id, row),
        FieldRef::Extra(name) => batch.extra(name).and_then(|d| dictionary_value(d, row)),
    };
    match text {
        Some(text) if field.ty() == Type::TextList => text.split(LIST_SEPARATOR).collect(),
        Some(text) => vec![text],
        None => Vec::new(),
    }
}

/// The values of fields side by side, as a match row carries them.
pub(super) fn tuple(fields: &[FieldRef], batch: &EventBatch, row: usize) -> Tuple {
    let values: Vec<Option<String>> = fields.iter().map(|f| batch.shown(f, row)).collect();
    Tuple::new(values.iter().map(Option::as_deref))
}

/// Log text may hold escape sequences, and may be long: what a terminal can be given of it.
pub(super) fn printable(text: &str) -> String {
    let short: String = text.chars().take(WIDEST).collect();
    let mut out = printable::printable(&short).into_owned();
    if text.chars().nth(WIDEST).is_some() {
        out.push('…');
    }
    out
}

/// `2026-01-15 10:23:14`, with as many digits of a second as the instant has.
pub(super) fn instant(micros: i64) -> String {
    let text = rfc3339(micros);
    match text.split_once('T') {
        Some((day, clock)) => {
            format!("{day} {}", clock.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.'))
        }
        None => text,
    }
}

/// The time of day alone, where `beside` is of the same day.
pub(super) fn instant_beside(micros: i64, beside: i64) -> String {
    let text = instant(micros);
    match text.split_once(' ') {
        Some((day, clock)) if time::day(beside) == day => clock.to_owned(),
        _ => text,
    }
}

/// `41 s`, `0.25 s`, `2 h 5 min`, `14 d`: of a length of time in µs.
pub(super) fn duration(micros: i64) -> String {
    if micros < 0 {
        return format!("-{}", duration(micros.saturating_neg()));
    }
    // Up to ten minutes people think in seconds.
    if micros < 600 * SECOND {
        let (whole, rest) = (micros / SECOND, micros % SECOND);
        let digits = format!("{rest:06}");
        let digits = digits.trim_end_matches('0');
        return if digits.is_empty() { format!("{whole} s") } else { format!("{whole}.{digits} s") };
    }
    let units = [(time::DAY, "d"), (3600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s")];
    let mut rest = micros;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    parts.truncate(3);
    parts.join(" ")
}

/// Whether a field counts bytes.
pub(super) fn is_bytes(field: &FieldRef) -> bool {
    field.ty().is_number() && field.name().ends_with("bytes")
}

/// A number, of bytes in the unit that people use for so many.
pub(super) fn amount(number: i128, bytes: bool) -> String {
    let size = number.unsigned_abs();
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(unit, _)| bytes && size >= *unit) {
        Some((unit, name)) => {
            let tenths = (size + unit / 20) / (unit / 10);
            let sign = if number < 0 { "-" } else { "" };
            match tenths % 10 {
                0 => format!("{sign}{} {name}", tenths / 10),
                rest => format!("{sign}{}.{rest} {name}", tenths / 10),
            }
        }
        None if bytes => format!("{number} B"),
        None => grouped(number),
    }
}

/// `12,345`
pub(super) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 event`, `3 events`
pub(super) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number as i128))
}

/// `1st`, `2nd`, `13th`
pub(super) fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{}{ending}", grouped(number as i128))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(duration(41 * SECOND), "41 s");
        assert_eq!(duration(250_000), "0.25 s");
        assert_eq!(duration(7_500 * SECOND), "2 h 5 min");
        assert_eq!(duration(-4 * SECOND), "-4 s");
        assert_eq!(amount(80_000_000, true), "80 MB");
        assert_eq!(amount(1_260, true), "1.3 kB");
        assert_eq!(amount(999, true), "999 B");
        assert_eq!(amount(-12_345, false), "-12,345");
        assert_eq!(["1st", "2nd", "3rd", "11th", "112th"], [1, 2, 3, 11, 112].map(ordinal).map(|s| s.leak() as &str));
        assert_eq!(instant(1_768_473_045_000_000), "2026-01-15 10:30:45");
        assert_eq!(instant(1_768_473_045_250_000), "2026-01-15 10:30:45.25");
        assert_eq!(instant_beside(1_768_473_045_000_000, 1_768_473_040_000_000), "10:30:45");
        assert_eq!(printable("a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }
}
