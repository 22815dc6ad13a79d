//! The live archive: epochs into the log, the log into Parquet.
//!
//! One thread owns the archive and is the only one that changes the manifest. Encoding runs on a thread
//! of its own over a sealed segment, while a new segment takes what comes.
//!
//! INVARIANT: an event is in a committed frame of a segment after `archived_through`, or in a listed
//! Parquet file, never in both and, once committed, never in neither: the manifest that lists the files
//! of a segment is the one that moves `archived_through` past it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::convert::{self, Converted, Sealed};
use super::log::{self, Frame, Frames, Head, Segment};
use super::manifest::{Checkpoint, Manifest};
use super::part::Encoding;
use super::sink::Sink;
use super::taken::TakenLog;
use super::{ArchiveError, layout, repair};
use crate::event::taken::Taken;
use crate::event::{EventBatch, time};

/// A failed conversion is tried again after this, µs.
const RETRY: i64 = 10 * time::SECOND;

/// How much is written to see whether there is room again.
const MOST_PROBED: usize = 16 << 20;

/// How the live archive works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A log segment becomes Parquet at this size, in bytes …
    pub segment_bytes: u64,
    /// … or this age, in µs.
    pub segment_age: i64,
    /// How Parquet is encoded.
    pub encoding: Encoding,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { segment_bytes: 64 << 20, segment_age: 300 * time::SECOND, encoding: Encoding::default() }
    }
}

/// What a writer finds when it opens a folder.
pub(super) struct Recovered {
    pub(super) manifest: Manifest,
    /// Segments that are not in Parquet yet; whole and sound.
    pub(super) segments: Vec<u64>,
    /// Number of the next event.
    pub(super) sequence: u64,
    pub(super) checkpoints: BTreeMap<(u64, u64, PathBuf), Checkpoint>,
    pub(super) greatest_time: Option<i64>,
    pub(super) watermark: Option<i64>,
    pub(super) promise: Option<i64>,
    /// Ids that came with the segments, in order.
    pub(super) ids: Vec<u128>,
}

/// Makes a locked folder sound: removes what an interrupted writer left, cuts torn tails off.
pub(super) fn recover(dir: &Path) -> Result<Recovered, ArchiveError> {
    let manifest = Manifest::load(dir)?.unwrap_or_default();
    layout::sweep(dir, |name| manifest.files.iter().any(|f| f.path == name), manifest.next_file)?;
    let mut recovered = Recovered {
        segments: Vec::new(),
        sequence: manifest.sequence,
        checkpoints: manifest.checkpoints.iter().map(|c| (c.key(), c.clone())).collect(),
        greatest_time: manifest.files.iter().map(|f| f.max_time).max(),
        watermark: manifest.watermark,
        promise: manifest.promise,
        ids: Vec::new(),
        manifest,
    };
    for number in layout::segments(dir)? {
        let path = layout::segment(dir, number);
        if number <= recovered.manifest.archived_through {
            layout::remove(&path)?;
            continue;
        }
        repair::repair(&path)?;
        let mut events = 0;
        for frame in Frames::open(&path)? {
            let Frame { head, ids, .. } = frame?;
            events += head.events;
            recovered.ids.extend(ids);
            recovered.sequence = recovered.sequence.max(head.sequence + head.events);
            recovered.greatest_time = recovered.greatest_time.max(head.max_time);
            recovered.watermark = recovered.watermark.max(head.watermark);
            recovered.promise = recovered.promise.max(head.promise);
            recovered.checkpoints.extend(head.checkpoints.into_iter().map(|c| (c.key(), c)));
        }
        if events > 0 {
            tracing::info!("{events} events of {} go into the archive now", path.display());
        }
        recovered.segments.push(number);
    }
    Ok(recovered)
}

/// The archive of a running engine.
pub struct Archive {
    dir: PathBuf,
    settings: Settings,
    manifest: Manifest,
    current: Option<Current>,
    next_segment: u64,
    sealed: VecDeque<Sealed>,
    rolling: Option<(u64, JoinHandle<Result<Converted, ArchiveError>>)>,
    /// No conversion is tried before this, µs; the last one failed.
    retry_at: Option<i64>,
    /// What senders may send again.
    taken: Taken,
    taken_log: TakenLog,
    /// Size of the commit that failed last.
    refused: usize,
    pending: Head,
    encoded: Vec<u8>,
    sequence: u64,
    checkpoints: BTreeMap<(u64, u64, PathBuf), Checkpoint>,
    watermark: Option<i64>,
    promise: Option<i64>,
    /// The watermark is to be recorded even without events.
    passed: bool,
    greatest_time: Option<i64>,
    lock: Arc<File>,
}

struct Current {
    segment: Segment,
    opened: i64,
}

impl Archive {
    /// Opens a data folder for writing; makes it when there is none. What a killed process left in the log counts, up to
    /// its last whole commit.
    pub fn open(dir: &Path, settings: Settings) -> Result<Archive, ArchiveError> {
        let lock = layout::lock(dir)?;
        let recovered = recover(dir)?;
        let last = recovered.segments.last().copied().unwrap_or_default().max(recovered.manifest.archived_through);
        if Manifest::load(dir)?.is_none() {
            recovered.manifest.publish(dir)?;
        }
        let mut taken = Taken::default();
        let taken_log = TakenLog::open(dir, &mut taken)?;
        taken.restore(recovered.ids);
        let whole = |number| Sealed { number, committed: u64::MAX };
        let mut archive = Archive {
            dir: dir.to_owned(),
            settings,
            manifest: recovered.manifest,
            current: None,
            next_segment: last + 1,
            sealed: recovered.segments.into_iter().map(whole).collect(),
            rolling: None,
            retry_at: None,
            taken,
            taken_log,
            refused: 0,
            pending: Head::default(),
            encoded: Vec::new(),
            sequence: recovered.sequence,
            checkpoints: recovered.checkpoints,
            watermark: recovered.watermark,
            promise: recovered.promise,
            passed: false,
            greatest_time: recovered.greatest_time,
            lock: Arc::new(lock),
        };
        archive.start_rolling()?;
        Ok(archive)
    }

    /// How far each file was read by what is durable.
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        self.checkpoints.values().cloned().collect()
    }

    /// Time of the latest durable event, µs.
    pub fn greatest_time(&self) -> Option<i64> {
        self.greatest_time
    }

    /// The watermark of the last durable commit, µs; `None` in an archive that no live run wrote.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Records, with the next commit that has events, the watermark (µs) that holds after them.
    pub fn set_watermark(&mut self, watermark: i64) {
        self.watermark = Some(watermark);
    }

    /// From when on one process of several took events as of the last durable commit, µs.
    pub fn promise(&self) -> Option<i64> {
        self.promise
    }

    /// Records, with the next commit, from when on one process of several takes events, µs.
    pub fn set_promise(&mut self, promise: i64) {
        self.promise = Some(promise);
    }

    /// Number of durable events that were ever accepted.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What senders may send again: what is taken there is durable with the next [`Archive::commit`], and given back when that
    /// fails.
    pub fn taken(&mut self) -> &mut Taken {
        &mut self.taken
    }

    /// Takes a batch and what its source was read to with it; durable with the next [`Archive::commit`]. After an
    /// error, of this or of the commit, nothing since the last commit counts.
    pub fn append(&mut self, batch: &EventBatch, checkpoints: &[Checkpoint]) -> Result<(), ArchiveError> {
        if !batch.is_empty() {
            let path = layout::log_folder(&self.dir);
            if let Err(error) = log::encode(batch, &mut self.encoded) {
                self.discard();
                return Err(ArchiveError::arrow(&path)(error));
            }
            self.pending.events += batch.len() as u64;
            self.pending.max_time = self.pending.max_time.max(batch.times().iter().copied().max());
        }
        self.advance(checkpoints)
    }

    /// Takes checkpoints of sources that gave no event; durable with the next [`Archive::commit`].
    pub fn advance(&mut self, checkpoints: &[Checkpoint]) -> Result<(), ArchiveError> {
        self.pending.checkpoints.extend_from_slice(checkpoints);
        Ok(())
    }

    /// Records a watermark (µs) without events: time passed, and that decided something. Durable with the next [`Archive::commit`].
    pub fn pass(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(Some(watermark));
        self.passed = true;
    }

    /// Makes everything since the last commit durable, all of it or nothing.
    pub fn commit(&mut self) -> Result<(), ArchiveError> {
        let is_idle = self.pending.events == 0 && self.pending.checkpoints.is_empty();
        if is_idle && self.taken.pending().is_empty() && !self.passed {
            return Ok(());
        }
        let result = self.write_pending();
        if result.is_ok() {
            self.passed = false;
            self.sequence += self.pending.events;
            self.greatest_time = self.greatest_time.max(self.pending.max_time);
            let checkpoints = std::mem::take(&mut self.pending.checkpoints);
            self.checkpoints.extend(checkpoints.into_iter().map(|c| (c.key(), c)));
            self.taken.settle();
        } else {
            self.refused = self.encoded.len();
        }
        self.discard();
        result
    }

    /// Whether a commit like the one that failed last would succeed now. Leaves nothing behind.
    pub fn probe(&mut self) -> Result<(), ArchiveError> {
        let bytes = self.refused.clamp(1, MOST_PROBED);
        self.begin()?.probe(bytes)
    }

    fn write_pending(&mut self) -> Result<(), ArchiveError> {
        self.pending.sequence = self.sequence;
        self.pending.watermark = self.watermark;
        self.pending.promise = self.promise;
        self.begin()?;
        match &mut self.current {
            Some(current) => current.segment.commit(&self.pending, self.taken.pending(), &self.encoded),
            None => Ok(()),
        }
    }

    /// The segment that grows.
    fn begin(&mut self) -> Result<&mut Segment, ArchiveError> {
        let current = match self.current.take() {
            Some(current) => current,
            None => {
                let segment = Segment::create(&self.dir, self.next_segment)?;
                self.next_segment += 1;
                Current { segment, opened: time::now() }
            }
        };
        Ok(&mut self.current.insert(current).segment)
    }

    /// Nothing that was taken since the last commit counts.
    fn discard(&mut self) {
        self.pending = Head::default();
        self.encoded.clear();
        self.taken.give_back();
    }

    /// To be called every second or so, with the time in µs: seals a segment that is large or old, starts its conversion,
    /// publishes one that ended. Never waits for one. After an error nothing is lost, and it is tried again later.
    pub fn tick(&mut self, now: i64) -> Result<(), ArchiveError> {
        let due = |c: &Current| {
            c.segment.committed >= self.settings.segment_bytes || now - c.opened >= self.settings.segment_age
        };
        if self.current.as_ref().is_some_and(due) {
            self.seal();
        }
        if self.rolling.as_ref().is_some_and(|(_, thread)| thread.is_finished())
            && let Err(error) = self.end_rolling()
        {
            self.retry_at = Some(now.saturating_add(RETRY));
            return Err(error);
        }
        if self.retry_at.is_none_or(|at| now >= at) { self.start_rolling() } else { Ok(()) }
    }

    /// Whether the last conversion failed, and none succeeded since.
    pub fn is_behind(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Turns the whole log into Parquet, and waits for it.
    pub fn roll(&mut self) -> Result<(), ArchiveError> {
        self.commit()?;
        self.seal();
        self.end_rolling()?;
        while !self.sealed.is_empty() {
            self.start_rolling()?;
            self.end_rolling()?;
        }
        Ok(())
    }

    /// Commits, turns the log into Parquet and lets the folder go.
    pub fn close(mut self) -> Result<(), ArchiveError> {
        self.roll()
    }

    /// Ends the segment, so that no file will hold events of before and of after. Everything must be committed. Returns
    /// [`Archive::sequence`].
    pub fn cut(&mut self) -> u64 {
        self.seal();
        self.sequence
    }

    fn seal(&mut self) {
        let sealed = |c: Current| Sealed { number: c.segment.number, committed: c.segment.committed };
        self.sealed.extend(self.current.take().map(sealed));
    }

    fn start_rolling(&mut self) -> Result<(), ArchiveError> {
        if self.rolling.is_some() {
            return Ok(());
        }
        let Some(&Sealed { number, committed }) = self.sealed.front() else { return Ok(()) };
        let (dir, encoding) = (self.dir.clone(), self.settings.encoding.clone());
        let (next_file, sequence) = (self.manifest.next_file, self.manifest.sequence);
        let sink = move || Sink::new(&dir, encoding.clone(), next_file, sequence);
        let (path, lock) = (layout::segment(&self.dir, number), self.lock.clone());
        let work = move || {
            // Held until the last file is written, even when the archive is dropped before.
            let _lock = lock;
            convert::convert(&path, committed, sink)
        };
        let thread = std::thread::Builder::new().name("archive".into()).spawn(work);
        self.rolling = Some((number, thread.map_err(ArchiveError::io("start a thread for", &self.dir))?));
        Ok(())
    }

    /// Waits for the conversion that runs, if any, and publishes what it made.
    fn end_rolling(&mut self) -> Result<(), ArchiveError> {
        let Some((number, thread)) = self.rolling.take() else { return Ok(()) };
        let path = layout::segment(&self.dir, number);
        let rolled = thread
            .join()
            .map_err(|_| ArchiveError::Damaged { path: path.clone(), what: "its conversion stopped".into() })??;
        self.taken_log.keep(&rolled.ids)?;
        let mut manifest = self.manifest.clone();
        manifest.next_file += rolled.files.len() as u64;
        manifest.files.extend(rolled.files);
        manifest.archived_through = number;
        manifest.sequence = rolled.sequence.unwrap_or(manifest.sequence);
        manifest.checkpoints = self.checkpoints();
        manifest.watermark = self.watermark;
        manifest.promise = self.promise;
        manifest.publish(&self.dir)?;
        self.manifest = manifest;
        self.sealed.pop_front();
        self.retry_at = None;
        layout::remove(&path)
    }
}
