//! The alerts of a finite run, in their order, in bounded memory.
//!
//! Alerts become final in the order of the dataflow, and there may be more of them than fit: what is wanted of each in
//! the end is kept as bytes, in a file past a budget, and a small index is sorted at the end. Where there is a data folder its alert log
//! is made on the way, and gets its name at the end. JSON that is not in the log holds the ids of the evidence, which are most of
//! an alert, as 16 bytes each until it is read.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::kept::{Kept, Near, Piece};
use crate::alert::{Alert, AlertId, write_evidence};
use crate::archive::alerts_file;
use crate::event::EventId;
use crate::event::time::rfc3339;

/// Bytes kept in memory: some hundred thousand alerts. A file costs more than memory does, page by page.
const BUDGET: usize = 192 << 20;
/// The same of the alert log, which goes to its file anyway.
const LOG_BUDGET: usize = 4 << 20;

/// What is wanted of each alert in the end.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// Its JSON.
    Json,
    /// What this appends of it: a line.
    Line(fn(&Alert, &mut Vec<u8>)),
}

/// Collects alerts in any order.
pub struct Findings {
    /// Where it spills.
    folder: PathBuf,
    wanted: Wanted,
    /// What is wanted of the alerts, unless the alert log has it.
    kept: Kept,
    log: Option<Log>,
    index: Vec<Entry>,
}

/// The alert log of a data folder in the making.
struct Log {
    lines: Kept,
    /// What stands before each alert.
    head: String,
    /// Its name until it is whole, and the one that it has then; none once it has that.
    names: Option<(tempfile::TempPath, PathBuf)>,
}

/// The order of alerts (see `correlate::changes::order`; rules are numbered by name), and where the bytes are.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    first: i64,
    rule: u32,
    id: AlertId,
    piece: Piece,
    /// Of packed JSON: bytes before the evidence.
    head: u32,
    /// And the ids of that.
    evidence: u32,
}

impl Findings {
    /// None yet; they spill into this folder.
    pub fn new(folder: &Path, wanted: Wanted) -> Findings {
        let kept = Kept::new(folder, BUDGET, None);
        Findings { folder: folder.to_owned(), wanted, kept, log: None, index: Vec::new() }
    }

    /// None yet; they become the alert log of a data folder that has none, said `at` (µs UTC).
    pub fn logged(data: &Path, at: i64, wanted: Wanted) -> io::Result<Findings> {
        if std::fs::metadata(alerts_file(data)).is_ok_and(|m| m.len() > 0) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "alerts of another run are there"));
        }
        let (file, name) = tempfile::Builder::new().prefix(".alerts-").tempfile_in(data)?.into_parts();
        let lines = Kept::new(data, LOG_BUDGET, Some(file));
        let head = format!("{{\"change\":\"added\",\"at\":\"{}\",\"alert\":", rfc3339(at));
        let log = Some(Log { lines, head, names: Some((name, alerts_file(data))) });
        Ok(Findings { log, ..Findings::new(data, wanted) })
    }

    /// What is wanted of each.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Where it spills.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes an alert of the rule of this number.
    pub fn push(&mut self, rule: u32, alert: &Alert) -> io::Result<()> {
        let logged = self.log.as_mut().map(|log| log.push(alert)).transpose()?;
        let mut head = 0;
        let piece = match (self.wanted, logged) {
            (Wanted::Json, Some(piece)) => piece,
            (Wanted::Json, None) => self.kept.push(|out| head = pack(alert, out) as u32)?,
            (Wanted::Line(write), _) => self.kept.push(|out| write(alert, out))?,
        };
        let evidence = alert.evidence.len() as u32;
        self.index.push(Entry { first: alert.first, rule, id: alert.id, piece, head, evidence });
        Ok(())
    }

    /// Makes the alert log durable and gives it its name.
    pub fn publish(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), Log::publish)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Gives what is wanted of each alert, in order, until `each` fails.
    pub fn for_each(&mut self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut sorted = self.sorted();
        (0..sorted.len()).try_for_each(|at| each(sorted.text(at)?))
    }

    /// The alerts in their order, by position; those of near positions are read fast.
    pub fn sorted(&mut self) -> Sorted<'_> {
        self.index.sort_unstable();
        Sorted { findings: self, near: Near::default(), whole: Vec::new() }
    }
}

impl Log {
    fn push(&mut self, alert: &Alert) -> io::Result<Piece> {
        let Log { lines, head, .. } = self;
        lines.push(|out| out.extend_from_slice(head.as_bytes()))?;
        let piece = lines.push(|out| alert.write_json(out))?;
        lines.push(|out| out.extend_from_slice(b"}\n"))?;
        Ok(piece)
    }

    fn publish(&mut self) -> io::Result<()> {
        self.lines.flush()?;
        if let (Some(file), Some((name, path))) = (self.lines.file(), self.names.take()) {
            file.sync_all()?;
            name.persist(&path)?;
            File::open(path.parent().unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())?;
        }
        Ok(())
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

    /// What is wanted of the alert at this position, which must be less than the length: its JSON or its line.
    pub fn text(&mut self, at: usize) -> io::Result<&[u8]> {
        let Findings { index, kept, log, wanted, .. } = self.findings;
        let Entry { piece, head, evidence, .. } = index[at];
        match (wanted, log) {
            (Wanted::Json, Some(log)) => log.lines.read(piece, &mut self.near),
            (Wanted::Line(_), _) => kept.read(piece, &mut self.near),
            (Wanted::Json, None) => {
                unpack(kept.read(piece, &mut self.near)?, head as usize, evidence as usize, &mut self.whole);
                Ok(&self.whole)
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
        let (mut memory, mut log) =
            (Findings::new(folder.path(), Wanted::Json), Findings::logged(folder.path(), 0, Wanted::Json).unwrap());
        // More than what the log keeps in memory.
        for n in 0..12_000 {
            memory.push(0, &alert(n)).unwrap();
            log.push(0, &alert(n)).unwrap();
        }
        let written = std::fs::metadata(log.log.as_ref().and_then(|log| log.names.as_ref()).unwrap().0.as_os_str());
        assert!(memory.kept.file().is_none() && written.unwrap().len() > 0);
        let all = taken(&mut memory);
        assert_eq!((all.len(), taken(&mut log)), (12_000, all.clone()));
        memory.kept.flush().unwrap();
        memory.push(0, &alert(12_000)).unwrap();
        assert_eq!(taken(&mut memory).len(), 12_001);
        log.publish().unwrap();
        let text = std::fs::read_to_string(alerts_file(folder.path())).unwrap();
        assert_eq!(text.lines().count(), 12_000);
        assert!(text.lines().all(|l| serde_json::from_str::<crate::alert::AlertChange>(l).is_ok()));
    }

    #[test]
    fn lines_are_kept_beside_the_alert_log() {
        let folder = tempfile::tempdir().unwrap();
        let line = Wanted::Line(|alert, out| out.extend_from_slice(alert.count.to_string().as_bytes()));
        let mut log = Findings::logged(folder.path(), 0, line).unwrap();
        for n in 0..100 {
            log.push(0, &alert(n)).unwrap();
        }
        let mut said = Vec::new();
        let mut each = |text: &[u8]| {
            said.push(String::from_utf8(text.to_vec()).unwrap());
            Ok(())
        };
        log.for_each(&mut each).unwrap();
        let mut expected: Vec<Alert> = (0..100).map(alert).collect();
        expected.sort_by_key(|alert| alert.first);
        assert_eq!(said, expected.iter().map(|alert| alert.count.to_string()).collect::<Vec<_>>());
        log.publish().unwrap();
        let text = std::fs::read_to_string(alerts_file(folder.path())).unwrap();
        assert!(text.lines().count() == 100 && !text.contains("\n\n"));
    }
}
