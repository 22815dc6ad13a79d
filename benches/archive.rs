//! The archive alone: sshd events with their raw line to Parquet, to the log, and back.
//!
//! `cargo bench --bench archive [EVENTS]`

use weir::archive::{Archive, BulkWriter, Encoding, Settings, read, snapshot};
use weir::event::{BatchBuilder, EventBatch};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "cpu.rs"]
mod cpu;
#[path = "sshd.rs"]
mod sshd;

use sshd::{BATCH, Random, batch};

fn measured(events: u64, mut consume: impl FnMut(EventBatch), finish: impl FnOnce()) -> f64 {
    let (mut random, mut builder, mut offset) = (Random(7), BatchBuilder::new(), 0);
    let mut seconds = 0.0;
    for first in (0..events).step_by(BATCH as usize) {
        let batch = batch(&mut random, &mut builder, first, &mut offset);
        let started = cpu::seconds();
        consume(batch);
        seconds += cpu::seconds() - started;
    }
    let started = cpu::seconds();
    finish();
    seconds + cpu::seconds() - started
}

fn report(what: &str, events: u64, seconds: f64, dir: &std::path::Path) {
    let bytes: u64 = snapshot(dir).expect("there is an archive").files().iter().map(|f| f.bytes).sum();
    let rate = events as f64 / seconds / 1e6;
    println!("{what:<28} {rate:>6.2} M events/CPU-s {:>6.1} bytes/event", bytes as f64 / events as f64);
}

fn main() {
    let wanted = std::env::args().filter_map(|a| a.parse::<u64>().ok()).next().unwrap_or(2_000_000);
    let events = wanted.div_ceil(BATCH) * BATCH;
    for (what, encoding) in [
        ("Parquet, zstd 1", Encoding::default()),
        ("Parquet, zstd 3", Encoding { level: 3, ..Encoding::default() }),
        ("Parquet, no bloom filters", Encoding { bloom: false, ..Encoding::default() }),
    ] {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let writer = std::cell::RefCell::new(Some(
            BulkWriter::with_encoding(dir.path(), encoding).expect("the folder is writable"),
        ));
        let seconds = measured(
            events,
            |batch| writer.borrow_mut().as_mut().map_or((), |w| w.append(&batch).expect("the disk has space")),
            || writer.take().map_or((), |w| w.finish().expect("the disk has space")),
        );
        report(what, events, seconds, dir.path());
        if what == "Parquet, zstd 1" {
            let started = cpu::seconds();
            let read: usize = read(dir.path(), None, i64::MIN..=i64::MAX)
                .expect("it is there")
                .map(|b| b.expect("it is sound").len())
                .sum();
            assert_eq!(read as u64, events);
            report("read back, all columns", events, cpu::seconds() - started, dir.path());
        }
    }
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let archive = std::cell::RefCell::new(Some(
        Archive::open(dir.path(), Settings { segment_bytes: u64::MAX, ..Settings::default() }).expect("it is writable"),
    ));
    let log = measured(
        events,
        |batch| {
            archive.borrow_mut().as_mut().map_or((), |a| {
                a.append(&batch, &[]).expect("the batch is sound");
                a.commit().expect("the disk has space");
            })
        },
        || (),
    );
    let started = cpu::seconds();
    if let Some(archive) = archive.take() {
        archive.close().expect("the disk has space");
    }
    report("log, a commit a batch", events, log, dir.path());
    report("log to Parquet", events, cpu::seconds() - started, dir.path());
}
