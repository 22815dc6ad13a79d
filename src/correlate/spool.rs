//! Puts the match rows of a finite input into time order, in bounded memory.
//!
//! A file or an archive is taken whole: none of its events is late. Its rows are collected as sorted
//! runs, spilled to an unnamed temporary file past a budget, and merged into epochs, each of which
//! holds all rows up to some time. The watermark can then follow exactly, and correlation keeps no
//! more than its windows, whatever the order and the size of the input.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::event::EventId;
use crate::matching::MatchRow;
use crate::rule::plan::Tuple;

/// Rows in memory before they are spilled, bytes.
pub const BUDGET: usize = 192 << 20;
/// Rows of an epoch, about.
const EPOCH_ROWS: usize = 64 << 10;
/// Rows read back from a spilled run at a time.
const READ_ROWS: usize = 2 << 10;

/// Collects rows in any order.
pub struct Spool {
    budget: usize,
    folder: PathBuf,
    memory: Vec<Vec<MatchRow>>,
    bytes: usize,
    spilled: Vec<Spilled>,
    file: Option<File>,
    rows: u64,
}

#[derive(Clone, Copy)]
struct Spilled {
    offset: u64,
    rows: usize,
    least: i64,
}

/// A spilled run could not be written or read back.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot spill match rows to a temporary file in {folder}: {cause}; free some space or set TMPDIR to a larger disk"
)]
pub struct SpoolError {
    folder: PathBuf,
    cause: io::Error,
}

impl Spool {
    /// A spool that keeps about `budget` bytes in memory and spills into `folder`.
    pub fn new(budget: usize, folder: &Path) -> Spool {
        Spool {
            budget,
            folder: folder.to_owned(),
            memory: Vec::new(),
            bytes: 0,
            spilled: Vec::new(),
            file: None,
            rows: 0,
        }
    }

    /// Takes a bundle of rows.
    pub fn push(&mut self, mut rows: Vec<MatchRow>) -> Result<(), SpoolError> {
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_by_key(place);
        rows.shrink_to_fit();
        self.rows += rows.len() as u64;
        self.bytes += rows.len() * size_of::<MatchRow>();
        self.memory.push(rows);
        if self.bytes > self.budget {
            self.spill().map_err(|cause| SpoolError { folder: self.folder.clone(), cause })?;
        }
        Ok(())
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => unnamed(&self.folder)?,
        };
        let mut offset = file.seek(SeekFrom::End(0))?;
        let mut out = BufWriter::with_capacity(1 << 20, &mut file);
        // Runs in memory overlap little; merged they make fewer and longer ones.
        let mut merged: Vec<MatchRow> = std::mem::take(&mut self.memory).into_iter().flatten().collect();
        merged.sort_by_key(place);
        for run in merged.chunks(EPOCH_ROWS * 16) {
            let mut written = 0;
            for row in run {
                written += write_row(&mut out, row)?;
            }
            self.spilled.push(Spilled { offset, rows: run.len(), least: run[0].time });
            offset += written;
        }
        out.flush()?;
        drop(out);
        self.file = Some(file);
        self.bytes = 0;
        Ok(())
    }

    /// The rows in time order, as epochs.
    pub fn drain(self) -> Epochs {
        let mut runs: Vec<Run> = self
            .memory
            .into_iter()
            .map(|rows| Run { least: rows[0].time, rows, at: 0, rest: None })
            .chain(self.spilled.into_iter().map(|s| Run { least: s.least, rows: Vec::new(), at: 0, rest: Some(s) }))
            .collect();
        // The next one to start is the last.
        runs.sort_by_key(|r| std::cmp::Reverse(r.least));
        Epochs { waiting: runs, active: Vec::new(), file: self.file, folder: self.folder }
    }
}

fn place(row: &MatchRow) -> (i64, EventId) {
    (row.time, row.id)
}

fn unnamed(folder: &Path) -> io::Result<File> {
    // A named file that is removed at once: the space is freed when the process ends, however it ends.
    let path = folder.join(format!(".weir-spool-{}-{:x}", std::process::id(), crate::event::time::now()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Epochs of rows in time order.
pub struct Epochs {
    waiting: Vec<Run>,
    active: Vec<Run>,
    file: Option<File>,
    folder: PathBuf,
}

struct Run {
    least: i64,
    rows: Vec<MatchRow>,
    at: usize,
    /// What is still on disk.
    rest: Option<Spilled>,
}

impl Epochs {
    /// The next epoch: all remaining rows up to some time, in (time, id) order, and the watermark that holds after them, µs.
    pub fn next_epoch(&mut self) -> Result<Option<(Vec<MatchRow>, i64)>, SpoolError> {
        self.epoch().map_err(|cause| SpoolError { folder: self.folder.clone(), cause })
    }

    fn epoch(&mut self) -> io::Result<Option<(Vec<MatchRow>, i64)>> {
        let Some(until) = self.choose_end()? else { return Ok(None) };
        let mut rows = Vec::with_capacity(EPOCH_ROWS);
        for run in &mut self.active {
            loop {
                let count = run.rows[run.at..].partition_point(|r| r.time <= until);
                rows.extend_from_slice(&run.rows[run.at..run.at + count]);
                run.at += count;
                if run.at < run.rows.len() || !run.fill(self.file.as_mut())? {
                    break;
                }
            }
        }
        self.active.retain(|r| r.at < r.rows.len());
        rows.sort_by_key(place);
        let over = self.active.is_empty() && self.waiting.is_empty();
        Ok(Some((rows, if over { i64::MAX } else { until.saturating_add(1) })))
    }

    /// The time up to which the next epoch goes, with every run that reaches into it active.
    fn choose_end(&mut self) -> io::Result<Option<i64>> {
        if self.active.is_empty() && !self.activate()? {
            return Ok(None);
        }
        loop {
            let share = (EPOCH_ROWS / self.active.len()).max(64);
            let ahead = |r: &Run| r.rows[(r.at + share).min(r.rows.len() - 1)].time;
            let until = self.active.iter().map(ahead).min().expect("a run is active");
            if self.waiting.last().is_some_and(|next| next.least <= until) {
                self.activate()?;
            } else {
                return Ok(Some(until));
            }
        }
    }

    fn activate(&mut self) -> io::Result<bool> {
        let Some(mut run) = self.waiting.pop() else { return Ok(false) };
        run.fill(self.file.as_mut())?;
        self.active.push(run);
        Ok(true)
    }
}

impl Run {
    /// Reads more rows when all are used; false when there are none.
    fn fill(&mut self, file: Option<&mut File>) -> io::Result<bool> {
        if self.at < self.rows.len() {
            return Ok(true);
        }
        let (Some(rest), Some(file)) = (self.rest.as_mut(), file) else { return Ok(false) };
        if rest.rows == 0 {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(rest.offset))?;
        let mut input = BufReader::with_capacity(64 << 10, file);
        self.rows.clear();
        self.at = 0;
        for _ in 0..rest.rows.min(READ_ROWS) {
            let (row, length) = read_row(&mut input)?;
            rest.offset += length;
            self.rows.push(row);
        }
        rest.rows -= self.rows.len();
        Ok(true)
    }
}

fn write_row(out: &mut impl Write, row: &MatchRow) -> io::Result<u64> {
    let (key, values) = (row.key.0.as_bytes(), row.values.0.as_bytes());
    out.write_all(&row.rule.to_le_bytes())?;
    out.write_all(&row.steps.to_le_bytes())?;
    out.write_all(&row.time.to_le_bytes())?;
    out.write_all(&row.id.to_bytes())?;
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(&(values.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(values)?;
    Ok((HEADER + key.len() + values.len()) as u64)
}

const HEADER: usize = 4 + 4 + 8 + 16 + 4 + 4;

fn read_row(input: &mut impl Read) -> io::Result<(MatchRow, u64)> {
    let mut head = [0; HEADER];
    input.read_exact(&mut head)?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let (key, values) = (word(32) as usize, word(36) as usize);
    let mut text = vec![0; key + values];
    input.read_exact(&mut text)?;
    let tuple = |bytes: &[u8]| -> io::Result<Tuple> {
        std::str::from_utf8(bytes).map(|t| Tuple(t.into())).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    };
    let row = MatchRow {
        rule: word(0),
        steps: word(4),
        time: i64::from_le_bytes(head[8..16].try_into().expect("eight bytes")),
        id: EventId::from_bytes(head[16..32].try_into().expect("sixteen bytes")),
        key: tuple(&text[..key])?,
        values: tuple(&text[key..])?,
    };
    Ok((row, (HEADER + key + values) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: i64, n: u128) -> MatchRow {
        MatchRow {
            rule: 1,
            steps: 1,
            time,
            id: EventId(n),
            key: Tuple(format!("key {}", n % 7).into()),
            values: Tuple("a rather longer value than would fit inline".into()),
        }
    }

    fn drained(budget: usize, bundles: &[Vec<MatchRow>]) -> Vec<MatchRow> {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(budget, folder.path());
        bundles.iter().for_each(|b| spool.push(b.clone()).unwrap());
        let mut epochs = spool.drain();
        let (mut all, mut before) = (Vec::new(), i64::MIN);
        while let Some((rows, watermark)) = epochs.next_epoch().unwrap() {
            assert!(rows.iter().all(|r| r.time >= before && r.time < watermark));
            before = watermark;
            all.extend(rows);
        }
        all
    }

    #[test]
    fn any_order_comes_out_in_time_order_spilled_or_not() {
        let mut all: Vec<MatchRow> =
            (0..50_000u64).map(|n| row((n * 2_654_435_761 % 100_003) as i64 / 3, n.into())).collect();
        let bundles: Vec<Vec<MatchRow>> = all.chunks(777).map(<[MatchRow]>::to_vec).collect();
        all.sort_by_key(place);
        assert_eq!(drained(usize::MAX, &bundles), all);
        assert_eq!(drained(300_000, &bundles), all);
    }

    #[test]
    fn nothing_gives_no_epoch() {
        assert!(drained(1000, &[]).is_empty());
    }
}
