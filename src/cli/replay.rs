//! `weir replay`: archived events through the same rules.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use super::alerts::{self, Output};
use super::input::{Rules, Workers, instant};
use crate::archive;
use crate::engine::batch::{self, Feed, Needs};

/// Run the rules over archived events
///
/// Takes a data folder or single Parquet files and prints the alerts: the same, with the same ids, as
/// the run that archived the events. Lists are taken as their files are now: an alert that depended on what stood in
/// one before differs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir replay weir-data
  weir replay weir-data --rules new-rules --from 2026-01-01
  weir replay weir-data/events/date=2026-01-15/part-1.parquet --output json

Exit codes: 0 no alert, 1 some, 2 an error.")]
pub(super) struct Arguments {
    /// A data folder, or Parquet files
    #[arg(required = true, value_name = "DIR|FILE.parquet")]
    sources: Vec<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    /// Only events at or after this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<i64>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<i64>,
    /// How alerts are printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    workers: Workers,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let rules = arguments.rules.load()?;
    let range = arguments.from.unwrap_or(i64::MIN)..=arguments.to.map_or(i64::MAX, |t| t - 1);
    let needs = Needs::new(&rules.program);
    let open = |source: &Path| {
        let reader = archive::read(source, Some(&needs.columns), range.clone());
        let reader = reader.with_context(|| format!("cannot replay {}", source.display()))?;
        anyhow::Ok(reader.only(needs.keep()))
    };
    // What cannot be opened is said before anything is read.
    arguments.sources.iter().try_for_each(|source| open(source).map(drop))?;
    let bar = super::progress::count("replaying", "events");
    // An archive tells how far the run that wrote it had come.
    let end = match &arguments.sources[..] {
        [folder] => archive::end_of_time(folder)?,
        _ => None,
    };
    let until = arguments.to.map_or(end, |to| Some(end.map_or(to, |end| end.min(to))));
    let settings = batch::Settings {
        program: rules.program,
        workers: arguments.workers.count(),
        archive: None,
        once: false,
        until,
    };
    let (events, mut alerts) = batch::run(
        &settings,
        &|feed: &mut Feed| -> anyhow::Result<(u64, u64)> {
            let (mut events, mut skipped) = (0, 0);
            for source in &arguments.sources {
                let mut reader = open(source)?;
                for batch in &mut reader {
                    let batch = batch?;
                    events += batch.len() as u64;
                    bar.set_position(events);
                    if feed.send(batch).is_err() {
                        return Ok((events, skipped));
                    }
                }
                let left_out = reader.skipped();
                skipped += left_out.events;
                if left_out.events > 0 && feed.passed(left_out.latest).is_err() {
                    break;
                }
            }
            Ok((events, skipped))
        },
        &|phase| bar.set_message(phase.word()),
    )?;
    bar.finish_and_clear();
    let (events, skipped) = events?;
    let count = alerts.len();
    alerts::write(&mut alerts, arguments.output)?;
    let unread =
        if skipped > 0 { format!(", {skipped} more left unread: no rule can match them") } else { String::new() };
    eprintln!("{events} events replayed in {:.2} s{unread}; {count} alerts", started.elapsed().as_secs_f64());
    Ok(match () {
        () if rules.broken => ExitCode::from(2),
        () if count == 0 => ExitCode::SUCCESS,
        () => ExitCode::from(1),
    })
}
