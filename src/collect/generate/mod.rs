//! Synthetic logs: an office's logins, a shop's web server, a portal, a plant, with attacks planted in them.
//! In: [`Settings`]. Out: [`Line`]s in time order, and the truth about the attacks ([`Generator::truth`]).
//!
//! The same settings give the same lines on every machine. Background and attacks never touch:
//! ordinary people and machines stay below any sensible threshold at every rate, so that what a rule finds beyond the
//! truth is the rule's doing.

mod app;
mod attack;
mod auth;
mod ot;
mod random;
mod scene;
mod stage;
mod web;

use crate::event::time::SECOND;
use stage::Stage;

pub use attack::{Attack, Planted};

/// Which log a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Syslog of sshd, PAM, sudo and their like.
    Auth,
    /// A web server's access log.
    Web,
    /// JSON lines of machines.
    Ot,
    /// JSON lines of an application.
    App,
}

impl Origin {
    /// The name of the file such a log usually has.
    pub fn file(self) -> &'static str {
        match self {
            Origin::Auth => "auth.log",
            Origin::Web => "access.log",
            Origin::Ot => "ot.json",
            Origin::App => "app.json",
        }
    }
}

/// How syslog lines give their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// `Jan 15 08:00:00`, without year and zone (RFC 3164).
    #[default]
    Classic,
    /// `2026-01-15T08:00:00.123456+00:00`, as newer systems write it.
    Iso,
}

/// A line and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written, µs UTC.
    pub time: i64,
    /// Which log.
    pub source: Origin,
    /// Without its newline.
    pub text: String,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many lines; `None` never ends.
    pub events: Option<u64>,
    /// Chooses everything that is left to chance.
    pub seed: u64,
    /// Lines a second of the log's own time, about.
    pub rate: f64,
    /// Which logs, each about as often as its number says.
    pub mix: Vec<(Origin, u64)>,
    /// The time of the first line, µs UTC.
    pub start: i64,
    /// Which attacks; those of other logs are left out.
    pub attacks: Vec<Attack>,
    /// How syslog lines give their time.
    pub timestamps: Timestamps,
    /// Attacks in quick succession, the first within seconds, for somebody who watches.
    pub demo: bool,
}

impl Settings {
    /// Auth, web and OT lines with all attacks, 50 a second.
    pub fn new(events: Option<u64>, seed: u64, start: i64) -> Settings {
        Settings {
            events,
            seed,
            rate: 50.0,
            mix: vec![(Origin::Auth, 35), (Origin::Web, 45), (Origin::Ot, 20)],
            start,
            attacks: Attack::ALL.to_vec(),
            timestamps: Timestamps::Classic,
            demo: false,
        }
    }

    /// What `weir demo` plays in real time: endless, an attack every [`DEMO_GAP`], the first within ten seconds.
    pub fn demo(seed: u64, start: i64) -> Settings {
        Settings { demo: true, ..Settings::new(None, seed, start) }
    }
}

/// Time between two attacks of the demo, µs.
pub const DEMO_GAP: i64 = 18 * SECOND;
/// The demo's first attack starts after this, µs.
const DEMO_FIRST: i64 = 3 * SECOND;
/// The longest an attack of the demo lasts, µs.
const DEMO_LENGTH: i64 = 12 * SECOND;
/// Each attack is planted once in so long, µs.
const ROUND: i64 = 3600 * SECOND;
/// So many lines at most, about, wait for sessions to end.
const WAITING: u64 = 20_000;

/// Makes the lines, one by one.
pub struct Generator {
    settings: Settings,
    stage: Stage,
    auth: auth::Author,
    web: web::Author,
    ot: ot::Author,
    app: app::Author,
    /// When the next ordinary thing happens.
    next: i64,
    /// When the next round of attacks begins, and how long a round is.
    round: (i64, i64),
    /// How many rounds are still to come.
    rounds: u64,
    /// Lines by place in the mix, for its balance.
    lines: Vec<u64>,
    made: u64,
    reached: (i64, u64),
    planted: Vec<Planted>,
}

impl Generator {
    /// A generator at its first line.
    pub fn new(mut settings: Settings) -> Generator {
        // Neither zero nor what is no number; a line a day is slow enough.
        settings.rate = if settings.rate > 1e-5 { settings.rate } else { 1e-5 };
        settings.mix.retain(|(_, weight)| *weight > 0);
        if settings.mix.is_empty() {
            settings.mix.push((Origin::Auth, 1));
        }
        let mix = settings.mix.clone();
        settings.attacks.retain(|attack| mix.iter().any(|(origin, _)| *origin == attack.origin()));
        let (rounds, round) = rounds(&mut settings);
        let span = settings.events.map_or(i64::MAX, |events| seconds(events, settings.rate));
        let linger = seconds(WAITING, settings.rate).min(span / 10).clamp(2, 600) * SECOND;
        Generator {
            stage: Stage::new(settings.seed, settings.timestamps, linger),
            auth: auth::Author::new(),
            web: web::Author::new(),
            ot: ot::Author::new(),
            app: app::Author::new(),
            next: settings.start,
            round: (settings.start, round),
            rounds,
            lines: vec![0; settings.mix.len()],
            made: 0,
            reached: (i64::MIN, 0),
            planted: Vec::new(),
            settings,
        }
    }

    /// The attacks whose lines have all come out, by time.
    pub fn truth(&self) -> Vec<Planted> {
        let mut done: Vec<_> = self.planted.iter().filter(|planted| planted.place <= self.reached).cloned().collect();
        done.sort_by_key(|planted| (planted.first, planted.place));
        done
    }

    /// One ordinary thing, of the log that is furthest behind its share, and the time of the next.
    fn act(&mut self) {
        if self.rounds > 0 && self.next >= self.round.0 {
            self.rounds -= 1;
            self.plant();
        }
        let behind = |at: &usize| self.lines[*at] * 1000 / self.settings.mix[*at].1;
        let at = (0..self.lines.len()).min_by_key(behind).expect("the mix has at least one log");
        let before = self.stage.written();
        match self.settings.mix[at].0 {
            Origin::Auth => self.auth.act(&mut self.stage, self.next),
            Origin::Web => self.web.act(&mut self.stage, self.next),
            Origin::Ot => self.ot.act(&mut self.stage, self.next),
            Origin::App => self.app.act(&mut self.stage, self.next),
        }
        let lines = self.stage.written() - before;
        self.lines[at] += lines;
        let mean = ((lines as f64 * SECOND as f64 / self.settings.rate) as i64).max(1);
        self.next += self.stage.random.between(mean / 2, mean + mean / 2 + 1);
    }

    /// Plants a round of attacks.
    fn plant(&mut self) {
        let (start, length) = self.round;
        self.round.0 = start + length;
        for (n, attack) in self.settings.attacks.clone().into_iter().enumerate() {
            let (at, lasts) = if self.settings.demo {
                (start + DEMO_FIRST + DEMO_GAP * n as i64, attack.length().min(DEMO_LENGTH))
            } else {
                let lasts = attack.length().min(length / 2);
                (start + length / 50 + self.stage.random.between(0, length * 9 / 10 - lasts), lasts)
            };
            // INVARIANT: nothing is put down for a time that has passed.
            let at = at.max(self.next);
            self.planted.push(attack::plant(&mut self.stage, attack, at, lasts));
        }
    }
}

/// How many rounds of attacks there are, and how long each is; leaves out the attacks that would be more than half of a
/// short log.
fn rounds(settings: &mut Settings) -> (u64, i64) {
    if settings.demo {
        return (u64::MAX, (DEMO_FIRST + DEMO_GAP * settings.attacks.len() as i64).max(SECOND));
    }
    let Some(events) = settings.events else { return (u64::MAX, ROUND) };
    let mut sum = 0;
    settings.attacks.retain(|attack| {
        let fits = sum + attack.lines() <= events / 2;
        sum += if fits { attack.lines() } else { 0 };
        fits
    });
    let rounds = (seconds(events, settings.rate) * SECOND / ROUND).max(1);
    let length = seconds(events.saturating_sub(sum * rounds as u64), settings.rate) * SECOND / rounds;
    (rounds as u64, length.max(SECOND))
}

/// How long so many lines take, in whole seconds. A century is the most.
fn seconds(lines: u64, rate: f64) -> i64 {
    (lines as f64 / rate).min(3.2e9) as i64
}

impl Iterator for Generator {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.settings.events.is_some_and(|events| self.made >= events) {
            return None;
        }
        while self.stage.waiting.peek().is_none_or(|first| first.0.0 >= self.next) {
            self.act();
        }
        let (place, line) = self.stage.take()?;
        self.reached = place;
        self.made += 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests;
