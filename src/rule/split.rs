//! Cuts a file into chunks of one item each, so that a mistake in one does not hide those in the
//! next. In: a file's text. Out: the chunks, with the mistakes that no grammar explains well
//! (what is never closed, what is nested too deeply).
//!
//! An item starts where `rule`, `let` or `list` and a name stand at the start of a line: outside of
//! braces, or, since people forget a brace more often than they indent badly, in column 1.

use super::ast::Span;

/// Deeper nesting is refused, so that no reader of the tree runs out of stack.
const DEEPEST: usize = 48;

/// A piece of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) span: Span,
    pub(super) issue: Option<Issue>,
}

/// What is wrong with a chunk as a whole.
#[derive(Debug, PartialEq)]
pub(super) enum Issue {
    /// `{` or `(` without its counterpart.
    Unclosed(char, Span),
    /// A text or regular expression that does not end on its line.
    Endless(Span),
    /// Too many brackets inside one another.
    TooDeep(Span),
}

impl Issue {
    /// Where.
    pub(super) fn span(&self) -> Span {
        match self {
            Issue::Unclosed(_, span) | Issue::Endless(span) | Issue::TooDeep(span) => *span,
        }
    }
}

/// The chunks of a text that hold more than blanks and comments.
pub(super) fn split(text: &str) -> Vec<Chunk> {
    let at = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut scan = Scan { bytes: text.as_bytes(), at, chunks: Vec::new(), open: Open::default() };
    while scan.at < scan.bytes.len() {
        scan.token();
    }
    scan.cut(text.len());
    scan.chunks
}

/// The chunk being read.
#[derive(Default)]
struct Open {
    start: usize,
    brackets: Vec<usize>,
    issue: Option<Issue>,
    /// End of the last token, if there is one.
    used: Option<usize>,
    /// An item closed its brace and nothing came after.
    complete: bool,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    chunks: Vec<Chunk>,
    open: Open,
}

impl Scan<'_> {
    /// Reads a token, a blank or a comment.
    fn token(&mut self) {
        let start = self.at;
        match self.bytes[start] {
            b if b.is_ascii_whitespace() => self.at += 1,
            b'#' => self.at = self.line_end(),
            b'"' => self.quoted(b'"'),
            b'/' if self.regex_may_start() => self.quoted(b'/'),
            b'{' | b'(' => {
                self.token_starts(start);
                self.open.brackets.push(start);
                if self.open.brackets.len() > DEEPEST {
                    self.issue(Issue::TooDeep(Span { start, end: start + 1 }));
                }
                self.at += 1;
            }
            b @ (b'}' | b')') => self.close(b),
            b if is_word(b) => {
                self.token_starts(start);
                while self.at < self.bytes.len() && is_word(self.bytes[self.at]) {
                    self.at += 1;
                }
            }
            _ => {
                self.token_starts(start);
                self.at += 1;
                // Never stop inside a character.
                while self.at < self.bytes.len() && self.bytes[self.at] & 0xC0 == 0x80 {
                    self.at += 1;
                }
            }
        }
        let blank = self.bytes[start].is_ascii_whitespace() || self.bytes[start] == b'#';
        if !blank {
            self.open.used = Some(self.at);
        }
    }

    /// Before a token: does a new item start here?
    fn token_starts(&mut self, start: usize) {
        let line_start = memchr::memrchr(b'\n', &self.bytes[..start]).map_or(0, |i| i + 1);
        let first_in_line = self.bytes[line_start..start].iter().all(u8::is_ascii_whitespace);
        let may = self.open.complete || (first_in_line && (self.open.brackets.is_empty() || start == line_start));
        if self.open.used.is_some() && may && starts_item(&self.bytes[start..]) {
            self.cut(start);
        }
        self.open.complete = false;
    }

    fn close(&mut self, bracket: u8) {
        self.token_starts(self.at);
        let expected = if bracket == b'}' { b'{' } else { b'(' };
        while let Some(opened) = self.open.brackets.pop() {
            if self.bytes[opened] == expected {
                break;
            }
            self.issue(unclosed(self.bytes, opened));
        }
        self.at += 1;
        self.open.complete = self.open.brackets.is_empty() && bracket == b'}';
    }

    /// A text or a regular expression, up to its end or the line's.
    fn quoted(&mut self, quote: u8) {
        let start = self.at;
        self.token_starts(start);
        let end = self.line_end();
        self.at += 1;
        while self.at < end && self.bytes[self.at] != quote {
            self.at += if self.bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        if self.at < end {
            self.at += 1;
        } else {
            self.at = end;
            let trimmed = self.bytes[start..end].trim_ascii_end().len();
            self.issue(Issue::Endless(Span { start, end: start + trimmed }));
        }
    }

    /// A slash starts a regular expression where an operand may stand, else it is part of a network.
    fn regex_may_start(&self) -> bool {
        // Comments may stand between.
        self.open.used.is_some_and(|end| matches!(self.bytes[end - 1], b'~' | b'=' | b'(' | b','))
    }

    fn line_end(&self) -> usize {
        memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |i| self.at + i)
    }

    fn issue(&mut self, issue: Issue) {
        self.open.issue.get_or_insert(issue);
    }

    /// Ends the chunk before `at`.
    fn cut(&mut self, at: usize) {
        let open = std::mem::replace(&mut self.open, Open { start: at, ..Open::default() });
        let Some(end) = open.used else { return };
        let issue = open.issue.or_else(|| open.brackets.last().map(|b| unclosed(self.bytes, *b)));
        self.chunks.push(Chunk { span: Span { start: open.start, end }, issue });
    }
}

fn unclosed(bytes: &[u8], at: usize) -> Issue {
    Issue::Unclosed(bytes[at] as char, Span { start: at, end: at + 1 })
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// `rule`, `let` or `list`, a blank, and a name.
pub(super) fn starts_item(bytes: &[u8]) -> bool {
    ["rule", "let", "list"].iter().any(|keyword| {
        bytes.strip_prefix(keyword.as_bytes()).is_some_and(|rest| {
            let name = rest.trim_ascii_start();
            name.len() < rest.len() && name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(&str, bool)> {
        split(text).into_iter().map(|c| (text[c.span.start..c.span.end].trim(), c.issue.is_some())).collect()
    }

    #[test]
    fn items_are_cut_apart() {
        let text = "# head\nlet a = any where x == \"rule b {\"\n\nrule b { when a } rule c {\n  list d\n}\n# end";
        assert_eq!(
            pieces(text),
            vec![
                ("# head\nlet a = any where x == \"rule b {\"", false),
                ("rule b { when a }", false),
                ("rule c {\n  list d\n}", false)
            ]
        );
    }

    #[test]
    fn a_forgotten_brace_ends_with_the_next_item() {
        assert_eq!(pieces("rule a {\n when (b\nrule c { }"), vec![("rule a {\n when (b", true), ("rule c { }", false)]);
    }

    #[test]
    fn texts_and_regexes_hide_brackets() {
        assert_eq!(pieces(r#"rule a { when b where c ~ /\/({/ and d == "\"{" }"#).len(), 1);
        assert!(!pieces(r#"rule a { when b where c ~ /\/({/ and d == "\"{" }"#)[0].1);
        assert!(pieces("rule a { title \"b }").first().is_some_and(|p| p.1));
        assert!(!pieces("let a = b where c in 10.0.0.0/8")[0].1);
        assert!(!pieces("let a = b where c ~ # why\n /\"({/")[0].1);
    }

    #[test]
    fn deep_nesting_is_an_issue() {
        assert!(pieces(&format!("let a = b where {}", "(".repeat(100_000)))[0].1);
    }
}
