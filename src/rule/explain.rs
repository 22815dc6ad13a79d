//! A plan as text, for people and for tests: the same plan always reads the same.

use std::fmt::Write;

use super::plan::{Atom, FieldRef, List, Network, Piece, Predicate, Rule, Template, Test};
use crate::event::time::{self, SECOND};

mod form;

/// The plan of a rule; `lists` are those of its program.
pub fn explain(rule: &Rule, lists: &[List]) -> String {
    let mut out = String::new();
    let mut line = |indent: usize, text: String| {
        let _ = writeln!(out, "{:indent$}{text}", "");
    };
    line(0, format!("rule {} ({})", rule.name, rule.severity));
    line(2, format!("title    {}", template(&rule.title, rule)));
    for (name, values) in [("attack", &rule.attack), ("tags", &rule.tags)] {
        if !values.is_empty() {
            line(2, format!("{name:<8} {}", values.join(", ")));
        }
    }
    if let Some(runbook) = &rule.runbook {
        line(2, format!("runbook  {runbook}"));
    }
    for cause in &rule.falsepositives {
        line(2, format!("benign   {cause}"));
    }
    if let Some(risk) = rule.risk {
        line(2, format!("risk     {risk}"));
    }
    if rule.level > 0 {
        line(2, format!("level    {}, over the alerts of lower levels", rule.level));
    }
    line(2, format!("form     {}", form::words(rule)));
    for residual in form::residuals(rule) {
        line(2, format!("where    {residual}"));
    }
    if rule.cooldown > 0 {
        line(2, format!("cooldown {}", duration(rule.cooldown)));
    }
    if rule.retro > 0 {
        line(2, format!("retro    {}: a change of a list changes the alerts of so much past", duration(rule.retro)));
    }
    if !rule.payload.is_empty() {
        line(2, format!("carries  {}", names(&rule.payload)));
    }
    line(2, format!("keeps    {}", form::keeps(rule)));
    for (i, step) in rule.steps.iter().enumerate() {
        let name = step.name.as_deref().unwrap_or("-");
        let (times, key) = (form::step(rule, i), names(&step.key));
        let key = if key.is_empty() { String::new() } else { format!(" key {key}") };
        line(2, format!("step {i}   {name}{times}{key}"));
        for text in predicate(&step.predicate, lists).lines() {
            line(4, text.to_owned());
        }
    }
    out
}

/// What a rule keeps in memory, in words.
pub(super) fn keeps(rule: &Rule) -> String {
    form::keeps(rule)
}

/// What a match of the rule is, and what is kept in memory to find it, in a line each.
pub fn brief(rule: &Rule) -> (String, String) {
    (form::words(rule), form::keeps(rule))
}

fn names(fields: &[FieldRef]) -> String {
    fields.iter().map(FieldRef::name).collect::<Vec<_>>().join(", ")
}

fn template(template: &Template, rule: &Rule) -> String {
    let hole = |piece: &Piece| match piece {
        Piece::Text(text) => format!("{text:?}"),
        Piece::Count => "<count>".to_owned(),
        Piece::Key(i) => format!("<key {}>", rule.key[*i].name()),
        Piece::Value { step: None, slot } => format!("<{}>", rule.payload[*slot].name()),
        Piece::Value { step: Some(step), slot } => format!("<{} of step {step}>", rule.payload[*slot].name()),
    };
    template.pieces.iter().map(hole).collect::<Vec<_>>().join(" ")
}

/// `5m`, `1h30m`
pub fn duration(micros: i64) -> String {
    let mut rest = micros;
    let mut out = String::new();
    let day = time::DAY;
    let units = [(day, "d"), (3600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s"), (1000, "ms"), (1, "us")];
    for (size, unit) in units {
        if rest >= size {
            let _ = write!(out, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A predicate, one test a line, nested ones indented.
pub fn predicate(predicate: &Predicate, lists: &[List]) -> String {
    let mut out = String::new();
    write_predicate(&mut out, predicate, lists, 0);
    out
}

fn write_predicate(out: &mut String, predicate: &Predicate, lists: &[List], indent: usize) {
    let _ = match predicate {
        Predicate::Constant(true) => writeln!(out, "{:indent$}always", ""),
        Predicate::Constant(false) => writeln!(out, "{:indent$}never", ""),
        Predicate::Atom(atom) => writeln!(out, "{:indent$}{}", "", self::atom(atom, lists)),
        Predicate::And(_) => writeln!(out, "{:indent$}all of", ""),
        Predicate::Or(_) => writeln!(out, "{:indent$}any of", ""),
        Predicate::Not(_) => writeln!(out, "{:indent$}not", ""),
    };
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().for_each(|part| write_predicate(out, part, lists, indent + 2));
        }
        Predicate::Not(part) => write_predicate(out, part, lists, indent + 2),
        Predicate::Constant(_) | Predicate::Atom(_) => {}
    }
}

fn atom(atom: &Atom, lists: &[List]) -> String {
    let name = atom.field.name();
    let case = |fold: bool| if fold { "" } else { " (exact)" };
    match &atom.test {
        Test::Exists => format!("{name} exists"),
        Test::OneOf { values, fold } => {
            let mut sorted: Vec<&String> = values.iter().collect();
            sorted.sort();
            let shown: Vec<String> = sorted.iter().take(20).map(|v| format!("{v:?}")).collect();
            let more = if sorted.len() > 20 { format!(", … {} in all", sorted.len()) } else { String::new() };
            format!("{name} in {{{}{more}}}{}", shown.join(", "), case(*fold))
        }
        Test::Like { pattern, fold } => format!("{name} like {pattern:?}{}", case(*fold)),
        Test::Regex(pattern) => format!("{name} ~ /{pattern}/"),
        Test::Range(i128::MIN, high) => format!("{name} <= {high}"),
        Test::Range(low, i128::MAX) => format!("{name} >= {low}"),
        Test::Range(low, high) => format!("{name} in {low} to {high}"),
        Test::Numbers(numbers) => format!("{name} in {numbers:?}"),
        Test::Listed(number) => match lists.get(*number as usize) {
            Some(list) => format!("{name} in the list {}, as it changes", list.name),
            None => format!("{name} in list {number}"),
        },
        Test::Network(networks) => {
            format!("{name} in {}", networks.iter().map(network).collect::<Vec<_>>().join(", "))
        }
    }
}

/// `10.0.0.0/8`
pub(crate) fn network(network: &Network) -> String {
    let address = std::net::Ipv6Addr::from_bits(network.base);
    match address.to_ipv4_mapped() {
        Some(v4) if network.prefix >= 96 => format!("{v4}/{}", network.prefix - 96),
        _ => format!("{address}/{}", network.prefix),
    }
}
