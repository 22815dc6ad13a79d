//! The matcher held to its meaning: every test by hand, and random programs against [`super::evaluate`].

mod property;
mod prune;
mod rules;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{MatchRow, Matcher, Scratch, evaluate, evaluate::exists};
use crate::alert::Severity;
use crate::event::batch::{BatchBuilder, EventBatch};
use crate::event::field::{self, FieldId, Type};
use crate::event::id::EventId;
use crate::rule::plan::{Atom, FieldRef, Form, Predicate, Program, Rule, Step, Template, Test, Tuple};

fn column(id: FieldId) -> FieldRef {
    FieldRef::Column(id)
}

fn atom(field: FieldRef, test: Test) -> Predicate {
    Predicate::Atom(Atom { field, test })
}

fn one_of(values: &[&str], fold: bool) -> Test {
    Test::OneOf { values: Arc::new(values.iter().map(|v| (*v).to_owned()).collect()), fold }
}

fn like(pattern: &str, fold: bool) -> Test {
    Test::Like { pattern: pattern.to_owned(), fold }
}

fn equals(id: FieldId, value: &str) -> Predicate {
    atom(column(id), one_of(&[value], true))
}

fn step(predicate: Predicate, key: &[FieldId]) -> Step {
    Step { name: None, predicate, key: key.iter().map(|k| column(*k)).collect() }
}

fn rule(form: Form, steps: Vec<Step>, payload: &[FieldId]) -> Rule {
    Rule {
        name: "r".into(),
        title: Template::default(),
        description: None,
        severity: Severity::Low,
        attack: Vec::new(),
        tags: Vec::new(),
        runbook: None,
        falsepositives: Vec::new(),
        risk: None,
        key: steps[0].key.clone(),
        steps,
        payload: payload.iter().map(|p| column(*p)).collect(),
        form,
        cooldown: 0,
        retro: 0,
        exceptions: Default::default(),
        level: 0,
        file: "t".into(),
    }
}

fn single(predicate: Predicate) -> Rule {
    rule(Form::Single, vec![step(predicate, &[])], &[])
}

/// One row for each closure, with times 0, 1 … and ids to match.
fn events(rows: &[&dyn Fn(&mut BatchBuilder)]) -> EventBatch {
    let mut builder = BatchBuilder::new();
    for (i, fill) in rows.iter().enumerate() {
        stamp(&mut builder, i as i64);
        fill(&mut builder);
        builder.end_row();
    }
    builder.finish()
}

fn stamp(builder: &mut BatchBuilder, time: i64) {
    builder.set_time(field::TIMESTAMP, time);
    builder.set_id(EventId::new(time, b"event", time as u64));
}

/// An event that takes part in one rule.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    rule: u32,
    steps: u32,
    time: i64,
    id: EventId,
    key: Tuple,
    values: Tuple,
}

/// What the matcher finds, by rule and within a rule by row.
fn found(program: &Program, matcher: &Matcher, scratch: &mut Scratch, batch: &EventBatch) -> Vec<Found> {
    let mut rows = Vec::new();
    matcher.matches(batch, scratch, &mut rows);
    let mut found = Vec::new();
    for MatchRow { group, hits, time, id, key, values } in rows {
        for (member, steps) in program.groups()[group as usize].hits(hits) {
            let (key, values) = (key.clone(), if member.values { values.clone() } else { Tuple::default() });
            found.push(Found { rule: member.rule, steps, time, id, key, values });
        }
    }
    found.sort_by_key(|f| f.rule);
    found
}

fn run(program: Vec<Rule>, batch: &EventBatch) -> Vec<Found> {
    let program = Program::new(program, Vec::new());
    let out = found(&program, &Matcher::new(&program), &mut Scratch::default(), batch);
    assert_eq!(out, naive(&program, batch));
    out
}

/// The rows (by time) on which a predicate holds, by the matcher and by the reference evaluator.
#[track_caller]
fn rows(predicate: Predicate, batch: &EventBatch) -> Vec<i64> {
    run(vec![single(predicate)], batch).into_iter().map(|r| r.time).collect()
}

/// What the matcher should give, row by row and value by value.
fn naive(program: &Program, batch: &EventBatch) -> Vec<Found> {
    let mut out = Vec::new();
    for (number, rule) in program.rules.iter().enumerate() {
        for row in 0..batch.len() {
            let mut found: Vec<(Tuple, u32)> = Vec::new();
            for (position, step) in rule.steps.iter().enumerate() {
                let key = if rule.form == Form::Single { &[][..] } else { &step.key };
                let counted =
                    if let Form::Distinct { slot, .. } = rule.form { Some(&rule.payload[slot]) } else { None };
                let there = key.iter().chain(counted).all(|f| exists(f, batch, row));
                if there && evaluate(&step.predicate, batch, row) {
                    let key = shown(key, batch, row);
                    match found.iter_mut().find(|(k, _)| *k == key) {
                        Some((_, steps)) => *steps |= 1 << position,
                        None => found.push((key, 1 << position)),
                    }
                }
            }
            out.extend(found.into_iter().map(|(key, steps)| Found {
                rule: number as u32,
                steps,
                time: batch.times()[row],
                id: batch.id(row),
                key,
                values: shown(&rule.payload, batch, row),
            }));
        }
    }
    out
}

fn shown(fields: &[FieldRef], batch: &EventBatch, row: usize) -> Tuple {
    let values: Vec<Option<String>> = fields.iter().map(|field| batch.shown(field, row)).collect();
    Tuple::new(values.iter().map(Option::as_deref))
}
