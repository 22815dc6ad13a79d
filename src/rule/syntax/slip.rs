//! What people write by habit, and advice for it.

use std::sync::Arc;

use super::super::ast::Span;
use super::super::code::Code;
use super::super::diagnostic::Diagnostic;
use super::super::parse::Rule;
use super::CLAUSES;
use super::words::{UNKNOWN, wanted};

/// Operators of other languages: what to write instead, and what was written.
pub(super) fn slip(found: &str, rest: &str, expected: &[Rule]) -> Option<(&'static str, &'static str)> {
    let table = [
        ("===", "=="),
        ("=~", "~"),
        ("!~", "not ~"),
        ("<>", "!="),
        ("&&", "and"),
        ("||", "or"),
        ("=>", ">="),
        ("=<", "<="),
    ];
    if let Some((wrong, right)) = table.iter().find(|(wrong, _)| found == *wrong) {
        return Some((right, wrong));
    }
    match found {
        "=" if expected.contains(&Rule::operator) => Some(("==", "=")),
        "!" if !expected.contains(&Rule::clause) => Some(("not", "!")),
        "AND" => Some(("and", "AND")),
        "OR" => Some(("or", "OR")),
        "NOT" => Some(("not", "NOT")),
        _ if rest.starts_with('!') && !rest.starts_with("!=") && !expected.contains(&Rule::clause) => {
            Some(("not", "!"))
        }
        _ => None,
    }
}

/// Mistakes that are better told by what was meant than by what was expected. `before` is the token before.
pub(super) fn habit(
    file: &Arc<str>,
    text: &str,
    span: Span,
    before: Option<Span>,
    expected: &[Rule],
) -> Option<Diagnostic> {
    let wants = |rule: Rule| expected.contains(&rule);
    let found = &text[span.start..span.end];
    let before = before.map_or("", |b| &text[b.start..b.end]);
    let error = |code, message: String| Diagnostic::error(code, file, span, message);
    if found == "=" && wants(Rule::colon) {
        return Some(error(Code::Syntax, "a field and its value are joined with `:` here".to_owned()).fix(":"));
    }
    if found == "=" && CLAUSES.contains(&before) {
        let message = format!("nothing stands between `{before}` and its value");
        return Some(error(Code::Syntax, message).label("remove it"));
    }
    let unit = UNITS.iter().find(|(word, _)| word.eq_ignore_ascii_case(found));
    if let (Some((_, unit)), true) = (unit, before.bytes().all(|b| b.is_ascii_digit()) && !before.is_empty()) {
        let message = format!("a duration is one word: {before}{unit}");
        return Some(error(Code::BadDuration, message).label(format!("write {before}{unit}")));
    }
    if wants(Rule::clause) && found.starts_with(|c: char| c.is_ascii_alphabetic()) && before != "," {
        let message = format!("there is no clause `{found}`");
        return Some(error(Code::UnknownKeyword, message).label("unknown").maybe_help(hint(expected, found)));
    }
    let rest = text[span.start..].lines().next().unwrap_or_default().trim_end();
    let plain = |c: char| c.is_alphanumeric() || " ,.;:!?'_-/%".contains(c);
    if wants(Rule::text) && !wants(Rule::path) && !wants(Rule::mark) && found != "where" && rest.chars().all(plain) {
        let span = Span { start: span.start, end: span.start + rest.len() };
        let message = "text stands in double quotes";
        return (!rest.is_empty())
            .then(|| Diagnostic::error(Code::Unquoted, file, span, message).fix(format!("\"{rest}\"")));
    }
    None
}

/// Units as people write them out.
pub(in crate::rule) const UNITS: &[(&str, &str)] = &[
    ("milliseconds", "ms"),
    ("second", "s"),
    ("seconds", "s"),
    ("sec", "s"),
    ("secs", "s"),
    ("minute", "m"),
    ("minutes", "m"),
    ("min", "m"),
    ("mins", "m"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("day", "d"),
    ("days", "d"),
    ("week", "w"),
    ("weeks", "w"),
];

/// Advice where the words alone would leave somebody wondering.
pub(super) fn hint(expected: &[Rule], found: &str) -> Option<String> {
    let wants = |rules: &[Rule]| expected.iter().any(|r| rules.contains(r));
    if wants(&[Rule::clause]) {
        return Some(format!("the clauses are {}", CLAUSES.join(", ")));
    }
    if found == "where" && wants(&[Rule::text]) {
        return Some("say why first: except \"reason\" where …".into());
    }
    if found == "not" && wanted(expected) == UNKNOWN {
        return Some(
            "`having` has no `not`: write the opposite comparison, `count() < 10` for not `count() >= 10`".into(),
        );
    }
    if wants(&[Rule::operator]) {
        return Some("a condition is a field, an operator and a value: user.name == \"root\"".into());
    }
    if wants(&[Rule::name, Rule::list_name]) && !wants(&[Rule::mark]) {
        let word = found.starts_with(|c: char| c.is_ascii_alphabetic());
        return Some(if word {
            format!("`{found}` is a word of the language: choose another name")
        } else {
            "a name starts with a letter and has letters, digits, `_` and `-`: rule ssh_bruteforce { … }".to_owned()
        });
    }
    if wants(&[Rule::rule_item]) {
        return Some("a file holds rules (rule name { … }), `let`s and lists".into());
    }
    if wants(&[Rule::grade]) {
        return Some("the severities are informational, low, medium, high and critical".into());
    }
    if wants(&[Rule::text]) && !wants(&[Rule::path]) && found.starts_with(|c: char| c.is_alphanumeric()) {
        return Some(format!("put it in double quotes: \"{found} …\""));
    }
    if wants(&[Rule::lparen]) && wants(&[Rule::assign, Rule::inline, Rule::from]) {
        return Some("list name from \"path\", or list name = (\"a\", \"b\")".into());
    }
    None
}
