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
        let mut seen = Seen::default();
        (0..steps).flat_map(load::posts).for_each(|post| load::send(&place, &post, false, &mut seen));
        assert_eq!((seen.duplicates, seen.again), (0, 0));
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

#[test]
fn killed_at_random_points_under_load_it_ends_as_if_it_had_not_been() {
    let (crashes, seed) = crashes(12);
    let world = World::new();
    let data = world.path("data");
    let arguments = world.arguments(&data);
    let (place, over, step) = (Arc::new(Place::default()), AtomicBool::new(false), AtomicU64::new(0));
    let (mut served, mut stopped) = (0, 0);
    let seen = std::thread::scope(|scope| {
        // Files grow at their own pace, and the client sends as fast as it is answered.
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                world.files.write(step.fetch_add(1, Ordering::SeqCst));
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let client = scope.spawn(|| {
            let (mut seen, mut sent) = (Seen::default(), 0);
            loop {
                let known = step.load(Ordering::SeqCst);
                if sent == known && over.load(Ordering::SeqCst) && known == step.load(Ordering::SeqCst) {
                    return (seen, sent);
                }
                if sent == known {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                }
                for (n, post) in load::posts(sent).iter().enumerate() {
                    load::send(&place, post, mixed(sent, 50 + n as u64).is_multiple_of(6), &mut seen);
                }
                sent += 1;
            }
        });
        for crash in 0..crashes {
            let roll = mixed(seed, crash);
            let server = Mortal::start(&arguments, place.clone());
            // Short lives are as likely as such in which something comes about.
            let longest = [40, 120, 400][crash as usize % 3];
            std::thread::sleep(Duration::from_micros(roll % (longest * 1000)));
            if crash % 5 == 4 {
                let id = server.child.id().to_string();
                drop(std::process::Command::new("kill").args(["-INT", &id]).status());
                std::thread::sleep(Duration::from_micros((roll >> 32) % 60_000));
                stopped += 1;
            }
            let said = server.kill();
            assert!(!said.contains("panicked"), "{said}");
            served += u64::from(said.contains("http://"));
        }
        over.store(true, Ordering::SeqCst);
        // The writer may be in the midst of a step.
        let server = Mortal::start(&arguments, place.clone());
        let seen = client.join().expect("the client ends");
        server.kill();
        seen
    });
    let (seen, steps) = seen;
    assert_eq!(steps, step.load(Ordering::SeqCst));
    world.files.end();
    let server = serve(&arguments);
    settle(&server);
    server.stop();
    let (interrupted, reference) = (held(&data), world.uninterrupted(steps));
    println!(
        "{crashes} kills ({served} while it served, {stopped} while it stopped), {steps} steps, {} events, {} alerts, {seen:?}",
        reference.events.len(),
        reference.alerts.len()
    );
    assert_same(&interrupted, &reference);
    let rules: std::collections::BTreeSet<&str> =
        reference.alerts.values().filter_map(|a| a.split("\"rule\":\"").nth(1)?.split('"').next()).collect();
    assert!(rules.len() >= 4, "the load raises alerts of most rules: {rules:?}");
    assert!(seen.duplicates > 0, "answers were lost: {seen:?}");
}
