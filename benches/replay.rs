//! Replay from an archive, whole process, against batch engines on the same question in the same run.
//!
//! `cargo bench --bench replay -- [DATA [ROUNDS]]`. DATA is a folder as `gen.py N SEED DATA` of the peers makes it:
//! `events.log`, `events.parquet` and `iocs.txt`. Without one it is made of 5 M events. The peers lie in `PEERS`
//! (`../shared/peers`) and run with `PYTHON` (`python3`), which needs duckdb, polars and pyarrow; those that are not to
//! be had are left out, and without their generator the log is made here. Figures are medians, in CPU-seconds of the
//! process (user and system, all threads), reading included; weir's has its alerts as JSON in it.

mod child;
mod cpu;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use child::run;

/// Events that are made, and the rounds that are run, unless told.
const EVENTS: u64 = 5_000_000;
const ROUNDS: usize = 5;
const HEAD: &str = r#"
let failed = authentication where event.action == "ssh_login" and event.outcome == "failure"
let login = authentication where event.action == "ssh_login" and event.outcome == "success"
list iocs from "lists/iocs.txt"
"#;
/// Name, rule, and the millions of events a CPU-second that it must make.
const RULES: [(&str, &str, f64); 4] = [
    (
        "w1",
        r#"rule w1 { title "w1 {source.ip}" severity medium when failed by source.ip within 5m having count() >= 5 }"#,
        1.5,
    ),
    (
        "w2",
        r#"rule w2 { title "w2 {source.ip}" severity high when sequence by source.ip within 5m {
             fail: failed having count() >= 3
             ok: login
         } }"#,
        1.5,
    ),
    (
        "w3",
        r#"rule w3 { title "w3 {source.ip}" severity high when failed by source.ip within 10m having distinct(user.name) >= 10 }"#,
        0.8,
    ),
    ("w4", r#"rule w4 { title "w4 {source.ip}" severity low when authentication where source.ip in iocs }"#, 3.0),
];
const ALL: (&str, f64) = ("all four", 0.8);

/// A program of the comparison: its name, and how it is started.
type Contender<'a> = (&'static str, Box<dyn Fn() -> Command + 'a>);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let made = tempfile::tempdir().expect("a folder for what is made");
    let rounds = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let peers = Peers::look();
    let data = match arguments.first() {
        Some(data) => PathBuf::from(data),
        None => peers.data(made.path()),
    };
    let archive = made.path().join("archive");
    let (_, scanned) = run(weir()
        .arg("scan")
        .arg(data.join("events.log"))
        .args(["--data"])
        .arg(&archive)
        .args(["--rules".as_ref(), folder(made.path(), &data, "none", "").as_os_str()]));
    let events = events_of(&scanned.said);
    println!("{events} events; medians of {rounds}, millions of events a CPU-second");
    let joined = RULES.map(|(_, rule, _)| rule).join("\n");
    let all = (ALL.0, joined.as_str(), ALL.1);
    for (name, rule, least) in RULES.into_iter().chain([all]) {
        let rules = folder(made.path(), &data, name, rule);
        let mut contenders: Vec<Contender<'_>> = vec![("weir", {
            let archive = archive.clone();
            Box::new(move || {
                let mut command = weir();
                command.arg("replay").arg(&archive).args(["--output", "json", "--rules"]).arg(&rules);
                command
            })
        })];
        for (peer, script) in peers.of(&data).into_iter().filter(|_| name != ALL.0) {
            let (python, script, data) = (peers.python.clone(), peers.folder.join(script), data.clone());
            contenders.push((
                peer,
                Box::new(move || {
                    let mut command = Command::new(&python);
                    command.arg(&script).arg(&data).args([name, "parquet"]);
                    command
                }),
            ));
        }
        compare(name, least, events, rounds, &contenders);
    }
}

/// Runs all of them in turn, so that what else the machine does meets each of them.
fn compare(name: &str, least: f64, events: u64, rounds: usize, contenders: &[Contender<'_>]) {
    let mut spent: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    let mut memory = 0;
    for _ in 0..rounds {
        for (at, (_, command)) in contenders.iter().enumerate() {
            let (seconds, ended) = run(&mut command());
            spent[at].push(seconds);
            memory = if at == 0 { memory.max(ended.memory) } else { memory };
        }
    }
    let rate = |at: usize, spent: &mut Vec<Vec<f64>>| {
        spent[at].sort_by(f64::total_cmp);
        events as f64 / 1e6 / spent[at][spent[at].len() / 2]
    };
    let ours = rate(0, &mut spent);
    let held = if ours >= least { "holds" } else { "MISSED" };
    let mut line = format!("{name:<8}  weir {ours:>5.2} (at least {least}: {held}; {memory} MiB)");
    for (at, (peer, _)) in contenders.iter().enumerate().skip(1) {
        let theirs = rate(at, &mut spent);
        write!(line, "  {peer} {theirs:>5.2} (weir × {:.2})", ours / theirs).expect("a string takes all");
    }
    println!("{line}");
}

fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

/// The number before "events" in what a scan says last.
fn events_of(said: &str) -> u64 {
    let words: Vec<&str> = said.split_whitespace().collect();
    let at = words.iter().position(|w| w.starts_with("events")).expect("a scan says how many events there were");
    words[at - 1].parse().expect("a number of events")
}

/// A rules folder with one file.
fn folder(made: &Path, data: &Path, name: &str, rules: &str) -> PathBuf {
    let folder = made.join(name.replace(' ', "-"));
    std::fs::create_dir_all(folder.join("lists")).expect("the folder takes rules");
    std::fs::copy(data.join("iocs.txt"), folder.join("lists/iocs.txt")).expect("the indicators are copied");
    std::fs::write(folder.join("rules.weir"), format!("{HEAD}{rules}\n")).expect("the folder takes rules");
    folder
}

/// The engines to compare with.
struct Peers {
    folder: PathBuf,
    python: String,
    generator: bool,
    found: Vec<(&'static str, &'static str)>,
}

impl Peers {
    fn look() -> Peers {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/peers");
        let folder = std::env::var_os("PEERS").map_or_else(beside, PathBuf::from);
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let imports = |modules: &str| {
            let mut command = Command::new(&python);
            command.args(["-c", &format!("import {modules}")]).stderr(Stdio::null());
            command.status().is_ok_and(|s| s.success())
        };
        let mut found = Vec::new();
        for (name, script, module) in [("DuckDB", "duck.py", "duckdb"), ("Polars", "pol.py", "polars")] {
            match (folder.join(script).exists(), imports(module)) {
                (true, true) => found.push((name, script)),
                (false, _) => println!("{name} is left out: there is no {script} in {} (PEERS)", folder.display()),
                (true, false) => println!("{name} is left out: {python} (PYTHON) cannot import {module}"),
            }
        }
        let generator = folder.join("gen.py").exists() && imports("numpy, pyarrow");
        Peers { folder, python, generator, found }
    }

    /// Those that can read this data.
    fn of(&self, data: &Path) -> Vec<(&'static str, &'static str)> {
        if data.join("events.parquet").exists() { self.found.clone() } else { Vec::new() }
    }

    /// Makes the data.
    fn data(&self, made: &Path) -> PathBuf {
        let data = made.join("data");
        if self.generator {
            run(Command::new(&self.python).arg(self.folder.join("gen.py")).args([&EVENTS.to_string(), "1"]).arg(&data));
        } else {
            println!("the log is made here, and the peers are left out: gen.py needs numpy and pyarrow");
            std::fs::create_dir_all(&data).expect("a folder for the data");
            make(&data);
        }
        data
    }
}

/// Writes a log in which most addresses fail a few times and then log in, and a list of some of them.
fn make(data: &Path) {
    let address = |n: u64| format!("{}.{}.{}.{}", 40 + n % 150, n * 7 % 251, n * 13 % 253, 1 + n % 250);
    let listed: String = (0..20_000).step_by(10).map(|n| address(n) + "\n").collect();
    std::fs::write(data.join("iocs.txt"), listed).expect("the folder takes a list");
    let mut text = String::new();
    for n in 0..EVENTS {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (second, said) = (n / 2000, if mixed % 10 < 7 { "Failed" } else { "Accepted" });
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let (host, pid, user, port) = (mixed % 200, 300 + mixed % 32_000, mixed / 7 % 5000, 1024 + mixed % 60_000);
        let from = address(mixed / 11 % 20_000 * (1 + mixed % 3) / 3);
        writeln!(
            text,
            "Jan 15 {hour:02}:{minute:02}:{second:02} h{host} sshd[{pid}]: {said} password for u{user} from {from} port {port} ssh2",
        )
        .expect("a string takes all");
    }
    std::fs::write(data.join("events.log"), text).expect("the folder takes a log");
}
