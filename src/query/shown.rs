//! One moment of an archive as DuckDB sees it: views over files.
//!
//! In comes a snapshot, out come the statements that show it: `stored_events` over the Parquet files and what is only in the
//! log yet, `stored_alerts` and `stored_rules` over the lines beside them. The alert log is read as it is when a statement runs.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use duckdb::Connection;
use serde::{Deserialize, Serialize};

use super::{QueryError, tables, times};
use crate::archive::{self, Encoding, Extent, Snapshot, StoredFile};
use crate::event::schema::Columns;

/// The files that the views are made of. All paths are absolute and have no links in them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Files {
    /// Parquet, the first one without rows and with all columns.
    pub(super) events: Vec<PathBuf>,
    /// A change of an alert a line.
    pub(super) alerts: PathBuf,
    /// A rule a line.
    pub(super) rules: PathBuf,
}

impl Files {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = PathBuf> {
        self.events.iter().chain([&self.alerts, &self.rules]).cloned()
    }

    /// The statement that shows the stored events: it reads the end of every file.
    pub(super) fn stored(&self) -> duckdb::Result<String> {
        let events = list(&self.events)?;
        let from = format!("read_parquet({events}, union_by_name = true, hive_partitioning = false)");
        Ok(format!("CREATE OR REPLACE VIEW main.stored_events AS FROM {from};"))
    }

    /// The statements that show the others.
    pub(super) fn beside(&self) -> duckdb::Result<String> {
        let json = |path: &Path, columns: &str| -> duckdb::Result<String> {
            let path = literal(path)?;
            Ok(format!("read_json({path}, format = 'newline_delimited', ignore_errors = true, columns = {columns})"))
        };
        let views = [
            ("alerts", json(&self.alerts, tables::ALERT_COLUMNS)?),
            ("rules", json(&self.rules, tables::RULE_COLUMNS)?),
        ];
        Ok(views.map(|(name, from)| format!("CREATE OR REPLACE VIEW main.stored_{name} AS FROM {from};")).concat())
    }
}

/// Statements that show files, until one asks for what is in them.
pub(super) struct Waiting {
    /// Alerts and rules, with the views of them.
    pub(super) alerts: Option<String>,
    /// The stored events: this reads the end of every file.
    pub(super) events: Option<String>,
}

impl Waiting {
    /// Nothing is shown yet.
    pub(super) fn new(files: &Files) -> duckdb::Result<Waiting> {
        let alerts = files.beside()? + &tables::make();
        Ok(Waiting { alerts: Some(alerts), events: Some(files.stored()?) })
    }

    /// Has other files shown, now where the others are.
    pub(super) fn renew(&mut self, files: &Files, database: &Connection) -> duckdb::Result<()> {
        let new = Waiting::new(files)?;
        match &mut self.alerts {
            Some(alerts) => new.alerts.into_iter().for_each(|new| *alerts = new),
            None => database.execute_batch(&files.beside()?)?,
        }
        match &mut self.events {
            Some(events) => new.events.into_iter().for_each(|new| *events = new),
            None => database.execute_batch(&files.stored()?)?,
        }
        Ok(())
    }
}

/// A moment of an archive.
pub(super) struct Shown {
    extent: Extent,
    /// Whether there were alerts, and a record of rules.
    beside: [bool; 2],
    /// Tells its files from those of other moments.
    number: u64,
    pub(super) files: Files,
    /// The log's tail.
    tail: PathBuf,
    /// Times (µs) of which all events are shown; `None` when of none.
    times: Option<RangeInclusive<i64>>,
    /// The stored files that are shown.
    stored: Vec<StoredFile>,
}

impl Shown {
    /// Shows a snapshot, all that is here or else at least the events of these times (µs), which are fetched. `number` is used once in this temporary folder: DuckDB remembers what was in a file.
    pub(super) fn new(
        data: &Path,
        snapshot: &Snapshot,
        temporary: &Path,
        number: u64,
        times: Option<RangeInclusive<i64>>,
    ) -> Result<Shown, QueryError> {
        let is_all = snapshot.has(snapshot.files().iter());
        let times = if is_all { Some(times::ALL) } else { times };
        let within = |file: &&StoredFile| {
            times.as_ref().is_some_and(|times| file.min_time <= *times.end() && file.max_time >= *times.start())
        };
        let stored: Vec<StoredFile> = snapshot.files().iter().filter(within).cloned().collect();
        snapshot.fetch(stored.iter())?;
        let (extent, beside) = (snapshot.extent()?, beside(data));
        let tail = temporary.join(format!("tail-{number}.parquet"));
        let events = event_files(snapshot, snapshot.paths_of(&stored), temporary, &tail)?;
        let empty = temporary.join("empty.ndjson");
        fs::write(&empty, "").map_err(|source| QueryError::Io { action: "cannot write a temporary file", source })?;
        let file = |path: PathBuf, exists: bool| real(if exists { &path } else { &empty });
        let alerts = file(archive::alerts_file(data), beside[0]);
        let rules = file(archive::rules_file(data), beside[1]);
        Ok(Shown { extent, beside, number, files: Files { events, alerts, rules }, tail, times, stored })
    }

    /// The number of the next moment that is needed to show these times, too, and those times; `None` when they are shown.
    pub(super) fn wider(&self, wanted: &RangeInclusive<i64>) -> Option<(u64, RangeInclusive<i64>)> {
        let Some(times) = &self.times else { return Some((self.number + 1, wanted.clone())) };
        let (least, greatest) = (*times.start().min(wanted.start()), *times.end().max(wanted.end()));
        (*times != (least..=greatest)).then_some((self.number + 1, least..=greatest))
    }

    /// The number of the next moment; `None` when nothing has changed since this one.
    pub(super) fn next(&self, data: &Path, snapshot: &Snapshot) -> Result<Option<u64>, QueryError> {
        // While nobody looked, files may have gone that can be fetched again.
        let here = snapshot.has(self.stored.iter());
        let same = here && snapshot.extent()? == self.extent && beside(data) == self.beside;
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

/// A folder for what is made for a session, removed when it is dropped.
pub(super) fn temporary() -> Result<tempfile::TempDir, QueryError> {
    let made = tempfile::Builder::new().prefix("weir-sql-").tempdir();
    made.map_err(|source| QueryError::Io { action: "cannot make a temporary folder", source })
}

/// The Parquet files, after one that is empty and has all columns: it gives them their order and types. The log's tail
/// becomes a file like the others.
fn event_files(
    snapshot: &Snapshot,
    stored: Vec<PathBuf>,
    temporary: &Path,
    tail_file: &Path,
) -> Result<Vec<PathBuf>, QueryError> {
    let encoding = Encoding { level: 1, bloom: false, ..Encoding::default() };
    let schema = temporary.join("schema.parquet");
    if !schema.exists() {
        archive::write_file(&schema, &[], &Columns::all(), &encoding)?;
    }
    let mut files = vec![schema];
    files.extend(stored);
    let tail = snapshot.tail()?;
    if !tail.is_empty() {
        let mut columns = Columns::none();
        tail.iter().for_each(|batch| columns.extend(&Columns::of(batch)));
        archive::write_file(tail_file, &tail, &columns, &encoding)?;
        files.push(tail_file.to_owned());
    }
    Ok(files.iter().map(|path| real(path)).collect())
}

/// A path as an SQL text literal. It is ours or the user's own, and cannot be bound where views are defined.
pub(super) fn literal(path: &Path) -> duckdb::Result<String> {
    match path.to_str() {
        Some(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        None => Err(duckdb::Error::InvalidPath(path.to_owned())),
    }
}

/// Paths as an SQL list.
pub(super) fn list(paths: &[PathBuf]) -> duckdb::Result<String> {
    let paths: Vec<String> = paths.iter().map(|path| literal(path)).collect::<duckdb::Result<_>>()?;
    Ok(format!("[{}]", paths.join(", ")))
}

/// Where a path really leads; a file that is missing is told of by whoever opens it.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
