//! Puts the match rows of a finite input into time order, in bounded memory.
//!
//! A file or an archive is taken whole: none of its events is late. Its rows are held as sorted runs and
//! merged into epochs, each of which has all rows up to some time, so that the watermark follows
//! exactly and correlation keeps no more than its windows. Past a budget one of two things happens
//! ([`Overflow`]): the oldest rows go out at once, which is right as long as the input is about in
//! order and is said when it is not; or rows are spilled to an unnamed temporary file until the end,
//! which is right for any order.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::spilled::{read_row, write_row};
use crate::matching::MatchRow;

/// Rows of an epoch, about.
const EPOCH_ROWS: usize = 64 << 10;
/// Rows read back from a spilled run at a time.
const READ_ROWS: usize = 2 << 10;

/// What to do with more rows than the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Let the oldest go out; a row that comes behind them is [`SpoolError::Disorder`].
    Release,
    /// Write them to disk.
    Spill,
}

/// Collects rows in any order, gives them back in time order.
pub struct Spool {
    overflow: Overflow,
    budget: usize,
    folder: PathBuf,
    /// Runs that the merge did not reach yet; the next to start is the last.
    waiting: Vec<Run>,
    /// Runs that the merge is in.
    active: Vec<Run>,
    /// Rows in memory.
    held: usize,
    /// Everything before this time went out, µs.
    released: i64,
    file: Option<File>,
    rows: u64,
}

#[derive(Clone, Copy)]
struct Spilled {
    offset: u64,
    rows: usize,
}

struct Run {
    least: i64,
    rows: std::vec::IntoIter<MatchRow>,
    /// What is still on disk.
    rest: Option<Spilled>,
}

/// Why rows could not be put in order.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// What does not fit into memory could not be written or read back.
    #[error("cannot write to {folder}: {cause}; free some space there (TMPDIR says where temporary files go)")]
    Disk {
        /// Where.
        folder: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// With [`Overflow::Release`]: a row came behind those that had gone out. The input must be taken again with [`Overflow::Spill`].
    #[error("the input is further out of order than fits into memory")]
    Disorder,
}

impl Overflow {
    /// Rows to hold in memory. What is about in order needs few; more of what is not make fewer and longer runs.
    pub fn budget(self) -> usize {
        match self {
            Overflow::Release => 256 << 10,
            Overflow::Spill => 1 << 20,
        }
    }
}

/// Rows up to some time, in time order, and the watermark that holds after them, µs.
pub type Epoch = (Vec<MatchRow>, i64);

impl Spool {
    /// A spool that holds about `budget` rows in memory; `folder` is where it spills.
    pub fn new(overflow: Overflow, budget: usize, folder: &Path) -> Spool {
        Spool {
            overflow,
            budget,
            folder: folder.to_owned(),
            waiting: Vec::new(),
            active: Vec::new(),
            held: 0,
            released: i64::MIN,
            file: None,
            rows: 0,
        }
    }

    /// Takes a bundle of rows.
    pub fn push(&mut self, mut rows: Vec<MatchRow>) -> Result<(), SpoolError> {
        rows.sort_by_key(|row| row.time);
        let Some(least) = rows.first().map(|row| row.time) else { return Ok(()) };
        if least < self.released {
            return Err(SpoolError::Disorder);
        }
        self.rows += rows.len() as u64;
        self.held += rows.len();
        self.wait(Run { least, rows: rows.into_iter(), rest: None });
        if self.overflow == Overflow::Spill && self.held > self.budget {
            self.spill().map_err(|cause| SpoolError::Disk { folder: self.folder.clone(), cause })?;
        }
        Ok(())
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// An epoch of the oldest rows, when more are held than the budget and they may go out before the end.
    pub fn overflow(&mut self) -> Result<Option<Epoch>, SpoolError> {
        if self.overflow == Overflow::Spill || self.held <= self.budget {
            return Ok(None);
        }
        self.next_epoch()
    }

    /// An epoch of the oldest rows, when enough of them are held and no row before `ahead` (µs) is still to come.
    pub fn ready(&mut self, ahead: i64) -> Result<Option<Epoch>, SpoolError> {
        if self.held < 2 * EPOCH_ROWS { Ok(None) } else { self.epoch_before(ahead) }
    }

    /// The next epoch of what is left. To be called when all rows were pushed.
    pub fn next_epoch(&mut self) -> Result<Option<Epoch>, SpoolError> {
        self.epoch_before(i64::MAX)
    }

    fn epoch_before(&mut self, ahead: i64) -> Result<Option<Epoch>, SpoolError> {
        let epoch = self.epoch(ahead).map_err(|cause| SpoolError::Disk { folder: self.folder.clone(), cause })?;
        if let Some((_, watermark)) = &epoch {
            self.released = *watermark;
        }
        Ok(epoch)
    }

    fn wait(&mut self, run: Run) {
        let at = self.waiting.partition_point(|r| r.least > run.least);
        self.waiting.insert(at, run);
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.folder)?,
        };
        let mut offset = file.seek(SeekFrom::End(0))?;
        let mut out = BufWriter::with_capacity(1 << 20, &mut file);
        let (memory, spilled): (Vec<Run>, Vec<Run>) = self.waiting.drain(..).partition(|r| r.rest.is_none());
        self.waiting = spilled;
        // Runs in memory overlap little; merged they make fewer and longer ones.
        let mut merged: Vec<MatchRow> = memory.into_iter().flat_map(|r| r.rows).collect();
        merged.sort_by_key(|row| row.time);
        let mut runs = Vec::new();
        for run in merged.chunks(EPOCH_ROWS * 16) {
            let mut written = 0;
            for row in run {
                written += write_row(&mut out, row)?;
            }
            let rest = Some(Spilled { offset, rows: run.len() });
            runs.push(Run { least: run[0].time, rows: Vec::new().into_iter(), rest });
            offset += written;
        }
        out.flush()?;
        drop(out);
        self.file = Some(file);
        self.held = self.active.iter().filter(|run| run.rest.is_none()).map(|run| run.rows.len()).sum();
        runs.into_iter().for_each(|run| self.wait(run));
        Ok(())
    }

    fn epoch(&mut self, ahead: i64) -> io::Result<Option<Epoch>> {
        let Some(until) = self.choose_end(ahead)? else { return Ok(None) };
        let mut rows = Vec::with_capacity(EPOCH_ROWS + EPOCH_ROWS / 2);
        let mut held = 0;
        for run in &mut self.active {
            loop {
                let count = run.rows.as_slice().partition_point(|r| r.time <= until);
                held += if run.rest.is_none() { count } else { 0 };
                rows.extend(run.rows.by_ref().take(count));
                if run.rows.len() > 0 || !run.fill(self.file.as_mut())? {
                    break;
                }
            }
        }
        self.held -= held;
        self.active.retain(|r| r.rows.len() > 0);
        // Runs that follow one another overlap little.
        rows.sort_by_key(|row| row.time);
        Ok(Some((rows, until.saturating_add(1))))
    }

    /// The time up to which the next epoch goes, with every run that reaches into it active: before `ahead`, unless that is the
    /// greatest time. `None` when it would have no row.
    fn choose_end(&mut self, ahead: i64) -> io::Result<Option<i64>> {
        let most = if ahead == i64::MAX { ahead } else { ahead.saturating_sub(1) };
        let waiting = self.waiting.last().map(|run| run.least);
        let active = self.active.iter().filter_map(|run| run.rows.as_slice().first()).map(|row| row.time);
        if active.chain(waiting).min().is_none_or(|least| least > most) {
            return Ok(None);
        }
        if self.active.is_empty() {
            self.activate()?;
        }
        loop {
            let share = (EPOCH_ROWS / self.active.len()).max(64);
            let reach = |r: &Run| r.rows.as_slice()[share.min(r.rows.len() - 1)].time;
            let until = self.active.iter().map(reach).min().expect("a run is active").min(most);
            if self.waiting.last().is_some_and(|next| next.least <= until) {
                self.activate()?;
            } else {
                return Ok(Some(until));
            }
        }
    }

    fn activate(&mut self) -> io::Result<()> {
        if let Some(mut run) = self.waiting.pop() {
            run.fill(self.file.as_mut())?;
            self.active.push(run);
        }
        Ok(())
    }
}

impl Run {
    /// Reads more rows when all are used; false when there are none.
    fn fill(&mut self, file: Option<&mut File>) -> io::Result<bool> {
        if self.rows.len() > 0 {
            return Ok(true);
        }
        let (Some(rest), Some(file)) = (self.rest.as_mut(), file) else { return Ok(false) };
        if rest.rows == 0 {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(rest.offset))?;
        let mut input = BufReader::with_capacity(64 << 10, file);
        let mut rows = Vec::with_capacity(rest.rows.min(READ_ROWS));
        for _ in 0..rest.rows.min(READ_ROWS) {
            let (row, length) = read_row(&mut input)?;
            rest.offset += length;
            rows.push(row);
        }
        rest.rows -= rows.len();
        self.rows = rows.into_iter();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::rule::plan::Tuple;

    fn row(time: i64, n: u128) -> MatchRow {
        MatchRow {
            group: 1,
            hits: 1,
            time,
            id: EventId::from_bits(n),
            key: Tuple(format!("key {}", n % 7).into()),
            values: Tuple("a rather longer value than would fit inline".into()),
        }
    }

    fn in_order(epochs: impl Iterator<Item = Epoch>) -> Vec<MatchRow> {
        let (mut all, mut before) = (Vec::new(), i64::MIN);
        for (rows, watermark) in epochs {
            assert!(rows.iter().all(|r| r.time >= before && r.time < watermark));
            assert!(rows.is_sorted_by_key(|row| row.time));
            before = watermark;
            all.extend(rows);
        }
        all.sort_by_key(place);
        all
    }

    fn drained(overflow: Overflow, budget: usize, bundles: &[Vec<MatchRow>]) -> Result<Vec<MatchRow>, SpoolError> {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(overflow, budget, folder.path());
        let mut epochs = Vec::new();
        for bundle in bundles {
            spool.push(bundle.clone())?;
            while let Some(epoch) = spool.overflow()? {
                epochs.push(epoch);
            }
        }
        while let Some(epoch) = spool.next_epoch()? {
            epochs.push(epoch);
        }
        Ok(in_order(epochs.into_iter()))
    }

    fn place(row: &MatchRow) -> (i64, EventId) {
        (row.time, row.id)
    }

    #[test]
    fn any_order_comes_out_in_time_order_spilled_or_not() {
        let mut all: Vec<MatchRow> =
            (0..50_000u64).map(|n| row((n * 2_654_435_761 % 100_003) as i64 / 3, n.into())).collect();
        let bundles: Vec<Vec<MatchRow>> = all.chunks(777).map(<[MatchRow]>::to_vec).collect();
        all.sort_by_key(place);
        assert_eq!(drained(Overflow::Spill, usize::MAX, &bundles).unwrap(), all);
        assert_eq!(drained(Overflow::Spill, 3000, &bundles).unwrap(), all);
        assert_eq!(drained(Overflow::Release, usize::MAX, &bundles).unwrap(), all);
        assert!(matches!(drained(Overflow::Release, 3000, &bundles), Err(SpoolError::Disorder)));
    }

    #[test]
    fn rows_about_in_order_go_out_as_they_come() {
        let mut all: Vec<MatchRow> = (0..50_000i64).map(|n| row(n + n * 7919 % 500, n as u128)).collect();
        let bundles: Vec<Vec<MatchRow>> = all.chunks(777).map(<[MatchRow]>::to_vec).collect();
        all.sort_by_key(place);
        assert_eq!(drained(Overflow::Release, 3000, &bundles).unwrap(), all);
    }

    #[test]
    fn what_is_complete_goes_out_while_more_comes() {
        let folder = tempfile::tempdir().unwrap();
        // Of every bundle some rows lie in the next ones, too.
        let mut all: Vec<MatchRow> = (0..400_000i64).map(|n| row(n + n * 7919 % 20_000, n as u128)).collect();
        let bundles: Vec<Vec<MatchRow>> = all.chunks(10_000).map(<[MatchRow]>::to_vec).collect();
        all.sort_by_key(place);
        for budget in [usize::MAX, 150_000] {
            let mut spool = Spool::new(Overflow::Spill, budget, folder.path());
            let (mut epochs, mut most) = (Vec::new(), 0);
            for (n, bundle) in bundles.iter().enumerate() {
                spool.push(bundle.clone()).unwrap();
                let ahead = bundles[n + 1..].iter().flatten().map(|r| r.time).min().unwrap_or(i64::MAX);
                while let Some(epoch) = spool.ready(ahead).unwrap() {
                    assert!(epoch.1 <= ahead && !epoch.0.is_empty());
                    epochs.push(epoch);
                }
                most = most.max(spool.held);
            }
            assert!(most <= 4 * EPOCH_ROWS && epochs.len() >= 4, "{most} rows held, {} epochs", epochs.len());
            while let Some(epoch) = spool.next_epoch().unwrap() {
                epochs.push(epoch);
            }
            assert_eq!((spool.held, in_order(epochs.into_iter()) == all), (0, true));
        }
    }

    #[test]
    fn nothing_gives_no_epoch() {
        assert!(drained(Overflow::Spill, 1000, &[]).unwrap().is_empty());
    }
}
