//! Comparisons by type: what an operator and its values mean for a field of text, an address, a
//! number or a time. In: a resolved field and a comparison. Out: a predicate.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::ast;
use super::code::Code;
use super::condition::Check;
use super::diagnostic::Diagnostic;
use super::entry::{Entry, Kind, entries};
use super::plan::{Atom, FieldRef, Network, Predicate, Test};
use super::words::condition::{Family, applies};
use super::{literal, simplify};
use crate::event::field::Type;

/// The predicate of `field operator operand` for every operator but `~` and `!=`.
pub(super) fn test(
    check: &mut Check<'_>,
    field: FieldRef,
    operator: &str,
    comparison: &ast::Comparison,
) -> Option<Predicate> {
    if !applies(operator, field.ty()) {
        check.report(wrong_operator(check, &field, comparison));
        return None;
    }
    let entries = entries(check, operator, comparison)?;
    match field.ty() {
        Type::Text | Type::LongText | Type::TextList => texts(check, &field, operator, &entries),
        Type::Ip => addresses(check, &field, operator, &entries),
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => numbers(check, &field, operator, &entries),
        Type::Timestamp => times(check, &field, operator, &entries),
        Type::Id => None,
    }
}

/// The operator does not exist for the field's type.
pub(super) fn wrong_operator(check: &Check<'_>, field: &FieldRef, comparison: &ast::Comparison) -> Diagnostic {
    let (name, ty) = (field.name(), field.ty());
    let operator = &comparison.operator;
    let message = format!("`{}` does not apply to `{name}`, which is {}", operator.text, a(ty));
    check.error(Code::WrongOperator, operator.span, message).label(a(ty)).help(Family::of(ty).advice())
}

/// The type with its article.
pub(super) fn a(ty: Type) -> String {
    match ty {
        Type::Text | Type::LongText => "text".to_owned(),
        Type::Ip | Type::Id => format!("an {}", ty.word()),
        Type::TextList | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp => format!("a {}", ty.word()),
    }
}

fn atom(field: &FieldRef, test: Test) -> Predicate {
    Predicate::Atom(Atom { field: field.clone(), test })
}

/// Reports values that do not fit. A list's misfits are one warning, others an error each.
pub(super) fn misfits(check: &mut Check<'_>, field: &FieldRef, wrong: &[&Entry<'_>], code: Code) -> bool {
    let listed: Vec<_> = wrong.iter().filter(|e| matches!(e.kind, Kind::Listed | Kind::ListedExact)).collect();
    if let Some(first) = listed.first() {
        let message = format!(
            "`{}` is {}, but {} of the list {} not, such as `{}`",
            field.name(),
            a(field.ty()),
            if listed.len() == 1 { "an entry".to_owned() } else { format!("{} entries", listed.len()) },
            if listed.len() == 1 { "is" } else { "are" },
            first.text
        );
        check.report(check.error(Code::ListEntry, first.span, message).label("these entries are left out").warning());
    }
    for entry in wrong.iter().filter(|e| !matches!(e.kind, Kind::Listed | Kind::ListedExact)) {
        let written = &check.text[entry.span.start..entry.span.end];
        let message = format!("`{}` is {}, {written} is not", field.name(), a(field.ty()));
        let diagnostic = check.error(code, entry.span, message);
        let unquoted = entry.text.trim();
        let diagnostic = match (field.ty(), entry.kind) {
            (Type::Text | Type::LongText | Type::TextList, _) => diagnostic.fix(format!("\"{}\"", entry.text)),
            (ty, Kind::Text | Kind::Exact) if ty.is_number() && literal::number(unquoted).is_some() => {
                diagnostic.fix(unquoted)
            }
            (Type::Ip, _) => diagnostic.label("write it like 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32"),
            (Type::Timestamp, _) => diagnostic.label("write it like 2027-01-01 or 2027-01-01T10:30:00Z"),
            (Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Id, _) => {
                diagnostic.label("a whole number, or a size like 100MB")
            }
        };
        check.report(diagnostic);
    }
    wrong.len() > listed.len()
}

fn texts(check: &mut Check<'_>, field: &FieldRef, operator: &str, entries: &[Entry<'_>]) -> Option<Predicate> {
    let wrong: Vec<&Entry<'_>> = entries.iter().filter(|e| e.kind == Kind::Bare).collect();
    if misfits(check, field, &wrong, Code::TypeMismatch) {
        return None;
    }
    let exact = |e: &Entry<'_>| matches!(e.kind, Kind::Exact | Kind::ListedExact);
    let cased = |e: &Entry<'_>| if exact(e) { e.text.to_owned() } else { e.text.to_lowercase() };
    if matches!(operator, "==" | "in") {
        let set =
            |fold: bool| -> FxHashSet<String> { entries.iter().filter(|e| exact(e) != fold).map(cased).collect() };
        let sets = [true, false].map(|fold| (fold, set(fold)));
        return Some(simplify::or(sets.into_iter().filter(|(_, s)| !s.is_empty()).map(|(fold, values)| {
            let values = Arc::new(values);
            atom(field, Test::OneOf { values, fold })
        })));
    }
    Some(simplify::or(entries.iter().map(|e| {
        let text = cased(e);
        let pattern = match operator {
            "contains" => format!("*{}*", escape(&text)),
            "startswith" => format!("{}*", escape(&text)),
            "endswith" => format!("*{}", escape(&text)),
            // A backslash is a character like others, or Windows paths would be traps.
            _ => text.replace('\\', "\\\\"),
        };
        atom(field, Test::Like { pattern, fold: !exact(e) })
    })))
}

/// The text as a `like` pattern of itself.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn addresses(check: &mut Check<'_>, field: &FieldRef, operator: &str, entries: &[Entry<'_>]) -> Option<Predicate> {
    let mut single = FxHashSet::default();
    let mut networks: Vec<Network> = Vec::new();
    let mut wrong = Vec::new();
    for entry in entries {
        if let Some(address) = literal::address(entry.text) {
            single.insert(address);
        } else if let Some(network) = literal::network(entry.text) {
            if operator == "==" {
                let message = format!("`==` compares with one address, `{}` is a network", entry.text);
                check.report(check.error(Code::WrongOperator, entry.span, message).label("a network").help(format!(
                    "write: {} in {}",
                    field.name(),
                    entry.text
                )));
                return None;
            }
            match (network.prefix, IpAddr::from(network.base.to_be_bytes()).to_canonical()) {
                (128, address) => {
                    single.insert(address.to_string());
                }
                (_, _) => networks.push(network),
            }
        } else {
            wrong.push(entry);
        }
    }
    if misfits(check, field, &wrong, Code::BadAddress) {
        return None;
    }
    let mut parts = Vec::new();
    if !single.is_empty() {
        parts.push(atom(field, Test::OneOf { values: Arc::new(single), fold: false }));
    }
    if !networks.is_empty() {
        parts.push(atom(field, Test::Network(networks)));
    }
    Some(simplify::or(parts))
}

fn numbers(check: &mut Check<'_>, field: &FieldRef, operator: &str, entries: &[Entry<'_>]) -> Option<Predicate> {
    let readable = |e: &Entry<'_>| !matches!(e.kind, Kind::Text | Kind::Exact);
    let number = |e: &Entry<'_>| literal::number(e.text).filter(|_| readable(e));
    let wrong: Vec<&Entry<'_>> = entries.iter().filter(|e| number(e).is_none()).collect();
    if misfits(check, field, &wrong, Code::TypeMismatch) {
        return None;
    }
    let (least, greatest) = bounds(field.ty());
    let beyond: Vec<&Entry<'_>> =
        entries.iter().filter(|e| number(e).is_some_and(|n| !(least..=greatest).contains(&n))).collect();
    for entry in beyond.iter().filter(|e| e.kind == Kind::Bare) {
        let message = format!("{} does not fit `{}`, which holds {least} to {greatest}", entry.text, field.name());
        check.report(check.error(Code::OutOfRange, entry.span, message).label("the comparison is always the same"));
    }
    if beyond.iter().any(|e| e.kind == Kind::Bare) {
        return None;
    }
    ranges(field, operator, entries.iter().filter_map(number))
}

/// What a number column can hold.
pub(super) fn bounds(ty: Type) -> (i128, i128) {
    match ty {
        Type::U16 => (0, i128::from(u16::MAX)),
        Type::U32 => (0, i128::from(u32::MAX)),
        Type::U64 => (0, i128::from(u64::MAX)),
        Type::I64 | Type::Timestamp => (i128::from(i64::MIN), i128::from(i64::MAX)),
        Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => (0, 0),
    }
}

fn times(check: &mut Check<'_>, field: &FieldRef, operator: &str, entries: &[Entry<'_>]) -> Option<Predicate> {
    let wrong: Vec<&Entry<'_>> = entries.iter().filter(|e| literal::instant(e.text).is_none()).collect();
    if misfits(check, field, &wrong, Code::BadTime) {
        return None;
    }
    ranges(field, operator, entries.iter().filter_map(|e| literal::instant(e.text)).map(i128::from))
}

fn ranges(field: &FieldRef, operator: &str, values: impl Iterator<Item = i128>) -> Option<Predicate> {
    let mut numbers: Vec<i128> = values.collect();
    numbers.sort_unstable();
    numbers.dedup();
    let Some(&n) = numbers.first() else { return Some(Predicate::Constant(false)) };
    let test = match operator {
        "<" => Test::Range(i128::MIN, n - 1),
        "<=" => Test::Range(i128::MIN, n),
        ">" => Test::Range(n + 1, i128::MAX),
        ">=" => Test::Range(n, i128::MAX),
        _ => Test::Numbers(numbers),
    };
    Some(atom(field, test))
}
