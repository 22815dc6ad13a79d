//! SQL of a stranger: one SELECT over the views, in a process of its own that can do nothing else.
//!
//! In come a statement and the values of its parameters, out come rows, or what is wrong with it. DuckDB cannot be
//! trusted with a stranger's SQL in our own process: `WITH x AS (COPY …) SELECT` passes for a SELECT, its limits are
//! soft, and an interrupt may come late. So there are walls, each of which holds where another one fails:
//!
//! ```text
//! weir ──job──▶ weir sql-worker     no environment, no rights but to read the files of the views (`confine`):
//!      ◀─rows──                     Landlock, no network, limits of memory, of processor time and of written files (none)
//!   kills it at the deadline        one statement, of which every node, table and function is known (`allow`)
//!   counts what comes back          DuckDB without external access, extensions, settings to change, temporary files
//! ```
//!
//! The worker is this same program, started anew for each statement. Nothing that happens to it harms who started it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod allow;
mod answer;
mod confine;
mod functions;
mod job;
mod launch;
mod types;
mod worker;

pub use worker::work;

use super::session::memory;
use super::shown::{Shown, temporary};
use super::value::{self, Argument};
use super::{Format, QueryError, output, times};
use crate::archive;
use job::{Failure, Job};
use launch::Launcher;

/// Name of the subcommand that is the worker.
pub const WORKER: &str = "sql-worker";

/// A longer statement is refused, bytes.
pub const LONGEST: usize = 64 << 10;

/// What a statement may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time from the question to the answer; the worker is killed then.
    pub time: Duration,
    /// Memory, bytes.
    pub memory: u64,
    /// Threads.
    pub threads: usize,
    /// Rows of the answer; there may be more, which are left out.
    pub rows: usize,
    /// Size of the answer, bytes; rows beyond are left out.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Limits {
            time: Duration::from_secs(20),
            memory: (memory() / 4).clamp(256 << 20, 4 << 30),
            threads: cores.div_ceil(2).min(16),
            rows: 1_000,
            bytes: 16 << 20,
        }
    }
}

/// Why a statement was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It is not one SELECT over the views, or does what a stranger may not.
    #[error("{0}")]
    Refused(String),
    /// DuckDB refused it, or gave up on it.
    #[error("{0}")]
    Sql(String),
    /// It took too long.
    #[error("the statement took longer than {} and was stopped: name a time range, or another filter", spelt(.0))]
    TimedOut(Duration),
    /// It needs too much memory.
    #[error(
        "the statement needs more than {} MiB of memory and was stopped: name a time range, select fewer columns, or group by fewer values",
        .0 >> 20
    )]
    Memory(u64),
    /// The worker ended without an answer.
    #[error(
        "the statement ended the process that ran it ({0}), perhaps since it needs too much memory or is nested too deeply: write it more simply, or name a time range"
    )]
    Died(String),
    /// Too many statements run already.
    #[error("other statements are running: try again in a moment")]
    Busy,
    /// The system cannot confine the worker, so nothing is run.
    #[error("no SQL is run here: {0}")]
    Unconfined(String),
    /// The archive, or DuckDB itself.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The worker cannot be started, or does not speak as it should.
    #[error("cannot run the SQL worker: {0}")]
    Worker(String),
}

impl SandboxError {
    /// Whether whoever asked can mend it by asking otherwise.
    pub fn is_users(&self) -> bool {
        match self {
            SandboxError::Refused(_)
            | SandboxError::Sql(_)
            | SandboxError::TimedOut(_)
            | SandboxError::Memory(_)
            | SandboxError::Died(_) => true,
            SandboxError::Query(error) => error.is_users(),
            SandboxError::Busy | SandboxError::Unconfined(_) | SandboxError::Worker(_) => false,
        }
    }

    fn of(failure: Failure, limits: &Limits) -> SandboxError {
        match failure {
            Failure::Refused(text) => SandboxError::Refused(text),
            Failure::Sql(text) => SandboxError::Sql(text),
            Failure::Parameter(text) => SandboxError::Query(QueryError::Parameter(text)),
            Failure::Memory => SandboxError::Memory(limits.memory),
            Failure::Unconfined(text) => SandboxError::Unconfined(text),
            Failure::Setup(text) => SandboxError::Query(QueryError::Setup(text)),
            Failure::Broken(text) => SandboxError::Died(text),
        }
    }
}

/// Where strangers' statements are run.
#[derive(Clone, Debug)]
pub struct Sandbox {
    data: PathBuf,
    limits: Limits,
    launcher: Launcher,
}

/// Rows, and whether they are all.
#[derive(Clone, Debug)]
pub struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    truncated: bool,
    elapsed: Duration,
    weaknesses: Vec<String>,
}

impl Sandbox {
    /// Over a data folder, with workers of this program.
    pub fn new(data: &Path, limits: Limits) -> Sandbox {
        Sandbox { data: data.to_owned(), limits, launcher: Launcher::ourselves() }
    }

    /// Runs a statement in a worker. Each question sees the archive as it is then.
    pub fn ask(&self, sql: &str, arguments: &BTreeMap<String, Argument>) -> Result<Answer, SandboxError> {
        let started = Instant::now();
        if sql.trim().is_empty() {
            return Err(SandboxError::Refused("there is no statement".to_owned()));
        }
        if sql.len() > LONGEST {
            let (length, most) = (sql.len(), LONGEST);
            let text =
                format!("the statement has {length} bytes, and {most} are allowed: bind long values as parameters");
            return Err(SandboxError::Refused(text));
        }
        if sql.contains('\0') {
            return Err(SandboxError::Refused("the statement has a NUL character in it: leave it out".to_owned()));
        }
        // The worker cannot write, so whatever it needs is made for it here.
        let (snapshot, temporary) = (archive::snapshot(&self.data).map_err(QueryError::from)?, temporary()?);
        let shown = Shown::new(&self.data, &snapshot, temporary.path(), 0, Some(times::ALL))?;
        let job = Job {
            sql: sql.to_owned(),
            arguments: arguments.clone(),
            files: shown.files.clone(),
            limits: self.limits.clone(),
        };
        let reply = self.launcher.run(&job, self.limits.time.saturating_sub(started.elapsed()));
        let reply = reply.map_err(|error| match error {
            // The preparation counts.
            SandboxError::TimedOut(_) => SandboxError::TimedOut(self.limits.time),
            error => error,
        })?;
        let (schema, batches) = answer::read(&reply.rows).map_err(SandboxError::Worker)?;
        let (truncated, weaknesses) = (reply.end.truncated, reply.end.weaknesses);
        Ok(Answer { schema, batches, truncated, elapsed: started.elapsed(), weaknesses })
    }
}

impl Answer {
    /// How many rows there are here.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether rows were left out.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// From the question to the answer.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// What this kernel's Landlock lacks that a newer one has.
    pub fn weaknesses(&self) -> &[String] {
        &self.weaknesses
    }

    /// `columns`, each with `name` and `type`; `rows`, a list each, in their order; `truncated`; `elapsed`, in seconds.
    pub fn to_json(&self) -> Value {
        let fields = self.schema.fields();
        let columns: Vec<Value> =
            fields.iter().map(|field| json!({ "name": field.name(), "type": types::name(field) })).collect();
        let mut rows = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            let cells = |row: usize| {
                let cells = fields.iter().zip(batch.columns());
                Value::Array(cells.map(|(field, column)| value::json(field, column.as_ref(), row)).collect())
            };
            rows.extend((0..batch.num_rows()).map(cells));
        }
        json!({
            "columns": columns,
            "rows": rows,
            "truncated": self.truncated,
            "elapsed": self.elapsed.as_secs_f64(),
        })
    }

    /// Writes the rows, as [`output::write`] does. Returns how many, and whether there are more.
    pub fn write(
        &self,
        format: Format,
        width: Option<u16>,
        out: &mut (dyn Write + Send),
    ) -> Result<(u64, bool), QueryError> {
        let mut run = |each: &mut super::Each<'_>| {
            let mut more = each(&self.schema, None)?;
            for batch in &self.batches {
                if !more {
                    break;
                }
                more = each(&self.schema, Some(batch.clone()))?;
            }
            Ok(())
        };
        let (count, more) = output::print(&mut run, format, width, out)?;
        Ok((count, more || self.truncated))
    }
}

fn spelt(time: &Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds.fract() == 0.0 { format!("{seconds} s") } else { format!("{seconds:.1} s") }
}

/// An error of the pipe between the two.
fn pipe(action: &str) -> impl FnOnce(io::Error) -> String {
    move |error| format!("cannot {action}: {error}")
}

#[cfg(test)]
mod tests;
