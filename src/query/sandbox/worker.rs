//! The worker: runs one statement, confined, and writes its rows to standard output.

use std::io::{self, BufWriter, Read, Write};
use std::panic;
use std::process::ExitCode;

use super::super::session::{Reads, Room, Session, connect};
use super::super::{QueryError, output};
use super::answer::{Rows, RowsError};
use super::confine::{self, ConfineError};
use super::job::{self, BEGINNING, End, Failure, Job};
use super::{allow, value};

/// Whether a statement's tree is looked at and DuckDB is locked. Only tests leave that out, to show that the other walls
/// hold by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Tree,
    #[cfg(test)]
    Nothing,
}

impl Check {
    fn reads(self) -> Reads<'static> {
        match self {
            Check::Tree => Reads::Sources,
            #[cfg(test)]
            Check::Nothing => Reads::Anything,
        }
    }
}

/// Reads a job from standard input, does it, and answers on standard output.
pub fn work() -> ExitCode {
    serve(Check::Tree)
}

pub(super) fn serve(check: Check) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let end = panic::catch_unwind(panic::AssertUnwindSafe(|| answer(check, &mut out)));
    let end = end.unwrap_or_else(|_| Err(Failure::Broken("it panicked".to_owned())));
    // When nobody reads any more, nobody wants the end either.
    match job::finish(&mut out, &end) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(check: Check, out: &mut dyn Write) -> Result<End, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::Broken(error.to_string());
    out.write_all(BEGINNING).map_err(|e| broken(&e))?;
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).map_err(|e| broken(&e))?;
    let job: Job = serde_json::from_slice(&text).map_err(|e| {
        Failure::Broken(format!(
            "this process runs SQL for weir, and is not started by hand: its job cannot be read: {e}"
        ))
    })?;
    let bounds = confine::bound(&job.limits).map_err(unconfined)?;
    let room =
        Room { memory: job.limits.memory, threads: Some(job.limits.threads as i64), spill: None, reads: check.reads() };
    // DuckDB looks at the machine when it starts, and then has no need to any more.
    let database = connect(&room).map_err(failure)?;
    let weaknesses = bounds.lock(job.files.all()).map_err(unconfined)?;
    let session = Session::over(database, &job.files, &room).map_err(failure)?;
    confine::no_more_threads().map_err(unconfined)?;
    if check == Check::Tree {
        allow::check(&session.tree(&job.sql).map_err(failure)?)
            .map_err(|refusal| Failure::Refused(refusal.to_string()))?;
    }
    let truncated = run(&session, &job, out)?;
    Ok(End { truncated, weaknesses })
}

fn run(session: &Session, job: &Job, out: &mut dyn Write) -> Result<bool, Failure> {
    let mut statement = session.prepare(&job.sql).map_err(failure)?;
    let names = statement.parameters().map_err(failure)?;
    if let Some(name) = names.iter().find(|name| !job.arguments.contains_key(*name)) {
        return Err(Failure::Parameter(format!("the parameter ${name} has no value: give it one")));
    }
    let values: Vec<value::Argument> = output::bind(&statement, &job.arguments).map_err(failure)?;
    let mut rows = None;
    let mut out = Some(out);
    let mut wrong = None;
    statement
        .run(&values, &mut |schema, batch| {
            let mut step = || -> Result<bool, RowsError> {
                if let Some(out) = out.take() {
                    rows = Some(Rows::new(out, schema, job.limits.rows, job.limits.bytes)?);
                }
                match (&mut rows, &batch) {
                    (Some(rows), Some(batch)) => rows.add(batch),
                    _ => Ok(true),
                }
            };
            Ok(step().unwrap_or_else(|error| {
                wrong = Some(error);
                false
            }))
        })
        .map_err(failure)?;
    if let Some(error) = wrong {
        return Err(Failure::Sql(error.to_string()));
    }
    let Some(rows) = rows else { return Err(Failure::Broken("the statement has no columns".to_owned())) };
    let truncated = rows.truncated;
    rows.finish().map_err(|e| Failure::Broken(e.to_string()))?;
    Ok(truncated)
}

fn unconfined(error: ConfineError) -> Failure {
    match error {
        ConfineError::File(_) => Failure::Setup(error.to_string()),
        ConfineError::NoLandlock
        | ConfineError::Network
        | ConfineError::Landlock(_)
        | ConfineError::Limit(..)
        | ConfineError::Threads => Failure::Unconfined(error.to_string()),
    }
}

fn failure(error: QueryError) -> Failure {
    match error {
        QueryError::Sql(text) | QueryError::Setup(text) if is_memory(&text) => Failure::Memory,
        QueryError::Sql(text) => Failure::Sql(text),
        QueryError::Parameter(text) => Failure::Parameter(text),
        QueryError::Setup(text) => Failure::Setup(text),
        QueryError::Saved(_)
        | QueryError::Field(_)
        | QueryError::Value { .. }
        | QueryError::TimedOut(_)
        | QueryError::Archive(_)
        | QueryError::Io { .. } => Failure::Setup(error.to_string()),
    }
}

fn is_memory(text: &str) -> bool {
    text.starts_with("Out of Memory Error") || text.contains("std::bad_alloc")
}
