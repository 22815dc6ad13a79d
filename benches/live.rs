//! The live engine under load: mixed logs at a steady rate, from acceptance to alert.
//!
//! `cargo bench --bench live -- [SECONDS [EVENTS_A_SECOND [CORRELATION_RULES [SINGLE_RULES]]]]`; 20 s at 50,000 events a
//! second with 200 and 3,000 rules by default. Half of the events are sshd lines, three tenths web
//! access lines, a fifth JSON process events. A fifth of the correlation rules and of the single-event rules look at
//! each kind of event broadly enough to match about one in a hundred; five count every failed login. In each block of lines one is
//! marked, and a rule makes an alert of it: its latency is from the moment the block is handed to
//! the engine until the alert is in the stream of the page.

mod cpu;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use weir::archive;
use weir::engine::live;
use weir::engine::rules::{Origin, Rules};
use weir::event::raw::{RawLog, Source};
use weir::event::time::{self, rfc3339};
use weir::ingest;
use weir::metrics::Metrics;
use weir::rule::{self, SourceFile};
use weir::serve::live::{Hub, Kind, Settings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Blocks a second: each is from another source in turn.
const BLOCKS: u64 = 100;
const SOURCES: usize = 10;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let at = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
    let (seconds, rate, correlation, single) = (at(0, 20), at(1, 50_000), at(2, 200), at(3, 3_000));
    let text = rules(correlation, single);
    let files = [SourceFile { name: "bench.weir".into(), text }];
    let compiled = rule::compile(&files, &|_| Err(std::io::ErrorKind::NotFound.into()));
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics.first());
    let data = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let hub = Hub::new(Settings::default());
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
    let engine = runtime.block_on(async { live::start(settings, hub.clone(), Arc::new(Metrics::new())) });
    let engine = engine.expect("the engine starts");
    let sent: Arc<Mutex<HashMap<u64, Instant>>> = Arc::default();
    let latencies = watch(&runtime, &hub, sent.clone());
    idle(Duration::from_secs(2));
    let mut load = Load { random: 7, line: 0, blocks: 0 };
    let sources: Vec<Source> = (0..SOURCES).map(|n| Source::stream(format!("source-{n}"))).collect();
    println!("{rate} events a second for {seconds} s, {correlation} correlation and {single} single-event rules");
    let (start, mut used) = (Instant::now(), cpu::seconds());
    for block in 0..seconds * BLOCKS {
        let due = start + Duration::from_nanos(block * 1_000_000_000 / BLOCKS);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let lines = load.block(rate / BLOCKS);
        let raw = RawLog {
            source: sources[block as usize % SOURCES].clone(),
            lines: lines.into(),
            offset: 0,
            received: time::now(),
            acknowledge: None,
        };
        sent.lock().expect("nobody panics").insert(load.blocks, Instant::now());
        runtime.block_on(engine.blocks.send(raw)).expect("the engine runs");
        if (block + 1) % (10 * BLOCKS) == 0 || block + 1 == seconds * BLOCKS {
            let now = cpu::seconds();
            let span = ((block % (10 * BLOCKS)) + 1) as f64 / BLOCKS as f64;
            report((block + 1) / BLOCKS, (now - used) / span, &latencies);
            used = now;
        }
    }
    runtime.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
    let all = latencies.lock().expect("nobody panics").clone();
    println!("{} of {} marked lines became alerts", all.len(), load.blocks);
    hub.close();
    engine.join().expect("the engine ends well");
}

/// CPU of an engine without events, by epoch.
fn idle(span: Duration) {
    std::thread::sleep(span);
    let before = cpu::of_threads();
    std::thread::sleep(span * 5);
    let used = cpu::of_threads() - before;
    println!("idle: {:.3} ms CPU an epoch of 200 ms", used * 1e3 / (span.as_secs_f64() * 5.0 / 0.2));
}

fn watch(
    runtime: &tokio::runtime::Runtime,
    hub: &Arc<Hub>,
    sent: Arc<Mutex<HashMap<u64, Instant>>>,
) -> Arc<Mutex<Vec<f64>>> {
    let latencies: Arc<Mutex<Vec<f64>>> = Arc::default();
    let (mut subscription, out) = (hub.subscribe(None).expect("a place"), latencies.clone());
    runtime.spawn(async move {
        loop {
            match subscription.messages.recv().await {
                Ok(message) if message.kind == Kind::Alert => {
                    let Some((_, rest)) = message.data.split_once("marked line marked-m") else { continue };
                    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let number = number.parse().expect("a marked line has a number");
                    if let Some(then) = sent.lock().expect("nobody panics").remove(&number) {
                        out.lock().expect("nobody panics").push(then.elapsed().as_secs_f64() * 1e3);
                    }
                }
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    });
    latencies
}

fn report(second: u64, cores: f64, latencies: &Mutex<Vec<f64>>) {
    let mut sorted = latencies.lock().expect("nobody panics").clone();
    sorted.sort_by(f64::total_cmp);
    let at = |p: f64| {
        sorted
            .get(((sorted.len() as f64 * p) as usize).min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("?").trim().to_owned();
    println!(
        "{second:4} s: {cores:.2} cores, {memory}; acceptance to alert since the start: median {:.0} ms, p99 {:.0} ms, most {:.0} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
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

    fn block(&mut self, lines: u64) -> String {
        let now = rfc3339(time::now());
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
                    let stamp = jiff::Timestamp::now().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
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
