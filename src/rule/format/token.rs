//! A file as tokens with the comments around them, and a tree over the tokens. In: text. Out: a [`File`], or what is
//! wrong first.

use std::sync::Arc;

use pest::Parser;
use pest::iterators::Pair;

use crate::rule::ast::Span;
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::parse::{Grammar, Rule};
use crate::rule::split::split;
use crate::rule::syntax;

/// A comment on a line of its own.
#[derive(Debug)]
pub(super) struct Comment<'a> {
    pub(super) text: &'a str,
    /// A blank line stands before it.
    pub(super) blank: bool,
}

/// What the grammar does not divide further.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) rule: Rule,
    pub(super) text: &'a str,
    start: usize,
    /// The comments on lines of their own before it.
    pub(super) comments: Vec<Comment<'a>>,
    /// A blank line stands before it, after its comments.
    pub(super) blank: bool,
    /// The comment behind it on its line.
    pub(super) trailing: Option<&'a str>,
}

/// A part of the grammar: the tokens from `first` to `last`, both included.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) rule: Rule,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// The child of this kind.
    pub(super) fn child(&self, rule: Rule) -> Option<&Node> {
        self.children.iter().find(|c| c.rule == rule)
    }
}

/// A file that parses.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) items: Vec<Node>,
    /// The comments after the last token.
    pub(super) end: Vec<Comment<'a>>,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Result<File<'_>, Box<Diagnostic>> {
    let nobody: Arc<str> = "".into();
    let mut tokens = Vec::new();
    let mut items = Vec::new();
    for chunk in split(text) {
        if let Some(issue) = &chunk.issue {
            return Err(Box::new(syntax::explain_issue(issue, &nobody, text)));
        }
        let base = chunk.span.start;
        let pairs = Grammar::parse(Rule::chunk, &text[base..chunk.span.end])
            .map_err(|error| Box::new(syntax::explain(&error, &nobody, text, base)))?;
        items.extend(pairs.filter_map(|pair| node(pair, base, &mut tokens)));
    }
    let mut file = File { tokens, items, end: Vec::new() };
    file.comments(text)?;
    Ok(file)
}

/// The node of a pair; `None` for the end of input.
fn node<'a>(pair: Pair<'a, Rule>, base: usize, tokens: &mut Vec<Token<'a>>) -> Option<Node> {
    let rule = pair.as_rule();
    if rule == Rule::EOI {
        return None;
    }
    let (first, span) = (tokens.len(), pair.as_span());
    let children: Vec<Node> = pair.into_inner().filter_map(|p| node(p, base, tokens)).collect();
    if children.is_empty() {
        // The `=` of an item looks ahead, over blanks that are then part of it.
        let text = if rule == Rule::assign { "=" } else { span.as_str().trim_end() };
        let start = base + span.start();
        tokens.push(Token { rule, text, start, comments: Vec::new(), blank: false, trailing: None });
    }
    Some(Node { rule, first, last: tokens.len() - 1, children })
}

impl<'a> File<'a> {
    /// Finds the comments between the tokens.
    fn comments(&mut self, text: &'a str) -> Result<(), Box<Diagnostic>> {
        let mut from = 0;
        for at in 0..=self.tokens.len() {
            let to = self.tokens.get(at).map_or(text.len(), |t| t.start);
            let gap = Gap::read(text, from, to, at == 0)?;
            if at > 0 {
                self.tokens[at - 1].trailing = gap.trailing;
            }
            match self.tokens.get_mut(at) {
                Some(token) => {
                    (token.comments, token.blank) = (gap.comments, gap.blank);
                    from = token.start + token.text.len();
                }
                None => self.end = gap.comments,
            }
        }
        Ok(())
    }
}

/// What stands between two tokens.
struct Gap<'a> {
    trailing: Option<&'a str>,
    comments: Vec<Comment<'a>>,
    blank: bool,
}

impl<'a> Gap<'a> {
    fn read(text: &'a str, from: usize, to: usize, head: bool) -> Result<Gap<'a>, Box<Diagnostic>> {
        let mut gap = Gap { trailing: None, comments: Vec::new(), blank: false };
        let mut at = from;
        let lines: Vec<&str> = text[from..to].split('\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let is_blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\u{feff}');
            let content = line.trim_matches(is_blank);
            if content.starts_with('#') {
                match number == 0 && !head {
                    true => gap.trailing = Some(content),
                    false => gap.comments.push(Comment { text: content, blank: std::mem::take(&mut gap.blank) }),
                }
            } else if !content.is_empty() {
                // The compiler finds the same.
                let start = at + line.len() - line.trim_start_matches(is_blank).len();
                let (nobody, message) = ("".into(), "this is not part of a rule, a `let` or a list");
                let span = Span { start, end: start + 1 };
                return Err(Box::new(Diagnostic::error(Code::Syntax, &nobody, span, message)));
            } else if number > 0 && number + 1 < lines.len() {
                // The first line is the previous token's, the last the next one's.
                gap.blank = true;
            }
            at += line.len() + 1;
        }
        Ok(gap)
    }
}
