//! Composition root: the stages joined by channels.
//!
//! [`batch`] takes a finite input whole (`weir scan`, `weir replay`), [`replay`] one as if it came now, or whose lists changed
//! ([`judge`]); [`live`] runs for ever (`weir run`, `weir demo`); `restart` rebuilds what live state was from the archive. [`rules`] are read again while it
//! runs ([`reload`]), and those that are new are filled from the archive (`past`), or their whole program is beside the one
//! that runs (`shadow`). Lists change in a replay where they were changed (`turns`).
//! What an edit of rules touches ([`edit`]) is run before and after it, and the alerts are compared ([`difference`]).

mod alerts;
pub mod batch;
mod damping;
pub mod difference;
pub mod edit;
pub mod findings;
pub mod judge;
mod kept;
pub mod live;
mod past;
mod record;
pub mod reload;
pub mod replay;
mod restart;
pub mod rules;
mod shadow;
mod turns;

use arrow::array::{Array, AsArray};
use rustc_hash::FxHashSet;

use crate::correlate::CorrelateError;
use crate::event::batch::LIST_SEPARATOR;
use crate::event::{EventBatch, EventId, field};
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// Tag of an event that came after the watermark had passed its time: only single-event rules see it.
pub const LATE: &str = "late";

/// Why the engine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The dataflow.
    #[error(transparent)]
    Correlate(#[from] CorrelateError),
    /// The other processes.
    #[error(transparent)]
    Cluster(#[from] crate::correlate::cluster::ClusterError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] crate::archive::ArchiveError),
    /// What is archived could not be read when rules joined.
    #[error("{0}")]
    Past(String),
    /// Temporary space.
    #[error(transparent)]
    Spool(#[from] crate::correlate::spool::SpoolError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}; raise the limit on processes (ulimit -u)")]
    Thread(std::io::Error),
    /// A stage ended before its input did.
    #[error("the {0} stage stopped; this is a bug in weir, please report it with the log")]
    Stage(&'static str),
    /// The web server.
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// A collector.
    #[error(transparent)]
    Collect(#[from] crate::collect::CollectError),
}

/// Drops the rows of late events that windowed rules must not see; `rows` are those of `batch`.
fn drop_late(program: &Program, batch: &EventBatch, rows: &mut Vec<MatchRow>) {
    if let Some(late) = late_ids(batch) {
        rows.retain(|r| program.groups()[r.group as usize].single || !late.contains(&r.id));
    }
}

/// The events of a batch that came after the watermark had passed their time, if there are any.
fn late_ids(batch: &EventBatch) -> Option<FxHashSet<EventId>> {
    let tags = batch.dictionary(field::TAGS)?;
    // Each list of tags is looked at once, not once a row.
    let marks = |tags: Option<&str>| tags.is_some_and(|t| t.split(LIST_SEPARATOR).any(|tag| tag == LATE));
    let marked: Vec<bool> = tags.values().as_string::<i32>().iter().map(marks).collect();
    if !marked.contains(&true) {
        return None;
    }
    let is_late = |row: usize| tags.is_valid(row) && marked[tags.keys().value(row) as usize];
    let late: FxHashSet<EventId> = (0..batch.len()).filter(|r| is_late(*r)).map(|r| batch.id(r)).collect();
    (!late.is_empty()).then_some(late)
}

/// `1 rule`, `3 rules`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
