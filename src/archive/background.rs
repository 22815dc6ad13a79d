//! What the archive does beside taking events, one thing at a time on a thread of its own: segments of the log become
//! Parquet, small files are merged, and what is too old goes. What came of it counts once the manifest says so (`publish`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::holds::Holds;
use super::lease::Lease;
use super::lists::ListHistory;
use super::log::Head;
use super::manifest::{Checkpoint, Manifest, StoredFile};
use super::part::count_datasets;
use super::publish::Published;
use super::remote::{Cache, Written};
use super::retention::{Goes, Retention};
use super::sink::Sink;
use super::{ArchiveError, compact, layout, read};
use crate::event::field::{self, FieldRef};
use crate::event::time;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// A segment of this number becomes Parquet.
    Convert(u64),
    /// Files are taken off the list or merged.
    Tidy,
    /// Files that are off the list are removed.
    Clear,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Done {
    /// Files to be listed.
    pub(super) files: Vec<StoredFile>,
    /// Listed files that no longer count.
    pub(super) replaced: BTreeSet<String>,
    /// Files of which it is known now what datasets they hold.
    pub(super) counted: BTreeMap<String, BTreeMap<String, u64>>,
    /// Where the segment that became Parquet ends.
    pub(super) reached: Reached,
    /// The holds that were looked at.
    pub(super) holds: Holds,
    /// A file that cannot be put in order, and why.
    pub(super) failed: Option<Failed>,
    /// Events up to this time were removed, µs.
    pub(super) expired: Option<i64>,
    /// Ids that senders gave to what became Parquet.
    pub(super) ids: Vec<u128>,
    /// The files that are off the list are gone.
    pub(super) cleared: bool,
}

/// A file that cannot be put in order, and why.
pub(super) type Failed = Box<(String, ArchiveError)>;

/// What the frames of a segment say at their end.
#[derive(Default)]
pub(super) struct Reached {
    /// Number of the event after the last one.
    pub(super) sequence: u64,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) watermark: Option<i64>,
    pub(super) promise: Option<i64>,
}

impl Reached {
    /// After one more frame.
    pub(super) fn follow(&mut self, head: Head) {
        self.sequence = head.sequence + head.events;
        self.checkpoints.extend(head.checkpoints);
        self.watermark = self.watermark.max(head.watermark);
        self.promise = self.promise.max(head.promise);
    }
}

impl Done {
    pub(super) fn changes(&self) -> bool {
        !self.files.is_empty() || !self.replaced.is_empty() || !self.counted.is_empty() || self.cleared
    }
}

/// A thread at work.
pub(super) struct Background {
    pub(super) task: Task,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Published, ArchiveError>>,
}

impl Background {
    /// Starts it. The folder's lock is held until it is done, even when the archive is dropped before.
    pub(super) fn start(
        dir: &Path,
        lock: Arc<File>,
        task: Task,
        work: impl FnOnce(&AtomicBool) -> Result<Published, ArchiveError> + Send + 'static,
    ) -> Result<Background, ArchiveError> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let run = move || {
            let _lock = lock;
            work(&asked)
        };
        let thread = std::thread::Builder::new().name("archive".into()).spawn(run);
        Ok(Background { task, stop, thread: thread.map_err(ArchiveError::io("start a thread for", dir))? })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks it to leave off; only tidying does.
    pub(super) fn hurry(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for it.
    pub(super) fn join(self, dir: &Path) -> Result<Published, ArchiveError> {
        let stopped = |_| ArchiveError::Damaged { path: dir.to_owned(), what: format!("{:?} stopped", self.task) };
        self.thread.join().map_err(stopped)?
    }
}

/// Puts the files in order: what is too old goes, or else some small ones are merged.
pub(super) struct Tidy {
    pub(super) dir: PathBuf,
    pub(super) files: Vec<StoredFile>,
    pub(super) retention: Retention,
    /// µs.
    pub(super) now: i64,
    /// Events from this time on are needed, µs.
    pub(super) needed: i64,
    /// Files that could not be put in order before.
    pub(super) set_aside: BTreeSet<String>,
}

impl Tidy {
    /// One step. There may be more to do when something changes with it.
    pub(super) fn step(mut self, sink: Sink, stop: &AtomicBool) -> Result<Done, ArchiveError> {
        // What is read here must not leave the cache meanwhile.
        let _lease = Lease::take(&self.dir);
        let holds = Holds::load(&self.dir)?;
        let mut done = Done::default();
        if let Err(error) = self.count(&holds, stop, &mut done.counted) {
            done.failed = Some(self.blame(error, &self.files)?);
            return Ok(done);
        }
        let mut part = None;
        for (at, goes) in self.retention.expired(&self.files, &holds, self.now, self.needed) {
            let file = &self.files[at];
            match goes {
                Goes::All => done.replaced.extend([file.path.clone()]),
                Goes::Datasets(_) if self.set_aside.contains(&file.path) => continue,
                Goes::Datasets(datasets) => part = part.or(Some((at, datasets))),
            }
            done.expired = done.expired.max(Some(file.max_time));
        }
        done.holds = holds;
        if !done.replaced.is_empty() {
            self.tell(&done.replaced);
            return Ok(done);
        }
        let (old, without) = match part {
            Some((at, datasets)) => (vec![self.files[at].clone()], datasets),
            None => match self.plan()? {
                Some(old) => (old, BTreeSet::new()),
                None => return Ok(done),
            },
        };
        let rewritten = match compact::rewrite(&self.dir, &old, &without, sink, stop) {
            Ok(rewritten) => rewritten,
            Err(error) => {
                done.failed = Some(self.blame(error, &old)?);
                return Ok(done);
            }
        };
        if let Some(files) = rewritten {
            let rows = |files: &[StoredFile]| files.iter().map(|f| f.rows).sum::<u64>();
            match without.is_empty() {
                true => tracing::debug!("{} files with {} events became {}", old.len(), rows(&old), files.len()),
                false => {
                    let (gone, names) = (rows(&old) - rows(&files), without.into_iter().collect::<Vec<_>>().join(", "));
                    tracing::info!("{gone} events of {names} were over and are removed");
                }
            }
            done.files = files;
            done.replaced.extend(old.into_iter().map(|f| f.path));
        }
        Ok(done)
    }

    /// Says which of these files an error is about. What hinders from outside, a full disk or a store that is away, is no
    /// fault of a file, and may be over the next time.
    fn blame(&self, error: ArchiveError, files: &[StoredFile]) -> Result<Failed, ArchiveError> {
        match files.iter().find(|file| error.is_about(&self.dir.join(&file.path))) {
            Some(file) => Ok(Box::new((file.path.clone(), error))),
            None => Err(error),
        }
    }

    /// Looks what datasets are in files that do not say so, when that matters.
    fn count(
        &mut self,
        holds: &Holds,
        stop: &AtomicBool,
        counted: &mut BTreeMap<String, BTreeMap<String, u64>>,
    ) -> Result<(), ArchiveError> {
        if !self.retention.asks_datasets(holds) {
            return Ok(());
        }
        let cache = Cache::of(&self.dir)?;
        for file in self.files.iter_mut().filter(|f| f.datasets.is_none() && !self.set_aside.contains(&f.path)) {
            cache.present([file.path.as_str()].into_iter())?;
            let Some(datasets) = datasets(&self.dir, file, stop)? else { return Ok(()) };
            counted.insert(file.path.clone(), datasets.clone());
            file.datasets = Some(datasets);
        }
        Ok(())
    }

    fn tell(&self, gone: &BTreeSet<String>) {
        let files = || self.files.iter().filter(|f| gone.contains(&f.path));
        let events: u64 = files().map(|f| f.rows).sum();
        let latest = files().map(|f| f.max_time).max().unwrap_or(i64::MIN);
        tracing::info!("{events} events up to {} were over and are removed", time::rfc3339(latest));
    }

    fn plan(&self) -> Result<Option<Vec<StoredFile>>, ArchiveError> {
        let (cuts, written) = (ListHistory::read(&self.dir)?.cuts(), Written::of(&self.dir)?);
        let age = |file: &StoredFile| {
            let written = written.written(&file.path);
            let age = written.and_then(|at| at.elapsed().ok());
            age.map_or(0, |age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
        };
        let whole = |file: &&StoredFile| !self.set_aside.contains(&file.path);
        let files: Vec<StoredFile> = self.files.iter().filter(whole).cloned().collect();
        Ok(compact::plan(&files, &cuts, self.now, &age))
    }
}

/// How many events of which dataset are in a file; `None` when it was told to stop.
fn datasets(dir: &Path, file: &StoredFile, stop: &AtomicBool) -> Result<Option<BTreeMap<String, u64>>, ArchiveError> {
    let columns = BTreeSet::from([FieldRef::Column(field::EVENT_DATASET)]);
    let mut datasets = BTreeMap::new();
    for batch in read::read(&dir.join(&file.path), Some(&columns), i64::MIN..=i64::MAX)? {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        count_datasets(&batch?, &mut datasets);
    }
    Ok(Some(datasets))
}

/// What would go of an archive by these limits at a time (µs): by file, how many events and about how many bytes.
pub fn expired(dir: &Path, retention: &Retention, now: i64) -> Result<BTreeMap<String, (u64, u64)>, ArchiveError> {
    let held = read::snapshot(dir)?;
    let (retention, files) = (retention.clone(), held.files().to_vec());
    let needed = Manifest::load(dir)?.and_then(|manifest| manifest.needed).unwrap_or(i64::MAX);
    let mut tidy = Tidy { dir: dir.to_owned(), files, retention, now, needed, set_aside: BTreeSet::new() };
    let holds = Holds::load(dir)?;
    tidy.count(&holds, &AtomicBool::new(false), &mut BTreeMap::new())?;
    let verdicts = tidy.retention.expired(&tidy.files, &holds, now, needed);
    let gone = verdicts.into_iter().map(|(at, goes)| {
        let file = &tidy.files[at];
        let rows = match (goes, &file.datasets) {
            (Goes::Datasets(gone), Some(counts)) => gone.iter().filter_map(|name| counts.get(name)).sum(),
            (Goes::All, _) | (Goes::Datasets(_), None) => file.rows,
        };
        (file.path.clone(), (rows, (u128::from(file.bytes) * u128::from(rows) / u128::from(file.rows.max(1))) as u64))
    });
    Ok(gone.collect())
}

/// Removes files that no longer count, unless somebody may still read them.
pub(super) fn clear(dir: &Path, files: &[String]) -> Result<Done, ArchiveError> {
    let all = || -> Result<(), ArchiveError> {
        files.iter().try_for_each(|file| layout::remove(&dir.join(file)))?;
        // A day of which nothing is left leaves no folder.
        for folder in files.iter().filter_map(|file| dir.join(file).parent().map(Path::to_owned)) {
            match std::fs::remove_dir(folder) {
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    };
    let removed = super::lease::alone(dir, all).transpose()?;
    Ok(Done { cleared: removed.is_some(), ..Done::default() })
}
