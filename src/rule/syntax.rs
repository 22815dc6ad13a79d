//! Syntax errors in words: what stood there, what was expected, and the likely slip. In: the parser's
//! error and the text. Out: a diagnostic.

use std::sync::Arc;

use pest::error::{Error, ErrorVariant, InputLocation};

use super::ast::Span;
use super::code::Code;
use super::diagnostic::Diagnostic;
use super::nearest::nearest;
use super::parse::Rule;
use super::split::Issue;

mod slip;
mod words;

pub(super) use super::words::top::CLAUSE_WORDS as CLAUSES;
pub(super) use slip::UNITS;

/// The diagnostic of a chunk that does not parse. `base` is where the chunk starts in the file.
pub(super) fn explain(error: &Error<Rule>, file: &Arc<str>, text: &str, base: usize) -> Diagnostic {
    let at = base
        + match error.location {
            InputLocation::Pos(at) => at,
            InputLocation::Span((start, _)) => start,
        };
    let mut expected: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut span = token(text, at);
    let mut before = last_token(text, base, span.start);
    // A clause where a condition should stand was read as the name of a field.
    if let Some(word) = before
        && expected.contains(&Rule::operator)
        && CLAUSES.contains(&&text[word.start..word.end])
        && first_in_line(text, word)
    {
        (span, expected) = (word, &[Rule::condition]);
        before = last_token(text, base, word.start);
    }
    let found = &text[span.start..span.end];
    let error = |code, message: String| Diagnostic::error(code, file, span, message);
    if let Some((right, why)) = slip::slip(found, &text[span.start..], expected) {
        let span = Span { start: span.start, end: span.start + why.len().min(found.len().max(1)) };
        let error = Diagnostic::error(Code::BadOperator, file, span, format!("`{why}` is not an operator"));
        // Words that would touch become one.
        let wordy = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let touches = right.ends_with(wordy) && text[span.end..].starts_with(wordy);
        return if touches {
            error.fix(format!("{right} ")).label(format!("did you mean `{right}`?"))
        } else {
            error.fix(right)
        };
    }
    if found.starts_with('\'') {
        return error(Code::Unquoted, "text stands in double quotes".to_owned())
            .label("single quotes mean nothing")
            .help("write \"…\"; inside it, a double quote is \\\"");
    }
    let keywords = expected.iter().flat_map(|r| words::keywords(*r));
    let wanted = words::wanted(expected);
    if found.starts_with(|c: char| c.is_ascii_alphabetic())
        && let Some(near) = nearest(found, keywords)
        && near != found
    {
        return error(Code::UnknownKeyword, format!("`{found}` means nothing here"))
            .fix(near)
            .help(format!("expected {wanted}"));
    }
    if let Some(diagnostic) = slip::habit(file, text, span, before, expected) {
        return diagnostic;
    }
    let hint = slip::hint(expected, found);
    let shown = if found.is_empty() { "the end".to_owned() } else { format!("`{found}`") };
    if wanted == words::UNKNOWN {
        return error(Code::Syntax, format!("{shown} cannot stand here")).label("not expected here").maybe_help(hint);
    }
    let Some(before) = before.filter(|b| !BRACKETS.contains(&&text[b.start..b.end])) else {
        return error(Code::Syntax, format!("expected {wanted}, found {shown}"))
            .label("not expected here")
            .maybe_help(hint);
    };
    let message = format!("expected {wanted} after `{}`, found {shown}", &text[before.start..before.end]);
    if text[before.end..span.start].contains('\n') {
        // What is missing is missing where the line ends.
        return Diagnostic::error(Code::Syntax, file, before, message)
            .label("something is missing after this")
            .related(file, span, "this comes next")
            .maybe_help(hint);
    }
    error(Code::Syntax, message).label("not expected here").maybe_help(hint)
}

/// Tokens that say nothing of what should follow.
const BRACKETS: &[&str] = &["{", "}", "(", ")"];

/// The last token before a place, comments left out; `None` at the start of the chunk.
fn last_token(text: &str, base: usize, at: usize) -> Option<Span> {
    let mut end = at;
    loop {
        end = base + text[base..end].trim_end().len();
        let line = text[base..end].rfind('\n').map_or(base, |i| base + i + 1);
        match text[line..end].find('#') {
            Some(comment) if text[line..line + comment].matches('"').count().is_multiple_of(2) => end = line + comment,
            Some(_) | None => break,
        }
    }
    let before = &text[base..end];
    let last = before.chars().next_back()?;
    let start = match last {
        '"' => before[..before.len() - 1].rfind('"')?,
        c if in_word(c) => {
            before.rfind(|c: char| !in_word(c)).map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8))
        }
        c if SIGNS.contains(c) => before
            .rfind(|c: char| !SIGNS.contains(c))
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8)),
        c => before.len() - c.len_utf8(),
    };
    Some(Span { start: base + start, end })
}

/// Whether nothing but blanks stands before it on its line.
fn first_in_line(text: &str, span: Span) -> bool {
    let line = text[..span.start].rfind('\n').map_or(0, |i| i + 1);
    text[line..span.start].trim().is_empty()
}

/// The diagnostic of what the splitter found.
pub(super) fn explain_issue(issue: &Issue, file: &Arc<str>, text: &str) -> Diagnostic {
    match issue {
        Issue::Unclosed(bracket, span) => {
            let closing = if *bracket == '{' { '}' } else { ')' };
            Diagnostic::error(Code::Unclosed, file, *span, format!("this `{bracket}` is never closed"))
                .label(format!("`{closing}` is missing"))
        }
        Issue::Endless(span) if text[span.start..].starts_with('"') => {
            Diagnostic::error(Code::Unclosed, file, *span, "this text has no closing quote")
                .label("it must end on the same line")
                .help("inside a text, write \\\" for a double quote and \\n for a new line")
        }
        Issue::Endless(span) => Diagnostic::error(Code::Unclosed, file, *span, "this regular expression has no end")
            .label("it must end with `/` on the same line")
            .help("inside a regular expression, write \\/ for a slash"),
        Issue::TooDeep(span) => Diagnostic::error(Code::TooDeep, file, *span, "brackets are nested too deeply")
            .label("this one is too deep")
            .help("name parts of the condition with `let`"),
    }
}

/// The token at a place: a word, a number, a text, or one character.
fn token(text: &str, at: usize) -> Span {
    let at = at.min(text.len());
    let at = (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let rest = &text[at..];
    let len = match rest.chars().next() {
        None => 0,
        Some(c) if in_word(c) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
        Some(c @ ('"' | '\'')) => rest[1..].find([c, '\n']).map_or(1, |i| i + 2).min(rest.len()),
        Some(c) if SIGNS.contains(c) => rest.find(|c| !SIGNS.contains(c)).unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
    };
    Span { start: at, end: at + len }
}

/// What operators are made of, in this language and in others.
const SIGNS: &str = "=!<>&|~";

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@')
}
