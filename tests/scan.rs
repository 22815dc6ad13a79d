//! `weir scan` and `weir replay` on real logs, against an independent count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::program::{json, real, run, stderr, stdout};

/// The rule `ssh_bruteforce` of the pack: this many failures of a source within this many seconds.
const FAILURES: usize = 10;
const WINDOW: i64 = 300;

/// Seconds of a failed login and its source, read the naive way. One year, since the log has none.
fn failures(log: &str) -> Vec<(i64, String)> {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut out = Vec::new();
    for line in log.lines() {
        let Some(at) = line.find("Failed password for ") else { continue };
        let words: Vec<&str> = line.split_whitespace().collect();
        let month = months.iter().position(|m| *m == words[0]).expect("a month") as i64;
        let clock: Vec<i64> = words[2].split(':').map(|n| n.parse().expect("a number")).collect();
        let day: i64 = words[1].parse().expect("a day");
        let second = ((month * 31 + day) * 24 + clock[0]) * 3600 + clock[1] * 60 + clock[2];
        let from = &line[at..];
        let source = from[from.rfind(" from ").expect("a source") + 6..].split(' ').next().expect("a word");
        let times = line.split("message repeated ").nth(1).map_or(1, |r| r.split(' ').next().unwrap().parse().unwrap());
        out.extend(std::iter::repeat_n((second, source.to_owned()), times));
    }
    out
}

/// Every source with enough failures in some window.
fn brute_forcing(log: &str) -> BTreeSet<String> {
    let mut by_source: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (second, source) in failures(log) {
        by_source.entry(source).or_default().push(second);
    }
    let enough = |times: &Vec<i64>| {
        times.iter().any(|last| times.iter().filter(|t| **t <= *last && last - **t <= WINDOW).count() >= FAILURES)
    };
    by_source.into_iter().filter(|(_, times)| enough(times)).map(|(source, _)| source).collect()
}

fn scan(path: &Path, more: &[&str]) -> std::process::Output {
    let path = path.to_str().expect("UTF-8");
    run([&["scan", path, "--output", "json", "--timezone", "UTC"], more].concat())
}

#[test]
fn finds_every_brute_forcing_source_and_no_other() {
    let Some(path) = real("auth/openssh_2k.log") else { return };
    let expected = brute_forcing(&std::fs::read_to_string(&path).unwrap());
    assert!(expected.len() > 3, "the log is known for them");
    let output = scan(&path, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let found: BTreeSet<String> = json(&output)
        .iter()
        .filter(|a| a["rule"] == "ssh_bruteforce")
        .map(|a| a["key"]["source.ip"].as_str().expect("a key").to_owned())
        .collect();
    assert_eq!(found, expected);
    for alert in json(&output) {
        for field in ["id", "rule", "severity", "title", "key", "first", "last", "count", "evidence"] {
            assert!(!alert[field].is_null(), "{field} is missing in {alert}");
        }
    }
}

#[test]
fn order_workers_and_replay_change_nothing() {
    let Some(path) = real("auth/openssh_2k.log") else { return };
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|l| xxhash_rust::xxh3::xxh3_64(l.as_bytes()));
    let shuffled = folder.path().join("shuffled.log");
    std::fs::write(&shuffled, lines.join("\n")).unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let first = stdout(&scan(&path, &["--data", data]));
    assert!(first.lines().count() > 3);
    assert_eq!(stdout(&scan(&shuffled, &[])), first, "shuffled");
    assert_eq!(stdout(&scan(&path, &["--workers", "2"])), first, "two workers");
    assert_eq!(stdout(&scan(&shuffled, &["--workers", "2"])), first, "shuffled, two workers");
    let again = scan(&path, &["--data", data]);
    assert_eq!(again.status.code(), Some(2), "a second scan would count twice");
    let alerts = run(["sql", "--data", data, "--output", "json", "SELECT id FROM alerts ORDER BY first, rule, id"]);
    let ids = |out: &str| out.lines().map(|l| l.split('"').nth(3).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&stdout(&alerts)), ids(&first), "{}", stderr(&alerts));
    let replay = run(["replay", data, "--output", "json"]);
    assert_eq!(stdout(&replay), first, "replay: {}", stderr(&replay));
    assert_eq!(replay.status.code(), Some(1));
}

#[test]
fn every_line_of_the_real_logs_is_accounted_for() {
    for name in ["auth/openssh_2k.log", "auth/linux_2k.log", "web/apache_access_10k.log", "web/apache_error_2k.log"] {
        let Some(path) = real(name) else { return };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let lines = text.lines().filter(|l| !l.trim().is_empty()).count() as i64;
        let repeated: i64 = text
            .lines()
            .filter_map(|l| l.split("message repeated ").nth(1)?.split(' ').next()?.parse::<i64>().ok())
            .map(|n| n - 1)
            .sum();
        let output = scan(&path, &["--data", data]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {}", stderr(&output));
        let counted = run([
            "sql",
            "--data",
            data,
            "--output",
            "json",
            "SELECT count(*) AS events, count(*) FILTER (list_contains(tags, 'parse_failure')) AS failures, \
             count(DISTINCT event.id) AS ids FROM events",
        ]);
        let row = &json(&counted)[0];
        assert_eq!(row["events"], lines + repeated, "{name}");
        assert_eq!(row["ids"], row["events"], "{name}: ids are unique");
        assert!(row["failures"].as_i64().unwrap() * 100 < lines, "{name}: {row}");
    }
}

#[test]
fn bad_input_is_said_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut garbage: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    garbage.push(b'\n');
    std::fs::write(at("garbage"), &garbage).unwrap();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("long"), vec![b'x'; 100 << 20]).unwrap();
    let attack: String = (0..12)
        .map(|n| {
            format!("Jan 15 10:30:{n:02} web-01 sshd[7]: Failed password for root from 203.0.113.9 port 4{n:02} ssh2\n")
        })
        .collect();
    std::fs::write(at("good"), attack).unwrap();

    let all = run(["scan", &at("garbage"), &at("empty"), &at("long"), &at("missing"), &at("good"), "--output", "json"]);
    assert_eq!(all.status.code(), Some(2), "a missing file is an error");
    for said in ["missing", "not all in UTF-8", "6 cut off from a line over 16 MiB"] {
        assert!(stderr(&all).contains(said), "{}", stderr(&all));
    }
    assert!(json(&all).iter().any(|a| a["rule"] == "ssh_bruteforce" && a["key"]["source.ip"] == "203.0.113.9"));
    assert_eq!(run(["scan", &at("empty")]).status.code(), Some(0));

    std::fs::create_dir(at("rules")).unwrap();
    std::fs::write(
        folder.path().join("rules/bad.weir"),
        "rule broken { when authentication where source.adress == 1 }",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("rules/good.weir"),
        "rule any_failure { title \"x\" severity low when authentication where event.outcome == \"failure\" }",
    )
    .unwrap();
    let bad = run(["scan", &at("good"), "--rules", &at("rules"), "--output", "json"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(stderr(&bad).contains("source.address"), "{}", stderr(&bad));
    assert_eq!(json(&bad).len(), 12, "the good rule goes on");
    assert_eq!(run(["check", "--rules", &at("rules")]).status.code(), Some(2));
    assert_eq!(run(["check"]).status.code(), Some(0), "the built-in pack is clean");
    let told = run(["explain", "any_failure", "--rules", &at("rules")]);
    assert!(stdout(&told).contains("form     every event is an alert\n"), "{}", stdout(&told));
    assert!(stderr(&run(["explain", "nope"])).contains("no rule `nope`"));

    let sql = run(["sql", "--data", &at("nowhere"), "SELECT 1"]);
    assert_eq!(sql.status.code(), Some(2));
    assert!(stderr(&sql).contains("nowhere"), "{}", stderr(&sql));
}
