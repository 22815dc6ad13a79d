//! Differences of alerts for people and for programs.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::alerts::write_line;
use crate::alert::Alert;
use crate::engine::counted;
use crate::engine::difference::{Count, Difference, Differences, Kind, OfRule};
use crate::engine::edit::{Edit, Fate};
use crate::engine::findings::Sorted;
use crate::event::printable::printable;

/// Indent of what stands below a rule.
const INDENT: &str = "    ";

/// How differences are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Output {
    /// A line a rule, with examples, for people
    Text,
    /// A JSON object a difference, then one with the numbers
    Json,
}

/// Rules with differences, each with its first examples, and those without.
pub(super) fn text(
    differences: &Differences,
    old: &mut Sorted<'_>,
    new: &mut Sorted<'_>,
    examples: usize,
    out: &mut impl Write,
    color: bool,
) -> io::Result<()> {
    let Differences { all, rules } = differences;
    let mut of_rule: Vec<Vec<&Difference>> = vec![Vec::new(); rules.len()];
    // Only what is shown is looked at again.
    for difference in all.iter().filter(|_| examples > 0) {
        let shown = &mut of_rule[difference.rule];
        if shown.len() < examples {
            shown.push(difference);
        }
    }
    let (mut sum, mut quiet) = (Count::default(), Vec::new());
    for (rule, shown) in rules.iter().zip(of_rule) {
        sum.add(&rule.count);
        if rule.count.differing() == 0 {
            quiet.push(rule);
            continue;
        }
        writeln!(out, "{}", head(rule))?;
        for difference in shown {
            example(difference, old, new, out, color)?;
        }
        let more = rule.count.differing().saturating_sub(examples);
        if more > 0 && examples > 0 {
            writeln!(out, "{INDENT}and {more} more (--examples {}, or --output json)", rule.count.differing())?;
        }
        writeln!(out)?;
    }
    for rule in quiet.iter().filter(|rule| rule.fate.as_ref().is_some_and(|fate| *fate != Fate::Reached)) {
        writeln!(out, "{}", head(rule))?;
    }
    writeln!(out, "all: {}", numbers(&sum))
}

/// An object a difference, and a last one with the numbers.
pub(super) fn json(
    edit: &Edit,
    differences: &Differences,
    old: &mut Sorted<'_>,
    new: &mut Sorted<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let Differences { all, rules } = differences;
    for difference in all {
        let mut object = json!({
            "difference": difference.kind,
            "rule": rules[difference.rule].name,
        });
        if matches!(difference.kind, Kind::Changed | Kind::Moved) {
            object["fields"] = difference.fields().collect();
        }
        for (name, alert) in [("old", read::<Value>(old, difference.old)?), ("new", read(new, difference.new)?)] {
            if let Some(alert) = alert {
                object[name] = alert;
            }
        }
        writeln!(out, "{object}")?;
    }
    let mut sum = Count::default();
    rules.iter().for_each(|rule| sum.add(&rule.count));
    let rules: Vec<Value> = rules.iter().map(summary).collect();
    writeln!(out, "{}", json!({ "summary": { "alerts": sum, "rules": rules, "untouched": edit.untouched } }))
}

fn read<T: DeserializeOwned>(alerts: &mut Sorted<'_>, at: Option<usize>) -> io::Result<Option<T>> {
    at.map(|at| Ok(serde_json::from_slice(alerts.text(at)?)?)).transpose()
}

/// What became of a rule: a word for programs, the name that it had, words for people.
fn fate(rule: &OfRule) -> (&'static str, Option<&str>, String) {
    match &rule.fate {
        None => ("same", None, String::new()),
        Some(Fate::Added) => ("added", None, " (a new rule)".to_owned()),
        Some(Fate::Removed) => ("removed", None, " (the rule is gone)".to_owned()),
        Some(Fate::Edited) => ("edited", None, String::new()),
        Some(Fate::Renamed(was)) => ("renamed", Some(was), format!(" (was {was}; its alerts get other ids)")),
        Some(Fate::Reached) => ("reached", None, " (the same, over alerts that differ)".to_owned()),
    }
}

fn summary(rule: &OfRule) -> Value {
    let (word, was, _) = fate(rule);
    let mut object = json!({ "rule": rule.name, "edit": word, "alerts": rule.count, "fields": rule.fields });
    if let Some(was) = was {
        object["was"] = was.into();
    }
    object
}

/// A rule's name, what became of it, and how many of its alerts differ.
fn head(rule: &OfRule) -> String {
    let fields: Vec<String> = rule.fields.iter().map(|(name, count)| format!("{name} {count}×")).collect();
    let fields = if fields.is_empty() { String::new() } else { format!("; {}", fields.join(", ")) };
    format!("{}{}: {}{fields}", rule.name, fate(rule).2, numbers(&rule.count))
}

fn numbers(count: &Count) -> String {
    let numbers = [
        (count.added, "added"),
        (count.changed, "changed"),
        (count.moved, "moved"),
        (count.removed, "removed"),
        (count.same, "the same"),
    ];
    let said: Vec<String> =
        numbers.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if said.is_empty() { "no alerts".to_owned() } else { said.join(", ") }
}

/// An alert as a line, and what is other in it below.
fn example(
    difference: &Difference,
    old: &mut Sorted<'_>,
    new: &mut Sorted<'_>,
    out: &mut impl Write,
    color: bool,
) -> io::Result<()> {
    let (was, is) = (read::<Alert>(old, difference.old)?, read::<Alert>(new, difference.new)?);
    let sign = match difference.kind {
        Kind::Added => '+',
        Kind::Changed => '~',
        Kind::Moved => '>',
        Kind::Removed => '-',
    };
    write!(out, "{INDENT}{sign} ")?;
    if let Some(shown) = is.as_ref().or(was.as_ref()) {
        write_line(shown, out, color)?;
    }
    if let (Some(was), Some(is)) = (was, is) {
        // In one that moved it always differs, and says nothing.
        let moved = difference.kind == Kind::Moved;
        for field in difference.fields().filter(|field| !(moved && *field == "evidence")) {
            let [before, after] = [&was, &is].map(|alert| shown(alert, field));
            writeln!(out, "{INDENT}{INDENT}{field}: {} → {}", printable(&before), printable(&after))?;
        }
    }
    Ok(())
}

/// A field of an alert, as people read it.
fn shown(alert: &Alert, field: &str) -> String {
    let value = match serde_json::to_value(alert) {
        Ok(Value::Object(mut object)) => object.remove(field),
        Ok(_) | Err(_) => None,
    };
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text,
        Some(Value::Array(list)) if field == "evidence" => counted(list.len(), "event"),
        Some(Value::Array(list)) => {
            let texts: Vec<String> =
                list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
        }
        Some(Value::Object(key)) => {
            let pair = |(name, value): (String, Value)| format!("{name}={}", value.as_str().unwrap_or_default());
            key.into_iter().map(pair).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}
