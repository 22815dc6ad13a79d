//! The files that views are made of.
//!
//! In comes a data folder, out come paths: the Parquet files of one moment, what is only in the log yet as another of
//! them, and the alerts.

use std::fs;
use std::path::{Path, PathBuf};

use super::QueryError;
use crate::archive::{self, Encoding, Snapshot};
use crate::event::schema::Columns;

/// Files of one moment of an archive.
pub(super) struct Sources {
    /// Parquet, the first one without rows and with all columns.
    pub(super) events: Vec<PathBuf>,
    /// A JSON object a line.
    pub(super) alerts: PathBuf,
    /// Holds those of them that were made for this, until it is dropped.
    pub(super) temporary: tempfile::TempDir,
    /// Keeps the others from being removed, until it is dropped.
    pub(super) snapshot: Snapshot,
}

impl Sources {
    /// Finds them beside whoever writes to the folder. All paths are absolute and have no links in them.
    pub(super) fn of(data: &Path) -> Result<Sources, QueryError> {
        let snapshot = archive::snapshot(data)?;
        let temporary = tempfile::Builder::new()
            .prefix("weir-sql-")
            .tempdir()
            .map_err(|source| QueryError::Io { action: "cannot make a temporary folder", source })?;
        let events = event_files(&snapshot, temporary.path())?;
        let alerts = archive::alerts_file(data);
        let alerts = if alerts.exists() { alerts } else { empty_file(temporary.path())? };
        Ok(Sources { events, alerts: real(&alerts), temporary, snapshot })
    }
}

/// The Parquet files, after one that is empty and has all columns: it gives them their order and types. The log's tail
/// becomes a file like the others.
fn event_files(snapshot: &Snapshot, temporary: &Path) -> Result<Vec<PathBuf>, QueryError> {
    let encoding = Encoding { level: 1, bloom: false, ..Encoding::default() };
    let schema = temporary.join("schema.parquet");
    archive::write_file(&schema, &[], &Columns::all(), &encoding)?;
    let mut files = vec![schema];
    files.extend(snapshot.paths());
    let tail = snapshot.tail()?;
    if !tail.is_empty() {
        let mut columns = Columns::none();
        tail.iter().for_each(|batch| columns.extend(&Columns::of(batch)));
        let path = temporary.join("tail.parquet");
        archive::write_file(&path, &tail, &columns, &encoding)?;
        files.push(path);
    }
    Ok(files.iter().map(|path| real(path)).collect())
}

fn empty_file(temporary: &Path) -> Result<PathBuf, QueryError> {
    let path = temporary.join("alerts.ndjson");
    fs::write(&path, "").map_err(|source| QueryError::Io { action: "cannot write a temporary file", source })?;
    Ok(path)
}

/// Where a path really leads; a file that is missing is told of by whoever opens it.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
