//! `weir scan`: look for attacks in files, once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::alerts::{self, Output};
use super::input::{Reading, Rules, Workers};
use crate::archive::BulkWriter;
use crate::collect::file;
use crate::engine::batch::{self, Feed, Phase};
use crate::ingest::{Counts, Ingest};

/// Look for attacks in log files, once, and print the alerts
///
/// Reads plain, gzip and zstd files and whole folders; `-` is standard input. The order of the lines
/// does not matter: a file taken whole has no late events.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir scan /var/log/auth.log /var/log/nginx/access.log
  zcat old/*.gz | weir scan - --format sshd
  weir scan auth.log --output json | jq -r .title
  weir scan /var/log --data case-17 && weir sql --data case-17 --saved top-sources

Exit codes: 0 no alert, 1 some, 2 an error (a file that could not be read, a rule that does not compile).")]
pub(super) struct Arguments {
    /// Files or folders to read; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    reading: Reading,
    /// Also archive the events in this folder, for SQL and replay
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How alerts are printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    workers: Workers,
}

#[derive(Default)]
struct Read {
    files: u64,
    bytes: u64,
    counts: Counts,
    failed: Vec<String>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let rules = arguments.rules.load()?;
    let settings = arguments.reading.settings()?;
    let (paths, mut failed) = file::expand(&arguments.files);
    let archive = arguments.data.as_deref().map(BulkWriter::open).transpose()?;
    let total: u64 = paths.iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum();
    let bar = super::progress::bytes(total, "reading");
    let position = AtomicU64::new(0);
    let (mut read, alerts) = batch::run(
        batch::Settings { program: rules.program, workers: arguments.workers.count(), archive },
        |feed| {
            let mut read = Read::default();
            for path in &paths {
                if read_one(path, &arguments.reading, &settings, feed, &mut read, |bytes| {
                    bar.set_position(position.fetch_add(bytes, Ordering::Relaxed) + bytes);
                })
                .is_err()
                {
                    break;
                }
            }
            read
        },
        &|phase| bar.set_message(match phase {
            Phase::Archiving => "archiving",
            Phase::Correlating => "correlating",
        }),
    )?;
    bar.finish_and_clear();
    alerts::write(&alerts, arguments.output)?;
    failed.append(&mut read.failed);
    for failure in &failed {
        eprintln!("weir: {failure}");
    }
    summary(&read, alerts.len(), started);
    Ok(match () {
        () if !failed.is_empty() || rules.broken => ExitCode::from(2),
        () if alerts.is_empty() => ExitCode::SUCCESS,
        () => ExitCode::from(1),
    })
}
