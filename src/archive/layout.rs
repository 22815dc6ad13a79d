//! Where things lie in a data folder, and how files are put there so that they survive power loss.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ArchiveError;

/// How long a writer waits for the one before it to let the folder go.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

const SEGMENT_SUFFIX: &str = ".log";
const IDS_SUFFIX: &str = ".ids";
/// Ends the name of a file that is being written; such files are removed when a writer opens the folder.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

pub(super) fn manifest(dir: &Path) -> PathBuf {
    dir.join("manifest.json")
}

/// Whether a path is a data folder.
pub fn is_archive(path: &Path) -> bool {
    path.is_dir() && manifest(path).exists()
}

pub(super) fn log_folder(dir: &Path) -> PathBuf {
    dir.join("log")
}

pub(super) fn events_folder(dir: &Path) -> PathBuf {
    dir.join("events")
}

/// `DIR/alerts.ndjson`
pub fn alerts(dir: &Path) -> PathBuf {
    dir.join("alerts.ndjson")
}

/// `DIR/lists.ndjson`
pub(super) fn lists(dir: &Path) -> PathBuf {
    dir.join("lists.ndjson")
}

/// `DIR/readers`
pub(super) fn readers(dir: &Path) -> PathBuf {
    dir.join("readers")
}

/// `DIR/holds.json`
pub(super) fn holds(dir: &Path) -> PathBuf {
    dir.join("holds.json")
}

/// `DIR/holds.lock`
pub(super) fn holds_lock(dir: &Path) -> PathBuf {
    dir.join("holds.lock")
}

/// `DIR/rules.ndjson`
pub fn rules(dir: &Path) -> PathBuf {
    dir.join("rules.ndjson")
}

/// `DIR/cluster.json`
pub(super) fn role(dir: &Path) -> PathBuf {
    dir.join("cluster.json")
}

pub(super) fn segment(dir: &Path, number: u64) -> PathBuf {
    log_folder(dir).join(format!("{number:012}{SEGMENT_SUFFIX}"))
}

pub(super) fn ids(dir: &Path, number: u64) -> PathBuf {
    log_folder(dir).join(format!("{number:012}{IDS_SUFFIX}"))
}

/// Path of a Parquet file, relative to the data folder.
pub(super) fn part(day: &str, number: u64) -> String {
    format!("events/date={day}/part-{number}.parquet")
}

/// Numbers of the log's segments, ascending.
pub(super) fn segments(dir: &Path) -> Result<Vec<u64>, ArchiveError> {
    numbered(dir, SEGMENT_SUFFIX)
}

/// Numbers of the files of ids, ascending.
pub(super) fn id_files(dir: &Path) -> Result<Vec<u64>, ArchiveError> {
    numbered(dir, IDS_SUFFIX)
}

fn numbered(dir: &Path, suffix: &str) -> Result<Vec<u64>, ArchiveError> {
    let folder = log_folder(dir);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ArchiveError::io("read", &folder)(error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ArchiveError::io("read", &folder))?;
        let name = entry.file_name();
        let number: Option<u64> = name.to_str().and_then(|n| n.strip_suffix(suffix)).and_then(|n| n.parse().ok());
        // What others put there is theirs.
        let is_ours = |number: &u64| *name == *format!("{number:012}{suffix}") && entry.path().is_file();
        numbers.extend(number.filter(is_ours));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the folder and takes its lock, which is held as long as the returned file is open.
pub(super) fn lock(dir: &Path) -> Result<File, ArchiveError> {
    for folder in [dir.to_owned(), log_folder(dir), events_folder(dir)] {
        make_folder(&folder)?;
    }
    let readers = readers(dir);
    OpenOptions::new().create(true).append(true).open(&readers).map_err(ArchiveError::io("open", &readers))?;
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(ArchiveError::io("open", &path))?;
    // A writer that just ended, or a program that it was starting, may hold the lock for a moment longer.
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(ArchiveError::Locked(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(ArchiveError::io("lock", &path)(error)),
        }
    }
}

/// Makes a folder, and those it lies in, durably.
pub(super) fn make_folder(folder: &Path) -> Result<(), ArchiveError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    fs::create_dir_all(folder).map_err(ArchiveError::io("create the folder", folder))?;
    // Whoever may write to a folder may not always read it; what can be done is done.
    match sync_folder(parent) {
        Err(ArchiveError::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(ArchiveError::io("sync the folder", folder))
}

/// Replaces a file as a whole: a reader sees the old or the new one, and so does whoever comes after a power loss.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let temporary = temporary(path);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(ArchiveError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(ArchiveError::io("replace", path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The name under which a file is written before it gets its own.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    name.into()
}

/// Removes what an interrupted writer left: temporary files, and Parquet files that were never published.
pub(super) fn sweep(dir: &Path, is_known: impl Fn(&str) -> bool) -> Result<(), ArchiveError> {
    // Holds are made beside a writer.
    let holds = temporary(&holds(dir));
    remove_if(dir, &|path, name| name.ends_with(TEMPORARY_SUFFIX) && *path != holds)?;
    remove_if(&log_folder(dir), &|_, name| name.ends_with(TEMPORARY_SUFFIX))?;
    for (day, folder) in days(dir)? {
        remove_if(&folder, &|_, name| {
            name.ends_with(TEMPORARY_SUFFIX) || part_number(name).is_some_and(|number| !is_known(&part(&day, number)))
        })?;
    }
    Ok(())
}

/// How many Parquet files there are, whether they count or not.
pub(super) fn parts(dir: &Path) -> Result<usize, ArchiveError> {
    let mut count = 0;
    for (_, folder) in days(dir)? {
        let entries = fs::read_dir(&folder).map_err(ArchiveError::io("read", &folder))?;
        count += entries.flatten().filter(|e| e.file_name().to_str().and_then(part_number).is_some()).count();
    }
    Ok(count)
}

fn part_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("part-")?.strip_suffix(".parquet")?.parse().ok()?;
    (name == format!("part-{number}.parquet")).then_some(number)
}

/// The days that have folders.
fn days(dir: &Path) -> Result<Vec<(String, PathBuf)>, ArchiveError> {
    let events = events_folder(dir);
    let mut days = Vec::new();
    for entry in fs::read_dir(&events).map_err(ArchiveError::io("read", &events))? {
        let folder = entry.map_err(ArchiveError::io("read", &events))?.path();
        let day = folder.file_name().and_then(|n| n.to_str()?.strip_prefix("date=").map(str::to_owned));
        days.extend(day.filter(|_| folder.is_dir()).map(|day| (day, folder)));
    }
    Ok(days)
}

fn remove_if(folder: &Path, unwanted: &dyn Fn(&Path, &str) -> bool) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(folder).map_err(ArchiveError::io("read", folder))? {
        let path = entry.map_err(ArchiveError::io("read", folder))?.path();
        if path.file_name().and_then(|n| n.to_str()).is_some_and(|name| unwanted(&path, name)) && path.is_file() {
            fs::remove_file(&path).map_err(ArchiveError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), ArchiveError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ArchiveError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
