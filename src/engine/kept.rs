//! Bytes that are kept in memory, past a budget in a file. In: pieces, one behind the other. Out: any of them.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a block, about; blocks are not moved while more come.
const BLOCK: usize = 1 << 20;
/// What one has room for: a piece is far smaller than what is added here, but for odd ones.
const ROOM: usize = BLOCK + BLOCK / 16;

/// Pieces of bytes, in blocks that are written when there are too many.
pub(super) struct Kept {
    /// Where the file is made.
    folder: PathBuf,
    /// Bytes in memory, about.
    budget: usize,
    /// The blocks in memory; the last is being filled.
    blocks: Vec<Vec<u8>>,
    /// How many they hold.
    held: usize,
    /// Blocks that were written, to be filled again.
    spare: Vec<Vec<u8>>,
    file: Option<File>,
    /// Where the blocks before those lie in the file, and where the next one will.
    written: Vec<u64>,
    end: u64,
}

/// Where a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    block: u32,
    start: u32,
    length: u32,
}

impl Kept {
    /// Nothing; past the budget it goes to an unnamed file in this folder, or to `file`.
    pub(super) fn new(folder: &Path, budget: usize, file: Option<File>) -> Kept {
        let (blocks, spare, written) = (Vec::new(), Vec::new(), Vec::new());
        Kept { folder: folder.to_owned(), budget, blocks, held: 0, spare, file, written, end: 0 }
    }

    /// Keeps what `write` appends.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<Piece> {
        if self.blocks.last().is_none_or(|last| last.len() >= BLOCK) {
            if self.held >= self.budget {
                self.flush()?;
            }
            self.blocks.push(self.spare.pop().unwrap_or_else(|| Vec::with_capacity(ROOM)));
        }
        let block = (self.written.len() + self.blocks.len() - 1) as u32;
        let last = self.blocks.last_mut().expect("a block is being filled");
        let start = last.len();
        write(last);
        self.held += last.len() - start;
        Ok(Piece { block, start: start as u32, length: (last.len() - start) as u32 })
    }

    /// Writes all that is in memory.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        for mut block in self.blocks.drain(..) {
            file.write_all(&block)?;
            self.written.push(self.end);
            self.end += block.len() as u64;
            block.clear();
            block.shrink_to(ROOM);
            self.spare.push(block);
        }
        self.held = 0;
        Ok(())
    }

    /// The file, if there is one.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// What a piece holds.
    pub(super) fn read<'a>(&'a self, piece: Piece, near: &'a mut Near) -> io::Result<&'a [u8]> {
        let (block, start, length) = (piece.block as usize, piece.start as usize, piece.length as usize);
        match block.checked_sub(self.written.len()) {
            Some(at) => Ok(&self.blocks[at][start..start + length]),
            None => {
                let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                near.read(file, self.written[block] + start as u64, length)
            }
        }
    }
}

/// Pages of the file: pieces that are asked for one after the other lie near one another, and a call to the system for each would cost
/// more than all else.
#[derive(Default)]
pub(super) struct Near {
    /// By place: where each begins, and its bytes.
    pages: Vec<(u64, Vec<u8>)>,
    /// What lies in two pages.
    odd: Vec<u8>,
}

/// Bytes of a page, and how many are remembered.
const PAGE: u64 = 32 << 10;
const PAGES: u64 = 512;

impl Near {
    fn read(&mut self, file: &File, at: u64, length: usize) -> io::Result<&[u8]> {
        let (number, from) = (at / PAGE, (at % PAGE) as usize);
        if from + length > PAGE as usize {
            self.odd.resize(length, 0);
            file.read_exact_at(&mut self.odd, at)?;
            return Ok(&self.odd);
        }
        self.pages.resize_with(PAGES as usize, || (u64::MAX, Vec::new()));
        let (begins, bytes) = &mut self.pages[(number % PAGES) as usize];
        if *begins != number * PAGE {
            // Nothing of it is right until it is read.
            *begins = u64::MAX;
            bytes.resize(PAGE as usize, 0);
            let mut read = 0;
            while read < bytes.len() {
                match file.read_at(&mut bytes[read..], number * PAGE + read as u64) {
                    Ok(0) => break,
                    Ok(more) => read += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(read);
            *begins = number * PAGE;
        }
        bytes.get(from..from + length).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_come_back_from_memory_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::new(folder.path(), 2 * BLOCK, None);
        let bytes = |n: usize| {
            let length = [0, 1, 700, PAGE as usize + 5, 3 * BLOCK][[4, 1, 3, 0, 2, 2, 2][n % 7] * usize::from(n < 70)];
            vec![n as u8; length.max(n % 90)]
        };
        let pieces: Vec<Piece> =
            (0..5000).map(|n| kept.push(|out| out.extend_from_slice(&bytes(n))).unwrap()).collect();
        assert!(!kept.written.is_empty() && !kept.blocks.is_empty());
        assert!(kept.spare.iter().all(|block| block.capacity() <= 2 * ROOM));
        for step in [1, 7, 4999] {
            let mut near = Near::default();
            for n in (0..5000).map(|n| n * step % 5000) {
                assert_eq!(kept.read(pieces[n], &mut near).unwrap(), bytes(n), "{n}");
            }
        }
    }
}
