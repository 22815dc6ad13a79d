//! Syslog over TCP has no answers, but a connection that was closed in peace: what it carried is kept.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::check::lines_of;
use super::{crashes, load::mixed};
use crate::program::weir;

/// Sends some lines on a connection of their own. Whether it was closed in peace.
fn send(address: &str, lines: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(lines.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    Ok(stream.read(&mut [0])? == 0)
}

#[test]
fn what_a_connection_that_was_closed_in_peace_carried_survives_a_kill() {
    let (crashes, seed) = crashes(8);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (place, over) = (Mutex::new(String::new()), AtomicBool::new(false));
    let (closed, broken) = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (mut closed, mut broken, mut n) = (BTreeSet::new(), 0, 0);
            while !over.load(Ordering::SeqCst) {
                n += 1;
                let lines: String = (0..5).map(|m| format!("2026-01-15T10:00:00Z h p[{m}]: line {n}\n")).collect();
                let address = place.lock().unwrap().clone();
                match send(&address, &lines) {
                    Ok(true) => closed.extend(lines.lines().map(str::to_owned)),
                    Ok(false) | Err(_) => {
                        broken += 1;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
            (closed, broken)
        });
        for crash in 0..crashes {
            // The same data folder, another port.
            let mut command = weir();
            command.args(["run", "--syslog-tcp", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
            let mut said = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("it is piped")));
            let address = said
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| line.split("syslog+tcp://").nth(1).map(|address| address.trim().to_owned()));
            *place.lock().unwrap() = address.expect("it listens");
            let silent = std::thread::spawn(move || said.map_while(Result::ok).for_each(drop));
            std::thread::sleep(Duration::from_micros(100_000 + mixed(seed, crash) % 300_000));
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            silent.join().expect("it ends");
        }
        over.store(true, Ordering::SeqCst);
        client.join().expect("the client ends")
    });
    let held: BTreeSet<String> = lines_of(&data).into_iter().collect();
    println!("{} lines on connections that were closed in peace, {broken} connections were not", closed.len());
    assert!(!closed.is_empty());
    let lost: Vec<&String> = closed.difference(&held).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
