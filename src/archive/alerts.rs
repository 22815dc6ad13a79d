//! The alert log: every change of every alert, one JSON object a line, in the order in which it was said.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::{ArchiveError, layout};
use crate::alert::{Alert, AlertChange, AlertId, Change};

/// Appends changes, and knows the alerts that stand.
pub struct AlertLog {
    file: File,
    path: PathBuf,
    /// Length up to which lines are whole and durable.
    committed: u64,
    dirty: bool,
    current: BTreeMap<AlertId, Alert>,
}

impl AlertLog {
    /// Opens the alert log of a data folder; makes it when there is none. A last line that was being written when the
    /// process was killed is cut off. The caller holds the folder's lock (see [`super::Archive`]).
    pub fn open(dir: &Path) -> Result<AlertLog, ArchiveError> {
        std::fs::create_dir_all(dir).map_err(ArchiveError::io("create the folder", dir))?;
        let path = layout::alerts(dir);
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(ArchiveError::io("open", &path))?;
        let mut current = BTreeMap::new();
        let mut whole = 0;
        for line in lines(&path)? {
            let (change, end) = line?;
            whole = end;
            apply(&mut current, change);
        }
        let length = file.metadata().map_err(ArchiveError::io("read", &path))?.len();
        if length > whole {
            tracing::warn!("{}: cut off a line that was being written when weir was stopped", path.display());
            file.set_len(whole).and_then(|()| file.sync_all()).map_err(ArchiveError::io("cut back", &path))?;
        }
        layout::sync_folder(dir)?;
        Ok(AlertLog { file, path, committed: whole, dirty: false, current })
    }

    /// Appends changes; once this returns they survive power loss. After an error none of them counts.
    pub fn append(&mut self, changes: &[AlertChange]) -> Result<(), ArchiveError> {
        if self.dirty {
            self.file.set_len(self.committed).map_err(ArchiveError::io("cut back", &self.path))?;
        }
        let mut text = Vec::new();
        for change in changes {
            serde_json::to_writer(&mut text, change).expect("an alert change has text keys only");
            text.push(b'\n');
        }
        self.dirty = true;
        self.file
            .write_all(&text)
            .and_then(|()| self.file.sync_data())
            .map_err(ArchiveError::io("append to", &self.path))?;
        self.dirty = false;
        self.committed += text.len() as u64;
        changes.iter().for_each(|change| apply(&mut self.current, change.clone()));
        Ok(())
    }

    /// The alerts that stand: not superseded, not withdrawn.
    pub fn current(&self) -> &BTreeMap<AlertId, Alert> {
        &self.current
    }

    /// All changes of one alert, in the order in which they were said.
    pub fn history(&self, id: AlertId) -> Result<Vec<AlertChange>, ArchiveError> {
        let mut found = Vec::new();
        for line in lines(&self.path)? {
            let (change, _) = line?;
            if change.alert.id == id {
                found.push(change);
            }
        }
        Ok(found)
    }
}

/// The changes in a data folder's alert log whose line holds `text` (of an id, a rule's name …), in the order in which
/// they were said; none when there is no log. Takes no lock.
pub fn alert_changes(dir: &Path, text: &str) -> Result<Vec<AlertChange>, ArchiveError> {
    let path = layout::alerts(dir);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wanted = memchr::memmem::Finder::new(text.as_bytes());
    whole_lines(&path, |line| wanted.find(line).is_some())?.map(|line| line.map(|(change, _)| change)).collect()
}

/// The latest change of each alert in a data folder's alert log; none when there is no log. Takes no lock.
pub fn latest_changes(dir: &Path) -> Result<BTreeMap<AlertId, AlertChange>, ArchiveError> {
    let path = layout::alerts(dir);
    let mut latest = BTreeMap::new();
    if path.exists() {
        for line in lines(&path)? {
            let (change, _) = line?;
            latest.insert(change.alert.id, change);
        }
    }
    Ok(latest)
}

/// The alerts that stand in a data folder's alert log: not superseded, not withdrawn; none when there is no log. Takes no lock.
pub fn standing(dir: &Path) -> Result<BTreeMap<AlertId, Alert>, ArchiveError> {
    let path = layout::alerts(dir);
    let mut current = BTreeMap::new();
    if path.exists() {
        for line in lines(&path)? {
            apply(&mut current, line?.0);
        }
    }
    Ok(current)
}

fn apply(current: &mut BTreeMap<AlertId, Alert>, change: AlertChange) {
    match change.change {
        Change::Added | Change::Changed => current.insert(change.alert.id, change.alert),
        Change::Superseded { .. } | Change::Withdrawn => current.remove(&change.alert.id),
    };
}

type Line = Result<(AlertChange, u64), ArchiveError>;

/// The changes of a file, each with the byte after it. A last line without an end is none.
fn lines(path: &Path) -> Result<impl Iterator<Item = Line>, ArchiveError> {
    whole_lines(path, |_| true)
}

/// The same of those lines that are wanted.
fn whole_lines(path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<impl Iterator<Item = Line>, ArchiveError> {
    let mut reader = BufReader::new(File::open(path).map_err(ArchiveError::io("open", path))?);
    let (path, mut end, mut number) = (path.to_owned(), 0, 0);
    let mut line = Vec::new();
    Ok(std::iter::from_fn(move || {
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Err(error) => return Some(Err(ArchiveError::io("read", &path)(error))),
                Ok(_) if line.last() != Some(&b'\n') => return None,
                Ok(length) => {
                    end += length as u64;
                    number += 1;
                    if !wanted(&line) {
                        continue;
                    }
                    let damaged = |e| ArchiveError::Damaged { path: path.clone(), what: format!("line {number}: {e}") };
                    return Some(serde_json::from_slice(&line).map(|change| (change, end)).map_err(damaged));
                }
            }
        }
    }))
}
