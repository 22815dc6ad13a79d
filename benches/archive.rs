//! The archive alone: sshd events with their raw line to Parquet, to the log, and back.
//!
//! `cargo bench --bench archive [EVENTS]`

use weir::archive::{Archive, BulkWriter, Encoding, Settings, read, snapshot};
use weir::event::{BatchBuilder, EventBatch, EventId, field};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "cpu.rs"]
mod cpu;

const BATCH: u64 = 8192;

/// Repeatable numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// Zipf-like: small numbers are frequent.
    fn skewed(&mut self, n: u64) -> u64 {
        let unit = self.below(1 << 53) as f64 / (1u64 << 53) as f64;
        ((n as f64).powf(unit) - 1.0) as u64
    }
}

/// Events as the sshd parser makes them: 2,000 a second, 20 % of them up to 5 s late; 20,000 addresses, 5,000 users.
fn batch(random: &mut Random, builder: &mut BatchBuilder, first: u64, offset: &mut u64) -> EventBatch {
    for n in first..first + BATCH {
        let late = if random.below(5) == 0 { random.below(5_000) as i64 } else { 0 };
        let second = (n / 2000) as i64 - late / 1000;
        let time = 1_768_473_045_000_000 + second * 1_000_000;
        let (address, user) = (random.skewed(20_000) * 2_654_435_761 % (1 << 32), random.skewed(5_000));
        let address = format!("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
        let (host, pid, port) = (random.below(200), 300 + random.below(32_000), 1024 + random.below(64_000));
        let failed = random.below(10) < 7;
        let invalid = failed && random.below(10) < 4;
        let head = format!(
            "Jan 15 {:02}:{:02}:{:02} web{host:03} sshd[{pid}]: ",
            10 + second / 3600 % 14,
            second / 60 % 60,
            second % 60
        );
        let word = if failed { "Failed" } else { "Accepted" };
        let line = format!(
            "{head}{word} password for {}user{user:04} from {address} port {port} ssh2",
            if invalid { "invalid user " } else { "" }
        );
        builder.set_time(field::TIMESTAMP, time);
        builder.set_id(EventId::new(time, line.as_bytes(), 0));
        builder.set_time(field::EVENT_INGESTED, 1_768_500_000_000_000 + (n / BATCH) as i64);
        builder.set_text(field::EVENT_KIND, "event");
        builder.set_list(field::EVENT_CATEGORY, &["authentication"]);
        builder.set_list(field::EVENT_TYPE, &["start"]);
        builder.set_text(field::EVENT_ACTION, "ssh_login");
        builder.set_text(field::EVENT_OUTCOME, if failed { "failure" } else { "success" });
        builder.set_text(field::EVENT_MODULE, "system");
        builder.set_text(field::EVENT_DATASET, "system.auth");
        builder.set_text(field::EVENT_ORIGINAL, &line);
        builder.set_text(field::LOG_FILE_PATH, "/var/log/auth.log");
        builder.set_number(field::LOG_OFFSET, (*offset).into());
        builder.set_number(field::LOG_MESSAGE_OFFSET, head.len() as i128);
        builder.set_text(field::HOST_NAME, &format!("web{host:03}"));
        builder.set_text(field::USER_NAME, &format!("user{user:04}"));
        builder.set_ip(field::SOURCE_IP, &address);
        builder.set_number(field::SOURCE_PORT, port.into());
        builder.set_text(field::PROCESS_NAME, "sshd");
        builder.set_number(field::PROCESS_PID, pid.into());
        builder.end_row();
        *offset += line.len() as u64 + 1;
    }
    builder.finish()
}

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
