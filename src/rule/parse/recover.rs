//! Goes on after a syntax error. In: a rule that does not parse. Out: each of its mistakes, and a tree of what is right.
//!
//! Pieces that do not parse by themselves are blanked out one after the other, and the rule is read again: so every
//! mistake is told as if it were the only one, at its own place, and none because of another. A piece whose mistake has a
//! likely mend is read as if it were mended, so that the rest of it is looked at, too.

use std::collections::BTreeSet;

use pest::Parser;

use super::piece::{self, Body, Piece};
use super::{Grammar, Rule, Tree};
use crate::rule::ast::{self, Span};
use crate::rule::split::{Chunk, Issue};
use crate::rule::syntax;

/// So many mistakes of one rule are told. A text with more of them is something else than a rule.
const MOST: usize = 20;

/// Reports what is wrong with a chunk that does not parse; the item, if its rest can be read.
pub(super) fn item(tree: &mut Tree<'_>, chunk: &Chunk, text: &str) -> Option<ast::Item> {
    let base = chunk.span.start;
    let own = &text[base..chunk.span.end];
    if let Some(issue) = &chunk.issue {
        let broken = match issue {
            // Where a brace is missing, nobody knows what stands in which.
            Issue::Unclosed('{', _) | Issue::TooDeep(_) => Vec::new(),
            Issue::Unclosed(..) | Issue::Endless(_) => broken(own),
        };
        let at = issue.span();
        if !broken.iter().any(|b| holds(&tree.place(*b), &at)) {
            tree.diagnostics.push(syntax::explain_issue(issue, tree.file, text));
            return None;
        }
        let mut left = own.to_owned();
        for span in &broken {
            match Grammar::parse(Rule::chunk, &left) {
                _ if holds(&tree.place(*span), &at) => {
                    tree.diagnostics.push(syntax::explain_issue(issue, tree.file, text));
                }
                Err(error) => tree.diagnostics.push(syntax::explain(&error, tree.file, text, base)),
                Ok(_) => {}
            }
            blank(&mut left, *span);
        }
        return read(tree, &left, &broken);
    }
    let (mut left, mut told) = (own.to_owned(), BTreeSet::new());
    for _ in 0..MOST {
        let broken = broken(&left);
        let (mut rest, mut mends) = (left.clone(), Vec::new());
        // Where nothing else is wrong than all of it, that is told.
        let whole = broken.is_empty().then_some(None);
        for span in broken.iter().map(Some).chain(whole) {
            if let Err(error) = Grammar::parse(Rule::chunk, &rest) {
                let found = syntax::explain(&error, tree.file, &left, 0);
                mends.extend(found.fix.clone().map(|fix| (found.place.start..found.place.end, fix)));
                let found = tree.mends.moved(found, base);
                if told.len() < MOST && told.insert(found.place.start) {
                    tree.diagnostics.push(found);
                }
            }
            if let Some(span) = span {
                blank(&mut rest, *span);
            }
        }
        // From the last to the first, so that the places of the others stay.
        mends.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mended = mends.into_iter().filter(|(place, fix)| tree.mends.mend(&mut left, place.clone(), fix)).count();
        if mended == 0 {
            return read(tree, &rest, &broken);
        }
    }
    None
}

/// What is left of a chunk when its broken pieces are blanked out.
fn read(tree: &mut Tree<'_>, left: &str, broken: &[Span]) -> Option<ast::Item> {
    let pairs = Grammar::parse(Rule::chunk, left).ok()?;
    let (misspelt, broken) = (!tree.mends.is_empty(), broken.iter().map(|span| tree.place(*span)).collect());
    match pairs.filter_map(|p| tree.item(p)).next() {
        Some(ast::Item::Rule(rule)) => Some(ast::Item::Rule(ast::Rule { broken, misspelt, ..rule })),
        other => other,
    }
}

fn blank(text: &mut String, span: Span) {
    text.replace_range(span.start..span.end, &" ".repeat(span.end - span.start));
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
    Grammar::parse(Rule::chunk, text).is_ok()
}
