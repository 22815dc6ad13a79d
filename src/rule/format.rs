//! The one canonical form of rule files. In: a file's text. Out: the same tokens and comments, laid out anew.
//!
//! `token` reads the file into tokens, each with the comments around it, and a tree over them; `print` puts out
//! tokens, `item` and `clause` decide where lines break, `logic` breaks what is too long for one. The layout goes by
//! the tokens, the comments and where blank lines are kept, all of which the output has as well: so that it is its
//! own canonical form.

use super::SourceFile;
use super::diagnostic::{Diagnostic, locate};

mod clause;
mod item;
mod logic;
mod print;
#[cfg(test)]
mod tests;
mod token;

/// Why a file is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum Unformattable {
    /// It does not parse.
    #[error("line {line}, column {column}: {message}; `weir check` tells more")]
    Syntax {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The formatter would have changed more than blanks.
    #[error(
        "formatting would change more than its layout, so it is left alone: this is a bug in weir, please report it"
    )]
    Bug,
}

/// A rule file's text in canonical form. Tokens and comments stay as they are, to the byte.
pub fn format(text: &str) -> Result<String, Unformattable> {
    let file = token::read(text).map_err(|diagnostic| wrong(text, *diagnostic))?;
    let out = item::print(&file);
    // A rule is what keeps an intruder from going unseen: better no new layout than one token lost.
    match token::read(&out) {
        Ok(again) if same(&file, &again) => Ok(out),
        _ => Err(Unformattable::Bug),
    }
}

/// Whether the tokens are the same, and the comments, in the same places among them.
fn same(a: &token::File<'_>, b: &token::File<'_>) -> bool {
    let texts = |comments: &[token::Comment<'_>]| comments.iter().map(|c| c.text.to_owned()).collect::<Vec<_>>();
    let alike = |(a, b): (&token::Token<'_>, &token::Token<'_>)| {
        a.rule == b.rule && a.text == b.text && a.trailing == b.trailing && texts(&a.comments) == texts(&b.comments)
    };
    a.items.len() == b.items.len()
        && a.tokens.len() == b.tokens.len()
        && a.tokens.iter().zip(&b.tokens).all(alike)
        && texts(&a.end) == texts(&b.end)
}

/// The error of a file that does not parse.
fn wrong(text: &str, diagnostic: Diagnostic) -> Unformattable {
    let mut all = vec![diagnostic];
    locate(&mut all, &[SourceFile { name: "".into(), text: text.to_owned() }]);
    let Diagnostic { place, message, .. } = all.swap_remove(0);
    Unformattable::Syntax { line: place.line, column: place.column, message }
}
