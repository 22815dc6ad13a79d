//! Goes on after a syntax error. In: a rule that does not parse. Out: each of its mistakes, and a tree of what is right.
//!
//! Pieces that do not parse by themselves are blanked out one after the other, and the rule is read again: so every
//! mistake is told as if it were the only one, at its own place, and none because of another.

use pest::Parser;

use super::piece::{self, Body, Piece};
use super::{Rule, Tree, grammar};
use crate::rule::ast::{self, Span};
use crate::rule::split::{Chunk, Issue};
use crate::rule::syntax;

/// So many mistakes of one rule are told. A text with more of them is something else than a rule.
const MOST: usize = 20;

/// Reports what is wrong with a chunk that does not parse; the item, if its rest can be read.
pub(super) fn item(tree: &mut Tree<'_>, chunk: &Chunk, text: &str) -> Option<ast::Item> {
    let base = chunk.span.start;
    let mut left = text[base..chunk.span.end].to_owned();
    let mut broken = match &chunk.issue {
        // Where a brace is missing, nobody knows what stands in which.
        Some(Issue::Unclosed('{', _) | Issue::TooDeep(_)) => Vec::new(),
        Some(Issue::Unclosed(..) | Issue::Endless(_)) | None => broken(&left),
    };
    let place = |span: &Span| Span { start: base + span.start, end: base + span.end };
    if let Some(issue) = &chunk.issue {
        let at = issue.span();
        if !broken.iter().any(|b| holds(&place(b), &at)) {
            tree.diagnostics.push(syntax::explain_issue(issue, tree.file, text));
            return None;
        }
    }
    for (told, span) in broken.iter().enumerate() {
        if told < MOST {
            let issue = chunk.issue.as_ref().filter(|issue| holds(&place(span), &issue.span()));
            match (issue, grammar::Grammar::parse(Rule::chunk, &left)) {
                (Some(issue), _) => tree.diagnostics.push(syntax::explain_issue(issue, tree.file, text)),
                (None, Err(error)) => tree.diagnostics.push(syntax::explain(&error, tree.file, text, base)),
                (None, Ok(_)) => {}
            }
        }
        left.replace_range(span.start..span.end, &" ".repeat(span.end - span.start));
    }
    match grammar::Grammar::parse(Rule::chunk, &left) {
        Ok(pairs) => {
            broken.iter_mut().for_each(|span| *span = place(span));
            match pairs.filter_map(|p| tree.item(p)).next() {
                Some(ast::Item::Rule(rule)) => Some(ast::Item::Rule(ast::Rule { broken, ..rule })),
                other => other,
            }
        }
        Err(error) => {
            if broken.is_empty() {
                tree.diagnostics.push(syntax::explain(&error, tree.file, text, base));
            }
            None
        }
    }
}

fn holds(outer: &Span, inner: &Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The pieces of a rule that do not parse, in order; none when that is not what is wrong with it.
fn broken(text: &str) -> Vec<Span> {
    let mut out = Vec::new();
    if let Some(body) = piece::body(text) {
        let head = &text[..body.open];
        if parses(&format!("{head}}}")) {
            search(text, &body, head, "}", &mut out);
        }
    }
    out
}

/// Adds the pieces of a body that do not parse between `head` and `tail`, which do.
fn search(text: &str, body: &Body, head: &str, tail: &str, out: &mut Vec<Span>) {
    for piece in &body.pieces {
        let own = &text[piece.span.start..piece.span.end];
        if parses(&format!("{head}{own}\n{tail}")) {
            continue;
        }
        let found = out.len();
        if let Some((inner, head)) = frame(text, piece, head)
            && parses(&format!("{head}}}\n{tail}"))
        {
            search(text, inner, &head, &format!("}}\n{tail}"), out);
        }
        // Something else is wrong with it than one of its parts.
        if out.len() == found {
            out.push(piece.span);
        }
    }
}

/// The body of a piece, and all that stands before what is in it.
fn frame<'p>(text: &str, piece: &'p Piece, head: &str) -> Option<(&'p Body, String)> {
    let inner = piece.body.as_ref()?;
    Some((inner, format!("{head}{}", &text[piece.span.start..inner.open])))
}

fn parses(text: &str) -> bool {
    grammar::Grammar::parse(Rule::chunk, text).is_ok()
}
