//! What a word means. In: a compiled folder, a text and a place in it. Out: Markdown, and the span it is about.

use super::analysis::{Analysis, defined};
use super::cursor::Cursor;
use super::names::holes;
use super::text::boundary;
use super::token::Kind;
use super::values;
use crate::event::field::{self, Field, Type};
use crate::rule::ast::{Origin, Span};
use crate::rule::place::Next;
use crate::rule::words::condition::{AGGREGATES, Family, LOGIC, OPERATORS};
use crate::rule::words::form::{DEVIATIONS, JOINTS, SETTINGS, TUNINGS};
use crate::rule::words::top::{CATEGORY_TABLE, CLAUSES, ITEMS, SOURCES, TESTING};
use crate::rule::words::{Entry, find};
use crate::rule::{explain, tactic};

/// Entries of a list that are shown.
const SHOWN: usize = 10;

/// What stands at a place.
pub(crate) fn hover(analysis: &Analysis, text: &str, offset: usize) -> Option<(String, Span)> {
    let cursor = Cursor::new(text, offset);
    let token = cursor.token?;
    let word = cursor.word();
    let told = match token.kind {
        Kind::Word => named(analysis, &cursor, word),
        Kind::Operator => operator(word),
        Kind::Text if cursor.last() == "title" => return hole(&cursor, token.span.start, word),
        Kind::Text => quoted(analysis, &cursor, word.trim_matches('"')),
        Kind::Bare | Kind::Regex | Kind::Mark | Kind::Comment => None,
    };
    Some((told?, token.span))
}

/// What the codes of the mistakes at a place are about. The analysis is of the text as it is now.
pub(crate) fn mistakes(analysis: &Analysis, file: usize, offset: usize) -> Vec<String> {
    let name = &analysis.compiled.sources[file].name;
    let here = analysis.compiled.diagnostics.iter().filter(|found| found.place.file == *name);
    let touching =
        here.filter(|found| found.place.start <= offset && offset < found.place.end.max(found.place.start + 1));
    touching.map(|found| format!("{}: {}", found.code.number(), found.code.doc())).collect()
}

/// A word by where it stands: the same one may be a clause, a field or the name of a `let`.
fn named(analysis: &Analysis, cursor: &Cursor<'_>, word: &str) -> Option<String> {
    let wants = |next| cursor.wants(next);
    let after = cursor.token.map_or("", |token| &cursor.text[token.span.end..]);
    // A step may have the name of anything.
    if wants(Next::Step) && after.trim_start().starts_with(':') {
        return None;
    }
    if wants(Next::Keyword("sequence")) && matches!(word, "sequence" | "all")
        || wants(Next::Step) && matches!(word, "not" | "until")
    {
        return find(&[JOINTS, LOGIC], word).map(entry);
    }
    if wants(Next::Name) {
        return match cursor.last() {
            "rule" => rule(analysis, word),
            "let" => define(analysis, word),
            _ => list(analysis, word),
        };
    }
    if wants(Next::Condition) || wants(Next::Field) {
        return match word {
            "not" | "exists" | "true" | "false" => find(&[LOGIC], word).map(entry),
            _ => field(word).map(|told| told + &usual(analysis, word)),
        };
    }
    if wants(Next::Value) {
        let of_step = || {
            let (label, name) = word.split_once('.')?;
            let known = cursor.all_labels().iter().any(|l| l == label);
            known.then(|| field(name)).flatten().map(|told| format!("{told}\n\nOf the event of step `{label}`."))
        };
        return list(analysis, word).or_else(of_step).or_else(|| field(word));
    }
    if wants(Next::Operator) {
        return operator(word).or_else(|| find(&[LOGIC], word).map(entry));
    }
    if wants(Next::Aggregate) {
        return find(&[AGGREGATES], word).map(entry);
    }
    if wants(Next::Mark) && !(wants(Next::Clause) && find(&[CLAUSES], word).is_some()) {
        return technique(word);
    }
    if wants(Next::Word) {
        return None;
    }
    if (wants(Next::Source) || wants(Next::Step))
        && let Some(told) = source(analysis, word)
    {
        return Some(told);
    }
    if wants(Next::Item)
        && let Some(found) = find(&[ITEMS], word)
    {
        return Some(entry(found));
    }
    let tables = [TUNINGS, CLAUSES, SETTINGS, JOINTS, LOGIC, TESTING, DEVIATIONS];
    let tables = if wants(Next::Tuning) { &tables[..] } else { &tables[1..] };
    find(tables, word).map(entry)
}

fn quoted(analysis: &Analysis, cursor: &Cursor<'_>, text: &str) -> Option<String> {
    if cursor.in_list_call() {
        return list(analysis, text);
    }
    let asked = cursor.asked().filter(|_| cursor.wants(Next::Value))?;
    (field::by_name(asked.field) == Some(field::RULE_NAME)).then(|| rule(analysis, text)).flatten()
}

/// The field in a hole of a title.
fn hole(cursor: &Cursor<'_>, start: usize, written: &str) -> Option<(String, Span)> {
    let at = cursor.offset - start;
    let (from, name) = holes(written).into_iter().find(|(from, name)| *from <= at && at <= from + name.len())?;
    let span = Span { start: start + from, end: start + from + name.len() };
    let step = name.split_once('.').filter(|(label, _)| cursor.all_labels().iter().any(|l| l == label));
    let told = match step {
        _ if name == "count" => "How many events the alert has.".to_owned(),
        Some((label, name)) if field::by_name(&format!("{label}.{name}")).is_none() => {
            format!("{}\n\nOf the event of step `{label}`.", field(name)?)
        }
        Some(_) | None => field(name)?,
    };
    Some((told, span))
}

/// How a word is written and what it means.
pub(crate) fn entry(entry: &Entry) -> String {
    written(entry.usage, entry.doc)
}

/// The same of an operator.
pub(crate) fn operator(word: &str) -> Option<String> {
    OPERATORS.iter().find(|operator| operator.word == word).map(|operator| written(operator.example, operator.doc))
}

fn written(code: &str, doc: &str) -> String {
    format!("```weir\n{code}\n```\n{}", sentence(doc))
}

/// A field, from the table.
fn field(name: &str) -> Option<String> {
    if let Some(own) = name.strip_prefix(field::EXTRA_PREFIX) {
        return Some(format!("`{name}`: text\n\n{own} as the log has it, which no field of its own holds."));
    }
    field::by_name(name).map(|id| about_field(id.field()))
}

/// The type of a field and what it is for.
pub(crate) fn about_field(field: &Field) -> String {
    let family = Family::of(field.ty);
    let operators: Vec<String> = family.operators().map(|operator| format!("`{}`", operator.word)).collect();
    let operators = if operators.is_empty() { "`exists`".to_owned() } else { operators.join(" ") };
    let note = match family {
        Family::Text if field.ty == Type::TextList => ", of which one element must fit",
        Family::Address => ", with addresses, networks and lists",
        Family::Time => ", with a date",
        Family::Text | Family::Number | Family::Id => "",
    };
    format!("`{}`: {}\n\n{}\n\nAsked with {operators}{note}.", field.name, field.ty.word(), sentence(field.doc))
}

/// With a capital letter and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['…', '.']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// A category, `any`, `alert`, or a `let`.
fn source(analysis: &Analysis, word: &str) -> Option<String> {
    if let Some(category) = find(&[CATEGORY_TABLE], word) {
        return Some(format!("`{word}`: a category\n\nEvents whose `event.category` is `{word}`: {}.", category.doc));
    }
    define(analysis, word).or_else(|| find(&[SOURCES], word).map(entry))
}

/// What a `let` stands for.
pub(crate) fn define(analysis: &Analysis, name: &str) -> Option<String> {
    let (file, found) = analysis.lets().find(|(_, define)| define.name.text == name)?;
    let (code, comment) = defined(analysis.text(file), found.name.span.start);
    Some(shown(code, &comment))
}

/// What is in a list.
pub(crate) fn list(analysis: &Analysis, name: &str) -> Option<String> {
    let (file, found) = analysis.lists().find(|(_, list)| list.name.text == name)?;
    let (code, comment) = defined(analysis.text(file), found.name.span.start);
    let told = shown(code, &comment);
    let Origin::File(path) = &found.origin else { return Some(told) };
    let Some(text) = analysis.lists.get(&path.text) else { return Some(format!("{told}\n\nIts file cannot be read.")) };
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let first: Vec<String> = lines.iter().take(SHOWN).map(|line| format!("    {line}")).collect();
    let more = if lines.len() > SHOWN { "\n    …" } else { "" };
    Some(format!("{told}\n\n{} values:\n\n{}{more}", lines.len(), first.join("\n")))
}

fn shown(code: &str, comment: &str) -> String {
    const MOST: usize = 1_000;
    let cut = boundary(code, MOST);
    let code = if cut < code.len() { format!("{} …", &code[..cut]) } else { code.to_owned() };
    let comment = if comment.is_empty() { String::new() } else { format!("\n\n{comment}") };
    format!("```weir\n{code}\n```{comment}")
}

/// A rule: how bad, what it says, what it is, what it keeps.
pub(crate) fn rule(analysis: &Analysis, name: &str) -> Option<String> {
    let program = &analysis.compiled.program;
    let Some(rule) = program.position(name).map(|at| &program.rules[at as usize]) else {
        let known = analysis.rules().any(|(_, rule)| rule.name.text == name);
        return known.then(|| format!("rule `{name}`\n\nIt does not compile, and is left out."));
    };
    let (form, keeps) = explain::brief(rule);
    let (file, written) = analysis.rules().find(|(_, written)| written.name.text == name)?;
    let title = written.titles().next().map(|title| &analysis.text(file)[title.span.start..title.span.end]);
    let mut out = format!("rule `{name}`, severity {}\n\n", rule.severity);
    title.iter().for_each(|title| out += &format!("{title}\n\n"));
    rule.description.iter().for_each(|text| out += &format!("{text}\n\n"));
    let attack: Vec<String> = rule
        .attack
        .iter()
        .map(|id| match tactic::tactics(id) {
            [] => id.clone(),
            tactics => format!("{id} ({})", tactics.join(", ")),
        })
        .collect();
    if !attack.is_empty() {
        out += &format!("ATT&CK: {}\n\n", attack.join("; "));
    }
    Some(out + &format!("Finds: {form}\n\nKeeps: {keeps}"))
}

fn technique(id: &str) -> Option<String> {
    match tactic::tactics(id) {
        [] => None,
        tactics => Some(format!("`{id}`: an ATT&CK technique for {}", tactics.join(", "))),
    }
}

/// The values that a field is known to have, for the end of its hover.
fn usual(analysis: &Analysis, name: &str) -> String {
    let values = values::of(analysis, name);
    let shown: Vec<String> = values.iter().take(SHOWN).map(|value| format!("`{value}`")).collect();
    let more = if values.len() > SHOWN { " …" } else { "" };
    if shown.is_empty() { String::new() } else { format!("\n\nFor example {}{more}", shown.join(", ")) }
}
