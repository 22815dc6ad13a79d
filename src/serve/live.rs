//! The live state of the page: what the engine pushes, what pages read and are told.
//!
//! In: event batches and alert changes, from the engine's own threads; a push takes a short lock
//! and never waits for a reader. Out: the latest events, the current alerts, rates, and a stream of
//! messages ([`Hub::subscribe`]). A reader that cannot keep up loses its stream and takes a new
//! one; nobody waits for it.

mod book;
mod rates;
mod recent;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

use crate::alert::{Alert, AlertChange, AlertId};
use crate::event::time::{now, rfc3339};
use crate::event::{EventBatch, EventId};
use crate::rule::Diagnostic;

use book::Book;
pub use book::{AlertFilter, Page};
use rates::Rates;
use recent::Recent;
pub use trouble::Stage;

/// Longest text value that goes into the stream, in characters: a table row shows less.
const STREAM_TEXT: usize = 1_000;
/// Longest text value in an answer of the API, in characters. The archive holds all of it.
const ANSWER_TEXT: usize = 32_000;
/// How many rows of one batch may go into the stream: several batches a second get their share.
const SAMPLE_OF_BATCH: usize = 5;

/// How much is kept for the page.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Latest events.
    pub events: usize,
    /// Alerts, newest first.
    pub alerts: usize,
    /// Seconds of rates.
    pub seconds: usize,
    /// Events a second that go into the stream; the rest is only counted.
    pub sample: usize,
    /// Messages a stream may lag behind, or be away, before it must start anew.
    pub backlog: usize,
    /// Streams at a time.
    pub streams: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { events: 500, alerts: 10_000, seconds: 600, sample: 20, backlog: 1_024, streams: 64 }
    }
}

/// The live state. Shared by the engine and the server.
pub struct Hub {
    settings: Settings,
    /// Tells this run's message numbers from another run's.
    run: String,
    started: i64,
    state: Mutex<State>,
    streams: AtomicUsize,
}

struct State {
    /// `None` once the server is going down.
    sender: Option<broadcast::Sender<Arc<Message>>>,
    backlog: VecDeque<Arc<Message>>,
    last: u64,
    budget: usize,
    recent: Recent,
    rates: Rates,
    book: Book,
    trouble: BTreeMap<Stage, String>,
    rules: RuleState,
    /// Why the settings file does not take effect.
    settings: Option<String>,
}

/// How the rules folder stands.
#[derive(Clone, Debug, Default)]
pub struct RuleState {
    /// Why what is in it does not take effect.
    pub trouble: Option<String>,
    /// What is wrong in it.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of the rules whose past is being read: they say nothing yet.
    pub filling: BTreeSet<String>,
}

/// One message of the stream.
#[derive(Debug)]
pub struct Message {
    /// Its number; unique in a run and growing.
    pub number: u64,
    /// What it is about.
    pub kind: Kind,
    /// A JSON object, in one line.
    pub data: String,
}

/// What a message is about: the SSE event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rates and counts, once a second.
    Stats,
    /// One event of the sample.
    Event,
    /// An alert that came or changed.
    Alert,
}

impl Kind {
    /// The SSE event name.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Stats => "stats",
            Kind::Event => "event",
            Kind::Alert => "alert",
        }
    }
}

/// A reader's side of the stream.
pub struct Subscription {
    /// The state of things at the start, as a `stats` message.
    pub hello: Message,
    /// What the reader missed since the number it named.
    pub missed: Vec<Arc<Message>>,
    /// Whether it missed more than is kept, and must read everything anew.
    pub reset: bool,
    /// What comes from now on; ends when the server goes down.
    pub messages: broadcast::Receiver<Arc<Message>>,
    /// Frees the place when dropped.
    pub place: Place,
}

/// One of [`Settings::streams`] places.
pub struct Place(Arc<Hub>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hub {
    /// An empty one.
    pub fn new(settings: Settings) -> Arc<Hub> {
        let started = now();
        let state = State {
            sender: Some(broadcast::Sender::new(settings.backlog.max(16))),
            backlog: VecDeque::new(),
            last: 0,
            budget: settings.sample,
            recent: Recent::new(settings.events),
            rates: Rates::new(settings.seconds),
            book: Book::new(settings.alerts),
            trouble: BTreeMap::new(),
            rules: RuleState::default(),
            settings: None,
        };
        let run = format!("{started:x}");
        Arc::new(Hub { settings, run, started, state: Mutex::new(state), streams: AtomicUsize::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New events. Only the few rows that go into the stream are converted; the rest is counted.
    pub fn events(&self, batch: &EventBatch) {
        if batch.is_empty() {
            return;
        }
        let mut state = self.state();
        state.rates.events(batch.len() as u64);
        state.recent.push(batch);
        let sample = batch.len().min(SAMPLE_OF_BATCH).min(state.budget);
        state.budget -= sample;
        for row in batch.len() - sample..batch.len() {
            let event = recent::brief(batch, row, STREAM_TEXT);
            state.tell(Kind::Event, Value::Object(event).to_string(), self.settings.backlog);
        }
    }

    /// An alert came or changed.
    pub fn alert(&self, change: &AlertChange) {
        let mut state = self.state();
        state.rates.alert(&change.change);
        let version = state.last + 1;
        let view = state.book.apply(change, version).to_string();
        state.tell(Kind::Alert, view, self.settings.backlog);
    }

    /// The alerts that stand at the start.
    pub fn load_alerts<'a>(&self, current: impl IntoIterator<Item = &'a Alert>) {
        self.state().book.load(current);
    }

    /// Closes the second: rates advance, and every stream is told. To be called about once a second; `now` is in µs.
    pub fn tick(&self, now: i64) {
        let mut state = self.state();
        state.rates.tick(now);
        state.budget = self.settings.sample;
        self.tell_stats(&mut state);
    }

    /// What is wrong in the rules folder.
    pub fn rule_diagnostics(&self, found: Vec<Diagnostic>) {
        self.state().rules.diagnostics = found;
    }

    /// Names of the rules whose past is being read.
    pub fn filling(&self, rules: BTreeSet<String>) {
        self.state().rules.filling = rules;
    }

    /// How the rules folder stands.
    pub fn rules(&self) -> RuleState {
        self.state().rules.clone()
    }

    /// Ends every stream, so that the server can go down.
    pub fn close(&self) {
        self.state().sender = None;
    }

    fn tell_stats(&self, state: &mut State) {
        state.tell(Kind::Stats, self.summary(state).to_string(), self.settings.backlog);
    }

    /// The counts that every `stats` message carries.
    fn summary(&self, state: &State) -> Value {
        let all: Vec<_> = state.trouble.values().chain(&state.rules.trouble).chain(&state.settings).cloned().collect();
        json!({
            "run": self.run,
            "version": env!("CARGO_PKG_VERSION"),
            "started": rfc3339(self.started),
            "now": rfc3339(now()),
            "events": state.rates.total(),
            "events_per_second": state.rates.latest(),
            "sampled": state.rates.latest() > self.settings.sample as f64,
            "alerts": state.book.counts(),
            "alerts_per_second": state.rates.latest_alerts(),
            "trouble": (!all.is_empty()).then(|| all.join("\n")),
        })
    }

    /// Rates and counts, with the history of rates: for `/api/v1/dashboard/stats`.
    pub fn stats(&self) -> Map<String, Value> {
        let state = self.state();
        let mut stats = match self.summary(&state) {
            Value::Object(stats) => stats,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
        };
        stats.insert("history".into(), state.rates.history());
        stats.insert("alerts_by_rule".into(), json!(state.book.by_rule()));
        stats
    }

    /// How many current alerts each rule has.
    pub fn alerts_by_rule(&self) -> std::collections::BTreeMap<String, u64> {
        self.state().book.by_rule().clone()
    }

    /// The latest events, newest first.
    pub fn latest(&self, limit: usize) -> Vec<Value> {
        // The lock is held for the batches' addresses only; the conversion comes after.
        let batches = self.state().recent.batches();
        recent::latest(&batches, limit, ANSWER_TEXT)
    }

    /// Those of these events that are among the latest: they may not be in the archive yet.
    pub fn find(&self, ids: &[EventId]) -> Vec<Value> {
        let batches = self.state().recent.batches();
        recent::find(&batches, ids, ANSWER_TEXT)
    }

    /// A page of alerts, newest first.
    pub fn alerts(&self, filter: &AlertFilter, after: Option<u64>, limit: usize) -> Page {
        self.state().book.page(filter, after, limit)
    }

    /// One alert, as it is in [`Hub::alerts`].
    pub fn find_alert(&self, id: AlertId) -> Option<(Alert, Value)> {
        self.state().book.get(id)
    }

    /// A place in the stream; `last` is the id of the last message the reader has. `None` when all places are taken
    /// or the server is going down.
    pub fn subscribe(self: &Arc<Hub>, last: Option<&str>) -> Option<Subscription> {
        if self.streams.fetch_add(1, Ordering::Relaxed) >= self.settings.streams {
            self.streams.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let place = Place(self.clone());
        let state = self.state();
        let messages = state.sender.as_ref()?.subscribe();
        let seen = last.map(|id| match id.split_once('-') {
            Some((run, number)) if run == self.run => number.parse().ok().filter(|n| *n <= state.last),
            Some(_) | None => None,
        });
        let kept_from = state.backlog.front().map_or(state.last + 1, |m| m.number);
        let (missed, reset) = match seen {
            None => (Vec::new(), false),
            Some(Some(n)) if n + 1 >= kept_from || n == state.last => {
                (state.backlog.iter().filter(|m| m.number > n).cloned().collect(), false)
            }
            Some(_) => (Vec::new(), true),
        };
        let hello = Message { number: state.last, kind: Kind::Stats, data: self.summary(&state).to_string() };
        drop(state);
        Some(Subscription { hello, missed, reset, messages, place })
    }

    /// The SSE id of a message: what a reader sends back as `Last-Event-ID`.
    pub fn message_id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }
}

impl State {
    fn tell(&mut self, kind: Kind, data: String, keep: usize) {
        self.last += 1;
        let message = Arc::new(Message { number: self.last, kind, data });
        if self.backlog.len() >= keep {
            self.backlog.pop_front();
        }
        self.backlog.push_back(message.clone());
        if let Some(sender) = &self.sender {
            // An error only says that nobody listens.
            let _ = sender.send(message);
        }
    }
}

#[cfg(test)]
mod tests;
