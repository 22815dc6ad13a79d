//! A rule joins while events flow: how long live epochs take while it is filled from 1 M retained rows.
//!
//! `cargo bench --bench roster [ROWS]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir::alert::Severity;
use weir::correlate::{Emit, Outputs, start};
use weir::event::EventId;
use weir::matching::MatchRow;
use weir::rule::plan::{FieldRef, Form, Predicate, Program, Rule, Step, Template, Tuple};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "cpu.rs"]
mod cpu;

/// Events a second, live and in the past.
const RATE: i64 = 50_000;
/// Rows of a live epoch: those of 50 ms.
const EPOCH: i64 = RATE / 20;
/// Rows of a chunk, as the engine makes them.
const CHUNK: i64 = 16 * 1024;
const START: i64 = 1_768_473_045_000_000;

fn rule(name: &str, form: Form, steps: usize) -> Rule {
    let key = vec![FieldRef::Extra("source".into())];
    let step = || Step { name: None, predicate: Predicate::Constant(true), key: key.clone() };
    Rule {
        name: name.into(),
        title: Template::default(),
        description: None,
        severity: Severity::Low,
        attack: vec![],
        tags: vec![],
        runbook: None,
        falsepositives: Vec::new(),
        risk: None,
        steps: (0..steps).map(|_| step()).collect(),
        key: key.clone(),
        payload: form.required_slot().map(|_| FieldRef::Extra("v".into())).into_iter().collect(),
        form,
        cooldown: 0,
        retro: 0,
        exceptions: Default::default(),
        level: 0,
        file: "bench".into(),
    }
}

/// One row an event for these rules of 50,000 sources, the first of them hot.
fn rows(program: &Program, numbers: std::ops::Range<i64>, rules: &[&str]) -> Vec<MatchRow> {
    let row = |n: i64| {
        let random = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 17;
        let source = if random.is_multiple_of(20) { 0 } else { random % 50_000 };
        let (mut group, mut hits) = (0, 0);
        for rule in rules {
            let (g, h) = program.place(program.position(rule).expect("it is there"), 1);
            (group, hits) = (g, hits | h);
        }
        MatchRow {
            group,
            hits,
            time: START + n * (1_000_000 / RATE),
            id: EventId::from_hash(START + n, u128::from(random)),
            key: Tuple(compact_str::format_compact!("10.{}.{}.7", source / 250, source % 250)),
            values: Tuple(compact_str::format_compact!("user{}", random % 977)),
        }
    };
    numbers.map(row).collect()
}

fn drain(outputs: &mut Outputs, until: u64) -> bool {
    loop {
        let output = outputs.receive().expect("the workers run").expect("it goes on");
        if output.epoch == until {
            return output.filling;
        }
    }
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{what}: {} live epochs, p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms", times.len(), at(50), at(99), at(100));
}

fn main() {
    let past = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(1_000_000i64);
    let minute = 60_000_000;
    let ran = || {
        vec![
            rule("a", Form::Threshold { within: 5 * minute, count: 50 }, 1),
            rule("d", Form::Distinct { within: 10 * minute, count: 40, slot: 0 }, 1),
        ]
    };
    for (name, joins) in [
        ("threshold", rule("b", Form::Threshold { within: 5 * minute, count: 20 }, 1)),
        ("distinct", rule("b", Form::Distinct { within: 10 * minute, count: 20, slot: 0 }, 1)),
    ] {
        let old = Arc::new(Program::new(ran(), vec![]));
        let mut all = ran();
        all.insert(1, joins);
        let new = Arc::new(Program::new(all, vec![]));
        let (mut input, mut outputs) = start(old.clone(), 1, Emit::Running).expect("timely starts");
        let mut at = 0;
        let watermark = |at: i64| START + at * (1_000_000 / RATE) - 10 * minute;
        let mut before = Vec::new();
        while at < past {
            let rows = rows(&old, at..at + EPOCH, &["a", "d"]);
            at += EPOCH;
            let sent = Instant::now();
            let epoch = input.send(rows, watermark(at)).expect("the workers run");
            drain(&mut outputs, epoch);
            before.push(sent.elapsed());
        }
        show(&format!("{name}, before"), before.split_off(before.len() / 2));
        let chunks: Vec<(Vec<MatchRow>, i64)> = (0..past)
            .step_by(CHUNK as usize)
            .map(|n| {
                let end = (n + CHUNK).min(past);
                (rows(&new, n..end, &["b"]), START + end * (1_000_000 / RATE))
            })
            .collect();
        let mut chunks = chunks.into_iter();
        let (began, cpu) = (Instant::now(), cpu::seconds());
        input.change(new.clone(), |position| old.position(&new.rules[position as usize].name)).expect("it goes on");
        let (mut during, mut filling, mut ended) = (Vec::new(), true, false);
        while filling {
            // As the engine does: a chunk after a live epoch, which the next one waits for.
            match chunks.next() {
                Some((rows, reached)) => drop(input.fill(rows, reached).expect("the workers run")),
                None if !ended => {
                    input.filled().expect("the workers run");
                    ended = true;
                }
                None => {}
            }
            let rows = rows(&new, at..at + EPOCH, &["a", "b", "d"]);
            at += EPOCH;
            let sent = Instant::now();
            let epoch = input.send(rows, watermark(at)).expect("the workers run");
            filling = drain(&mut outputs, epoch);
            during.push(sent.elapsed());
        }
        let (took, used) = (began.elapsed().as_secs_f64(), cpu::seconds() - cpu);
        show(&format!("{name}, while filled from {past} rows ({took:.2} s, {used:.2} CPU-s)"), during);
        let mut after = Vec::new();
        for _ in 0..100 {
            let rows = rows(&new, at..at + EPOCH, &["a", "b", "d"]);
            at += EPOCH;
            let sent = Instant::now();
            let epoch = input.send(rows, watermark(at)).expect("the workers run");
            drain(&mut outputs, epoch);
            after.push(sent.elapsed());
        }
        show(&format!("{name}, after"), after);
    }
}
