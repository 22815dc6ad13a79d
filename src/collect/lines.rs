//! Cuts a reader's bytes into blocks of whole lines. In: any reader. Out: [`Block`]s with their offsets.

use std::io::{self, Read};

use bytes::Bytes;

use super::MAX_LINE;

/// Whole lines and where they stood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Lines; the last one has its newline unless it was cut at [`MAX_LINE`] or ended the input.
    pub(super) lines: Bytes,
    /// Offset of the first byte.
    pub(super) offset: u64,
}

/// A reader and the unfinished line it stands in.
pub(super) struct Splitter<R> {
    reader: R,
    /// INVARIANT: holds no newline.
    unfinished: Vec<u8>,
    offset: u64,
    block: usize,
    cuts: u64,
    failed: Option<io::Error>,
    /// Whether the last block's memory is kept for the next one, and that block.
    reuses: bool,
    last: Option<Bytes>,
}

impl<R: Read> Splitter<R> {
    /// Reads on from `offset`, where `reader` must stand, in blocks of about `block` bytes.
    pub(super) fn new(reader: R, offset: u64, block: usize) -> Splitter<R> {
        let block = block.clamp(1, MAX_LINE);
        Splitter { reader, unfinished: Vec::new(), offset, block, cuts: 0, failed: None, reuses: false, last: None }
    }

    /// Reads into the memory of the block before, where that was dropped: it is in the cache, and needs no clearing.
    pub(super) fn reusing(self) -> Splitter<R> {
        Splitter { reuses: true, ..self }
    }

    /// Offset up to which lines were given out.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset up to which bytes were read: past an unfinished line.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.unfinished.len() as u64
    }

    /// How many cuts were made in overlong lines since this was last asked.
    pub(super) fn take_cuts(&mut self) -> u64 {
        std::mem::take(&mut self.cuts)
    }

    /// The next whole lines; `None` where the reader is at its end for now. `expected` bounds what is allocated at
    /// first: how many bytes are likely there. A read error comes after the lines that were read before it.
    pub(super) fn next(&mut self, expected: usize) -> io::Result<Option<Block>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut buffer = std::mem::take(&mut self.unfinished);
        if let Some(Ok(last)) = self.last.take().map(Bytes::try_into_mut) {
            let mut last = Vec::from(last);
            last.clear();
            last.append(&mut buffer);
            buffer = last;
        }
        let mut searched = buffer.len();
        let mut goal = self.block.max((buffer.len() * 2).min(MAX_LINE));
        buffer.reserve_exact(expected.min(goal.saturating_sub(buffer.len())));
        loop {
            let wanted = goal.saturating_sub(buffer.len());
            let outcome = (&mut self.reader).take(wanted as u64).read_to_end(&mut buffer);
            let ended = !matches!(outcome, Ok(n) if n == wanted);
            self.failed = outcome.err();
            if let Some(newline) = memchr::memrchr(b'\n', &buffer[searched..]) {
                let whole = searched + newline + 1;
                return Ok(Some(self.cut(buffer, whole)));
            }
            searched = buffer.len();
            if ended {
                self.unfinished = buffer;
                return self.failed.take().map_or(Ok(None), Err);
            }
            if buffer.len() >= MAX_LINE {
                self.cuts += 1;
                let whole = character_end(&buffer);
                return Ok(Some(self.cut(buffer, whole)));
            }
            goal = (goal * 2).min(MAX_LINE);
        }
    }

    /// The unfinished line, once nothing more can come; `None` when the input ended in a newline.
    pub(super) fn rest(&mut self) -> Option<Block> {
        let rest = std::mem::take(&mut self.unfinished);
        let length = rest.len();
        (length > 0).then(|| self.cut(rest, length))
    }

    fn cut(&mut self, mut buffer: Vec<u8>, whole: usize) -> Block {
        self.unfinished = buffer[whole..].to_vec();
        buffer.truncate(whole);
        let lines = Bytes::from(buffer);
        self.last = self.reuses.then(|| lines.clone());
        let block = Block { offset: self.offset, lines };
        self.offset += whole as u64;
        block
    }
}

/// The greatest length that does not end inside a UTF-8 character.
fn character_end(bytes: &[u8]) -> usize {
    let lead = bytes.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
    match std::str::from_utf8(&bytes[lead..]) {
        // No error length: the character is well so far and only lacks its end.
        Err(error) if error.error_len().is_none() && lead > 0 => lead,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(input: &[u8], block: usize) -> Vec<(u64, Vec<u8>)> {
        let out = blocks_of(Splitter::new(input, 0, block), block);
        assert_eq!(blocks_of(Splitter::new(input, 0, block).reusing(), block), out);
        // Blocks that are held keep their memory.
        let mut splitter = Splitter::new(input, 0, block).reusing();
        let mut held: Vec<Block> = std::iter::from_fn(|| splitter.next(block).unwrap()).collect();
        held.extend(splitter.rest());
        assert!(held.iter().map(|b| (b.offset, b.lines.to_vec())).eq(out.iter().cloned()));
        out
    }

    fn blocks_of(mut splitter: Splitter<&[u8]>, block: usize) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        while let Some(block) = splitter.next(block).unwrap() {
            out.push((block.offset, block.lines.to_vec()));
        }
        out.extend(splitter.rest().map(|b| (b.offset, b.lines.to_vec())));
        out
    }

    #[test]
    fn blocks_end_at_newlines_and_add_up() {
        assert_eq!(blocks(b"", 4), []);
        assert_eq!(blocks(b"ab\ncd\ne", 4), [(0, b"ab\n".to_vec()), (3, b"cd\n".to_vec()), (6, b"e".to_vec())]);
        assert_eq!(blocks(b"a long first line\nb\n", 3), [(0, b"a long first line\nb\n".to_vec())]);
        let text: Vec<u8> = (0..5000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        for size in [1, 7, 100, 4096, 1 << 20] {
            let parts = blocks(&text, size);
            assert!(parts.iter().all(|(_, p)| p.ends_with(b"\n")));
            assert_eq!(parts.concat_bytes(), text);
        }
    }

    trait Concat {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl Concat for Vec<(u64, Vec<u8>)> {
        fn concat_bytes(&self) -> Vec<u8> {
            let mut all = Vec::new();
            for (offset, part) in self {
                assert_eq!(*offset, all.len() as u64);
                all.extend_from_slice(part);
            }
            all
        }
    }

    #[test]
    fn a_line_of_100_mb_comes_in_bounded_pieces_at_character_ends() {
        let mut text = b"x".to_vec();
        while text.len() < 100_000_000 {
            text.extend_from_slice("é€𝄞".as_bytes());
        }
        text.extend_from_slice(b"\nnext\n");
        let parts = blocks(&text, 1 << 20);
        assert!(parts.iter().all(|(_, p)| p.len() <= MAX_LINE && std::str::from_utf8(p).is_ok()));
        assert_eq!(parts.len(), 6);
        assert_eq!(parts.concat_bytes(), text);
        let garbage = vec![0x80; MAX_LINE + 10];
        assert_eq!(blocks(&garbage, 1 << 20).concat_bytes(), garbage);
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() {
        struct Broken(&'static [u8]);
        impl Read for Broken {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() { Err(io::Error::other("torn")) } else { self.0.read(into) }
            }
        }
        let mut splitter = Splitter::new(Broken(b"a\nb"), 0, 100);
        assert_eq!(splitter.next(0).unwrap().unwrap().lines, "a\n");
        assert!(splitter.next(0).is_err());
        assert_eq!(splitter.rest().unwrap().lines, "b");
    }
}
