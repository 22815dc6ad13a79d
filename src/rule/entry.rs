//! The right side of a comparison: values as written, lists looked up. In: an operand. Out: its values, or what is
//! wrong with it.

use super::ast::{self, Operand, Span, Value, ValueKind};
use super::code::Code;
use super::condition::Check;
use super::nearest::nearest;
use super::{literal, residual};
use crate::event::field;

/// A value on the right side.
pub(super) struct Entry<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// How a value may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `"…"`
    Text,
    /// `c"…"`
    Exact,
    /// A number, an address …
    Bare,
    /// From a list: as whatever the field holds.
    Listed,
    /// From a list, exact.
    ListedExact,
}

/// The values of the right side, lists looked up.
pub(super) fn entries<'a: 'e, 'e>(
    check: &mut Check<'a>,
    operator: &str,
    comparison: &'e ast::Comparison,
) -> Option<Vec<Entry<'e>>> {
    let takes_many = !matches!(operator, "==" | "<" | "<=" | ">" | ">=");
    match &comparison.operand {
        Operand::One(value) if value.kind == ValueKind::Path => path(check, takes_many, value),
        Operand::One(value) if operator == "in" && !is_network(value) => {
            let written = &check.text[value.span.start..value.span.end];
            let diagnostic = check
                .error(Code::WrongOperator, value.span, "`in` takes values in parentheses, a list or a network")
                .fix(format!("({written})"));
            check.report(diagnostic);
            None
        }
        Operand::One(value) => Some(vec![entry(value)]),
        Operand::Many(..) | Operand::List(..) if !takes_many => {
            let span = comparison.operator.span;
            let message = format!("`{}` takes one value", comparison.operator.text);
            let diagnostic = check.error(Code::WrongOperator, span, message);
            check.report(match comparison.operator.text.as_str() {
                "==" => diagnostic.fix("in"),
                "!=" => diagnostic.fix("not in"),
                _ => diagnostic.label("one number, one time"),
            });
            None
        }
        Operand::Many(values, span) => {
            if values.is_empty() {
                let diagnostic = check.error(Code::NeverTrue, *span, "nothing is in an empty set").label("no values");
                check.report(diagnostic);
                return None;
            }
            let many: Vec<Option<Entry<'e>>> = values
                .iter()
                .map(|v| match v.kind {
                    ValueKind::Path => path(check, false, v).and(None),
                    ValueKind::Text | ValueKind::Exact | ValueKind::Bare => Some(entry(v)),
                })
                .collect();
            many.into_iter().collect()
        }
        Operand::List(name, span) => list(check, &name.text, *span),
        Operand::Regex(_) => None,
    }
}

fn entry(value: &Value) -> Entry<'_> {
    let kind = match value.kind {
        ValueKind::Exact => Kind::Exact,
        ValueKind::Bare => Kind::Bare,
        ValueKind::Text | ValueKind::Path => Kind::Text,
    };
    Entry { text: &value.text, kind, span: value.span }
}

fn is_network(value: &Value) -> bool {
    value.kind == ValueKind::Bare && (literal::network(&value.text).is_some() || value.text.contains(['/', ':']))
}

/// A word without quotes: a list where lists may stand, else a mistake.
fn path<'a: 'e, 'e>(check: &mut Check<'a>, list_allowed: bool, value: &'e Value) -> Option<Vec<Entry<'e>>> {
    let name = value.text.as_str();
    if check.scope.lists.contains_key(name) {
        if list_allowed {
            return list(check, name, value.span);
        }
        let message = format!("`{name}` is a list, which needs `in`");
        check.report(
            check.error(Code::WrongOperator, value.span, message).label("a list").help(format!("write: in {name}")),
        );
        return None;
    }
    let first = name.split('.').next().unwrap_or(name);
    if residual::step_of(check, value).is_some() {
        residual::refuse(check, value);
        return None;
    }
    if field::is_known(name) {
        let message = format!("`{name}` is a field, and a field is compared with a value");
        check.report(
            check.error(Code::FieldWithField, value.span, message).label("another field").help(
                "write a value: \"text\", 10, 10.0.0.0/8; in a sequence, an earlier step's field: made.source.ip",
            ),
        );
        return None;
    }
    if let Some((step, of)) = name.split_once('.')
        && field::by_name(of).is_some()
        && !check.labels.is_empty()
    {
        let steps: Vec<String> = check.labels.iter().map(|label| format!("`{label}`")).collect();
        let message = format!("there is no step `{step}`, whose `{of}` could be compared with");
        let diagnostic = check.error(Code::StepField, value.span, message).label("unknown step");
        check.report(diagnostic.help(format!("the steps are {}; a text stands in double quotes", steps.join(", "))));
        return None;
    }
    if list_allowed && let Some(near) = nearest(name, check.scope.lists.keys().map(String::as_str)).map(str::to_owned) {
        check.report(check.error(Code::UnknownList, value.span, format!("there is no list `{name}`")).fix(near));
        return None;
    }
    let diagnostic = if list_allowed {
        check
            .error(Code::UnknownList, value.span, format!("there is no list `{name}`"))
            .label("unknown list")
            .help(format!("declare it: list {first} from \"lists/{first}.txt\"; a text needs quotes: (\"{name}\")"))
    } else {
        check.error(Code::Unquoted, value.span, "text stands in double quotes").fix(format!("\"{name}\""))
    };
    check.report(diagnostic);
    None
}

pub(super) fn list<'a>(check: &mut Check<'a>, name: &str, span: Span) -> Option<Vec<Entry<'a>>> {
    check.asked_list = true;
    let Some(list) = check.scope.lists.get(name) else {
        let near = nearest(name, check.scope.lists.keys().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
        let diagnostic = check
            .error(Code::UnknownList, span, format!("there is no list `{name}`"))
            .label(near.unwrap_or_else(|| "unknown list".into()))
            .help(format!("declare it: list {name} from \"lists/{name}.txt\""));
        check.report(diagnostic);
        return None;
    };
    if list.broken {
        return None;
    }
    let kind = |exact| if exact { Kind::ListedExact } else { Kind::Listed };
    Some(list.entries.iter().map(|e| Entry { text: &e.text, kind: kind(e.exact), span }).collect())
}
