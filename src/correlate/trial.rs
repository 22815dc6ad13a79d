//! For the tests of the forms: events as text in, episodes as text out, whatever way the events come.

use super::episode::{Episode, Record};
use super::key::Key;
use super::machine::Row;
use crate::alert::Severity;
use crate::event::EventId;
use crate::rule::plan::{Aggregate, Bound, Compare, FieldRef, Form, Having, Predicate, Rule, Step, Template, Tuple};

/// A rule of this form.
pub(super) fn rule(form: Form, cooldown: i64) -> Rule {
    let key = vec![FieldRef::Extra("key".into())];
    let step = || Step { name: None, predicate: Predicate::Constant(true), key: key.clone() };
    let steps = match &form {
        Form::Sequence { stages, until, .. } => stages.len() + usize::from(until.is_some()),
        Form::All { stages, .. } => stages.len(),
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => 1,
    };
    Rule {
        name: "trial".into(),
        title: Template::default(),
        description: None,
        severity: Severity::Low,
        attack: vec![],
        tags: vec![],
        runbook: None,
        falsepositives: vec![],
        risk: None,
        steps: (0..steps).map(|_| step()).collect(),
        key: key.clone(),
        payload: vec![],
        form,
        cooldown,
        exceptions: Default::default(),
        retro: 0,
        level: 0,
        file: "trial".into(),
    }
}

/// One bound.
pub(super) fn bound(aggregate: Aggregate, compare: Compare, value: i128) -> Having {
    Having::Bound(Bound { aggregate, compare, value })
}

/// Events `time[steps][/value,value…]`: steps as letters (`a` when there are none), `-` for a missing value. Events
/// of one instant are in the order they are written in.
pub(super) fn rows(events: &str) -> Vec<Row> {
    let row = |(number, event): (usize, &str)| {
        let (head, values) = event.split_once('/').unwrap_or((event, ""));
        let (time, steps) = head.split_at(head.find(|c: char| c.is_ascii_lowercase()).unwrap_or(head.len()));
        let steps = if steps.is_empty() { 1 } else { steps.bytes().fold(0, |mask, s| mask | 1 << (s - b'a')) };
        let values = Tuple::new(values.split(',').map(|v| (v != "-").then_some(v)));
        let time = time.parse().expect("an event begins with its time");
        Row { time, id: EventId::from_hash(time, number as u128), steps, values }
    };
    events.split_whitespace().enumerate().map(row).collect()
}

/// The records of events that come as they are.
pub(super) fn records(key: &Key) -> Vec<Record> {
    key.episodes().map(|e| e.record(0, &Tuple::default())).collect()
}

/// The episodes of these events as `first-last×count`, which are the same whether they are final at once, or come in order,
/// backwards, or with each one late, or are taken back and come again. All events before `watermark` are there.
pub(super) fn episodes(rule: &Rule, events: &str, watermark: i64) -> String {
    let mut rows = rows(events);
    rows.sort();
    let expected = at_once(rule, &rows, watermark);
    let mut orders = vec![rows.clone(), rows.iter().rev().cloned().collect()];
    for late in 0..rows.len() {
        let mut order = rows.clone();
        let row = order.remove(late);
        order.push(row);
        orders.push(order);
    }
    for order in orders {
        let mut key = Key::new(rule);
        for row in &order {
            key.push(rule, row.clone());
            key.settle(rule, watermark);
        }
        assert_eq!(records(&key), expected, "in this order: {order:?}");
        if let Some(row) = order.first() {
            key.retract(rule, row);
            key.settle(rule, watermark);
            assert_eq!(records(&key), at_once(rule, &without(&rows, row), watermark), "without {row:?}");
            key.push(rule, row.clone());
            key.settle(rule, watermark);
            assert_eq!(records(&key), expected, "with {row:?} again");
        }
    }
    let text = |r: &Record| format!("{}-{}×{}", r.first.time, r.last.time, r.count);
    expected.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn without(rows: &[Row], row: &Row) -> Vec<Row> {
    rows.iter().filter(|r| *r != row).cloned().collect()
}

/// The records of these events, which are in order and final at once; all before `watermark` are there.
pub(super) fn at_once(rule: &Rule, rows: &[Row], watermark: i64) -> Vec<Record> {
    let (mut key, mut ended) = (Key::new(rule), Vec::new());
    rows.iter().for_each(|row| key.push_final(rule, row, &mut ended));
    key.settle(rule, watermark);
    let ended: Vec<Record> = ended.iter().map(|e: &Episode| e.record(0, &Tuple::default())).collect();
    ended.into_iter().chain(records(&key)).collect()
}
