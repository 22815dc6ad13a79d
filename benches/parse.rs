//! Lines per CPU-second through `Ingest`: raw lines in, batches with all columns out.
//!
//! `cargo bench --bench parse`; with `WEIR_SSHD=FILE` the sshd lines come from a file instead of
//! being made up here.

use std::time::Duration;

use weir::event::EventBatch;
use weir::ingest::{Ingest, Settings, block_of};

const LINES: u64 = 2_000_000;
/// What a collector hands over at a time.
const BLOCK: usize = 1 << 20;

/// CPU time of this process so far, user and system.
fn cpu() -> Duration {
    // Fields 14 and 15, in ticks of 10 ms on every Linux there is.
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let after = stat.rsplit_once(')').expect("the name is in brackets").1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// A small generator, so that every run reads the same lines.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// Small numbers come often, as with addresses and users in a log.
    fn skewed(&mut self, n: u64) -> u64 {
        let span = 1 + self.below(n);
        self.below(span)
    }
}

fn clock_face(n: u64) -> String {
    let second = n / 2_000;
    format!("{:02}:{:02}:{:02}", 10 + second / 3600, second / 60 % 60, second % 60)
}

fn address(dice: &mut Dice) -> String {
    let n = dice.skewed(20_000).wrapping_mul(2_654_435_761) % 0xffff_ffff;
    format!("{}.{}.{}.{}", 11 + (n >> 24) % 180, n >> 16 & 255, n >> 8 & 255, n & 255)
}

fn sshd(n: u64, dice: &mut Dice) -> String {
    let head = format!("Jan 15 {} web-{:02} sshd[{}]: ", clock_face(n), dice.below(200), 300 + dice.below(32_000));
    let (kind, user) = (dice.below(10), dice.skewed(5_000));
    let tail = format!("user{user} from {} port {} ssh2", address(dice), 1024 + dice.below(60_000));
    match kind {
        0..3 => format!("{head}Accepted password for {tail}\n"),
        3..6 => format!("{head}Failed password for invalid user {tail}\n"),
        _ => format!("{head}Failed password for {tail}\n"),
    }
}

fn nginx(n: u64, dice: &mut Dice) -> String {
    format!(
        "{} - - [15/Jan/2026:{} +0000] \"GET /shop/item/{}?ref={}&q=a%20b HTTP/1.1\" {} {} \"https://example.com/page/{}\" \"Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0\"\n",
        address(dice),
        clock_face(n),
        dice.skewed(5_000),
        dice.below(50),
        [200, 200, 200, 301, 404, 500][dice.below(6) as usize],
        dice.below(100_000),
        dice.skewed(500),
        dice.below(120),
        dice.below(120),
    )
}

fn json(n: u64, dice: &mut Dice) -> String {
    format!(
        "{{\"@timestamp\":\"2026-01-15T{}.{:03}Z\",\"event\":{{\"category\":[\"authentication\"],\"action\":\"ssh_login\",\"outcome\":\"failure\"}},\"host\":{{\"name\":\"web-{}\"}},\"user\":{{\"name\":\"user{}\"}},\"source\":{{\"ip\":\"{}\",\"port\":{}}},\"app\":{{\"version\":{},\"ok\":true}},\"message\":\"login failed\"}}\n",
        clock_face(n),
        dice.below(1000),
        dice.below(200),
        dice.skewed(5_000),
        address(dice),
        1024 + dice.below(60_000),
        dice.below(20),
    )
}

/// Writes the n-th line.
type Line = fn(u64, &mut Dice) -> String;

fn measure(name: &str, lines: String) {
    let lines = bytes::Bytes::from(lines);
    let source = block_of(name, "", 0).source;
    let mut ingest = Ingest::new(Settings::default(), source.clone());
    let (mut out, mut rows, mut counts): (Vec<EventBatch>, _, _) = (Vec::new(), 0, weir::ingest::Counts::default());
    let before = cpu();
    let mut start = 0;
    while start < lines.len() {
        let end = (start + BLOCK).min(lines.len());
        let end = memchr::memrchr(b'\n', &lines[start..end]).map_or(lines.len(), |n| start + n + 1);
        let mut block = block_of(name, lines.slice(start..end), 1_768_600_000_000_000);
        block.source = source.clone();
        counts += ingest.push(&block, &mut out);
        rows += out.drain(..).map(|b| b.len() as u64).sum::<u64>();
        start = end;
    }
    let spent = (cpu() - before).as_secs_f64();
    assert_eq!((rows, counts.parse_failures), (counts.events, 0));
    println!(
        "{name:<16} {:>8.2} M lines/CPU-second  {:>6.0} MB/s  {:>5.0} ns/line",
        counts.lines as f64 / spent / 1e6,
        lines.len() as f64 / spent / 1e6,
        spent * 1e9 / counts.lines as f64
    );
}

fn main() {
    let make = |line: Line, lines: u64| {
        let mut dice = Dice(42);
        (0..lines).map(|n| line(n, &mut dice)).collect::<String>()
    };
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let sets: [(&str, Line, u64); 3] =
        [("sshd", sshd, LINES), ("nginx.access", nginx, LINES / 2), ("json", json, LINES / 2)];
    for (name, line, lines) in sets.into_iter().filter(|s| s.0.contains(&wanted)) {
        let text = match std::env::var("WEIR_SSHD") {
            Ok(path) if name == "sshd" => std::fs::read_to_string(&path).expect("WEIR_SSHD is a readable file"),
            _ => make(line, lines),
        };
        measure(name, text);
    }
}
