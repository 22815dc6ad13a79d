//! Rules over alerts: the answer of every level is the reference's, while alerts below come, move and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use weir::alert::AlertId;
use weir::correlate::Emit;
use weir::event::field;
use weir::rule::plan::{Atom, FieldRef, Form, Predicate, Program, Rule, Test, Tuple};

use super::case::{Case, arrivals, scaled, shapes};
use super::generate::any_form;
use super::run::{self, Running};
use super::{same, try_cases};
use crate::reference::levels::all_levels;
use crate::reference::{Episode, Row, plans};

/// Cases of two to five rules, the later ones over alerts of some of the others.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    let seen = vec(any::<u8>(), 1..8);
    (shapes(any_form(), 2..6), vec(1u32..3, 3), seen, arrivals(40)).prop_map(|(shapes, levels, seen, arrivals)| {
        let mut rules = plans::program(scaled(shapes, arrivals.unit)).rules;
        let names: Vec<String> = rules.iter().map(|r| r.name.clone()).collect();
        let first = rules.len().div_ceil(2);
        let mut seen = seen.iter().cycle();
        for (number, rule) in rules.iter_mut().enumerate() {
            rule.risk = (number % 3 > 0).then_some(number as i64);
            if number >= first {
                rule.level = levels[number - first];
                over_alerts(rule, |of| seen.next().expect("it never ends") >> (of % 8) & 1 == 1, &names);
            }
        }
        Case::new(Program::new(rules, vec![]), &arrivals)
    })
}

/// Has each step look at the alerts of some rules.
fn over_alerts(rule: &mut Rule, mut sees: impl FnMut(usize) -> bool, names: &[String]) {
    let payload = [FieldRef::Column(field::RULE_NAME), FieldRef::Column(field::RISK_SCORE)];
    rule.payload.splice(..2, payload);
    for step in &mut rule.steps {
        let values = names.iter().enumerate().filter(|(i, _)| sees(*i)).map(|(_, name)| name.clone()).collect();
        let test = Test::OneOf { values: Arc::new(values), fold: true };
        step.predicate = Predicate::Atom(Atom { field: FieldRef::Column(field::RULE_NAME), test });
    }
}

/// The row that an alert makes: an event at the time of its first event, with an id made of its own.
fn alert_row(program: &Program, episode: &Episode, number: u32) -> Option<Row> {
    let (below, rule) = (&program.rules[episode.rule as usize], &program.rules[number as usize]);
    let sees = |predicate: &Predicate| match predicate {
        Predicate::Atom(Atom { test: Test::OneOf { values, .. }, .. }) => values.contains(&below.name),
        other => unreachable!("{other:?}"),
    };
    let steps = (0..rule.steps.len()).filter(|i| sees(&rule.steps[*i].predicate)).map(|i| 1 << i).sum();
    let key = match rule.form {
        Form::Single => Tuple::default(),
        _ => Tuple::new([Some(episode.key.get(0).filter(|_| !below.key.is_empty())?.as_str())]),
    };
    let (time, first) = episode.first;
    let id = AlertId::new(&below.name, &episode.key.0, first).event_id(time);
    let risk = below.risk.map(|risk| risk.to_string());
    let values = Tuple::new([Some(below.name.as_str()), risk.as_deref(), None]);
    (steps != 0).then_some(Row { rule: number, steps, time, id, key, values })
}

/// The answer of all levels at a watermark.
pub(super) fn answer(program: &Program, rows: &[Row], watermark: i64) -> BTreeSet<Episode> {
    let of_level = |level: u32| watermark - program.lag(level);
    all_levels(program, rows, &of_level, &|episode, rule| alert_row(program, episode, rule))
}

/// Live after every epoch, then finite.
fn all_levels_give_the_answer(case: &Case) -> Result<(), TestCaseError> {
    let program = &case.program;
    let answer = |rows: &[Row], watermark: i64| answer(program, rows, watermark);
    let mut live = Running::start(program, 1, Emit::Running);
    let mut rows = Vec::new();
    for (i, (new, watermark)) in case.epochs.iter().enumerate() {
        rows.extend_from_slice(new);
        live.epoch(new, *watermark);
        same(&format!("live, after epoch {i}"), &live.answer, &answer(&rows, *watermark))?;
    }
    live.finish();
    let Some(last) = rows.iter().map(|r| r.time).max() else { return Ok(()) };
    let bundles: Vec<_> = case.epochs.iter().map(|(rows, _)| rows.clone()).collect();
    for workers in [1, if case.choice.is_multiple_of(10) { 2 } else { 1 }] {
        same("finite", &run::finite(program, &bundles, 5, workers), &answer(&rows, last + 1))?;
    }
    same("finite, in several epochs", &run::epochs(program, &case.in_order(), 1, Emit::Final), &answer(&rows, last + 1))
}

#[test]
fn rules_over_alerts() {
    try_cases(1000, cases(), all_levels_give_the_answer);
}
