//! Rules that come, change and go while rows flow, against the same rows with the rules as they are at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use weir::alert::Severity;
use weir::correlate::episode::Place;
use weir::correlate::{Emit, Input, Output, Outputs, Record, start};
use weir::event::EventId;
use weir::matching::MatchRow;
use weir::rule::plan::{FieldRef, Form, Predicate, Program, Rule, Step, Template, Tuple};

/// Names of the rules: `a` to `h`.
const RULES: usize = 8;

fn rule(number: usize, variant: u8) -> Rule {
    let (field, more) = (FieldRef::Extra("k".into()), usize::from(variant) - 1);
    let (form, steps, cooldown) = match number {
        0 => (Form::Threshold { within: 5, count: 2 + more }, 1, 0),
        1 => (Form::Threshold { within: 0, count: 1 }, 1, 3 + more as i64),
        2 => (Form::Distinct { within: 6, count: 2 + more, slot: 0 }, 1, 0),
        3 => (Form::Distinct { within: 3, count: 2, slot: 0 }, 1, 4 + more as i64),
        4 => (Form::sequence(8, [1 + more, 1], None), 2, 0),
        5 => (Form::sequence(9, [1, 1 + more, 1], Some(3)), 4, 3),
        6 => (Form::sequence(7 + more as i64, [1, 1], Some(2)), 3, 0),
        _ => (Form::Single, 1, 0),
    };
    let step = || Step { name: None, predicate: Predicate::Constant(true), key: vec![field.clone()] };
    Rule {
        name: char::from(b'a' + number as u8).to_string(),
        title: Template::default(),
        description: None,
        // A variant of a form without numbers.
        severity: if more == 0 { Severity::Low } else { Severity::High },
        attack: vec![],
        tags: vec![],
        runbook: None,
        falsepositives: Vec::new(),
        risk: None,
        steps: (0..steps).map(|_| step()).collect(),
        key: vec![field.clone()],
        payload: form.required_slot().map(|_| FieldRef::Extra("v".into())).into_iter().collect(),
        form,
        cooldown,
        retro: 0,
        level: 0,
        exceptions: weir::rule::plan::Exceptions::default(),
        file: "test".into(),
    }
}

/// For each rule its variant, 0 when it is not there.
type Shape = [u8; RULES];

fn program(shape: &Shape) -> Arc<Program> {
    let rules = shape.iter().enumerate().filter(|(_, v)| **v > 0).map(|(number, v)| rule(number, *v)).collect();
    Arc::new(Program::new(rules, vec![]))
}

/// An event that matters to one rule.
#[derive(Clone, Debug)]
struct Event {
    rule: usize,
    steps: u32,
    time: i64,
    id: u128,
    key: u8,
    value: u8,
}

fn name(rule: usize) -> String {
    char::from(b'a' + rule as u8).to_string()
}

/// The rows of events under a program.
fn rows<'e>(program: &Program, events: impl IntoIterator<Item = &'e Event>) -> Vec<MatchRow> {
    let row = |e: &Event| {
        let (group, hits) = program.place(program.position(&name(e.rule))?, e.steps);
        Some(MatchRow {
            group,
            hits,
            time: e.time,
            id: EventId::from_hash(e.time, e.id),
            key: Tuple::new([Some(format!("{}", e.key).as_str())]),
            values: Tuple::new([Some(format!("{}", e.value).as_str())]),
        })
    };
    events.into_iter().filter_map(row).collect()
}

/// Events with many ties in time, few keys and values, in an order of arrival.
fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let one = (0usize..RULES, 1u32..16, 0i64..40, 0u128..60, 0u8..2, 0u8..4, 0i64..6);
    prop::collection::vec(one, 0..most).prop_map(|all| {
        let mut seen = BTreeSet::new();
        let mut events: Vec<(i64, Event)> = all
            .into_iter()
            .filter(|e| seen.insert((e.0, e.4, e.3)))
            .map(|(rule, steps, time, id, key, value, delay)| {
                let steps = match rule {
                    5 => steps,
                    6 => steps & 7,
                    4 => steps & 3,
                    _ => 1,
                };
                (time + delay, Event { rule, steps: steps.max(1), time, id, key, value })
            })
            .collect();
        events.sort_by_key(|(arrival, e)| (*arrival, e.id));
        events.into_iter().map(|(_, e)| e).collect()
    })
}

/// What stands of a rule, without its number.
type Said = BTreeMap<(String, Place, Place, Record), isize>;

fn sum(said: &mut Said, program: &Program, changes: Vec<(Record, isize)>) {
    for (mut record, diff) in changes {
        let name = program.rules[record.rule as usize].name.clone();
        record.rule = 0;
        *said.entry((name, record.first, record.last, record)).or_default() += diff;
    }
    said.retain(|_, n| *n != 0);
}

/// Live epochs with what holds after them: the watermark follows as closely as no event being late allows.
fn epochs(events: &[Event], size: usize) -> Vec<(&[Event], i64)> {
    let watermark = |rest: &[Event]| rest.iter().map(|e| e.time).min().unwrap_or(1000);
    let ends = (1..).map(|n| n * size).take_while(|end| *end < events.len() + size);
    ends.map(|end| (&events[end - size..end.min(events.len())], watermark(&events[end.min(events.len())..]))).collect()
}

fn receive(outputs: &mut Outputs) -> Output {
    outputs.receive().unwrap().unwrap()
}

/// The rules of a shape from the start; what each epoch said.
fn from_the_start(shape: &Shape, events: &[Event], size: usize) -> Vec<Said> {
    let program = program(shape);
    let (mut input, mut outputs) = start(program.clone(), 1, Emit::Running).unwrap();
    let mut all = Vec::new();
    for (events, watermark) in epochs(events, size) {
        input.send(rows(&program, events), watermark).unwrap();
        let mut said = Said::new();
        sum(&mut said, &program, receive(&mut outputs).changes);
        all.push(said);
    }
    // The workers are waited for, and they wait for this.
    drop(input);
    all
}

/// How the past comes.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Rows of a chunk.
    chunk: usize,
    /// Chunks after a live epoch.
    chunks: usize,
    /// Only what can matter to what is not over.
    retained: bool,
}

struct Run {
    input: Input,
    outputs: Outputs,
    /// Chunks that have not been sent, each with how far they reach.
    past: Option<std::collections::VecDeque<(Vec<MatchRow>, i64)>>,
    /// What was said of each rule since it joined.
    said: Said,
    /// From when on what a rule says is exact.
    exact: BTreeMap<String, i64>,
    filling: bool,
}

impl Run {
    fn take(&mut self) -> Said {
        let output = receive(&mut self.outputs);
        self.filling = output.filling;
        let mut said = Said::new();
        sum(&mut said, output.roster.program(), output.changes.clone());
        sum(&mut self.said, output.roster.program(), output.changes);
        said
    }

    /// Changes the program; the past of what joined is made ready.
    fn change(&mut self, from: &Shape, to: &Shape, before: &[Event], watermark: i64, pace: Pace) {
        let (old, new) = (program(from), program(to));
        let same = |position: u32| {
            let was = old.position(&new.rules[position as usize].name)?;
            new.same(position, &old, was).then_some(was)
        };
        let roster = self.input.change(new.clone(), same).unwrap();
        let joined: Vec<&Rule> = roster.filling().map(|at| &new.rules[at as usize]).collect();
        // What a past that had come says now is still of those that stay.
        self.take();
        self.said.retain(|(name, ..), _| joined.iter().all(|r| r.name != *name));
        let mut past = Vec::new();
        for rule in &joined {
            let state = rule.form.within() + rule.cooldown;
            let exact = if pace.retained { watermark.saturating_sub(state) } else { i64::MIN };
            self.exact.insert(rule.name.clone(), exact);
            let kept = |e: &&Event| name(e.rule) == rule.name && e.time >= exact.saturating_sub(state);
            past.extend(rows(&new, before.iter().filter(kept)));
        }
        past.sort_by_key(|r| (r.time, r.id));
        let ends = (0..past.len()).step_by(pace.chunk).map(|at| (at + pace.chunk).min(past.len()));
        let reach = |end: usize| past.get(end).map_or(i64::MAX, |r: &MatchRow| r.time);
        let chunks = ends.map(|end| (past[end.saturating_sub(1) / pace.chunk * pace.chunk..end].to_vec(), reach(end)));
        self.past = (!joined.is_empty()).then(|| chunks.collect());
    }

    /// Sends more of the past.
    fn fill(&mut self, chunks: usize) {
        for _ in 0..chunks {
            let Some(past) = &mut self.past else { return };
            match past.pop_front() {
                Some((rows, reached)) => self.input.fill(rows, reached).unwrap(),
                None => {
                    self.past = None;
                    self.input.filled().unwrap()
                }
            };
            self.take();
        }
    }
}

fn check(
    shapes: &[(usize, Shape)],
    events: &[Event],
    size: usize,
    pace: Pace,
    workers: usize,
) -> Result<(), TestCaseError> {
    let (mut shape, mut changes) = (shapes[0].1, shapes[1..].iter().peekable());
    let stays = |rule: usize| shapes.iter().all(|(_, s)| s[rule] == shape[rule]);
    let undisturbed: BTreeSet<String> = (0..RULES).filter(|r| stays(*r)).map(name).collect();
    let alone = from_the_start(&shape, events, size);
    let (input, outputs) = start(program(&shape), workers, Emit::Running).unwrap();
    let mut run = Run { input, outputs, past: None, said: Said::new(), exact: BTreeMap::new(), filling: false };
    let (mut sent, mut watermark) = (0, i64::MIN);
    for (number, (epoch, mark)) in epochs(events, size).into_iter().enumerate() {
        while let Some((_, next)) = changes.next_if(|(at, _)| *at <= number) {
            run.change(&shape, next, &events[..sent], watermark, pace);
            shape = *next;
        }
        run.input.send(rows(&program(&shape), epoch), mark).unwrap();
        (sent, watermark) = (sent + epoch.len(), mark);
        let only = |said: &Said| -> Said {
            said.iter().filter(|((n, ..), _)| undisturbed.contains(n)).map(|(r, n)| (r.clone(), *n)).collect()
        };
        prop_assert_eq!(only(&run.take()), only(&alone[number]), "the others go on as if nothing happened");
        run.fill(pace.chunks);
    }
    run.fill(usize::MAX);
    for _ in 0..10 {
        run.input.send(Vec::new(), watermark).unwrap();
        run.take();
    }
    prop_assert!(!run.filling, "it comes to an end");
    let mut expected = Said::new();
    for said in from_the_start(&shape, events, size) {
        said.into_iter().for_each(|(record, n)| *expected.entry(record).or_default() += n);
    }
    let present: BTreeSet<String> = (0..RULES).filter(|r| shape[*r] > 0).map(name).collect();
    let exact = |(name, first, ..): &(String, Place, Place, Record)| {
        present.contains(name) && run.exact.get(name).is_none_or(|from| first.time >= *from)
    };
    expected.retain(|r, n| *n != 0 && exact(r));
    run.said.retain(|r, _| exact(r));
    prop_assert_eq!(run.said, expected);
    Ok(())
}

/// Rules at the start, and up to three times another set of them, after so many epochs.
fn shapes() -> impl Strategy<Value = Vec<(usize, Shape)>> {
    let shape = || prop::array::uniform8(0u8..3);
    // A rule stays as it is more often than not.
    let change = (0usize..12, shape(), prop::array::uniform8(prop::bool::weighted(0.3)));
    (shape(), prop::collection::vec(change, 0..4)).prop_map(|(first, mut changes)| {
        changes.sort_by_key(|(at, ..)| *at);
        let mut shapes = vec![(0, first)];
        for (at, next, edited) in changes {
            let before = shapes[shapes.len() - 1].1;
            shapes.push((at, std::array::from_fn(|r| if edited[r] { next[r] } else { before[r] })));
        }
        shapes
    })
}

fn pace() -> impl Strategy<Value = Pace> {
    (1usize..9, 0usize..4, any::<bool>()).prop_map(|(chunk, chunks, retained)| Pace { chunk, chunks, retained })
}

/// `WEIR_CASES` sets how many random cases are tried.
fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("WEIR_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_rule_that_joins_ends_as_if_it_had_always_been_there(
        shapes in shapes(), events in events(80), size in 1usize..12, pace in pace()
    ) {
        check(&shapes, &events, size, pace, 1)?;
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn on_any_number_of_workers(shapes in shapes(), events in events(80), size in 1usize..12, pace in pace()) {
        check(&shapes, &events, size, pace, 2)?;
        check(&shapes, &events, size, pace, 3)?;
    }
}

#[test]
fn a_rule_that_goes_takes_its_state_along_and_says_nothing() {
    let shape: Shape = [1, 0, 0, 0, 0, 0, 0, 0];
    let (input, outputs) = start(program(&shape), 1, Emit::Running).unwrap();
    let mut run = Run { input, outputs, past: None, said: Said::new(), exact: BTreeMap::new(), filling: false };
    let event = |key: u8, id: u128| Event { rule: 0, steps: 1, time: 10, id, key, value: 0 };
    let events: Vec<Event> = (0..200).map(|n| event((n / 2) as u8, n)).collect();
    run.input.send(rows(&program(&shape), &events), 0).unwrap();
    assert_eq!(receive(&mut run.outputs).keys, 100);
    run.input.change(program(&[0; RULES]), |_| None).unwrap();
    let output = receive(&mut run.outputs);
    assert!(output.changes.is_empty(), "what it said stands");
    assert_eq!((output.keys, output.filling), (0, false));
}
