//! Killed at any point under load, started again each time: it ends as if nothing had happened.
//!
//! `WEIR_CRASHES=200 cargo test --release --test all crash` for the whole of it; a few kills otherwise.
//! `WEIR_SEED=…` for other moments.

mod check;
mod disk;
mod fault;
mod load;
mod syslog;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use check::{assert_same, held};
use load::{Files, Place, RULES, Seen, mixed};

use crate::program::weir;
use crate::run::{PATIENCE, Server};

/// How many kills, and their seed.
fn crashes(default: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (number("WEIR_CRASHES").unwrap_or(default), number("WEIR_SEED").unwrap_or(1))
}

/// A folder with rules, files and room for an archive.
struct World {
    folder: tempfile::TempDir,
    files: Files,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/a.weir"), RULES).unwrap();
        let files = Files::new(folder.path());
        World { folder, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of `weir`, to work on this archive.
    fn arguments(&self, data: &Path) -> Vec<String> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut arguments: Vec<String> =
            ["run", "--lateness", "604800", "--workers", "1", "--data"].map(str::to_owned).into();
        arguments.push(text(data));
        for (name, path) in
            [("--rules", self.path("rules")), ("--file", self.files.auth()), ("--file", self.files.app())]
        {
            arguments.extend([name.to_owned(), text(&path)]);
        }
        arguments
    }

    /// Everything that came in `steps`, on one server that is stopped in peace.
    fn uninterrupted(&self, steps: u64) -> check::Held {
        let data = self.path("reference");
        let server = serve(&self.arguments(&data));
        let place = Place::default();
        place.set(Some(server.address.clone()));
        let (step, over) = (AtomicU64::new(steps), AtomicBool::new(true));
        let seen = std::thread::scope(|scope| {
            let (place, step, over) = (&place, &step, &over);
            let clients: Vec<_> =
                (0..CLIENTS).map(|n| scope.spawn(move || client(place, n, false, step, over))).collect();
            clients.into_iter().map(|client| client.join().expect("a client ends")).fold(Seen::default(), Seen::and)
        });
        assert_eq!(seen.duplicates, 0);
        settle(&server);
        server.stop();
        held(&data)
    }
}

fn serve(arguments: &[String]) -> Server {
    Server::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Waits until the last lines of both files were judged.
fn settle(server: &Server) {
    let started = Instant::now();
    let found =
        |text: &str| server.get(&format!("/api/v1/search?q={text}&limit=1"))["events"].as_array().map_or(0, Vec::len);
    while found("203.0.113.99") + found("last") < 2 {
        assert!(started.elapsed() < PATIENCE, "waited for the last lines");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that may be killed before it serves.
struct Mortal {
    child: Child,
    said: Option<JoinHandle<String>>,
}

impl Mortal {
    fn start(arguments: &[String], place: Arc<Place>) -> Mortal {
        Mortal::start_with(arguments, place, &[])
    }

    fn start_with(arguments: &[String], place: Arc<Place>, environment: &[(&str, &OsStr)]) -> Mortal {
        let mut command = weir();
        command.envs(environment.iter().copied());
        command.args(arguments).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(at) = line.find("http://") {
                    let address = line[at..].split_whitespace().next().expect("a word");
                    place.set(Some(address.trim_end_matches('/').to_owned()));
                }
                said = said + &line + "\n";
            }
            place.set(None);
            said
        });
        Mortal { child, said: Some(said) }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Whether it ended by a signal. Fails when it ended badly by itself.
    fn was_killed(&mut self) -> bool {
        let status = self.child.wait().expect("it ends");
        // What the disk refuses at the start or at the end is an error.
        assert!(status.code().is_none_or(|code| code == 0 || code == 2), "it ended by itself: {status}");
        status.code() != Some(0)
    }

    /// `kill -9`; what it had said. Fails when it had ended by itself in any other way than as it was asked to.
    fn kill(mut self) -> String {
        drop(self.child.kill());
        let status = self.child.wait().expect("it ends");
        let said = self.said.take().expect("it is taken once").join().expect("it is text");
        assert!(status.code().is_none_or(|code| code == 0), "it ended by itself: {status}\n{said}");
        said
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Clients at a time; each has steps of its own.
const CLIENTS: u64 = 4;

/// Sends the requests of a client's steps as they come, until no more do.
fn client(place: &Place, number: u64, careless: bool, step: &AtomicU64, over: &AtomicBool) -> Seen {
    let (mut seen, mut next) = (Seen::default(), number);
    loop {
        // What is known after the end is all there is.
        let ended = over.load(Ordering::SeqCst);
        while next < step.load(Ordering::SeqCst) {
            for (n, post) in load::posts(next).iter().enumerate() {
                let careless = careless && mixed(next, 50 + n as u64).is_multiple_of(6);
                load::send(place, post, careless, &mut seen);
            }
            next += CLIENTS;
        }
        if ended {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills it at a moment of its life; what it had said.
fn kill_at_random(server: Mortal, place: &Place, before: u64, crash: u64, seed: u64) -> String {
    let roll = mixed(seed, crash);
    match crash % 4 {
        // From the start on, which may be before it serves.
        0 => std::thread::sleep(Duration::from_micros(roll % 60_000)),
        // While it serves.
        1 | 2 => {
            place.after(before);
            std::thread::sleep(Duration::from_micros(roll % 150_000));
        }
        // While it stops, which turns the log into Parquet.
        _ => {
            place.after(before);
            std::thread::sleep(Duration::from_micros(roll % 60_000));
            drop(std::process::Command::new("kill").args(["-INT", &server.child.id().to_string()]).status());
            std::thread::sleep(Duration::from_micros((roll >> 32) % 80_000));
        }
    }
    server.kill()
}

#[test]
fn killed_at_random_points_under_load_it_ends_as_if_it_had_not_been() {
    let (crashes, seed) = crashes(12);
    let world = World::new();
    let data = world.path("data");
    let arguments = world.arguments(&data);
    let (place, over, step) = (Arc::new(Place::default()), AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    let mut served = 0;
    let seen = std::thread::scope(|scope| {
        // Files grow at their own pace, and clients send as fast as they are answered.
        let writer = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                world.files.write(step.load(Ordering::SeqCst));
                step.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                scope.spawn({
                    let (place, step, over) = (&place, &step, &over);
                    move || client(place, n, true, step, over)
                })
            })
            .collect();
        for crash in 0..crashes {
            let before = place.number();
            let server = Mortal::start(&arguments, place.clone());
            let said = kill_at_random(server, &place, before, crash, seed);
            assert!(!said.contains("panicked"), "{said}");
            served += u64::from(said.contains("http://"));
        }
        over.store(true, Ordering::SeqCst);
        writer.join().expect("the writer ends");
        let server = Mortal::start(&arguments, place.clone());
        let seen =
            clients.into_iter().map(|client| client.join().expect("a client ends")).fold(Seen::default(), Seen::and);
        server.kill();
        seen
    });
    let steps = step.load(Ordering::SeqCst);
    world.files.end();
    let server = serve(&arguments);
    settle(&server);
    server.stop();
    let took = started.elapsed();
    let (interrupted, reference) = (held(&data), world.uninterrupted(steps));
    println!(
        "{crashes} kills in {took:.1?}, {served} of them once it served; {steps} steps, {} events, {} alerts, {seen:?}",
        reference.events.len(),
        reference.alerts.len()
    );
    assert_same(&interrupted, &reference);
    let rules: std::collections::BTreeSet<&str> =
        reference.alerts.values().filter_map(|a| a.split("\"rule\":\"").nth(1)?.split('"').next()).collect();
    assert!(rules.len() >= 4, "the load raises alerts of most rules: {rules:?}");
    assert!(seen.duplicates > 0, "answers were lost: {seen:?}");
}
