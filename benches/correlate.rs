//! Correlation alone: match rows of W1–W3 (see the README) through the dataflow, rows per CPU-second.
//!
//! Then hot keys: live input of one source, 100,000 events in its window and a fifth of them late, against the same events
//! spread over 1,000 sources.
//!
//! `cargo bench --bench correlate [EVENTS]`

use std::sync::Arc;

use weir::alert::Severity;
use weir::correlate::spool::{Overflow, Spool};
use weir::correlate::{Emit, start};
use weir::event::EventId;
use weir::matching::MatchRow;
use weir::rule::plan::{
    Aggregate, Bound, Compare, FieldRef, Form, Having, Predicate, Program, Rule, Stage, Step, Template, Tuple, Window,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "cpu.rs"]
mod cpu;

fn is_counted(stage: &Stage) -> bool {
    matches!(stage, Stage::Present(having) if having.only_count().is_some())
}

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
        payload: match &form {
            Form::Threshold { .. } => vec![],
            Form::Sequence { stages, .. } if stages.iter().all(is_counted) => vec![],
            _ => vec![FieldRef::Extra("v".into())],
        },
        form,
        cooldown: 0,
        retro: 0,
        exceptions: Default::default(),
        level: 0,
        file: "bench".into(),
    }
}

/// Numbers that look random.
fn random() -> impl FnMut() -> u64 {
    let mut state = 7u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Events of 20,000 sources, Zipf-distributed, 2,000 a second, 70 % failures; 20 % up to 5 s late.
fn rows(program: &Program, events: u64, rules: &[u32]) -> Vec<Vec<MatchRow>> {
    let weights: Vec<f64> = (1..=20_000).map(|n| 1.0 / n as f64).collect();
    let total: f64 = weights.iter().sum();
    let cumulative: Vec<f64> = weights
        .iter()
        .scan(0.0, |sum, w| {
            *sum += w / total;
            Some(*sum)
        })
        .collect();
    let mut random = random();
    let mut bundles = Vec::new();
    for start in (0..events).step_by(16_384) {
        let mut bundle = Vec::new();
        for n in start..(start + 16_384).min(events) {
            let unit = (random() >> 11) as f64 / (1u64 << 53) as f64;
            let source = cumulative.partition_point(|c| *c < unit);
            let late = if random().is_multiple_of(5) { (random() % 5_000_000) as i64 } else { 0 };
            let time = 1_768_473_045_000_000 + (n as i64) * 500 - late;
            let failure = random() % 10 < 7;
            let key = Tuple(compact_str::format_compact!("10.{}.{}.7", source / 250, source % 250));
            let user = Tuple(compact_str::format_compact!("user{}", random() % 5000));
            let id = EventId::from_hash(time, u128::from(random()) << 64 | u128::from(random()));
            let mut hits = 0;
            for &rule in rules {
                let steps = if rule == 1 && !failure { 2 } else { 1 };
                if failure || rule == 1 {
                    hits |= program.place(rule, steps).1;
                }
            }
            if hits != 0 {
                let values = if rules.contains(&2) { user } else { Tuple::default() };
                bundle.push(MatchRow { group: 0, hits, time, id, key, values });
            }
        }
        bundles.push(bundle);
    }
    bundles
}

fn main() {
    let events = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(1_000_000u64);
    let minute = 60_000_000;
    let program = Arc::new(Program::new(
        vec![
            rule("w1", Form::Threshold { within: 5 * minute, count: 5 }, 1),
            rule("w2", Form::sequence(5 * minute, [3, 1], None), 2),
            rule("w3", Form::Distinct { within: 10 * minute, count: 10, slot: 0 }, 1),
        ],
        vec![],
    ));
    for (name, rules) in [("W1", &[0][..]), ("W2", &[1]), ("W3", &[2]), ("W1-W3", &[0, 1, 2])] {
        let bundles = rows(&program, events, rules);
        let total: usize = bundles.iter().map(Vec::len).sum();
        let before = cpu::seconds();
        let mut spool = Spool::new(Overflow::Release, Overflow::Spill.budget(), &std::env::temp_dir());
        let (mut input, mut outputs) = start(program.clone(), 1, Emit::Final).expect("timely starts");
        let feeder = std::thread::spawn(move || {
            for bundle in bundles {
                spool.push(bundle).expect("rows are about in order");
                while let Some((rows, watermark)) = spool.overflow().expect("nothing is spilled") {
                    input.send(rows, watermark).expect("the workers run");
                }
            }
            while let Some((rows, watermark)) = spool.next_epoch().expect("nothing is spilled") {
                input.send(rows, watermark).expect("the workers run");
            }
            input.send(Vec::new(), i64::MAX).expect("the workers run");
        });
        let mut episodes = 0;
        while let Some(output) = outputs.receive().expect("the workers run") {
            episodes += output.changes.len();
        }
        feeder.join().expect("the feeder does not panic");
        let used = cpu::seconds() - before;
        println!(
            "{name}: {total} rows, {episodes} episodes, {used:.2} CPU-s: {:.2} M rows, {:.2} M events a CPU-second",
            total as f64 / used / 1e6,
            events as f64 / used / 1e6
        );
    }
    hot(minute);
}

/// What late events at hot keys cost.
fn hot(minute: i64) {
    let within = 10 * minute;
    let sum = |value| {
        Having::Bound(Bound { aggregate: Aggregate::Sum { slot: 0, unsigned: true }, compare: Compare::AtLeast, value })
    };
    let ninetieth = Aggregate::Percentile { slot: 0, thousandths: 90_000 };
    let high = Having::Bound(Bound { aggregate: ninetieth, compare: Compare::Greater, value: 4_600 });
    let present = Stage::Present(Having::one());
    let silent = vec![Stage::Present(Having::count(3)), Stage::Absent];
    let forms = [
        ("threshold", Form::Threshold { within, count: 10 }),
        ("distinct", Form::Distinct { within, count: 10, slot: 0 }),
        ("sequence", Form::sequence(within, [3, 1], None)),
        ("sum", Form::Aggregate { window: Window::Sliding(within), having: sum(100_000) }),
        ("sum out of reach", Form::Aggregate { window: Window::Sliding(within), having: sum(1_000_000_000_000) }),
        ("percentile", Form::Aggregate { window: Window::Sliding(within), having: high }),
        ("sequence of sums", sequence(within, vec![Stage::Present(sum(50_000)), present.clone()])),
        ("absence inside", sequence(within, vec![present.clone(), Stage::Absent, present])),
        ("absence at the end", sequence(minute / 6, silent)),
        ("first seen", Form::Novel { over: within, learn: minute, fewer_than: 1, slot: 0 }),
    ];
    for (name, form) in forms {
        let steps = if let Form::Sequence { stages, .. } = &form { stages.len() } else { 1 };
        let program = Arc::new(Program::new(vec![rule(name, form, steps)], vec![]));
        let (one, changes) = live(&program, steps, 1);
        let (many, _) = live(&program, steps, 1_000);
        println!(
            "{name}: {:.2} µs an event of one source ({changes} changes), {:.2} of 1,000: {:.2} times as much",
            one * 1e6,
            many * 1e6,
            one / many
        );
    }
}

fn sequence(within: i64, stages: Vec<Stage>) -> Form {
    Form::Sequence { within, stages, until: None, residuals: vec![] }
}

/// CPU-seconds an event, and how many changes were said: 300,000 events, 100,000 in a window, a fifth up to 5 minutes late, in
/// epochs of 5,000. The watermark is 10 minutes behind.
fn live(program: &Arc<Program>, steps: usize, sources: u64) -> (f64, usize) {
    let (mut random, events) = (random(), 300_000u64);
    let mut rows = Vec::new();
    for n in 0..events {
        let late = if random() % 5 == 0 { (random() % 300_000_000) as i64 } else { 0 };
        let time = 1_768_473_045_000_000 + n as i64 * 6_000 - late;
        let source = random() % sources;
        let key = Tuple(compact_str::format_compact!("10.0.{}.{}", source / 250, source % 250));
        let step = if random() % 10 < 7 { 0 } else { 1 + random() as usize % steps };
        let (group, hits) = program.place(0, 1 << step.min(steps - 1));
        let id = EventId::from_hash(time, u128::from(random()) << 64 | u128::from(random()));
        rows.push(MatchRow { group, hits, time, id, key, values: Tuple::new([Some(&*(random() % 5000).to_string())]) });
    }
    let before = cpu::seconds();
    let (mut input, mut outputs) = start(program.clone(), 1, Emit::Running).expect("timely starts");
    let feeder = std::thread::spawn(move || {
        let mut greatest = i64::MIN;
        for epoch in rows.chunks(5_000) {
            greatest = epoch.iter().map(|r| r.time).fold(greatest, i64::max);
            input.send(epoch.to_vec(), greatest - 600_000_000).expect("the workers run");
        }
    });
    let mut changes = 0;
    while let Some(output) = outputs.receive().expect("the workers run") {
        changes += output.changes.len();
    }
    feeder.join().expect("the feeder does not panic");
    ((cpu::seconds() - before) / events as f64, changes)
}
