//! An alert as a line of text.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::alert::{Alert, Severity};
use crate::event::printable::printable;
use crate::event::time::with_rfc3339;

/// Digits of an id, which are enough for `weir why`, and what is left of it behind them, bits.
const SHORT: usize = 12;
const REST: usize = 128 - SHORT * 4;
/// Digits of an instant, and of its day.
const SECONDS: usize = 19;
const DAY: usize = 10;

/// Writes the line of an alert, with its end.
pub(in crate::cli) fn write_line(alert: &Alert, out: &mut (impl Write + ?Sized), color: bool) -> io::Result<()> {
    let Alert { id, rule, severity, title, key, first, last, count, .. } = alert;
    let (paint, plain) = if color { (paint(*severity), "\x1b[0m") } else { ("", "") };
    with_rfc3339(*first, |first| {
        let (day, time) = instant(first);
        let blanks = &"               "[severity.word().len()..];
        for text in [day, " ", time, "  ", paint, severity.word(), plain, blanks] {
            out.write_all(text.as_bytes())?;
        }
        write!(out, "{:0SHORT$x}  {}", (id.0 >> REST) as u64, printable(title))?;
        for (field, value) in key {
            let value = value.as_str().map_or_else(|| value.to_string().into(), Cow::from);
            if !title.contains(&*value) {
                write!(out, "  {field}={}", printable(&value))?;
            }
        }
        write!(out, "  [{rule}]")?;
        if *count > 1 {
            write!(out, "  {count} events until ")?;
            with_rfc3339(*last, |last| {
                let (until, time) = instant(last);
                if until != day {
                    write!(out, "{until} ")?;
                }
                out.write_all(time.as_bytes())
            })?;
        }
        out.write_all(b"\n")
    })
}

/// Day and time of an RFC 3339 text, to the second.
fn instant(text: &str) -> (&str, &str) {
    (text.get(..DAY).unwrap_or(text), text.get(DAY + 1..SECONDS).unwrap_or_default())
}

fn paint(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "\x1b[36m",
        Severity::Low => "\x1b[34m",
        Severity::Medium => "\x1b[33m",
        Severity::High => "\x1b[31m",
        Severity::Critical => "\x1b[1;31m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertId;

    #[test]
    fn a_line_says_what_when_and_by_which_rule() {
        let mut key = serde_json::Map::new();
        key.insert("source.ip".to_owned(), "203.0.113.7".into());
        key.insert("destination.port".to_owned(), 22.into());
        key.insert("user.name".to_owned(), "a\"\u{1b}b".into());
        let hour = 3600 * 1_000_000;
        let alert = Alert {
            id: AlertId(0xabcdef01_23456789_00000000_00000000),
            rule: "guessed".to_owned(),
            severity: Severity::High,
            title: "203.0.113.7 guesses\u{7} \"ü\"".to_owned(),
            key,
            first: hour,
            last: 2 * hour,
            count: 3,
            evidence: Vec::new(),
            attack: vec!["T1110".to_owned()],
            tags: Vec::new(),
            runbook: None,
            risk: Some(3),
        };
        let write = |alert: &Alert, color: bool| {
            let mut out = Vec::new();
            write_line(alert, &mut out, color).unwrap();
            String::from_utf8(out).unwrap()
        };
        let expected = "1970-01-01 01:00:00  high           abcdef012345  203.0.113.7 guesses\u{fffd} \"ü\"  \
                        destination.port=22  user.name=a\"\u{fffd}b  [guessed]  3 events until 02:00:00\n";
        assert_eq!(write(&alert, false), expected);
        let days = Alert { last: 48 * hour, ..alert };
        assert!(write(&days, true).ends_with("3 events until 1970-01-03 00:00:00\n"));
        assert!(write(&days, true).contains("\x1b[31mhigh\x1b[0m           "));
        let once = Alert { count: 1, ..days };
        assert!(write(&once, false).ends_with("[guessed]\n"));
    }
}
