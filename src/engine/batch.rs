//! A finite input, taken whole: none of its events is late, and alerts are said once.
//!
//! Parsing and matching run on a thread of their own, the archive on another, the dataflow on its
//! workers; in between, match rows are put into time order. Input that is about in order flows
//! through. Input that is not is found out on the way, and taken again from its start with all its rows
//! spooled first ([`Overflow`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::EngineError;
use super::findings::{Findings, Wanted};
use super::judge::Judge;
use super::record::record;
use crate::archive::{BulkWriter, Checkpoint};
use crate::correlate::spool::{Overflow, Spool, SpoolError};
use crate::correlate::{self, Emit, Input, Outputs, changes};
use crate::event::raw::RawLog;
use crate::event::{EventBatch, time};
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// Batches under way between two stages.
const BATCHES_IN_FLIGHT: usize = 1;

/// What a finite run needs.
pub struct Settings {
    /// The rules.
    pub program: Arc<Program>,
    /// Dataflow workers.
    pub workers: usize,
    /// The data folder in which events are archived, if they are.
    pub archive: Option<PathBuf>,
    /// Whether the input cannot be read a second time.
    pub once: bool,
    /// How far time is at the end of the input, µs: what must not happen before that time, and did not, is decided.
    /// `None`: just past its latest event.
    pub until: Option<i64>,
    /// What is wanted of each alert.
    pub wanted: Wanted,
}

/// What a producer of batches is given: it sends them, and says how far it is.
pub struct Feed {
    judge: Judge,
    /// Number of the first event that it judges.
    span: u64,
    out: Sender<Bundle>,
    archived: bool,
    /// How far files were read.
    checkpoints: Vec<Checkpoint>,
    /// Rows of the last batch: room for as many is made for the next.
    expected: usize,
}

pub(super) struct Bundle {
    /// For the archive, if there is one.
    batch: Option<EventBatch>,
    pub(super) rows: Vec<MatchRow>,
    /// Rows to be judged by the lists that stood from the event of this number on.
    pub(super) late: Vec<MatchRow>,
    pub(super) span: u64,
    /// Time of its latest event, µs.
    pub(super) greatest: i64,
}

/// The consumer ended; there is nothing left to do.
#[derive(Debug)]
pub struct Closed;

impl Feed {
    pub(super) fn new(judge: Judge, out: Sender<Bundle>, archived: bool) -> Feed {
        Feed { judge, span: 0, out, archived, checkpoints: Vec::new(), expected: 0 }
    }

    /// From the event of this number on another one judges.
    pub fn judged_by(&mut self, judge: Judge, span: u64) {
        (self.judge, self.span) = (judge, span);
    }

    /// Matches a batch and passes it on.
    pub fn send(&mut self, batch: EventBatch) -> Result<(), Closed> {
        let mut rows = Vec::with_capacity(self.expected + self.expected / 16);
        let mut late = Vec::new();
        self.judge.rows(&batch, &mut rows, &mut late);
        self.expected = rows.len();
        // Without an archive its memory is free for the next one, in the same thread.
        let greatest = batch.times().iter().copied().max().unwrap_or(i64::MIN);
        let batch = self.archived.then_some(batch);
        self.out.send(Bundle { batch, rows, late, span: self.span, greatest }).map_err(|_| Closed)
    }

    /// Says that all events of a file up to and with those of this block were sent.
    pub fn reached(&mut self, block: &RawLog) {
        let Some(checkpoint) = Checkpoint::behind(block) else { return };
        match self.checkpoints.last_mut() {
            Some(last) if last.key() == checkpoint.key() => *last = checkpoint,
            Some(_) | None => self.checkpoints.push(checkpoint),
        }
    }

    /// Says that there were events up to this time (µs) which no rule can match, so that they were not read.
    pub fn passed(&mut self, greatest: i64) -> Result<(), Closed> {
        let (rows, late) = (Vec::new(), Vec::new());
        self.out.send(Bundle { batch: None, rows, late, span: self.span, greatest }).map_err(|_| Closed)
    }
}

/// What a finite run is doing besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading again from the start: the input is far out of order.
    Again,
    /// Writing what is left of the archive.
    Archiving,
    /// Running what is left through windows and joins.
    Correlating,
}

impl Phase {
    /// For a progress bar.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Again => "reading again, in time order",
            Phase::Archiving => "archiving",
            Phase::Correlating => "correlating",
        }
    }
}

/// Runs `produce` on a thread of its own until it returns, archives what it sends, and correlates it all. Returns its
/// result and the alerts in their order. It is called a second time when the input turns out to be far out of order.
pub fn run<T: Send>(
    settings: &Settings,
    produce: &(impl Fn(&mut Feed) -> T + Sync),
    progress: &dyn Fn(Phase),
) -> Result<(T, Findings), EngineError> {
    let overflow = if settings.once { Overflow::Spill } else { Overflow::Release };
    match attempt(settings, overflow, produce, progress) {
        Err(EngineError::Spool(SpoolError::Disorder)) => {
            progress(Phase::Again);
            attempt(settings, Overflow::Spill, produce, progress)
        }
        done => done,
    }
}

fn attempt<T: Send>(
    settings: &Settings,
    overflow: Overflow,
    produce: &(impl Fn(&mut Feed) -> T + Sync),
    progress: &dyn Fn(Phase),
) -> Result<(T, Findings), EngineError> {
    let Settings { program, workers, archive, .. } = settings;
    let archive = archive.as_deref().map(BulkWriter::open).transpose()?;
    let (out, bundles) = bounded(BATCHES_IN_FLIGHT);
    let mut feed = Feed::new(Judge::new(program, Emit::Final), out, archive.is_some());
    let (input, outputs) = correlate::start(program.clone(), *workers, Emit::Final)?;
    let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let disk = |folder: &Path| {
        let folder = folder.to_owned();
        move |cause| SpoolError::Disk { folder, cause }
    };
    let findings = match &settings.archive {
        Some(data) => Findings::logged(data, time::now(), settings.wanted).map_err(disk(data))?,
        None => Findings::new(&folder, settings.wanted),
    };
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || (produce(&mut feed), feed.checkpoints));
        let collector = scope.spawn(|| collect(program, outputs, findings));
        let (batches, writer) = match archive {
            Some(writer) => {
                let (batches, incoming) = bounded(BATCHES_IN_FLIGHT);
                (Some(batches), Some(scope.spawn(move || write(writer, &incoming))))
            }
            None => (None, None),
        };
        let correlated = correlate(settings, overflow, &folder, bundles, batches, input, progress);
        let (produced, checkpoints) = producer.join().map_err(|_| EngineError::Stage("parsing"))?;
        progress(Phase::Archiving);
        let written = writer.map_or(Ok(Ok(None)), |w| w.join()).map_err(|_| EngineError::Stage("archive"))?;
        let alerts = collector.join().map_err(|_| EngineError::Stage("alert"))?;
        // The archive's error first: it is why the others stopped.
        let writer = written?;
        let mut findings = match (correlated, alerts) {
            (Ok(()), alerts) => alerts?,
            // Where alerts cannot be kept nobody listens to the dataflow any more, and it takes nothing.
            (Err(EngineError::Correlate(_)), Err(error)) | (Err(error), _) => return Err(error),
        };
        if let Some(mut writer) = writer {
            writer.reached(checkpoints);
            writer.finish()?;
            findings.publish().map_err(disk(findings.folder()))?;
            if let Some(data) = &settings.archive {
                record(data, program)?;
            }
        }
        Ok((produced, findings))
    })
}

/// Puts rows in order and sends them into the dataflow; passes batches on to the archive.
fn correlate(
    settings: &Settings,
    overflow: Overflow,
    folder: &Path,
    bundles: Receiver<Bundle>,
    archive: Option<Sender<EventBatch>>,
    mut input: Input,
    progress: &dyn Fn(Phase),
) -> Result<(), EngineError> {
    let mut spool = Spool::new(overflow, overflow.budget(), folder);
    let (mut greatest, until) = (i64::MIN, settings.until.unwrap_or(i64::MAX - 1));
    for bundle in &bundles {
        greatest = greatest.max(bundle.greatest);
        if let (Some(archive), Some(batch)) = (&archive, bundle.batch)
            && archive.send(batch).is_err()
        {
            // The archive says why when its thread is joined.
            return Err(EngineError::Stage("archive"));
        }
        spool.push(bundle.rows)?;
        while let Some((rows, watermark)) = spool.overflow()? {
            input.send(rows, watermark.min(until))?;
        }
    }
    drop(archive);
    progress(Phase::Correlating);
    while let Some((rows, watermark)) = spool.next_epoch()? {
        input.send(rows, watermark.min(until))?;
    }
    // Time has passed to the end of the input, whether rules looked at its last events or not; then nothing more comes.
    input.send(Vec::new(), settings.until.unwrap_or(greatest.saturating_add(1)))?;
    input.send(Vec::new(), i64::MAX)?;
    Ok(())
}

fn collect(program: &Program, mut outputs: Outputs, mut findings: Findings) -> Result<Findings, EngineError> {
    while let Some(output) = outputs.receive()? {
        // Read in their order later, alerts of one time should lie near one another.
        let mut order: Vec<_> = output.changes.iter().map(|(record, _)| record).collect();
        order.sort_unstable_by_key(|record| (record.first.time, record.rule));
        for record in order {
            let pushed = findings.push(record.rule, &changes::alert(program, record));
            pushed.map_err(|cause| SpoolError::Disk { folder: findings.folder().to_owned(), cause })?;
        }
    }
    Ok(findings)
}

/// Writes batches; what is written counts only once the writer is finished.
fn write(mut writer: BulkWriter, batches: &Receiver<EventBatch>) -> Result<Option<BulkWriter>, EngineError> {
    for batch in batches {
        writer.append(&batch)?;
    }
    Ok(Some(writer))
}
