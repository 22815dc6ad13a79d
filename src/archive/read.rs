//! Reading: events of a data folder (Parquet files and the log's tail) or of single Parquet files.
//!
//! A snapshot is consistent beside a writer that commits, converts and merges: log segments are opened before they are
//! used, the manifest is read again afterwards, and files that were replaced stay until no reader is left (see `lease`).

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use super::foreign::{self, Mapping, Outlook, Tables};
use super::groups::{Keep, Skipped, Wanted};
use super::lease::Lease;
use super::listed::listed;
use super::log::Frames;
use super::manifest::{Manifest, StoredFile};
use super::remote::Cache;
use super::sources::{Foreigners, Open, Source};
use super::{ArchiveError, layout};
use crate::event::earlier::Earlier;
use crate::event::field::FieldRef;
use crate::event::{EventBatch, field};

/// What an archive holds at one moment. Its files are not removed while it lives, or a reader of it.
pub struct Snapshot {
    lease: Lease,
    cache: Cache,
    dir: PathBuf,
    files: Vec<StoredFile>,
    segments: Vec<(PathBuf, File)>,
    expired: Option<i64>,
    retired: usize,
}

/// How much an archive holds at one moment: two that are equal hold the same events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Paths of the Parquet files, none of which is ever used again.
    files: Vec<String>,
    /// The log's segments and their lengths.
    segments: Vec<(PathBuf, u64)>,
}

/// What counts in a data folder now.
pub fn snapshot(dir: &Path) -> Result<Snapshot, ArchiveError> {
    let (lease, cache) = (Lease::take(dir), Cache::of(dir)?);
    loop {
        let Some(manifest) = Manifest::load(dir)? else { return Err(ArchiveError::Missing(dir.to_owned())) };
        let mut segments = Vec::new();
        for number in layout::segments(dir)?.into_iter().filter(|n| *n > manifest.archived_through) {
            let path = layout::segment(dir, number);
            match File::open(&path) {
                Ok(file) => segments.push((path, file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(ArchiveError::io("open", &path)(error)),
            }
        }
        // A segment that became Parquet meanwhile may have been missed, or would count twice.
        let now = Manifest::load(dir)?.map(|m| m.archived_through);
        if now == Some(manifest.archived_through) {
            let Manifest { files, expired, retired, .. } = manifest;
            let retired = retired.len();
            return Ok(Snapshot { lease, cache, dir: dir.to_owned(), files, segments, expired, retired });
        }
    }
}

/// The latest events of an archive, as they were accepted: as many as are needed to number equal lines on.
pub fn earlier(held: &Snapshot) -> Result<Earlier, ArchiveError> {
    let mut found = Earlier::default();
    let mut add = |batch: &EventBatch| {
        for row in 0..batch.len() {
            let path = batch.text(field::LOG_FILE_PATH, row).unwrap_or_default();
            found.add(batch.times()[row], batch.id(row), path);
        }
        found.is_enough()
    };
    let mut enough = held.tail()?.iter().fold(false, |_, batch| add(batch));
    let mut files: Vec<&StoredFile> = held.files.iter().collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.max_sequence));
    let columns = BTreeSet::from([FieldRef::Column(field::LOG_FILE_PATH)]);
    for file in files {
        if enough {
            break;
        }
        held.cache.present([file.path.as_str()].into_iter())?;
        for batch in read(&held.dir.join(&file.path), Some(&columns), i64::MIN..=i64::MAX)? {
            enough = add(&batch?);
        }
    }
    Ok(found)
}

/// Paths of an archive's Parquet files.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let held = snapshot(dir)?;
    held.fetch(held.files.iter())?;
    Ok(held.paths())
}

impl Snapshot {
    /// How much there is. What is read afterwards may hold more: the log grows.
    pub fn extent(&self) -> Result<Extent, ArchiveError> {
        let length = |(path, file): &(PathBuf, File)| {
            let length = file.metadata().map_err(ArchiveError::io("read", path))?.len();
            Ok((path.clone(), length))
        };
        let segments = self.segments.iter().map(length).collect::<Result<_, ArchiveError>>()?;
        Ok(Extent { files: self.files.iter().map(|f| f.path.clone()).collect(), segments })
    }

    /// Events up to this time (µs) may have been removed.
    pub fn expired(&self) -> Option<i64> {
        self.expired
    }

    /// How many files were replaced, and stay until nobody reads them.
    pub fn retired(&self) -> usize {
        self.retired
    }

    /// Whether all of these files are here.
    pub fn has<'f>(&self, mut files: impl Iterator<Item = &'f StoredFile>) -> bool {
        files.all(|file| !self.cache.lacks(&file.path))
    }

    /// Fetches those of these files that are only in the archive's home.
    pub fn fetch<'f>(&self, files: impl Iterator<Item = &'f StoredFile>) -> Result<(), ArchiveError> {
        self.cache.present(files.map(|file| file.path.as_str()))
    }

    /// Paths of the Parquet files; some may be only in the archive's home, see [`Snapshot::fetch`].
    pub fn paths(&self) -> Vec<PathBuf> {
        self.paths_of(&self.files)
    }

    /// Paths of some of them.
    pub fn paths_of(&self, files: &[StoredFile]) -> Vec<PathBuf> {
        files.iter().map(|f| self.dir.join(&f.path)).collect()
    }

    /// The Parquet files.
    pub fn files(&self) -> &[StoredFile] {
        &self.files
    }

    /// Events whose time lies in the range and whose number, as they were accepted, in the other: as [`read`] gives them. Of
    /// Parquet files that hold events of several ranges of numbers all belong to that of the first; see [`Archive::cut`](super::Archive::cut).
    pub fn read(
        &self,
        columns: Option<&BTreeSet<FieldRef>>,
        range: RangeInclusive<i64>,
        numbers: Range<u64>,
    ) -> Result<Reader, ArchiveError> {
        let overlaps = |f: &&StoredFile| f.min_time <= *range.end() && f.max_time >= *range.start();
        let mut files: Vec<&StoredFile> =
            self.files.iter().filter(overlaps).filter(|f| numbers.contains(&f.min_sequence)).collect();
        files.sort_by(|a, b| (a.min_time, &a.path).cmp(&(b.min_time, &b.path)));
        let mut sources: VecDeque<Source> = files.iter().map(|f| Source::of(&self.dir, f)).collect();
        for (path, file) in &self.segments {
            let file = file.try_clone().map_err(ArchiveError::io("open", path))?;
            sources.push_back(Source::Log(path.clone(), file));
        }
        Ok(Reader {
            sources,
            open: None,
            wanted: Wanted::new(columns, range),
            numbers,
            tables: None,
            cache: self.cache.clone(),
            _lease: Some(self.lease.clone()),
        })
    }

    /// The events that are only in the log yet.
    pub fn tail(&self) -> Result<Vec<EventBatch>, ArchiveError> {
        let mut batches = Vec::new();
        for (path, file) in &self.segments {
            let file = file.try_clone().map_err(ArchiveError::io("open", path))?;
            std::io::Seek::rewind(&mut &file).map_err(ArchiveError::io("read", path))?;
            for frame in Frames::new(file, path)? {
                batches.extend(frame?.batches);
            }
        }
        Ok(batches)
    }
}

/// Events of a data folder, of a folder of Parquet files, or of one Parquet file, whose time lies in the range. Files
/// come in the order of their times, events in the order in which they are stored. `columns` limits what is
/// read (times, ids and tags always are); `None` reads all.
pub fn read(
    path: &Path,
    columns: Option<&BTreeSet<FieldRef>>,
    range: RangeInclusive<i64>,
) -> Result<Reader, ArchiveError> {
    if layout::is_archive(path) {
        return snapshot(path)?.read(columns, range, 0..u64::MAX);
    }
    let sources = listed(path)?.into_iter().map(Source::Parquet).collect();
    Ok(Reader {
        sources,
        open: None,
        wanted: Wanted::new(columns, range),
        numbers: 0..u64::MAX,
        tables: None,
        cache: Cache::default(),
        _lease: None,
    })
}

/// Looks whether the Parquet files of a folder, or this one, can be read as [`read_tables`] does, and which of these fields
/// they have.
pub fn examine(
    path: &Path,
    mapping: &Mapping,
    wanted: &BTreeSet<FieldRef>,
    outlook: &mut Outlook,
) -> Result<(), ArchiveError> {
    foreign::examine(&listed(path)?, mapping, wanted, outlook)
}

/// Events of a folder of Parquet files, or of one, whoever wrote them, as [`read`] gives them. [`Reader::into_tables`] gives
/// back what was found.
pub fn read_tables(
    path: &Path,
    columns: Option<&BTreeSet<FieldRef>>,
    range: RangeInclusive<i64>,
    tables: Tables,
) -> Result<Reader, ArchiveError> {
    let sources = listed(path)?.into_iter().map(Source::Parquet).collect();
    let tables = Some(Foreigners { tables, columns: columns.cloned(), range: range.clone() });
    let wanted = Wanted::new(columns, range);
    Ok(Reader { sources, open: None, wanted, numbers: 0..u64::MAX, tables, cache: Cache::default(), _lease: None })
}

/// How many files are fetched ahead of the one that is read.
const AHEAD: usize = 3;

/// Yields batches; after an error the rest of that file is left out.
pub struct Reader {
    sources: VecDeque<Source>,
    open: Option<Open>,
    wanted: Wanted,
    /// Which frames of the log count.
    numbers: Range<u64>,
    /// Where files of others are among them.
    tables: Option<Foreigners>,
    /// Where files come from that are not here.
    cache: Cache,
    _lease: Option<Lease>,
}

impl Reader {
    /// Leaves out row groups that lie in the range and of which `keep` says that they need not be read.
    pub fn only(mut self, keep: Keep) -> Reader {
        self.wanted.only(keep);
        self
    }

    /// Takes what is in the log before what is in files: it may be of any time.
    pub fn log_first(mut self) -> Reader {
        self.sources.make_contiguous().sort_by_key(|source| !matches!(source, Source::Log(..)));
        self
    }

    /// No event before this time (µs) is still to come, as far as that is known before it is read.
    pub fn earliest(&self) -> i64 {
        let (open, waiting) = (self.open.iter().map(Open::earliest), self.sources.iter().map(Source::earliest));
        open.chain(waiting).min().unwrap_or(i64::MAX)
    }

    /// Makes sure that a file is here, and the next ones with it when it is not.
    fn fetch(&self, source: &Source) -> Result<(), ArchiveError> {
        let Some(path) = source.stored() else { return Ok(()) };
        let next = self.sources.iter().filter_map(Source::stored).take(AHEAD);
        match self.cache.lacks(path) {
            false => Ok(()),
            true => self.cache.present([path].into_iter().chain(next)),
        }
    }

    /// What was found in files of others.
    pub fn into_tables(self) -> Tables {
        self.tables.map_or_else(Tables::default, |foreigners| foreigners.tables)
    }

    /// What was left out so far because `keep` said so.
    pub fn skipped(&self) -> Skipped {
        self.wanted.skipped()
    }
}

impl Iterator for Reader {
    type Item = Result<EventBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.open.is_none() {
                let source = self.sources.pop_front()?;
                let open = self.fetch(&source).and_then(|()| Open::new(source, self.tables.as_ref()));
                match open {
                    Ok(open) => self.open = Some(open),
                    Err(error) => return Some(Err(error)),
                }
            }
            let next = match (&mut self.open, &mut self.tables) {
                (Some(Open::Foreign(file)), Some(of)) => file.next(&mut of.tables, &of.range),
                (Some(open), _) => open.next(&mut self.wanted, &self.numbers),
                (None, _) => None,
            };
            match next {
                None => self.open = None,
                Some(Err(error)) => {
                    self.open = None;
                    return Some(Err(error));
                }
                Some(Ok(batch)) => return Some(Ok(batch)),
            }
        }
    }
}
