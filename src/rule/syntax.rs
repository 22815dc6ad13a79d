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
use super::words::condition::OPERATOR_WORDS as OPERATORS;
use super::words::top::CLAUSE_WORDS as CLAUSES;

/// The diagnostic of a chunk that does not parse. `base` is where the chunk starts in the file.
pub(super) fn explain(error: &Error<Rule>, file: &Arc<str>, text: &str, base: usize) -> Diagnostic {
    let at = base
        + match error.location {
            InputLocation::Pos(at) => at,
            InputLocation::Span((start, _)) => start,
        };
    let expected: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let span = token(text, at);
    let found = &text[span.start..span.end];
    if let Some((right, why)) = slip(found, &text[span.start..]) {
        let span = Span { start: span.start, end: span.start + why.len().min(found.len().max(1)) };
        return Diagnostic::error(Code::BadOperator, file, span, format!("`{why}` is not an operator")).fix(right);
    }
    if found.starts_with('\'') {
        return Diagnostic::error(Code::Unquoted, file, span, "text stands in double quotes")
            .label("single quotes mean nothing")
            .help("write \"…\"; inside it, a double quote is \\\"");
    }
    let keywords = expected.iter().flat_map(|r| keywords(*r));
    let wanted = wanted(expected);
    if found.starts_with(|c: char| c.is_ascii_alphabetic())
        && let Some(near) = nearest(found, keywords)
        && near != found
    {
        return Diagnostic::error(Code::UnknownKeyword, file, span, format!("`{found}` means nothing here"))
            .fix(near)
            .help(format!("expected {wanted}"));
    }
    let shown = if found.is_empty() { "the end".to_owned() } else { format!("`{found}`") };
    Diagnostic::error(Code::Syntax, file, span, format!("expected {wanted}, found {shown}"))
        .label("not expected here")
        .maybe_help(hint(expected, found))
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
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
    let len = match rest.chars().next() {
        None => 0,
        Some(c) if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
        Some(c @ ('"' | '\'')) => rest[1..].find([c, '\n']).map_or(1, |i| i + 2).min(rest.len()),
        Some(c) if "=!<>&|~".contains(c) => rest.find(|c| !"=!<>&|~".contains(c)).unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
    };
    Span { start: at, end: at + len }
}

/// Operators of other languages: what to write instead, and what was written.
fn slip(found: &str, rest: &str) -> Option<(&'static str, &'static str)> {
    let table = [
        ("===", "=="),
        ("=~", "~"),
        ("!~", "~"),
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
        "=" => Some(("==", "=")),
        "!" => Some(("not", "!")),
        "AND" => Some(("and", "AND")),
        "OR" => Some(("or", "OR")),
        "NOT" => Some(("not", "NOT")),
        _ if rest.starts_with('!') && !rest.starts_with("!=") => Some(("not", "!")),
        _ => None,
    }
}

/// The keywords that a grammar rule can start with.
fn keywords(rule: Rule) -> Vec<&'static str> {
    match rule {
        Rule::clause => CLAUSES.to_vec(),
        Rule::operator | Rule::comparison => OPERATORS.to_vec(),
        Rule::rule_item => vec!["rule"],
        Rule::define => vec!["let"],
        Rule::list | Rule::list_call => vec!["list"],
        Rule::sequence => vec!["sequence"],
        Rule::together => vec!["all"],
        Rule::by => vec!["by"],
        Rule::on => vec!["on"],
        Rule::within => vec!["within"],
        Rule::every => vec!["every"],
        Rule::having => vec!["having"],
        Rule::novel => vec!["new"],
        Rule::rare => vec!["rare"],
        Rule::baseline => vec!["baseline"],
        Rule::until => vec!["until"],
        Rule::expect => vec!["expect"],
        Rule::exists => vec!["exists"],
        Rule::from => vec!["from"],
        other => KEYWORDS.iter().filter(|(r, _)| *r == other).map(|(_, w)| *w).collect(),
    }
}

const KEYWORDS: &[(Rule, &str)] = &[
    (Rule::kw_rule, "rule"),
    (Rule::kw_let, "let"),
    (Rule::kw_list, "list"),
    (Rule::kw_from, "from"),
    (Rule::kw_where, "where"),
    (Rule::kw_expires, "expires"),
    (Rule::kw_by, "by"),
    (Rule::kw_on, "on"),
    (Rule::kw_within, "within"),
    (Rule::kw_having, "having"),
    (Rule::kw_and, "and"),
    (Rule::kw_or, "or"),
    (Rule::kw_not, "not"),
    (Rule::kw_exists, "exists"),
    (Rule::kw_then, "then"),
    (Rule::kw_expect, "expect"),
    (Rule::kw_sequence, "sequence"),
    (Rule::kw_all, "all"),
    (Rule::kw_until, "until"),
];

/// What was expected, in words, the most telling first and not more than a few.
fn wanted(expected: &[Rule]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for rule in expected {
        let word = word(*rule);
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    match words.as_slice() {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [many @ .., last] => format!("{} or {last}", many.join(", ")),
    }
}

/// The word for a grammar rule; empty for what need not be told.
fn word(rule: Rule) -> &'static str {
    match rule {
        Rule::rule_item | Rule::define | Rule::list | Rule::kw_rule | Rule::kw_let => "`rule`, `let` or `list`",
        Rule::clause => "a clause",
        Rule::text => "a text in double quotes",
        Rule::exact => "",
        Rule::regex => "a regular expression",
        Rule::bare | Rule::address | Rule::path => "a value",
        Rule::operand | Rule::value | Rule::values | Rule::list_call => "a value",
        Rule::field => "a field",
        Rule::comparison | Rule::condition | Rule::conjunction | Rule::negation => "a condition",
        Rule::exists | Rule::boolean | Rule::group => "a condition",
        Rule::operator => "an operator such as `==`, `in` or `contains`",
        Rule::name | Rule::list_name => "a name",
        Rule::source | Rule::pattern | Rule::single => {
            "a category such as `authentication`, `any` or the name of a `let`"
        }
        Rule::word => "a word",
        Rule::mark => "a word",
        Rule::open => "`{`",
        Rule::close => "`}`",
        Rule::lparen => "`(`",
        Rule::rparen => "`)`",
        Rule::comma => "`,`",
        Rule::colon => "`:`",
        Rule::assign | Rule::inline => "`=`",
        Rule::EOI => "the end of the item",
        Rule::step => "a step",
        Rule::given | Rule::at => "an event such as `@0s authentication { … }`",
        Rule::aggregate | Rule::function | Rule::bound | Rule::bounds | Rule::bounds_group => {
            "`count()`, or `distinct`, `sum`, `avg`, `min`, `max` or `percentile` of a field"
        }
        Rule::tuning | Rule::tuning_word => "",
        Rule::tuning_unit => "`mad`, `sigma` or `times`",
        Rule::pair => "a field",
        Rule::tag => "a tag",
        other => keyword(other),
    }
}

fn keyword(rule: Rule) -> &'static str {
    match rule {
        Rule::kw_where => "`where`",
        Rule::kw_by | Rule::by => "`by`",
        Rule::kw_on | Rule::on => "`on`",
        Rule::kw_within | Rule::within => "`within`",
        Rule::kw_having | Rule::having => "`having`",
        Rule::kw_and => "`and`",
        Rule::kw_or => "`or`",
        Rule::kw_from | Rule::from => "`from`",
        Rule::kw_expires => "`expires`",
        Rule::kw_then => "`then`",
        Rule::kw_expect | Rule::expect => "`expect`",
        Rule::kw_until | Rule::until => "`until`",
        Rule::kw_sequence | Rule::sequence => "`sequence`",
        _ => "",
    }
}

/// Advice where the words alone would leave somebody wondering.
fn hint(expected: &[Rule], found: &str) -> Option<String> {
    let wants = |rules: &[Rule]| expected.iter().any(|r| rules.contains(r));
    if wants(&[Rule::clause]) {
        return Some(format!("the clauses are {}", CLAUSES.join(", ")));
    }
    if found == "where" && wants(&[Rule::text]) {
        return Some("say why first: except \"reason\" where …".into());
    }
    if found == "not" && wanted(expected) == "something else" {
        return Some(
            "`having` has no `not`: write the opposite comparison, `count() < 10` for not `count() >= 10`".into(),
        );
    }
    if wants(&[Rule::operator]) {
        return Some("a condition is a field, an operator and a value: user.name == \"root\"".into());
    }
    if wants(&[Rule::name, Rule::list_name]) && !found.is_empty() {
        return Some(format!(
            "a name has letters, digits, `_` and `-`, starts with a letter, and `{found}` is taken or has others"
        ));
    }
    if wants(&[Rule::text]) && !wants(&[Rule::path]) && found.starts_with(|c: char| c.is_alphanumeric()) {
        return Some(format!("put it in double quotes: \"{found} …\""));
    }
    if wants(&[Rule::lparen]) && wants(&[Rule::assign, Rule::inline, Rule::from]) {
        return Some("list name from \"path\", or list name = (\"a\", \"b\")".into());
    }
    None
}
