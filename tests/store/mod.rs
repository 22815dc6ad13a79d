//! An object store as the archive's home: the real binary against a server that speaks S3.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use nix::sys::signal::Signal;
use serde_json::Value;

use self::server::{Store, wait};
use crate::program::{json, run, stderr, stdout};
use crate::run::{Server, append, attack};

mod server;

/// A line an event, of this many days, with attacks among them.
fn lines(days: usize) -> String {
    let mut text = String::new();
    for day in 0..days {
        for n in 0..200 {
            let (minute, second) = (n / 60, n % 60);
            writeln!(
                text,
                "2026-01-{:02}T09:{minute:02}:{second:02}Z web-01 sshd[{n}]: Accepted password for u{n} from 198.51.100.{} port {} ssh2",
                day + 15,
                n % 250,
                30_000 + n
            )
            .unwrap();
        }
        text.push_str(&attack(day * 100, day + 1, 12).replace("2026-01-15", &format!("2026-01-{:02}", day + 15)));
    }
    text
}

struct Case {
    store: Store,
    folder: tempfile::TempDir,
}

const HOME: &str = "s3://logs/site";

impl Case {
    fn new() -> Case {
        Case { store: Store::start(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a text").to_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs it and expects it to go well (alerts or none).
    fn well(&self, arguments: &[&str]) -> Output {
        let output = self.store.run(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {}", stderr(&output));
        output
    }

    /// Runs it and expects it to fail; what it says.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.store.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    fn server(&self, arguments: &[&str]) -> Server {
        Server::start_in(self.store.weir(), &[&["run"], arguments].concat())
    }

    /// Ids and lines of all events, as SQL sees them.
    fn events(&self, arguments: &[&str]) -> String {
        let sql = "SELECT event.id, event.original FROM events ORDER BY ALL";
        stdout(&self.well(&[&["sql", sql, "--output", "json"], arguments].concat()))
    }

    fn alerts(&self, arguments: &[&str]) -> BTreeSet<String> {
        let sql = "SELECT id FROM alerts";
        ids(&json(&self.well(&[&["sql", sql, "--output", "json"], arguments].concat())))
    }

    fn replayed(&self, arguments: &[&str]) -> BTreeSet<String> {
        ids(&json(&self.well(&[&["replay"], arguments, &["--output", "json"]].concat())))
    }
}

fn ids(alerts: &[Value]) -> BTreeSet<String> {
    alerts.iter().map(|alert| alert["id"].as_str().expect("an id").to_owned()).collect()
}

/// Parquet files in a data folder.
fn parquet(data: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for day in std::fs::read_dir(Path::new(data).join("events")).into_iter().flatten().flatten() {
        found.extend(std::fs::read_dir(day.path()).unwrap().map(|file| file.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|e| e == "parquet"));
    found
}

#[test]
fn what_was_scanned_is_asked_and_replayed_from_the_store_alone() {
    let case = Case::new();
    let (log, data, fresh) = (case.file("auth.log", &lines(3)), case.path("data"), case.path("fresh"));
    let scanned = case.well(&["scan", &log, "--data", &data, "--store", HOME, "--output", "json"]);
    let (events, alerts) = (case.events(&["--data", &data]), case.alerts(&["--data", &data]));
    assert_eq!((events.lines().count(), alerts.len()), (636, ids(&json(&scanned)).len()));
    assert!(alerts.len() >= 3 && case.store.indexed("site") == 3 && case.store.parquet() == 3);
    std::fs::remove_dir_all(&data).unwrap();

    let told = stderr(&case.well(&["archive", "status", "--data", &fresh, "--store", HOME]));
    assert_eq!(parquet(&fresh).len(), 0, "status needs no file: {told}");
    assert_eq!(case.events(&["--data", &fresh, "--store", HOME]), events);
    assert_eq!(case.alerts(&["--data", &fresh]), alerts, "the folder remembers its home");
    assert_eq!(case.replayed(&[&fresh]), alerts);
    let diff = case.store.run(&["replay", &case.path("another"), "--store", HOME, "--output", "diff"]);
    assert_eq!(diff.status.code(), Some(0), "{}", stdout(&diff));
    let alert = alerts.first().expect("an alert");
    assert!(stdout(&case.well(&["why", alert, "--data", &case.path("third"), "--store", HOME])).contains("203.0.113."));

    // A second scan would count twice, and another folder is not the store's.
    assert!(case.fails(&["scan", &log, "--data", &fresh]).contains("holds an archive already"));
    let own = case.path("own");
    assert_eq!(run(["scan", &log, "--data", &own]).status.code(), Some(1));
    assert!(case.fails(&["sql", "FROM alerts", "--data", &own, "--store", HOME]).contains("is not in s3://logs/site"));
    let taken = case.fails(&["archive", "upload", "--data", &own, "--store", HOME]);
    assert!(taken.contains("holds the archive of the weir on") && taken.contains("a prefix of its own"), "{taken}");
    let other = case.fails(&["sql", "FROM alerts", "--data", &fresh, "--store", "s3://logs/other"]);
    assert!(other.contains("has its home in s3://logs/site"), "{other}");
    // It gets one of its own.
    case.well(&["archive", "upload", "--data", &own, "--store", "s3://logs/own"]);
    assert_eq!((case.store.indexed("own"), case.events(&["--data", &own])), (3, events));
}

#[test]
fn a_statement_fetches_the_files_of_its_times() {
    let case = Case::new();
    let (log, data, fresh) = (case.file("auth.log", &lines(4)), case.path("data"), case.path("fresh"));
    case.well(&["scan", &log, "--data", &data, "--store", HOME]);
    std::fs::remove_dir_all(&data).unwrap();
    let count = |sql: &str| {
        let rows = json(&case.well(&["sql", sql, "--data", &fresh, "--store", HOME, "--output", "json"]));
        (rows[0]["n"].as_u64().expect("a number"), parquet(&fresh).len())
    };
    let alerts = count("SELECT count(*) AS n FROM alerts");
    assert!(alerts.0 >= 4 && alerts.1 == 0, "{alerts:?}");
    assert_eq!(count("SELECT count(*) AS n FROM events WHERE ts >= '2026-01-18'"), (212, 1));
    assert_eq!(
        count("SELECT count(*) AS n FROM events WHERE ts BETWEEN '2026-01-16' AND '2026-01-16 12:00:00'"),
        (212, 2)
    );
    let script = "SELECT count(*) AS n FROM alerts; SELECT count(*) AS n FROM events WHERE ts > '2026-01-18'; \
                  CREATE MACRO all_of() AS (SELECT count(*) FROM events); SELECT all_of() AS n;";
    let path = case.file("script.sql", script);
    let mut weir = case.store.weir();
    weir.args(["sql", "--data", &fresh, "--output", "json"]).stdin(std::fs::File::open(path).unwrap());
    let output = weir.output().expect("it starts");
    let numbers: Vec<u64> = json(&output).iter().filter_map(|row| row["n"].as_u64()).collect();
    assert_eq!((&numbers[..], parquet(&fresh).len()), (&[alerts.0, 212, 848][..], 4), "{}", stderr(&output));

    // The page looks at the latest days first, and at alerts where their events are.
    std::fs::create_dir(case.path("rules")).unwrap();
    case.file("rules/one.weir", "rule one { when any where event.code == \"1\" }");
    let server =
        case.server(&["--data", &case.path("page"), "--store", HOME, "--rules", &case.path("rules"), "--cache", "1KB"]);
    let here = || parquet(&case.path("page")).len();
    wait("an empty cache", || here() == 0);
    let found = server.get("/api/v1/search?limit=10");
    assert_eq!(found["events"].as_array().map(Vec::len), Some(10), "{found}");
    assert_eq!(here(), 1);
    let alert =
        server.alerts().into_iter().find(|a| a["first"].as_str().is_some_and(|at| at.starts_with("2026-01-15")));
    let id = alert.expect("one of the first day")["id"].as_str().expect("an id").to_owned();
    assert!(!server.get(&format!("/api/v1/alerts/{id}"))["events"].as_array().expect("a list").is_empty());
    assert_eq!(here(), 2);
    server.stop();
}

#[test]
fn a_new_machine_goes_on_where_the_last_one_was() {
    let case = Case::new();
    let (log, data, fresh) = (case.path("auth.log"), case.path("data"), case.path("fresh"));
    append(Path::new(&log), &lines(1));
    let server = case.server(&["--file", &log, "--data", &data, "--store", HOME]);
    let before = ids(&server.wait_for("an alert", |alerts| alerts.iter().any(|a| a["rule"] == "ssh_bruteforce")));
    wait("all events", || case.events(&["--data", &data]).lines().count() == 212);
    // While one writes, no other does.
    let second = case.fails(&["run", "--data", &fresh, "--store", HOME, "--listen", "127.0.0.1:0"]);
    assert!(second.contains("is in use by the weir on") && second.contains("--take-over"), "{second}");
    assert!(second.contains(&data), "it names the other's folder: {second}");
    server.stop();
    let index = case.store.index("site").expect("there is one");
    assert_eq!((&index["writer"]["open"], case.store.indexed("site")), (&Value::Bool(false), 1));
    std::fs::remove_dir_all(&data).unwrap();

    let server = case.server(&["--file", &log, "--data", &fresh, "--store", HOME]);
    assert_eq!(ids(&server.alerts()), before, "those that stood are there at once");
    append(Path::new(&log), &attack(1800, 77, 12));
    let after = server.wait_for("the new attack", |alerts| {
        alerts.iter().any(|a| a["key"]["source.ip"] == "203.0.113.77" && a["rule"] == "ssh_bruteforce")
    });
    assert!(ids(&after).is_superset(&before));
    server.stop();
    let events = case.events(&["--data", &case.path("third"), "--store", HOME]);
    assert_eq!(events.lines().count(), 224, "nothing is read twice, nothing is lost");
    let alerts = case.alerts(&["--data", &fresh]);
    assert_eq!(case.replayed(&[&case.path("third")]), alerts);
}

#[test]
fn whoever_is_taken_over_writes_no_more() {
    let case = Case::new();
    let (log, data, fresh) = (case.path("auth.log"), case.path("data"), case.path("fresh"));
    append(Path::new(&log), &lines(1));
    let first = case.server(&["--file", &log, "--data", &data, "--store", HOME]);
    first.wait_for("an alert", |alerts| !alerts.is_empty());
    let second = case.server(&["--data", &fresh, "--store", HOME, "--take-over"]);
    let index = case.store.index("site").expect("there is one");
    // What the first one collects it keeps, and says so.
    first.signal(Signal::SIGINT);
    let (code, said) = first.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is in use by the weir on") && said.contains(&fresh), "{said}");
    assert_eq!(case.store.index("site").expect("there is one")["writer"], index["writer"]);
    assert_eq!(case.store.indexed("site"), 0, "nothing of the first one counts");
    let again = case.fails(&["run", "--data", &data, "--listen", "127.0.0.1:0"]);
    assert!(again.contains("holds the archive of the weir on"), "{again}");
    assert_eq!(case.events(&["--data", &data]).lines().count(), 212, "it can be asked");
    second.stop();
}

#[test]
fn an_upload_that_was_killed_goes_on() {
    let case = Case::new();
    let (log, data) = (case.file("auth.log", &lines(6)), case.path("data"));
    assert_eq!(run(["scan", &log, "--data", &data]).status.code(), Some(1));
    let events = case.events(&["--data", &data]);
    case.store.slow(150);
    let server = case.server(&["--data", &data, "--store", HOME]);
    wait("a part of it", || case.store.parquet() > 0);
    server.kill();
    assert_eq!(case.store.indexed("site"), 0, "what is not whole does not count");
    let nothing = case.well(&["archive", "status", "--data", &case.path("early"), "--store", HOME]);
    assert!(stdout(&nothing).contains("0 events"), "{}", stdout(&nothing));
    case.store.slow(0);
    let server = case.server(&["--data", &data]);
    wait("all of it", || case.store.indexed("site") == 6);
    server.kill();
    assert_eq!(case.events(&["--data", &case.path("fresh"), "--store", HOME]), events);
    // The folder is still the writer.
    case.well(&["archive", "upload", "--data", &data]);
    assert_eq!(case.store.parquet(), 6, "nothing was uploaded twice");
}

#[test]
fn while_the_store_is_away_all_goes_on_and_nothing_goes() {
    let case = Case::new();
    let (log, data) = (case.path("auth.log"), case.path("data"));
    append(Path::new(&log), &lines(2));
    let run = ["--file", &log, "--data", &data, "--store", HOME, "--cache", "1KB"];
    let server = case.server(&run);
    server.wait_for("alerts", |alerts| alerts.len() >= 2);
    wait("all events", || case.events(&["--data", &data]).lines().count() == 424);
    server.kill();
    // What was in the log becomes files at a start.
    case.store.cut();
    let server = case.server(&run);
    let metric = |name: &str| {
        let text = ureq::get(format!("{}/metrics", server.address)).call().expect("it answers");
        let text = text.into_body().read_to_string().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        line.unwrap_or_default()
    };
    wait("files that wait", || {
        metric("weir_store_upload_failures_total") > 0.0 && metric("weir_store_waiting_files") == 2.0
    });
    append(Path::new(&log), &attack(1800, 77, 12).replace("2026-01-15", "2026-01-16"));
    server.wait_for("an alert", |alerts| alerts.iter().any(|a| a["key"]["source.ip"] == "203.0.113.77"));
    let status = stdout(&case.well(&["archive", "status", "--data", &data]));
    assert!(status.contains("2 files to be uploaded") && status.contains("not up to date: cannot"), "{status}");
    assert_eq!((parquet(&data).len(), case.store.indexed("site")), (2, 0));
    case.store.mend();
    wait("files in the store", || case.store.indexed("site") == 2);
    wait("an empty cache", || parquet(&data).is_empty());
    assert!(metric("weir_store_uploaded_files_total") == 2.0 && metric("weir_store_waiting_files") == 0.0);
    let asked = case.events(&["--data", &data]);
    assert_eq!(asked.lines().count(), 436, "what left the cache is fetched");
    // At the end it waits for nobody who does not answer.
    case.store.cut();
    server.signal(Signal::SIGINT);
    let (code, said) = server.ended();
    assert!(code == Some(0) && said.contains("nothing is lost"), "{said}");
    assert!(said.contains("weir archive upload --data"), "{said}");
    let away = case.fails(&["archive", "upload", "--data", &data]);
    assert!(away.contains("cannot") && away.contains("is kept in"), "{away}");
    case.store.mend();
    case.well(&["archive", "upload", "--data", &data]);
    assert_eq!(case.events(&["--data", &case.path("fresh"), "--store", HOME]), asked);
}

#[test]
fn files_are_merged_in_the_store_too() {
    let case = Case::new();
    let data = case.path("data");
    for n in 0..8 {
        let (log, part) = (case.file("auth.log", &attack(n * 60, n + 1, 20)), case.path(&format!("part-{n}")));
        run(["scan", &log, "--data", &part]);
        case.well(&["archive", "import", &part, "--data", &data, "--store", HOME, "--cache", "1KB"]);
    }
    assert_eq!((case.store.indexed("site"), case.store.parquet(), parquet(&data).len()), (8, 8, 0));
    let (events, fresh) = (case.events(&["--data", &data]), case.path("fresh"));
    case.well(&["archive", "hold", "case-17", "--data", &data]);
    assert_eq!(case.events(&["--data", &fresh, "--store", HOME]), events);
    case.well(&["archive", "compact", "--data", &data]);
    assert_eq!((case.store.indexed("site"), case.store.parquet()), (1, 9), "readers have time");
    assert_eq!(case.events(&["--data", &data]), events);
    assert_eq!(case.events(&["--data", &fresh]), events, "a reader follows");
    assert!(stdout(&case.well(&["archive", "holds", "--data", &fresh])).contains("case-17"));
    let settings = Path::new(&data).join("store/settings.json");
    let text = std::fs::read_to_string(&settings).unwrap().replace("3600", "0");
    std::fs::write(&settings, text).unwrap();
    case.well(&["archive", "upload", "--data", &data]);
    assert_eq!((case.store.indexed("site"), case.store.parquet()), (1, 1), "what is over is removed");
    // What is over by its age goes everywhere.
    case.well(&["archive", "release", "case-17", "--data", &data]);
    case.well(&["archive", "expire", "--keep", "1d", "--data", &data]);
    assert_eq!((case.store.indexed("site"), case.events(&["--data", &fresh])), (0, String::new()));
}

#[test]
fn what_is_wrong_is_said() {
    let case = Case::new();
    let data = case.path("data");
    let asked = |home: &str| case.fails(&["sql", "FROM alerts", "--data", &data, "--store", home]);
    assert!(asked("s3://nothing/site").contains("there is no bucket `nothing`"), "{}", asked("s3://nothing/site"));
    assert!(asked(HOME).contains("there is no archive in s3://logs/site"), "{}", asked(HOME));
    assert!(asked("http://logs").contains("write s3://BUCKET/PREFIX"));
    let run = ["run", "--data", &data, "--store", "s3://nothing/site", "--listen", "127.0.0.1:0"];
    assert!(case.fails(&run).contains("there is no bucket `nothing`"), "{}", case.fails(&run));
    let log = case.file("auth.log", &lines(1));
    case.well(&["scan", &log, "--data", &case.path("first"), "--store", HOME]);
    let good = case.path("good");
    case.well(&["archive", "status", "--data", &good, "--store", HOME]);
    case.store.lock_out();
    let locked = asked(HOME);
    assert!(locked.contains("does not let this account in") && locked.contains("AWS_SECRET_ACCESS_KEY"), "{locked}");
    case.store.cut();
    let away = asked(HOME);
    assert!(away.contains("cannot look at s3://logs/site/index.json") || away.contains("cannot read"), "{away}");
    // Who saw it before sees that, and is told which file is missing.
    let status = case.well(&["archive", "status", "--data", &good]);
    assert!(stdout(&status).contains("212 events") && stderr(&status).contains("the last time"), "{}", stderr(&status));
    assert!(case.fails(&["sql", "FROM events", "--data", &good]).contains("cannot fetch s3://logs/site/events/date="));
}
