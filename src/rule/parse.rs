//! From text to the tree. In: one file. Out: its items and the syntax errors of those that could not
//! be read; each item is parsed alone, and what is wrong in a rule is cut out of it, so that one mistake does not hide the next.

use std::sync::Arc;

use pest::Parser;
use pest::iterators::Pair;

use super::ast::{self, Span, Word};
use super::code::Code;
use super::diagnostic::Diagnostic;
use super::split::split;
use super::{SourceFile, literal};
use mends::Mends;

mod form;
mod mends;
mod piece;
mod recover;

/// The pest parser; `Rule` names the grammar's rules.
mod grammar {
    #![allow(missing_docs, unreachable_pub)]
    #[derive(pest_derive::Parser)]
    #[grammar = "rule/grammar.pest"]
    pub(in crate::rule) struct Grammar;
}
pub(super) use grammar::{Grammar, Rule};

/// The items of a file and its syntax errors.
pub(super) fn parse(file: &SourceFile) -> (ast::File, Vec<Diagnostic>) {
    let mut out = ast::File { name: file.name.clone(), items: Vec::new(), broken: Vec::new() };
    let mut diagnostics = Vec::new();
    if let Some(at) = file.text.find(char::REPLACEMENT_CHARACTER) {
        diagnostics.push(not_text(file, at));
        // What it defines is not unknown to others.
        let pieces = split(&file.text).into_iter().map(|chunk| chunk.span);
        out.broken = pieces.filter_map(|at| definition(&file.text[at.start..at.end], at.start)).collect();
        return (out, diagnostics);
    }
    for chunk in split(&file.text) {
        let mut tree =
            Tree { file: &file.name, base: chunk.span.start, mends: Mends::default(), diagnostics: &mut diagnostics };
        let piece = &file.text[chunk.span.start..chunk.span.end];
        match Grammar::parse(Rule::chunk, piece) {
            Ok(pairs) if chunk.issue.is_none() => out.items.extend(pairs.filter_map(|p| tree.item(p))),
            Ok(_) | Err(_) => {
                let item = recover::item(&mut tree, &chunk, &file.text);
                if item.is_none() {
                    out.broken.extend(definition(piece, chunk.span.start));
                }
                out.items.extend(item);
            }
        }
    }
    (out, diagnostics)
}

/// What [`load`](super::load()) puts in the place of bytes that are no UTF-8 stands here.
fn not_text(file: &SourceFile, at: usize) -> Diagnostic {
    let span = Span { start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
    Diagnostic::error(Code::NotText, &file.name, span, "this is not UTF-8 text")
        .label("no character of UTF-8, or one that was lost when the file was converted")
        .help("save the file as UTF-8; until then nothing of it counts")
}

/// The name that a `let` or a `list` gives, though the rest of it cannot be read.
fn definition(text: &str, base: usize) -> Option<ast::Broken> {
    let mut start = text.trim_start_matches('\u{feff}').trim_start();
    while start.starts_with('#') {
        start = start.split_once('\n')?.1.trim_start();
    }
    let (keyword, rest) = start.split_once(|c: char| c.is_ascii_whitespace())?;
    let list = match keyword {
        "let" => false,
        "list" => true,
        _ => return None,
    };
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len());
    let from = base + text.len() - rest.len();
    let name = Word { text: rest[..end].to_owned(), span: Span { start: from, end: from + end } };
    (end > 0).then_some(ast::Broken { name, list })
}

/// Makes tree nodes of pest's pairs; `base` is where the chunk starts in the file.
pub(super) struct Tree<'a> {
    file: &'a Arc<str>,
    base: usize,
    /// What of the text is not read as it was written.
    mends: Mends,
    diagnostics: &'a mut Vec<Diagnostic>,
}

pub(super) type Node<'a> = Pair<'a, Rule>;

/// The children that carry meaning: no punctuation, no keywords that only mark a place.
pub(super) fn parts<'a>(pair: Node<'a>) -> impl Iterator<Item = Node<'a>> {
    pair.into_inner().filter(|p| {
        !matches!(
            p.as_rule(),
            Rule::open | Rule::close | Rule::lparen | Rule::rparen | Rule::comma | Rule::colon | Rule::assign
        ) && (matches!(p.as_rule(), Rule::kw_not | Rule::kw_or) || !is_keyword(p))
    })
}

/// Keywords are atomic and hold nothing but themselves.
fn is_keyword(pair: &Node<'_>) -> bool {
    matches!(
        pair.as_rule(),
        Rule::kw_rule
            | Rule::kw_let
            | Rule::kw_list
            | Rule::kw_from
            | Rule::kw_title
            | Rule::kw_description
            | Rule::kw_severity
            | Rule::kw_attack
            | Rule::kw_tags
            | Rule::kw_runbook
            | Rule::kw_falsepositives
            | Rule::kw_references
            | Rule::kw_author
            | Rule::kw_risk
            | Rule::kw_cooldown
            | Rule::kw_retro
            | Rule::kw_except
            | Rule::kw_expires
            | Rule::kw_when
            | Rule::kw_where
            | Rule::kw_sequence
            | Rule::kw_all
            | Rule::kw_until
            | Rule::kw_by
            | Rule::kw_on
            | Rule::kw_within
            | Rule::kw_every
            | Rule::kw_having
            | Rule::kw_new
            | Rule::kw_rare
            | Rule::kw_baseline
            | Rule::kw_and
            | Rule::kw_exists
            | Rule::kw_test
            | Rule::kw_late
            | Rule::kw_expect
            | Rule::kw_then
    )
}

/// The grammar promises this child.
fn next<'a>(parts: &mut impl Iterator<Item = Node<'a>>) -> Node<'a> {
    parts.next().expect("the grammar has this child")
}

impl Tree<'_> {
    pub(super) fn span(&self, pair: &Node<'_>) -> Span {
        let span = pair.as_span();
        // A rule that ends in optional parts may take blanks with it.
        let end = span.start() + span.as_str().trim_end().len();
        self.place(Span { start: span.start(), end })
    }

    /// Where something stands in the file.
    fn place(&self, span: Span) -> Span {
        Span { start: self.base + self.mends.written(span.start), end: self.base + self.mends.written(span.end) }
    }

    /// The text as written.
    pub(super) fn word(&self, pair: &Node<'_>) -> Word {
        Word { text: pair.as_str().trim_end().to_owned(), span: self.span(pair) }
    }

    /// A quoted text without its quotes and escapes; other tokens as written.
    pub(super) fn text(&mut self, pair: &Node<'_>) -> Word {
        let span = self.span(pair);
        let raw = pair.as_str();
        let Some(body) = raw.trim_start_matches('c').strip_prefix('"').and_then(|r| r.strip_suffix('"')) else {
            return self.word(pair);
        };
        let offset = span.end - 1 - body.len();
        let text = literal::unescape(body, |at, bad| {
            let place = Span { start: offset + at, end: offset + at + bad.len() };
            self.diagnostics.push(
                Diagnostic::error(Code::BadEscape, self.file, place, format!("`{bad}` is not an escape"))
                    .label("unknown escape")
                    .help("the escapes are \\\\ \\\" \\n \\r \\t; a backslash itself is \\\\"),
            );
        });
        Word { text, span }
    }

    fn item(&mut self, pair: Node<'_>) -> Option<ast::Item> {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::rule_item => {
                let mut parts = parts(pair);
                let name = self.word(&next(&mut parts));
                let clauses = parts.map(|p| self.clause(p)).collect();
                Some(ast::Item::Rule(ast::Rule { name, clauses, span, broken: Vec::new(), misspelt: false }))
            }
            Rule::define => {
                let mut parts = parts(pair);
                let name = self.word(&next(&mut parts));
                Some(ast::Item::Let(ast::Let { name, pattern: self.pattern(next(&mut parts)) }))
            }
            Rule::list => {
                let mut parts = parts(pair);
                let name = self.word(&next(&mut parts));
                let origin = next(&mut parts);
                let origin = match origin.as_rule() {
                    Rule::from => ast::Origin::File(self.text(&next(&mut self::parts(origin)))),
                    _ => {
                        let values = next(&mut self::parts(origin));
                        let span = self.span(&values);
                        ast::Origin::Inline(self.values(values), span)
                    }
                };
                Some(ast::Item::List(ast::List { name, origin }))
            }
            // The end of input.
            _ => None,
        }
    }

    fn clause(&mut self, pair: Node<'_>) -> ast::Clause {
        use ast::ClauseKind;
        let span = self.span(&pair);
        let pair = next(&mut pair.into_inner());
        let rule = pair.as_rule();
        let mut parts = parts(pair);
        let kind = match rule {
            Rule::title => ClauseKind::Title(self.text(&next(&mut parts))),
            Rule::description => ClauseKind::Description(self.text(&next(&mut parts))),
            Rule::severity => ClauseKind::Severity(self.word(&next(&mut parts))),
            Rule::attack => ClauseKind::Attack(parts.map(|p| self.word(&p)).collect()),
            Rule::tags => ClauseKind::Tags(parts.map(|p| self.text(&p)).collect()),
            Rule::runbook => ClauseKind::Runbook(self.text(&next(&mut parts))),
            Rule::falsepositives => ClauseKind::FalsePositives(parts.map(|p| self.text(&p)).collect()),
            Rule::references => ClauseKind::References(parts.map(|p| self.text(&p)).collect()),
            Rule::author => ClauseKind::Author(self.text(&next(&mut parts))),
            Rule::risk => ClauseKind::Risk(self.word(&next(&mut parts))),
            Rule::cooldown => ClauseKind::Cooldown(self.word(&next(&mut parts))),
            Rule::retro => ClauseKind::Retro(self.word(&next(&mut parts))),
            Rule::except => ClauseKind::Except(ast::Except {
                reason: self.text(&next(&mut parts)),
                condition: self.condition(next(&mut parts)),
                expires: parts.next().map(|p| self.word(&p)),
            }),
            Rule::test => ClauseKind::Test(ast::Test {
                name: self.text(&next(&mut parts)),
                lines: parts.map(|p| self.test_line(p)).collect(),
            }),
            _ => ClauseKind::When(self.when(next(&mut parts))),
        };
        ast::Clause { kind, span }
    }

    fn condition(&mut self, pair: Node<'_>) -> ast::Condition {
        let mut any: Vec<ast::Condition> = parts(pair)
            .filter(|p| p.as_rule() == Rule::conjunction)
            .map(|conjunction| {
                let mut all: Vec<ast::Condition> = parts(conjunction).map(|p| self.negation(p)).collect();
                if all.len() == 1 { all.remove(0) } else { ast::Condition::And(all) }
            })
            .collect();
        if any.len() == 1 { any.remove(0) } else { ast::Condition::Or(any) }
    }

    fn negation(&mut self, pair: Node<'_>) -> ast::Condition {
        let mut negated = false;
        let mut inner = ast::Condition::Constant(true);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::kw_not => negated = !negated,
                Rule::group => inner = self.condition(next(&mut parts(part))),
                Rule::exists => inner = ast::Condition::Exists(self.word(&next(&mut parts(part)))),
                Rule::boolean => inner = ast::Condition::Constant(part.as_str() == "true"),
                _ => inner = ast::Condition::Compare(self.comparison(part)),
            }
        }
        if negated { ast::Condition::Not(Box::new(inner)) } else { inner }
    }

    fn comparison(&mut self, pair: Node<'_>) -> ast::Comparison {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let field = self.word(&next(&mut parts));
        let mut operator = next(&mut parts);
        let negated = operator.as_rule() == Rule::kw_not;
        if negated {
            operator = next(&mut parts);
        }
        let operand = next(&mut self::parts(next(&mut parts)));
        let operand_span = self.span(&operand);
        let operand = match operand.as_rule() {
            Rule::list_call => ast::Operand::List(self.text(&next(&mut self::parts(operand))), operand_span),
            Rule::values => ast::Operand::Many(self.values(operand), operand_span),
            Rule::regex => ast::Operand::Regex(self.regex(&operand)),
            _ => ast::Operand::One(self.value(&operand)),
        };
        ast::Comparison { field, negated, operator: self.word(&operator), operand, span }
    }

    fn regex(&self, pair: &Node<'_>) -> ast::Regex {
        let span = self.span(pair);
        let raw = pair.as_str();
        let last = raw.rfind('/').expect("the grammar ends it with a slash");
        let part = |from: usize, to: usize| Word {
            text: raw[from..to].to_owned(),
            span: Span { start: span.start + from, end: span.start + to },
        };
        ast::Regex { pattern: part(1, last), flags: part(last + 1, raw.len()), span }
    }

    fn values(&mut self, pair: Node<'_>) -> Vec<ast::Value> {
        parts(pair).map(|p| self.value(&p)).collect()
    }

    fn value(&mut self, pair: &Node<'_>) -> ast::Value {
        let kind = match pair.as_rule() {
            Rule::text => ast::ValueKind::Text,
            Rule::exact => ast::ValueKind::Exact,
            Rule::path => ast::ValueKind::Path,
            _ => ast::ValueKind::Bare,
        };
        let word = self.text(pair);
        ast::Value { kind, text: word.text, span: word.span }
    }

    fn test_line(&mut self, pair: Node<'_>) -> ast::TestLine {
        let span = self.span(&pair);
        if pair.as_rule() == Rule::expect {
            return ast::TestLine::Expect(parts(pair).map(|p| self.outcome(p)).collect(), span);
        }
        let empty = Word { text: String::new(), span };
        let mut given = ast::Given {
            at: empty.clone(),
            repeat: None,
            every: None,
            late: false,
            source: empty,
            pairs: Vec::new(),
            span,
        };
        for part in parts(pair) {
            match part.as_rule() {
                Rule::at => given.at = self.word(&part),
                Rule::repeat => given.repeat = Some(self.word(&part)),
                Rule::every => given.every = Some(self.word(&next(&mut parts(part)))),
                Rule::late => given.late = true,
                Rule::source => given.source = self.word(&part),
                _ => given.pairs.push(self.pair(part)),
            }
        }
        ast::TestLine::Given(given)
    }

    fn outcome(&mut self, pair: Node<'_>) -> ast::Outcome {
        let mut parts = parts(pair);
        let count = self.word(&next(&mut parts));
        ast::Outcome { count, pairs: parts.map(|p| self.pair(p)).collect() }
    }

    fn pair(&mut self, pair: Node<'_>) -> ast::Pair {
        let mut parts = parts(pair);
        let field = self.word(&next(&mut parts));
        let value = next(&mut parts);
        let values = if value.as_rule() == Rule::values { self.values(value) } else { vec![self.value(&value)] };
        ast::Pair { field, values }
    }
}
