//! Rules over alerts, and rules whose lists change.

use std::collections::{BTreeMap, BTreeSet};

use weir::event::EventId;
use weir::rule::plan::{Atom, FieldRef, Form, Predicate, Program, Test, Tuple};

use super::super::levels::all_levels;
use super::super::lists::{self, Event};
use super::super::plans::{program, rule};
use super::super::{Episode, Row, episodes};
use super::{rows, text};

/// An alert of any rule below is an event at its end.
fn ended(episode: &Episode, rule: u32) -> Option<Row> {
    let ((time, id), key) = (episode.last, episode.key.clone());
    let id = EventId::from_bits(id.bits() * 10 + u128::from(episode.rule));
    Some(Row { rule, steps: 1, time, id, key, values: Tuple::default() })
}

#[test]
fn alerts_are_the_rows_of_the_rules_above() {
    let bursts = (Form::Threshold { within: 0, count: 2 }, 0);
    let mut program = program([bursts, (Form::Threshold { within: 9, count: 2 }, 0), (Form::Single, 0)]);
    program.rules[1].level = 1;
    program.rules[2].level = 2;
    let of = |rule: u32, events: &str| {
        let all = all_levels(&program, &rows(events), &|_| i64::MAX, &ended);
        text(all.into_iter().filter(|e| e.rule == rule))
    };
    assert_eq!(of(0, "1 1 3 10 10"), "1..1=2 10..10=2");
    assert_eq!(of(1, "1 1 3 10 10"), "1..10=2");
    assert_eq!(of(1, "1 1 3 11 11"), "");
    assert_eq!(of(1, "1 1 3 10"), "");
    // The highest sees the alerts of both below it.
    assert_eq!(of(2, "1 1 10 10"), "1..1=1 10..10=1 10..10=1");
    assert_eq!(of(2, "1 1"), "1..1=1");
}

fn listed(form: Form) -> Program {
    let mut rule = rule("listed", form, 0);
    for step in &mut rule.steps {
        step.predicate = Predicate::Atom(Atom { field: FieldRef::Extra("word".into()), test: Test::Listed(0) });
    }
    Program::new(vec![rule], vec![])
}

fn event(time: i64, word: &str) -> Event {
    let fields = [("fields.key", "k"), ("fields.word", word)];
    let fields: BTreeMap<String, String> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Event { time, id: EventId::from_bits(time as u128), fields }
}

#[test]
fn rows_follow_the_lists_as_they_are_now() {
    let program = listed(Form::Threshold { within: 5, count: 2 });
    let events = [event(1, "One"), event(3, "two"), event(5, "10.1.2.3")];
    let now = |list: &[&str]| {
        let list: BTreeSet<String> = list.iter().map(|v| (*v).to_owned()).collect();
        lists::rows(&program, &events, &[list])
    };
    let found = |list: &[&str]| text(episodes(&program, &now(list), i64::MAX));
    assert_eq!(found(&[]), "");
    assert_eq!(found(&["one"]), "");
    assert_eq!(found(&["one", "TWO"]), "1..3=2");
    assert_eq!(found(&["one", "10.0.0.0/8"]), "1..5=2");
    assert_eq!(found(&["one", "two", "three", "10.1.2.3"]), "1..5=3");
    let (added, gone) = lists::difference(&now(&["one", "two"]), &now(&["two", "10.0.0.0/8"]));
    assert_eq!((added.len(), gone.len()), (1, 1));
    assert_eq!((added[0].time, gone[0].time), (5, 1));
}
