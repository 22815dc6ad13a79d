//! `weir archive`: what is kept, for how long, and where else.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::input::{instant, range};
use super::store::{self, Writing};
use crate::archive::remote;
use crate::archive::{self, Archive, Hold, Holds, Manifest, Retention, Selection, Settings};
use crate::engine::counted;
use crate::event::time;

/// See what is archived; hold, expire, compact, export and import it
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir archive status
  weir archive expire --keep 90d --keep nginx.access=30d --dry-run
  weir archive hold case-17 --from 2026-01-15 --to 2026-01-17 --reason 'subpoena of 3 March'
  weir archive export /mnt/case-17 --from 2026-01-15 --to 2026-01-17
  weir archive import /mnt/case-17 --data other-data
  weir archive upload --store s3://logs/site-a

`weir run --keep 90d` expires and compacts by itself. An age counts from when an event happened.
What a hold covers is kept, and so is what the windows of the rules that ran last still reach.

Exit codes: 0 done, 2 an error.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Data folder
    #[arg(long, value_name = "DIR", default_value = "weir-data", env = "WEIR_DATA", global = true)]
    data: PathBuf,
    #[command(flatten)]
    store: Writing,
}

#[derive(clap::Subcommand)]
enum What {
    /// How many events there are, of which datasets, since when, in how much space
    Status,
    /// Remove what is older or more than is to be kept
    Expire(Expire),
    /// Merge small files into large ones now
    Compact,
    /// Take a file that is lost or damaged for good off the list, so that the rest can be used
    Forget {
        /// Its path in the data folder: events/date=2026-01-15/part-7.parquet
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Bring what is in the data folder to its home in an object store, and wait for it
    Upload,
    /// Keep events whatever their age, until the hold is released
    Hold(HoldArguments),
    /// List the holds
    Holds,
    /// End a hold
    Release {
        /// What it is called
        name: String,
    },
    /// Copy events into another data folder, which weir sql, replay and why take like this one
    Export(Export),
    /// Copy events from other data folders, or Parquet files of one, into this one, each once
    Import {
        /// Data folders or Parquet files
        #[arg(required = true, value_name = "DIR|FILE.parquet")]
        sources: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Expire {
    /// How long or how much is kept: 90d, 50GB; of one dataset nginx.access=30d (repeatable)
    #[arg(long, value_name = "LIMIT", required = true)]
    keep: Vec<String>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
struct HoldArguments {
    /// What to call it: a case number, say
    name: String,
    #[command(flatten)]
    which: Which,
    /// Why, for whoever asks later
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(clap::Args)]
struct Export {
    /// The folder to make
    #[arg(value_name = "DIR")]
    target: PathBuf,
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args)]
struct Which {
    /// Only events at or after this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<i64>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<i64>,
    /// Only events of this dataset
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (data, home) = (&arguments.data, &arguments.store);
    match arguments.what {
        What::Import { sources } => {
            let copied = home.with(data, || copied(&sources, data, &Selection::default()))?;
            eprintln!("{copied} into {}; weir replay shows what they say", data.display());
        }
        What::Status => {
            present(home, data)?;
            status(data)?;
        }
        What::Expire(expire) if expire.dry_run => {
            present(home, data)?;
            self::expire(data, &expire)?;
        }
        What::Expire(expire) => change(home, data, || self::expire(data, &expire))?,
        What::Compact => change(home, data, || tidy(data, Retention::default()))?,
        What::Forget { file } => change(home, data, || forget(data, &file))?,
        What::Upload => upload(home, data)?,
        What::Hold(hold) => beside(home, data, || self::hold(data, hold))?,
        What::Holds => {
            present(home, data)?;
            holds(data)?;
        }
        What::Release { name } => beside(home, data, || release(data, &name))?,
        What::Export(export) => {
            present(home, data)?;
            self::export(data, &export)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// There is an archive, of a store as it is there now.
fn present(home: &Writing, data: &Path) -> anyhow::Result<()> {
    home.reading().read(data)?;
    match Manifest::load(data)? {
        Some(_) => Ok(()),
        None => Err(archive::ArchiveError::Missing(data.to_owned()).into()),
    }
}

/// Changes files of an archive.
fn change(home: &Writing, data: &Path, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if !home.reading().is_named() {
        present(home, data)?;
    }
    home.with(data, work)
}

/// Changes what lies beside the events, which may be done while weir runs: it uploads that itself.
fn beside(home: &Writing, data: &Path, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if !home.reading().is_named() {
        present(home, data)?;
    }
    match home.claim(data) {
        Ok(false) => work(),
        Ok(true) => {
            work()?;
            store::upload(data).map(drop)
        }
        Err(archive::ArchiveError::Locked(_)) => work(),
        Err(error) => Err(error.into()),
    }
}

fn upload(home: &Writing, data: &Path) -> anyhow::Result<()> {
    if !home.claim(data)? {
        bail!("{} is its own home: name a store with --store s3://BUCKET/PREFIX", data.display());
    }
    // What is in the log is a file then, and can be uploaded.
    Archive::open(data, Settings::default())?.close()?;
    let moved = store::upload(data)?;
    let home = remote::status(data)?.map_or_else(String::new, |status| format!(" in {}", status.address));
    eprintln!("{} with {} uploaded; all is{home}", counted(moved.files as usize, "file"), size(moved.bytes));
    Ok(())
}

fn release(data: &Path, name: &str) -> anyhow::Result<()> {
    if !Holds::release(data, name)? {
        bail!("there is no hold `{name}`; weir archive holds lists them");
    }
    eprintln!("{name} is released");
    Ok(())
}

fn status(data: &Path) -> anyhow::Result<()> {
    let held = archive::snapshot(data)?;
    let files = held.files();
    let (rows, bytes) = (files.iter().map(|f| f.rows).sum::<u64>(), files.iter().map(|f| f.bytes).sum::<u64>());
    let tail: usize = held.tail()?.iter().map(|batch| batch.len()).sum();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", data.display())?;
    writeln!(out, "  {} events in {}, {}", grouped(rows), counted(files.len(), "file"), size(bytes))?;
    if tail > 0 {
        writeln!(out, "  {} more in the log, which become a file within minutes", grouped(tail as u64))?;
    }
    let times = files.iter().map(|f| f.min_time).min().zip(files.iter().map(|f| f.max_time).max());
    if let Some((first, last)) = times {
        writeln!(out, "  from {} to {}", time::rfc3339(first), time::rfc3339(last))?;
    }
    if held.retired() > 0 {
        writeln!(out, "  {} replaced, and removed once nobody reads any more", counted(held.retired(), "file"))?;
    }
    if let Some(home) = remote::status(data)? {
        at_home(&mut out, &home)?;
    }
    let holds = Holds::load(data)?;
    if !holds.all().is_empty() {
        writeln!(out, "  {}: weir archive holds lists them", counted(holds.all().len(), "hold"))?;
    }
    let mut datasets: BTreeMap<&str, u64> = BTreeMap::new();
    for file in files {
        match &file.datasets {
            Some(counts) => counts.iter().for_each(|(name, rows)| *datasets.entry(name).or_default() += rows),
            None => *datasets.entry("(not counted yet)").or_default() += file.rows,
        }
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["dataset", "events"]);
    for (name, rows) in datasets {
        table.add_row([if name.is_empty() { "(none)" } else { name }.to_owned(), grouped(rows)]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "\n{table}")?;
    Ok(())
}

/// What is in the archive's home, what waits, and what is here.
fn at_home(out: &mut impl Write, home: &remote::Status) -> anyhow::Result<()> {
    let whose = if home.writes { "uploads to" } else { "reads" };
    writeln!(
        out,
        "  {whose} {}: {} there, {}",
        home.address,
        counted(home.stored as usize, "file"),
        size(home.stored_bytes)
    )?;
    if home.waiting > 0 {
        writeln!(out, "  {} to be uploaded, {}", counted(home.waiting as usize, "file"), size(home.waiting_bytes))?;
    }
    let limit = home.cache.map_or_else(String::new, |cache| format!(" of {}", size(cache)));
    writeln!(out, "  {} here, {}{limit}", counted(home.local as usize, "file"), size(home.local_bytes))?;
    if let Some(trouble) = &home.trouble {
        writeln!(out, "  not up to date: {trouble}")?;
    }
    Ok(())
}

fn expire(data: &Path, expire: &Expire) -> anyhow::Result<()> {
    let retention = Retention::new(expire.keep.iter().map(String::as_str)).map_err(anyhow::Error::msg)?;
    if expire.dry_run {
        let gone = archive::expired(data, &retention, time::now())?;
        let (rows, bytes) = gone.values().fold((0, 0), |(r, b), (rows, bytes)| (r + rows, b + bytes));
        for (path, (rows, _)) in &gone {
            println!("{path}: {} events", grouped(*rows));
        }
        eprintln!("{} events, about {}, would go; nothing was removed", grouped(rows), size(bytes));
        return Ok(());
    }
    tidy(data, retention)
}

fn tidy(data: &Path, retention: Retention) -> anyhow::Result<()> {
    let totals = || -> anyhow::Result<(u64, u64, usize, usize)> {
        let held = archive::snapshot(data)?;
        let sum = |of: fn(&archive::StoredFile) -> u64| held.files().iter().map(of).sum();
        Ok((sum(|f| f.rows), sum(|f| f.bytes), held.files().len(), held.retired()))
    };
    let before = totals()?;
    let bar = super::progress::count("putting files in order", "files left");
    let mut open = Archive::open(data, Settings { retention: retention.into(), ..Settings::default() })?;
    open.roll()?;
    open.tidy(time::now(), &|files| bar.set_position(files as u64))?;
    let untidy = open.untidy().map(str::to_owned);
    open.close()?;
    bar.finish_and_clear();
    let after = totals()?;
    eprintln!(
        "{} events and {} less, {} files became {}",
        grouped(before.0.saturating_sub(after.0)),
        size(before.1.saturating_sub(after.1)),
        grouped(before.2 as u64),
        grouped(after.2 as u64)
    );
    if after.3 > 0 {
        eprintln!("{} replaced stay on the disk until whoever reads them is done", counted(after.3, "file"));
    }
    match untidy {
        Some(error) => bail!("the rest is done; {error}"),
        None => Ok(()),
    }
}

fn forget(data: &Path, file: &str) -> anyhow::Result<()> {
    match Archive::open(data, Settings::default())?.forget(file)? {
        Some(rows) => eprintln!("{} events are off the list; what was left of {file} is in unlisted/", grouped(rows)),
        None => bail!("no file {file} is listed; name it as it lies in {}", data.display()),
    }
    Ok(())
}

fn hold(data: &Path, hold: HoldArguments) -> anyhow::Result<()> {
    let HoldArguments { name, which: Which { from, to, dataset }, reason } = hold;
    range(from, to)?;
    let (from, to) = (from.map(time::rfc3339), to.map(time::rfc3339));
    let new = Hold { name: name.clone(), reason, made: time::rfc3339(time::now()), from, to, dataset };
    if !Holds::add(data, new)? {
        bail!("there is a hold `{name}` already: choose another name, or release that one first");
    }
    eprintln!("{name} holds; files with such events are kept until weir archive release {name}");
    Ok(())
}

fn holds(data: &Path) -> anyhow::Result<()> {
    let holds = Holds::load(data)?;
    if holds.all().is_empty() {
        eprintln!("no holds");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["name", "from", "to", "dataset", "made", "reason"]);
    for Hold { name, reason, made, from, to, dataset } in holds.all() {
        let text = |value: &Option<String>, otherwise: &str| value.clone().unwrap_or_else(|| otherwise.to_owned());
        let row = [name.clone(), text(from, "the first"), text(to, "the last"), text(dataset, "all")];
        table.add_row(row.into_iter().chain([made.clone(), reason.clone()]));
    }
    println!("{table}");
    Ok(())
}

fn export(data: &Path, export: &Export) -> anyhow::Result<()> {
    if Manifest::load(&export.target)?.is_some_and(|m| !m.files.is_empty()) {
        bail!("{} holds an archive already: name a new folder, or use weir archive import", export.target.display());
    }
    let Which { from, to, dataset } = &export.which;
    let range = range(*from, *to)?;
    let selection = Selection { range, datasets: dataset.iter().cloned().collect() };
    let copied = copied(std::slice::from_ref(&data.to_owned()), &export.target, &selection)?;
    eprintln!("{copied} into {}", export.target.display());
    Ok(())
}

fn copied(sources: &[PathBuf], target: &Path, selection: &Selection) -> anyhow::Result<String> {
    let bar = super::progress::count("copying", "events");
    let copied = archive::copy(sources, target, selection, &|looked| bar.set_position(looked))?;
    bar.finish_and_clear();
    let known = match copied.known {
        0 => String::new(),
        known => format!(" ({} more were there already)", grouped(known)),
    };
    Ok(format!("{} events copied{known}", grouped(copied.events)))
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

fn size(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}
