//! Column chunks of a Parquet file, read whole: one system call a chunk instead of several a page.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Some ranges of a file, in memory.
pub(super) struct Loaded {
    /// Ascending and disjoint.
    parts: Vec<(u64, Bytes)>,
    length: u64,
}

impl Loaded {
    /// Reads one range of bytes.
    pub(super) fn range(file: &File, range: Range<u64>) -> io::Result<Loaded> {
        Loaded::read(file, std::iter::once(range).collect())
    }

    /// Reads these ranges, which are given in any order; neighbours are read at once.
    pub(super) fn read(file: &File, mut ranges: Vec<Range<u64>>) -> io::Result<Loaded> {
        let length = file.metadata()?.len();
        ranges.sort_unstable_by_key(|r| r.start);
        let mut whole: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match whole.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => whole.push(range),
            }
        }
        let read = |range: Range<u64>| {
            // What a damaged file says of itself must not make us reserve more than it has.
            if range.end > length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok((range.start, bytes.into()))
        };
        Ok(Loaded { parts: whole.into_iter().map(read).collect::<io::Result<_>>()?, length })
    }

    /// What is held from this place on.
    fn from(&self, start: u64) -> Result<Bytes> {
        let at = self.parts.partition_point(|(first, _)| *first <= start);
        let part = at.checked_sub(1).map(|at| &self.parts[at]);
        match part {
            Some((first, bytes)) if start - first <= bytes.len() as u64 => Ok(bytes.slice((start - first) as usize..)),
            _ => Err(ParquetError::EOF(format!("nothing was read at byte {start}"))),
        }
    }
}

impl Length for Loaded {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Loaded {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let held = self.from(start)?;
        if held.len() < length {
            return Err(ParquetError::EOF(format!("only {} of {length} bytes are there at {start}", held.len())));
        }
        Ok(held.slice(..length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_is_there() {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let loaded = Loaded::read(&file, vec![6..8, 1..3, 3..5]).unwrap();
        assert_eq!((loaded.parts.len(), loaded.len()), (2, 10));
        assert_eq!(loaded.get_bytes(2, 3).unwrap(), "234");
        assert_eq!(loaded.get_bytes(6, 2).unwrap(), "67");
        assert!(loaded.get_bytes(0, 1).is_err() && loaded.get_bytes(4, 2).is_err() && loaded.get_bytes(9, 1).is_err());
        assert!(Loaded::range(&file, 8..11).is_err());
    }
}
