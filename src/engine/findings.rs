//! The alerts of a finite run, in their order, in bounded memory.
//!
//! Alerts become final in the order of the dataflow, and there may be more of them than fit: they are
//! kept as JSON, past a budget in an unnamed temporary file, and a small index is sorted at the end.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::alert::{Alert, AlertId};

/// Bytes of JSON kept in memory.
const BUDGET: usize = 32 << 20;

/// Collects alerts in any order.
pub struct Findings {
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
    /// None yet.
    pub fn new() -> Findings {
        Findings { tail: Vec::new(), file: None, written: 0, index: Vec::new() }
    }

    /// Takes an alert of the rule of this number; spills into `folder`.
    pub fn push(&mut self, rule: u32, alert: &Alert, folder: &Path) -> io::Result<()> {
        let start = self.tail.len();
        serde_json::to_writer(&mut self.tail, alert).map_err(io::Error::from)?;
        let length = (self.tail.len() - start) as u32;
        let offset = self.written + start as u64;
        self.index.push(Entry { first: alert.first, rule, id: alert.id, offset, length });
        if self.tail.len() > BUDGET {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile_in(folder)?),
            };
            file.write_all(&self.tail)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
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

impl Default for Findings {
    fn default() -> Self {
        Findings::new()
    }
}
