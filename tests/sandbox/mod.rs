//! SQL of strangers, through a running server and the command line: attacks, and what analysts ask.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{run, stderr, stdout, weir};
use crate::run::{PATIENCE, Server, append, attack};

/// Lines in the archive.
const LINES: usize = 48;

struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// An archive, and a file beside it that is nobody's business.
    fn new() -> Stage {
        let stage = Stage { folder: tempfile::tempdir().unwrap() };
        let log = stage.path("auth.log");
        (0..4).for_each(|n| append(&log, &attack(n * 60, n + 5, 12)));
        let scanned = run(["scan", log.to_str().unwrap(), "--data", stage.data().to_str().unwrap()]);
        assert!(stdout(&scanned).contains("ssh_bruteforce"), "{}", stderr(&scanned));
        fs::write(stage.path("secret.csv"), "treasure\n").unwrap();
        std::os::unix::fs::symlink(stage.path("secret.csv"), stage.data().join("link.csv")).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Every file of the stage, with what is in it.
    fn contents(&self) -> BTreeSet<(PathBuf, Vec<u8>)> {
        let mut found = BTreeSet::new();
        visit(self.folder.path(), &mut found);
        found
    }

    /// `weir sql --sandbox` with these arguments.
    fn sql(&self, arguments: &[&str]) -> Output {
        weir().args(["sql", "--sandbox", "--data"]).arg(self.data()).args(arguments).output().unwrap()
    }
}

fn visit(folder: &Path, found: &mut BTreeSet<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, found);
        } else {
            found.insert((path.clone(), fs::read(&path).unwrap()));
        }
    }
}

/// Name, what is told of it, and the statement, of each case of a file.
fn cases(text: &str) -> Vec<(String, String, String)> {
    let mut cases: Vec<(String, String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("-- attack: ").or(line.strip_prefix("-- query: ")) {
            cases.push((name.to_owned(), String::new(), String::new()));
        } else if let (Some(told), Some(case)) = (line.strip_prefix("-- told: "), cases.last_mut()) {
            case.1 = told.to_owned();
        } else if let Some(case) = cases.last_mut() {
            case.2.push_str(line);
            case.2.push('\n');
        }
    }
    cases
}

/// Posts a body; the status, what Retry-After says, and the answer.
fn post(server: &Server, body: &[u8]) -> (u16, Option<String>, Value) {
    let request = ureq::post(format!("{}/api/v1/sql", server.address)).config().http_status_as_error(false).build();
    let mut response = request.send(body).expect("it answers");
    let later = response.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    (response.status().as_u16(), later, serde_json::from_str(&text).unwrap())
}

fn ask(server: &Server, sql: &str) -> (u16, Value) {
    let (status, _, answer) = post(server, json!({ "sql": sql }).to_string().as_bytes());
    (status, answer)
}

fn works(server: &Server) {
    let (status, answer) = ask(server, "SELECT count(*) AS n FROM events");
    assert_eq!((status, &answer["rows"]), (200, &json!([[LINES]])), "{answer}");
}

#[test]
fn attacks_are_refused_and_harm_nothing() {
    let stage = Stage::new();
    let server = Server::start(&["run", "--data", stage.data().to_str().unwrap()]);
    works(&server);
    let before = stage.contents();
    let text = include_str!("attacks.sql")
        .replace("{data}", stage.data().to_str().unwrap())
        .replace("{out}", stage.path("out").to_str().unwrap())
        .replace("{secret}", stage.path("secret.csv").to_str().unwrap())
        .replace("{link}", stage.data().join("link.csv").to_str().unwrap());
    let cases = cases(&text);
    assert!(cases.len() >= 30);
    let mut wrong = Vec::new();
    for (name, told, sql) in &cases {
        let timeout = if told == "time" { 2 } else { 15 };
        let started = Instant::now();
        let (status, _, answer) = post(&server, json!({ "sql": sql, "timeout": timeout }).to_string().as_bytes());
        let detail = answer["detail"].as_str().unwrap_or_default();
        let as_told = match told.as_str() {
            "time" => status == 504 && detail.contains("took longer than 2 s"),
            // A slow machine comes to the deadline first.
            "memory" => {
                (status == 422 && detail.contains("memory")) || (status == 504 && detail.contains("took longer"))
            }
            "harmless" => status == 200,
            told => status == 400 && detail.contains(told),
        };
        let took = started.elapsed();
        if !as_told || took > Duration::from_secs(timeout + 3) {
            wrong.push(format!("{name}: {status} after {took:?}: {answer}"));
        }
        assert!(!answer.to_string().contains("treasure"), "{name}");
        works(&server);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(stage.contents() == before, "files were changed");
    assert_eq!(server.get("/health")["status"], "ok");
    server.stop();
}

#[test]
fn odd_statements_are_refused() {
    let stage = Stage::new();
    let server = Server::start(&["run", "--data", stage.data().to_str().unwrap()]);
    let before = stage.contents();
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("SELECT {}{middle}{}", open.repeat(times), close.repeat(times))
    };
    let statements = [
        String::new(),
        " \n\t".to_owned(),
        "-- nothing".to_owned(),
        ";".to_owned(),
        "SELECT".to_owned(),
        "SELECT 'open".to_owned(),
        "SELECT 1 FROM".to_owned(),
        "SELECT no_such_column FROM events".to_owned(),
        "SELECT 1 +".to_owned(),
        "SELECT $a".to_owned(),
        "SELECT ?".to_owned(),
        "SELECT 1\0; SELECT 2".to_owned(),
        "\u{202e}SELECT 1".to_owned(),
        "SELECT \u{1f980}".to_owned(),
        "SELECT error('x')".to_owned(),
        deep("(", "1", ")", 10_000),
        deep("(SELECT ", "1", ")", 5_000),
        deep("[", "1", "]", 20_000),
        deep("1+", "1", "", 30_000),
        deep("abs(", "1", ")", 300),
        deep("NOT ", "true", "", 15_000),
        deep("CASE WHEN 1 THEN ", "1", " END", 3_000),
        format!("SELECT '{}'", "x".repeat(70_000)),
        format!("SELECT 1 {}", "/*".repeat(30_000)),
        format!("SELECT * FROM events{}", ", events".repeat(5_000)),
    ];
    for sql in &statements {
        let short: String = sql.chars().take(40).collect();
        let body = json!({ "sql": sql, "timeout": 5 }).to_string();
        let (status, _, answer) = post(&server, body.as_bytes());
        assert!([400, 422, 504].contains(&status), "{short}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{short}: {answer}");
    }
    for body in [&b"{\"sql\": \"SELECT '\xff'\"}"[..], b"\xff\xfe", b"", b"[]", b"null"] {
        assert_eq!(post(&server, body).0, 400, "{}", String::from_utf8_lossy(body));
    }
    works(&server);
    assert!(stage.contents() == before, "files were changed");
    server.stop();
}

#[test]
fn questions_are_answered() {
    let stage = Stage::new();
    let server = Server::start(&["run", "--data", stage.data().to_str().unwrap()]);
    for (name, _, sql) in cases(include_str!("queries.sql")) {
        let params = if sql.contains("$ip") { json!({ "ip": "203.0.113.7" }) } else { json!({}) };
        let (status, _, answer) = post(&server, json!({ "sql": sql, "params": params }).to_string().as_bytes());
        assert_eq!(status, 200, "{name}: {answer}");
        // The same as for one who may do anything.
        let mut command = weir();
        command.args(["sql", "--output", "csv", "--data"]).arg(stage.data()).arg(&sql);
        if sql.contains("$ip") {
            command.args(["--param", "ip=203.0.113.7"]);
        }
        let plain = command.output().unwrap();
        assert!(plain.status.success(), "{name}: {}", stderr(&plain));
        let boxed = stage.sql(&[&["--output", "csv"][..], &command_arguments(&sql)[..]].concat());
        if !["what there is", "a sample", "time"].contains(&name.as_str()) && sql.contains("ORDER BY") {
            assert_eq!(sorted(&boxed), sorted(&plain), "{name}: {}", stderr(&boxed));
        }
        assert!(boxed.status.success(), "{name}: {}", stderr(&boxed));
    }
    for name in ["alerts-by-rule", "top-sources", "failed-logins", "events-per-minute", "parse-failures", "top-users"] {
        let boxed = stage.sql(&["--saved", name, "--output", "json"]);
        let plain = run(["sql", "--saved", name, "--output", "json", "--data", stage.data().to_str().unwrap()]);
        assert!(boxed.status.success(), "{name}: {}", stderr(&boxed));
        assert_eq!(stdout(&boxed), stdout(&plain), "{name}");
    }
    let (status, _, answer) =
        post(&server, br#"{"sql": "SELECT source.ip, ts FROM events ORDER BY ts", "max_rows": 2}"#);
    let columns = json!([{"name": "ip", "type": "VARCHAR"}, {"name": "ts", "type": "TIMESTAMP"}]);
    assert_eq!((status, &answer["columns"], &answer["truncated"]), (200, &columns, &json!(true)));
    let rows = json!([["203.0.113.5", "2026-01-15T10:00:00.000000Z"], ["203.0.113.5", "2026-01-15T10:00:01.000000Z"]]);
    assert_eq!(answer["rows"], rows);
    assert!(answer["elapsed"].as_f64().is_some_and(|seconds| seconds > 0.0));
    server.stop();
}

/// The lines of an answer: not every question says in which order it wants them.
fn sorted(output: &Output) -> Vec<String> {
    let mut lines: Vec<String> = stdout(output).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The statement, and its parameter when it has one.
fn command_arguments(sql: &str) -> Vec<&str> {
    if sql.contains("$ip") { vec![sql, "--param", "ip=203.0.113.7"] } else { vec![sql] }
}

#[test]
fn a_third_statement_waits_and_is_told_to_come_again() {
    let stage = Stage::new();
    let server = Server::start(&["run", "--data", stage.data().to_str().unwrap()]);
    let endless =
        "SELECT count(*) FROM range(100000) a(x), range(100000) b(y), range(100000) c(z) WHERE x * y * z % 7919 = 3";
    let body = json!({ "sql": endless, "timeout": 6 }).to_string();
    let mut answers: Vec<(u16, Option<String>)> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..3).map(|_| scope.spawn(|| post(&server, body.as_bytes()))).collect();
        all.into_iter().map(|one| one.join().unwrap()).map(|(status, later, _)| (status, later)).collect()
    });
    answers.sort();
    assert_eq!(answers, [(503, Some("2".to_owned())), (504, None), (504, None)]);
    works(&server);
    server.stop();
}

#[test]
fn the_command_line_has_the_same_walls() {
    let stage = Stage::new();
    let before = stage.contents();
    let out = stage.path("out");
    let copy = format!("WITH x AS (COPY (SELECT 1) TO '{}') SELECT 1", out.display());
    for (arguments, told) in [
        (vec!["SELECT * FROM '/etc/passwd'"], "there is no table `/etc/passwd`"),
        (vec![copy.as_str()], "COPY is not allowed"),
        (
            vec![
                "--timeout",
                "1s",
                "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c WHERE a.range * b.range * c.range % 7919 = 3",
            ],
            "took longer than 1 s",
        ),
        (vec!["SELECT $a"], "the parameter $a has no value"),
        (vec!["SELECT 1", "--param", "a=1"], "the statement has no $a"),
        (vec!["--timeout", "0s", "SELECT 1"], "longer than nothing"),
        (vec!["--timeout", "soon", "SELECT 1"], "no duration"),
    ] {
        let refused = stage.sql(&arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(told), "{arguments:?}: {}", stderr(&refused));
    }
    let mut child = weir()
        .args(["sql", "--sandbox", "-", "--data"])
        .arg(stage.data())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT '\xff'").unwrap();
    let refused = child.wait_with_output().unwrap();
    assert!(stderr(&refused).contains("cannot read the statement"), "{}", stderr(&refused));
    let many = stage.sql(&["SELECT x FROM range(1000001) t(x)", "--output", "csv"]);
    assert_eq!(stdout(&many).lines().count(), 1_000_001);
    assert!(stderr(&many).contains("all the sandbox gives"), "{}", stderr(&many));
    assert!(stage.contents() == before, "files were changed");
    // By hand, the worker says what it is.
    let worker = weir().arg("sql-worker").output().unwrap();
    assert!(String::from_utf8_lossy(&worker.stdout).contains("not started by hand"));
}

#[test]
fn a_worker_has_nothing_and_does_not_outlive_who_started_it() {
    let stage = Stage::new();
    let mut asker = weir()
        .args(["sql", "--sandbox", "--timeout", "50s", "--data"])
        .arg(stage.data())
        .arg("SELECT count(*) FROM range(100000) a(x), range(100000) b(y), range(100000) c(z) WHERE x * y * z % 7919 = 3")
        .env("SECRET_OF_THE_ENVIRONMENT", "treasure")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let worker = loop {
        let children: BTreeSet<u32> = fs::read_dir(format!("/proc/{}/task", asker.id()))
            .unwrap()
            .flat_map(|task| {
                let text = fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
                text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()
            })
            .collect();
        // It is confined once it may have no more processes.
        let confined = |id: &&u32| {
            let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap_or_default();
            limits.lines().any(|l| l.starts_with("Max processes") && l.split_whitespace().nth(2) == Some("0"))
        };
        if let Some(id) = children.iter().find(confined) {
            break *id;
        }
        assert!(started.elapsed() < PATIENCE, "no worker");
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |name: &str| fs::read_to_string(format!("/proc/{worker}/{name}")).unwrap();
    assert_eq!(read("environ"), "");
    assert!(read("status").contains("NoNewPrivs:\t1"));
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(fs::read_link(format!("/proc/{worker}/ns/net")).ok(), Some(own), "it has our network");
    let limits = read("limits");
    let soft = |name: &str| {
        let line = limits.lines().find(|l| l.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!((soft("Max file size").as_str(), soft("Max core file size").as_str()), ("0", "0"));
    assert_ne!(soft("Max address space"), "unlimited");
    assert_ne!(soft("Max data size"), "unlimited");
    assert_ne!(soft("Max cpu time"), "unlimited");
    let open = |process: &str| -> Vec<(std::ffi::OsString, String)> {
        let named =
            |fd: fs::DirEntry| Some((fd.file_name(), fs::read_link(fd.path()).ok()?.to_string_lossy().into_owned()));
        fs::read_dir(format!("/proc/{process}/fd")).unwrap().filter_map(|fd| named(fd.unwrap())).collect()
    };
    // What whoever runs the tests left open goes through all processes.
    let left = open("self");
    for (_, target) in open(&worker.to_string()).into_iter().filter(|fd| !left.contains(fd)) {
        let ours = target.contains(stage.data().to_str().unwrap()) || target.contains("/weir-sql-");
        assert!(target.starts_with("pipe:") || target.starts_with("anon_inode:") || ours, "it has {target} open");
    }
    asker.kill().unwrap();
    asker.wait().unwrap();
    let started = Instant::now();
    while fs::read_to_string(format!("/proc/{worker}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(started.elapsed() < PATIENCE, "the worker lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}
