//! The stage that the authors of lines share: chance, the clock's faces, the cast, and the lines that wait for their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write;

use super::random::Random;
use super::{Line, Origin, Timestamps};
use crate::event::time::{DAY, SECOND};

/// People with an account. Their number, address and key are made of their place in this list.
pub(super) const PEOPLE: [&str; 40] = [
    "alice", "amir", "anna", "ben", "bianca", "carlos", "chen", "clara", "dario", "deniz", "elena", "emil", "fatima",
    "felix", "grace", "hana", "hugo", "ines", "ivan", "jana", "jonas", "kaya", "lars", "lena", "luca", "maria",
    "milan", "nadia", "nils", "olga", "paula", "quentin", "rosa", "samir", "sofia", "tom", "ulla", "vera", "yusuf",
    "zoe",
];

/// Machines that people log in to.
pub(super) const HOSTS: [&str; 10] =
    ["web-01", "web-02", "app-01", "app-02", "db-01", "db-02", "build-01", "mail-01", "vpn-01", "files-01"];

/// A line that waits; ordered by time, then by when it was written down.
pub(super) type Waiting = (i64, u64, Origin, String);

pub(super) struct Stage {
    pub(super) random: Random,
    pub(super) waiting: BinaryHeap<Reverse<Waiting>>,
    pub(super) timestamps: Timestamps,
    /// The longest a session lasts, µs; short at high rates, so that few lines wait.
    pub(super) linger: i64,
    written: u64,
    attackers: u64,
    sessions: u64,
    day: i64,
    date: [String; 3],
}

impl Stage {
    pub(super) fn new(seed: u64, timestamps: Timestamps, linger: i64) -> Stage {
        Stage {
            random: Random(seed),
            waiting: BinaryHeap::new(),
            timestamps,
            linger,
            written: 0,
            attackers: 0,
            sessions: 1,
            day: i64::MIN,
            date: Default::default(),
        }
    }

    /// Puts a line down for its time; its place in the order of all lines.
    pub(super) fn write(&mut self, time: i64, origin: Origin, text: String) -> (i64, u64) {
        self.written += 1;
        self.waiting.push(Reverse((time, self.written, origin, text)));
        (time, self.written)
    }

    /// How many lines were put down so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The earliest line.
    pub(super) fn take(&mut self) -> Option<((i64, u64), Line)> {
        let Reverse((time, place, source, text)) = self.waiting.pop()?;
        Some(((time, place), Line { time, source, text }))
    }

    /// A line of syslog, up to its message.
    pub(super) fn syslog(&mut self, time: i64, host: &str, program: &str, pid: u64) -> String {
        let mut line = String::with_capacity(160);
        match self.timestamps {
            Timestamps::Classic => {
                line.push_str(&self.dates(time)[0]);
                line.push(' ');
                clock(&mut line, time);
            }
            Timestamps::Iso => self.rfc3339(&mut line, time, 6, "+00:00"),
        }
        for part in [" ", host, " ", program] {
            line.push_str(part);
        }
        if pid > 0 {
            line.push('[');
            number(&mut line, pid);
            line.push(']');
        }
        line.push_str(": ");
        line
    }

    /// `15/Jan/2026:08:00:00 +0000`
    pub(super) fn common(&mut self, line: &mut String, time: i64) {
        line.push_str(&self.dates(time)[1]);
        line.push(':');
        clock(line, time);
        line.push_str(" +0000");
    }

    /// `2026-01-15T08:00:00.123Z`
    pub(super) fn instant(&mut self, line: &mut String, time: i64) {
        self.rfc3339(line, time, 3, "Z");
    }

    fn rfc3339(&mut self, line: &mut String, time: i64, digits: u32, zone: &str) {
        line.push_str(&self.dates(time)[2]);
        line.push('T');
        clock(line, time);
        line.push('.');
        let fraction = time.rem_euclid(SECOND) / 10_i64.pow(6 - digits);
        let _ = write!(line, "{fraction:0width$}", width = digits as usize);
        line.push_str(zone);
    }

    /// The day as syslog, web servers and RFC 3339 write it.
    fn dates(&mut self, time: i64) -> &[String; 3] {
        let day = time.div_euclid(DAY);
        if day != self.day {
            self.day = day;
            let instant = jiff::Timestamp::from_microsecond(day * DAY).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            let date = instant.to_zoned(jiff::tz::TimeZone::UTC);
            self.date = ["%b %e", "%d/%b/%Y", "%Y-%m-%d"].map(|format| date.strftime(format).to_string());
        }
        &self.date
    }

    /// An address that nobody but an attacker has (RFC 5737's documentation networks).
    pub(super) fn attacker(&mut self) -> String {
        // 89 shares no factor with 508, so every address is used before one comes again.
        let n = self.attackers * 89 % 508;
        self.attackers += 1;
        if n < 254 { format!("203.0.113.{}", n + 1) } else { format!("198.51.100.{}", n - 253) }
    }

    /// An address somewhere in the internet (RFC 2544's benchmark network), hardly ever the same.
    pub(super) fn passer_by(&mut self) -> String {
        let n = self.random.below(1 << 17);
        format!("198.{}.{}.{}", 18 + (n >> 16), n >> 8 & 255, n & 255)
    }

    /// The number of a new login session.
    pub(super) fn session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    pub(super) fn person(&mut self) -> usize {
        // The lower of two: some people work more than others.
        self.random.below(PEOPLE.len() as u64).min(self.random.below(PEOPLE.len() as u64)) as usize
    }

    pub(super) fn host(&mut self) -> &'static str {
        self.random.pick(&HOSTS)
    }

    pub(super) fn pid(&mut self) -> u64 {
        800 + self.random.below(64_000)
    }

    pub(super) fn port(&mut self) -> u64 {
        32_768 + self.random.below(28_000)
    }
}

/// A person's machine in the office.
pub(super) fn desk(person: usize) -> String {
    format!("10.20.{}.{}", 1 + person / 10, 20 + person)
}

/// `08:00:00`
fn clock(line: &mut String, time: i64) {
    let second = time.rem_euclid(DAY) / SECOND;
    for (at, part) in [second / 3600, second / 60 % 60, second % 60].into_iter().enumerate() {
        if at > 0 {
            line.push(':');
        }
        line.push(char::from(b'0' + (part / 10) as u8));
        line.push(char::from(b'0' + (part % 10) as u8));
    }
}

/// Appends a number; an order of magnitude faster than `write!`, and lines are made by the million.
pub(super) fn number(line: &mut String, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    digits[at..].iter().for_each(|digit| line.push(char::from(*digit)));
}
