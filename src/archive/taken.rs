//! Ids that senders gave, kept once the segments that they came with have become Parquet.
//!
//! ```text
//! DIR/log/000000000001.ids    frames as of the log, with ids and without events
//! ```
//!
//! In: the ids of a segment, before it goes. Out, at a start: the ids of all. A file that is full is followed by another, and
//! one goes when those after it hold as many as are remembered.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::log::{Frames, Head, Segment};
use super::{ArchiveError, layout, repair};
use crate::event::taken::Taken;

/// Ids of a file.
const FULL: usize = Taken::LEAST;
/// Ids of a frame.
const FRAME: usize = 64 * 1024;

/// The files.
pub(super) struct TakenLog {
    dir: PathBuf,
    /// Number of each file, and how many ids it holds; the last one grows.
    files: VecDeque<(u64, usize)>,
    growing: Option<Segment>,
    /// The segment whose ids were kept last.
    kept: Option<u64>,
}

impl TakenLog {
    /// Opens the files of a locked folder. What they hold goes to `taken`.
    pub(super) fn open(dir: &Path, taken: &mut Taken) -> Result<TakenLog, ArchiveError> {
        let mut files = VecDeque::new();
        for number in layout::id_files(dir)? {
            let path = layout::ids(dir, number);
            repair::repair(&path)?;
            let mut held = 0;
            for frame in Frames::open(&path)? {
                let ids = frame?.ids;
                held += ids.len();
                taken.restore(ids);
            }
            files.push_back((number, held));
        }
        Ok(TakenLog { dir: dir.to_owned(), files, growing: None, kept: None })
    }

    /// Makes the ids of a segment durable, once; after a start they may be there already.
    pub(super) fn keep(&mut self, segment: u64, ids: &[u128]) -> Result<(), ArchiveError> {
        if ids.is_empty() || self.kept == Some(segment) {
            return Ok(());
        }
        if self.files.back().is_none_or(|(_, held)| *held >= FULL) {
            let next = self.files.back().map_or(1, |(number, _)| number + 1);
            self.growing = None;
            self.files.push_back((next, 0));
        }
        let Some((number, held)) = self.files.back_mut() else { return Ok(()) };
        let growing = match &mut self.growing {
            Some(growing) => growing,
            none => none.insert(Segment::reopen(layout::ids(&self.dir, *number), *number)?),
        };
        for ids in ids.chunks(FRAME) {
            growing.commit(&Head::default(), ids, &[])?;
            *held += ids.len();
        }
        // As many as are remembered are in the last two.
        while self.files.len() > 2 {
            let Some((number, _)) = self.files.pop_front() else { break };
            layout::remove(&layout::ids(&self.dir, number))?;
        }
        self.kept = Some(segment);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_ids_are_kept_in_few_files() {
        let dir = tempfile::tempdir().unwrap();
        drop(layout::lock(dir.path()).unwrap());
        let step = 300_000;
        for n in 0..12 {
            let mut taken = Taken::default();
            let mut log = TakenLog::open(dir.path(), &mut taken).unwrap();
            let before: u128 = n * step;
            assert!((before.saturating_sub(Taken::LEAST as u128)..before).all(|id| !taken.take(id)), "{n}");
            assert!(taken.take(before));
            log.keep(1, &(before..before + step).collect::<Vec<_>>()).unwrap();
        }
        let files = layout::id_files(dir.path()).unwrap();
        assert_eq!(files, [2, 3]);
        let path = layout::ids(dir.path(), 3);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut taken = Taken::default();
        TakenLog::open(dir.path(), &mut taken).unwrap().keep(1, &[12 * step]).unwrap();
        let mut taken = Taken::default();
        TakenLog::open(dir.path(), &mut taken).unwrap();
        assert!(!taken.take(12 * step) && !taken.take(11 * step) && taken.take(12 * step - 1));
    }
}
