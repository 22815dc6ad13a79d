//! Cuts the body of a rule into its clauses, and those with a body of their own (`sequence`, `all`, `test`) into steps
//! and lines. In: the text of a rule, which need not parse. Out: where its pieces stand.
//!
//! Nothing here says what is right: a wrong cut costs a less telling message, since only pieces that do not parse alone
//! are looked at.

use crate::rule::ast::Span;
use crate::rule::syntax::CLAUSES;
use crate::rule::words::condition::OPERATOR_WORDS;
use crate::rule::words::form::{DEVIATION_WORDS, SETTING_WORDS, TUNING_WORDS};

/// A part that stands for itself.
#[derive(Debug)]
pub(super) struct Piece {
    /// From its first token to its last.
    pub(super) span: Span,
    /// What stands in its braces, where it has parts.
    pub(super) body: Option<Body>,
}

/// Braces and the pieces in them.
#[derive(Debug)]
pub(super) struct Body {
    /// Byte after the opening brace.
    pub(super) open: usize,
    pub(super) pieces: Vec<Piece>,
}

/// What a body is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Clauses,
    Steps,
    Lines,
}

/// A token: a word, a text, a regular expression, or one other character.
#[derive(Clone, Copy)]
struct Token<'a> {
    start: usize,
    text: &'a str,
    /// How many brackets are open before it.
    depth: usize,
    /// Nothing but blanks stands before it on its line.
    first: bool,
    /// A blank stands behind it.
    apart: bool,
}

/// The body of a rule; `None` when the text has none.
pub(super) fn body(text: &str) -> Option<Body> {
    let tokens = tokens(text);
    if tokens.first()?.text != "rule" {
        return None;
    }
    inside(&tokens, Kind::Clauses)
}

/// What stands in the first braces of these tokens.
fn inside(tokens: &[Token<'_>], kind: Kind) -> Option<Body> {
    let brace = tokens.iter().position(|t| t.text == "{")?;
    let depth = tokens[brace].depth + 1;
    let rest = &tokens[brace + 1..];
    let end = rest.iter().position(|t| t.depth < depth || t.text == "}" && t.depth == depth).unwrap_or(rest.len());
    let inner = &rest[..end];
    let starts: Vec<usize> = (0..inner.len()).filter(|i| *i == 0 || starts(kind, inner, *i, depth)).collect();
    let ends = starts.iter().skip(1).copied().chain([inner.len()]);
    let pieces = starts.iter().zip(ends).map(|(start, end)| piece(&inner[*start..end])).collect();
    Some(Body { open: tokens[brace].start + 1, pieces })
}

fn piece(tokens: &[Token<'_>]) -> Piece {
    let last = tokens[tokens.len() - 1];
    let span = Span { start: tokens[0].start, end: last.start + last.text.len() };
    let word = |i: usize| tokens.get(i).map_or("", |t| t.text);
    let kind = match (word(0), word(1)) {
        ("when", "sequence" | "all") => Some(Kind::Steps),
        ("test", _) => Some(Kind::Lines),
        (_, _) => None,
    };
    Piece { span, body: kind.and_then(|kind| inside(tokens, kind)) }
}

/// Whether a piece starts with the token at `i`.
fn starts(kind: Kind, tokens: &[Token<'_>], i: usize, depth: usize) -> bool {
    let token = tokens[i];
    if token.depth != depth {
        return false;
    }
    let before = tokens[i - 1].text;
    let after = tokens.get(i + 1).map_or("", |t| t.text);
    let opens_line = token.first && is_word(token.text) && !continues(token.text) && !joins(before);
    match kind {
        Kind::Lines => token.text == "@" || token.text == "expect",
        Kind::Clauses if CLAUSES.contains(&token.text) => {
            // `tags` and `risk` are fields too.
            let field = matches!(token.text, "tags" | "risk") && (is_operator(after) || joins(before));
            !field && !matches!(before, "." | "@" | "-") && after != "."
        }
        Kind::Clauses => opens_line && !CLAUSES.contains(&before) && !is_operator(after) && after != ".",
        Kind::Steps => {
            let label = after == ":" && tokens[i + 1].apart && is_word(token.text) && before != ":" && before != "not";
            label || token.text == "until" || opens_line && before != ":" && !is_operator(after)
        }
    }
}

/// Whether the word carries on what the line before began.
fn continues(word: &str) -> bool {
    let tables = [OPERATOR_WORDS, SETTING_WORDS, TUNING_WORDS, DEVIATION_WORDS];
    matches!(word, "and" | "or" | "where" | "expires" | "then") || tables.iter().any(|table| table.contains(&word))
}

/// After such a token, something has to follow.
fn joins(token: &str) -> bool {
    matches!(token, "and" | "or" | "not" | "where" | "exists" | "by" | "on" | "when" | "until")
        || matches!(token, "," | "(" | "." | "@" | "=" | "<" | ">" | "~" | "!")
        || OPERATOR_WORDS.contains(&token)
}

fn is_operator(token: &str) -> bool {
    matches!(token, "=" | "!" | "<" | ">" | "~" | "not" | "and" | "or") || OPERATOR_WORDS.contains(&token)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The tokens of a text, as split.rs reads them: brackets that are not closed end with those around them.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let line_end = |at: usize| memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
    let mut out: Vec<Token<'_>> = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let (mut at, mut first) = (0, true);
    while at < bytes.len() {
        let start = at;
        let depth = open.len();
        let slashes = || out.last().is_some_and(|t| matches!(t.text, "~" | "=" | "(" | ","));
        match bytes[at] {
            b'\n' => {
                first = true;
                at += 1;
                continue;
            }
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'#' => {
                at = line_end(at);
                continue;
            }
            quote @ (b'"' | b'/') if quote == b'"' || slashes() => {
                let end = line_end(at);
                at += 1;
                while at < end && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(end);
            }
            b if is_part(b) => at += bytes[at..].iter().take_while(|b| is_part(**b)).count(),
            b => {
                at += 1;
                at += bytes[at..].iter().take_while(|b| **b & 0xC0 == 0x80).count();
                match b {
                    b'{' | b'(' => open.push(b),
                    b'}' | b')' => {
                        let opening = if b == b'}' { b'{' } else { b'(' };
                        while open.pop().is_some_and(|bracket| bracket != opening) {}
                    }
                    _ => {}
                }
            }
        }
        let depth = if matches!(bytes[start], b'}' | b')') { open.len() + 1 } else { depth };
        let apart = bytes.get(at).is_none_or(u8::is_ascii_whitespace);
        // An escape at the end of a line may end inside a character.
        let end = (at..=bytes.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(bytes.len());
        at = end;
        out.push(Token { start, text: &text[start..end], depth, first, apart });
        first = false;
    }
    out
}

fn is_part(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, pieces: &[Piece]) -> Vec<String> {
        let show = |p: &Piece| {
            let inner = p.body.as_ref().map_or(Vec::new(), |b| told(text, &b.pieces));
            [vec![text[p.span.start..p.span.end].to_owned()], inner].concat()
        };
        pieces.iter().flat_map(show).collect()
    }

    fn pieces(text: &str) -> Vec<String> {
        told(text, &body(text).unwrap().pieces)
    }

    #[test]
    fn clauses_are_cut_apart() {
        let text = "rule a { # severity x\n title \"{x} (\" attack T1,\n T2\n sevrity high\n when any where\n tags == \"x\"\n and risk > 1\n tags x risk 3 }";
        assert_eq!(
            pieces(text),
            [
                "title \"{x} (\"",
                "attack T1,\n T2",
                "sevrity high",
                "when any where\n tags == \"x\"\n and risk > 1",
                "tags x",
                "risk 3"
            ]
        );
    }

    #[test]
    fn steps_and_lines_are_cut_apart() {
        let text = "rule a { when sequence by x {\n a: any where y in (\n \"b\")\n and z ~ /}/\n not b where q in fe80::/10\n until c d: e } test \"t\" { @1s any { @timestamp: 1 }\n @2s x expect 1 } }";
        let all = pieces(text);
        assert_eq!(all.len(), 9, "{all:?}");
        assert_eq!(all[1], "a: any where y in (\n \"b\")\n and z ~ /}/");
        assert_eq!(all[2..5], ["not b where q in fe80::/10", "until c", "d: e"]);
        assert_eq!(all[6..], ["@1s any { @timestamp: 1 }", "@2s x", "expect 1"]);
    }

    #[test]
    fn what_is_not_closed_ends_with_what_is_around_it() {
        assert_eq!(pieces("rule a {\n title \"x\n when any where x in (\"a\"\n severity low\n}").len(), 2);
        assert!(body("let a = b").is_none() && body("rule a").is_none() && body("").is_none());
    }
}
