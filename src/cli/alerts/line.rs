//! An alert as a line of text.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::alert::{Alert, Severity};
use crate::event::printable::printable;
use crate::event::time::rfc3339;

/// Digits of an id, which are enough for `weir why`.
const SHORT: usize = 12;
/// Digits of an instant, and of its day.
const SECONDS: usize = 19;
const DAY: usize = 10;

/// What of an alert stands in its line. From JSON it is read without making the alert, as there may be hundreds of thousands.
#[derive(Deserialize)]
pub(in crate::cli) struct Line<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    rule: Cow<'a, str>,
    severity: Severity,
    #[serde(borrow)]
    title: Cow<'a, str>,
    key: Cow<'a, Map<String, Value>>,
    /// RFC 3339, as `last`.
    #[serde(borrow)]
    first: Cow<'a, str>,
    #[serde(borrow)]
    last: Cow<'a, str>,
    count: u64,
}

impl<'a> From<&'a Alert> for Line<'a> {
    fn from(alert: &'a Alert) -> Line<'a> {
        Line {
            id: alert.id.to_string().into(),
            rule: (&alert.rule).into(),
            severity: alert.severity,
            title: (&alert.title).into(),
            key: Cow::Borrowed(&alert.key),
            first: rfc3339(alert.first).into(),
            last: rfc3339(alert.last).into(),
            count: alert.count,
        }
    }
}

impl Line<'_> {
    /// Writes it, with its end.
    pub(in crate::cli) fn write(&self, out: &mut impl Write, color: bool) -> io::Result<()> {
        let (paint, plain) = if color { (paint(self.severity), "\x1b[0m") } else { ("", "") };
        let (day, time) = instant(&self.first);
        let short = self.id.get(..SHORT).unwrap_or(&self.id);
        let (severity, title) = (self.severity.word(), printable(&self.title));
        let blanks = &"               "[severity.len()..];
        for text in [day, " ", time, "  ", paint, severity, plain, blanks, short, "  ", &*title] {
            out.write_all(text.as_bytes())?;
        }
        for (field, value) in self.key.iter() {
            let value = value.as_str().map_or_else(|| value.to_string().into(), Cow::from);
            if !self.title.contains(&*value) {
                write!(out, "  {field}={}", printable(&value))?;
            }
        }
        for text in ["  [", &*self.rule, "]"] {
            out.write_all(text.as_bytes())?;
        }
        if self.count > 1 {
            write!(out, "  {} events until ", self.count)?;
            let (until, time) = instant(&self.last);
            if until != day {
                write!(out, "{until} ")?;
            }
            out.write_all(time.as_bytes())?;
        }
        out.write_all(b"\n")
    }
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
    fn a_line_is_the_same_of_an_alert_and_of_its_json() {
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
        let write = |line: Line, color: bool| {
            let mut out = Vec::new();
            line.write(&mut out, color).unwrap();
            String::from_utf8(out).unwrap()
        };
        let mut json = Vec::new();
        let head = alert.write_json(&mut json);
        let mut head = json[..head].to_vec();
        head.push(b'}');
        let expected = "1970-01-01 01:00:00  high           abcdef012345  203.0.113.7 guesses\u{fffd} \"ü\"  \
                        destination.port=22  user.name=a\"\u{fffd}b  [guessed]  3 events until 02:00:00\n";
        assert_eq!(write(Line::from(&alert), false), expected);
        for json in [json, head] {
            assert_eq!(write(serde_json::from_slice(&json).unwrap(), false), expected);
        }
        let days = Alert { last: 48 * hour, ..alert };
        assert!(write(Line::from(&days), true).ends_with("3 events until 1970-01-03 00:00:00\n"));
        assert!(write(Line::from(&days), true).contains("\x1b[31mhigh\x1b[0m           "));
        let once = Alert { count: 1, ..days };
        assert!(write(Line::from(&once), false).ends_with("[guessed]\n"));
    }
}
