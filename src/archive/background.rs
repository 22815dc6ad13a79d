//! What the archive does beside taking events, one thing at a time on a thread of its own: segments of the log become
//! Parquet, small files are merged, and what is too old goes. What came of it counts once the manifest says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::holds::Holds;
use super::lease::Lease;
use super::lists::ListHistory;
use super::manifest::StoredFile;
use super::part::count_datasets;
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
    /// Files are removed or merged.
    Tidy,
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
    /// Number of the event after the last one that became Parquet.
    pub(super) sequence: Option<u64>,
    /// Ids that senders gave to what became Parquet.
    pub(super) ids: Vec<u128>,
}

impl Done {
    pub(super) fn changes(&self) -> bool {
        !self.files.is_empty() || !self.replaced.is_empty() || !self.counted.is_empty()
    }
}

/// A thread at work.
pub(super) struct Background {
    pub(super) task: Task,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Done, ArchiveError>>,
}

impl Background {
    /// Starts it. The folder's lock is held until it is done, even when the archive is dropped before.
    pub(super) fn start(
        dir: &Path,
        lock: Arc<File>,
        task: Task,
        work: impl FnOnce(&AtomicBool) -> Result<Done, ArchiveError> + Send + 'static,
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

    /// Asks it to leave off; a conversion does not.
    pub(super) fn hurry(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for it.
    pub(super) fn join(self, dir: &Path) -> Result<Done, ArchiveError> {
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
}

impl Tidy {
    /// One step. There may be more to do when something changes with it.
    pub(super) fn step(mut self, sink: Sink, stop: &AtomicBool) -> Result<Done, ArchiveError> {
        // What is read here must not leave the cache meanwhile.
        let _lease = Lease::take(&self.dir);
        let holds = Holds::load(&self.dir)?;
        let mut done = Done { counted: self.count(&holds, stop)?, ..Done::default() };
        let mut part = None;
        for (at, goes) in self.retention.expired(&self.files, &holds, self.now, self.needed) {
            match goes {
                Goes::All => done.replaced.extend([self.files[at].path.clone()]),
                Goes::Datasets(datasets) => part = part.or(Some((at, datasets))),
            }
        }
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
        if let Some(files) = compact::rewrite(&self.dir, &old, &without, sink, stop)? {
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

    /// Looks what datasets are in files that do not say so, when that matters.
    fn count(
        &mut self,
        holds: &Holds,
        stop: &AtomicBool,
    ) -> Result<BTreeMap<String, BTreeMap<String, u64>>, ArchiveError> {
        let mut counted = BTreeMap::new();
        if !self.retention.asks_datasets(holds) {
            return Ok(counted);
        }
        let columns = BTreeSet::from([FieldRef::Column(field::EVENT_DATASET)]);
        let cache = Cache::of(&self.dir)?;
        for file in self.files.iter_mut().filter(|f| f.datasets.is_none()) {
            let mut datasets = BTreeMap::new();
            cache.present([file.path.as_str()].into_iter())?;
            for batch in read::read(&self.dir.join(&file.path), Some(&columns), i64::MIN..=i64::MAX)? {
                if stop.load(Ordering::Relaxed) {
                    return Ok(counted);
                }
                count_datasets(&batch?, &mut datasets);
            }
            counted.insert(file.path.clone(), datasets.clone());
            file.datasets = Some(datasets);
        }
        Ok(counted)
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
        Ok(compact::plan(&self.files, &cuts, self.now, &age))
    }
}

/// What would go of an archive by these limits at a time (µs): by file, how many events and about how many bytes. What running rules
/// need is not looked at.
pub fn expired(dir: &Path, retention: &Retention, now: i64) -> Result<BTreeMap<String, (u64, u64)>, ArchiveError> {
    let held = read::snapshot(dir)?;
    let (retention, files) = (retention.clone(), held.files().to_vec());
    let mut tidy = Tidy { dir: dir.to_owned(), files, retention, now, needed: i64::MAX };
    let holds = Holds::load(dir)?;
    tidy.count(&holds, &AtomicBool::new(false))?;
    let verdicts = tidy.retention.expired(&tidy.files, &holds, now, i64::MAX);
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

/// Removes files that no longer count, unless somebody may still read them. Says whether they are gone.
pub(super) fn remove(dir: &Path, files: &[String]) -> Result<bool, ArchiveError> {
    let all = || {
        files.iter().try_for_each(|file| layout::remove(&dir.join(file)))?;
        // A day of which nothing is left leaves no folder.
        for folder in files.iter().filter_map(|file| dir.join(file).parent().map(Path::to_owned)) {
            match std::fs::remove_dir(folder) {
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    };
    super::lease::alone(dir, all).transpose().map(|removed| removed.is_some())
}
