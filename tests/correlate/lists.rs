//! Rules whose lists change: entries come and go while events flow, and the answer is the reference's for the lists as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use weir::correlate::{Emit, ListChange};
use weir::event::{BatchBuilder, field};
use weir::matching::{Matcher, Scratch};
use weir::rule::plan::{Atom, FieldRef, List, Predicate, Program, Rule, Test};

use super::case::{arrivals, scaled, shapes};
use super::generate::any_form;
use super::run::Running;
use super::{same, try_cases};
use crate::reference::lists::{self, Event};
use crate::reference::{episodes, plans};

/// What may stand in the list of words and in that of keys.
const VALUES: [&[&str]; 2] = [&["a", "B", "c", "10.0.0.0/30", "10.0.0.9"], &["0", "1", "2"]];

struct Case {
    program: Arc<Program>,
    /// Changes of lists, then events, then a watermark.
    epochs: Vec<(Vec<ListChange>, Vec<Event>, i64)>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rule) in self.program.rules.iter().enumerate() {
            writeln!(f, "rule {i}: {:?} cooldown {} retro {}", rule.form, rule.cooldown, rule.retro)?;
            rule.steps.iter().try_for_each(|step| writeln!(f, "    step {:?}", step.predicate))?;
        }
        for (i, (changes, events, watermark)) in self.epochs.iter().enumerate() {
            writeln!(f, "epoch {i}, then watermark {watermark}")?;
            for ListChange { list, value, present } in changes {
                writeln!(f, "    list {list} {} {value}", if *present { "gets" } else { "loses" })?;
            }
            events.iter().try_for_each(|e| writeln!(f, "    at {} #{} {:?}", e.time, e.id.bits(), e.fields))?;
        }
        Ok(())
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let change = (0usize..2, any::<usize>(), any::<bool>()).prop_map(|(list, value, present)| ListChange {
        list: list as u32,
        value: VALUES[list][value % VALUES[list].len()].to_owned(),
        present,
    });
    let predicates = vec(predicate(), 1..6);
    let changes = vec(vec(change, 0..3), 1..5);
    (shapes(any_form(), 1..4), predicates, arrivals(40), changes).prop_map(|(shapes, predicates, arrivals, changes)| {
        let mut predicates = predicates.iter().cycle();
        let mut rules: Vec<Rule> = plans::program(scaled(shapes, arrivals.unit)).rules;
        for rule in &mut rules {
            // Reaches back over everything, so that no event is too old for a change.
            rule.retro = 1000 * arrivals.unit;
            for step in &mut rule.steps {
                step.predicate = predicates.next().expect("it never ends").clone();
            }
        }
        let program = Arc::new(Program::new(rules, vec![List::default(), List::default()]));
        let changes = changes.into_iter().cycle();
        let events = |all: &[super::case::Event]| all.iter().map(event).collect();
        let epochs = arrivals.epochs.iter().zip(changes).map(|((all, watermark), c)| (c, events(all), *watermark));
        Case { program, epochs: epochs.collect() }
    })
}

/// A condition in which lists may occur, also denied, or not at all.
fn predicate() -> impl Strategy<Value = Predicate> {
    let word = || FieldRef::Extra("word".into());
    let listed = prop_oneof![
        Just(Predicate::Atom(Atom { field: word(), test: Test::Listed(0) })),
        Just(Predicate::Atom(Atom { field: FieldRef::Extra("key".into()), test: Test::Listed(1) })),
    ];
    let known = prop::sample::subsequence(vec!["a", "b", "c", "10.0.0.1"], 1..3).prop_map(move |values| {
        let values = Arc::new(values.into_iter().map(str::to_owned).collect());
        Predicate::Atom(Atom { field: word(), test: Test::OneOf { values, fold: true } })
    });
    prop_oneof![3 => listed, 1 => known, 1 => any::<bool>().prop_map(Predicate::Constant)].prop_recursive(
        2,
        6,
        3,
        |p| {
            prop_oneof![
                p.clone().prop_map(|p| Predicate::Not(Box::new(p))),
                vec(p.clone(), 1..4).prop_map(Predicate::And),
                vec(p, 1..4).prop_map(Predicate::Or),
            ]
        },
    )
}

/// An event with its fields; some words are addresses.
fn event(event: &super::case::Event) -> Event {
    let name = |name: &str| format!("fields.{name}");
    let mut fields = BTreeMap::from([(name("key"), event.key())]);
    for (of, value) in plans::PAYLOAD.iter().zip(event.values()) {
        if let Some(value) = value {
            fields.insert(name(of), value);
        }
    }
    let address = event.id().low() % 7;
    if address < 2 {
        fields.insert(name("word"), ["10.0.0.1", "10.0.0.9"][address as usize].to_owned());
    }
    Event { time: event.time, id: event.id(), fields }
}

/// After every epoch the answer is that for the events up to then with the lists as they are.
fn the_answer_follows_the_lists(case: &Case) -> Result<(), TestCaseError> {
    let program = &case.program;
    let (matcher, mut scratch, mut builder) = (Matcher::live(program), Scratch::default(), BatchBuilder::new());
    let [mut live, mut other] = [(); 2].map(|()| Running::start(program, 1, Emit::Running));
    let mut now: [BTreeSet<String>; 2] = Default::default();
    let mut events = Vec::new();
    for (i, (changes, new, watermark)) in case.epochs.iter().enumerate() {
        for ListChange { list, value, present } in changes {
            let list = &mut now[*list as usize];
            let _ = if *present { list.insert(value.clone()) } else { list.remove(value) };
        }
        for event in new {
            builder.set_time(field::TIMESTAMP, event.time);
            builder.set_id(event.id);
            for (name, value) in &event.fields {
                builder.set_extra(name.trim_start_matches("fields."), value);
            }
            builder.end_row();
        }
        let mut rows = Vec::new();
        matcher.matches(&builder.finish(), &mut scratch, &mut rows);
        live.matched(rows.clone(), changes, *watermark);
        let quiet = i % 3 < 2;
        other.quiet(quiet);
        other.matched(rows, changes, *watermark);
        proptest::prop_assert!(quiet || other.answer == live.answer, "said after quiet epochs");
        events.extend_from_slice(new);
        let expected = episodes(program, &lists::rows(program, &events, &now), *watermark);
        same(&format!("after epoch {i}, with the lists {now:?}"), &live.answer, &expected)?;
    }
    live.finish();
    Ok(())
}

#[test]
fn entries_come_and_go() {
    try_cases(1000, cases(), the_answer_follows_the_lists);
}
