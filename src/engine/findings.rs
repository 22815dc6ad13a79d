//! The alerts of a finite run, in their order, in bounded memory.
//!
//! Alerts become final in the order of the dataflow, and there may be more of them than fit: they are
//! kept as JSON, past a budget in a file, and a small index is sorted at the end. The file is an unnamed
//! temporary one, or the alert log of the data folder in the making, which gets its name at the end.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::alert::{Alert, AlertId};
use crate::archive::alerts_file;
use crate::event::time::rfc3339;

/// Bytes of JSON kept in memory.
const BUDGET: usize = 32 << 20;

/// Collects alerts in any order.
pub struct Findings {
    /// Where it spills.
    folder: PathBuf,
    /// The alert log that it becomes, and what stands before each alert there.
    log: Option<(tempfile::TempPath, PathBuf, String)>,
    tail: Vec<u8>,
    file: Option<File>,
    written: u64,
    index: Vec<Entry>,
}

/// The order of alerts (see `correlate::changes::order`; rules are numbered by name), and where the JSON is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    first: i64,
    rule: u32,
    id: AlertId,
    offset: u64,
    length: u32,
}

impl Findings {
    /// None yet; they spill into this folder.
    pub fn new(folder: &Path) -> Findings {
        let folder = folder.to_owned();
        Findings { folder, log: None, tail: Vec::new(), file: None, written: 0, index: Vec::new() }
    }

    /// None yet; they become the alert log of a data folder that has none, said `at` (µs UTC).
    pub fn logged(data: &Path, at: i64) -> io::Result<Findings> {
        if std::fs::metadata(alerts_file(data)).is_ok_and(|m| m.len() > 0) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "alerts of another run are there"));
        }
        let (file, name) = tempfile::Builder::new().prefix(".alerts-").tempfile_in(data)?.into_parts();
        let head = format!("{{\"change\":\"added\",\"at\":\"{}\",\"alert\":", rfc3339(at));
        let log = Some((name, alerts_file(data), head));
        Ok(Findings { log, file: Some(file), ..Findings::new(data) })
    }

    /// Where it spills.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes an alert of the rule of this number.
    pub fn push(&mut self, rule: u32, alert: &Alert) -> io::Result<()> {
        if let Some((.., head)) = &self.log {
            self.tail.extend_from_slice(head.as_bytes());
        }
        let start = self.tail.len();
        alert.write_json(&mut self.tail);
        let length = (self.tail.len() - start) as u32;
        let offset = self.written + start as u64;
        self.index.push(Entry { first: alert.first, rule, id: alert.id, offset, length });
        if self.log.is_some() {
            self.tail.extend_from_slice(b"}\n");
        }
        if self.tail.len() > BUDGET { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        file.write_all(&self.tail)?;
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// Makes the alert log durable and gives it its name.
    pub fn publish(&mut self) -> io::Result<()> {
        self.flush()?;
        if let (Some(file), Some((name, path, _))) = (&self.file, self.log.take()) {
            file.sync_all()?;
            name.persist(path)?;
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Gives each alert's JSON, in order, until `each` fails.
    pub fn for_each(&mut self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.index.sort_unstable();
        let mut json = Vec::new();
        for entry in &self.index {
            match entry.offset.checked_sub(self.written) {
                Some(at) => each(&self.tail[at as usize..at as usize + entry.length as usize])?,
                None => {
                    json.resize(entry.length as usize, 0);
                    let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                    file.read_exact_at(&mut json, entry.offset)?;
                    each(&json)?;
                }
            }
        }
        Ok(())
    }
}
