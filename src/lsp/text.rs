//! Places in a text as the protocol has them: a line and a column in the client's units, against bytes here. In: a text
//! and positions or changes. Out: offsets, or the changed text.

use lsp_types::{Position, Range, TextDocumentContentChangeEvent};

use crate::rule::ast::Span;

/// What a client counts columns in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Units {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, which every client knows.
    #[default]
    Utf16,
}

/// The lines of a text.
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// Where each line starts.
    starts: Vec<usize>,
    units: Units,
}

impl<'a> Lines<'a> {
    /// The lines end with `\n`, `\r\n` or `\r`, as in the protocol.
    pub(crate) fn new(text: &'a str, units: Units) -> Lines<'a> {
        let bytes = text.as_bytes();
        let ends = memchr::memchr2_iter(b'\n', b'\r', bytes).filter(|at| !bytes[*at..].starts_with(b"\r\n"));
        let starts = std::iter::once(0).chain(ends.map(|at| at + 1)).collect();
        Lines { text, starts, units }
    }

    /// The position of a byte; inside a character, that of its start.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = boundary(self.text, offset);
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let before = &self.text[self.starts[line]..offset];
        let column = match self.units {
            Units::Utf8 => before.len(),
            Units::Utf16 => before.chars().map(char::len_utf16).sum(),
        };
        Position::new(number(line), number(column))
    }

    /// The byte at a position; past a line's end its end, past the text's end the text's.
    pub(crate) fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(start) = self.starts.get(line) else { return self.text.len() };
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| *next);
        let line = self.text[*start..end].trim_end_matches(['\n', '\r']);
        let wanted = position.character as usize;
        let column = match self.units {
            Units::Utf8 => boundary(line, wanted),
            Units::Utf16 => {
                let mut units = 0;
                let passed = line.char_indices().find(|(_, c)| {
                    units += c.len_utf16();
                    units > wanted
                });
                passed.map_or(line.len(), |(at, _)| at)
            }
        };
        start + column
    }

    /// The range of a span.
    pub(crate) fn range(&self, span: Span) -> Range {
        Range::new(self.position(span.start), self.position(span.end))
    }
}

/// The start of the character at a byte, or the text's end.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The text after an edit of the client's.
pub(crate) fn changed(text: &str, change: &TextDocumentContentChangeEvent, units: Units) -> String {
    let Some(range) = change.range else { return change.text.clone() };
    let lines = Lines::new(text, units);
    let (start, end) = (lines.offset(range.start), lines.offset(range.end));
    let (start, end) = (start.min(end), start.max(end));
    [&text[..start], &change.text, &text[end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_the_clients_units() {
        let text = "a\r\nx😀é = 1\n\nend";
        let wide = Lines::new(text, Units::Utf16);
        let bytes = Lines::new(text, Units::Utf8);
        let equals = text.find('=').unwrap();
        assert_eq!(wide.position(equals), Position::new(1, 5));
        assert_eq!(bytes.position(equals), Position::new(1, 8));
        for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
            // Between the two bytes of a line's end there is no position.
            if at == 0 || text.as_bytes()[at - 1] != b'\r' {
                assert_eq!(wide.offset(wide.position(at)), at, "{at}");
                assert_eq!(bytes.offset(bytes.position(at)), at, "{at}");
            }
        }
    }

    #[test]
    fn places_past_the_end_are_the_end() {
        let lines = Lines::new("ab\r\ncd\n", Units::Utf16);
        assert_eq!(lines.offset(Position::new(0, 99)), 2);
        assert_eq!(lines.offset(Position::new(1, 2)), 6);
        assert_eq!(lines.offset(Position::new(2, 0)), 7);
        assert_eq!(lines.offset(Position::new(9, 9)), 7);
        assert_eq!(Lines::new("", Units::Utf16).position(5), Position::new(0, 0));
        // Half of a character's two units is the character's start.
        assert_eq!(Lines::new("😀x", Units::Utf16).offset(Position::new(0, 1)), 0);
    }

    #[test]
    fn edits_are_applied_in_place() {
        let range = |a, b, c, d| Some(Range::new(Position::new(a, b), Position::new(c, d)));
        let change =
            |range, text: &str| TextDocumentContentChangeEvent { range, range_length: None, text: text.into() };
        let text = "let a = any\n# 😀 b\n";
        assert_eq!(changed(text, &change(range(1, 4, 1, 6), "c"), Units::Utf16), "let a = any\n# 😀c\n");
        assert_eq!(changed(text, &change(range(0, 4, 0, 5), "bc"), Units::Utf16), "let bc = any\n# 😀 b\n");
        assert_eq!(changed(text, &change(None, "x"), Units::Utf16), "x");
        assert_eq!(changed(text, &change(range(7, 0, 9, 0), "x"), Units::Utf16), format!("{text}x"));
        assert_eq!(changed("abc", &change(range(0, 2, 0, 1), ""), Units::Utf16), "ac");
    }
}
