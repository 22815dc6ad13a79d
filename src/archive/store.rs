//! The live archive: epochs into the log, the log into Parquet.
//!
//! One thread owns the archive. Encoding, merging and removing run on a thread of their own (`background`), one after the
//! other, which then changes the manifest (`publish`), while a new segment takes what comes.
//!
//! INVARIANT: an event is in a committed frame of a segment after `archived_through`, or in a listed
//! Parquet file, never in both and, once committed, never in neither: the manifest that lists the files
//! of a segment is the one that moves `archived_through` past it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

use super::background::Background;
use super::convert::Sealed;
use super::log::{self, Head, Segment};
use super::manifest::{Checkpoint, Manifest};
use super::part::Encoding;
use super::recover::recover;
use super::retention::Kept;
use super::taken::TakenLog;
use super::{ArchiveError, layout};
use crate::event::taken::Taken;
use crate::event::{EventBatch, time};

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
    /// How long events are kept.
    pub retention: Kept,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            segment_bytes: 64 << 20,
            segment_age: 300 * time::SECOND,
            encoding: Encoding::default(),
            retention: Kept::default(),
        }
    }
}

/// The archive of a running engine.
pub struct Archive {
    pub(super) dir: PathBuf,
    pub(super) settings: Settings,
    pub(super) manifest: Arc<Manifest>,
    pub(super) current: Option<Current>,
    next_segment: u64,
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) background: Option<Background>,
    /// No conversion is tried before this, µs; the last one failed.
    pub(super) retry_at: Option<i64>,
    /// Files are not tidied before this, µs.
    pub(super) tidy_at: i64,
    /// Replaced files are not removed before this, µs.
    pub(super) remove_at: i64,
    /// Number of the next Parquet file.
    pub(super) next_file: Arc<AtomicU64>,
    /// Files that cannot be merged or cleared, until the next start, and why the last of them cannot.
    pub(super) set_aside: BTreeSet<String>,
    pub(super) untidy: Option<String>,
    /// Why files that were replaced cannot be removed.
    pub(super) uncleared: Option<String>,
    /// Events from this time on are needed, µs.
    pub(super) needed: Arc<AtomicI64>,
    /// What senders may send again.
    taken: Taken,
    pub(super) taken_log: Arc<Mutex<TakenLog>>,
    /// Size of the commit that failed last.
    refused: usize,
    pending: Head,
    encoded: Vec<u8>,
    sequence: u64,
    pub(super) checkpoints: BTreeMap<(u64, u64, PathBuf), Checkpoint>,
    pub(super) watermark: Option<i64>,
    pub(super) promise: Option<i64>,
    /// The watermark is to be recorded even without events.
    passed: bool,
    greatest_time: Option<i64>,
    pub(super) lock: Arc<File>,
}

pub(super) struct Current {
    pub(super) segment: Segment,
    pub(super) opened: i64,
}

impl Archive {
    /// Opens a data folder for writing; makes it when there is none. What a killed process left in the log counts, up to
    /// its last whole commit.
    pub fn open(dir: &Path, settings: Settings) -> Result<Archive, ArchiveError> {
        let lock = layout::lock(dir)?;
        let recovered = recover(dir)?;
        let last = recovered.segments.last().copied().unwrap_or_default().max(recovered.manifest.archived_through);
        let mut taken = Taken::default();
        let taken_log = Arc::new(Mutex::new(TakenLog::open(dir, &mut taken)?));
        taken.restore(recovered.ids);
        let whole = |number| Sealed { number, committed: u64::MAX };
        let next_file = Arc::new(AtomicU64::new(recovered.manifest.next_file));
        // Nobody says what rules need where none run: then it is what those needed that ran last.
        let needed = recovered.manifest.needed.unwrap_or(i64::MAX);
        let mut archive = Archive {
            dir: dir.to_owned(),
            settings,
            manifest: Arc::new(recovered.manifest),
            current: None,
            next_segment: last + 1,
            sealed: recovered.segments.into_iter().map(whole).collect(),
            background: None,
            retry_at: None,
            tidy_at: i64::MIN,
            remove_at: i64::MIN,
            next_file,
            set_aside: BTreeSet::new(),
            untidy: None,
            uncleared: None,
            needed: Arc::new(AtomicI64::new(needed)),
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

    /// Ends the segment, so that no file will hold events of before and of after. Everything must be committed. Returns
    /// [`Archive::sequence`].
    pub fn cut(&mut self) -> u64 {
        self.seal();
        self.sequence
    }

    pub(super) fn seal(&mut self) {
        let sealed = |c: Current| Sealed { number: c.segment.number, committed: c.segment.committed };
        self.sealed.extend(self.current.take().map(sealed));
    }
}
