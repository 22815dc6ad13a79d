//! `weir sql`: SQL over the archive, one statement, a script or a prompt.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufWriter, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use self::complete::Words;
use self::interrupt::Interrupts;
use self::screen::Screen;
use self::shell::{Next, Shell};
use self::target::{Output, Target};
use super::store::Store;
use crate::event::time;
use crate::query::sandbox::{Limits, Sandbox};
use crate::query::{self, Argument, SavedQuery, Session};

mod command;
mod complete;
mod history;
mod interrupt;
mod prompt;
mod screen;
mod shell;
mod target;

/// Ask the archive in SQL
///
/// The dialect is DuckDB's. Views: events, alerts (those that stand), alert_changes (all that was said of
/// them), rules (those that ran last) and sources. Fields are named as in rules: source.ip, user.name,
/// event.outcome; fields['NAME'] holds what has no column. `ts` is the time. All times are UTC without a zone.
///
/// Without a statement it asks for statements at a prompt: with history and completion, `.help` says more; the
/// history is kept in $XDG_STATE_HOME/weir/sql-history. Where standard input is no terminal it runs the
/// statements in it, each ended by `;`, up to the first error. An event can be asked for as soon as it was accepted.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir sql
  weir sql \"SELECT source.ip, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC LIMIT 10\"
  weir sql \"SELECT ts, user.name, message FROM events WHERE ts > now() - INTERVAL '1 hour'\"
  weir sql \"SELECT * FROM events WHERE source.ip = \\$ip\" --param ip=203.0.113.7 --output json
  weir sql \"SELECT name, last, events FROM sources ORDER BY last\"
  weir sql \"FROM events WHERE user.name = 'root'\" --out root.parquet
  weir sql \"FROM alerts\" --output arrow | python3 -c 'import sys, pyarrow as p; print(p.ipc.open_stream(sys.stdin.buffer).read_all())'
  weir sql --list
  weir sql --saved top-sources --param since=24h --output csv
  weir sql < report.sql
  weir sql --data cache --store s3://logs/site-a \"SELECT count(*) FROM events\"
  weir sql --sandbox --timeout 10s - < from-somebody-else.sql

Exit codes: 0 answered, 2 an error, 130 stopped with Ctrl-C.")]
pub(super) struct Arguments {
    /// The statement; `-`, or none where standard input is no terminal, reads statements from there
    #[arg(value_name = "SQL", conflicts_with_all = ["saved", "list"])]
    statement: Option<String>,
    /// Data folder
    #[arg(long, value_name = "DIR", default_value = "weir-data", env = "WEIR_DATA")]
    data: PathBuf,
    #[command(flatten)]
    store: Store,
    /// How rows are written; a table shows the first 1,000 (rows too wide for the terminal as lists of values). Without it: as the name of --out says, else a table
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<Output>,
    /// Write the rows to this file, which is replaced only once they are all written
    ///
    /// Its name says how where --output does not: .csv, .json (.ndjson, .jsonl), .parquet, .arrow (.feather; .arrows is a
    /// stream), .txt.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Run a saved query
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    saved: Option<String>,
    /// Value of a parameter (repeatable): `$NAME` in the statement
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// List the saved queries and what they take
    #[arg(long)]
    list: bool,
    /// Run a statement that is not your own: one SELECT, in a process that can read nothing but the archive
    #[arg(long)]
    sandbox: bool,
    /// Longest time that a statement may take with --sandbox
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = span, requires = "sandbox")]
    timeout: Duration,
    /// Folder with more saved queries (*.sql); one of the same name replaces ours
    ///
    /// A file begins with `-- title: …`, `-- description: …` and a line for each `$NAME` in its statement:
    /// `-- param NAME: TYPE = DEFAULT  what for`. Types are text, int, duration (15m), timestamp (2026-01-15, 24h ago as 24h, all)
    /// and ip; one without a default must be given.
    #[arg(long, value_name = "DIR", env = "WEIR_QUERIES")]
    queries: Option<PathBuf>,
}

/// What the sandbox gives at most, rows and bytes.
const SANDBOX_ROWS: usize = 1_000_000;
const SANDBOX_BYTES: usize = 128 << 20;

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// A length of time, as parameters have it.
fn span(text: &str) -> Result<Duration, String> {
    let Argument::Duration(micros @ 1..) = query::parse(query::Kind::Duration, text, 0)? else {
        return Err("it must be longer than nothing".to_owned());
    };
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // A mistake in a file of the folder stops nobody who does not ask for saved queries.
    let saved =
        if arguments.statement.is_none() { query::load(arguments.queries.as_deref())? } else { BTreeMap::new() };
    if arguments.list {
        io::stdout().write_all(listed(&saved).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = Target::new(arguments.output, arguments.out.as_deref())?;
    let asks = arguments.statement.as_deref().is_none_or(|sql| sql == "-") && arguments.saved.is_none();
    // Several answers would make no Parquet file, and no table of one width.
    let one = target.file.is_some() || matches!(target.output, Output::Parquet | Output::Arrow);
    if asks && one && io::stdin().is_terminal() {
        bail!(
            "give a statement whose rows to write; at the prompt that `weir sql` is, `.output FILE` writes an answer to a file"
        );
    }
    arguments.store.read(&arguments.data)?;
    if arguments.sandbox {
        return sandboxed(&arguments, &saved, &target);
    }
    if !asks || one {
        return single(&arguments, &saved, &target);
    }
    let is_prompt = arguments.statement.is_none() && io::stdin().is_terminal() && io::stdout().is_terminal();
    let (session, interrupts) = (Session::open(&arguments.data)?, Interrupts::listen(is_prompt)?);
    let mut shell = Shell {
        session: &session,
        saved: &saved,
        interrupts: &interrupts,
        parameters: &arguments.param,
        mode: target.output,
        timing: true,
        terminal: None,
        next: None,
        pending: String::new(),
    };
    if is_prompt {
        let (version, data) = (env!("CARGO_PKG_VERSION"), arguments.data.display());
        eprintln!("weir {version}, SQL over {data}; times are UTC. `.help` says what there is, Ctrl-D leaves.");
        let words = Words::new(session.functions()?, &saved);
        // Until something is asked, nobody need keep files for it.
        session.rest();
        prompt::run(&mut shell, words)?;
    } else {
        script(&mut shell)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs one statement, or a saved query; of a script all but the last statement give no answer.
fn single(arguments: &Arguments, saved: &BTreeMap<String, SavedQuery>, target: &Target) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let (sql, values) = statement(arguments, saved)?;
    let interrupts = Interrupts::listen(false)?;
    let session = Session::open(&arguments.data)?;
    let run = || {
        let mut rows = session.prepare(&sql)?;
        let width = comfy_table::Table::new().width();
        if io::stdout().is_terminal() {
            let mut screen = Screen::new(0, &interrupts);
            let answered = target.write(&mut rows, &values, width, &mut screen)?;
            screen.finish()?;
            Ok(answered)
        } else {
            target.write(&mut rows, &values, width, &mut BufWriter::with_capacity(256 << 10, io::stdout()))
        }
    };
    let (count, more) = match interrupts.during(session.stopper(), run) {
        (Err(_), true) => return Ok(ExitCode::from(interrupt::EXIT)),
        (answered, _) => answered?,
    };
    report(count, more, started.elapsed().as_secs_f64(), "");
    Ok(ExitCode::SUCCESS)
}

/// Runs one statement that is not one's own.
fn sandboxed(arguments: &Arguments, saved: &BTreeMap<String, SavedQuery>, target: &Target) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    if arguments.statement.is_none() && arguments.saved.is_none() && io::stdin().is_terminal() {
        bail!("give the statement to run: in the sandbox it is one, and there is no prompt");
    }
    let (sql, values) = statement(arguments, saved)?;
    let limits = Limits { time: arguments.timeout, rows: SANDBOX_ROWS, bytes: SANDBOX_BYTES, ..Limits::default() };
    let answer = Sandbox::new(&arguments.data, limits).ask(&sql, &values)?;
    for weakness in answer.weaknesses() {
        tracing::debug!("this kernel's Landlock does not know: {weakness}");
    }
    let width = comfy_table::Table::new().width();
    let (count, more) =
        target.put(&mut BufWriter::with_capacity(256 << 10, io::stdout()), width, &mut |format, width, out| {
            answer.write(format, width, out)
        })?;
    let seconds = started.elapsed().as_secs_f64();
    if more && target.output != Output::Table {
        eprintln!(
            "the first {count} rows in {seconds:.2} s; that is all the sandbox gives: LIMIT, or select fewer columns"
        );
    } else {
        report(count, more, seconds, "");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the statements and commands of standard input, up to the first error.
fn script(shell: &mut Shell<'_>) -> anyhow::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line.context("cannot read statements from standard input")?;
        if shell.line(&line)? == Next::Leave {
            return Ok(());
        }
    }
    shell.end()
}

/// How many rows there were, in what time.
fn report(count: u64, more: bool, seconds: f64, place: &str) {
    if more {
        eprintln!("the first {count} rows{place} in {seconds:.2} s; csv or json gives all, LIMIT fewer");
    } else {
        eprintln!("{count} {}{place} in {seconds:.2} s", if count == 1 { "row" } else { "rows" });
    }
}

/// What to run, and with which values.
fn statement(
    arguments: &Arguments,
    saved: &BTreeMap<String, SavedQuery>,
) -> anyhow::Result<(String, BTreeMap<String, Argument>)> {
    if let Some(name) = &arguments.saved {
        let query = self::saved(saved, name)?;
        return Ok((query.sql.clone(), query.arguments(&arguments.param, time::now())?));
    }
    let sql = match arguments.statement.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        Some(_) | None => {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).context("cannot read the statement from standard input")?;
            text
        }
    };
    let text = |(name, value): &(String, String)| (name.clone(), Argument::Text(value.clone()));
    Ok((sql, arguments.param.iter().map(text).collect()))
}

/// The saved query of this name.
fn saved<'a>(saved: &'a BTreeMap<String, SavedQuery>, name: &str) -> anyhow::Result<&'a SavedQuery> {
    let Some(query) = saved.get(name) else {
        let known: Vec<&str> = saved.keys().map(String::as_str).collect();
        bail!("there is no saved query `{name}`; there are {}", known.join(", "));
    };
    Ok(query)
}

fn listed(saved: &BTreeMap<String, SavedQuery>) -> String {
    let mut out = String::new();
    for query in saved.values() {
        let written = writeln!(out, "{:<18} {}. {}", query.name, query.title, query.description);
        written.expect("a text takes all");
        for parameter in &query.parameters {
            let default = parameter.default.as_ref().map_or_else(|| "must be given".to_owned(), |d| format!("[{d}]"));
            let (name, word) = (&parameter.name, parameter.kind.word());
            let written = writeln!(out, "{:<18}   {name}: {word} {default}  {}", "", parameter.description);
            written.expect("a text takes all");
        }
    }
    out
}
