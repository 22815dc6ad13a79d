//! `weir why`: an alert explained step by step.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::input::Rules;
use super::store::Store;
use crate::why;

/// Explain an alert step by step
///
/// Reads the events around the alert from the archive (of a rule over alerts: the alerts that stand) and shows the rule
/// in one sentence, which event satisfied which step and by which of its values, which condition was met when, how the
/// episode grew, which exceptions did not apply, and what was said of the alert: added, changed, superseded,
/// withdrawn. The first few digits of an id do. Rules that were changed or removed since are named as such.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir why 3f9c01                              an alert of ./weir-data, by the beginning of its id
  weir why 3f9c01 --data case-17 --rules my-rules
  weir why 3f9c01 --output json | jq .met
  weir sql \"SELECT id, rule, title FROM alerts ORDER BY first DESC LIMIT 10\"
                                               ids of the latest alerts
  weir why-not ssh_bruteforce source.ip=203.0.113.7
                                               the other way round: why is there no alert?

Exit codes: 0 explained, 2 an error (no such alert, several whose ids start so).")]
pub(super) struct Arguments {
    /// The alert's id, or its first digits
    #[arg(value_name = "ALERT")]
    alert: String,
    /// Data folder
    #[arg(long, value_name = "DIR", default_value = "weir-data", env = "WEIR_DATA")]
    data: PathBuf,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    rules: Rules,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// How an explanation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people
    Text,
    /// One JSON object
    Json,
}

impl Output {
    /// Writes the one or the other to standard output.
    pub(super) fn write(self, text: &dyn Fn() -> String, json: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match self {
            Output::Text => out.write_all(text().as_bytes())?,
            Output::Json => writeln!(out, "{}", serde_json::to_string(json)?)?,
        }
        Ok(out.flush()?)
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    arguments.store.read(&arguments.data)?;
    let (rules, then) = arguments.rules.over_time(&arguments.data)?;
    let rules = why::Rules { now: &rules.program, then: &then };
    let explanation = why::why(&arguments.data, rules, &arguments.alert)?;
    arguments.output.write(&|| explanation.text(), &explanation)?;
    Ok(ExitCode::SUCCESS)
}
