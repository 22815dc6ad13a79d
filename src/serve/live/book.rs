//! The alerts the page shows: the current ones and those that were withdrawn, newest first, bounded.
//!
//! In: alert changes. Out: JSON views of alerts, pages of them, counts by severity and rule. Counts
//! are of all current alerts, also of those that fell out of the bounded list.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use crate::alert::{Alert, AlertChange, AlertId, Change, Severity};
use crate::event::time::rfc3339;

/// Alerts by id and by arrival.
pub(super) struct Book {
    keep: usize,
    entries: FxHashMap<AlertId, Entry>,
    /// By arrival; also the cursor of a page.
    order: BTreeMap<u64, AlertId>,
    next: u64,
    counts: [u64; Severity::ALL.len()],
    by_rule: BTreeMap<String, u64>,
}

struct Entry {
    alert: Alert,
    standing: Standing,
    at: i64,
    place: u64,
    version: u64,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Current,
    Superseded(AlertId),
    Withdrawn,
}

/// Which alerts a page holds; an empty filter lets all through.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// One of these severities.
    pub severities: Vec<Severity>,
    /// Of this rule.
    pub rule: Option<String>,
    /// Only current ones: neither superseded nor withdrawn.
    pub current: bool,
}

/// A page of alerts.
#[derive(Debug)]
pub struct Page {
    /// The views, newest first.
    pub alerts: Vec<Value>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<u64>,
}

impl Book {
    pub(super) fn new(keep: usize) -> Book {
        Book {
            keep: keep.max(1),
            entries: FxHashMap::default(),
            order: BTreeMap::new(),
            next: 1,
            counts: Default::default(),
            by_rule: BTreeMap::new(),
        }
    }

    /// Takes a change in and gives the alert's view.
    pub(super) fn apply(&mut self, change: &AlertChange, version: u64) -> Value {
        let alert = &change.alert;
        let standing = match &change.change {
            Change::Added | Change::Changed => Standing::Current,
            Change::Superseded { by } => Standing::Superseded(*by),
            Change::Withdrawn => Standing::Withdrawn,
        };
        let before = match self.entries.get(&alert.id) {
            Some(entry) => Some(entry.standing),
            // An alert that fell out of the list was counted when it came.
            None if change.change == Change::Added => None,
            None => Some(Standing::Current),
        };
        match (before == Some(Standing::Current), standing == Standing::Current) {
            (false, true) => self.count(alert, 1),
            (true, false) => self.count(alert, -1),
            (true, true) | (false, false) => {}
        }
        self.put(alert.clone(), standing, change.at, version).view()
    }

    /// Takes in the alerts of an earlier run, the oldest first. None of them is known.
    pub(super) fn load<'a>(&mut self, alerts: impl IntoIterator<Item = &'a Alert>) {
        let mut alerts: Vec<&Alert> = alerts.into_iter().collect();
        alerts.iter().for_each(|alert| self.count(alert, 1));
        alerts.sort_unstable_by_key(|a| (a.last, a.id));
        for alert in alerts.split_off(alerts.len().saturating_sub(self.keep)) {
            self.put(alert.clone(), Standing::Current, alert.last, 0);
        }
    }

    fn count(&mut self, alert: &Alert, by: i64) {
        let severity = &mut self.counts[alert.severity as usize];
        *severity = severity.saturating_add_signed(by);
        let rule = self.by_rule.entry(alert.rule.clone()).or_default();
        *rule = rule.saturating_add_signed(by);
        if *rule == 0 {
            self.by_rule.remove(&alert.rule);
        }
    }

    fn put(&mut self, alert: Alert, standing: Standing, at: i64, version: u64) -> &Entry {
        let place = self.entries.get(&alert.id).map_or(self.next, |e| e.place);
        let id = alert.id;
        if place == self.next {
            self.next += 1;
            self.order.insert(place, id);
        }
        if self.order.len() > self.keep
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.entries.entry(id).insert_entry(Entry { alert, standing, at, place, version }).into_mut()
    }

    pub(super) fn get(&self, id: AlertId) -> Option<(Alert, Value)> {
        self.entries.get(&id).map(|entry| (entry.alert.clone(), entry.view()))
    }

    pub(super) fn page(&self, filter: &AlertFilter, after: Option<u64>, limit: usize) -> Page {
        let mut entries = self
            .order
            .range(..after.unwrap_or(u64::MAX))
            .rev()
            .filter_map(|(_, id)| self.entries.get(id))
            .filter(|entry| filter.lets_through(entry));
        let alerts: Vec<&Entry> = entries.by_ref().take(limit).collect();
        let next = entries.next().and(alerts.last().map(|entry| entry.place));
        Page { alerts: alerts.into_iter().map(Entry::view).collect(), next }
    }

    /// Current alerts by severity.
    pub(super) fn counts(&self) -> Map<String, Value> {
        Severity::ALL.into_iter().map(|s| (s.word().to_owned(), self.counts[s as usize].into())).collect()
    }

    /// Current alerts by rule.
    pub(super) fn by_rule(&self) -> &BTreeMap<String, u64> {
        &self.by_rule
    }
}

impl AlertFilter {
    fn lets_through(&self, entry: &Entry) -> bool {
        (self.severities.is_empty() || self.severities.contains(&entry.alert.severity))
            && self.rule.as_ref().is_none_or(|rule| *rule == entry.alert.rule)
            && (!self.current || entry.standing == Standing::Current)
    }
}

impl Entry {
    /// The alert's own JSON, and where it stands.
    fn view(&self) -> Value {
        let mut view = match serde_json::to_value(&self.alert) {
            Ok(Value::Object(view)) => view,
            Ok(_) | Err(_) => Map::new(),
        };
        let (word, by) = match self.standing {
            Standing::Current => ("current", None),
            Standing::Superseded(by) => ("superseded", Some(by)),
            Standing::Withdrawn => ("withdrawn", None),
        };
        view.insert("standing".into(), word.into());
        if let Some(by) = by {
            view.insert("superseded_by".into(), by.to_string().into());
        }
        view.insert("changed".into(), rfc3339(self.at).into());
        view.insert("place".into(), json!(self.place));
        view.insert("version".into(), json!(self.version));
        Value::Object(view)
    }
}
