//! Levels of rules over alerts. In: the rules of a folder. Out: each rule's level, one above the highest of those whose
//! alerts it can match; rules that would wait for their own alerts are taken out and reported.
//!
//! An alert is known in part before there is one: its rule's name, severity, risk, techniques, tactics and tags, and
//! which key fields it has. A step is evaluated over that; what is not known stays unknown, and counts as a match.

use std::sync::Arc;

use regex::Regex;
use rustc_hash::FxHashMap;

use super::ast::Span;
use super::code::Code;
use super::diagnostic::Diagnostic;
use super::plan::{Atom, FieldRef, Predicate, Rule, Test};
use super::tactic;
use crate::event::field;

/// A checked rule.
pub(super) struct Candidate {
    pub(super) rule: Rule,
    /// Where its first pattern over alerts stands, in a rule over alerts.
    pub(super) alerts: Option<Span>,
}

/// Gives every rule its level; returns the names of those that were taken out. `whole` says that no rule is missing.
pub(super) fn assign(candidates: &mut Vec<Candidate>, whole: bool, found: &mut Vec<Diagnostic>) -> Vec<String> {
    if candidates.iter().all(|c| c.alerts.is_none()) {
        return Vec::new();
    }
    let mut sees = edges(candidates);
    for (reader, candidate) in candidates.iter().enumerate() {
        if let (Some(span), true, true) = (candidate.alerts, sees[reader].is_empty(), whole) {
            let message = "no rule raises an alert that this could match";
            found.push(
                Diagnostic::error(Code::NoAlerts, &candidate.rule.file, span, message)
                    .label("over alerts")
                    .help("compare its condition and key with the names, risk, tags and keys of the other rules")
                    .warning(),
            );
        }
    }
    let mut level: Vec<Option<u32>> = candidates.iter().map(|c| c.alerts.is_none().then_some(0)).collect();
    let mut rejected = Vec::new();
    loop {
        settle(&sees, &mut level);
        let Some(start) = level.iter().position(Option::is_none) else { break };
        let cycle = cycle(&sees, &level, start);
        found.push(report(candidates, &cycle));
        for rule in cycle {
            rejected.push(candidates[rule].rule.name.clone());
            level[rule] = Some(0);
            sees.iter_mut().for_each(|seen| seen.retain(|s| *s != rule));
        }
    }
    candidates.iter_mut().zip(level).for_each(|(c, level)| c.rule.level = level.unwrap_or(0));
    candidates.retain(|c| !rejected.contains(&c.rule.name));
    rejected
}

/// For each rule the rules whose alerts it can match.
fn edges(candidates: &[Candidate]) -> Vec<Vec<usize>> {
    let tactics: Vec<Vec<&'static str>> = candidates.iter().map(|c| tactic::of_all(&c.rule.attack)).collect();
    let mut patterns = Patterns::default();
    let mut sees = vec![Vec::new(); candidates.len()];
    for (reader, seen) in candidates.iter().zip(&mut sees).filter(|(c, _)| c.alerts.is_some()) {
        for (source, tactics) in candidates.iter().zip(&tactics).enumerate().map(|(i, (c, t))| ((i, &c.rule), t)) {
            let alert = Alert { rule: source.1, tactics };
            if takes(&reader.rule, &alert, &mut patterns) {
                seen.push(source.0);
            }
        }
    }
    sees
}

/// Levels of all rules whose sources have theirs.
fn settle(sees: &[Vec<usize>], level: &mut [Option<u32>]) {
    loop {
        let ready = (0..level.len()).filter(|rule| level[*rule].is_none()).find_map(|rule| {
            let sources: Option<Vec<u32>> = sees[rule].iter().map(|s| level[*s]).collect();
            Some((rule, 1 + sources?.into_iter().max().unwrap_or(0)))
        });
        match ready {
            Some((rule, above)) => level[rule] = Some(above),
            None => return,
        }
    }
}

/// Rules that see one another in a circle, reached from a rule without a level; each of those sees another such.
fn cycle(sees: &[Vec<usize>], level: &[Option<u32>], start: usize) -> Vec<usize> {
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let next = sees[last].iter().copied().find(|s| level[*s].is_none()).unwrap_or(last);
        if let Some(at) = path.iter().position(|p| *p == next) {
            return path.split_off(at);
        }
        path.push(next);
    }
}

fn report(candidates: &[Candidate], cycle: &[usize]) -> Diagnostic {
    let place = |rule: usize| (&candidates[rule].rule.file, candidates[rule].alerts.unwrap_or_default());
    let (file, span): (&Arc<str>, Span) = place(cycle[0]);
    let name = |rule: usize| &candidates[rule].rule.name;
    if let [own] = cycle {
        return Diagnostic::error(
            Code::AlertCycle,
            file,
            span,
            format!("rule `{}` can match its own alerts", name(*own)),
        )
        .label("these alerts")
        .help(format!("leave them out: alert where … and rule.name != \"{}\"", name(*own)));
    }
    let mut circle: Vec<String> = cycle.iter().map(|r| format!("`{}`", name(*r))).collect();
    circle.push(circle[0].clone());
    let message = format!("rules wait for one another's alerts: {}", circle.join(" sees "));
    let error = Diagnostic::error(Code::AlertCycle, file, span, message)
        .label(format!("`{}` sees alerts of `{}`", name(cycle[0]), name(cycle[1])))
        .help("let one of them leave out the other's alerts: alert where … and rule.name != \"…\"");
    cycle.iter().enumerate().skip(1).fold(error, |error, (i, rule)| {
        let (file, span) = place(*rule);
        let next = cycle[(i + 1) % cycle.len()];
        error.related(file, span, format!("`{}` sees alerts of `{}`", name(*rule), name(next)))
    })
}

/// Whether a step of the rule can take the alert.
fn takes(reader: &Rule, alert: &Alert<'_>, patterns: &mut Patterns) -> bool {
    let needed = reader.form.required_slot().map(|slot| &reader.payload[slot]);
    reader.steps.iter().any(|step| {
        let has = |f: &FieldRef| !matches!(alert.value(f), Value::Missing);
        step.key.iter().chain(needed).all(has) && truth(&step.predicate, alert, patterns) != Some(false)
    })
}

/// What is known of the alerts of a rule.
struct Alert<'a> {
    rule: &'a Rule,
    tactics: &'a [&'static str],
}

/// What is known of a field of an alert.
enum Value<'a> {
    Missing,
    /// There is one, but not which.
    Some,
    /// There may be one.
    Maybe,
    Texts(Vec<&'a str>),
    Number(i64),
}

impl<'a> Alert<'a> {
    fn value(&self, field: &FieldRef) -> Value<'a> {
        let texts = |all: Vec<&'a str>| if all.is_empty() { Value::Missing } else { Value::Texts(all) };
        let FieldRef::Column(column) = field else { return self.of_key(field) };
        match *column {
            field::EVENT_KIND => Value::Texts(vec!["alert"]),
            field::RULE_NAME => Value::Texts(vec![&self.rule.name]),
            field::RULE_SEVERITY => Value::Texts(vec![self.rule.severity.word()]),
            field::RULE_TACTIC => texts(self.tactics.to_vec()),
            field::THREAT_TECHNIQUE_ID => texts(self.rule.attack.iter().map(String::as_str).collect()),
            field::TAGS => texts(self.rule.tags.iter().map(String::as_str).collect()),
            field::RISK_SCORE => self.rule.risk.map_or(Value::Missing, Value::Number),
            field::TIMESTAMP | field::EVENT_ID => Value::Some,
            field::EVENT_INGESTED
            | field::MESSAGE
            | field::RULE_ID
            | field::EVENT_ORIGINAL
            | field::EVENT_SEVERITY
            | field::EVENT_PROVIDER
            | field::EVENT_MODULE
            | field::EVENT_DATASET => Value::Maybe,
            _ => self.of_key(field),
        }
    }

    fn of_key(&self, field: &FieldRef) -> Value<'a> {
        if self.rule.key.contains(field) { Value::Some } else { Value::Missing }
    }
}

/// Whether the predicate holds; `None` when that is not known.
fn truth(predicate: &Predicate, alert: &Alert<'_>, patterns: &mut Patterns) -> Option<bool> {
    match predicate {
        Predicate::Constant(value) => Some(*value),
        Predicate::Atom(atom) => test(atom, &alert.value(&atom.field), patterns),
        Predicate::Not(part) => truth(part, alert, patterns).map(|t| !t),
        Predicate::And(parts) => until(parts, false, alert, patterns),
        Predicate::Or(parts) => until(parts, true, alert, patterns),
    }
}

/// `decisive` when one part is, else its opposite when all are known.
fn until(parts: &[Predicate], decisive: bool, alert: &Alert<'_>, patterns: &mut Patterns) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match truth(part, alert, patterns) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!decisive)
}

fn test(atom: &Atom, value: &Value<'_>, patterns: &mut Patterns) -> Option<bool> {
    match (value, &atom.test) {
        (Value::Missing, _) => Some(false),
        (Value::Some | Value::Texts(_) | Value::Number(_), Test::Exists) => Some(true),
        (Value::Some | Value::Maybe, _) => None,
        (Value::Number(n), Test::Range(low, high)) => Some((*low..=*high).contains(&i128::from(*n))),
        (Value::Number(n), Test::Numbers(numbers)) => Some(numbers.contains(&i128::from(*n))),
        (Value::Texts(texts), Test::OneOf { values, fold: true }) => {
            Some(texts.iter().any(|t| values.contains(&t.to_lowercase())))
        }
        (Value::Texts(texts), Test::OneOf { values, fold: false }) => Some(texts.iter().any(|t| values.contains(*t))),
        (Value::Texts(texts), Test::Like { pattern, fold }) => {
            let like = patterns.like(pattern);
            Some(texts.iter().any(|t| if *fold { like.is_match(&t.to_lowercase()) } else { like.is_match(t) }))
        }
        (Value::Texts(texts), Test::Regex(pattern)) => {
            let regex = patterns.regex(pattern);
            Some(texts.iter().any(|t| regex.is_match(t)))
        }
        // Lists change; other tests do not meet values of these types.
        (Value::Texts(_) | Value::Number(_), _) => None,
    }
}

/// Compiled patterns, each once.
#[derive(Default)]
pub(super) struct Patterns(FxHashMap<String, Regex>);

impl Patterns {
    pub(super) fn regex(&mut self, pattern: &str) -> &Regex {
        self.0
            .entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern).expect("the regular expressions of a plan are checked"))
    }

    /// The regular expression of a `like` pattern.
    pub(super) fn like(&mut self, pattern: &str) -> &Regex {
        let mut regex = String::from("(?s)^");
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '\\' => {
                    chars.next().into_iter().for_each(|c| regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))))
                }
                c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        self.regex(&(regex + "$"))
    }
}
