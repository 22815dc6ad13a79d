//! A large archive: a point look-up, what a statement costs at least, a replay, and a start with many events in the windows
//! of rules.
//!
//! `cargo bench --bench large -- [EVENTS [DIR]]`. The archive of EVENTS (100 M) is made in DIR, or taken from it when it is
//! there. What is asked: a look-up of an address under 300 ms, a replay in less than 1 GiB, a start with 5 M events in windows
//! under 10 s. Each is a process of its own; wall times are medians of five, after one that warms the page cache.

mod child;
mod cpu;
mod sshd;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use weir::archive::{BulkWriter, Manifest};
use weir::event::{BatchBuilder, EventBatch, EventId, field};

use sshd::{BATCH, Random, batch};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 100_000_000;
/// Events in windows at a start.
const RETAINED: u64 = 5_000_000;
/// An address that is seen once in so many events.
const RARE: &str = "203.0.113.77";
const EVERY: u64 = 10_000_000;
const TOP: &str = "SELECT source.ip, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC LIMIT 10";
const RULES: &str = r#"
let failed = authentication where event.action == "ssh_login" and event.outcome == "failure"
let login = authentication where event.action == "ssh_login" and event.outcome == "success"
rule w1 { title "w1 {source.ip}" severity medium when failed by source.ip within 5m having count() >= 5 }
rule w2 { title "w2 {source.ip}" severity high when sequence by source.ip within 5m {
  fail: failed having count() >= 3
  ok: login
} }
rule w3 { title "w3 {source.ip}" severity high when failed by source.ip within 10m having distinct(user.name) >= 10 }
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let made = tempfile::tempdir().expect("a folder for what is made");
    let events = arguments.first().and_then(|n| n.parse().ok()).unwrap_or(EVENTS);
    let data = arguments.get(1).map_or_else(|| made.path().join("large"), PathBuf::from);
    archive(&data, events);
    for (what, address, least) in [("a rare address", RARE, 300.0), ("an address in every file", "0.0.0.0", f64::MAX)] {
        let sql = format!("SELECT ts, user.name, message FROM events WHERE source.ip = '{address}' LIMIT 1000");
        let milliseconds = median(|| asked(&sql, &data));
        println!(
            "look-up of {what}: {milliseconds:.0} ms{}",
            verdict(milliseconds <= least, "300 ms", least < f64::MAX)
        );
    }
    println!("a statement without events: {:.0} ms", median(|| asked("SELECT 1", &data)));
    let rules = folder(made.path(), "windows", RULES);
    let (seconds, ended) =
        child::run(weir().arg("replay").arg(&data).args(["--output", "json", "--rules"]).arg(&rules));
    let rate = events as f64 / 1e6 / seconds;
    println!(
        "replay: {rate:.2} M events a CPU-second, {} MiB{}",
        ended.memory,
        verdict(ended.memory < 1024, "1024 MiB", true)
    );
    let retained = made.path().join("retained");
    archive(&retained, RETAINED);
    println!("top 10 of {RETAINED}: {:.0} ms", median(|| asked(TOP, &retained)));
    let hours = folder(made.path(), "hours", &RULES.replace("5m", "1h").replace("10m", "1h"));
    let seconds = median(|| start(&retained, &hours));
    println!("start with {RETAINED} events in windows: {seconds:.1} s{}", verdict(seconds < 10.0, "10 s", true));
}

fn verdict(holds: bool, asked: &str, is_asked: bool) -> String {
    match (is_asked, holds) {
        (false, _) => String::new(),
        (true, true) => format!(" (asked: under {asked}; holds)"),
        (true, false) => format!(" (asked: under {asked}; MISSED)"),
    }
}

fn median(mut measured: impl FnMut() -> f64) -> f64 {
    measured();
    let mut all: Vec<f64> = (0..5).map(|_| measured()).collect();
    all.sort_by(f64::total_cmp);
    all[2]
}

/// Milliseconds of wall time for an answer, as a process of its own.
fn asked(sql: &str, data: &Path) -> f64 {
    let started = Instant::now();
    let status = weir()
        .args(["sql", sql, "--output", "json", "--data"])
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the command is found");
    assert!(status.success(), "it gives no answer: {sql}");
    started.elapsed().as_secs_f64() * 1e3
}

fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

fn folder(made: &Path, name: &str, rules: &str) -> PathBuf {
    let folder = made.join(name);
    std::fs::create_dir_all(&folder).expect("the folder takes rules");
    std::fs::write(folder.join("rules.weir"), rules).expect("the folder takes rules");
    folder
}

/// Makes an archive, unless it is there.
fn archive(data: &Path, events: u64) {
    if Manifest::load(data).expect("a manifest can be read").is_some_and(|m| !m.files.is_empty()) {
        return;
    }
    let started = Instant::now();
    let mut writer = BulkWriter::open(data).expect("the folder is writable");
    let (mut random, mut builder, mut offset) = (Random(7), BatchBuilder::new(), 0);
    for first in (0..events).step_by(BATCH as usize) {
        let batch = batch(&mut random, &mut builder, first, &mut offset);
        writer.append(&batch).expect("the disk has space");
        if first / EVERY != (first + BATCH) / EVERY {
            writer.append(&rare(batch.times()[0])).expect("the disk has space");
        }
    }
    writer.finish().expect("the disk has space");
    println!("{events} events archived in {:.0} s", started.elapsed().as_secs_f64());
}

fn rare(time: i64) -> EventBatch {
    let mut builder = BatchBuilder::new();
    let line = format!("Jan 15 10:00:00 web001 sshd[7]: Accepted password for root from {RARE} port 4711 ssh2");
    builder.set_time(field::TIMESTAMP, time);
    builder.set_id(EventId::new(time, line.as_bytes(), 0));
    builder.set_text(field::EVENT_ORIGINAL, &line);
    builder.set_text(field::USER_NAME, "root");
    builder.set_ip(field::SOURCE_IP, RARE);
    builder.end_row();
    builder.finish()
}

/// Seconds until `weir run` is at work on a folder. It is killed then, so that the folder stays as it is.
fn start(data: &Path, rules: &Path) -> f64 {
    let started = Instant::now();
    let mut child = weir()
        .args(["run", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .arg("--rules")
        .arg(rules)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command is found");
    let said = BufReader::new(child.stderr.take().expect("it was asked for"));
    let ready = said.lines().map_while(Result::ok).any(|line| line.contains("at work on"));
    let seconds = started.elapsed().as_secs_f64();
    child.kill().and_then(|()| child.wait()).expect("it can be stopped");
    assert!(ready, "it ended before it was at work");
    seconds
}
