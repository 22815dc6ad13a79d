//! How fast predicates of many rules are matched, in events a CPU-second.
//!
//! Two workloads over generated events, the same on every run. Sigma-like: 100 and 3,000 rules over
//! process, web and login events; what counts is how little the second costs more than the first.
//! sshd-like: the four correlation rules of a failed-login stream, with their match rows written.
//!
//! `cargo bench --bench matching`

#![expect(unsafe_code, reason = "getrusage has no safe form; wall time says little on a shared machine")]

use std::sync::Arc;

use weir::alert::Severity;
use weir::event::batch::{BatchBuilder, EventBatch};
use weir::event::field::{self, FieldId};
use weir::event::id::EventId;
use weir::matching::{Matcher, Scratch};
use weir::rule::plan::{Atom, FieldRef, Form, Predicate, Program, Rule, Step, Template, Test};

const EVENTS: usize = 1_000_000;
const BATCH: usize = 10_000;
const MINUTE: i64 = 60_000_000;

fn main() {
    for batch in [BATCH, 1_000, 100] {
        sigma(batch);
    }
    for batch in [BATCH, 1_000, 100] {
        sshd(batch);
    }
}

/// CPU time of this process, seconds.
fn cpu() -> f64 {
    // SAFETY: `rusage` is plain numbers, for which zeroes are valid, and the call only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The least CPU seconds of five runs over all batches, and the match rows of one.
fn measure(matcher: &Matcher, batches: &[EventBatch]) -> (f64, usize) {
    let mut best = f64::MAX;
    let mut count = 0;
    for _ in 0..5 {
        let (mut scratch, mut rows) = (Scratch::default(), Vec::new());
        count = 0;
        let start = cpu();
        for batch in batches {
            rows.clear();
            matcher.matches(batch, &mut scratch, &mut rows);
            count += rows.len();
        }
        best = best.min(cpu() - start);
    }
    (best, count)
}

/// A linear congruential generator: the same events on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn word(&mut self) -> String {
        const PARTS: [&str; 24] = [
            "al", "ber", "con", "dis", "ex", "fi", "gor", "hel", "in", "jo", "ker", "lo", "man", "net", "or", "pro",
            "que", "run", "sys", "tem", "up", "ver", "win", "zip",
        ];
        (0..2 + self.below(3)).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }
}

fn atom(id: FieldId, test: Test) -> Predicate {
    Predicate::Atom(Atom { field: FieldRef::Column(id), test })
}

fn one_of(id: FieldId, values: impl IntoIterator<Item = impl Into<String>>) -> Predicate {
    atom(id, Test::OneOf { values: Arc::new(values.into_iter().map(Into::into).collect()), fold: true })
}

fn like(id: FieldId, pattern: String) -> Predicate {
    atom(id, Test::Like { pattern, fold: true })
}

fn step(predicate: Predicate, key: &[FieldId]) -> Step {
    Step { name: None, predicate, key: key.iter().map(|k| FieldRef::Column(*k)).collect() }
}

fn rule(name: String, form: Form, steps: Vec<Step>, payload: &[FieldId]) -> Rule {
    Rule {
        name,
        title: Template::default(),
        description: None,
        severity: Severity::Medium,
        attack: Vec::new(),
        tags: Vec::new(),
        runbook: None,
        falsepositives: Vec::new(),
        risk: None,
        key: steps[0].key.clone(),
        steps,
        payload: payload.iter().map(|p| FieldRef::Column(*p)).collect(),
        form,
        cooldown: 0,
        retro: 0,
        exceptions: Default::default(),
        level: 0,
        file: "bench".into(),
    }
}

fn sigma(batch: usize) {
    let mut random = Random(7);
    let vocabulary: Vec<String> = (0..4_000).map(|_| random.word()).collect();
    let batches = mixed_events(&mut random, &vocabulary, batch);
    println!("Sigma-like, {EVENTS} process, web and login events in batches of {batch}");
    let mut baseline = 0.0;
    for count in [100, 1_000, 3_000] {
        let mut random = Random(11);
        let rules = (0..count).map(|i| sigma_rule(i, &mut random, &vocabulary)).collect();
        let start = cpu();
        let matcher = Matcher::new(&Program::new(rules, Vec::new()));
        let built = cpu() - start;
        let (seconds, rows) = measure(&matcher, &batches);
        if baseline == 0.0 {
            baseline = seconds;
        }
        println!(
            "  {count:>5} rules: {:>6.2} M events/CPU-s, {:.2}× of 100 rules, {rows} rows, built in {:.0} ms",
            EVENTS as f64 / seconds / 1e6,
            seconds / baseline,
            built * 1e3
        );
    }
}

/// What public Sigma rules look like: a log source, one to three selections, often an exception.
fn sigma_rule(number: usize, random: &mut Random, vocabulary: &[String]) -> Rule {
    let word = |random: &mut Random| format!("{}{}", vocabulary[random.below(vocabulary.len())], random.below(40));
    let predicate = match number % 10 {
        0..=6 => {
            let image = like(field::PROCESS_NAME, format!("*\\\\{}.exe", vocabulary[random.below(vocabulary.len())]));
            let flags =
                (0..1 + random.below(4)).map(|_| like(field::PROCESS_COMMAND_LINE, format!("*-{} *", word(random))));
            let mut parts = vec![
                one_of(field::EVENT_CATEGORY, ["process"]),
                one_of(field::EVENT_TYPE, ["start"]),
                Predicate::Or(flags.collect()),
            ];
            match random.below(4) {
                0 => parts.push(image),
                1 => parts
                    .push(Predicate::Not(Box::new(like(field::PROCESS_PARENT_NAME, format!("*{}*", word(random)))))),
                2 => parts
                    .push(atom(field::PROCESS_COMMAND_LINE, Test::Regex(format!("(?i){}[0-9]+\\.exe", word(random))))),
                _ => {}
            }
            Predicate::And(parts)
        }
        7 | 8 => Predicate::And(vec![
            one_of(field::EVENT_CATEGORY, ["web"]),
            Predicate::Or(vec![
                like(field::URL_PATH, format!("*/{}.php*", word(random))),
                like(field::URL_PATH, format!("/{}/*", word(random))),
            ]),
            atom(field::HTTP_RESPONSE_STATUS, Test::Range(200, 399)),
        ]),
        _ => Predicate::And(vec![
            one_of(field::EVENT_CATEGORY, ["authentication"]),
            one_of(field::EVENT_ACTION, ["ssh_login", "logged-in"]),
            one_of(field::USER_NAME, [word(random), word(random)]),
        ]),
    };
    rule(format!("sigma_{number}"), Form::Single, vec![step(predicate, &[])], &[field::HOST_NAME, field::USER_NAME])
}

/// Half process starts, three in ten web requests, two in ten logins; a third of all command lines and paths are new each time.
fn mixed_events(random: &mut Random, vocabulary: &[String], batch: usize) -> Vec<EventBatch> {
    let (mut b, mut batches) = (BatchBuilder::new(), Vec::new());
    for number in 0..EVENTS {
        let unique = if random.below(3) == 0 { number } else { random.below(200) };
        let [a, c, d] = [0; 3].map(|_| &vocabulary[random.below(vocabulary.len()).min(random.below(vocabulary.len()))]);
        stamp(&mut b, number as i64 * 1_000, number);
        b.set_text(field::HOST_NAME, &format!("host{}", random.below(50)));
        match random.below(10) {
            0..=4 => {
                b.set_list(field::EVENT_CATEGORY, &["process"]);
                b.set_list(field::EVENT_TYPE, &["start"]);
                b.set_text(field::PROCESS_NAME, &format!("C:\\Windows\\System32\\{a}.exe"));
                b.set_text(field::PROCESS_PARENT_NAME, &format!("C:\\Windows\\{}.exe", vocabulary[random.below(60)]));
                let line = format!(
                    "\"C:\\Windows\\System32\\{a}.exe\" -{c}{} --out C:\\Temp\\{unique}.tmp /{d} x",
                    unique % 977
                );
                b.set_text(field::PROCESS_COMMAND_LINE, &line);
            }
            5..=7 => {
                b.set_list(field::EVENT_CATEGORY, &["web"]);
                b.set_text(field::URL_PATH, &format!("/{a}/{c}{}.php", unique % 5_003));
                b.set_number(field::HTTP_RESPONSE_STATUS, [200, 200, 200, 302, 404, 500][random.below(6)]);
                b.set_ip(field::SOURCE_IP, &format!("10.0.{}.{}", random.below(80), random.below(250)));
            }
            _ => {
                b.set_list(field::EVENT_CATEGORY, &["authentication"]);
                b.set_text(field::EVENT_ACTION, "ssh_login");
                b.set_text(field::USER_NAME, &format!("{a}{}", random.below(40)));
            }
        }
        b.end_row();
        if b.len() == batch {
            batches.push(b.finish());
        }
    }
    batches
}

fn stamp(b: &mut BatchBuilder, time: i64, number: usize) {
    b.set_time(field::TIMESTAMP, time);
    b.set_id(EventId::new(time, &number.to_le_bytes(), 0));
}

fn sshd(batch: usize) {
    let batches = sshd_events(batch);
    println!("sshd-like, {EVENTS} events in batches of {batch}, rules W1–W4");
    let (nothing, none) = measure(&Matcher::new(&Program::new(sshd_rules(true), Vec::new())), &batches);
    assert_eq!(none, 0, "every event has a user");
    println!("  predicates alone: {:>6.2} M events/CPU-s", EVENTS as f64 / nothing / 1e6);
    let (seconds, rows) = measure(&Matcher::new(&Program::new(sshd_rules(false), Vec::new())), &batches);
    println!(
        "  with match rows:  {:>6.2} M events/CPU-s, {rows} rows, {:.1} ns a row",
        EVENTS as f64 / seconds / 1e6,
        (seconds - nothing) * 1e9 / rows as f64
    );
}

/// W1: failures a source; W2: failures, then a success; W3: distinct users a source; W4: a source on a list of
/// 100,000. With `silent`, one more condition that fails on every event, so that no row is written.
fn sshd_rules(silent: bool) -> Vec<Rule> {
    let outcome = |outcome: &str| {
        let mut all = vec![
            one_of(field::EVENT_CATEGORY, ["authentication"]),
            one_of(field::EVENT_ACTION, ["ssh_login"]),
            one_of(field::EVENT_OUTCOME, [outcome]),
        ];
        if silent {
            all.push(Predicate::Not(Box::new(one_of(field::USER_NAME, (0..500).map(|i| format!("user{i}"))))));
        }
        Predicate::And(all)
    };
    let listed = (0..100_000).map(|i| address(i * 7));
    let mut listed = vec![one_of(field::SOURCE_IP, listed)];
    if silent {
        listed.push(Predicate::Not(Box::new(atom(field::SOURCE_IP, Test::Exists))));
    }
    let key = &[field::SOURCE_IP];
    let pair = Form::sequence(5 * MINUTE, [3, 1], None);
    vec![
        rule("w1".into(), Form::Threshold { within: 5 * MINUTE, count: 5 }, vec![step(outcome("failure"), key)], &[]),
        rule("w2".into(), pair, vec![step(outcome("failure"), key), step(outcome("success"), key)], &[]),
        rule(
            "w3".into(),
            Form::Distinct { within: 10 * MINUTE, count: 10, slot: 0 },
            vec![step(outcome("failure"), key)],
            &[field::USER_NAME],
        ),
        rule("w4".into(), Form::Threshold { within: 0, count: 1 }, vec![step(Predicate::And(listed), key)], &[]),
    ]
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255)
}

fn sshd_events(batch: usize) -> Vec<EventBatch> {
    let (mut random, mut b, mut batches) = (Random(3), BatchBuilder::new(), Vec::new());
    for number in 0..EVENTS {
        stamp(&mut b, number as i64 * 1_000, number);
        b.set_list(field::EVENT_CATEGORY, &["authentication"]);
        b.set_text(field::EVENT_ACTION, "ssh_login");
        b.set_text(field::EVENT_OUTCOME, if random.below(10) == 0 { "success" } else { "failure" });
        // Few sources send most: the smaller a number, the more often.
        let (spread, users) = (1 << random.below(14), 1 + random.below(300));
        let (spread, user) = (random.below(spread), random.below(users));
        let source = 20_000usize.min(1 << random.below(16)) + spread;
        b.set_ip(field::SOURCE_IP, &address(source));
        b.set_text(field::USER_NAME, &format!("user{user}"));
        b.set_text(field::EVENT_ORIGINAL, "Failed password for invalid user admin from 10.0.0.1 port 4022 ssh2");
        b.end_row();
        if b.len() == batch {
            batches.push(b.finish());
        }
    }
    batches
}
