//! The walls behind the tree: a worker that looks at no tree, in which DuckDB is not locked, can still do no harm.
//!
//! The worker is this test binary, started anew for the one test below that is no test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::super::tests::archive;
use super::super::launch::Launcher;
use super::super::worker::{Check, serve};
use super::super::{Limits, Sandbox, SandboxError};
use super::attacks;

const WORKER: &str = "query::sandbox::tests::depth::unchecked_worker";

/// No test: the worker, when it is started as one.
#[test]
fn unchecked_worker() {
    if std::env::args().any(|a| a == WORKER) && std::env::args().any(|a| a == "--exact") && is_piped() {
        let code = serve(Check::Nothing);
        std::process::exit(if code == std::process::ExitCode::SUCCESS { 0 } else { 1 });
    }
}

/// Whether a job may come: nobody who runs this test alone sends one.
fn is_piped() -> bool {
    fs::read_link("/proc/self/fd/0").is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
}

fn unchecked(data: &Path, limits: Limits) -> Sandbox {
    let launcher = Launcher {
        program: PathBuf::from("/proc/self/exe"),
        arguments: [WORKER, "--exact", "--nocapture", "--test-threads=1"].map(str::to_owned).into(),
    };
    Sandbox { data: data.to_owned(), limits, launcher }
}

/// Every file below a folder, with what is in it.
fn contents(folder: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn the_kernel_holds_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    archive(&data);
    fs::write(dir.path().join("secret.csv"), "treasure\n").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret.csv"), data.join("link.csv")).unwrap();
    let before = contents(dir.path());
    let limits = Limits { memory: 256 << 20, threads: 2, time: Duration::from_secs(20), ..Limits::default() };
    let short = Limits { time: Duration::from_secs(2), ..limits.clone() };
    let mut answered = Vec::new();
    for case in attacks(&data) {
        let limits = if case.told == "time" { &short } else { &limits };
        let started = Instant::now();
        match unchecked(&data, limits.clone()).ask(&case.sql, &BTreeMap::new()) {
            Ok(answer) => {
                let text = answer.to_json().to_string();
                assert!(!text.contains("treasure") && !text.contains("root:"), "{}: {text}", case.name);
                answered.push(case.name.clone());
            }
            Err(SandboxError::Worker(text)) => panic!("{}: {text}", case.name),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains("treasure") && !text.contains("root:"), "{}: {text}", case.name);
                if case.told == "time" {
                    let stopped = matches!(error, SandboxError::TimedOut(_) | SandboxError::Memory(_));
                    assert!(stopped, "{}: {text}", case.name);
                }
            }
        }
        assert!(started.elapsed() < limits.time + Duration::from_secs(3), "{}", case.name);
        assert!(contents(dir.path()) == before, "{} changed files", case.name);
        assert!(!dir.path().join("out").exists(), "{} wrote", case.name);
    }
    // Whatever reaches for a file, the network or the processor is stopped even so.
    let harmful = ["writes a file", "reads a file", "replaces", "exports", "attaches", "fetches", "installs", "loads"];
    let reached: Vec<&String> = answered.iter().filter(|name| harmful.iter().any(|h| name.starts_with(h))).collect();
    assert!(reached.is_empty(), "{reached:?}");
}

#[test]
fn limits_that_a_statement_lifts_hold() {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let limits = Limits { memory: 256 << 20, threads: 1, time: Duration::from_secs(20), ..Limits::default() };
    let sandbox = unchecked(dir.path(), limits);
    let ask = |sql: &str| sandbox.ask(sql, &BTreeMap::new());
    let lifted = "SET memory_limit = '1TB'; SELECT len(list(x)) FROM range(10000000000) t(x)";
    match ask(lifted) {
        Err(SandboxError::Memory(_) | SandboxError::Died(_)) => {}
        other => panic!("{other:?}"),
    }
    // Threads that are started for a statement are confined, too.
    let secret = "SET threads = 8; SELECT max(length(content) + x) FROM range(1000000) t(x), read_text('/etc/passwd')";
    let refused = ask(secret).unwrap_err().to_string();
    assert!(refused.contains("ermission denied") || refused.contains("process that ran it"), "{refused}");
    assert_eq!(ask("SELECT count(*) FROM events").unwrap().rows(), 1);
}
