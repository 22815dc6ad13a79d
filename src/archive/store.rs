//! The live archive: epochs into the log, the log into Parquet.
//!
//! One thread owns the archive and is the only one that changes the manifest. Encoding, merging and removing run on a
//! thread of their own (`background`), while a new segment takes what comes.
//!
//! INVARIANT: an event is in a committed frame of a segment after `archived_through`, or in a listed
//! Parquet file, never in both and, once committed, never in neither: the manifest that lists the files
//! of a segment is the one that moves `archived_through` past it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::background::{self, Background, Task, Tidy};
use super::log::{self, Head, Segment};
use super::manifest::{Checkpoint, Manifest};
use super::part::Encoding;
use super::recover::recover;
use super::retention::Retention;
use super::sink::Sink;
use super::{ArchiveError, layout};
use crate::event::{EventBatch, time};

/// A failed conversion is tried again after this, µs.
const RETRY: i64 = 10 * time::SECOND;
/// How often it is looked what is too old, µs; what came new is looked at when it came.
const TIDY: i64 = 600 * time::SECOND;

/// How the live archive works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A log segment becomes Parquet at this size, in bytes …
    pub segment_bytes: u64,
    /// … or this age, in µs.
    pub segment_age: i64,
    /// How Parquet is encoded.
    pub encoding: Encoding,
    /// How long events are kept.
    pub retention: Retention,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            segment_bytes: 64 << 20,
            segment_age: 300 * time::SECOND,
            encoding: Encoding::default(),
            retention: Retention::default(),
        }
    }
}

/// The archive of a running engine.
pub struct Archive {
    dir: PathBuf,
    settings: Settings,
    manifest: Manifest,
    current: Option<Current>,
    next_segment: u64,
    sealed: VecDeque<u64>,
    background: Option<Background>,
    /// No conversion is tried before this, µs.
    retry_at: i64,
    /// Files are not tidied before this, µs.
    tidy_at: i64,
    /// Replaced files are not removed before this, µs.
    remove_at: i64,
    /// Events from this time on are needed, µs.
    needed: i64,
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
        let mut archive = Archive {
            dir: dir.to_owned(),
            settings,
            manifest: recovered.manifest,
            current: None,
            next_segment: last + 1,
            sealed: recovered.segments.into(),
            background: None,
            retry_at: i64::MIN,
            tidy_at: i64::MIN,
            remove_at: i64::MIN,
            needed: i64::MAX,
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
        if self.pending.events == 0 && self.pending.checkpoints.is_empty() && !self.passed {
            return Ok(());
        }
        let result = self.write_pending();
        if result.is_ok() {
            self.passed = false;
            self.sequence += self.pending.events;
            self.greatest_time = self.greatest_time.max(self.pending.max_time);
            let checkpoints = std::mem::take(&mut self.pending.checkpoints);
            self.checkpoints.extend(checkpoints.into_iter().map(|c| (c.key(), c)));
        }
        self.discard();
        result
    }

    fn write_pending(&mut self) -> Result<(), ArchiveError> {
        self.pending.sequence = self.sequence;
        self.pending.watermark = self.watermark;
        self.pending.promise = self.promise;
        if self.current.is_none() {
            let segment = Segment::create(&self.dir, self.next_segment)?;
            self.next_segment += 1;
            self.current = Some(Current { segment, opened: time::now() });
        }
        match &mut self.current {
            Some(current) => current.segment.commit(&self.pending, &self.encoded),
            None => Ok(()),
        }
    }

    fn discard(&mut self) {
        self.pending = Head::default();
        self.encoded.clear();
    }

    /// Events from this time on (µs) are needed by what runs, and are kept whatever their age; until it is said, none are.
    pub fn needs(&mut self, from: i64) {
        self.needed = from;
    }

    /// To be called every second or so, with the time in µs: seals a segment that is large or old, starts its conversion,
    /// merges and removes files, publishes what came of it. Never waits for that. After an error nothing is lost, and
    /// it is tried again later.
    pub fn tick(&mut self, now: i64) -> Result<(), ArchiveError> {
        let due = |c: &Current| {
            c.segment.committed >= self.settings.segment_bytes || now - c.opened >= self.settings.segment_age
        };
        if self.current.as_ref().is_some_and(due) {
            self.seal();
        }
        if let Some(task) = self.background.as_ref().filter(|b| b.is_finished()).map(|b| b.task) {
            let ended = self.end_background();
            match task {
                Task::Convert(_) if ended.is_err() => self.retry_at = now.saturating_add(RETRY),
                Task::Convert(_) => self.tidy_at = now,
                Task::Tidy => self.tidy_at = if matches!(ended, Ok(true)) { now } else { now.saturating_add(TIDY) },
            }
            ended?;
        }
        if now >= self.retry_at {
            self.start_rolling()?;
        }
        if now >= self.tidy_at {
            self.start_tidying(now)?;
        }
        if now < self.remove_at {
            return Ok(());
        }
        self.remove_at = now.saturating_add(RETRY);
        self.remove_retired()
    }

    /// Turns the whole log into Parquet, and waits for it. What else is under way is left off.
    pub fn roll(&mut self) -> Result<(), ArchiveError> {
        self.commit()?;
        self.seal();
        match self.background.as_ref().map(|background| (background.task, background.hurry())) {
            // What was not tidied now is another time.
            Some((Task::Tidy, ())) => match self.end_background() {
                Ok(_) => {}
                Err(error) => tracing::error!("{error}"),
            },
            Some((Task::Convert(_), ())) | None => drop(self.end_background()?),
        }
        while !self.sealed.is_empty() {
            self.start_rolling()?;
            self.end_background()?;
        }
        Ok(())
    }

    /// Merges and removes files until nothing more is to be done, and waits for it. `progress` is told how many files there
    /// are after each step.
    pub fn tidy(&mut self, now: i64, progress: &dyn Fn(usize)) -> Result<(), ArchiveError> {
        self.end_background()?;
        loop {
            self.start_tidying(now)?;
            let changed = self.end_background()?;
            progress(self.manifest.files.len());
            if !changed {
                return self.remove_retired();
            }
        }
    }

    /// Commits, turns the log into Parquet and lets the folder go.
    pub fn close(mut self) -> Result<(), ArchiveError> {
        self.roll()?;
        self.remove_retired()
    }

    /// Ends the segment, so that no file will hold events of before and of after. Everything must be committed. Returns
    /// [`Archive::sequence`].
    pub fn cut(&mut self) -> u64 {
        self.seal();
        self.sequence
    }

    fn seal(&mut self) {
        self.sealed.extend(self.current.take().map(|c| c.segment.number));
    }

    fn sink(&self) -> Sink {
        Sink::new(&self.dir, self.settings.encoding.clone(), self.manifest.next_file, self.manifest.sequence)
    }

    fn start_rolling(&mut self) -> Result<(), ArchiveError> {
        let (None, Some(&number)) = (&self.background, self.sealed.front()) else { return Ok(()) };
        let (path, sink) = (layout::segment(&self.dir, number), self.sink());
        let convert = move |_: &_| background::convert(&path, sink);
        self.background = Some(Background::start(&self.dir, self.lock.clone(), Task::Convert(number), convert)?);
        Ok(())
    }

    fn start_tidying(&mut self, now: i64) -> Result<(), ArchiveError> {
        if self.background.is_some() {
            return Ok(());
        }
        let tidy = Tidy {
            dir: self.dir.clone(),
            files: self.manifest.files.clone(),
            retention: self.settings.retention.clone(),
            now,
            needed: self.needed,
        };
        let sink = self.sink();
        let step = move |stop: &_| tidy.step(sink, stop);
        self.background = Some(Background::start(&self.dir, self.lock.clone(), Task::Tidy, step)?);
        Ok(())
    }

    /// Waits for what runs beside, if anything, and publishes what came of it. Says whether that changed something.
    fn end_background(&mut self) -> Result<bool, ArchiveError> {
        let Some(background) = self.background.take() else { return Ok(false) };
        let task = background.task;
        let done = background.join(&self.dir)?;
        let changes = done.changes();
        let mut manifest = self.manifest.clone();
        manifest.next_file += done.files.len() as u64;
        manifest.files.retain(|f| !done.replaced.contains(&f.path));
        manifest.retired.extend(done.replaced);
        for file in &mut manifest.files {
            file.datasets = done.counted.get(&file.path).or(file.datasets.as_ref()).cloned();
        }
        manifest.files.extend(done.files);
        match task {
            Task::Tidy if !changes => return Ok(false),
            Task::Tidy => {}
            Task::Convert(number) => {
                manifest.archived_through = number;
                manifest.sequence = done.sequence.unwrap_or(manifest.sequence);
                manifest.checkpoints = self.checkpoints();
                manifest.watermark = self.watermark;
                manifest.promise = self.promise;
            }
        }
        manifest.publish(&self.dir)?;
        self.manifest = manifest;
        if let Task::Convert(number) = task {
            self.sealed.pop_front();
            layout::remove(&layout::segment(&self.dir, number))?;
        }
        Ok(changes)
    }

    /// Removes the files that were replaced, when nobody reads.
    fn remove_retired(&mut self) -> Result<(), ArchiveError> {
        if self.manifest.retired.is_empty() || !background::remove(&self.dir, &self.manifest.retired)? {
            return Ok(());
        }
        self.manifest.retired.clear();
        self.manifest.publish(&self.dir)
    }
}
