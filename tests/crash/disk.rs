//! Disks that are full, folders that cannot be written: it says so, refuses, loses nothing, and goes on by itself.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::check::lines_of as lines;
use crate::program::weir;
use crate::run::{PATIENCE, Server, append};

/// A small file system, in a namespace of its own that nobody else sees.
struct Small {
    holder: Child,
    folder: PathBuf,
}

impl Small {
    /// `None`, with a word, where the system does not let us.
    fn mount(folder: &Path, size: &str) -> Option<Small> {
        let script = "mount -t tmpfs -o size=$1 tmpfs \"$2\" && echo ready && cat";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", size]).arg(folder);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let Ok(mut holder) = spawned else {
            println!("skipped: there is no `unshare`, so no small disk");
            return None;
        };
        let mut said = String::new();
        let out = holder.stdout.take().expect("it is piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut said).expect("it is text");
        if said.trim() != "ready" {
            println!("skipped: a small disk cannot be mounted here");
            drop(holder.wait());
            return None;
        }
        Some(Small { holder, folder: folder.to_owned() })
    }

    /// Where its files are seen from outside.
    fn seen(&self) -> PathBuf {
        let folder = self.folder.strip_prefix("/").expect("it is absolute");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(folder)
    }

    /// Runs in there.
    fn inside(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--user", "--mount", "--preserve-credentials"]);
        command.arg(program);
        command
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// Status, `Retry-After` and body.
fn ask(request: ureq::RequestBuilder<ureq::typestate::WithBody>, body: &str) -> (u16, Option<String>, Value) {
    let request = request.config().http_status_as_error(false).build();
    let mut answer = request.header("content-type", "application/x-ndjson").send(body).expect("it answers");
    let again = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), again, serde_json::from_str(&text).expect("JSON"))
}

fn post(server: &Server, body: &str) -> (u16, Option<String>, Value) {
    ask(ureq::post(format!("{}/api/v1/events", server.address)), body)
}

fn health(server: &Server) -> (u16, Value) {
    let request = ureq::get(format!("{}/health", server.address)).config().http_status_as_error(false).build();
    let mut answer = request.call().expect("it answers");
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ten events; each batch has others.
fn batch(n: usize) -> String {
    let noise =
        |m: usize| (0..20).map(|k| format!("{:016x}", super::load::mixed((n * 100 + m) as u64, k))).collect::<String>();
    (0..10)
        .map(|m| {
            format!("{{\"@timestamp\":\"2026-01-15T10:00:00Z\",\"event.id\":\"{n}-{m}\",\"noise\":\"{}\"}}\n", noise(m))
        })
        .collect()
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = texts.iter().flat_map(|text| text.lines().map(str::to_owned)).collect();
    lines.sort();
    lines
}

#[test]
fn a_full_disk_refuses_and_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, log) = (folder.path().join("disk"), folder.path().join("auth.log"));
    std::fs::create_dir(&disk).unwrap();
    let Some(small) = Small::mount(&disk, "1m") else { return };
    let ballast = small.seen().join("ballast");
    std::fs::File::create(&ballast).unwrap().write_all(&vec![1; 600 << 10]).unwrap();
    append(&log, "");
    let data = disk.join("data");
    let arguments = ["run", "--data", data.to_str().unwrap(), "--file", log.to_str().unwrap()];
    let server = Server::start_in(small.inside(weir().get_program()), &arguments);
    let (mut taken, mut n) = (Vec::new(), 0);
    let refused = loop {
        let text = batch(n);
        let (status, again, answer) = post(&server, &text);
        n += 1;
        match status {
            200 => taken.push(text),
            503 => {
                assert!(again.is_some(), "it says when to come again");
                assert!(answer["detail"].as_str().unwrap().contains("free some space"), "{answer}");
                break text;
            }
            other => panic!("{other}: {answer}"),
        }
        assert!(n < 10_000, "the disk does not fill");
    };
    assert!(!taken.is_empty());
    let (status, said) = health(&server);
    assert!(status == 503 && said["trouble"].as_str().unwrap().contains("free some space"), "{said}");
    assert!(server.get("/api/v1/dashboard/stats")["trouble"].is_string(), "the page shows it");
    // A file's lines wait where they are.
    let from_file: String =
        (0..500).map(|n| format!("2026-01-15T10:00:01Z h p[{n}]: {:x}\n", super::load::mixed(n, 1))).collect();
    append(&log, &from_file);
    for _ in 0..3 {
        assert_eq!(post(&server, &refused).0, 503);
    }
    std::fs::remove_file(&ballast).unwrap();
    wait("room to be noticed", || health(&server).0 == 200);
    let (status, _, answer) = post(&server, &refused);
    assert_eq!((status, &answer["duplicates"]), (200, &Value::from(0)), "what was refused is not known: {answer}");
    taken.push(refused);
    taken.push(from_file.clone());
    let expected = sorted(&taken);
    let seen = small.seen().join("data");
    wait("the file's lines", || lines(&seen).len() >= expected.len());
    assert_eq!(lines(&seen), expected, "each once");
    // Full again: nobody has to wait for room.
    drop(std::fs::File::create(&ballast).unwrap().write_all(&vec![1; 1 << 20]));
    append(&log, &from_file.replace("h p", "g p"));
    wait("the disk to be full again", || health(&server).0 == 503);
    assert_eq!(server.insist(), Some(2));
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_waited_for() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = weir();
    // The superuser may write anywhere, unless it gives that up.
    if std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
        let program = command.get_program().to_owned();
        command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]);
        if !command.arg("true").status().is_ok_and(|s| s.success()) {
            println!("skipped: there is no `setpriv` to give up writing anywhere");
            return;
        }
        command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]);
        command.arg(program);
    }
    let server = Server::start_in(command, &["run", "--data", data.to_str().unwrap()]);
    let allow = |mode| std::fs::set_permissions(data.join("log"), std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let text = batch(0);
    let (status, again, answer) = post(&server, &text);
    assert_eq!((status, again.is_some()), (503, true), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("make the folder writable"), "{answer}");
    assert_eq!(health(&server).0, 503);
    allow(0o755);
    wait("the folder to be tried again", || health(&server).0 == 200);
    assert_eq!(post(&server, &text).2["events"], 10);
    let again = post(&server, &text).2;
    assert_eq!((&again["events"], &again["duplicates"]), (&0.into(), &10.into()));
    server.stop();
    assert_eq!(lines(&data), sorted(&[text]));
}

#[test]
fn a_scan_whose_alerts_do_not_fit_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(small) = Small::mount(&disk, "2m") else { return };
    let (log, rules, data) = (folder.path().join("all.json"), folder.path().join("all.weir"), disk.join("data"));
    // The alerts of a file are many times what its events take.
    let line = |n: usize| format!("{{\"@timestamp\":\"2026-01-15T10:{:02}:{:02}Z\",\"n\":{n}}}\n", n / 60 % 60, n % 60);
    std::fs::write(&log, (0..30_000).map(line).collect::<String>()).unwrap();
    std::fs::write(&rules, "rule seen { title \"one of them\" severity low when any }").unwrap();
    let mut scan = small.inside(weir().get_program());
    scan.arg("scan").arg(&log).arg("--rules").arg(&rules).arg("--data").arg(&data);
    let scanned = scan.output().expect("the binary starts");
    let said = String::from_utf8_lossy(&scanned.stderr).into_owned();
    assert!(scanned.status.code() == Some(2) && said.contains("free some space"), "{said}");
    let left = std::fs::read_dir(small.seen().join("data")).unwrap();
    let left: Vec<_> = left.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.contains("alerts")), "{left:?}");
}
