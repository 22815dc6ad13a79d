//! Events of sshd as the parser makes them, as many as one likes.

use weir::event::{BatchBuilder, EventBatch, EventId, field};

/// Events of a batch.
pub(crate) const BATCH: u64 = 8192;

/// Repeatable numbers.
pub(crate) struct Random(pub(crate) u64);

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
pub(crate) fn batch(random: &mut Random, builder: &mut BatchBuilder, first: u64, offset: &mut u64) -> EventBatch {
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
