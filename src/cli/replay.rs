//! `weir replay`: stored events through the same rules.

use std::io::{self, IsTerminal, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};

use self::source::{Foreign, Read, Sources};
use super::alerts;
use super::input::{Rules, Workers, instant, range};
use super::store::Store;
use crate::engine::batch::Feed;
use crate::engine::counted;
use crate::engine::replay::{AsOf, Replay, Settings};

pub(super) mod diff;
mod pace;
pub(super) mod source;

/// Run the rules over archived events
///
/// Takes a data folder, single Parquet files, or folders of them, and prints the alerts: of a data folder the same, with the
/// same ids, as the run that archived the events. Lists are taken as they were then.
///
/// Anybody's Parquet files will do: --map says which columns are which fields. A column that has a field's name (source.ip, or
/// ip in a struct source) needs none; any other is `fields.NAME` to rules, and so are the NAME=VALUE folders around a file. Times may be
/// timestamps, days, text, or numbers since 1970, in the unit that makes a time of our days of them or the one behind a colon (When:ms).
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir replay weir-data
  weir replay weir-data --rules new-rules --from 2026-01-01
  weir replay weir-data --output diff                   what differs from what was raised live?
  weir replay weir-data --speed 60x                     an hour in a minute, alerts as they would come
  weir replay flows.parquet --map @timestamp=EventTime,source.ip=src --set event.category=network
  weir replay weir-data --out alerts.parquet
  weir replay cache --store s3://logs/site-a            of an archive in an object store; cache is a new folder

Exit codes: 0 no alert (diff: no difference), 1 some, 2 an error.")]
pub(super) struct Arguments {
    /// A data folder, Parquet files, or folders of them
    #[arg(required = true, value_name = "DIR|FILE.parquet")]
    sources: Vec<PathBuf>,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    foreign: Foreign,
    /// Only events at or after this time (diff: only alerts that begin then; what leads to them is read, too)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<i64>,
    /// Only events before this time (diff: only alerts that begin before)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<i64>,
    /// How fast time goes by: as fast as it can, or as many times as fast as it did (1x, 60x)
    #[arg(long, value_name = "max|Nx", default_value = "max", value_parser = speed)]
    speed: Speed,
    /// The lists as they were for the run that archived the events, as their files are now, or as they stood at a time
    #[arg(long, value_name = "live|now|TIME", default_value = "live", value_parser = as_of)]
    as_of: AsOf,
    /// How alerts are printed [default: parquet for --out *.parquet, else text]
    #[arg(long, value_enum)]
    output: Option<Output>,
    /// Write them to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    workers: Workers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A line an alert, for people
    Text,
    /// A JSON object a line; with --speed one a change, as in alerts.ndjson
    Json,
    /// A Parquet file with a row an alert
    Parquet,
    /// What differs from the alerts that stand in the data folder's log, and how much by rule
    Diff,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Max,
    Times(f64),
}

fn speed(text: &str) -> Result<Speed, String> {
    let number = text.strip_suffix(['x', 'X', '×']).unwrap_or(text);
    match number.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
        Ok(_) | Err(_) => Err("write max, 1x, 60x or another number above 0".to_owned()),
    }
}

fn as_of(text: &str) -> Result<AsOf, String> {
    match text {
        "live" => Ok(AsOf::Live),
        "now" => Ok(AsOf::Now),
        time => instant(time).map(AsOf::Time).map_err(|error| format!("{error}; or live, or now")),
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    super::memory::small_pages();
    let output = arguments.output()?;
    let mapping = arguments.foreign.mapping()?;
    let (_, rules) = arguments.rules.live()?;
    let broken = rules.has_errors();
    if broken {
        eprintln!("weir: rules with errors are left out; {} go on", rules.program.rules.len());
    }
    let asked = range(arguments.from, arguments.to)?;
    let range = if output == Output::Diff { diff::widened(&asked, &rules.program) } else { asked.clone() };
    let sources = Sources::open(&arguments.sources, &arguments.store, mapping)?;
    let against = match output {
        Output::Diff => Some(diff::Standing::read(sources.raised()?, &asked, &rules.program)?),
        Output::Text | Output::Json | Output::Parquet => None,
    };
    let lists = sources.lists(arguments.as_of)?;
    let printed = match output {
        Output::Text => alerts::Output::Text,
        Output::Json | Output::Parquet | Output::Diff => alerts::Output::Json,
    };
    let wanted = printed.wanted(arguments.out.is_none() && alerts::has_color());
    let settings = Settings { wanted, ..lists.settings(&range, arguments.workers) };
    let replay = Replay::new(rules, lists.history, lists.as_of);
    // What cannot be opened is said before anything is read.
    sources.examine(&replay)?;
    if replay.changes() > 0 {
        let times = counted(replay.changes(), "time");
        eprintln!("weir: lists as they were: they changed {times} (--as-of now takes them as they are)");
    }
    if let Speed::Times(times) = arguments.speed {
        let alerts = pace::run(&replay, &settings, &sources, range, times, output == Output::Json, arguments.out())?;
        return Ok(code(broken, alerts == 0));
    }
    let bar = super::progress::count("replaying", "events");
    let (read, mut found) = replay.whole(
        &settings,
        &|feed: &mut Feed| -> anyhow::Result<Read> { sources.feed(feed, &replay, &range, false, &bar) },
        &|phase| bar.set_message(phase.word()),
    )?;
    bar.finish_and_clear();
    let read = read?;
    let count = found.len();
    let written = match (against, output) {
        (Some(standing), _) => {
            let differences = standing.compare(&mut found)?;
            arguments.write(|out, color| differences.write(out, color))?;
            differences.left_out();
            differences.is_empty()
        }
        (None, Output::Parquet) => {
            arguments.write(|out, _| alerts::parquet::write(&mut found, out))?;
            count == 0
        }
        (None, Output::Text | Output::Json | Output::Diff) => {
            arguments.write(|out, _| alerts::write(&mut found, out))?;
            count == 0
        }
    };
    read.say(&replay);
    let unread = match read.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} more left unread: no rule can match them"),
    };
    let (events, alerts) = (counted(read.events as usize, "event"), counted(count, "alert"));
    eprintln!("{events} replayed in {:.2} s{unread}; {alerts}", started.elapsed().as_secs_f64());
    Ok(code(broken, written))
}

fn code(broken: bool, nothing: bool) -> ExitCode {
    match () {
        () if broken => ExitCode::from(2),
        () if nothing => ExitCode::SUCCESS,
        () => ExitCode::from(1),
    }
}

impl Arguments {
    fn output(&self) -> anyhow::Result<Output> {
        let named = self.out.as_deref().is_some_and(|out| out.extension().is_some_and(|e| e == "parquet"));
        let output = self.output.unwrap_or(if named { Output::Parquet } else { Output::Text });
        if output == Output::Parquet && self.out.is_none() && io::stdout().is_terminal() {
            bail!("Parquet is not for the eye: name a file with --out FILE.parquet");
        }
        if self.speed != Speed::Max && matches!(output, Output::Parquet | Output::Diff) {
            bail!("--output parquet and diff are of all alerts together: leave out --speed, or use text or json");
        }
        Ok(output)
    }

    fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Gives the file, or standard output and whether that shows colours.
    fn write(&self, write: impl FnOnce(&mut (dyn Write + Send), bool) -> io::Result<()>) -> anyhow::Result<()> {
        match &self.out {
            Some(path) => {
                let cannot =
                    || format!("cannot write {}: name a file in a folder that exists, with --out", path.display());
                let mut file = io::BufWriter::new(std::fs::File::create(path).with_context(cannot)?);
                write(&mut file, false).and_then(|()| file.flush()).with_context(cannot)
            }
            None => {
                let mut out = io::BufWriter::with_capacity(alerts::BUFFER, io::stdout());
                write(&mut out, alerts::has_color()).and_then(|()| out.flush()).map_err(Into::into)
            }
        }
    }
}

/// Times of events that are read, µs.
pub(super) type Range = RangeInclusive<i64>;
