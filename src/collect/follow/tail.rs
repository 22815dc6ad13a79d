//! One followed file: what is new in it, and whether it is still the same file. In: an open file. Out: [`RawLog`] blocks.

use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::collect::lines::{Block, Splitter};
use crate::collect::{Checkpoint, open};
use crate::event::raw::{FINGERPRINT_BYTES, Fingerprint, RawLog};
use crate::event::time;

/// Device and inode.
pub(super) type Id = (u64, u64);

/// Blocks read of one file before the others have their turn.
const TURN: usize = 4;

/// A file that is being followed.
pub(super) struct Tail {
    /// Where it was found; rotation is seen by what is there now.
    pub(super) path: PathBuf,
    /// The path its lines are said to come from: of a rotated file, the one it had before.
    name: PathBuf,
    pub(super) format: Option<Arc<str>>,
    pub(super) id: Id,
    pub(super) print: Fingerprint,
    /// Since when nothing came, once its path no longer leads to it.
    pub(super) leaving: Option<Instant>,
    /// Shares its position with the splitter's handle, so it is only read at given offsets.
    pub(super) file: File,
    meta: Metadata,
    splitter: Splitter<File>,
    sent: u64,
    judged: Option<SystemTime>,
}

/// What a look at a file found.
pub(super) enum Look {
    /// Nothing new.
    Quiet,
    /// Blocks of lines were sent; when `more`, others are waiting.
    Sent { more: bool },
    /// It was emptied or written anew since. `rest` is the unfinished line it ended in.
    Truncated { rest: Option<Box<RawLog>> },
}

/// A send that failed ends following; a read that failed ends this file.
pub(super) enum Failure {
    /// The channel is closed.
    Stopped,
    /// The file cannot be read.
    Read(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Read(error)
    }
}

impl Tail {
    /// Follows `file` from `offset` on. `print` is its fingerprint as far as known.
    pub(super) fn new(
        (path, name): (PathBuf, PathBuf),
        file: File,
        offset: u64,
        print: Fingerprint,
        format: Option<Arc<str>>,
        block: usize,
    ) -> io::Result<Tail> {
        let meta = file.metadata()?;
        let mut reader = file.try_clone()?;
        reader.seek(SeekFrom::Start(offset))?;
        Ok(Tail {
            path,
            name,
            format,
            id: (meta.dev(), meta.ino()),
            print,
            leaving: None,
            file,
            meta,
            splitter: Splitter::new(reader, offset, block),
            sent: offset,
            judged: None,
        })
    }

    /// Sends what is new.
    pub(super) fn look(
        &mut self,
        send: &mut dyn FnMut(RawLog) -> Result<(), Failure>,
        cuts: &mut u64,
    ) -> Result<Look, Failure> {
        self.meta = self.file.metadata()?;
        let size = self.meta.len();
        if size < self.splitter.position() {
            let rest = self.splitter.rest();
            return Ok(Look::Truncated { rest: rest.map(|block| Box::new(self.raw(block))) });
        }
        let modified = self.meta.modified().ok();
        if size == self.splitter.position() && modified == self.judged {
            return Ok(Look::Quiet);
        }
        for turn in 0..TURN {
            let expected = usize::try_from(size.saturating_sub(self.splitter.position())).unwrap_or(usize::MAX);
            let block = self.splitter.next(expected.saturating_add(1))?;
            // Judged after reading: when it still is the same file now, it was so while it was read.
            if !self.is_same()? {
                return Ok(Look::Truncated { rest: None });
            }
            *cuts += self.splitter.take_cuts();
            let Some(block) = block else {
                self.judged = modified;
                return Ok(if turn == 0 { Look::Quiet } else { Look::Sent { more: false } });
            };
            let end = self.splitter.offset();
            send(self.raw(block))?;
            self.sent = end;
        }
        Ok(Look::Sent { more: true })
    }

    /// The unfinished last line, once nothing more can come.
    pub(super) fn rest(&mut self) -> Option<RawLog> {
        let block = self.splitter.rest()?;
        self.sent = self.splitter.offset();
        Some(self.raw(block))
    }

    /// Begins again at the start, after truncation.
    pub(super) fn restart(&mut self, block: usize) -> io::Result<()> {
        let mut reader = self.file.try_clone()?;
        reader.seek(SeekFrom::Start(0))?;
        self.splitter = Splitter::new(reader, 0, block);
        self.sent = 0;
        self.print = Fingerprint::default();
        self.judged = None;
        Ok(())
    }

    /// Where it stands: behind the last line sent.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            path: self.name.clone(),
            device: self.id.0,
            inode: self.id.1,
            offset: self.sent,
            fingerprint: self.print.hash,
            fingerprint_len: self.print.length,
        }
    }

    /// Whether the file still begins as it did; takes more of its beginning into the fingerprint as it grows.
    fn is_same(&mut self) -> io::Result<bool> {
        let mut head = [0; FINGERPRINT_BYTES];
        let length = open::read_head(&self.file, &mut head)?;
        if self.print.length > 0 && !self.print.fits(&head[..length]) {
            return Ok(false);
        }
        let read = usize::try_from(self.splitter.position()).unwrap_or(usize::MAX);
        let known = length.min(read);
        if known > self.print.length as usize {
            self.print = Fingerprint::of(&head[..known]);
        }
        Ok(true)
    }

    fn raw(&self, block: Block) -> RawLog {
        RawLog {
            source: open::source(&self.name, self.format.clone(), &self.meta, self.print),
            lines: block.lines,
            offset: block.offset,
            received: time::now(),
            acknowledge: None,
        }
    }
}

/// Whether one of two files is a copy of the other's beginning, by what both have: their first bytes and the end of
/// the shorter one.
pub(super) fn is_copy(a: &File, b: &File) -> io::Result<bool> {
    const SAMPLE: u64 = 64 << 10;
    let common = a.metadata()?.len().min(b.metadata()?.len());
    for start in [0, common.saturating_sub(SAMPLE)] {
        let length = SAMPLE.min(common) as usize;
        let (mut left, mut right) = (vec![0; length], vec![0; length]);
        a.read_exact_at(&mut left, start)?;
        b.read_exact_at(&mut right, start)?;
        if left != right {
            return Ok(false);
        }
    }
    Ok(true)
}
