//! The live state: rates, alerts, the stream and its resume.

use super::*;
use crate::alert::{Change, Severity};
use crate::event::time::SECOND;
use crate::event::{BatchBuilder, field};

fn id(time: i64) -> EventId {
    EventId::new(time, &time.to_le_bytes(), 0)
}

fn batch(from: i64, rows: i64) -> EventBatch {
    let mut builder = BatchBuilder::new();
    for time in from..from + rows {
        builder.set_time(field::TIMESTAMP, time);
        builder.set_text(field::EVENT_ORIGINAL, &"é".repeat(2_000));
        builder.set_id(id(time));
        builder.end_row();
    }
    builder.finish()
}

fn alert(n: u128, severity: Severity) -> Alert {
    serde_json::from_value(json!({
        "id": AlertId(n), "rule": format!("rule-{}", n % 2), "severity": severity, "title": "t", "key": {},
        "first": rfc3339(1), "last": rfc3339(n as i64), "count": 1, "evidence": [],
    }))
    .unwrap()
}

fn change(change: Change, alert: Alert) -> AlertChange {
    AlertChange { change, at: alert.last, cause: None, alert }
}

#[test]
fn only_a_sample_goes_into_the_stream() {
    let hub = Hub::new(Settings { sample: 12, events: 300, ..Settings::default() });
    let mut stream = hub.subscribe(None).unwrap();
    for i in 0..10 {
        hub.events(&batch(i * 100, 100));
    }
    hub.tick(SECOND);
    let mut kinds = Vec::new();
    while let Ok(message) = stream.messages.try_recv() {
        assert!(message.data.len() < 3_000);
        kinds.push(message.kind);
    }
    assert_eq!(kinds.iter().filter(|k| **k == Kind::Event).count(), 12);
    assert_eq!(kinds.last(), Some(&Kind::Stats));
    assert_eq!(hub.stats()["events"], 1_000);
    let latest = hub.latest(1_000);
    assert_eq!(latest.len(), 300);
    assert_eq!(latest[0]["event.id"], id(999).to_string());
    assert_eq!(hub.find(&[id(998), id(1)]).len(), 1);
}

#[test]
fn a_large_batch_is_not_kept_whole() {
    let hub = Hub::new(Settings { events: 10, ..Settings::default() });
    hub.events(&batch(0, 1_000));
    hub.events(&EventBatch::clone(&batch(1_000, 1)));
    assert_eq!(hub.latest(50).len(), 11);
    assert_eq!(hub.latest(1)[0]["@timestamp"], rfc3339(1_000));
}

#[test]
fn counts_follow_changes() {
    let hub = Hub::new(Settings { alerts: 3, ..Settings::default() });
    hub.load_alerts(&[alert(2, Severity::Low), alert(1, Severity::Low)]);
    let count = |word: &str| hub.stats()["alerts"][word].as_u64().unwrap();
    hub.alert(&change(Change::Added, alert(3, Severity::High)));
    hub.alert(&change(Change::Changed, alert(3, Severity::High)));
    assert_eq!((count("low"), count("high")), (2, 1));
    hub.alert(&change(Change::Withdrawn, alert(3, Severity::High)));
    hub.alert(&change(Change::Withdrawn, alert(3, Severity::High)));
    assert_eq!((count("low"), count("high")), (2, 0));
    hub.alert(&change(Change::Added, alert(3, Severity::High)));
    hub.alert(&change(Change::Added, alert(4, Severity::High)));
    // Alert 1 fell out of the list, yet it is still counted, and can still go.
    let page = hub.alerts(&AlertFilter::default(), None, 10);
    assert_eq!(
        page.alerts.iter().map(|a| a["id"].as_str().unwrap()).collect::<Vec<_>>(),
        [AlertId(4).to_string(), AlertId(3).to_string(), AlertId(2).to_string()]
    );
    assert_eq!((count("low"), count("high")), (2, 2));
    hub.alert(&change(Change::Superseded { by: AlertId(2) }, alert(1, Severity::Low)));
    assert_eq!(count("low"), 1);
    assert_eq!(hub.alerts_by_rule().values().sum::<u64>(), 3);
}

#[test]
fn a_reader_resumes_or_starts_anew() {
    let hub = Hub::new(Settings { backlog: 16, streams: 3, ..Settings::default() });
    for n in 1..=10 {
        hub.alert(&change(Change::Added, alert(n, Severity::Low)));
    }
    let missed = hub.subscribe(Some(&hub.message_id(8))).unwrap();
    assert_eq!((missed.missed.len(), missed.reset, missed.hello.number), (2, false, 10));
    for n in 11..=30 {
        hub.alert(&change(Change::Added, alert(n, Severity::Low)));
    }
    let all = hub.subscribe(Some(&hub.message_id(14))).unwrap();
    assert_eq!((all.missed.len(), all.reset), (16, false));
    drop(all);
    for id in [hub.message_id(13), hub.message_id(31), "other-3".to_owned(), String::new()] {
        let late = hub.subscribe(Some(&id)).unwrap();
        assert!(late.missed.is_empty() && late.reset, "{id}");
    }
    let (_two, _three) = (hub.subscribe(None).unwrap(), hub.subscribe(None).unwrap());
    assert!(hub.subscribe(None).is_none());
}

#[tokio::test]
async fn a_slow_reader_is_told_and_nobody_waits() {
    let hub = Hub::new(Settings { backlog: 16, ..Settings::default() });
    let mut slow = hub.subscribe(None).unwrap();
    for n in 1..=100 {
        hub.alert(&change(Change::Added, alert(n, Severity::Low)));
    }
    assert!(matches!(slow.messages.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
    hub.close();
    assert!(hub.subscribe(None).is_none());
    let mut ends = slow.messages;
    while let Ok(_message) = ends.recv().await {}
}
