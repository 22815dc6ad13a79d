//! Alerts on the terminal: text for people, NDJSON for programs.

use std::io::{self, Write};

pub(super) mod parquet;

use crate::alert::{Alert, Severity};
use crate::engine::findings::Findings;
use crate::event::time::rfc3339;

/// How alerts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// A line an alert, for people
    Text,
    /// A JSON object a line
    Json,
}

/// Digits of an id, which are enough for `weir why`.
const SHORT: usize = 12;

/// Bytes that are written at once.
pub(super) const BUFFER: usize = 256 << 10;

/// Whether standard output shows colours.
pub(super) fn has_color() -> bool {
    super::input::color(&io::stdout())
}

/// Writes all alerts to standard output.
pub(super) fn print(alerts: &mut Findings, output: Output) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    write(alerts, output, &mut out, has_color())?;
    out.flush()
}

/// Writes all alerts.
pub(super) fn write(alerts: &mut Findings, output: Output, mut out: &mut dyn Write, color: bool) -> io::Result<()> {
    alerts.for_each(|json| match output {
        Output::Json => {
            out.write_all(json)?;
            out.write_all(b"\n")
        }
        Output::Text => line(&mut out, &serde_json::from_slice(json)?, color),
    })
}

/// Writes an alert as a line.
pub(super) fn line(out: &mut impl Write, alert: &Alert, color: bool) -> io::Result<()> {
    let (paint, plain) = if color { (paint(alert.severity), "\x1b[0m") } else { ("", "") };
    let seconds = |micros| rfc3339(micros)[..19].replace('T', " ");
    write!(
        out,
        "{}  {paint}{:<13}{plain}  {}  {}",
        seconds(alert.first),
        alert.severity,
        &alert.id.to_string()[..SHORT],
        printable(&alert.title)
    )?;
    for (field, value) in &alert.key {
        let value = value.as_str().unwrap_or_default();
        if !alert.title.contains(value) {
            write!(out, "  {field}={}", printable(value))?;
        }
    }
    write!(out, "  [{}]", alert.rule)?;
    if alert.count > 1 {
        let until = seconds(alert.last);
        let until = if until[..10] == seconds(alert.first)[..10] { &until[11..] } else { &until };
        write!(out, "  {} events until {until}", alert.count)?;
    }
    writeln!(out)
}

/// Log text may hold escape sequences; a terminal must not obey them.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
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
