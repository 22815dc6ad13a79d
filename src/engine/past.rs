//! What the archive knows of a rule's past: match rows of retained events, each judged by the lists of its time.
//!
//! In: a snapshot of the archive, what stood in lists and when, rules. Out: a spool of rows in time order.
//! A restart takes the past of all rules, a [`Filler`] that of rules that join a running engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::judge::Judge;
use super::rules::Rules;
use super::shadow::Successor;
use super::{EngineError, counted};
use crate::archive::{ArchiveError, ListHistory, Snapshot};
use crate::correlate::spool::{Overflow, Spool};
use crate::matching::MatchRow;

/// Rows of a chunk: so few that no live epoch waits for long.
const CHUNK: usize = 16 * 1024;

/// Where the past is read.
pub(super) struct Past {
    pub(super) snapshot: Snapshot,
    pub(super) history: ListHistory,
    /// Events from this number on are not of the past.
    pub(super) before: u64,
    /// The watermark that held then, µs; `None` when there were no events.
    pub(super) watermark: Option<i64>,
}

impl Past {
    /// The rows of these rules (positions in the program of `rules`) from a time on (µs). Ends early when `stop` says so.
    pub(super) fn read(
        &self,
        rules: &Rules,
        wanted: &[u32],
        from: i64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Spool, EngineError> {
        let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let mut spool = Spool::new(Overflow::Spill, Overflow::Spill.budget(), &folder);
        for (numbers, lists) in self.history.spans(&rules.lists, self.before) {
            let mut judge = Judge::some(rules, &lists, wanted);
            let stored = self.snapshot.read(Some(judge.columns()), from..=i64::MAX, numbers)?;
            for batch in stored.only(judge.keep()) {
                if stop() {
                    return Ok(spool);
                }
                let batch = batch?;
                let mut rows = Vec::new();
                let mut late = Vec::new();
                judge.rows(&batch, &mut rows, &mut late);
                rows.append(&mut late);
                rows.retain(|r| r.time >= from);
                spool.push(rows)?;
            }
        }
        Ok(spool)
    }
}

/// What those who read the past tell the pipeline. A filler does so for the rules that joined with its change.
pub(super) enum Filled {
    /// More rows, in time order, and the time before which all have come, µs.
    Rows(u64, Vec<MatchRow>, i64),
    /// That was all.
    End(u64),
    /// A dataflow beside the one that runs can take its place.
    CaughtUp(Box<Successor>),
    /// It could not be filled, and why. The flag tells which one it was: see [`Shadow::stop`](super::shadow::Shadow::stop).
    Failed(Arc<AtomicBool>, String),
}

/// Reads the past of rules that joined, on a thread of its own.
pub(super) struct Filler {
    /// Of the roster that the rules joined with.
    pub(super) generation: u64,
    /// Number of the change that they joined with.
    pub(super) change: u64,
    /// The change that counts: another one has rules, and a filler, of its own.
    pub(super) present: Arc<AtomicU64>,
    pub(super) past: Result<Past, ArchiveError>,
    pub(super) rules: Arc<Rules>,
    /// Positions of the rules that joined.
    pub(super) joined: Vec<u32>,
    /// The watermark when they joined, µs.
    pub(super) watermark: i64,
    pub(super) out: mpsc::Sender<Filled>,
    /// Set when the past could not be read.
    pub(super) failed: Arc<AtomicBool>,
}

impl Filler {
    /// Starts the thread, which sends what is retained from a time on (µs).
    pub(super) fn start(self, from: i64) {
        let (change, out, failed) = (self.change, self.out.clone(), self.failed.clone());
        let thread = std::thread::Builder::new().name("fill".to_owned()).spawn(move || self.run(from));
        if let Err(error) = thread {
            failed.store(true, Ordering::Relaxed);
            tracing::error!("new rules start without what is archived: {}", EngineError::Thread(error));
            drop(out.blocking_send(Filled::End(change)));
        }
    }

    fn run(self, from: i64) {
        match self.fill(from) {
            Ok(rows) => {
                tracing::info!("{} filled from {rows} match rows of the archive", counted(self.joined.len(), "rule"))
            }
            Err(error) => {
                self.failed.store(true, Ordering::Relaxed);
                tracing::error!("new rules start without what is archived: {error}");
            }
        }
        // The pipeline ends first when weir stops.
        drop(self.out.blocking_send(Filled::End(self.change)));
    }

    fn fill(&self, from: i64) -> Result<u64, EngineError> {
        let stop = || self.out.is_closed() || self.present.load(Ordering::Relaxed) != self.change;
        let past = match &self.past {
            Ok(past) => past,
            Err(error) => return Err(EngineError::Past(error.to_string())),
        };
        let mut spool = past.read(&self.rules, &self.joined, from, &stop)?;
        let count = spool.rows();
        while let Some((rows, reached)) = spool.next_epoch()? {
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                let chunk: Vec<MatchRow> = rows.by_ref().take(CHUNK).collect();
                let reached = rows.peek().map_or(reached, |next| next.time);
                if stop() || self.out.blocking_send(Filled::Rows(self.change, chunk, reached)).is_err() {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }
}
