//! Finds the messages in a TCP connection's bytes (RFC 6587): by newline, or by octet count, whichever the sender uses.

use crate::collect::live;

/// The framing state of one connection.
pub(super) struct Framer {
    buffer: Vec<u8>,
    framing: Framing,
    longest: usize,
    /// Cuts made in messages longer than that.
    pub(super) cuts: u64,
    /// Whether octet counts stopped adding up.
    pub(super) lost: bool,
}

enum Framing {
    /// Not enough was seen.
    Unknown,
    Newline,
    /// Octet counting, at the start of a frame.
    Count,
    /// Octet counting, with so many bytes of the message still to come.
    Message(usize),
}

/// Digits of a count at most: 999,999,999 bytes.
const DIGITS: usize = 9;

enum Count {
    /// The count, and where the message starts.
    Is(usize, usize),
    Incomplete,
    No,
}

impl Framer {
    pub(super) fn new(longest: usize) -> Framer {
        Framer { buffer: Vec::new(), framing: Framing::Unknown, longest: longest.max(1), cuts: 0, lost: false }
    }

    /// Takes bytes in and appends the messages that are complete to `lines`, one a line.
    pub(super) fn push(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        self.buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = self.step(at, lines) {
            at += used;
        }
        self.buffer.drain(..at);
    }

    /// Whether no message is unfinished.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// At the connection's end: what is left is a message, whole or not.
    pub(super) fn finish(&mut self, lines: &mut Vec<u8>) {
        live::append_message(lines, &std::mem::take(&mut self.buffer));
    }

    /// Handles what stands at `at`: how many bytes it took, `None` when more are needed.
    fn step(&mut self, at: usize, lines: &mut Vec<u8>) -> Option<usize> {
        let rest = &self.buffer[at..];
        if rest.is_empty() {
            return None;
        }
        match self.framing {
            Framing::Unknown => {
                // Counts are told from lines that start with a number by the `<` of the priority.
                self.framing = match count(rest) {
                    Count::Is(_, start) if start == rest.len() => return None,
                    Count::Is(_, start) if rest[start] == b'<' => Framing::Count,
                    Count::Is(..) | Count::No => Framing::Newline,
                    Count::Incomplete => return None,
                };
                Some(0)
            }
            Framing::Newline => match memchr::memchr(b'\n', rest) {
                Some(newline) if newline <= self.longest => {
                    live::append_message(lines, &rest[..newline]);
                    Some(newline + 1)
                }
                _ if rest.len() > self.longest => {
                    self.cuts += 1;
                    live::append_message(lines, &rest[..self.longest]);
                    Some(self.longest)
                }
                _ => None,
            },
            Framing::Count => match count(rest) {
                Count::Is(length, start) => {
                    self.framing = Framing::Message(length);
                    Some(start)
                }
                Count::Incomplete => None,
                // Some senders end a counted message with a newline that they do not count.
                Count::No if rest[0] == b'\n' => Some(1),
                Count::No => {
                    self.lost = true;
                    self.framing = Framing::Newline;
                    Some(0)
                }
            },
            Framing::Message(length) => {
                let piece = length.min(self.longest);
                let message = rest.get(..piece)?;
                live::append_message(lines, message);
                self.cuts += u64::from(piece < length);
                self.framing = if piece < length { Framing::Message(length - piece) } else { Framing::Count };
                Some(piece)
            }
        }
    }
}

/// `MSG-LEN SP` of RFC 6587, 3.4.1.
fn count(bytes: &[u8]) -> Count {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if bytes[0] == b'0' || digits == 0 || digits > DIGITS {
        return Count::No;
    }
    match bytes.get(digits) {
        Some(b' ') => Count::Is(bytes[..digits].iter().fold(0, |n, d| n * 10 + usize::from(d - b'0')), digits + 1),
        Some(_) => Count::No,
        None => Count::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, the lines are the same.
    fn check(input: &[u8], longest: usize, expected: &str) -> Framer {
        let mut last = None;
        for chunk in [1, 2, 3, 7, input.len().max(1)] {
            let (mut framer, mut lines) = (Framer::new(longest), Vec::new());
            input.chunks(chunk).for_each(|part| framer.push(part, &mut lines));
            framer.finish(&mut lines);
            assert_eq!(String::from_utf8_lossy(&lines), expected, "chunks of {chunk}");
            last = Some(framer);
        }
        last.unwrap()
    }

    #[test]
    fn lines_by_newline() {
        check(b"", 100, "");
        check(b"<13>a\r\n\n<13>b", 100, "<13>a\n<13>b\n");
        check(b"2026-01-15 10:30 x\n12 monkeys\n", 100, "2026-01-15 10:30 x\n12 monkeys\n");
        check(b"12 ", 100, "12 \n");
        assert_eq!(check(b"<13>0123456789\nb\n", 5, "<13>0\n12345\n6789\nb\n").cuts, 2);
    }

    #[test]
    fn messages_by_octet_count() {
        check(b"5 <13>a5 <13>b", 100, "<13>a\n<13>b\n");
        check(b"8 <1>a\nb\nc6 <13>b\n\n5 <13>c", 100, "<1>a#012b#012c\n<13>b\n<13>c\n");
        check(b"5 <13>a9 <13>b", 100, "<13>a\n<13>b\n");
        let framer = check(b"5 <13>aoops\n<13>b\n", 100, "<13>a\noops\n<13>b\n");
        assert!(framer.lost);
        assert_eq!(check(b"12 <13>123456785 <13>b", 5, "<13>1\n23456\n78\n<13>b\n").cuts, 2);
    }

    #[test]
    fn a_count_nobody_keeps_takes_no_memory() {
        let (mut framer, mut lines) = (Framer::new(1000), Vec::new());
        framer.push(b"999999999 <", &mut lines);
        for _ in 0..1000 {
            framer.push(&[b'x'; 1000], &mut lines);
            lines.clear();
            assert!(framer.buffer.len() <= 2000);
        }
    }
}
