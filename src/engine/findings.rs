//! The alerts of a finite run, in their order, in bounded memory.
//!
//! Alerts become final in the order of the dataflow, and there may be more of them than fit: they are
//! kept as JSON, in blocks that go to a file past a budget, and a small index is sorted at the end. The file is the alert log
//! of the data folder in the making, which gets its name at the end, or an unnamed temporary one. There the ids of the evidence,
//! which are most of an alert, are 16 bytes each until it is read.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::alert::{Alert, AlertId, write_evidence};
use crate::archive::alerts_file;
use crate::event::EventId;
use crate::event::time::rfc3339;

/// Bytes kept in memory: some hundred thousand alerts. A file costs more than memory does, page by page.
const BUDGET: usize = 192 << 20;
/// The same when they go to the alert log anyway.
const LOG_BUDGET: usize = 4 << 20;
/// Bytes of a block, about; blocks are not moved while more alerts come.
const BLOCK: usize = 1 << 20;

/// Collects alerts in any order.
pub struct Findings {
    /// Where it spills.
    folder: PathBuf,
    /// The alert log that it becomes, and what stands before each alert there.
    log: Option<(tempfile::TempPath, PathBuf, String)>,
    /// The evidence is JSON, too.
    plain: bool,
    /// The blocks in memory; the last is being filled.
    blocks: Vec<Vec<u8>>,
    /// Blocks that were written, to be filled again.
    spare: Vec<Vec<u8>>,
    file: Option<File>,
    /// Where the blocks before those lie in the file, and where the next one will.
    written: Vec<u64>,
    end: u64,
    index: Vec<Entry>,
}

/// The order of alerts (see `correlate::changes::order`; rules are numbered by name), and where the JSON is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    first: i64,
    rule: u32,
    id: AlertId,
    block: u32,
    start: u32,
    length: u32,
    /// Bytes before the evidence.
    head: u32,
    /// Its ids.
    evidence: u32,
}

impl Findings {
    /// None yet; they spill into this folder.
    pub fn new(folder: &Path) -> Findings {
        let folder = folder.to_owned();
        let (blocks, spare, written, index) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Findings { folder, log: None, plain: false, blocks, spare, file: None, written, end: 0, index }
    }

    /// None yet; they become the alert log of a data folder that has none, said `at` (µs UTC).
    pub fn logged(data: &Path, at: i64) -> io::Result<Findings> {
        if std::fs::metadata(alerts_file(data)).is_ok_and(|m| m.len() > 0) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "alerts of another run are there"));
        }
        let (file, name) = tempfile::Builder::new().prefix(".alerts-").tempfile_in(data)?.into_parts();
        let head = format!("{{\"change\":\"added\",\"at\":\"{}\",\"alert\":", rfc3339(at));
        let log = Some((name, alerts_file(data), head));
        Ok(Findings { log, plain: true, file: Some(file), ..Findings::new(data) })
    }

    /// Where it spills.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes an alert of the rule of this number.
    pub fn push(&mut self, rule: u32, alert: &Alert) -> io::Result<()> {
        if self.blocks.last().is_none_or(|last| last.len() >= BLOCK) {
            let budget = if self.log.is_some() { LOG_BUDGET } else { BUDGET };
            if self.blocks.len() * BLOCK >= budget {
                self.flush()?;
            }
            // An alert is far smaller than what is added here, but for odd ones.
            self.blocks.push(self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK + BLOCK / 16)));
        }
        let block = (self.written.len() + self.blocks.len() - 1) as u32;
        let Some(last) = self.blocks.last_mut() else { return Ok(()) };
        if let Some((.., head)) = &self.log {
            last.extend_from_slice(head.as_bytes());
        }
        let start = last.len();
        let head = if self.plain { alert.write_json(last) } else { pack(alert, last) } as u32;
        let (length, start) = ((last.len() - start) as u32, start as u32);
        let evidence = alert.evidence.len() as u32;
        self.index.push(Entry { first: alert.first, rule, id: alert.id, block, start, length, head, evidence });
        if self.log.is_some() {
            last.extend_from_slice(b"}\n");
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        for mut block in self.blocks.drain(..) {
            file.write_all(&block)?;
            self.written.push(self.end);
            self.end += block.len() as u64;
            block.clear();
            self.spare.push(block);
        }
        Ok(())
    }

    /// Makes the alert log durable and gives it its name.
    pub fn publish(&mut self) -> io::Result<()> {
        self.flush()?;
        if let (Some(file), Some((name, path, _))) = (&self.file, self.log.take()) {
            file.sync_all()?;
            name.persist(&path)?;
            File::open(path.parent().unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())?;
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
        let mut sorted = self.sorted();
        (0..sorted.len()).try_for_each(|at| each(sorted.json(at)?))
    }

    /// The alerts in their order, by position; those of near positions are read fast.
    pub fn sorted(&mut self) -> Sorted<'_> {
        self.index.sort_unstable();
        Sorted { findings: self, near: Near::default(), whole: Vec::new() }
    }
}

/// Alerts in their order: by first event, rule and id.
pub struct Sorted<'a> {
    findings: &'a Findings,
    near: Near,
    /// The one that was put together last.
    whole: Vec<u8>,
}

impl Sorted<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Time of the first event (µs), rule and id of the alert at this position, if there is one.
    pub fn key(&self, at: usize) -> Option<(i64, u32, AlertId)> {
        self.findings.index.get(at).map(|entry| (entry.first, entry.rule, entry.id))
    }

    /// The JSON of the alert at this position, which must be less than the length.
    pub fn json(&mut self, at: usize) -> io::Result<&[u8]> {
        let Entry { length, head, evidence, .. } = self.findings.index[at];
        if self.findings.plain {
            return self.bytes(at, length as usize);
        }
        let mut whole = std::mem::take(&mut self.whole);
        unpack(self.bytes(at, length as usize)?, head as usize, evidence as usize, &mut whole);
        self.whole = whole;
        Ok(&self.whole)
    }

    /// The same of what comes before the evidence, which is all that is said of an alert in a line.
    pub fn brief(&mut self, at: usize) -> io::Result<&[u8]> {
        let mut whole = std::mem::take(&mut self.whole);
        whole.clear();
        whole.extend_from_slice(self.bytes(at, self.findings.index[at].head as usize)?);
        whole.push(b'}');
        self.whole = whole;
        Ok(&self.whole)
    }

    fn bytes(&mut self, at: usize, length: usize) -> io::Result<&[u8]> {
        let Findings { index, blocks, written, file, .. } = self.findings;
        let entry = &index[at];
        let (block, start) = (entry.block as usize, entry.start as usize);
        match block.checked_sub(written.len()) {
            Some(at) => Ok(&blocks[at][start..start + length]),
            None => {
                let file = file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                self.near.read(file, written[block] + start as u64, length)
            }
        }
    }
}

/// Writes an alert, its evidence as bytes. Returns how many come before that.
fn pack(alert: &Alert, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    alert.write_head(out);
    let head = out.len() - start;
    alert.evidence.iter().for_each(|id| out.extend_from_slice(&id.to_bytes()));
    alert.write_tail(out);
    head
}

/// Makes JSON of it.
fn unpack(packed: &[u8], head: usize, evidence: usize, out: &mut Vec<u8>) {
    let (head, rest) = packed.split_at(head);
    let (ids, tail) = rest.split_at(evidence * size_of::<EventId>());
    out.clear();
    out.extend_from_slice(head);
    write_evidence(ids.as_chunks().0.iter().map(|id| EventId::from_bytes(*id)), out);
    out.extend_from_slice(tail);
}

/// Pieces of the file, read whole: alerts of about one time lie near one another, and a call to the system for each
/// would cost more than all else.
#[derive(Default)]
struct Near {
    /// By place: where each begins, and its bytes.
    pieces: Vec<(u64, Vec<u8>)>,
    /// What lies in two pieces.
    odd: Vec<u8>,
}

/// Bytes of a piece, and how many are kept.
const PIECE: u64 = 32 << 10;
const PIECES: u64 = 512;

impl Near {
    fn read(&mut self, file: &File, at: u64, length: usize) -> io::Result<&[u8]> {
        let (number, from) = (at / PIECE, (at % PIECE) as usize);
        if from + length > PIECE as usize {
            self.odd.resize(length, 0);
            file.read_exact_at(&mut self.odd, at)?;
            return Ok(&self.odd);
        }
        self.pieces.resize_with(PIECES as usize, || (u64::MAX, Vec::new()));
        let (begins, bytes) = &mut self.pieces[(number % PIECES) as usize];
        if *begins != number * PIECE {
            // Nothing of it is right until it is read.
            *begins = u64::MAX;
            bytes.resize(PIECE as usize, 0);
            let mut read = 0;
            while read < bytes.len() {
                match file.read_at(&mut bytes[read..], number * PIECE + read as u64) {
                    Ok(0) => break,
                    Ok(more) => read += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(read);
            *begins = number * PIECE;
        }
        bytes.get(from..from + length).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;

    fn alert(n: u64) -> Alert {
        let first = (n * 7919 % 5000) as i64;
        Alert {
            id: AlertId::new("r", &n.to_string(), EventId::default()),
            rule: "r".into(),
            severity: Severity::Low,
            title: "x".repeat((n % 900) as usize),
            key: serde_json::Map::new(),
            first,
            last: first,
            count: n,
            evidence: (0..n % 17).map(|n| EventId::from_bits(u128::from(n) << 77 | 5)).collect(),
            attack: Vec::new(),
            tags: Vec::new(),
            runbook: None,
            risk: None,
        }
    }

    /// What comes out, as it must: by first event.
    fn taken(findings: &mut Findings) -> Vec<(i64, u64)> {
        let mut out = Vec::new();
        let mut each = |json: &[u8]| {
            let alert: Alert = serde_json::from_slice(json)?;
            assert_eq!(alert, super::tests::alert(alert.count));
            out.push((alert.first, alert.count));
            Ok(())
        };
        findings.for_each(&mut each).unwrap();
        assert!(out.is_sorted_by_key(|(first, _)| *first));
        out
    }

    #[test]
    fn alerts_come_back_in_order_from_memory_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut memory, mut log) = (Findings::new(folder.path()), Findings::logged(folder.path(), 0).unwrap());
        // More than what the log keeps in memory.
        for n in 0..12_000 {
            memory.push(0, &alert(n)).unwrap();
            log.push(0, &alert(n)).unwrap();
        }
        assert!(memory.file.is_none() && !log.written.is_empty());
        let all = taken(&mut memory);
        assert_eq!((all.len(), taken(&mut log)), (12_000, all.clone()));
        memory.flush().unwrap();
        memory.push(0, &alert(12_000)).unwrap();
        assert_eq!(taken(&mut memory).len(), 12_001);
        log.publish().unwrap();
        let text = std::fs::read_to_string(alerts_file(folder.path())).unwrap();
        assert_eq!(text.lines().count(), 12_000);
        assert!(text.lines().all(|l| serde_json::from_str::<crate::alert::AlertChange>(l).is_ok()));
    }
}
