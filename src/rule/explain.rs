//! A plan as text, for people and for tests: the same plan always reads the same.

use std::fmt::Write;

use super::plan::{Atom, FieldRef, Form, Network, Piece, Predicate, Rule, Stage, Template, Test};
use crate::event::time::{self, SECOND};

/// The plan of a rule.
pub fn explain(rule: &Rule) -> String {
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
    if let Some(risk) = rule.risk {
        line(2, format!("risk     {risk}"));
    }
    line(2, format!("form     {}", form(rule)));
    if rule.cooldown > 0 {
        line(2, format!("cooldown {}", duration(rule.cooldown)));
    }
    if !rule.payload.is_empty() {
        line(2, format!("carries  {}", names(&rule.payload)));
    }
    for (i, step) in rule.steps.iter().enumerate() {
        let name = step.name.as_deref().unwrap_or("-");
        let (times, key) = (times(rule, i), names(&step.key));
        let key = if key.is_empty() { String::new() } else { format!(" key {key}") };
        line(2, format!("step {i}   {name}{times}{key}"));
        for text in predicate(&step.predicate).lines() {
            line(4, text.to_owned());
        }
    }
    out
}

fn form(rule: &Rule) -> String {
    match &rule.form {
        Form::Single => "every event is an alert".to_owned(),
        Form::Threshold { within: 0, count: 1 } => "every event, merged by key".to_owned(),
        Form::Threshold { within, count } => format!("{count} events within {}", duration(*within)),
        Form::Distinct { within, count, slot } => {
            format!("{count} values of {} within {}", rule.payload[*slot].name(), duration(*within))
        }
        Form::Sequence { within, .. } => format!("steps in order within {}", duration(*within)),
        Form::All { within, .. } => format!("all steps within {}", duration(*within)),
        Form::Aggregate { window, .. } => format!("aggregates over {}", duration(window.length())),
        Form::Novel { over, .. } => format!("values new within {}", duration(*over)),
        Form::Baseline { over, .. } => format!("above what was usual for {}", duration(*over)),
    }
}

fn times(rule: &Rule, step: usize) -> String {
    match &rule.form {
        Form::Sequence { until: Some(until), .. } if *until == step => " breaks the chain".to_owned(),
        Form::Sequence { stages, .. } => match &stages[step] {
            Stage::Present(having) => having.only_count().map_or_else(String::new, |count| format!(" x{count}")),
            Stage::Absent => " absent".to_owned(),
        },
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::All { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => String::new(),
    }
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
pub fn predicate(predicate: &Predicate) -> String {
    let mut out = String::new();
    write_predicate(&mut out, predicate, 0);
    out
}

fn write_predicate(out: &mut String, predicate: &Predicate, indent: usize) {
    let _ = match predicate {
        Predicate::Constant(true) => writeln!(out, "{:indent$}always", ""),
        Predicate::Constant(false) => writeln!(out, "{:indent$}never", ""),
        Predicate::Atom(atom) => writeln!(out, "{:indent$}{}", "", self::atom(atom)),
        Predicate::And(_) => writeln!(out, "{:indent$}all of", ""),
        Predicate::Or(_) => writeln!(out, "{:indent$}any of", ""),
        Predicate::Not(_) => writeln!(out, "{:indent$}not", ""),
    };
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().for_each(|part| write_predicate(out, part, indent + 2));
        }
        Predicate::Not(part) => write_predicate(out, part, indent + 2),
        Predicate::Constant(_) | Predicate::Atom(_) => {}
    }
}

fn atom(atom: &Atom) -> String {
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
        Test::Listed(list) => format!("{name} in list {list}"),
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
