//! Local files as a cache: what is missing comes from the store, what is too much goes.

use std::collections::BTreeSet;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::super::lease;
use super::super::manifest::Manifest;
use super::bucket::Bucket;
use super::folder::{self, Known, Settings};
use super::index::{self, Object};
use super::{Address, ArchiveError, RemoteError, layout};

/// Files that are fetched at a time.
const AT_A_TIME: usize = 4;
/// Whoever waits for longer is told for what, and again every so often.
const TELL: Duration = Duration::from_secs(1);
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Where a data folder's files come from when they are not there; nowhere for most.
#[derive(Clone, Default)]
pub(in crate::archive) struct Cache(Option<Arc<Home>>);

struct Home {
    dir: PathBuf,
    address: Address,
    bucket: OnceLock<Bucket>,
}

impl Cache {
    pub(in crate::archive) fn of(dir: &Path) -> Result<Cache, ArchiveError> {
        let home = |s: Settings| Arc::new(Home { dir: dir.to_owned(), address: s.address, bucket: OnceLock::new() });
        Ok(Cache(Settings::load(dir)?.map(home)))
    }

    /// Whether a file must be fetched before it is read. One that is here is used now.
    pub(in crate::archive) fn lacks(&self, path: &str) -> bool {
        self.0.as_ref().is_some_and(|home| !used(&home.dir.join(path)))
    }

    /// Makes sure that these files (by their paths in the folder) are there; the caller holds a lease.
    pub(in crate::archive) fn present<'p>(&self, paths: impl Iterator<Item = &'p str>) -> Result<(), ArchiveError> {
        let Some(home) = &self.0 else { return Ok(()) };
        let missing: BTreeSet<&str> = paths.filter(|path| !used(&home.dir.join(path))).collect();
        if missing.is_empty() { Ok(()) } else { home.fetch(&missing) }
    }
}

/// When files were written, those among them that are only in the store, too.
pub(in crate::archive) struct Written {
    dir: PathBuf,
    known: Option<Known>,
}

impl Written {
    pub(in crate::archive) fn of(dir: &Path) -> Result<Written, ArchiveError> {
        Ok(Written { dir: dir.to_owned(), known: Known::load(dir)? })
    }

    /// By its path in the folder.
    pub(in crate::archive) fn written(&self, path: &str) -> Option<SystemTime> {
        let stored = || {
            let written = self.known.as_ref()?.index.find(path)?.written;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(u64::try_from(written).ok()?))
        };
        std::fs::metadata(self.dir.join(path)).and_then(|m| m.modified()).ok().or_else(stored)
    }
}

/// Notes that a file is used now. False when it is not there.
fn used(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return path.exists() };
    // Where it may not be noted, another file goes first; that is all.
    drop(file.set_times(FileTimes::new().set_accessed(SystemTime::now())));
    true
}

impl Home {
    fn bucket(&self) -> Result<&Bucket, RemoteError> {
        if let Some(bucket) = self.bucket.get() {
            return Ok(bucket);
        }
        let bucket = Bucket::open(&self.address)?;
        Ok(self.bucket.get_or_init(|| bucket))
    }

    fn fetch(&self, paths: &BTreeSet<&str>) -> Result<(), ArchiveError> {
        let known = Known::load(&self.dir)?;
        let mut wanted: Vec<(&str, &Object)> = Vec::new();
        for path in paths {
            let Some(object) = known.as_ref().and_then(|known| known.index.find(path)) else {
                let what = format!("it is neither here nor in {}", self.address);
                return Err(ArchiveError::Damaged { path: self.dir.join(path), what });
            };
            wanted.push((path, object));
        }
        let bucket = self.bucket()?;
        let next = AtomicUsize::new(0);
        let told = Told::new(&self.address, &wanted);
        let work = || {
            while let Some((path, object)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.fetch_one(bucket, path, object, &|bytes| told.came(bytes))?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_A_TIME.min(wanted.len())).map(|_| scope.spawn(work)).collect();
            let done = threads.into_iter().map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            done.collect::<Vec<Result<(), ArchiveError>>>().into_iter().collect()
        })
    }

    fn fetch_one(
        &self,
        bucket: &Bucket,
        path: &str,
        object: &Object,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ArchiveError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let target = self.dir.join(path);
        layout::make_folder(target.parent().unwrap_or(&self.dir))?;
        let name = format!("fetch-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let temporary = layout::temporary(&folder::folder(&self.dir).join(name));
        let fetch = || {
            let hash = bucket.get_file(&object.key, object.bytes, &temporary, progress)?;
            if hash != object.hash {
                let object = self.address.object(&object.key);
                return Err(RemoteError::Damaged { object, what: "it is not what was written there".to_owned() }.into());
            }
            // Compaction asks when it was written, and the cache when it was used.
            let written = Duration::from_micros(object.written.unsigned_abs());
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + written).set_accessed(SystemTime::now());
            let stamped = File::options().write(true).open(&temporary).and_then(|file| file.set_times(times));
            stamped.and_then(|()| std::fs::rename(&temporary, &target)).map_err(ArchiveError::io("write", &target))
        };
        let fetched = fetch();
        if fetched.is_err() {
            layout::remove(&temporary)?;
        }
        fetched
    }
}

/// Says what is waited for, when that takes long.
struct Told {
    what: String,
    all: u64,
    came: AtomicU64,
    next: Mutex<Instant>,
}

impl Told {
    fn new(address: &Address, wanted: &[(&str, &Object)]) -> Told {
        let all = wanted.iter().map(|(_, object)| object.bytes).sum();
        let files = if wanted.len() == 1 { "1 file".to_owned() } else { format!("{} files", wanted.len()) };
        let what = format!("{files} from {address}");
        Told { what, all, came: AtomicU64::new(0), next: Mutex::new(Instant::now() + TELL) }
    }

    fn came(&self, bytes: u64) {
        let came = self.came.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= *next {
            *next = now + TELL_AGAIN;
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            tracing::info!("fetching {}: {:.1} of {:.1} MB", self.what, megabytes(came), megabytes(self.all));
        }
    }
}

/// Removes local files until they fit into the cache, those first that were not used for longest; only such as the index
/// names, and only while nobody reads. Of a folder that only reads, those that no longer count go, too. `is_latest` says
/// whether that index is the one that is in the store.
pub(super) fn trim(
    dir: &Path,
    settings: &Settings,
    is_latest: impl FnOnce(&Known) -> bool,
) -> Result<(), ArchiveError> {
    if settings.cache.is_none() && settings.writer.is_some() {
        return Ok(());
    }
    let Some(known) = Known::load(dir)? else { return Ok(()) };
    let limit = settings.cache.unwrap_or(u64::MAX);
    let excess = |files: &[(SystemTime, PathBuf, u64)]| files.iter().map(|f| f.2).sum::<u64>() > limit;
    let spare = |dir: &Path| -> Result<Vec<(SystemTime, PathBuf, u64)>, ArchiveError> {
        let manifest = Manifest::load(dir)?.unwrap_or_default();
        let safe = manifest.files.iter().filter_map(|file| {
            let path = dir.join(&file.path);
            let there = std::fs::metadata(&path).ok()?;
            let object = known.index.objects.get(&file.path)?;
            let same = object.bytes == there.len() && file.bytes == object.bytes;
            same.then(|| (there.accessed().unwrap_or(SystemTime::UNIX_EPOCH), path, there.len()))
        });
        Ok(safe.collect())
    };
    let stray = settings.writer.is_none() && known.index.gone.iter().any(|g| g.path.is_some());
    if (!excess(&spare(dir)?) && !stray) || !is_latest(&known) {
        return Ok(());
    }
    let work = || {
        let mut files = spare(dir)?;
        files.sort();
        let mut left: u64 = files.iter().map(|f| f.2).sum();
        let (mut count, mut gone) = (0, 0);
        for (_, path, bytes) in files {
            if left <= limit {
                break;
            }
            layout::remove(&path)?;
            left -= bytes;
            (count, gone) = (count + 1, gone + bytes);
        }
        if count > 0 {
            tracing::debug!("{count} files with {gone} bytes left the cache; {} has them", settings.address);
        }
        if settings.writer.is_none() {
            let stray = known.index.gone.iter().filter_map(|gone| gone.path.as_ref());
            let mut stray = stray.filter(|path| !known.index.objects.contains_key(*path) && index::is_file(path));
            stray.try_for_each(|path| layout::remove(&dir.join(path)))?;
        }
        Ok(())
    };
    lease::alone(dir, work).unwrap_or(Ok(()))
}
