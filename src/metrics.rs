//! What weir counts about itself, for `/metrics` and the dashboard.
//!
//! In: a call a batch from every stage. Out: OpenMetrics text, and the table of sources. Labels are
//! bounded: after [`MOST_SOURCES`] names the rest count under `other`, so a flood of made-up names
//! costs nothing. Nothing here is read by a rule.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;

use crate::alert::{Change, Severity};

/// How many sources have a label of their own.
pub const MOST_SOURCES: usize = 200;

/// The label of sources beyond [`MOST_SOURCES`].
const OTHER: &str = "other";

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, AtomicU64>;

/// All counters and gauges. Shared as an `Arc`; every method may be called from any thread.
pub struct Metrics {
    registry: Registry,
    sources: Mutex<Vec<Arc<str>>>,
    lines: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    events: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    duplicates: Family<Labels, Counter>,
    matches: Counter,
    epochs: Counter,
    late: Counter,
    alerts: Family<Labels, Counter>,
    watermark_lag: Number,
    log_bytes: Gauge,
    commits: Histogram,
    queues: Family<Labels, Gauge>,
    rules: Gauge,
    rules_errors: Gauge,
    settings_errors: Gauge,
    rules_filling: Gauge,
    uploaded_files: Counter,
    uploaded_bytes: Counter,
    upload_failures: Counter,
    upload_waiting: Gauge,
}

/// What came from one source so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceCount {
    /// Its name, or `other`.
    pub name: String,
    /// Lines received.
    pub lines: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Events made of them.
    pub events: u64,
    /// Events that could not be parsed and were kept as they came.
    pub parse_failures: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Metrics {
        // From 1 ms to 8 s: a commit is an fsync of a group of batches.
        let commits = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let mut metrics = Metrics {
            registry: Registry::with_prefix("weir"),
            sources: Mutex::default(),
            lines: Family::default(),
            bytes: Family::default(),
            events: Family::default(),
            failures: Family::default(),
            duplicates: Family::default(),
            matches: Counter::default(),
            epochs: Counter::default(),
            late: Counter::default(),
            alerts: Family::default(),
            watermark_lag: Number::default(),
            log_bytes: Gauge::default(),
            commits,
            queues: Family::default(),
            rules: Gauge::default(),
            rules_errors: Gauge::default(),
            settings_errors: Gauge::default(),
            rules_filling: Gauge::default(),
            uploaded_files: Counter::default(),
            uploaded_bytes: Counter::default(),
            upload_failures: Counter::default(),
            upload_waiting: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("lines_received", "Lines received, by source", self.lines.clone());
        r.register_with_unit("received", "Bytes received, by source", Unit::Bytes, self.bytes.clone());
        r.register("events_parsed", "Events made of received lines, by source", self.events.clone());
        r.register("parse_failures", "Events kept without being understood, by source", self.failures.clone());
        let duplicates = self.duplicates.clone();
        r.register("duplicate_lines", "Lines that were sent again under an id that was taken, by source", duplicates);
        r.register("match_rows", "Rows that rules' conditions let through to correlation", self.matches.clone());
        r.register("epochs", "Epochs of the dataflow", self.epochs.clone());
        r.register("late_events", "Events older than the watermark's lateness", self.late.clone());
        r.register("alert_changes", "Alert changes, by severity and change", self.alerts.clone());
        r.register_with_unit(
            "watermark_lag",
            "How far event time is behind arrival",
            Unit::Seconds,
            self.watermark_lag.clone(),
        );
        r.register_with_unit("log", "Size of the log not yet in Parquet", Unit::Bytes, self.log_bytes.clone());
        r.register_with_unit("archive_commit", "Time to make events durable", Unit::Seconds, self.commits.clone());
        r.register("queue_depth", "Blocks waiting before a stage", self.queues.clone());
        r.register("rules", "Rules that run", self.rules.clone());
        r.register(
            "rules_errors",
            "Errors in the rules folder: at a reload they keep the rules that run, at a start the broken ones are left out",
            self.rules_errors.clone(),
        );
        r.register(
            "settings_errors",
            "Errors in the settings file: the settings of before go on",
            self.settings_errors.clone(),
        );
        r.register(
            "rules_filling",
            "New and changed rules that are being filled from the archive",
            self.rules_filling.clone(),
        );
        let [files, bytes] = [&self.uploaded_files, &self.uploaded_bytes].map(Counter::clone);
        r.register("store_uploaded_files", "Files of events that went to the archive's home", files);
        r.register_with_unit("store_uploaded", "Bytes of these", Unit::Bytes, bytes);
        r.register(
            "store_upload_failures",
            "Times that the archive's home could not be brought up to date",
            self.upload_failures.clone(),
        );
        let waiting = self.upload_waiting.clone();
        r.register("store_waiting_files", "Files of events that wait for it since", waiting);
    }

    fn source(&self, name: &str) -> Labels {
        let mut known = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let label = match known.iter().any(|k| &**k == name) {
            true => name,
            false if known.len() < MOST_SOURCES => {
                known.push(name.into());
                name
            }
            false => OTHER,
        };
        vec![("source", label.to_owned())]
    }

    /// A block of lines came in.
    pub fn received(&self, source: &str, lines: u64, bytes: u64) {
        let labels = self.source(source);
        self.lines.get_or_create(&labels).inc_by(lines);
        self.bytes.get_or_create(&labels).inc_by(bytes);
    }

    /// Lines became events, `failures` of them without being understood.
    pub fn parsed(&self, source: &str, events: u64, failures: u64) {
        let labels = self.source(source);
        self.events.get_or_create(&labels).inc_by(events);
        self.failures.get_or_create(&labels).inc_by(failures);
    }

    /// Lines came again, and were not taken again.
    pub fn duplicates(&self, source: &str, lines: u64) {
        if lines > 0 {
            self.duplicates.get_or_create(&self.source(source)).inc_by(lines);
        }
    }

    /// Rows went from matching to correlation.
    pub fn matched(&self, rows: u64) {
        self.matches.inc_by(rows);
    }

    /// An epoch of the dataflow ended; event time is this many seconds behind arrival.
    pub fn epoch(&self, watermark_lag: f64) {
        self.epochs.inc();
        self.watermark_lag.set(watermark_lag);
    }

    /// Events came later than the lateness allows.
    pub fn late(&self, events: u64) {
        self.late.inc_by(events);
    }

    /// An alert changed.
    pub fn alert(&self, severity: Severity, change: &Change) {
        let change = match change {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Superseded { .. } => "superseded",
            Change::Withdrawn => "withdrawn",
        };
        let labels = vec![("severity", severity.word().to_owned()), ("change", change.to_owned())];
        self.alerts.get_or_create(&labels).inc();
    }

    /// A group of batches was made durable in this many seconds.
    pub fn committed(&self, seconds: f64) {
        self.commits.observe(seconds);
    }

    /// The log that is not yet in Parquet has this many bytes.
    pub fn log_bytes(&self, bytes: u64) {
        self.log_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// So many blocks wait before a stage. Stage names are fixed words, since each is a label.
    pub fn queue(&self, stage: &'static str, depth: usize) {
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.queues.get_or_create(&vec![("stage", stage.to_owned())]).set(depth);
    }

    /// So many rules run.
    pub fn rules(&self, count: usize) {
        self.rules.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The rules folder has so many errors.
    pub fn rules_errors(&self, count: usize) {
        self.rules_errors.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The settings file has so many errors.
    pub fn settings_errors(&self, count: usize) {
        self.settings_errors.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many rules are being filled.
    pub fn rules_filling(&self, count: usize) {
        self.rules_filling.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Files of events with so many bytes went to the archive's home, and no more wait.
    pub fn uploaded(&self, files: u64, bytes: u64) {
        self.uploaded_files.inc_by(files);
        self.uploaded_bytes.inc_by(bytes);
        self.upload_waiting.set(0);
    }

    /// The archive's home could not be brought up to date; so many files of events wait.
    pub fn upload_failed(&self, waiting: u64) {
        self.upload_failures.inc();
        self.upload_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// What came from each source, in the order they first appeared; `other` is last.
    pub fn sources(&self) -> Vec<SourceCount> {
        let mut names = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if names.len() == MOST_SOURCES {
            names.push(OTHER.into());
        }
        let count = |family: &Family<Labels, Counter>, name: &str| {
            family.get(&vec![("source", name.to_owned())]).map_or(0, |c| c.get())
        };
        names
            .into_iter()
            .map(|name| SourceCount {
                lines: count(&self.lines, &name),
                bytes: count(&self.bytes, &name),
                events: count(&self.events, &name),
                parse_failures: count(&self.failures, &name),
                name: name.to_string(),
            })
            .collect()
    }

    /// Everything as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_out_as_text_and_as_sources() {
        let metrics = Metrics::new();
        metrics.received("auth.log", 3, 120);
        metrics.parsed("auth.log", 3, 1);
        metrics.alert(Severity::High, &Change::Added);
        metrics.epoch(0.5);
        metrics.committed(0.003);
        metrics.queue("ingest", 2);
        let text = metrics.render();
        for line in [
            "weir_lines_received_total{source=\"auth.log\"} 3",
            "weir_parse_failures_total{source=\"auth.log\"} 1",
            "weir_alert_changes_total{severity=\"high\",change=\"added\"} 1",
            "weir_watermark_lag_seconds 0.5",
            "weir_archive_commit_seconds_count 1",
            "weir_queue_depth{stage=\"ingest\"} 2",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        assert_eq!(
            metrics.sources(),
            [SourceCount { name: "auth.log".to_owned(), lines: 3, bytes: 120, events: 3, parse_failures: 1 }]
        );
    }

    #[test]
    fn made_up_source_names_cost_nothing() {
        let metrics = Metrics::new();
        for i in 0..1000 {
            metrics.received(&format!("s{i}"), 1, 1);
        }
        let sources = metrics.sources();
        assert_eq!(sources.len(), MOST_SOURCES + 1);
        assert_eq!((sources[MOST_SOURCES].name.as_str(), sources[MOST_SOURCES].lines), (OTHER, 800));
    }
}
