//! A finite input, taken whole: none of its events is late, and alerts are said once, at the end.
//!
//! Parsing and matching run on a thread of their own, the archive on another; match rows are spooled
//! in time order, then correlated.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{EngineError, drop_late};
use crate::alert::Alert;
use crate::archive::BulkWriter;
use crate::correlate::spool::{BUDGET, Spool};
use crate::correlate::{self, Emit, changes};
use crate::event::EventBatch;
use crate::matching::{MatchRow, Matcher, Scratch};
use crate::rule::plan::Program;

/// Batches under way between two stages.
const BATCHES_IN_FLIGHT: usize = 4;

/// What a finite run needs.
pub struct Settings {
    /// The rules.
    pub program: Arc<Program>,
    /// Dataflow workers.
    pub workers: usize,
    /// Where events are archived, if anywhere.
    pub archive: Option<BulkWriter>,
}

/// What a producer of batches is given: it sends them, and says how far it is.
pub struct Feed {
    matcher: Matcher,
    scratch: Scratch,
    program: Arc<Program>,
    out: Sender<Bundle>,
}

struct Bundle {
    batch: EventBatch,
    rows: Vec<MatchRow>,
}

/// The consumer ended; there is nothing left to do.
#[derive(Debug)]
pub struct Closed;

impl Feed {
    /// Matches a batch and passes it on.
    pub fn send(&mut self, batch: EventBatch) -> Result<(), Closed> {
        let mut rows = Vec::new();
        self.matcher.matches(&batch, &mut self.scratch, &mut rows);
        drop_late(&self.program, &batch, &mut rows);
        self.out.send(Bundle { batch, rows }).map_err(|_| Closed)
    }
}

/// Runs `produce` on a thread of its own until it returns, archives what it sends, and correlates it all.
/// Returns its result and the alerts in their order. `progress` is called with a word for each phase.
pub fn run<T: Send>(
    settings: Settings,
    produce: impl FnOnce(&mut Feed) -> T + Send,
    progress: &dyn Fn(Phase),
) -> Result<(T, Vec<Alert>), EngineError> {
    let Settings { program, workers, archive } = settings;
    let (out, bundles) = bounded(BATCHES_IN_FLIGHT);
    let mut feed =
        Feed { matcher: Matcher::new(&program), scratch: Scratch::default(), program: program.clone(), out };
    let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let mut spool = Spool::new(BUDGET, &folder);
    let produced = std::thread::scope(|scope| {
        let producer = scope.spawn(move || produce(&mut feed));
        let (batches, archive) = match archive {
            Some(writer) => {
                let (batches, incoming) = bounded(BATCHES_IN_FLIGHT);
                (Some(batches), Some(scope.spawn(move || write(writer, &incoming))))
            }
            None => (None, None),
        };
        let spooled = take(&bundles, &mut spool, batches);
        drop(bundles);
        let produced = producer.join().map_err(|_| EngineError::Stage("parsing"))?;
        if let Some(archive) = archive {
            progress(Phase::Archiving);
            archive.join().map_err(|_| EngineError::Stage("archive"))??;
        }
        spooled?;
        Ok::<T, EngineError>(produced)
    })?;
    progress(Phase::Correlating);
    let alerts = correlate(&program, spool, workers)?;
    Ok((produced, alerts))
}

/// What a finite run is doing after its input was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Writing what is left of the archive.
    Archiving,
    /// Running windows and joins.
    Correlating,
}

fn take(bundles: &Receiver<Bundle>, spool: &mut Spool, archive: Option<Sender<EventBatch>>) -> Result<(), EngineError> {
    for bundle in bundles {
        spool.push(bundle.rows)?;
        if let Some(archive) = &archive
            && archive.send(bundle.batch).is_err()
        {
            // The archive's own error is reported when its thread is joined.
            break;
        }
    }
    Ok(())
}

fn write(mut writer: BulkWriter, batches: &Receiver<EventBatch>) -> Result<(), EngineError> {
    for batch in batches {
        writer.append(&batch)?;
    }
    writer.finish()?;
    Ok(())
}

fn correlate(program: &Arc<Program>, spool: Spool, workers: usize) -> Result<Vec<Alert>, EngineError> {
    let (mut input, mut outputs) = correlate::start(program.clone(), workers, Emit::Final)?;
    let mut alerts = std::thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            let mut epochs = spool.drain();
            while let Some((rows, watermark)) = epochs.next_epoch()? {
                input.send(rows, watermark)?;
            }
            Ok::<(), EngineError>(())
        });
        let mut alerts = Vec::new();
        while let Some(output) = outputs.receive()? {
            alerts.extend(output.changes.iter().map(|(record, _)| changes::alert(program, record)));
        }
        feeder.join().map_err(|_| EngineError::Stage("spool"))??;
        Ok::<_, EngineError>(alerts)
    })?;
    alerts.sort_by(|a, b| changes::order(a).cmp(&changes::order(b)));
    Ok(alerts)
}
