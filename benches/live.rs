//! The live engine under load: mixed logs at a steady rate, from acceptance to alert.
//!
//! `cargo bench --bench live -- [--warm=SECONDS | --cold] [SECONDS [EVENTS_A_SECOND [CORRELATION_RULES [SINGLE_RULES]]]]`;
//! 20 s at 50,000 events a second with 200 and 3,000 rules by default. Half of the events are sshd lines, three tenths web
//! access lines, a fifth JSON process events. A fifth of the correlation rules and of the single-event rules look at
//! each kind of event broadly enough to match about one in a hundred; five count every failed login. In each block of lines one is
//! marked, and a rule makes an alert of it: its latency is from the moment the block is handed to
//! the engine until the alert is in the stream of the page.
//!
//! What the engine holds grows until the first events are as old as the lateness and the longest window together. So that
//! the memory of the measured seconds is that of an engine that has run for long, it is given the past first: as many events
//! a second of event time, from 15 minutes ago (`--warm=900`; at most an hour) until now, in time order and as fast as it
//! takes them; then it is waited for. None of that is measured. It ends because events are taken faster than they
//! happen: after 5 minutes at four times the rate. `--cold` leaves it out.

mod cpu;
mod memory;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memory::Course;
use weir::archive;
use weir::engine::live;
use weir::engine::rules::{Origin, Rules};
use weir::event::raw::{RawLog, Source};
use weir::event::time::{self, SECOND, rfc3339};
use weir::ingest;
use weir::metrics::Metrics;
use weir::rule;
use weir::serve::live::{Hub, Kind, Settings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Blocks a second: each is from another source in turn.
const BLOCKS: u64 = 100;
const SOURCES: usize = 10;
/// How much of the past there is, seconds: the lateness of 10 minutes and the windows of 5 that most rules have.
const WARM: u64 = 900;
/// At most so much: the engine takes events that are no older for those of the present.
const WARM_AT_MOST: u64 = 3600;

fn main() {
    let Some((warm, numbers)) = arguments() else { return println!("{USAGE}") };
    let at = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
    let (seconds, rate, correlation, single) = (at(0, 20), at(1, 50_000), at(2, 200), at(3, 3_000));
    let text = rules(correlation, single);
    let compiled = rule::compile_alone("bench.weir", &text);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics.first());
    let data = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (hub, metrics) = (Hub::new(Settings::default()), Arc::new(Metrics::new()));
    let settings = live::Settings {
        data: data.path().to_owned(),
        rules: Rules { program: Arc::new(compiled.program), ..Rules::default() },
        origin: Origin::Pack,
        workers: 1,
        cluster: None,
        lateness: live::LATENESS,
        ingest: ingest::Settings::default(),
        archive: archive::Settings::default(),
        held: Vec::new(),
    };
    let engine = runtime.block_on(async { live::start(settings, hub.clone(), metrics.clone()) });
    let engine = engine.expect("the engine starts");
    let seen = Arc::new(Seen::default());
    watch(&runtime, &hub, seen.clone());
    idle(Duration::from_secs(2));
    let sources = (0..SOURCES).map(|n| Source::stream(format!("source-{n}"))).collect();
    let load = Load { random: 7, line: 0, blocks: 0 };
    let mut bench = Bench { runtime: &runtime, engine, sources, load, seen, metrics, rate };
    println!("{rate} events a second for {seconds} s, {correlation} correlation and {single} single-event rules");
    if warm > 0 {
        bench.warm(warm);
    }
    bench.measure(seconds);
    hub.close();
    bench.engine.join().expect("the engine ends well");
}

const USAGE: &str = "cargo bench --bench live -- [--warm=SECONDS | --cold] \
    [SECONDS [EVENTS_A_SECOND [CORRELATION_RULES [SINGLE_RULES]]]]
20 seconds at 50,000 events a second with 200 correlation and 3,000 single-event rules by default.
--warm=SECONDS  events of so long ago until now come first, as fast as they are taken, and are not measured (900)
--cold          none do: what the engine holds then grows while it is measured";

/// Seconds of the past that come first, and the numbers; nothing when help is asked for.
fn arguments() -> Option<(u64, Vec<u64>)> {
    let (mut warm, mut numbers) = (WARM, Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.split_once('=').unwrap_or((&argument, "")) {
            ("--bench", _) => {}
            ("--cold", _) => warm = 0,
            ("--warm", seconds) => warm = seconds.parse().ok().filter(|s| *s <= WARM_AT_MOST)?,
            (number, _) => numbers.push(number.parse().ok()?),
        }
    }
    Some((warm, numbers))
}

/// What came out of the engine.
#[derive(Default)]
struct Seen {
    /// When the blocks that are measured were handed over, by number, until their alert comes.
    sent: Mutex<HashMap<u64, Instant>>,
    /// From then until the alert, ms.
    latencies: Mutex<Vec<f64>>,
    /// Number of the last block whose alert came, measured or not.
    last: AtomicU64,
}

/// A running engine and what it is given.
struct Bench<'a> {
    runtime: &'a tokio::runtime::Runtime,
    engine: live::Engine,
    sources: Vec<Source>,
    load: Load,
    seen: Arc<Seen>,
    metrics: Arc<Metrics>,
    rate: u64,
}

impl Bench<'_> {
    /// A block of events that happen at `time` (µs). Waits while the engine's queue is full.
    fn send(&mut self, time: i64, measured: bool) {
        let lines = self.load.block(self.rate / BLOCKS, time);
        let block = self.load.blocks;
        let source = self.sources[block as usize % SOURCES].clone();
        let raw = RawLog { source, lines: lines.into(), offset: 0, received: time::now(), acknowledge: None };
        if measured {
            self.seen.sent.lock().expect("nobody panics").insert(block, Instant::now());
        }
        self.runtime.block_on(self.engine.blocks.send(raw)).expect("the engine runs");
    }

    /// Events from so long ago until now, at once; and waits until the engine is through.
    fn warm(&mut self, seconds: u64) {
        let (start, from) = (Instant::now(), time::now() - seconds as i64 * SECOND);
        let mut said = start;
        for block in 0.. {
            let time = from + (block * SECOND as u64 / BLOCKS) as i64;
            let behind = (time::now() - time) / SECOND;
            let took = start.elapsed().as_secs_f64();
            if time >= time::now() {
                self.catch_up();
                break;
            }
            assert!(took < 60.0 + 2.0 * seconds as f64, "still {behind} s behind: try a lower rate or --cold");
            if said.elapsed() >= Duration::from_secs(10) {
                said = Instant::now();
                let pace = (block * self.rate / BLOCKS) as f64 / took;
                let (past, memory) = (block / BLOCKS, memory::resident());
                println!(
                    "warm start: {past} s of events in {took:.0} s, {pace:.0} a second, {behind} s behind; {memory:.0} MB"
                );
            }
            self.send(time, false);
        }
        let past = (time::now() - from) / SECOND;
        println!(
            "warm start: {past} s of events in {:.0} s; {} late events",
            start.elapsed().as_secs_f64(),
            self.late()
        );
    }

    /// Waits until the engine has said all of what it was given.
    fn catch_up(&self) {
        let start = Instant::now();
        let queue = &self.engine.blocks;
        while queue.capacity() < queue.max_capacity() || self.seen.last.load(Ordering::Relaxed) < self.load.blocks {
            assert!(start.elapsed() < Duration::from_secs(60), "the alert of the last marked line does not come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Events as they happen.
    fn measure(&mut self, seconds: u64) {
        let (start, begin) = (Instant::now(), Used::now());
        let (mut used, mut course, mut delay) = (Used::now(), Course::begin(), Duration::ZERO);
        for block in 0..seconds * BLOCKS {
            let due = start + Duration::from_nanos(block * 1_000_000_000 / BLOCKS);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            delay = delay.max(due.elapsed());
            self.send(time::now(), true);
            let second = (block + 1) / BLOCKS;
            if (block + 1) % BLOCKS != 0 {
                continue;
            }
            course.note();
            if second.is_multiple_of(10) || second == seconds {
                let span = (second - 1) % 10 + 1;
                let cores = used.cores(span as f64);
                println!("{second:4} s: {cores}, {:.0} MB; {}", memory::resident(), self.latency());
                used = Used::now();
            }
        }
        let cores = begin.cores(start.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_secs(1));
        let alerts = self.seen.latencies.lock().expect("nobody panics").len();
        println!("all {seconds} s: {cores}; {}", self.latency());
        println!("{course}");
        let (marked, delay) = (seconds * BLOCKS, delay.as_millis());
        println!(
            "{alerts} of {marked} marked lines became alerts; {} late events; blocks made at most {delay} ms too late",
            self.late()
        );
    }

    /// Events that were too late for windows, as the engine counts them.
    fn late(&self) -> String {
        let text = self.metrics.render();
        let count = text.lines().find_map(|line| line.split_once("late_events_total ")).map(|(_, count)| count);
        count.expect("the engine counts them").to_owned()
    }

    fn latency(&self) -> String {
        let mut sorted = self.seen.latencies.lock().expect("nobody panics").clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = |p: f64| sorted.get(((sorted.len() as f64 * p) as usize).min(last)).copied().unwrap_or(f64::NAN);
        let (median, p99, most) = (at(0.5), at(0.99), at(1.0));
        format!("acceptance to alert since the start: median {median:.0} ms, p99 {p99:.0} ms, most {most:.0} ms")
    }
}

/// CPU seconds of the process and, of these, of the thread that makes the lines.
struct Used {
    all: f64,
    lines: f64,
}

impl Used {
    fn now() -> Used {
        Used { all: cpu::seconds(), lines: cpu::of_this_thread() }
    }

    /// Used since then, in so many seconds.
    fn cores(&self, seconds: f64) -> String {
        let Used { all, lines } = Used::now();
        format!(
            "{:.2} cores, {:.2} of them for making lines",
            (all - self.all) / seconds,
            (lines - self.lines) / seconds
        )
    }
}

/// CPU of an engine without events, by epoch.
fn idle(span: Duration) {
    std::thread::sleep(span);
    let before = cpu::of_threads();
    std::thread::sleep(span * 5);
    let used = cpu::of_threads() - before;
    println!("idle: {:.3} ms CPU an epoch of 200 ms", used * 1e3 / (span.as_secs_f64() * 5.0 / 0.2));
}

fn watch(runtime: &tokio::runtime::Runtime, hub: &Arc<Hub>, seen: Arc<Seen>) {
    let mut subscription = hub.subscribe(None).expect("a place");
    runtime.spawn(async move {
        loop {
            match subscription.messages.recv().await {
                Ok(message) if message.kind == Kind::Alert => {
                    let Some((_, rest)) = message.data.split_once("marked line marked-m") else { continue };
                    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let number = number.parse().expect("a marked line has a number");
                    seen.last.fetch_max(number, Ordering::Relaxed);
                    if let Some(then) = seen.sent.lock().expect("nobody panics").remove(&number) {
                        seen.latencies.lock().expect("nobody panics").push(then.elapsed().as_secs_f64() * 1e3);
                    }
                }
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    });
}

/// Makes lines; a linear congruential generator, so that each run has the same ones but for their times.
struct Load {
    random: u64,
    line: u64,
    blocks: u64,
}

impl Load {
    fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % n
    }

    /// Lines of events that happen at `time` (µs).
    fn block(&mut self, lines: u64, time: i64) -> String {
        let now = rfc3339(time);
        let instant = jiff::Timestamp::from_microsecond(time).expect("a time of these days");
        let stamp = instant.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let mut text = String::with_capacity(lines as usize * 160);
        self.blocks += 1;
        let mark = self.blocks;
        writeln!(text, "{now} gate sshd[1]: Failed password for marked-m{mark} from 192.0.2.1 port 22 ssh2")
            .expect("memory");
        for _ in 1..lines {
            self.line += 1;
            let (source, kind) = (self.below(20_000).min(self.below(20_000)), self.below(10));
            let (a, b, user) = (source / 250, source % 250, self.below(5_000));
            match kind {
                0..5 => {
                    let what = if self.below(10) < 3 { "Accepted" } else { "Failed" };
                    let (host, pid) = (self.below(40), self.below(30_000));
                    writeln!(text, "{now} host-{host} sshd[{pid}]: {what} password for user{user} from 10.{a}.{b}.7 port 2222 ssh2")
                }
                5..8 => {
                    let (page, status) = (self.below(3_000), [200, 200, 200, 301, 404, 500][self.below(6) as usize]);
                    writeln!(text, "10.{a}.{b}.7 - - [{stamp}] \"GET /area{}/page{page} HTTP/1.1\" {status} 512 \"-\" \"agent/{}\"", page % 100, user % 50)
                }
                _ => writeln!(
                    text,
                    r#"{{"@timestamp":"{now}","event.category":["process"],"host.name":"host-{}","user.name":"user{user}","process.name":"tool{}.exe","process.command_line":"tool{}.exe --level {} --name x{user}"}}"#,
                    source % 40, source % 400, source % 400, user % 90
                ),
            }
            .expect("memory");
        }
        text
    }
}

fn rules(correlation: u64, single: u64) -> String {
    let mut text = String::from(
        "let failed = authentication where event.action == \"ssh_login\" and event.outcome == \"failure\"\n\
         let login = authentication where event.action == \"ssh_login\" and event.outcome == \"success\"\n\
         rule marked { title \"marked line {user.name}\" severity high when authentication where user.name startswith \"marked-m\" }\n",
    );
    let mut rule = |name: String, when: String| {
        writeln!(text, "rule {name} {{ title \"{name}\" severity low when {when} }}").expect("memory");
    };
    for n in 0..correlation {
        let when = match n % 5 {
            _ if n < 5 => format!("failed by source.ip within {}m having count() >= {}", n + 1, 400 + n),
            0 => format!("failed where user.name like \"user{n}*\" by source.ip within 5m having count() >= 50"),
            1 => format!(
                "web where url.path startswith \"/area{}/\" by source.ip within 5m having count() >= 40",
                n % 100
            ),
            2 => format!(
                "process where process.name == \"tool{n}.exe\" by host.name within 10m having distinct(user.name) >= 400"
            ),
            3 => format!(
                "sequence by source.ip within 5m {{ a: failed where user.name like \"user{n}*\" having count() >= 20  b: login where user.name like \"user{n}*\" }}"
            ),
            _ => format!(
                "web where http.response.status_code == 500 and url.path startswith \"/area{}/\" by source.ip within 5m having count() >= 30",
                n % 100
            ),
        };
        rule(format!("correlation_{n}"), when);
    }
    for n in 0..single {
        let when = match n % 4 {
            0 => format!(
                "process where process.command_line contains \"--secret-{n}\" and process.name endswith \".exe\""
            ),
            1 => format!("process where process.name == \"mal{n}.exe\" or process.command_line like \"*evil{n}*\""),
            2 => format!("web where url.path contains \"/exploit{n}\" and http.response.status_code in (200, 500)"),
            _ => format!("authentication where user.name == \"backdoor{n}\" and event.outcome == \"success\""),
        };
        rule(format!("single_{n}"), when);
    }
    text
}
