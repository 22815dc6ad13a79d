//! Puts out tokens: the blanks between them, their comments, and the column.

use super::token::{Comment, File, Node, Token};
use crate::rule::parse::Rule;

/// No line is longer if it can be broken.
pub(super) const WIDTH: usize = 120;

/// What stands before a token.
#[derive(Clone, Copy)]
pub(super) enum Before {
    /// What always stands between these two.
    Usual,
    /// So many spaces.
    Spaces(usize),
    /// A new line, indented so far.
    Line(usize, Blank),
}

/// Whether blank lines before a token and its comments stay.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Blank {
    /// None does: inside of a clause.
    Never,
    /// One does.
    Keep,
    /// All but one at the very start of a block.
    First,
    /// There is one, before the comments if nowhere else.
    Force,
}

/// The output so far.
pub(super) struct Printer<'a> {
    tokens: &'a [Token<'a>],
    pub(super) out: String,
    /// Width of the last line, without a comment behind it.
    pub(super) column: usize,
    /// Where lines begin that a comment breaks.
    pub(super) hang: usize,
    /// A comment ends the line.
    ended: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(file: &'a File<'a>) -> Printer<'a> {
        Printer { tokens: &file.tokens, out: String::new(), column: 0, hang: 0, ended: false }
    }

    /// Puts out the next token.
    pub(super) fn token(&mut self, at: usize, before: Before) {
        self.token_inside(at, before, None);
    }

    /// Puts out a closing brace: comments before it are indented as what it closes.
    pub(super) fn close(&mut self, at: usize, indent: usize) {
        self.token_inside(at, Before::Line(indent, Blank::Never), Some(indent + 2));
    }

    fn token_inside(&mut self, at: usize, before: Before, inside: Option<usize>) {
        let token = &self.tokens[at];
        let broken = self.ended || self.has_comments(at);
        match before {
            Before::Line(indent, blank) => self.lines(token, indent, inside.unwrap_or(indent), blank, at),
            _ if broken => self.lines(token, self.hang, self.hang, Blank::Never, at),
            Before::Spaces(spaces) => self.put(&" ".repeat(spaces)),
            Before::Usual => self.put(self.gap(at)),
        }
        self.put(token.text);
        if let Some(comment) = token.trailing {
            self.out.push_str("  ");
            self.out.push_str(comment);
            self.ended = true;
        }
    }

    /// Starts new lines for a token: its comments' and its own.
    fn lines(&mut self, token: &Token<'_>, indent: usize, comments: usize, blank: Blank, at: usize) {
        let any = token.blank || token.comments.iter().any(|c| c.blank);
        let opened = at > 0 && self.tokens[at - 1].rule == Rule::open;
        let count = token.comments.len();
        let closing = comments != indent;
        let wanted = |number: usize, found: bool| match blank {
            Blank::Never => closing && found && number < count && !(number == 0 && opened),
            Blank::Keep => found,
            Blank::First => found && number > 0,
            Blank::Force => found || (number == 0 && !any),
        };
        for (number, comment) in token.comments.iter().enumerate() {
            self.line(comments, wanted(number, comment.blank));
            self.put(comment.text);
        }
        self.line(indent, wanted(count, token.blank));
    }

    fn line(&mut self, indent: usize, blank: bool) {
        if !self.out.is_empty() {
            self.out.push_str(if blank { "\n\n" } else { "\n" });
        }
        self.column = 0;
        self.ended = false;
        self.put(&" ".repeat(indent));
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    /// What stands between a token and the one before it on the same line.
    fn gap(&self, at: usize) -> &'static str {
        let Some(before) = at.checked_sub(1) else { return "" };
        match (self.tokens[before].rule, self.tokens[at].rule) {
            (Rule::lparen, _) | (_, Rule::rparen | Rule::comma | Rule::colon) => "",
            (Rule::function | Rule::kw_list, Rule::lparen) | (Rule::open, Rule::close) => "",
            _ => " ",
        }
    }

    /// Puts out a node's tokens without breaking the line.
    pub(super) fn flat(&mut self, node: &Node, before: Before) {
        self.token(node.first, before);
        for at in node.first + 1..=node.last {
            self.token(at, Before::Usual);
        }
    }

    /// The comments after the last token, and the end of the last line.
    pub(super) fn end(mut self, comments: &[Comment<'_>]) -> String {
        for comment in comments {
            self.line(0, comment.blank);
            self.put(comment.text);
        }
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    /// The width of these tokens on one line; `None` if a comment among them breaks it.
    pub(super) fn width(&self, first: usize, last: usize) -> Option<usize> {
        let mut width = 0;
        for at in first..=last {
            let token = &self.tokens[at];
            if (at > first && self.has_comments(at)) || (at < last && token.trailing.is_some()) {
                return None;
            }
            let gap = if at > first { self.gap(at).len() } else { 0 };
            width += gap + token.text.chars().count();
        }
        Some(width)
    }

    /// Whether these tokens fit on this line, with `tail` columns behind them.
    pub(super) fn fits(&self, first: usize, last: usize, tail: usize) -> bool {
        let free = !self.has_comments(first) && !self.ended;
        let taken = self.column + self.gap(first).len() + tail;
        free && self.width(first, last).is_some_and(|width| taken + width <= WIDTH)
    }

    /// Whether a blank line stands before a token or among its comments.
    pub(super) fn is_set_apart(&self, at: usize) -> bool {
        self.tokens[at].blank || self.tokens[at].comments.iter().any(|c| c.blank)
    }

    /// Whether it has comments before it.
    pub(super) fn has_comments(&self, at: usize) -> bool {
        !self.tokens[at].comments.is_empty()
    }
}
