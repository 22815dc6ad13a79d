//! Properties of the whole dataflow against plain code.

mod joined;
mod late;
mod levels;
mod lists;
mod stages;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Emit, Record, changes, start};
use crate::alert::{Alert, AlertId, Severity};
use crate::event::EventId;
use crate::matching::MatchRow;
use crate::rule::plan::{Atom, FieldRef, Form, Predicate, Program, Rule, Step, Template, Test, Tuple};

/// The field that keys are made of.
pub(super) fn key_field() -> FieldRef {
    FieldRef::Extra("k".into())
}

pub(super) fn rule(name: &str, level: u32, form: Form, predicates: Vec<Predicate>, cooldown: i64) -> Rule {
    let step = |predicate| Step { name: None, predicate, key: vec![key_field()] };
    Rule {
        name: name.into(),
        title: Template::default(),
        description: None,
        severity: Severity::Low,
        attack: vec![],
        tags: vec![],
        runbook: None,
        falsepositives: vec![],
        risk: None,
        steps: predicates.into_iter().map(step).collect(),
        key: vec![key_field()],
        payload: vec![],
        form,
        cooldown,
        exceptions: Default::default(),
        retro: 0,
        level,
        file: "test".into(),
    }
}

pub(super) fn text(field: FieldRef, values: &[&str]) -> Predicate {
    let values = Arc::new(values.iter().map(|v| (*v).to_owned()).collect());
    Predicate::Atom(Atom { field, test: Test::OneOf { values, fold: false } })
}

/// A row of the rule of this name.
pub(super) fn row(program: &Program, rule: &str, steps: u32, time: i64, id: u128, key: &str) -> MatchRow {
    let (group, hits) = program.place(program.position(rule).unwrap(), steps);
    let (key, values) = (Tuple::new([Some(key)]), Tuple::default());
    MatchRow { group, hits, time, id: EventId::from_hash(time, id), key, values }
}

pub(super) type Answer = BTreeMap<Record, isize>;

pub(super) fn sum(answer: &mut Answer, changes: Vec<(Record, isize)>) {
    for (record, diff) in changes {
        *answer.entry(record).or_default() += diff;
    }
    answer.retain(|_, n| *n != 0);
}

/// The alerts of an answer.
pub(super) fn alerts(program: &Program, answer: &Answer) -> BTreeMap<AlertId, Alert> {
    assert!(answer.values().all(|n| *n == 1), "each alert stands once: {answer:?}");
    let all: BTreeMap<_, _> = answer.keys().map(|r| changes::alert(program, r)).map(|a| (a.id, a)).collect();
    assert_eq!(all.len(), answer.len(), "no two alerts have the same id");
    all
}

/// The watermark after each bundle that makes none of the later rows late, less some slack.
pub(super) fn watermarks(bundles: &[&[MatchRow]], slack: i64) -> Vec<i64> {
    let later = |at: usize| bundles[at + 1..].iter().flat_map(|b| b.iter()).map(|r| r.time).min();
    (0..bundles.len()).map(|at| later(at).unwrap_or(10_000) - slack).collect()
}

/// Runs rows in bundles of this size; the watermark follows as closely as no row being late allows, less `slack`.
pub(super) fn run(program: &Arc<Program>, rows: &[MatchRow], bundle: usize, slack: i64, how: (Emit, usize)) -> Answer {
    let (mut input, mut outputs) = start(program.clone(), how.1, how.0).unwrap();
    let bundles: Vec<_> = rows.chunks(bundle).collect();
    let mut answer = Answer::new();
    let mut take = |changes: Vec<(Record, isize)>| {
        assert!(how.0 == Emit::Running || changes.iter().all(|(_, diff)| *diff > 0), "nothing final is taken back");
        sum(&mut answer, changes);
    };
    for (rows, watermark) in bundles.iter().zip(watermarks(&bundles, slack)) {
        input.send(rows.to_vec(), watermark).unwrap();
        take(outputs.receive().unwrap().unwrap().changes);
    }
    if how.0 == Emit::Final {
        input.send(Vec::new(), i64::MAX).unwrap();
    }
    drop(input);
    while let Some(output) = outputs.receive().unwrap() {
        take(output.changes);
    }
    answer
}

/// In an order that the seed decides.
pub(super) fn shuffled(mut rows: Vec<MatchRow>, seed: u64) -> Vec<MatchRow> {
    rows.sort_by_key(|r| (r.id.low() ^ (r.time as u64) << 7 ^ r.hits << 3).wrapping_mul(seed | 1));
    rows
}

pub(super) fn in_order(mut rows: Vec<MatchRow>) -> Vec<MatchRow> {
    rows.sort_by_key(|r| (r.time, r.id));
    rows
}

/// `WEIR_CASES` sets how many random cases are tried.
pub(super) fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("WEIR_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
