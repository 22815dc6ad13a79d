//! What the archive knows of a rule's past: match rows of retained events, each judged by the lists of its time.
//!
//! In: a snapshot of the archive, what stood in lists and when, rules. Out: epochs of rows in time order, while the archive is
//! read. A restart takes the past of all rules, a [`Filler`] that of rules that join a running engine.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::judge::Judge;
use super::rules::Rules;
use super::shadow::Successor;
use super::{EngineError, counted};
use crate::archive::{ArchiveError, ListHistory, Lists, Reader, Snapshot};
use crate::correlate::spool::{Epoch, Overflow, Spool};
use crate::event::time::rfc3339;
use crate::matching::MatchRow;

/// Rows of a chunk: so few that no live epoch waits for long.
const CHUNK: usize = 16 * 1024;
/// How often it is said how far reading is.
const PROGRESS: Duration = Duration::from_secs(2);

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
    pub(super) fn read<'p>(
        &'p self,
        rules: &'p Rules,
        wanted: Vec<u32>,
        from: i64,
        stop: &'p dyn Fn() -> bool,
    ) -> Reading<'p> {
        let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let spool = Spool::new(Overflow::Spill, Overflow::Spill.budget(), &folder);
        let spans = self.history.spans(&rules.lists, self.before).into_iter();
        Reading { past: self, rules, wanted, from, stop, spool, spans, open: None, told: Instant::now() }
    }
}

/// A past that is being read.
pub(super) struct Reading<'p> {
    past: &'p Past,
    rules: &'p Rules,
    wanted: Vec<u32>,
    from: i64,
    stop: &'p dyn Fn() -> bool,
    spool: Spool,
    /// The spans of event numbers that wait, with the lists of each.
    spans: std::vec::IntoIter<(Range<u64>, Lists)>,
    /// The one that is read.
    open: Option<(Judge, Reader)>,
    told: Instant,
}

impl Reading<'_> {
    /// Rows read so far.
    pub(super) fn rows(&self) -> u64 {
        self.spool.rows()
    }

    /// The next rows in time order, and the time before which all have come, µs.
    pub(super) fn next_epoch(&mut self) -> Result<Option<Epoch>, EngineError> {
        loop {
            // What is in several spans is in time order within each.
            let ahead = match &self.open {
                Some((_, reader)) if self.spans.len() == 0 => reader.earliest(),
                Some(_) | None => i64::MIN,
            };
            if let Some(epoch) = self.spool.ready(ahead)? {
                return Ok(Some(epoch));
            }
            if !self.read()? {
                let rest = self.spool.next_epoch()?;
                self.tell(rest.as_ref().map_or(i64::MAX, |rest| rest.1));
                return Ok(rest);
            }
        }
    }

    /// Reads a batch; false when there is none, or no more are wanted.
    fn read(&mut self) -> Result<bool, EngineError> {
        while !(self.stop)() {
            let Some((judge, reader)) = &mut self.open else {
                let Some((numbers, lists)) = self.spans.next() else { return Ok(false) };
                let judge = Judge::some(self.rules, &lists, &self.wanted);
                let stored = self.past.snapshot.read(Some(judge.columns()), self.from..=i64::MAX, numbers)?;
                let reader = stored.only(judge.keep()).log_first();
                self.open = Some((judge, reader));
                continue;
            };
            let Some(batch) = reader.next().transpose()? else {
                self.open = None;
                continue;
            };
            let reached = batch.times().last().copied();
            let (mut rows, mut late) = (Vec::new(), Vec::new());
            judge.rows(&batch, &mut rows, &mut late);
            rows.append(&mut late);
            rows.retain(|r| r.time >= self.from);
            self.spool.push(rows)?;
            self.tell(reached.unwrap_or(self.from));
            return Ok(true);
        }
        Ok(false)
    }

    /// Says every now and then how far it is.
    fn tell(&mut self, reached: i64) {
        if self.told.elapsed() >= PROGRESS
            && let Some(watermark) = self.past.watermark
        {
            self.told = Instant::now();
            let (reached, watermark) = (rfc3339(reached.min(watermark)), rfc3339(watermark));
            tracing::info!("reading what is archived: at {reached} of {watermark}");
        }
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
        let mut reading = past.read(&self.rules, self.joined.clone(), from, &stop);
        while let Some((rows, reached)) = reading.next_epoch()? {
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                let chunk: Vec<MatchRow> = rows.by_ref().take(CHUNK).collect();
                let reached = rows.peek().map_or(reached, |next| next.time);
                if stop() || self.out.blocking_send(Filled::Rows(self.change, chunk, reached)).is_err() {
                    return Ok(reading.rows());
                }
            }
        }
        Ok(reading.rows())
    }
}
