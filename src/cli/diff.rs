//! `weir diff`: what an edit of rules changes in the alerts over an archive.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{anyhow, bail};

use super::alerts;
use super::input::{self, Workers, instant, range};
use super::replay::diff::widened;
use super::replay::source::{Foreign, Read, Sources};
use super::store::Store;
use crate::archive::ListHistory;
use crate::engine::batch::Feed;
use crate::engine::counted;
use crate::engine::difference;
use crate::engine::edit::Edit;
use crate::engine::findings::{Findings, Wanted};
use crate::engine::replay::{AsOf, Replay};
use crate::engine::rules::{Origin, Rules};
use crate::rule::LoadError;

mod output;

/// Say which alerts an edit of rules adds, changes and removes
///
/// Runs the rules before and after the edit over stored events and compares what they raise, rule by rule. Rules that are the same in
/// both are not run, unless one that differs is about their alerts. Lists are taken as their files are now.
///
/// Takes stored events as `weir replay` does: a data folder, single Parquet files, or folders of them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir diff rules new-rules --over weir-data
  weir diff rules new-rules --over weir-data --from 2026-01-01 --examples 10
  weir diff rules new-rules --over weir-data --output json
  git worktree add before HEAD && weir diff before/rules rules --over weir-data

Signs: + added, - removed, ~ changed, > moved: another alert of the rule and key, at the same time, took its place.
Exit codes: 0 no difference, 1 some, 2 an error.")]
pub(super) struct Arguments {
    /// Rules before: a folder, or one file
    old: PathBuf,
    /// Rules after
    new: PathBuf,
    /// Events: a data folder, Parquet files, or folders of them
    #[arg(long, required = true, num_args = 1.., value_name = "DIR|FILE.parquet")]
    over: Vec<PathBuf>,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    foreign: Foreign,
    /// Only alerts that begin at or after this time; what leads to them is read, too
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<i64>,
    /// Only alerts that begin before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<i64>,
    /// How many examples of a rule are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// How differences are printed
    #[arg(long, value_enum, default_value_t = output::Output::Text)]
    output: output::Output,
    #[command(flatten)]
    workers: Workers,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    super::memory::small_pages();
    let (old, new) = (load(&arguments.old, "OLD")?, load(&arguments.new, "NEW")?);
    let asked = range(arguments.from, arguments.to)?;
    let sources = Sources::open(&arguments.over, &arguments.store, arguments.foreign.mapping()?)?;
    let edit = Edit::between(old, new);
    // Both read the same events: as far around what is asked for as one of them needs.
    let (one, two) = (widened(&asked, &edit.old.program), widened(&asked, &edit.new.program));
    let range = *one.start().min(two.start())..=*one.end().max(two.end());
    let settings = sources.lists(AsOf::Now)?.settings(&range, arguments.workers);
    // What cannot be opened is said before anything is read.
    let side = |rules: &Rules| -> anyhow::Result<Replay> {
        let replay = Replay::new(rules.clone(), ListHistory::default(), AsOf::Now);
        sources.examine(&replay)?;
        Ok(replay)
    };
    let (before, after) = (side(&edit.old)?, side(&edit.new)?);
    let alerts_of = |replay: &Replay, doing: &str| -> anyhow::Result<(Read, Findings)> {
        // Nothing to run is nothing to read.
        if replay.program().rules.is_empty() {
            return Ok((Read::default(), Findings::new(&std::env::temp_dir(), Wanted::Json)));
        }
        let bar = super::progress::count(doing, "events");
        let (read, found) = replay.whole(
            &settings,
            &|feed: &mut Feed| -> anyhow::Result<Read> { sources.feed(feed, replay, &range, false, &bar) },
            &|phase| bar.set_message(format!("{doing}: {}", phase.word())),
        )?;
        bar.finish_and_clear();
        Ok((read?, found))
    };
    let (read, mut was) = alerts_of(&before, "rules before")?;
    let (read_after, mut is) = alerts_of(&after, "rules after")?;
    let differences = difference::compare(&edit, &mut was, &mut is, &asked)?;
    let mut out = io::BufWriter::with_capacity(alerts::BUFFER, io::stdout().lock());
    match arguments.output {
        output::Output::Text => {
            let (examples, color) = (arguments.examples, alerts::has_color());
            output::text(&differences, &mut was.sorted(), &mut is.sorted(), examples, &mut out, color)?;
        }
        output::Output::Json => output::json(&edit, &differences, &mut was.sorted(), &mut is.sorted(), &mut out)?,
    }
    out.flush()?;
    drop(out);
    read_after.say(&after);
    let events = counted(read.events.max(read_after.events) as usize, "event");
    let untouched = match edit.untouched {
        0 => String::new(),
        rules => format!("; {} the same in both, not compared", counted(rules, "rule")),
    };
    eprintln!("{events} read in {:.2} s{untouched}", started.elapsed().as_secs_f64());
    Ok(if differences.all.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Reads and compiles rules. A rule that does not compile would look like one that is gone, so all must.
fn load(path: &Path, which: &str) -> anyhow::Result<Rules> {
    let shown = path.display();
    let loaded = Origin::Folder(path.to_owned()).load().map_err(|error| match error {
        LoadError::Missing(_) => {
            anyhow!("there is nothing at {shown}: give a folder of *.weir files, or one file, as {which}")
        }
        LoadError::Empty(_) => anyhow!("there is no *.weir file in {shown}: give a folder that has some as {which}"),
        other @ LoadError::Unreadable { .. } => other.into(),
    })?;
    if loaded.has_errors() {
        input::show(&loaded.diagnostics, &loaded.files);
        bail!(
            "rules of {shown} ({which}) do not compile, and what they raise cannot be compared: mend them (`weir check --rules {shown}`)"
        );
    }
    Ok(loaded)
}
