//! The engine that runs for ever: blocks of lines in, durable events and alerts out.
//!
//! Two threads. The *pipeline* bundles what arrives in some tens of milliseconds into an epoch: it
//! parses, marks what is late, matches, writes the archive's log, and only once that is on disk
//! acknowledges the blocks and hands the rows to the dataflow. The *alert* thread turns what the
//! dataflow says into alert changes, stores them, and shows them. Between epochs the pipeline takes another
//! program (`join`), and the past of its new rules, which a thread of their own reads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::past::{Filled, Filler};
use super::reload::{Reloader, Running};
use super::rules::{Origin, Rules};
use super::shadow::Relay;
use super::{EngineError, LATE, drop_late};
use crate::archive::{Archive, Checkpoint, ListLog};
use crate::correlate::Input;
use crate::correlate::clock::Clock;
use crate::event::earlier::Earlier;
use crate::event::raw::{Acknowledge, RawLog, Receipt, Source};
use crate::event::{EventBatch, time};
use crate::ingest::{self, Ingest};
use crate::matching::{MatchRow, Matcher, Scratch};
use crate::metrics::Metrics;
use crate::rule::plan::Program;
use crate::serve::live::Hub;

mod durable;
mod gather;
mod join;
mod open;
#[cfg(test)]
mod tests;
mod together;

use durable::{RETRY, Refusal};
use gather::{Inlets, Next, Pulse};
use join::Pending;
use together::Others;

pub use open::{say_if_kept_short, start};

/// How late an event may be, by default, µs.
pub use crate::correlate::clock::LATENESS;
pub use crate::correlate::cluster::{Cluster, end_on_loss};

/// Blocks that may wait for the pipeline; beyond it collectors wait, and HTTP clients are told to come back.
pub const QUEUE: usize = 64;
/// Sources whose parser state is kept; beyond it that of the half which was silent longest goes.
const SOURCES: usize = 4096;
/// Chunks of the past that wait between live epochs.
const CHUNKS: usize = 2;

/// What a live engine needs.
pub struct Settings {
    /// Data folder.
    pub data: PathBuf,
    /// The rules.
    pub rules: Rules,
    /// Where they are read again from.
    pub origin: Origin,
    /// Dataflow workers.
    pub workers: usize,
    /// Allowed lateness, µs.
    pub lateness: i64,
    /// How lines are read.
    pub ingest: ingest::Settings,
    /// How events are stored.
    pub archive: crate::archive::Settings,
    /// The processes that run the rules together, if they are several.
    pub cluster: Option<Cluster>,
    /// Names of sources that are expected to speak at once; until they do, the watermark waits for them.
    pub held: Vec<String>,
}

/// A running engine.
pub struct Engine {
    /// Where collectors send their blocks. The engine ends when all clones of it are dropped.
    pub blocks: mpsc::Sender<RawLog>,
    /// Where each file was when the archive was last written.
    pub checkpoints: Vec<Checkpoint>,
    /// Reads the rules again.
    pub reloader: Arc<Reloader>,
    /// Another process that has stopped, as soon as one has: this one is to stop, too.
    pub left: watch::Receiver<Option<usize>>,
    threads: Vec<JoinHandle<Result<(), EngineError>>>,
}

impl Engine {
    /// Waits until everything that was sent is stored. All senders must be dropped before.
    pub fn join(self) -> Result<(), EngineError> {
        drop(self.blocks);
        for thread in self.threads {
            thread.join().map_err(|_| EngineError::Stage("engine"))??;
        }
        Ok(())
    }
}

struct Pipeline {
    settings: ingest::Settings,
    rules: Arc<Rules>,
    matcher: Matcher,
    scratch: Scratch,
    clock: Clock,
    sources: HashMap<Arc<str>, (Ingest, Instant)>,
    earlier: Arc<Earlier>,
    data: PathBuf,
    archive: Archive,
    /// How far before the watermark events are needed for a restart, µs.
    reach: i64,
    refusal: Option<Refusal>,
    lists: ListLog,
    input: Input,
    pulse: Pulse,
    others: Others,
    workers: usize,
    /// For whoever reads the past of rules that join …
    fill: mpsc::Sender<Filled>,
    /// … and where to start them.
    fillers: crossbeam_channel::Sender<Filler>,
    relay: crossbeam_channel::Sender<Relay>,
    /// How many changes of the program there were.
    change: u64,
    /// The last one whose rules joined the dataflow that runs.
    present: Arc<AtomicU64>,
    /// A program that takes over once it is filled.
    pending: Option<Pending>,
    running: Running,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
}

/// A block on its way to disk.
struct Accepted {
    source: Arc<str>,
    batches: Vec<EventBatch>,
    checkpoint: Option<Checkpoint>,
    acknowledge: Option<Acknowledge>,
    receipt: Receipt,
}

impl Pipeline {
    fn run(mut self, mut inlets: Inlets) -> Result<(), EngineError> {
        let mut last_tick = 0;
        loop {
            let tick = self.pulse.tick(self.waits() || self.input.peers().is_some());
            let (gathered, open) = match inlets.gather(tick, || self.is_waited_for()) {
                Next::Epoch(gathered, open) => (gathered, open),
                Next::Change(change) => {
                    self.change(change)?;
                    continue;
                }
                Next::Fill(filled) => {
                    self.fill(filled)?;
                    continue;
                }
            };
            let now = self.epoch(gathered, open)?;
            // However much comes, the past gets its turn.
            if let Some(filled) = inlets.filled() {
                self.fill(filled)?;
            }
            if now - last_tick >= time::SECOND {
                last_tick = now;
                self.hub.tick(now);
                self.archive.needs(self.clock.watermark().saturating_sub(self.reach));
                self.probe();
                self.roll(now);
            }
            if !open {
                // Other processes need not wait for the archive.
                drop(self.input);
                self.archive.close()?;
                return Ok(());
            }
        }
    }

    /// A live epoch of these blocks, the last one when the input is no longer open. Returns when it was.
    fn epoch(&mut self, gathered: Vec<RawLog>, open: bool) -> Result<i64, EngineError> {
        self.hear(!gathered.is_empty())?;
        let wanted = gathered.into_iter().filter(|block| !block.acknowledge.as_ref().is_some_and(Acknowledge::is_over));
        let mut accepted: Vec<Accepted> = wanted.map(|block| self.accept(block)).collect();
        let now = time::now();
        // What is stored carries the watermark that holds after it: a restart decides alike.
        self.clock.advance(now);
        self.store(&mut accepted);
        let rows = self.matches(&accepted);
        self.pass(now, accepted.is_empty());
        let watermark = self.reached();
        self.metrics.matched(rows.len() as u64);
        self.metrics.epoch(if watermark == i64::MIN { 0.0 } else { (now - watermark) as f64 / time::SECOND as f64 });
        let news = !open || !rows.is_empty() || self.input.peers().is_some();
        if self.pulse.beats(news, watermark, now) {
            self.send(rows, open)?;
        }
        self.follow(&accepted);
        self.acknowledge(accepted);
        Ok(now)
    }

    /// Lets time pass while all sources are silent, where a rule waits for that. It is recorded before anything is said of it,
    /// so that a restart and a replay decide alike.
    fn pass(&mut self, now: i64, idle: bool) {
        if idle {
            self.note_reached();
        }
        let Some(watermark) = self.clock.silence(now).filter(|_| self.waits()) else { return };
        if !self.all_silent() || self.refusal.is_some() {
            return;
        }
        self.archive.pass(watermark);
        match self.archive.commit() {
            Ok(()) => self.passed(watermark),
            Err(error) => tracing::error!("{error}; what must not happen is not decided until it is recorded"),
        }
    }

    /// Parses a block and marks what is late.
    fn accept(&mut self, block: RawLog) -> Accepted {
        if self.sources.len() > SOURCES {
            let mut used: Vec<Instant> = self.sources.values().map(|(_, used)| *used).collect();
            let (_, from, _) = used.select_nth_unstable(SOURCES / 2);
            self.sources.retain(|_, (_, used)| *used > *from);
        }
        let source = block.source.clone();
        let (ingest, used) = self.sources.entry(source.name.clone()).or_insert_with(|| {
            let ingest = Ingest::new(self.settings.clone(), source.clone());
            (ingest.after(self.earlier.clone()), Instant::now())
        });
        *used = Instant::now();
        let mut batches = Vec::new();
        let taken = self.archive.taken();
        let counts = match &block.acknowledge {
            None | Some(Acknowledge { is_patient: true, .. }) => ingest.push(&block, &mut batches),
            Some(Acknowledge { id: Some(id), .. }) if !taken.take(*id) => ingest::Counts::of_duplicate(&block),
            Some(_) => ingest.push_once(&block, taken, &mut batches),
        };
        self.metrics.received(&source.name, counts.lines, block.lines.len() as u64);
        self.metrics.parsed(&source.name, counts.events, counts.parse_failures);
        self.metrics.duplicates(&source.name, counts.duplicates);
        let batches: Vec<EventBatch> = batches.into_iter().map(|b| self.mark(&source, b, block.received)).collect();
        let checkpoint = Checkpoint::behind(&block);
        let ingest::Counts { events, parse_failures, duplicates, .. } = counts;
        let receipt = Receipt { events, parse_failures, duplicates };
        Accepted { source: source.name, batches, checkpoint, acknowledge: block.acknowledge, receipt }
    }

    fn mark(&mut self, source: &Source, batch: EventBatch, received: i64) -> EventBatch {
        let watermark = self.clock.watermark();
        let late: Vec<bool> = batch.times().iter().map(|t| *t < watermark).collect();
        let marked = if late.contains(&true) {
            self.metrics.late(late.iter().filter(|l| **l).count() as u64);
            batch.with_tag(LATE, &late)
        } else {
            batch
        };
        self.clock.observe(&source.name, marked.times(), received);
        marked
    }

    fn matches(&mut self, accepted: &[Accepted]) -> Vec<MatchRow> {
        let mut rows = Vec::new();
        for batch in accepted.iter().flat_map(|a| &a.batches) {
            rows.append(&mut matched(&self.rules.program, &self.matcher, &mut self.scratch, batch));
            self.hub.events(batch);
        }
        rows
    }

    fn acknowledge(&self, accepted: Vec<Accepted>) {
        for block in accepted {
            if let Some(waiting) = block.acknowledge {
                // Whoever waited may be gone, which changes nothing.
                drop(waiting.send(Ok(block.receipt)));
            }
        }
    }
}

/// The rows of a batch.
fn matched(program: &Program, matcher: &Matcher, scratch: &mut Scratch, batch: &EventBatch) -> Vec<MatchRow> {
    let mut rows = Vec::new();
    matcher.matches(batch, scratch, &mut rows);
    drop_late(program, batch, &mut rows);
    rows
}
