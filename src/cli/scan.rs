//! `weir scan`: look for attacks in files, once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::alerts::{self, Output};
use super::input::{Loaded, Reading, Rules, Workers};
use super::store::Writing;
use crate::archive;
use crate::collect::file;
use crate::engine::batch::{self, Closed, Feed};
use crate::ingest::{self, Counts, Ingest};

/// Look for attacks in log files, once, and print the alerts
///
/// Reads plain, gzip and zstd files and whole folders; `-` is standard input. The order of the lines
/// does not matter: a file taken whole has no late events.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir scan /var/log/auth.log /var/log/nginx/access.log
  zcat old/*.gz | weir scan - --format syslog
  weir scan auth.log --output json | jq -r .title
  weir scan /var/log --data case-17; weir sql --data case-17 --saved top-sources

Exit codes: 0 no alert, 1 some, 2 an error (a file that could not be read, a rule that does not compile).")]
pub(super) struct Arguments {
    /// Files or folders to read; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    reading: Reading,
    /// Also archive the events in this folder, for SQL and replay; `weir run` goes on from there,
    /// in files too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    store: Writing,
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
    /// Cuts in lines that were too long.
    cuts: u64,
    failed: Vec<String>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    super::memory::small_pages();
    let rules = arguments.rules.load()?;
    let settings = arguments.reading.settings()?;
    let (paths, failed) = file::expand(&arguments.files);
    let (data, store) = (arguments.data.clone(), arguments.store.clone());
    if data.is_none() && arguments.store.is_named() {
        anyhow::bail!("--store is the home of a data folder: name that with --data");
    }
    let scan = || scan(arguments, rules, settings, paths, failed, started);
    match data {
        Some(data) if is_used(&data)? => Err(used(&data)),
        Some(data) => store.with(&data, || if is_used(&data)? { Err(used(&data)) } else { scan() }),
        None => scan(),
    }
}

fn is_used(data: &Path) -> anyhow::Result<bool> {
    Ok(archive::greatest_time(data)?.is_some() || archive::alerts_file(data).exists())
}

fn used(data: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "{} holds an archive already, and a second scan would count events twice: name a new folder with --data, \
         or look into this one with `weir replay` and `weir sql`",
        data.display()
    )
}

/// Reads the files, once it is sure that their events are archived nowhere yet.
fn scan(
    arguments: Arguments,
    rules: Loaded,
    settings: ingest::Settings,
    paths: Vec<PathBuf>,
    mut failed: Vec<String>,
    started: Instant,
) -> anyhow::Result<ExitCode> {
    // A pipe gives its lines once.
    let once = paths.iter().any(|p| !std::fs::metadata(p).is_ok_and(|m| m.is_file()));
    let total: u64 = paths.iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum();
    let bar = super::progress::bytes(total, "reading");
    let position = AtomicU64::new(0);
    let (mut read, mut alerts) = batch::run(
        &batch::Settings {
            program: rules.program,
            workers: arguments.workers.count(),
            archive: arguments.data,
            once,
            until: None,
            wanted: arguments.output.wanted(alerts::has_color()),
        },
        &|feed: &mut Feed| {
            let mut read = Read::default();
            position.store(0, Ordering::Relaxed);
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
        &|phase| bar.set_message(phase.word()),
    )?;
    bar.finish_and_clear();
    let count = alerts.len();
    alerts::print(&mut alerts)?;
    failed.append(&mut read.failed);
    for failure in &failed {
        eprintln!("weir: {failure}");
    }
    summary(&read, count, started);
    Ok(match () {
        () if !failed.is_empty() || rules.broken => ExitCode::from(2),
        () if count == 0 => ExitCode::SUCCESS,
        () => ExitCode::from(1),
    })
}

/// Reads one file into batches. A failure is noted and the next file goes on.
fn read_one(
    path: &Path,
    reading: &Reading,
    settings: &ingest::Settings,
    feed: &mut Feed,
    read: &mut Read,
    progress: impl Fn(u64),
) -> Result<(), Closed> {
    let mut blocks = match file::blocks(path, reading.format.as_deref()) {
        Ok(blocks) => blocks,
        Err(error) => {
            read.failed.push(error.to_string());
            return Ok(());
        }
    };
    read.files += 1;
    let mut ingest: Option<Ingest> = None;
    let mut batches = Vec::new();
    for block in blocks.by_ref() {
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                read.failed.push(error.to_string());
                break;
            }
        };
        let ingest = ingest.get_or_insert_with(|| Ingest::new(settings.clone(), block.source.clone()));
        read.bytes += block.lines.len() as u64;
        read.counts += ingest.push(&block, &mut batches);
        progress(block.lines.len() as u64);
        batches.drain(..).try_for_each(|batch| feed.send(batch))?;
        feed.reached(&block);
    }
    read.cuts += blocks.split_lines();
    Ok(())
}

fn summary(read: &Read, alerts: usize, started: Instant) {
    let c = &read.counts;
    let mut line = format!(
        "{} lines of {} in {:.2} s: {} events",
        c.lines,
        if read.files == 1 { "1 file".to_owned() } else { format!("{} files", read.files) },
        started.elapsed().as_secs_f64(),
        c.events,
    );
    for (count, what) in [
        (c.repeated, "from repeated messages"),
        (c.blank, "blank lines"),
        (c.parse_failures, "not understood, kept as they are"),
        (c.duplicates, "that came again under the same id, taken once"),
        (c.invalid_utf8, "not all in UTF-8, with \u{fffd} where it is not"),
        (read.cuts, "cut off from a line over 16 MiB"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    eprintln!("{line}; {alerts} {}", if alerts == 1 { "alert" } else { "alerts" });
    if c.events > 0 && c.parse_failures * 2 > c.events {
        eprintln!(
            "weir: most of this was not understood, so rules could not look at it: is it a log, and of a format that weir knows?"
        );
    }
}
