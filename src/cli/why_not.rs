//! `weir why-not`: why a rule did not fire for a key.

use std::path::PathBuf;
use std::process::ExitCode;

use super::input::{Rules, instant, range};
use super::store::Store;
use super::why::Output;
use crate::event::EventId;
use crate::why::{self, Asked};

/// Say why a rule did not fire for a key, and by how much
///
/// Runs the rule over the archive for one key and names the nearest miss: "2 of 3 events within 5m; the 3rd came 4 s too
/// late", a step that no event satisfied and what the nearest events lacked, steps in another order, a chain
/// broken by `until`, an exception, a sum that fell short, a value that was not new. A key that no event has is answered
/// with the values that are near. If the rule did fire, its alerts are shown. A rule over alerts looks at the
/// alerts that stand; events are judged by what stood in lists when they came.
#[derive(clap::Args)]
#[command(after_help = "\
KEY is FIELD=VALUE for every field that the rule counts `by`. A rule without a key takes --event, or --from and --to;
--event with any rule shows each test of each step on that event, and takes the key from it.

Examples:
  weir why-not ssh_bruteforce source.ip=203.0.113.7
  weir why-not ssh_bruteforce source.ip=203.0.113.7 --from 2026-01-15T10:00:00Z --to 2026-01-15T12:00:00Z
  weir why-not new_country user.name=alice --data case-17 --rules my-rules
  weir why-not log_cleared --event 019bc0de-0000-8000-8000-000000000000
  weir why-not ssh_bruteforce source.ip=203.0.113.7 --output json | jq '.findings[0].text'

Exit codes: 0 it did not fire (and this is why), 1 it fired, 2 an error.")]
pub(super) struct Arguments {
    /// The rule's name
    #[arg(value_name = "RULE")]
    rule: String,
    /// FIELD=VALUE, for each field of the rule's key
    #[arg(value_name = "KEY")]
    key: Vec<String>,
    /// An event by its id (event.id)
    #[arg(long, value_name = "ID", value_parser = event)]
    event: Option<EventId>,
    /// Only what ends at or after this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<i64>,
    /// Only what starts before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<i64>,
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

fn event(text: &str) -> Result<EventId, String> {
    text.parse().map_err(|_| "an event id looks like 019bc0de-0000-8000-8000-000000000000; event.id in SQL".to_owned())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    arguments.store.read(&arguments.data)?;
    let (rules, then) = arguments.rules.over_time(&arguments.data)?;
    let rules = why::Rules { now: &rules.program, then: &then };
    let Arguments { rule, key, event, from, to, data, output, .. } = arguments;
    range(from, to)?;
    let verdict = why::why_not(&data, rules, &Asked { rule, key, event, from, to })?;
    output.write(&|| verdict.text(), &verdict)?;
    Ok(if verdict.fired.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
