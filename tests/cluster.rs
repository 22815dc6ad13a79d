//! `weir run` in several processes: real sockets, real files, killed and started again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::program::{json, run, stderr, stdout, weir};
use crate::run::{Server, append};

const RULES: &str = r#"
let failed = authentication where event.action == "ssh_login" and event.outcome == "failure"
let login  = authentication where event.action == "ssh_login" and event.outcome == "success"

rule many    { when failed by source.ip within 10m having count() >= 10 }
rule guessed { when sequence by source.ip within 10m { fail: failed having count() >= 3  ok: login } }
rule gave_up { when sequence by source.ip within 5m { fail: failed having count() >= 2  not login } }
rule twice   { when alert where rule.name in ("many", "guessed") by source.ip within 1h having distinct(rule.name) >= 2 }
"#;

/// Two processes in a folder: `0.log`, `1.log` and so on are theirs.
struct Two {
    folder: tempfile::TempDir,
}

impl Two {
    fn new() -> Two {
        let two = Two { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(two.path("rules")).unwrap();
        std::fs::write(two.path("rules/a.weir"), RULES).unwrap();
        two
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn log(&self, process: usize) -> PathBuf {
        self.path(&format!("{process}.log"))
    }

    /// A hosts file with ports that were free a moment ago.
    fn hosts(&self) {
        let taken = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let lines: String = taken.iter().map(|l| format!("{}\n", l.local_addr().unwrap())).collect();
        std::fs::write(self.path("hosts"), format!("# two of us\n{lines}")).unwrap();
    }

    fn arguments(&self, process: usize, data: &str) -> Vec<String> {
        let (log, data, rules, hosts) =
            (self.text(&format!("{process}.log")), self.text(data), self.text("rules"), self.text("hosts"));
        let process = process.to_string();
        let all =
            ["run", "--file", &log, "--data", &data, "--rules", &rules, "--lateness", "60", "--process", &process];
        all.into_iter().chain(["--hosts", &hosts]).map(str::to_owned).collect()
    }

    fn start(&self, process: usize, more: &[&str]) -> Server {
        let arguments = self.arguments(process, &format!("data{process}"));
        Server::start(&arguments.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Both, each waiting for the other.
    fn both(&self, more: &[&str]) -> [Server; 2] {
        self.hosts();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| self.start(0, more));
            let second = self.start(1, more);
            [first.join().unwrap(), second]
        })
    }

    /// Ids of the alerts that all lines together give.
    fn scanned(&self) -> BTreeSet<String> {
        let (first, second, rules) = (self.text("0.log"), self.text("1.log"), self.text("rules"));
        let output = run(["scan", &first, &second, "--rules", &rules, "--output", "json"]);
        json(&output).iter().map(|alert| alert["id"].to_string()).collect()
    }

    /// Events of a process's archive, and how many ids they have.
    fn archived(&self, process: usize) -> (Value, Value) {
        let sql = "SELECT count(*) AS n, count(DISTINCT event.id) AS ids FROM events";
        let output = run(["sql", "--data", &self.text(&format!("data{process}")), "--output", "json", sql]);
        let rows = json(&output);
        assert_eq!(rows.len(), 1, "{}", stderr(&output));
        (rows[0]["n"].clone(), rows[0]["ids"].clone())
    }

    fn history(&self, process: usize) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(&format!("data{process}/alerts.ndjson"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn line(second: usize, source: usize, success: bool) -> String {
    let (hour, minute, second) = (10 + second / 3600, second / 60 % 60, second % 60);
    let what = if success { "Accepted" } else { "Failed" };
    format!(
        "2026-01-15T{hour}:{minute:02}:{second:02}Z web-01 sshd[7]: {what} password for root from 203.0.113.{source} port 40{second:03} ssh2\n"
    )
}

/// One attack an address, each on both machines: fifteen failures, and a success of those with even numbers. The last lines let time
/// pass for both.
fn attacks(two: &Two, from: usize, sources: std::ops::Range<usize>) -> usize {
    let mut lines = 0;
    for process in 0..2 {
        let mut text = String::new();
        for second in from..from + 60 {
            for source in sources.clone() {
                // The events of a key are here and there.
                let here = (second + source) % 2 == process;
                if here && second % 4 < 2 && second < from + 30 {
                    text.push_str(&line(second, source, false));
                } else if here && second / 2 == (from + 40) / 2 && source % 2 == 0 {
                    text.push_str(&line(second, source, true));
                }
            }
        }
        text.push_str(&line(from + 1200, 250 + process, false));
        lines += text.lines().count();
        append(&two.log(process), &text);
    }
    lines
}

fn standing(alerts: &[Value]) -> BTreeSet<String> {
    alerts.iter().filter(|a| a["standing"] == "current").map(|a| a["id"].to_string()).collect()
}

fn wait_for_all(server: &Server, expected: &BTreeSet<String>) -> Vec<Value> {
    server.wait_for(&format!("these alerts and no others: {expected:?}"), |alerts| standing(alerts) == *expected)
}

#[test]
fn two_processes_raise_the_alerts_of_all_lines_once() {
    let two = Two::new();
    attacks(&two, 0, 1..9);
    let expected = two.scanned();
    let servers = two.both(&["--workers", "2"]);
    let alerts = wait_for_all(&servers[0], &expected);
    let rules: BTreeSet<&str> = alerts.iter().map(|a| a["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["gave_up", "guessed", "many", "twice"].into(), "every form has its alerts");
    assert!(servers[0].alerts().iter().all(|a| a["rule"] != "many" || a["count"].as_u64().unwrap() >= 15));
    assert_eq!(servers[1].alerts().len(), 0, "process 0 has them");

    // Rules stay as they are until all are started again.
    append(&two.path("rules/a.weir"), "rule another { when failed }\n");
    let request = ureq::post(format!("{}/api/v1/rules/reload", servers[1].address));
    let mut response = request.config().http_status_as_error(false).build().send_empty().unwrap();
    assert_eq!(response.status(), 422);
    assert!(response.body_mut().read_to_string().unwrap().contains("all processes are started again"));

    // One is stopped, and with it the other.
    let [first, second] = servers;
    second.signal(Signal::SIGINT);
    let (code, said) = second.ended();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = first.ended();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("process 1 at 127.0.0.1:") && said.contains("was stopped"), "{said}");
    let added: Vec<Value> = two.history(0).into_iter().filter(|c| c["change"] == "added").collect();
    let ids: BTreeSet<String> = added.iter().map(|c| c["alert"]["id"].to_string()).collect();
    assert!(ids.is_superset(&expected) && ids.len() == added.len(), "each once");
    assert_eq!(two.history(1), Vec::<Value>::new());
}

#[test]
fn one_is_killed_and_all_go_on() {
    let two = Two::new();
    let mut lines = 0;
    for round in 0..4 {
        lines += attacks(&two, round * 1500, round * 4 + 1..round * 4 + 5);
        let servers = two.both(&[]);
        if round != 1 {
            wait_for_all(&servers[0], &two.scanned());
        }
        let [first, second] = servers;
        let (killed, left) = if round < 2 { (second, first) } else { (first, second) };
        killed.kill();
        let (code, said) = left.ended();
        assert_eq!(code, Some(2), "{said}");
        let process = usize::from(round < 2);
        assert!(said.contains(&format!("weir: lost process {process} at 127.0.0.1:")), "{said}");
        assert!(said.contains("start it again, then start this process again"), "{said}");
        assert_eq!((said.matches("lost process").count(), said.contains("panicked")), (1, false), "{said}");
        for process in 0..2 {
            let (events, ids) = two.archived(process);
            assert_eq!(events, ids, "nothing twice");
        }
    }
    let servers = two.both(&[]);
    let expected = two.scanned();
    wait_for_all(&servers[0], &expected);
    let [first, second] = servers;
    first.signal(Signal::SIGINT);
    assert_eq!((first.ended().0, second.ended().0), (Some(0), Some(2)));
    let archived: u64 = (0..2).map(|process| two.archived(process).0.as_u64().unwrap()).sum();
    assert_eq!(archived, lines as u64, "no line twice, none lost");
    // What was said is true, and was said once; what time decided stays.
    let mut standing = BTreeSet::new();
    for change in two.history(0) {
        let id = change["alert"]["id"].to_string();
        match change["change"].as_str() {
            Some("added") => assert!(standing.insert(id), "raised twice: {change}"),
            Some("changed") => assert!(standing.contains(&id), "never raised: {change}"),
            _ => {
                assert!(standing.remove(&id), "never raised: {change}");
                assert_ne!(change["alert"]["rule"], "gave_up", "taken back: {change}");
            }
        }
    }
    assert_eq!(standing, expected);
    // Each archive can be replayed.
    let replayed = run(["replay", &two.text("data1"), "--rules", &two.text("rules"), "--output", "json"]);
    assert!(matches!(replayed.status.code(), Some(0 | 1)), "{}{}", stdout(&replayed), stderr(&replayed));
}

/// Both end by themselves; what they say.
fn refused(two: &Two, arguments: [Vec<String>; 2]) -> [String; 2] {
    two.hosts();
    let run = |arguments: &Vec<String>| {
        let output = weir().args(arguments).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(&arguments[0]));
        let second = run(&arguments[1]);
        [first.join().unwrap(), second]
    })
}

#[test]
fn processes_that_do_not_fit_refuse_to_start() {
    let two = Two::new();
    let arguments = |data: [&str; 2], more: [&[&str]; 2]| {
        [0, 1].map(|process| {
            let mut all = two.arguments(process, data[process]);
            all.extend(more[process].iter().map(|s| (*s).to_owned()));
            all
        })
    };
    for said in refused(&two, arguments(["data0", "data1"], [&[], &["--workers", "2"]])) {
        assert!(said.contains("--workers") && said.contains("give all of them the same number"), "{said}");
    }
    let other = two.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("a.weir"), RULES.replace("10m", "11m")).unwrap();
    let mut different = arguments(["data0", "data1"], [&[], &[]]);
    let rules = different[1].iter().position(|a| *a == two.text("rules")).unwrap();
    different[1][rules] = two.text("other");
    for said in refused(&two, different) {
        assert!(said.contains("other rules or lists"), "{said}");
    }

    // A folder stays with its process.
    let [first, second] = two.both(&[]);
    second.signal(Signal::SIGINT);
    assert_eq!((second.ended().0, first.ended().0), (Some(0), Some(2)));
    for said in refused(&two, arguments(["data1", "data0"], [&[], &[]])) {
        assert!(said.contains("belongs to process") && said.contains("--data"), "{said}");
    }
    let output = weir().args(["run", "--data", &two.text("data1"), "--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("belongs to process 1 of 2"), "{}", stderr(&output));
}

#[test]
fn a_process_without_sources_holds_nobody_back() {
    let two = Two::new();
    attacks(&two, 0, 1..5);
    let other = std::fs::read_to_string(two.log(1)).unwrap();
    std::fs::remove_file(two.log(1)).unwrap();
    append(&two.log(0), &other);
    append(&two.path("1.log"), "");
    two.hosts();
    let mut arguments = two.arguments(1, "data1");
    arguments.retain(|a| *a != "--file" && *a != two.text("1.log"));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| two.start(0, &[]));
        let second = Server::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        (first.join().unwrap(), second)
    });
    // Some of these alerts are that nothing happened: time passed, though process 1 said nothing.
    wait_for_all(&first, &two.scanned());
    // What comes to it now is judged by the time of all.
    let event = r#"{"@timestamp":"2026-01-15T10:00:00Z","event":{"category":["authentication"],"action":"ssh_login"}}"#;
    let request = ureq::post(format!("{}/api/v1/events", second.address)).header("content-type", "application/json");
    assert!(request.send(event).unwrap().status().is_success());
    let found = second.get("/api/v1/events?limit=5").to_string();
    assert!(found.contains("late"), "{found}");
}

#[test]
fn who_waits_says_so_and_can_be_stopped() {
    let two = Two::new();
    two.hosts();
    let mut command = weir();
    command.args(two.arguments(1, "data1")).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let waits = said.into_iter().find(|line| line.contains("waiting for process 0 at 127.0.0.1:"));
    assert!(waits.is_some(), "it says for whom it waits");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(!child.wait().unwrap().success());
    // Nothing stays behind that would hinder the next start.
    attacks(&two, 0, 1..3);
    let servers = two.both(&[]);
    wait_for_all(&servers[0], &two.scanned());
}

#[test]
fn mistakes_in_the_hosts_file_are_named() {
    let two = Two::new();
    let refused = |hosts: &str, process: &str| {
        std::fs::write(two.path("hosts"), hosts).unwrap();
        let output = weir().args(["run", "--process", process, "--hosts", &two.text("hosts")]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(refused("127.0.0.1:2101\n127.0.0.1\n", "0").contains("hosts:2: `127.0.0.1` is not `host:port`"));
    assert!(refused("127.0.0.1:2101\n127.0.0.1:2102\n", "2").contains("for processes 0 to 1"));
    let output = weir().args(["run", "--process", "0"]).output().unwrap();
    assert!(stderr(&output).contains("--hosts"), "{}", stderr(&output));
    assert!(!Path::new("weir-data").exists(), "nothing was opened");
}
