//! Killed, or refused by the disk, at each call that changes a file: before it, in the middle of it, after it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::{self, assert_same, held};
use super::load::{self, Place, Seen};
use super::{Mortal, World, crashes, serve, settle};
use crate::run::PATIENCE;

/// Steps of a run.
const STEPS: u64 = 25;

/// The library that makes calls go wrong; `None`, with a word, where it cannot be built.
fn library(folder: &Path) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/fault.c");
    let library = folder.join("fault.so");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => {
            println!("skipped: cc cannot build {source}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: there is no C compiler: {error}");
            None
        }
    }
}

/// One run with a fault, and one more in peace. Returns what is held, and whether the fault came about.
fn with_fault(world: &World, library: &Path, fault: &str) -> (check::Held, bool) {
    let data = world.path("data");
    let (arguments, place) = (world.arguments(&data), Arc::new(Place::default()));
    let environment = [
        ("LD_PRELOAD", library.as_os_str()),
        ("FAULT", fault.as_ref()),
        ("FAULT_FOLDER", data.as_os_str()),
        ("RUST_LOG", "error".as_ref()),
    ];
    let server = Mortal::start_with(&arguments, place.clone(), &environment);
    let id = server.child.id().to_string();
    let mut came = false;
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut seen = Seen::default();
            (0..STEPS).flat_map(load::posts).for_each(|post| load::send(&place, &post, false, &mut seen));
        });
        // Until all is taken, or it has ended by the fault; then it is asked to end, which the fault may prevent.
        let mut server = server;
        let started = Instant::now();
        while !client.is_finished() && !server.has_ended() {
            assert!(started.elapsed() < PATIENCE, "{fault}: waited for the client");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(Command::new("kill").args(["-INT", &id]).status());
        while !server.has_ended() {
            assert!(started.elapsed() < PATIENCE, "{fault}: waited for the end");
            std::thread::sleep(Duration::from_millis(5));
        }
        came = server.was_killed();
        if !client.is_finished() {
            // Whatever was not answered is sent to the next one.
            let next = Mortal::start(&arguments, place.clone());
            client.join().expect("the client ends");
            next.kill();
        }
    });
    let server = serve(&arguments);
    settle(&server);
    server.stop();
    let held = held(&data);
    std::fs::remove_dir_all(&data).unwrap();
    (held, came)
}

#[test]
fn whatever_call_to_the_disk_is_the_last_or_fails_nothing_is_lost_or_twice() {
    let world = World::new();
    let Some(library) = library(world.folder.path()) else { return };
    (0..STEPS).for_each(|step| world.files.write(step));
    world.files.end();
    let reference = world.uninterrupted(STEPS);
    let (most, seed) = crashes(12);
    let (mut tried, mut struck) = (0, 0);
    // Each kind goes through all calls, in steps that make as many runs as are wanted.
    let calls = 120;
    let step = (4 * calls / most).max(1);
    for at in (1 + seed % step..=4 * calls).step_by(step as usize) {
        let kind = ["kill", "after", "EIO", "ENOSPC"][(at % 4) as usize];
        let (held, came) = with_fault(&world, &library, &format!("{kind}:{}", at.div_ceil(4)));
        assert_same(&held, &reference);
        tried += 1;
        struck += u64::from(came);
    }
    println!("{tried} runs, {struck} of which met their fault");
    assert!(struck > 0);
}
