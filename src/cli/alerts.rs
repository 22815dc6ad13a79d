//! Alerts on the terminal: text for people, NDJSON for programs.

use std::io::{self, Write};

mod line;
pub(super) mod parquet;

pub(super) use line::write_line;

use crate::alert::Alert;
use crate::engine::findings::{Findings, Wanted};

/// How alerts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// A line an alert, for people
    Text,
    /// A JSON object a line
    Json,
}

/// Bytes that are written at once.
pub(super) const BUFFER: usize = 256 << 10;

/// Whether standard output shows colours.
pub(super) fn has_color() -> bool {
    super::input::color(&io::stdout())
}

impl Output {
    /// What is wanted of alerts that are written so.
    pub(super) fn wanted(self, color: bool) -> Wanted {
        match (self, color) {
            (Output::Json, _) => Wanted::Json,
            (Output::Text, false) => Wanted::Line(|alert, out| append(alert, out, false)),
            (Output::Text, true) => Wanted::Line(|alert, out| append(alert, out, true)),
        }
    }
}

fn append(alert: &Alert, out: &mut Vec<u8>, color: bool) {
    write_line(alert, out, color).expect("memory takes all");
}

/// Writes all alerts to standard output.
pub(super) fn print(alerts: &mut Findings) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    write(alerts, &mut out)?;
    out.flush()
}

/// Writes what is wanted of all alerts, a line each.
pub(super) fn write(alerts: &mut Findings, out: &mut dyn Write) -> io::Result<()> {
    let end: &[u8] = match alerts.wanted() {
        Wanted::Json => b"\n",
        Wanted::Line(_) => b"",
    };
    alerts.for_each(|text| {
        out.write_all(text)?;
        out.write_all(end)
    })
}
