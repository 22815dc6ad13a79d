//! Alerts on the terminal: text for people, NDJSON for programs.

use std::io::{self, Write};

mod line;
pub(super) mod parquet;

pub(super) use line::Line;

use crate::engine::findings::Findings;

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

/// Writes all alerts to standard output.
pub(super) fn print(alerts: &mut Findings, output: Output) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    write(alerts, output, &mut out, has_color())?;
    out.flush()
}

/// Writes all alerts.
pub(super) fn write(alerts: &mut Findings, output: Output, mut out: &mut dyn Write, color: bool) -> io::Result<()> {
    let mut alerts = alerts.sorted();
    (0..alerts.len()).try_for_each(|at| match output {
        Output::Json => {
            out.write_all(alerts.json(at)?)?;
            out.write_all(b"\n")
        }
        Output::Text => serde_json::from_slice::<Line>(alerts.brief(at)?)?.write(&mut out, color),
    })
}
