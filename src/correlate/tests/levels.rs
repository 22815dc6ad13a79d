//! Rules over alerts, against one level after the other, each over all alerts of those below.

use super::*;
use crate::event::{BatchBuilder, field};
use crate::matching::{Matcher, Scratch};
use crate::rule::plan::Piece;

fn over(names: &[&str]) -> Predicate {
    text(FieldRef::Column(field::RULE_NAME), names)
}

fn rules() -> Vec<Rule> {
    let threshold = |within, count| Form::Threshold { within, count };
    let any = || Predicate::Constant(true);
    let named = |mut rule: Rule| {
        rule.title.pieces = vec![Piece::Text(format!("{} of ", rule.name)), Piece::Key(0)];
        rule
    };
    let told = |mut rule: Rule| {
        rule.payload = vec![FieldRef::Column(field::MESSAGE)];
        rule.title.pieces = vec![Piece::Value { step: None, slot: 0 }];
        rule
    };
    vec![
        named(rule("a", 0, threshold(5, 2), vec![any()], 0)),
        rule("b", 0, Form::Single, vec![any()], 0),
        named(rule("c", 0, Form::sequence(6, [1, 1], Some(2)), vec![any(), any(), any()], 3)),
        rule("d", 1, threshold(10, 2), vec![over(&["a", "b", "c"])], 2),
        told(rule("e", 1, Form::Single, vec![over(&["a", "c"])], 0)),
        rule("f", 1, Form::sequence(12, [1, 1], Some(2)), vec![over(&["a"]), over(&["b"]), over(&["c"])], 0),
        rule("g", 2, threshold(20, 2), vec![over(&["b", "d", "f"])], 0),
        rule("h", 2, Form::Single, vec![over(&["d"])], 0),
    ]
}

/// A row for a rule over events; their single-event alerts have no key.
fn rows(most: usize) -> impl Strategy<Value = Vec<MatchRow>> {
    let one = (0usize..3, 1u32..8, 0i64..60, 0u128..80, 0u8..2);
    prop::collection::vec(one, 0..most).prop_map(|all| {
        let program = Program::new(rules(), vec![]);
        let mut seen = std::collections::BTreeSet::new();
        all.into_iter()
            .filter(|r| seen.insert((r.0, r.4, r.3)))
            .map(|(rule, steps, time, id, key)| {
                let (rule, steps) = [("a", 1), ("b", 1), ("c", steps)][rule];
                row(&program, rule, steps, time, id, &key.to_string())
            })
            .collect()
    })
}

/// The alerts as a batch, written out by hand.
fn batch(alerts: &BTreeMap<AlertId, Alert>) -> crate::event::EventBatch {
    let mut builder = BatchBuilder::new();
    for alert in alerts.values() {
        builder.set_time(field::TIMESTAMP, alert.first);
        builder.set_id(alert.id.event_id(alert.first));
        builder.set_text(field::RULE_NAME, &alert.rule);
        builder.set_text(field::MESSAGE, &alert.title);
        if let Some(key) = alert.key.get("fields.k") {
            builder.set_extra("k", key.as_str().unwrap());
        }
        builder.end_row();
    }
    builder.finish()
}

/// Level by level, each as a program of its own over everything that came before.
fn expected(events: &[MatchRow]) -> BTreeMap<AlertId, Alert> {
    let whole = Program::new(rules(), vec![]);
    let mut all = BTreeMap::new();
    for level in 0..3 {
        let of_level = rules().into_iter().filter(|r| r.level == level).map(|r| Rule { level: 0, ..r }).collect();
        let program = Arc::new(Program::new(of_level, vec![]));
        let mut rows = Vec::new();
        if level == 0 {
            for event in events {
                let (member, steps) = whole.groups()[event.group as usize].hits(event.hits).next().unwrap();
                let (group, hits) = program.place(member.rule, steps);
                rows.push(MatchRow { group, hits, ..event.clone() });
            }
        } else {
            Matcher::new(&program).matches(&batch(&all), &mut Scratch::default(), &mut rows);
        }
        let answer = run(&program, &in_order(rows), usize::MAX, 0, (Emit::Running, 1));
        all.extend(alerts(&program, &answer));
    }
    all
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn alerts_over_alerts_are_the_same_in_any_order(
        rows in rows(50), seed in any::<u64>(), bundle in 1usize..15, slack in 0i64..10
    ) {
        let program = Arc::new(Program::new(rules(), vec![]));
        let expected = expected(&rows);
        let running = run(&program, &shuffled(rows.clone(), seed), bundle, slack, (Emit::Running, 1));
        prop_assert_eq!(alerts(&program, &running), expected);
        let ordered = run(&program, &in_order(rows.clone()), bundle, slack, (Emit::Running, 1));
        prop_assert_eq!(&ordered, &running);
        let finite = run(&program, &in_order(rows), bundle, 0, (Emit::Final, 1));
        prop_assert_eq!(&finite, &running);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn alerts_over_alerts_are_the_same_on_more_workers(rows in rows(50), seed in any::<u64>(), bundle in 1usize..15) {
        let program = Arc::new(Program::new(rules(), vec![]));
        let one = run(&program, &shuffled(rows.clone(), seed), bundle, 0, (Emit::Running, 1));
        prop_assert_eq!(&run(&program, &shuffled(rows.clone(), seed), bundle, 0, (Emit::Running, 3)), &one);
        prop_assert_eq!(&run(&program, &in_order(rows), bundle, 0, (Emit::Final, 2)), &one);
    }
}

#[test]
fn an_alert_that_grows_is_one_row_and_a_higher_alert_names_it() {
    let program = Arc::new(Program::new(rules(), vec![]));
    let event = |time: i64| row(&program, "a", 1, time, time as u128, "x");
    let rows: Vec<_> = (0..50).map(event).collect();
    let answer = run(&program, &rows, 1, 0, (Emit::Running, 1));
    let alerts = alerts(&program, &answer);
    let [low, high] = ["a", "e"].map(|name| alerts.values().find(|a| a.rule == name).unwrap());
    assert_eq!((alerts.len(), low.count), (2, 50), "{alerts:?}");
    assert_eq!(high.evidence, [low.id.event_id(low.first)]);
    assert_eq!((high.first, high.title.as_str()), (0, "a of x"));
}

/// An event that comes between those of a first match makes another first match with other values: the alert goes and comes
/// again in an epoch whose watermark passes it. To rules over alerts it is one alert all the same, in quiet epochs too.
#[test]
fn an_alert_with_other_values_is_not_there_twice() {
    let threshold = |within, count| Form::Threshold { within, count };
    let mut low = rule("a", 0, threshold(9, 2), vec![Predicate::Constant(true)], 0);
    low.payload = vec![FieldRef::Extra("v".into())];
    low.title.pieces = vec![Piece::Value { step: None, slot: 0 }];
    let high = rule("twice", 1, threshold(0, 2), vec![over(&["a"])], 0);
    let program = Arc::new(Program::new(vec![low, high], vec![]));
    let event = |id, value| {
        let mut row = row(&program, "a", 1, 0, id, "x");
        row.values = Tuple::new([Some(value)]);
        row
    };
    for emit in [Emit::Running, Emit::Final] {
        for quiet in [false, true] {
            let (mut input, mut outputs) = start(program.clone(), 1, emit).unwrap();
            input.quiet(quiet);
            input.send(vec![event(2, "p"), event(6, "q")], 0).unwrap();
            input.send(vec![event(5, "r")], 18).unwrap();
            input.quiet(false);
            input.send(Vec::new(), i64::MAX).unwrap();
            drop(input);
            let mut answer = Answer::new();
            while let Some(output) = outputs.receive().unwrap() {
                sum(&mut answer, output.changes);
            }
            let rules: Vec<u32> = answer.keys().map(|record| record.rule).collect();
            assert_eq!(rules, [0], "{emit:?} quiet {quiet}: {answer:?}");
        }
    }
}
