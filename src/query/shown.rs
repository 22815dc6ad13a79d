//! One moment of an archive as DuckDB sees it: views over files.
//!
//! In comes a snapshot, out come the statements that show it: `stored_events` over the Parquet files and what is only in the
//! log yet, `stored_alerts` and `stored_rules` over the lines beside them. The alert log is read as it is when a statement runs.

use std::fs;
use std::path::{Path, PathBuf};

use super::{QueryError, tables};
use crate::archive::{self, Encoding, Extent, Snapshot};
use crate::event::schema::Columns;

/// A moment of an archive.
pub(super) struct Shown {
    extent: Extent,
    /// Whether there were alerts, and a record of rules.
    beside: [bool; 2],
    /// Tells its files from those of other moments.
    number: u64,
    views: String,
    /// The log's tail.
    tail: PathBuf,
}

impl Shown {
    /// Shows a snapshot. `number` is used once in this temporary folder: DuckDB remembers what was in a file.
    pub(super) fn new(data: &Path, snapshot: &Snapshot, temporary: &Path, number: u64) -> Result<Shown, QueryError> {
        let (extent, beside) = (snapshot.extent()?, beside(data));
        let tail = temporary.join(format!("tail-{number}.parquet"));
        let events = event_files(snapshot, temporary, &tail)?;
        let empty = temporary.join("empty.ndjson");
        fs::write(&empty, "").map_err(|source| QueryError::Io { action: "cannot write a temporary file", source })?;
        let file = |path: PathBuf, exists: bool| if exists { path } else { empty.clone() };
        let alerts = file(archive::alerts_file(data), beside[0]);
        let rules = file(archive::rules_file(data), beside[1]);
        let views = views(&events, &alerts, &rules).map_err(|e| QueryError::Setup(e.to_string()))?;
        Ok(Shown { extent, beside, number, views, tail })
    }

    /// The statements that show it.
    pub(super) fn views(&self) -> &str {
        &self.views
    }

    /// The number of the next moment; `None` when nothing has changed since this one.
    pub(super) fn next(&self, data: &Path, snapshot: &Snapshot) -> Result<Option<u64>, QueryError> {
        let same = snapshot.extent()? == self.extent && beside(data) == self.beside;
        Ok((!same).then_some(self.number + 1))
    }

    /// Removes its file, which nobody reads any more.
    pub(super) fn forget(self) {
        // There is none where the log was empty.
        drop(fs::remove_file(self.tail));
    }
}

fn beside(data: &Path) -> [bool; 2] {
    [archive::alerts_file(data).exists(), archive::rules_file(data).exists()]
}

fn views(events: &[PathBuf], alerts: &Path, rules: &Path) -> duckdb::Result<String> {
    let events = events.iter().map(|path| literal(path)).collect::<duckdb::Result<Vec<_>>>()?.join(", ");
    let json = |path: &Path, columns: &str| -> duckdb::Result<String> {
        let path = literal(path)?;
        Ok(format!("read_json({path}, format = 'newline_delimited', ignore_errors = true, columns = {columns})"))
    };
    let views = [
        ("events", format!("read_parquet([{events}], union_by_name = true, hive_partitioning = false)")),
        ("alerts", json(alerts, tables::ALERT_COLUMNS)?),
        ("rules", json(rules, tables::RULE_COLUMNS)?),
    ];
    Ok(views.map(|(name, from)| format!("CREATE OR REPLACE VIEW main.stored_{name} AS FROM {from};")).concat())
}

/// The Parquet files, after one that is empty and has all columns: it gives them their order and types. The log's tail
/// becomes a file like the others.
fn event_files(snapshot: &Snapshot, temporary: &Path, tail_file: &Path) -> Result<Vec<PathBuf>, QueryError> {
    let encoding = Encoding { level: 1, bloom: false, ..Encoding::default() };
    let schema = temporary.join("schema.parquet");
    if !schema.exists() {
        archive::write_file(&schema, &[], &Columns::all(), &encoding)?;
    }
    let mut files = vec![schema];
    files.extend(snapshot.paths());
    let tail = snapshot.tail()?;
    if !tail.is_empty() {
        let mut columns = Columns::none();
        tail.iter().for_each(|batch| columns.extend(&Columns::of(batch)));
        archive::write_file(tail_file, &tail, &columns, &encoding)?;
        files.push(tail_file.to_owned());
    }
    Ok(files.into_iter().map(|path| fs::canonicalize(&path).unwrap_or(path)).collect())
}

/// A path as an SQL text literal. It is ours or the user's own, and cannot be bound where views are defined.
pub(super) fn literal(path: &Path) -> duckdb::Result<String> {
    match path.to_str() {
        Some(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        None => Err(duckdb::Error::InvalidPath(path.to_owned())),
    }
}
