//! `weir scan` as a user runs it, the whole process: read, parse, match, order, correlate, archive, print alerts.
//!
//! `cargo bench --bench scan -- [FILE [RULES]]`. Without a file it makes a million sshd lines and four rules over them.
//! Five rounds, in each of which all run in turn; CPU-seconds are user and system time, and their median counts.

mod child;
mod cpu;

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rounds.
const ROUNDS: usize = 5;
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

/// A rule that no line of the log meets.
const NONE: &str = r#"rule none { title "none" severity low when process where process.name == "none" }"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let made = tempfile::tempdir().expect("a folder for what is made");
    let (lines, rules) = match &arguments[..] {
        [] => make(made.path()),
        [file] => (PathBuf::from(file), make(made.path()).1),
        [file, rules, ..] => (PathBuf::from(file), PathBuf::from(rules)),
    };
    let none = made.path().join("none");
    std::fs::create_dir(&none).expect("the folder takes rules");
    std::fs::write(none.join("none.weir"), NONE).expect("the folder takes rules");
    let log = std::fs::File::open(&lines).expect("the file opens");
    let count = BufReader::new(log).split(b'\n').count() as f64;
    let parts = [
        ("rules, archive", &rules, true),
        ("rules", &rules, false),
        ("archive", &none, true),
        ("neither", &none, false),
    ];
    let mut spent: [Vec<(f64, u64)>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for ((_, rules, archived), spent) in parts.iter().zip(&mut spent) {
            let data = made.path().join("data");
            let mut scan = Command::new(env!("CARGO_BIN_EXE_weir"));
            scan.arg("scan").arg(&lines).arg("--rules").arg(rules);
            if *archived {
                scan.arg("--data").arg(&data);
            }
            let (seconds, ended) = child::run(&mut scan);
            spent.push((seconds, ended.memory));
            if *archived {
                std::fs::remove_dir_all(&data).expect("the archive is removed");
            }
        }
    }
    println!("{count} lines of {}, {ROUNDS} rounds", lines.display());
    for ((name, ..), mut spent) in parts.iter().zip(spent) {
        spent.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (median, memory) = spent[ROUNDS / 2];
        let (least, most) = (spent[0].0, spent[ROUNDS - 1].0);
        println!(
            "{name:<15} {median:>6.2} CPU-s ({least:.2} to {most:.2}), {:>9.0} lines a CPU-second, {memory} MB",
            count / median
        );
    }
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
