//! Where the events of a reader come from, one file after the other: Parquet files, ours or not, and segments of the log.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::foreign::{Foreign, Tables};
use super::groups::{Groups, Wanted};
use super::log::Frames;
use super::manifest::StoredFile;
use crate::event::EventBatch;
use crate::event::field::FieldRef;

/// A file that waits.
pub(super) enum Source {
    Parquet(PathBuf),
    /// One of a data folder's, which may be only in its home.
    Stored {
        folder: PathBuf,
        path: String,
        /// Time of its earliest event, µs.
        least: i64,
    },
    Log(PathBuf, File),
}

impl Source {
    pub(super) fn of(folder: &Path, file: &StoredFile) -> Source {
        Source::Stored { folder: folder.to_owned(), path: file.path.clone(), least: file.min_time }
    }

    /// Its path in a data folder, if it is a stored file of one.
    pub(super) fn stored(&self) -> Option<&str> {
        match self {
            Source::Stored { path, .. } => Some(path),
            Source::Parquet(_) | Source::Log(..) => None,
        }
    }

    /// No event of it is before this time, µs.
    pub(super) fn earliest(&self) -> i64 {
        match self {
            Source::Stored { least, .. } => *least,
            Source::Parquet(_) | Source::Log(..) => i64::MIN,
        }
    }
}

/// A file that is being read.
pub(super) enum Open {
    Parquet(Box<Groups>),
    Foreign(Box<Foreign>),
    Log { frames: Box<Frames>, ready: VecDeque<EventBatch> },
}

/// How files of others are read.
pub(super) struct Foreigners {
    pub(super) tables: Tables,
    pub(super) columns: Option<BTreeSet<FieldRef>>,
    pub(super) range: RangeInclusive<i64>,
}

impl Open {
    /// No event of it before this time (µs) is still to come.
    pub(super) fn earliest(&self) -> i64 {
        match self {
            Open::Parquet(groups) => groups.earliest(),
            Open::Foreign(_) | Open::Log { .. } => i64::MIN,
        }
    }

    pub(super) fn new(source: Source, foreigners: Option<&Foreigners>) -> Result<Open, ArchiveError> {
        match source {
            Source::Log(path, file) => {
                // Clones of a handle share their place in the file.
                std::io::Seek::rewind(&mut &file).map_err(ArchiveError::io("read", &path))?;
                Ok(Open::Log { frames: Box::new(Frames::new(file, &path)?), ready: VecDeque::new() })
            }
            Source::Stored { folder, path, .. } => {
                Groups::open(&folder.join(path)).map(|groups| Open::Parquet(Box::new(groups)))
            }
            Source::Parquet(path) => match foreigners {
                Some(of) if !Foreign::is_ours(&path, &of.tables)? => {
                    let file = Foreign::open(&path, &of.tables, of.columns.as_ref(), &of.range)?;
                    Ok(Open::Foreign(Box::new(file)))
                }
                Some(_) | None => Groups::open(&path).map(|groups| Open::Parquet(Box::new(groups))),
            },
        }
    }

    pub(super) fn next(
        &mut self,
        wanted: &mut Wanted,
        numbers: &Range<u64>,
    ) -> Option<Result<EventBatch, ArchiveError>> {
        match self {
            Open::Log { frames, ready } => loop {
                while let Some(batch) = ready.pop_front() {
                    let batch = wanted.within(batch);
                    if !batch.is_empty() {
                        return Some(Ok(batch));
                    }
                }
                match frames.next()? {
                    Ok(frame) if numbers.contains(&frame.head.sequence) => ready.extend(frame.batches),
                    Ok(_) => {}
                    Err(error) => return Some(Err(error)),
                }
            },
            Open::Parquet(groups) => groups.next(wanted),
            // It is asked by whoever knows how others are read.
            Open::Foreign(_) => None,
        }
    }
}
