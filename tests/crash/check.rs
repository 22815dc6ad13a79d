//! What an archive holds after all, to be compared with another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use weir::alert::{AlertChange, AlertId, Change};
use weir::archive;
use weir::event::field;

/// Everything that must be the same.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// Id of each event, with where it came from and its line.
    pub(crate) events: BTreeMap<String, (String, String)>,
    /// Each alert that stands, as JSON.
    pub(crate) alerts: BTreeMap<AlertId, String>,
}

/// What is in a data folder. Fails when an event is there twice.
pub(crate) fn held(data: &Path) -> Held {
    let mut held = Held::default();
    for batch in archive::read(data, None, i64::MIN..=i64::MAX).expect("there is an archive") {
        let batch = batch.expect("it can be read");
        for row in 0..batch.len() {
            let text = |id| batch.text(id, row).unwrap_or_default().to_owned();
            let what = (text(field::LOG_FILE_PATH), text(field::EVENT_ORIGINAL));
            if let Some(other) = held.events.insert(batch.id(row).to_string(), what.clone()) {
                panic!("two events have the id {}: {what:?} and {other:?}", batch.id(row));
            }
        }
    }
    held.alerts = said(data).into_iter().map(|(id, alert)| (id, alert.1)).collect();
    held
}

/// The lines in a data folder, each as often as it is there.
pub(crate) fn lines_of(data: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in archive::read(data, None, i64::MIN..=i64::MAX).expect("there is an archive") {
        let batch = batch.expect("it can be read");
        lines.extend((0..batch.len()).filter_map(|row| batch.text(field::EVENT_ORIGINAL, row).map(str::to_owned)));
    }
    lines.sort();
    lines
}

/// The alerts that stand. Fails when the log says one twice, or takes back one that does not stand.
fn said(data: &Path) -> BTreeMap<AlertId, (u64, String)> {
    let text = std::fs::read_to_string(archive::alerts_file(data)).expect("there is an alert log");
    let mut standing: BTreeMap<AlertId, (u64, String)> = BTreeMap::new();
    for line in text.lines() {
        let change: AlertChange = serde_json::from_str(line).expect("each line is a change");
        let (id, alert) = (change.alert.id, serde_json::to_string(&change.alert).expect("an alert is JSON"));
        let before = standing.remove(&id);
        match change.change {
            Change::Added => assert!(before.is_none(), "said twice: {line}"),
            Change::Changed => {
                assert!(before.is_some_and(|(_, before)| before != alert), "no change: {line}");
            }
            Change::Superseded { .. } | Change::Withdrawn => {
                assert!(before.is_some(), "does not stand: {line}");
                continue;
            }
        }
        standing.insert(id, (change.alert.count, alert));
    }
    standing
}

/// Says how two archives differ, briefly.
pub(crate) fn assert_same(interrupted: &Held, reference: &Held) {
    let differing = |a: &BTreeSet<&String>, b: &BTreeSet<&String>| -> Vec<String> {
        a.difference(b)
            .take(5)
            .map(|id| format!("{id}: {:?}", interrupted.events.get(*id).or(reference.events.get(*id))))
            .collect()
    };
    let (a, b) = (interrupted.events.keys().collect(), reference.events.keys().collect());
    let (more, less) = (differing(&a, &b), differing(&b, &a));
    assert!(more.is_empty() && less.is_empty(), "only after kills: {more:#?}, only without: {less:#?}");
    assert_eq!(interrupted.events, reference.events);
    for (id, alert) in &reference.alerts {
        assert_eq!(interrupted.alerts.get(id), Some(alert));
    }
    assert_eq!(interrupted.alerts.len(), reference.alerts.len(), "{:#?}", interrupted.alerts);
}
