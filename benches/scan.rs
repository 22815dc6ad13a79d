//! The whole of a scan: read, parse, match, order, correlate, write alerts; without and with the archive.
//!
//! `cargo bench --bench scan -- [FILE [RULES [ROUNDS]]]`. Without a file it makes a million sshd lines and
//! four rules over them. `CHECK=1` prints a hash of the alerts, `ONLY=plain` or `ONLY=archive` runs one of the two.

mod cpu;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use weir::collect::file;
use weir::engine::batch::{self, Feed};
use weir::ingest::{self, Ingest};
use weir::rule::{self, plan::Program};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lines of the generated input.
const LINES: u64 = 1_000_000;
/// Addresses of the generated input.
const ADDRESSES: u64 = 20_000;
const RULES: &str = r#"
let failed = authentication where event.action == "ssh_login" and event.outcome == "failure"
let login = authentication where event.action == "ssh_login" and event.outcome == "success"
list bad from "lists/bad.txt"
rule w1 { title "w1 {source.ip}" severity medium when failed by source.ip within 5m having count() >= 5 }
rule w2 { title "w2 {source.ip}" severity high when sequence by source.ip within 5m { fail: failed having count() >= 3
 ok: login } }
rule w3 { title "w3 {source.ip}" severity high when failed by source.ip within 10m having distinct(user.name) >= 10 }
rule w4 { title "w4 {source.ip}" severity low when authentication where source.ip in bad }
"#;

#[expect(unsafe_code, reason = "the allocator's options are set through its C interface, as the program does")]
fn main() {
    // SAFETY: the call takes two numbers and may be made at any time; an unknown option is ignored.
    unsafe { libmimalloc_sys::mi_option_set_default(15, 10_000) };
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let made = tempfile::tempdir().expect("a folder for what is made");
    let (lines, rules) = match &arguments[..] {
        [] => make(made.path()),
        [file] => (PathBuf::from(file), make(made.path()).1),
        [file, rules, ..] => (PathBuf::from(file), PathBuf::from(rules)),
    };
    let rounds: usize = arguments.get(2).and_then(|n| n.parse().ok()).unwrap_or(1);
    let program = Arc::new(rule::load(&rules).expect("the rules are read").program);
    let before = cpu::seconds();
    let count = read(&lines, |_| {});
    println!("read and parse: {count} lines, {:.2} CPU-s", cpu::seconds() - before);
    let only = std::env::var("ONLY").unwrap_or_default();
    for _ in 0..rounds {
        for (name, archive) in [("plain", None), ("archive", Some(made.path().join("data")))] {
            if !only.is_empty() && only != name {
                continue;
            }
            scan(name, &lines, &program, archive);
        }
    }
}

/// Runs a scan and says what it cost.
fn scan(name: &str, lines: &Path, program: &Arc<Program>, archive: Option<PathBuf>) {
    let (cpu, wall) = (cpu::seconds(), Instant::now());
    let settings =
        batch::Settings { program: program.clone(), workers: 1, archive: archive.clone(), once: false, until: None };
    let produce = |feed: &mut Feed| read(lines, |batch| feed.send(batch).expect("the run goes on"));
    let (count, mut findings) = batch::run(&settings, &produce, &|_| {}).expect("the scan runs");
    let alerts = findings.len();
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let each = |json: &[u8]| {
        hash.update(json);
        Ok(())
    };
    findings.for_each(each).expect("the alerts are read back");
    let spent = cpu::seconds() - cpu;
    println!(
        "{name}: {spent:.2} CPU-s, {:.2} s, {:.0} lines a CPU-second, {alerts} alerts, at most {}",
        wall.elapsed().as_secs_f64(),
        count as f64 / spent,
        most_memory(),
    );
    if std::env::var_os("CHECK").is_some() {
        println!("alerts: {:032x}", hash.digest128());
    }
    if let Some(folder) = archive {
        std::fs::remove_dir_all(folder).expect("the archive is removed");
    }
}

/// Reads and parses the file; the number of lines.
fn read(path: &Path, mut each: impl FnMut(weir::event::EventBatch)) -> u64 {
    let mut ingest: Option<Ingest> = None;
    let (mut batches, mut lines) = (Vec::new(), 0);
    for block in file::blocks(path, None).expect("the file opens") {
        let block = block.expect("the file is read");
        let settings = ingest::Settings { zone: jiff::tz::TimeZone::UTC, ..Default::default() };
        let ingest = ingest.get_or_insert_with(|| Ingest::new(settings, block.source.clone()));
        lines += ingest.push(&block, &mut batches).lines;
        batches.drain(..).for_each(&mut each);
    }
    lines
}

/// Writes a log in time order, in which most addresses fail a few times and then log in, and the rules.
fn make(folder: &Path) -> (PathBuf, PathBuf) {
    let rules = folder.join("rules");
    std::fs::create_dir_all(rules.join("lists")).expect("the folder takes rules");
    std::fs::write(rules.join("scan.weir"), RULES).expect("the folder takes rules");
    let address = |n: u64| format!("{}.{}.{}.{}", 40 + n % 150, n * 7 % 251, n * 13 % 253, 1 + n % 250);
    let bad: String = (0..ADDRESSES).step_by(10).map(|n| address(n) + "\n").collect();
    std::fs::write(rules.join("lists/bad.txt"), bad).expect("the folder takes rules");
    let mut text = String::new();
    for n in 0..LINES {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let second = n / 300;
        let said = if mixed % 5 == 0 { "Accepted" } else { "Failed" };
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        writeln!(
            text,
            "Jan 15 {hour:02}:{minute:02}:{second:02} host-{} sshd[{}]: {said} password for user{} from {} port {} ssh2",
            mixed % 50,
            mixed % 32_000,
            mixed / 7 % 5000,
            address(mixed / 11 % ADDRESSES * (1 + mixed % 3) / 3),
            1024 + mixed % 60_000,
        )
        .expect("a string takes all");
    }
    let lines = folder.join("auth.log");
    std::fs::write(&lines, text).expect("the folder takes a log");
    (lines, rules)
}

/// The most memory this process has had.
fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.map_or_else(|| "?".to_owned(), |l| l.trim().to_owned())
}
