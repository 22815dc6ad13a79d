//! The views beside `events`, and that what is said of their columns is so.

use super::super::tables;
use super::*;
use crate::archive::{StoredRule, keep_rules};

fn rule(name: &str) -> StoredRule {
    StoredRule {
        name: name.into(),
        title: "{count} of {source.ip}".into(),
        description: None,
        severity: Severity::Medium,
        kind: "threshold",
        level: 0,
        attack: vec!["T1110".into()],
        tactics: vec!["credential-access"],
        tags: vec![],
        key: vec!["source.ip".into()],
        runbook: Some("look".into()),
        risk: Some(7),
        file: "a.weir".into(),
    }
}

#[test]
fn columns_are_what_is_said_of_them() {
    let (_dir, session) = opened();
    for view in tables::VIEWS.iter().filter(|view| view.name != "events") {
        let sql = format!("SELECT column_name || ' ' || column_type AS c FROM (DESCRIBE {}) ORDER BY c", view.name);
        let found = ask(&session, &sql, Format::Csv).unwrap().replace("\"", "");
        let columns = tables::columns(view.name).unwrap();
        let mut said: Vec<String> = columns.iter().map(|c| format!("{} {}\n", c.name, c.ty)).collect();
        said.sort();
        assert_eq!(found, format!("c\n{}", said.concat()), "{}", view.name);
    }
    for column in tables::columns("events").unwrap() {
        let sql = format!("SELECT typeof({0}) AS t FROM events LIMIT 1", column.name);
        let found = ask(&session, &sql, Format::Csv).unwrap().replace("\"", "");
        assert_eq!(found, format!("t\n{}\n", column.ty), "{}", column.name);
    }
    assert!(tables::columns("nope").is_none());
}

#[test]
fn rules_are_those_that_ran_last_and_those_whose_alerts_stand() {
    let sql = "SELECT name, enabled, severity, kind, tactics, alerts, last_fired FROM rules";
    let (dir, session) = opened();
    assert_eq!(
        ask(&session, sql, Format::Csv).unwrap(),
        "name,enabled,severity,kind,tactics,alerts,last_fired\na,,high,,,1,2026-01-15T10:30:46.000000Z\n",
        "there is no record in folders of before"
    );
    keep_rules(dir.path(), &[rule("b"), rule("c")]).unwrap();
    session.refresh().unwrap();
    assert_eq!(
        ask(&session, sql, Format::Csv).unwrap(),
        "name,enabled,severity,kind,tactics,alerts,last_fired\n\
         a,false,high,,,1,2026-01-15T10:30:46.000000Z\n\
         b,true,medium,threshold,\"[\"\"credential-access\"\"]\",0,\n\
         c,true,medium,threshold,\"[\"\"credential-access\"\"]\",0,\n"
    );
}

#[test]
fn sources_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut b = BatchBuilder::new();
    for (n, (name, dataset, tag)) in [
        ("/var/log/auth.log", Some("system.auth"), None),
        ("/var/log/auth.log", Some("system.syslog"), Some("late")),
        ("/var/log/auth.log", None, Some("parse_failure")),
        ("syslog+udp://10.0.0.9", Some("system.auth"), None),
        ("http", Some("app"), None),
    ]
    .into_iter()
    .enumerate()
    {
        b.set_time(field::TIMESTAMP, T0 + n as i64 * SECOND);
        b.set_id(EventId::from_bits(n as u128 + 1));
        b.set_text(field::LOG_FILE_PATH, name);
        if let Some(dataset) = dataset {
            b.set_text(field::EVENT_DATASET, dataset);
        }
        if let Some(tag) = tag {
            b.set_list(field::TAGS, &[tag]);
        }
        b.end_row();
    }
    let mut writer = BulkWriter::open(dir.path()).unwrap();
    writer.append(&b.finish()).unwrap();
    writer.finish().unwrap();
    let session = Session::open(dir.path()).unwrap();
    expect_test::expect![[r#"
        {"name":"/var/log/auth.log","kind":"file","datasets":["system.auth","system.syslog"],"first":"2026-01-15T10:30:45.000000Z","last":"2026-01-15T10:30:47.000000Z","events":3,"parse_failures":1,"late":1}
        {"name":"http","kind":"http","datasets":["app"],"first":"2026-01-15T10:30:49.000000Z","last":"2026-01-15T10:30:49.000000Z","events":1,"parse_failures":0,"late":0}
        {"name":"syslog+udp://10.0.0.9","kind":"syslog","datasets":["system.auth"],"first":"2026-01-15T10:30:48.000000Z","last":"2026-01-15T10:30:48.000000Z","events":1,"parse_failures":0,"late":0}
    "#]]
    .assert_eq(&ask(&session, "FROM sources", Format::Json).unwrap());
}
