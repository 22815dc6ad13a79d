//! Conditions: names resolved, types checked, operators turned into tests. In: patterns and conditions
//! of the tree. Out: plan predicates; `None` when something is wrong with them, which is reported.

use std::sync::Arc;

use regex::Regex;

use super::alias::{Near, near_field};
use super::ast::{self, Condition, Operand, Span, Value, ValueKind, Word};
use super::code::Code;
use super::diagnostic::Diagnostic;
use super::nearest::nearest;
use super::plan::{Atom, FieldRef, Predicate, Test};
use super::scope::{CATEGORIES, Followed, Let, Scope};
use super::{listed, operand, simplify};
use crate::event::field::{self, Type};

/// What is at hand while something of one file is checked, and what was found.
pub(super) struct Check<'a> {
    pub(super) scope: &'a Scope,
    pub(super) file: &'a Arc<str>,
    /// The file's text.
    pub(super) text: &'a str,
    /// Step names of the rule being checked.
    pub(super) labels: Vec<String>,
    /// Lists are followed while the rule runs (`retro`), not read once.
    pub(super) follows: bool,
    /// A list was asked.
    pub(super) asked_list: bool,
    /// The first pattern over alerts.
    pub(super) alerts: Option<Span>,
    pub(super) found: Vec<Diagnostic>,
}

/// What stands before `where`.
pub(super) struct Source {
    pub(super) predicate: Predicate,
    /// It is about alerts, not about events.
    pub(super) alerts: bool,
}

impl<'a> Check<'a> {
    pub(super) fn new(scope: &'a Scope, file: &'a Arc<str>, text: &'a str) -> Check<'a> {
        Check {
            scope,
            file,
            text,
            labels: Vec::new(),
            follows: false,
            asked_list: false,
            alerts: None,
            found: Vec::new(),
        }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// An error in the file being checked.
    pub(super) fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, span, message)
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// `source [where condition]`
    pub(super) fn pattern(&mut self, pattern: &ast::Pattern) -> Option<Predicate> {
        let source = self.source(&pattern.source);
        let condition = match &pattern.condition {
            Some(condition) => self.condition(condition),
            None => Some(Predicate::Constant(true)),
        };
        Some(simplify::and([source?.predicate, condition?]))
    }

    /// A category, `any`, `alert` or the name of a `let`.
    pub(super) fn source(&mut self, word: &Word) -> Option<Source> {
        let name = word.text.as_str();
        if name == "any" {
            return Some(Source { predicate: Predicate::Constant(true), alerts: false });
        }
        if CATEGORIES.contains(&name) {
            return Some(Source { predicate: category(name), alerts: false });
        }
        if name == "alert" {
            self.alerts.get_or_insert(word.span);
            return Some(Source { predicate: is_alert(), alerts: true });
        }
        if let Some(known) = self.scope.lets.get(name) {
            return known.as_ref().and_then(|known| self.defined(known, word));
        }
        let candidates = CATEGORIES.iter().copied().chain(["any"]).chain(self.scope.lets.keys().map(String::as_str));
        let near = nearest(name, candidates).map(str::to_owned);
        let error = self
            .error(Code::UnknownSource, word.span, format!("there is no category and no `let` named `{name}`"))
            .label("unknown")
            .help("write an ECS category such as `authentication`, `any`, or define it: let name = any where …");
        self.report(match near {
            Some(near) => error.fix(near),
            None => error,
        });
        None
    }

    /// What a `let` stands for.
    fn defined(&mut self, known: &Let, word: &Word) -> Option<Source> {
        self.asked_list |= known.followed != Followed::Same;
        if known.alerts {
            self.alerts.get_or_insert(word.span);
        }
        let predicate =
            match (&known.followed, self.follows) {
                (Followed::Same, _) | (_, false) => known.predicate.clone(),
                (Followed::Other(predicate), true) => predicate.clone(),
                (Followed::Impossible, true) => {
                    let message = format!("`{}` asks a list in a way that `retro` cannot follow", word.text);
                    self.report(self.error(Code::BadRetro, word.span, message).label("defined with a `let`").help(
                        "with `retro`, lists are asked with `in`, for text and addresses: source.ip in scanners",
                    ));
                    return None;
                }
            };
        Some(Source { predicate, alerts: known.alerts })
    }

    pub(super) fn condition(&mut self, condition: &Condition) -> Option<Predicate> {
        match condition {
            Condition::Constant(value) => Some(Predicate::Constant(*value)),
            Condition::Not(inner) => self.condition(inner).map(simplify::not),
            Condition::And(parts) => self.all(parts).map(simplify::and),
            Condition::Or(parts) => self.all(parts).map(simplify::or),
            Condition::Exists(field) => {
                let field = self.field(field)?;
                Some(Predicate::Atom(Atom { field, test: Test::Exists }))
            }
            Condition::Compare(comparison) => self.compare(comparison),
        }
    }

    /// Checks all of them before giving up, so that every mistake is reported.
    fn all(&mut self, parts: &[Condition]) -> Option<Vec<Predicate>> {
        let checked: Vec<Option<Predicate>> = parts.iter().map(|p| self.condition(p)).collect();
        checked.into_iter().collect()
    }

    /// The field of this name.
    pub(super) fn field(&mut self, word: &Word) -> Option<FieldRef> {
        if let Some(extra) = word.text.strip_prefix(field::EXTRA_PREFIX) {
            return Some(FieldRef::Extra(unquote(extra).into()));
        }
        if let Some(id) = field::by_name(&word.text) {
            return Some(FieldRef::Column(id));
        }
        if let Some((label, own)) = word.text.split_once('.')
            && self.labels.iter().any(|l| l == label)
            && field::is_known(own)
        {
            let message = format!("`{}` is a field of a step: here stands one of this step's own event", word.text);
            self.report(
                self.error(Code::StepField, word.span, message)
                    .label("not on the left side")
                    .help("write the own field first: source.ip != made.source.ip"),
            );
            return None;
        }
        let error = self.error(Code::UnknownField, word.span, format!("unknown field `{}`", word.text));
        let extra =
            format!("a value that has no field of its own is written fields.{}", word.text.trim_start_matches('@'));
        self.report(match near_field(&word.text) {
            Near::Field(near) => error.fix(near).help(extra),
            Near::Alias(alias, near) => error.fix(near).help(format!("`{alias}` is called `{near}` here")),
            Near::None => error.label("not in the field table").help(extra),
        });
        None
    }

    fn compare(&mut self, comparison: &ast::Comparison) -> Option<Predicate> {
        let field = self.field(&comparison.field);
        let operator = comparison.operator.text.as_str();
        let (operator, negated) = match operator {
            "!=" => ("==", !comparison.negated),
            other => (other, comparison.negated),
        };
        let field = field?;
        let predicate = if operator == "~" || matches!(comparison.operand, Operand::Regex(_)) {
            self.regex(field, comparison)?
        } else if let (true, Some((list, span))) = (self.follows, listed::named(self, comparison)) {
            listed::test(self, field, operator, (list, span), comparison)?
        } else {
            operand::test(self, field, operator, comparison)?
        };
        Some(if negated { simplify::not(predicate) } else { predicate })
    }

    fn regex(&mut self, field: FieldRef, comparison: &ast::Comparison) -> Option<Predicate> {
        let operator = &comparison.operator;
        let Operand::Regex(regex) = &comparison.operand else {
            let error = self.error(Code::WrongOperator, comparison.operand.span(), "`~` takes a regular expression");
            self.report(match &comparison.operand {
                Operand::One(Value { text, kind: ValueKind::Text | ValueKind::Exact, .. }) => {
                    error.fix(format!("/{}/", text.replace('/', "\\/")))
                }
                Operand::One(_) | Operand::Many(..) | Operand::List(..) | Operand::Regex(_) => {
                    error.label("write it like /^adm.n$/i")
                }
            });
            return None;
        };
        if operator.text != "~" {
            let message = format!("`{}` does not take a regular expression", operator.text);
            self.report(self.error(Code::WrongOperator, operator.span, message).fix("~"));
            return None;
        }
        if !is_text(field.ty()) {
            self.report(operand::wrong_operator(self, &field, comparison));
            return None;
        }
        self.pattern_text(regex).map(|pattern| Predicate::Atom(Atom { field, test: Test::Regex(pattern) }))
    }

    /// The regular expression with its flags inside, checked to compile.
    fn pattern_text(&mut self, regex: &ast::Regex) -> Option<String> {
        let flags = &regex.flags;
        if !flags.text.is_empty() && flags.text != "i" {
            let message = format!("`{}` is not a flag", flags.text);
            self.report(self.error(Code::BadRegex, flags.span, message).label("the only flag is `i`, ignore case"));
            return None;
        }
        let flag = if flags.text == "i" { "(?i)" } else { "" };
        let pattern = format!("{flag}{}", regex.pattern.text);
        let (span, why) = match regex_syntax::Parser::new().parse(&regex.pattern.text) {
            Err(regex_syntax::Error::Parse(e)) => (inside(&regex.pattern, e.span()), e.kind().to_string()),
            Err(regex_syntax::Error::Translate(e)) => (inside(&regex.pattern, e.span()), e.kind().to_string()),
            Err(other) => (regex.span, other.to_string()),
            // Only repetition or length makes an expression too big; compiling the others would find nothing.
            Ok(_) if pattern.len() < 200 && !pattern.contains('{') => return Some(pattern),
            Ok(_) => match Regex::new(&pattern) {
                Ok(_) => return Some(pattern),
                Err(regex::Error::CompiledTooBig(limit)) => {
                    (regex.span, format!("it needs more than {limit} bytes: use smaller repetitions"))
                }
                Err(other) => (regex.span, other.to_string()),
            },
        };
        self.report(self.error(Code::BadRegex, span, format!("the regular expression does not compile: {why}")));
        None
    }
}

/// Where a mistake stands in a pattern; at its end, the pattern's last character.
fn inside(pattern: &Word, span: &regex_syntax::ast::Span) -> Span {
    let start = pattern.span.start + span.start.offset;
    let end = pattern.span.start + span.end.offset;
    if start < end && end <= pattern.span.end { Span { start, end } } else { pattern.span }
}

/// `event.category` has this word.
fn category(name: &str) -> Predicate {
    word(field::EVENT_CATEGORY, name)
}

/// The event is an alert.
pub(super) fn is_alert() -> Predicate {
    word(field::EVENT_KIND, "alert")
}

fn word(column: field::FieldId, word: &str) -> Predicate {
    let values = Arc::new([word.to_owned()].into_iter().collect());
    Predicate::Atom(Atom { field: FieldRef::Column(column), test: Test::OneOf { values, fold: true } })
}

/// Whether text operators apply.
pub(super) fn is_text(ty: Type) -> bool {
    matches!(ty, Type::Text | Type::LongText | Type::TextList)
}

/// `a."b c".d` without its quotes.
fn unquote(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(start) = rest.find('"') {
        out.push_str(&rest[..start]);
        let body = &rest[start + 1..];
        let mut end = 0;
        while end < body.len() && body.as_bytes()[end] != b'"' {
            end += if body.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(body.len());
        out.push_str(&super::literal::unescape(&body[..end], |_, _| {}));
        rest = body.get(end + 1..).unwrap_or_default();
    }
    out + rest
}

impl Operand {
    /// Where it stands.
    pub(super) fn span(&self) -> Span {
        match self {
            Operand::One(value) => value.span,
            Operand::Many(_, span) | Operand::List(_, span) => *span,
            Operand::Regex(regex) => regex.span,
        }
    }
}
