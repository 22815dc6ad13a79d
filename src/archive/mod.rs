//! The archive: events and alerts that survive power loss, and the only checkpoint of the engine.
//!
//! In come [`EventBatch`](crate::event::EventBatch)es, out they come again, for replay and for SQL.
//! Live events go to an append-only log first ([`Archive`]), which is turned into Parquet once it is
//! large or old; finite inputs go straight to Parquet ([`BulkWriter`]). The manifest names the
//! Parquet files that count; it is replaced as a whole, so that no reader sees an event twice or not
//! at all.
//!
//! ```text
//! DIR/lock                                   held by the one writer
//! DIR/readers                                held by whoever reads, see `lease`
//! DIR/holds.json, DIR/holds.lock             what must be kept, see `holds`; held while it is changed
//! DIR/manifest.json                          what counts: files, segments that became files, checkpoints
//! DIR/log/000000000001.log                   committed epochs, see `log`
//! DIR/log/000000000001.ids                   ids of requests and events that may be sent again, see `taken`
//! DIR/events/date=2026-01-15/part-1.parquet  sorted by @timestamp within row groups
//! DIR/alerts.ndjson                          every change of every alert, see `alerts`
//! DIR/lists.ndjson                           what stood in lists, and from which event on, see `lists`
//! DIR/holds.json                             what must be kept whatever its age, see `retention`
//! DIR/rules.ndjson                           the rules that ran last, see `rules`
//! DIR/cluster.json                           which of several processes it belongs to, see `role`
//! DIR/store                                  which object store is its home, if one is, see `remote`
//! ```

use std::io;
use std::path::{Path, PathBuf};

mod alerts;
mod background;
mod bulk;
mod chunk;
mod coded;
mod columns;
mod compact;
mod convert;
mod cut;
mod foreign;
mod gather;
mod groups;
mod holds;
mod known;
mod layout;
mod lease;
mod leaves;
mod levels;
mod lines;
mod listed;
mod lists;
mod loaded;
mod locate;
mod log;
mod manifest;
mod pack;
mod part;
mod publish;
mod reach;
mod read;
mod recover;
pub mod remote;
mod repair;
mod retention;
mod role;
mod rows;
mod rules;
mod sink;
mod slots;
mod sources;
mod store;
mod taken;
mod texts;
mod transfer;
mod upkeep;

pub use alerts::{AlertLog, alert_changes, latest_changes, standing};
pub use background::expired;
pub use bulk::BulkWriter;
pub use foreign::{Mapping, MappingError, Misfits, Outlook, Tables};
pub use groups::{Keep, Skipped};
pub use holds::{Hold, Holds};
pub use listed::first_damaged;
pub use lists::{ListHistory, ListLog, ListTurn, Lists};
pub use manifest::{Checkpoint, Manifest, StoredFile};
pub use part::{Encoding, write_file};
pub use reach::{end_of_time, greatest_time};
pub use read::{Extent, Reader, Snapshot, earlier, examine, files, read, read_tables, snapshot};
pub use retention::{Kept, Limit, Retention, bytes};
pub use role::Role;
pub use rules::{StoredRule, keep_rules};
pub use store::{Archive, Settings};
pub use transfer::{Copied, Selection, copy};

/// Where alert changes are kept in a data folder.
pub use layout::alerts as alerts_file;

pub use layout::is_archive;

/// Where the rules that ran last are kept in a data folder.
pub use layout::rules as rules_file;

/// Why the archive could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system said no.
    #[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes to the folder.
    #[error("the data folder {} is in use by another weir: stop that one, or name another folder with --data", .0.display())]
    Locked(PathBuf),
    /// The folder belongs to another process of a cluster.
    #[error("the data folder {} {why}", path.display())]
    Role {
        /// The folder.
        path: PathBuf,
        /// Whose it is, and what to do.
        why: String,
    },
    /// There is no archive.
    #[error("there is no archive in {}: `weir run --data DIR` and `weir scan FILES --data DIR` write one", .0.display())]
    Missing(PathBuf),
    /// A file of the archive is not what it should be.
    #[error("{} is damaged: {what}; move it away to go on without it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file that nothing can stand in for is not what it should be.
    #[error("{} is damaged: {what}; put it back from a backup: {why}", path.display())]
    Needed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What cannot be done without it.
        why: &'static str,
    },
    /// A listed file is not what it should be.
    #[error("{} is damaged: {what}; put it back from a backup, or take it off the list with `weir archive forget`", path.display())]
    Listed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A listed file is not there.
    #[error("{} is listed and is not there: put it back from a backup, or take it off the list with `weir archive forget`", .0.display())]
    Lost(PathBuf),
    /// There are events, and nothing says which of them count.
    #[error(
        "{0} holds {parts} Parquet files and no manifest.json, which says what of them counts: put it back from a backup; \
         or move {0}/events away, and bring its events in again with `weir archive import EVENTS --data {0}`",
        dir.display()
    )]
    Unlisted {
        /// The data folder.
        dir: PathBuf,
        /// How many files.
        parts: usize,
    },
    /// A file was written by a later weir.
    #[error("{} was written by a later version of weir (format {found}, this one reads up to {known}): upgrade weir", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The greatest format known.
        known: u32,
    },
    /// A Parquet file could not be read or written.
    #[error("Parquet file {}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: parquet::errors::ParquetError,
    },
    /// Columns could not be converted.
    #[error("columns of {}: {source}", path.display())]
    Arrow {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: arrow::error::ArrowError,
    },
    /// The archive's home in an object store.
    #[error(transparent)]
    Remote(Box<remote::RemoteError>),
    /// A file that does not begin as Parquet files do.
    #[error("{} is not a Parquet file: `weir scan` reads logs", .0.display())]
    NotParquet(PathBuf),
    /// A Parquet file of others has no column that is the time of its rows.
    #[error("{}: no column is known to be the time of its rows{hint}; its columns are {columns}", path.display())]
    NoTime {
        /// The file.
        path: PathBuf,
        /// What to do.
        hint: String,
        /// The columns it has.
        columns: String,
    },
    /// A Parquet file of others has not the column that a field is to come from.
    #[error("{}: {field} is to be `{column}`, and there is no such column{near}; its columns are {columns}", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// The column that was named.
        column: String,
        /// Which one may be meant.
        near: String,
        /// The columns it has.
        columns: String,
    },
    /// A Parquet file of others has several columns of a name that is asked for.
    #[error("{} has several columns `{column}`, and nobody knows which is meant: give them names of their own", path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// A Parquet file that is not ours lacks what an event must have.
    #[error("{} has no column @timestamp, which every event needs; its columns are {columns}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The columns it has.
        columns: String,
    },
}

impl From<remote::RemoteError> for ArchiveError {
    fn from(error: remote::RemoteError) -> ArchiveError {
        ArchiveError::Remote(Box::new(error))
    }
}

impl ArchiveError {
    /// Whether it is this file that cannot be read or written.
    fn is_about(&self, file: &Path) -> bool {
        match self {
            ArchiveError::Io { path, .. }
            | ArchiveError::Damaged { path, .. }
            | ArchiveError::Needed { path, .. }
            | ArchiveError::Listed { path, .. }
            | ArchiveError::Lost(path)
            | ArchiveError::Version { path, .. }
            | ArchiveError::Parquet { path, .. }
            | ArchiveError::Arrow { path, .. }
            | ArchiveError::NotParquet(path)
            | ArchiveError::NoTime { path, .. }
            | ArchiveError::NoColumn { path, .. }
            | ArchiveError::Ambiguous { path, .. }
            | ArchiveError::Foreign { path, .. } => path == file,
            ArchiveError::Locked(_)
            | ArchiveError::Role { .. }
            | ArchiveError::Missing(_)
            | ArchiveError::Unlisted { .. }
            | ArchiveError::Remote(_) => false,
        }
    }

    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
        move |source| ArchiveError::Io { action, path: path.to_owned(), source }
    }

    fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> ArchiveError {
        move |source| ArchiveError::Parquet { path: path.to_owned(), source }
    }

    fn arrow(path: &Path) -> impl FnOnce(arrow::error::ArrowError) -> ArchiveError {
        move |source| ArchiveError::Arrow { path: path.to_owned(), source }
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space on that disk",
        io::ErrorKind::PermissionDenied => "; make the folder writable for this user",
        io::ErrorKind::ReadOnlyFilesystem => "; name a writable folder with --data",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "; a data folder is wanted, and that is a file",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
