//! `weir sql`: SQL over the archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::event::time;
use crate::query::sandbox::{Limits, Sandbox};
use crate::query::{self, Argument, Format, SavedQuery, Session};

/// Ask the archive in SQL
///
/// The dialect is DuckDB's. Views: events, alerts (those that stand), alert_changes (all that was said of
/// them). Fields are named as in rules: source.ip, user.name, event.outcome; `ts` is the time, UTC without a
/// zone; fields['NAME'] holds what has no column.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir sql \"SELECT source.ip, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC LIMIT 10\"
  weir sql \"SELECT ts, user.name, message FROM events WHERE ts > now() - INTERVAL '1 hour'\"
  weir sql \"SELECT * FROM events WHERE source.ip = \\$ip\" --param ip=203.0.113.7 --output json
  weir sql --list
  weir sql --saved top-sources --param since=24h --output csv
  weir sql - < report.sql
  weir sql --sandbox --timeout 10s - < from-somebody-else.sql

Exit codes: 0 answered, 2 an error.")]
pub(super) struct Arguments {
    /// The statement; `-` reads it from standard input
    #[arg(value_name = "SQL", required_unless_present_any = ["saved", "list"], conflicts_with_all = ["saved", "list"])]
    statement: Option<String>,
    /// Data folder
    #[arg(long, value_name = "DIR", default_value = "weir-data", env = "WEIR_DATA")]
    data: PathBuf,
    /// How rows are printed; a table shows the first 1,000
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
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
    #[arg(long, value_name = "DIR", env = "WEIR_QUERIES")]
    queries: Option<PathBuf>,
}

/// What the sandbox gives at most, rows and bytes.
const SANDBOX_ROWS: usize = 1_000_000;
const SANDBOX_BYTES: usize = 128 << 20;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Table,
    /// Comma-separated, with a head line
    Csv,
    /// A JSON object a row, one a line
    Json,
}

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
    let saved = query::load(arguments.queries.as_deref())?;
    if arguments.list {
        list(&saved)?;
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let (sql, values) = statement(&arguments, &saved)?;
    let format = match arguments.output {
        Output::Table => Format::Table,
        Output::Csv => Format::Csv,
        Output::Json => Format::Json,
    };
    let width = comfy_table::Table::new().width();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (count, more) = if arguments.sandbox {
        let limits = Limits { time: arguments.timeout, rows: SANDBOX_ROWS, bytes: SANDBOX_BYTES, ..Limits::default() };
        let answer = Sandbox::new(&arguments.data, limits).ask(&sql, &values)?;
        for weakness in answer.weaknesses() {
            tracing::debug!("this kernel's Landlock does not know: {weakness}");
        }
        answer.write(format, width, &mut out)?
    } else {
        let session = Session::open(&arguments.data)?;
        query::write(&mut session.prepare(&sql)?, &values, format, width, &mut out)?
    };
    let seconds = started.elapsed().as_secs_f64();
    if more && arguments.sandbox && format != Format::Table {
        eprintln!(
            "the first {count} rows in {seconds:.2} s; that is all the sandbox gives: LIMIT, or select fewer columns"
        );
    } else if more {
        eprintln!("the first {count} rows in {seconds:.2} s; --output csv or json gives all, LIMIT fewer");
    } else {
        eprintln!("{count} {} in {seconds:.2} s", if count == 1 { "row" } else { "rows" });
    }
    Ok(ExitCode::SUCCESS)
}

/// What to run, and with which values.
fn statement(
    arguments: &Arguments,
    saved: &BTreeMap<String, SavedQuery>,
) -> anyhow::Result<(String, BTreeMap<String, Argument>)> {
    if let Some(name) = &arguments.saved {
        let Some(query) = saved.get(name) else {
            let known: Vec<&str> = saved.keys().map(String::as_str).collect();
            bail!("there is no saved query `{name}`; there are {}", known.join(", "));
        };
        return Ok((query.sql.clone(), query.arguments(&arguments.param, time::now())?));
    }
    let sql = match arguments.statement.as_deref() {
        Some("-") => {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).context("cannot read the statement from standard input")?;
            text
        }
        Some(text) => text.to_owned(),
        None => bail!("give a statement, --saved NAME or --list"),
    };
    let text = |(name, value): &(String, String)| (name.clone(), Argument::Text(value.clone()));
    Ok((sql, arguments.param.iter().map(text).collect()))
}

fn list(saved: &BTreeMap<String, SavedQuery>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for query in saved.values() {
        writeln!(out, "{:<18} {}. {}", query.name, query.title, query.description)?;
        for parameter in &query.parameters {
            let default = parameter.default.as_ref().map_or_else(|| "must be given".to_owned(), |d| format!("[{d}]"));
            let (name, word) = (&parameter.name, parameter.kind.word());
            writeln!(out, "{:<18}   {name}: {word} {default}  {}", "", parameter.description)?;
        }
    }
    out.flush()
}
