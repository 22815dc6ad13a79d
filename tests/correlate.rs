//! The engine against the naive evaluator: every form, in any order, batching, and number of workers.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use weir::alert::Severity;
use weir::correlate::spool::{Overflow, Spool};
use weir::correlate::{Emit, Record, start};
use weir::event::EventId;
use weir::matching::MatchRow;
use weir::rule::plan::{FieldRef, Form, Predicate, Program, Rule, Step, Template, Tuple};

use crate::reference;

fn rule(name: &str, form: Form, steps: usize, cooldown: i64) -> Rule {
    let field = FieldRef::Extra("k".into());
    let step = || Step { name: None, predicate: Predicate::Constant(true), key: vec![field.clone()] };
    Rule {
        name: name.into(),
        title: Template::default(),
        description: None,
        severity: Severity::Low,
        attack: vec![],
        tags: vec![],
        runbook: None,
        risk: None,
        steps: (0..steps).map(|_| step()).collect(),
        key: vec![field.clone()],
        payload: vec![],
        form,
        cooldown,
        retro: 0,
        exceptions: Default::default(),
        level: 0,
        file: "test".into(),
    }
}

fn program() -> Arc<Program> {
    let sequence = |within, counts: &[usize], until| Form::sequence(within, counts.iter().copied(), until);
    Arc::new(Program::new(
        vec![
            rule("a", Form::Threshold { within: 5, count: 3 }, 1, 0),
            rule("b", Form::Threshold { within: 0, count: 1 }, 1, 4),
            rule("c", Form::Distinct { within: 6, count: 3, slot: 0 }, 1, 0),
            rule("d", Form::Distinct { within: 3, count: 2, slot: 0 }, 1, 5),
            rule("e", sequence(8, &[2, 1], None), 2, 0),
            rule("f", sequence(9, &[1, 2, 1], Some(3)), 4, 3),
            rule("g", sequence(7, &[1, 1], Some(2)), 3, 0),
            rule("h", Form::Single, 1, 0),
            rule("i", sequence(4, &[2, 2], None), 2, 2),
            rule("j", Form::Threshold { within: 0, count: 2 }, 1, 0),
        ],
        vec![],
    ))
}

/// Rows with many ties in time, few keys and values.
fn rows(most: usize) -> impl Strategy<Value = Vec<MatchRow>> {
    let one = (0u32..10, 1u32..16, 0i64..40, 0u128..60, 0u8..3, 0u8..4);
    prop::collection::vec(one, 0..most).prop_map(|all| {
        let mut seen = std::collections::BTreeSet::new();
        all.into_iter()
            .filter(|r| seen.insert((r.0, r.4, r.3)))
            .map(|(rule, steps, time, id, key, value)| MatchRow {
                rule,
                steps: if [4, 8].contains(&rule) { steps & 3 | 1 } else { steps },
                time,
                id: EventId::from_bits(id),
                key: Tuple::new([Some(format!("{key}").as_str())]),
                values: Tuple::new([Some(format!("{value}").as_str())]),
            })
            .collect()
    })
}

type Answer = BTreeMap<Record, isize>;

fn sum(answer: &mut Answer, changes: Vec<(Record, isize)>) {
    for (record, diff) in changes {
        let total = answer.entry(record).or_default();
        *total += diff;
    }
    answer.retain(|_, n| *n != 0);
}

/// Runs epochs of the given sizes in this order; the watermark follows as closely as no event being late allows, less `slack`.
fn running(program: &Arc<Program>, rows: &[MatchRow], epoch: usize, slack: i64, workers: usize) -> Answer {
    let (mut input, mut outputs) = start(program.clone(), workers, Emit::Running).unwrap();
    let mut answer = Answer::new();
    for (i, chunk) in rows.chunks(epoch.max(1)).enumerate() {
        let rest = &rows[((i + 1) * epoch.max(1)).min(rows.len())..];
        let watermark = rest.iter().map(|r| r.time).min().unwrap_or(1000) - slack;
        input.send(chunk.to_vec(), watermark).unwrap();
        sum(&mut answer, outputs.receive().unwrap().unwrap().changes);
    }
    drop(input);
    assert!(outputs.receive().unwrap().is_none());
    answer
}

/// Runs the rows as a finite input.
fn finite(program: &Arc<Program>, rows: &[MatchRow], budget: usize, workers: usize) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::new(Overflow::Spill, budget, folder.path());
    rows.chunks(7).for_each(|c| spool.push(c.to_vec()).unwrap());
    let (mut input, mut outputs) = start(program.clone(), workers, Emit::Final).unwrap();
    let mut answer = Answer::new();
    while let Some((rows, watermark)) = spool.next_epoch().unwrap() {
        input.send(rows, watermark).unwrap();
    }
    input.send(Vec::new(), i64::MAX).unwrap();
    drop(input);
    while let Some(output) = outputs.receive().unwrap() {
        sum(&mut answer, output.changes);
    }
    answer
}

fn episodes(answer: &Answer) -> std::collections::BTreeSet<reference::Episode> {
    assert!(answer.values().all(|n| *n == 1), "each alert is said once: {answer:?}");
    answer.keys().map(|r| (r.rule, r.key.0.to_string(), r.first, r.last, r.count)).collect()
}

/// `WEIR_CASES` sets how many random cases are tried.
fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("WEIR_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_order_and_batching_gives_the_reference_answer(
        rows in rows(60), seed in any::<u64>(), epoch in 1usize..20, slack in 0i64..10, shuffled in any::<bool>()
    ) {
        let program = program();
        let expected = reference::episodes(&program, &rows);
        let mut order = rows;
        if shuffled {
            order.sort_by_key(|r| (r.id.low() ^ (r.time as u64) << 7 ^ u64::from(r.rule) << 3).wrapping_mul(seed | 1));
        } else {
            order.sort_by_key(|r| (r.time, r.id));
        }
        let one = running(&program, &order, epoch, slack, 1);
        prop_assert_eq!(episodes(&one), expected);
        let finite = finite(&program, &order, 20, 1);
        prop_assert_eq!(finite, one, "finite and running input give the same records, evidence and values included");
    }
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn any_number_of_workers_gives_the_same(rows in rows(80), epoch in 1usize..30) {
        let program = program();
        let one = running(&program, &rows, epoch, 0, 1);
        for workers in [2, 4] {
            prop_assert_eq!(&running(&program, &rows, epoch, 0, workers), &one);
        }
        prop_assert_eq!(&finite(&program, &rows, usize::MAX, 2), &one);
    }
}
