//! `weir run` as a service: real sockets, real files, killed and started again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::program::{json, run, stderr, stdout, weir};

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:port`.
    pub(crate) address: String,
    /// What it said on standard error until it served.
    pub(crate) said: String,
    /// What it says from then on.
    rest: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts `weir` with these arguments and waits until it says where it serves.
    pub(crate) fn start(arguments: &[&str]) -> Server {
        Server::start_in(weir(), arguments)
    }

    /// The same by a command that leads to `weir`.
    pub(crate) fn start_in(mut command: Command, arguments: &[&str]) -> Server {
        command.env_remove("WEIR_DATA").env_remove("WEIR_RULES").env("TZ", "UTC").stdin(Stdio::null());
        command.args(arguments).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).expect("it is text");
            said.push_str(&line);
            said.push('\n');
            if let Some(served) = line.strip_prefix("weir: ").filter(|line| line.starts_with("http://")) {
                break served.split_whitespace().next().expect("a word").trim_end_matches('/').to_owned();
            }
        };
        // Its pipe must not fill.
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).map(|line| line + "\n").collect());
        Server { child, address, said, rest: Some(rest) }
    }

    /// Waits until it ends by itself. Returns its exit code and what it said since it served.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        let rest = self.rest.take().expect("it is taken once");
        (status.code(), rest.join().expect("it is text"))
    }

    /// The JSON at a path of the API.
    pub(crate) fn get(&self, path: &str) -> Value {
        let mut response = ureq::get(format!("{}{path}", self.address)).call().expect("the server answers");
        serde_json::from_str(&response.body_mut().read_to_string().expect("text")).expect("JSON")
    }

    /// All current alerts.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        self.get("/api/v1/alerts?limit=500")["alerts"].as_array().expect("a list").clone()
    }

    /// Waits until the alerts satisfy the condition, and returns them.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let alerts = self.alerts();
            if condition(&alerts) {
                return alerts;
            }
            assert!(started.elapsed() < PATIENCE, "waited for {what}: {alerts:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().try_into().expect("an id of Linux"));
        kill(id, signal).expect("it runs");
    }

    /// Ctrl-C until it ends, whatever it waits for. Returns its exit code.
    pub(crate) fn insist(mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            self.signal(Signal::SIGINT);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ctrl-C, and waits for the end.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGINT);
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn attack(second: usize, source: usize, failures: usize) -> String {
    (0..failures)
        .map(|n| {
            let at = second + n;
            format!(
                "2026-01-15T10:{:02}:{:02}Z web-01 sshd[{}]: Failed password for root from 203.0.113.{source} port {} ssh2\n",
                at / 60 % 60,
                at % 60,
                100 + n,
                40_000 + at
            )
        })
        .collect()
}

pub(crate) fn append(path: &Path, text: &str) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).expect("the file opens");
    file.write_all(text.as_bytes()).expect("it is written");
}

fn brute_force(alerts: &[Value]) -> BTreeSet<String> {
    alerts
        .iter()
        .filter(|a| a["rule"] == "ssh_bruteforce")
        .map(|a| a["key"]["source.ip"].as_str().expect("a key").to_owned())
        .collect()
}

#[test]
fn killed_at_any_point_it_loses_nothing_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("auth.log"), folder.path().join("data"));
    let arguments = ["run", "--file", log.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let mut lines = 0;
    for round in 0..5 {
        append(&log, &attack(round * 200, round + 1, 12));
        lines += 12;
        let server = Server::start(&arguments);
        if round % 2 == 0 {
            server.wait_for("the round's alert", |a| brute_force(a).len() == round + 1);
        }
        server.kill();
    }
    let server = Server::start(&arguments);
    server.wait_for("all alerts", |a| brute_force(a).len() == 5);
    server.stop();

    let data = data.to_str().unwrap();
    let sql = run([
        "sql",
        "--data",
        data,
        "--output",
        "json",
        "SELECT count(*) AS n, count(DISTINCT event.id) AS ids FROM events",
    ]);
    let row = &json(&sql)[0];
    assert_eq!(row["n"], lines, "no line twice, none lost: {}", stderr(&sql));
    assert_eq!(row["ids"], lines);
    let history = std::fs::read_to_string(folder.path().join("data/alerts.ndjson")).unwrap();
    let mut added = BTreeSet::new();
    for change in history.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()) {
        if change["change"] == "added" {
            assert!(added.insert(change["alert"]["id"].to_string()), "raised twice: {change}");
        }
    }
    // What was raised live is what a replay and a scan find.
    let ids = |out: &str| -> BTreeSet<String> {
        out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["id"].to_string()).collect()
    };
    let replayed = stdout(&run(["replay", data, "--output", "json"]));
    assert_eq!(ids(&replayed), added);
    let scanned = stdout(&run(["scan", log.to_str().unwrap(), "--output", "json"]));
    assert_eq!(scanned, replayed);
}

#[test]
fn it_goes_on_in_the_files_of_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, data) = (folder.path().join("logs"), folder.path().join("data"));
    std::fs::create_dir(&logs).unwrap();
    let (file, folder_of_both, data) = (logs.join("auth.log"), logs.to_str().unwrap(), data.to_str().unwrap());
    append(&file, &(attack(0, 1, 12) + &attack(100, 2, 6)));
    append(&logs.join("auth.log.1"), &attack(50, 3, 12));
    let scanned = run(["scan", folder_of_both, "--data", data]);
    assert_eq!(scanned.status.code(), Some(1), "{}", stderr(&scanned));
    let server = Server::start(&["run", "--data", data, "--file", folder_of_both]);
    // The sixth failure was the last that the scan saw; the window is five minutes.
    append(&file, &(attack(106, 2, 6) + &attack(400, 4, 12)));
    let alerts = server.wait_for("the last attack", |alerts| brute_force(alerts).contains("203.0.113.4"));
    let sources = brute_force(&alerts);
    assert_eq!(sources, (1..=4).map(|n| format!("203.0.113.{n}")).collect());
    server.stop();
    let count =
        run(["sql", "--data", data, "--output", "csv", "select count(*), count(distinct event.id) from events"]);
    assert_eq!(stdout(&count).lines().nth(1), Some("48,48"), "{}", stdout(&count));
}

#[test]
fn what_did_not_happen_before_a_kill_still_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("rules")).unwrap();
    let rule = "rule gave_up { when sequence by source.ip within 5m {
        authentication where event.outcome == \"failure\"
        not authentication where event.outcome == \"success\"
    } }";
    std::fs::write(path("rules/a.weir"), rule).unwrap();
    let log = folder.path().join("auth.log");
    let arguments =
        ["run", "--file", &path("auth.log"), "--data", &path("data"), "--rules", &path("rules"), "--lateness", "0"];
    // The last line decides: time has passed since the first one.
    append(&log, &(attack(0, 1, 1) + &attack(600, 2, 1)));
    let server = Server::start(&arguments);
    server.wait_for("the alert", |alerts| alerts.len() == 1);
    server.kill();
    let server = Server::start(&arguments);
    append(&log, &attack(1200, 3, 1));
    server.wait_for("the next one", |alerts| alerts.len() == 2);
    let history = std::fs::read_to_string(path("data/alerts.ndjson")).unwrap();
    assert_eq!((history.matches("\"added\"").count(), history.contains("withdrawn")), (2, false), "{history}");
    server.stop();
}

#[test]
fn takes_http_uploads_and_syslog_and_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&[
        "run",
        "--data",
        data.to_str().unwrap(),
        "--syslog-udp",
        "127.0.0.1:0",
        "--syslog-tcp",
        "127.0.0.1:0",
    ]);
    let port = |word: &str| -> String {
        let at = server.said.find(word).unwrap_or_else(|| panic!("{word} in {}", server.said)) + word.len();
        server.said[at..].split_whitespace().next().unwrap().to_owned()
    };
    let now = weir::event::time::rfc3339(weir::event::time::now() - 60_000_000);
    let events: String = (0..12)
        .map(|n| {
            format!(
                "{{\"@timestamp\":\"{now}\",\"event\":{{\"category\":[\"authentication\"],\"action\":\"ssh_login\",\
                 \"outcome\":\"failure\"}},\"source.ip\":\"203.0.113.50\",\"user.name\":\"u\",\"n\":{n}}}\n"
            )
        })
        .collect();
    let mut response = ureq::post(format!("{}/api/v1/events", server.address))
        .header("content-type", "application/x-ndjson")
        .send(&events)
        .expect("it is accepted");
    let receipt: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(receipt["events"], 12);

    let line = |n: usize, source: &str| {
        format!("<38>{} web-01 sshd[9]: Failed password for root from {source} port 4{n:02} ssh2", now)
    };
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = port("syslog+udp://");
    (0..12).for_each(|n| {
        udp.send_to(line(n, "203.0.113.51").as_bytes(), &target).unwrap();
    });
    let mut tcp = TcpStream::connect(port("syslog+tcp://")).unwrap();
    (0..12).for_each(|n| {
        let text = line(n, "203.0.113.52");
        write!(tcp, "{} {text}", text.len()).unwrap();
    });
    drop(tcp);

    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"source\"\r\n\r\nupload.log\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"upload.log\"\r\n\r\n{}\r\n--b--\r\n",
        (0..12).map(|n| line(n, "203.0.113.53") + "\n").collect::<String>()
    );
    let mut response = ureq::post(format!("{}/ingest", server.address))
        .header("content-type", "multipart/form-data; boundary=b")
        .send(&body)
        .expect("it is accepted");
    let receipt: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(receipt["events"], 12);

    let expected: BTreeSet<String> = (50..=53).map(|n| format!("203.0.113.{n}")).collect();
    let alerts = server.wait_for("four sources", |a| brute_force(a).is_superset(&expected));
    let id = alerts[0]["id"].as_str().unwrap();
    let detail = server.get(&format!("/api/v1/alerts/{id}"));
    assert!(detail.to_string().contains("203.0.113."), "{detail}");
    assert!(server.get("/api/v1/events?limit=5").to_string().contains("ssh_login"));
    assert!(server.get("/api/v1/dashboard/stats").is_object());
    let found = server.get("/api/v1/search?q=203.0.113.51&limit=100");
    assert_eq!(found["events"].as_array().map(Vec::len), Some(12), "{found}");
    assert_eq!(ureq::get(format!("{}/health", server.address)).call().unwrap().status(), 200);
    let metrics = ureq::get(format!("{}/metrics", server.address)).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(metrics.contains("weir_"), "{metrics}");
    server.stop();
}

#[test]
fn a_port_in_use_and_a_public_address_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(["run", "--data", data, "--listen", &address]);
    assert_eq!(output.status.code(), Some(2));
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(stderr(&output).contains(&port) && stderr(&output).contains("--listen"), "{}", stderr(&output));
    let output = run(["run", "--data", data, "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("127.0.0.1"), "{}", stderr(&output));
}

#[test]
fn one_writer_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let server = Server::start(&["run", "--data", data]);
    let output = run(["run", "--data", data, "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(data), "{}", stderr(&output));
    server.stop();
}

#[test]
fn the_demo_raises_an_alert() {
    let server = Server::start(&["demo"]);
    let started = Instant::now();
    server.wait_for("the first alert", |a| !a.is_empty());
    assert!(started.elapsed() < Duration::from_secs(30));
    server.stop();
}

#[test]
fn who_stops_it_as_soon_as_it_serves_gets_an_end_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let data = folder.path().join(round.to_string());
        Server::start(&["run", "--data", data.to_str().unwrap()]).stop();
    }
}
