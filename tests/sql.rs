//! `weir sql` as people and scripts use it: at a terminal, from a pipe, beside a running `weir run`.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::program::{json, run, stderr, stdout, weir};
use crate::run::{PATIENCE, Server, append, attack};

/// A data folder with two brute forces and what they raised.
fn archive(folder: &Path) -> String {
    let (log, data) = (folder.join("auth.log"), folder.join("data"));
    append(&log, &(attack(0, 1, 12) + &attack(300, 2, 20) + "no log line\n"));
    run(["scan", log.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    data.to_str().unwrap().to_owned()
}

fn piped(data: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = weir()
        .args(["sql", "--data", data])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn events_are_seen_as_soon_as_they_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let server = Server::start(&["run", "--data", &data]);
    for round in 1..=3 {
        let events: String = (0..5).map(|n| format!("{{\"message\":\"round {round}, event {n}\"}}\n")).collect();
        let response = ureq::post(format!("{}/api/v1/events", server.address))
            .header("content-type", "application/x-ndjson")
            .send(&events)
            .unwrap();
        assert_eq!(response.status(), 200);
        let answer =
            run(["sql", "--data", &data, "--output", "csv", "SELECT count(*) AS n, max(message) AS m FROM events"]);
        assert_eq!(stdout(&answer), format!("n,m\n{},\"round {round}, event 4\"\n", round * 5), "{}", stderr(&answer));
    }
    let parquet = |folder: &Path| std::fs::read_dir(folder.join("data/events")).unwrap().count();
    assert_eq!(parquet(folder.path()), 0, "none of them is in Parquet yet");
    let sources = json(&run(["sql", "--data", &data, "--output", "json", "FROM sources"]));
    assert_eq!((&sources[0]["name"], &sources[0]["events"]), (&"http".into(), &15.into()));
    let rules = json(&run(["sql", "--data", &data, "--output", "json", "FROM rules WHERE name = 'ssh_bruteforce'"]));
    assert_eq!((&rules[0]["enabled"], &rules[0]["severity"]), (&true.into(), &"medium".into()));
    server.stop();
}

#[test]
fn a_script_runs_up_to_its_first_error() {
    let folder = tempfile::tempdir().unwrap();
    let data = archive(folder.path());
    let script = "CREATE TEMP TABLE ips AS SELECT DISTINCT source.ip AS ip FROM events;\n\
                  -- a comment; with a semicolon\n\
                  SELECT count(ip) AS n\n  FROM ips WHERE ip <> ';'; SELECT $x AS x;\n\
                  .mode json\n\
                  SELECT rule, count FROM alerts ORDER BY count\n";
    let answer = piped(&data, &["--output", "csv", "--param", "x=7"], script);
    let rows = "n\n2\nx\n7\n{\"rule\":\"ssh_bruteforce\",\"count\":12}\n{\"rule\":\"ssh_bruteforce\",\"count\":20}\n";
    assert!(stdout(&answer).ends_with(rows), "{} {}", stdout(&answer), stderr(&answer));
    assert!(answer.status.success());
    let answer = piped(&data, &["--output", "csv"], "SELECT 1 AS a;\nSELEC 2;\nSELECT 3 AS c;\n");
    assert_eq!((stdout(&answer).as_str(), answer.status.code()), ("a\n1\n", Some(2)));
    assert!(stderr(&answer).contains("syntax error"), "{}", stderr(&answer));
}

#[test]
fn answers_go_to_files_and_pipes_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = archive(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ask = |arguments: &[&str]| run(["sql", "--data", &data].iter().chain(arguments));
    for name in ["a.parquet", "a.arrow", "a.csv", "a.json", "a.txt"] {
        let answer = ask(&["FROM events", "--out", &file(name)]);
        assert!(answer.status.success() && stdout(&answer).is_empty(), "{name}: {}", stderr(&answer));
        assert!(stderr(&answer).contains("33 rows"), "{}", stderr(&answer));
    }
    assert_eq!(std::fs::metadata(file("a.csv")).unwrap().permissions().mode() & 0o700, 0o600);
    let head = |name: &str| std::fs::read(file(name)).unwrap()[..4].to_vec();
    assert_eq!((head("a.parquet"), head("a.arrow")), (b"PAR1".to_vec(), b"ARRO".to_vec()));
    let before = std::fs::read(file("a.csv")).unwrap();
    let sql = "SELECT CASE WHEN n < 100000 THEN n ELSE error('broken') END AS n FROM range(200000) t(n)";
    assert_eq!(ask(&[sql, "--out", &file("a.csv")]).status.code(), Some(2));
    assert_eq!(std::fs::read(file("a.csv")).unwrap(), before, "the one before is still there");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 7, "{left:?}");
    let stream = ask(&["SELECT ts, source FROM events", "--output", "arrow"]).stdout;
    let read = arrow::ipc::reader::StreamReader::try_new(&stream[..], None).unwrap();
    assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 33);
    let answer = ask(&["FROM events", "--out", &file("a.dat")]);
    assert!(stderr(&answer).contains("say --output FORMAT"), "{}", stderr(&answer));
    assert_eq!(&piped(&data, &["--output", "parquet"], "FROM events;").stdout[..4], b"PAR1");
}

/// `weir sql` at a terminal of its own, which `script` of util-linux makes.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Receiver<Vec<u8>>,
    all: String,
    /// What of it was looked at.
    seen: usize,
}

impl Terminal {
    /// `None`, with a word, where there is no `script`.
    fn open(data: &str, state: &Path, environment: &str) -> Option<Terminal> {
        if Command::new("script").arg("--version").output().is_err() {
            println!("skipped: there is no `script` here, which is part of util-linux");
            return None;
        }
        let program = env!("CARGO_BIN_EXE_weir");
        let command = format!("stty rows 24 cols 100; exec env {environment} '{program}' sql --data '{data}'");
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("XDG_STATE_HOME", state)
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env_remove("PAGER")
            .env_remove("LESS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Terminal { child, keys, shown, all: String::new(), seen: 0 })
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is shown, after what was waited for before.
    fn wait(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            if let Some(at) = self.all[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(started.elapsed() < PATIENCE, "waited for {text:?}: {:?}", &self.all);
            match self.shown.recv_timeout(Duration::from_secs(1)) {
                Ok(bytes) => self.all.push_str(&String::from_utf8_lossy(&bytes)),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(error) => panic!("{error} before {text:?}: {}", self.all),
            }
        }
    }

    fn ask(&mut self, line: &str, answer: &str) {
        self.wait("weir> ");
        self.press(&format!("{line}\r"));
        self.wait(answer);
    }

    /// Waits for its end.
    fn code(mut self) -> Option<i32> {
        drop(self.keys);
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_prompt_answers_with_history_completion_and_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (data, state) = (archive(folder.path()), folder.path().join("state"));
    let Some(mut at) = Terminal::open(&data, &state, "PAGER=cat") else { return };
    at.wait("Ctrl-D leaves");
    at.ask("SELECT count(*) AS first FROM events;", "33 │");
    at.wait("1 row in ");
    // Over several lines, with an error before it.
    at.ask("SELEC 1;", "syntax error");
    at.ask("SELECT 40 +", "   -> ");
    at.press("2 AS answer;\r");
    at.wait("42 │");
    // Half a statement is dropped with Ctrl-C.
    at.ask("SELECT 'half", "   -> ");
    at.press("\x03");
    // `source.ip` is completed in two steps.
    at.wait("weir> ");
    at.press("SELECT count(DISTINCT sourc\t");
    at.wait("source");
    at.press(".i\t");
    at.wait("source.ip");
    at.press(") AS ips FROM events;\r");
    at.wait("2 │");
    at.ask(".schema sources", "parse_failures");
    at.ask(".run top-sources limit=1", "203.0.113.2 ");
    at.ask(".run top-sources limit=x", "is no whole number");
    at.ask(".mode json", "");
    at.ask(".timing off", "");
    at.ask("SELECT 7 AS n;", "{\"n\":7}");
    let file = folder.path().join("out.parquet");
    at.ask(&format!(".output {}", file.display()), "");
    at.ask("FROM alerts;", "");
    at.ask("SELECT 8 AS n;", "{\"n\":8}");
    assert_eq!(&std::fs::read(&file).unwrap()[..4], b"PAR1");
    // The statement before the last one, once more.
    at.wait("weir> ");
    at.press("\x1b[A\x1b[A\x1b[A\x1b[A");
    at.wait("SELECT 7 AS n;");
    at.press("\r");
    at.wait("{\"n\":7}");
    at.wait("weir> ");
    at.press("\x04");
    assert_eq!(at.code(), Some(0));

    let history = state.join("weir/sql-history");
    assert_eq!(history.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(history).unwrap();
    assert!(text.contains("SELECT count(*) AS first FROM events;"), "{text}");
    let mut at = Terminal::open(&data, &state, "PAGER=cat").unwrap();
    at.wait("weir> ");
    at.press("\x12AS first");
    at.wait("count(*) AS first");
    at.press("\r");
    at.wait("33 │");
    at.ask(".quit", "");
    assert_eq!(at.code(), Some(0));
}

#[test]
fn ctrl_c_stops_a_statement_and_long_answers_are_paged() {
    let folder = tempfile::tempdir().unwrap();
    let (data, state) = (archive(folder.path()), folder.path().join("state"));
    let Some(mut at) = Terminal::open(&data, &state, "PAGER=\"sed s/^/paged:/\"") else { return };
    at.ask("SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE a.range * b.range % 7 = 8;", "\n");
    // The statement may not have begun: pressed again until it stops.
    for _ in 0..20 {
        at.press("\x03");
        std::thread::sleep(Duration::from_secs(3));
        while let Ok(bytes) = at.shown.try_recv() {
            at.all.push_str(&String::from_utf8_lossy(&bytes));
        }
        if at.all.contains("stopped") {
            break;
        }
    }
    at.wait("stopped");
    at.ask("SELECT 'still ' || 'here' AS x;", "still here");
    at.ask("SELECT range AS n FROM range(50);", "paged:│ 49");
    at.ask("SELECT range AS n FROM range(5);", "\n│ 4 │");
    // Events are there as soon as they were accepted.
    let mut live = weir::archive::Archive::open(Path::new(&data), Default::default()).unwrap();
    let mut batch = weir::event::BatchBuilder::new();
    batch.set_time(weir::event::field::TIMESTAMP, 1_768_473_045_000_000);
    batch.set_text(weir::event::field::MESSAGE, "it is \u{1b}[31mnew");
    batch.end_row();
    live.append(&batch.finish(), &[]).unwrap();
    live.commit().unwrap();
    at.ask(".mode csv", "");
    at.ask("SELECT message FROM events WHERE message LIKE 'it%';", "it is \u{fffd}[31mnew");
    at.ask(".quit", "");
    assert_eq!(at.code(), Some(0));
}

#[test]
fn rules_that_are_read_again_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rule =
        |name: &str| format!("rule {name} {{ severity low attack T1110 when any where event.code == \"{name}\" }}\n");
    std::fs::create_dir(path("rules")).unwrap();
    std::fs::write(path("rules/a.weir"), rule("a")).unwrap();
    let server = Server::start(&["run", "--data", &path("data"), "--rules", &path("rules")]);
    let names = || {
        let sql = "SELECT string_agg(name || ' ' || tactics[1], ', ' ORDER BY name) AS names FROM rules WHERE enabled";
        json(&run(["sql", "--data", &path("data"), "--output", "json", sql]))[0]["names"].clone()
    };
    assert_eq!(names(), "a credential-access");
    std::fs::write(path("rules/a.weir"), rule("b") + &rule("c")).unwrap();
    let started = Instant::now();
    while names() != "b credential-access, c credential-access" {
        assert!(started.elapsed() < PATIENCE, "{}", names());
        std::thread::sleep(Duration::from_millis(200));
    }
    server.stop();
}
