//! Tokens of a rule file, however broken it is. In: a text. Out: its tokens in order; blanks and commas between them
//! are no tokens.

use crate::rule::ast::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a name, or a field with its dots.
    Word,
    /// A number, a duration, an address.
    Bare,
    /// `"…"` or `c"…"`, closed or up to the end of its line.
    Text,
    /// `/…/`
    Regex,
    /// A comparison or `=`.
    Operator,
    /// A bracket, a comma or a colon.
    Mark,
    /// `# …`
    Comment,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// Where.
    pub(crate) span: Span,
}

impl Token {
    /// Its text.
    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.span.start..self.span.end]
    }
}

/// The tokens of a text from `start` on, which is no place inside a token.
pub(crate) fn tokens(text: &str, start: usize) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut at = start;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let regex_may_start = || {
            out.iter().rev().find(|token| token.kind != Kind::Comment).is_some_and(|token| {
                let before = token.of(text);
                token.kind == Kind::Operator || matches!(before, "(" | ",")
            })
        };
        let (kind, length) = match first {
            c if c.is_whitespace() || c == '\u{feff}' => {
                at += c.len_utf8();
                continue;
            }
            '#' => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
            '"' => (Kind::Text, quoted(rest, '"')),
            'c' if rest[1..].starts_with('"') => (Kind::Text, 1 + quoted(&rest[1..], '"')),
            '/' if regex_may_start() => {
                let end = quoted(rest, '/');
                (Kind::Regex, end + rest[end..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - end))
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == '@' && at_word(rest) => (Kind::Word, word(rest)),
            c if c.is_ascii_digit() || c == '@' || c == '-' => (Kind::Bare, bare(rest)),
            '=' | '!' | '<' | '>' | '~' => {
                (Kind::Operator, rest.find(|c| !matches!(c, '=' | '!' | '<' | '>' | '~')).unwrap_or(rest.len()))
            }
            c => (Kind::Mark, c.len_utf8()),
        };
        out.push(Token { kind, span: Span { start: at, end: at + length } });
        at += length;
    }
    out
}

/// `@timestamp`, not the `@5m` of a test.
fn at_word(rest: &str) -> bool {
    rest[1..].starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Bytes up to the closing quote, or the line's end.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of a word with its dots; it may end with one while somebody writes.
fn word(rest: &str) -> usize {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
    let mut at = rest.find(|c| !part(c)).unwrap_or(rest.len());
    while rest[at..].starts_with('.') {
        at += 1;
        at += match rest[at..].starts_with('"') {
            true => quoted(&rest[at..], '"'),
            false => rest[at..].find(|c| !part(c)).unwrap_or(rest.len() - at),
        };
    }
    at
}

fn bare(rest: &str) -> usize {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '+' | '-');
    rest[1..].find(|c| !part(c)).map_or(rest.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(text, 0).into_iter().map(|token| token.of(text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tokens_are_cut() {
        check("when a where user.name == c\"x\" # no\n", &["when", "a", "where", "user.name", "==", "c\"x\"", "# no"]);
        check("fields.\"a b\".c ~ /a\\/b/i", &["fields.\"a b\".c", "~", "/a\\/b/i"]);
        check("x in 10.0.0.0/8 and y != -5", &["x", "in", "10.0.0.0/8", "and", "y", "!=", "-5"]);
        check("@5m iam { user.: \"é", &["@5m", "iam", "{", "user.", ":", "\"é"]);
        check("@timestamp<2027-01-01", &["@timestamp", "<", "2027-01-01"]);
        check("\"open\nc ü", &["\"open", "c", "ü"]);
        check("in (/a b/, /c/)", &["in", "(", "/a b/", ",", "/c/", ")"]);
    }
}
