//! SQL, saved queries and search over a small archive.

use std::path::Path;

use super::*;
use crate::alert::{Alert, AlertChange, AlertId, Change, Severity};
use crate::archive::{AlertLog, Archive, BulkWriter, Encoding, Settings};
use crate::event::time::{DAY, SECOND};
use crate::event::{BatchBuilder, EventBatch, EventId, FieldId, field};

const T0: i64 = 1_768_473_045_000_000;

/// Logins, one a second from `first` on, then a request and a line that nobody could read.
fn events(first: i64, count: i64) -> EventBatch {
    let mut b = BatchBuilder::new();
    for n in first..first + count {
        let line =
            format!("Jan 15 10:30:45 web1 sshd[7]: Failed password for u{} from 10.0.0.{} port 22 ssh2", n % 5, n % 3);
        let time = T0 + n * SECOND;
        b.set_time(field::TIMESTAMP, time);
        b.set_id(EventId::new(time, line.as_bytes(), 0));
        b.set_text(field::EVENT_ORIGINAL, &line);
        b.set_number(field::LOG_MESSAGE_OFFSET, 30);
        b.set_list(field::EVENT_CATEGORY, &["authentication"]);
        b.set_text(field::EVENT_OUTCOME, if n % 4 == 0 { "success" } else { "failure" });
        b.set_text(field::EVENT_DATASET, "system.auth");
        b.set_text(field::USER_NAME, &format!("u{}", n % 5));
        b.set_ip(field::SOURCE_IP, &format!("10.0.0.{}", n % 3));
        b.set_number(field::SOURCE_PORT, 22);
        b.set_extra("note", "it's \"x\"");
        b.end_row();
    }
    b.finish()
}

fn others() -> EventBatch {
    let mut b = BatchBuilder::new();
    b.set_time(field::TIMESTAMP, T0 + DAY);
    b.set_id(EventId::new(T0 + DAY, b"get", 0));
    b.set_text(field::MESSAGE, "GET /é");
    b.set_text(field::URL_PATH, "/é");
    b.set_number(field::HTTP_RESPONSE_STATUS, 404);
    b.set_number(field::HTTP_RESPONSE_BYTES, 12);
    b.end_row();
    b.set_time(field::TIMESTAMP, T0 + DAY + 1);
    b.set_id(EventId::new(T0 + DAY + 1, b"?", 0));
    b.set_text(field::EVENT_ORIGINAL, "\u{1b}[31m 17 of 4");
    b.set_number(field::LOG_MESSAGE_OFFSET, 0);
    b.set_list(field::TAGS, &["parse_failure"]);
    b.end_row();
    b.finish()
}

fn alert(change: Change, rule: &str, count: u64) -> AlertChange {
    let alert = Alert {
        id: AlertId::new(rule, "k", EventId::from_bits(1)),
        rule: rule.into(),
        severity: Severity::High,
        title: "many \"failures\"".into(),
        key: serde_json::json!({"source.ip": "10.0.0.1"}).as_object().unwrap().clone(),
        first: T0,
        last: T0 + SECOND,
        count,
        evidence: vec![events(0, 1).id(0)],
        attack: vec!["T1110".into()],
        tags: vec![],
        runbook: None,
        risk: None,
    };
    AlertChange { change, at: T0, cause: None, alert }
}

/// Files, a log's tail, and alerts.
pub(super) fn archive(dir: &Path) {
    let encoding = Encoding { pieces_from: 0, ..Encoding::default() };
    let mut writer = BulkWriter::with_encoding(dir, encoding).unwrap();
    writer.append(&events(0, 60)).unwrap();
    writer.append(&others()).unwrap();
    writer.finish().unwrap();
    let mut live = Archive::open(dir, Settings::default()).unwrap();
    live.append(&events(60, 40), &[]).unwrap();
    live.commit().unwrap();
    let mut log = AlertLog::open(dir).unwrap();
    log.append(&[alert(Change::Added, "a", 5), alert(Change::Added, "b", 1)]).unwrap();
    log.append(&[alert(Change::Changed, "a", 9), alert(Change::Withdrawn, "b", 1)]).unwrap();
}

/// The archive of [`archive`], and a session over it.
pub(super) fn opened() -> (tempfile::TempDir, Session) {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let session = Session::open(dir.path()).unwrap();
    (dir, session)
}

pub(super) fn ask(session: &Session, sql: &str, format: Format) -> Result<String, QueryError> {
    let mut out = Vec::new();
    write(&mut session.prepare(sql)?, &Default::default(), format, None, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn check(sql: &str, format: Format, expected: expect_test::Expect) {
    let (_dir, session) = opened();
    let answer = match ask(&session, sql, format) {
        Ok(text) => text,
        Err(error) => format!("{} {error}\n", if error.is_users() { "refused:" } else { "failed:" }),
    };
    expected.assert_eq(&answer);
}

#[test]
fn fields_are_written_as_in_rules() {
    check(
        "SELECT source.ip, user.name, count(*) AS n FROM events WHERE event.outcome = 'success' GROUP BY ALL ORDER BY ALL LIMIT 3",
        Format::Csv,
        expect_test::expect![[r#"
            ip,name,n
            10.0.0.0,u0,2
            10.0.0.0,u1,2
            10.0.0.0,u2,2
        "#]],
    );
}

#[test]
fn times_are_utc_and_now_is_one_of_them() {
    check(
        "SELECT ts, \"@timestamp\" = ts AS same, ts > now() - INTERVAL '1 hour' AS fresh, ts < current_date AS old, \
         current_timestamp - INTERVAL 1 DAY > ts AS older, date_trunc('hour', ts) AS hour FROM events ORDER BY ts LIMIT 1",
        Format::Json,
        expect_test::expect![[r#"
            {"ts":"2026-01-15T10:30:45.000000Z","same":true,"fresh":false,"old":true,"older":true,"hour":"2026-01-15T10:00:00.000000Z"}
        "#]],
    );
}

#[test]
fn a_message_is_its_own_or_the_tail_of_the_line() {
    check(
        "SELECT message FROM (FROM events ORDER BY ts LIMIT 1) UNION ALL SELECT message FROM events WHERE url.path IS NOT NULL",
        Format::Csv,
        expect_test::expect![[r#"
            message
            Failed password for u0 from 10.0.0.0 port 22 ssh2
            GET /é
        "#]],
    );
}

#[test]
fn a_whole_event_is_nested_json_without_what_it_lacks() {
    check(
        "SELECT * FROM events WHERE event.id = (SELECT evidence[1] FROM alerts)",
        Format::Json,
        expect_test::expect![[r#"
            {"ts":"2026-01-15T10:30:45.000000Z","@timestamp":"2026-01-15T10:30:45.000000Z","message":"Failed password for u0 from 10.0.0.0 port 22 ssh2","tags":null,"event":{"category":["authentication"],"dataset":"system.auth","id":"019bc135-2808-8418-b795-3c048f57e5ca","original":"Jan 15 10:30:45 web1 sshd[7]: Failed password for u0 from 10.0.0.0 port 22 ssh2","outcome":"success"},"log":null,"host":null,"observer":null,"agent":null,"user":{"name":"u0"},"source":{"ip":"10.0.0.0","port":22},"destination":null,"network":null,"process":null,"file":null,"registry":null,"http":null,"url":null,"user_agent":null,"dns":null,"threat":null,"device":null,"rule":null,"risk":null,"fields":{"note":"it's \"x\""}}
        "#]],
    );
}

#[test]
fn alerts_are_those_that_stand() {
    check(
        "SELECT rule, severity, title, key, first, count, len(evidence) AS evidence, attack, change FROM alerts",
        Format::Json,
        expect_test::expect![[r#"
            {"rule":"a","severity":"high","title":"many \"failures\"","key":{"source.ip":"10.0.0.1"},"first":"2026-01-15T10:30:45.000000Z","count":9,"evidence":1,"attack":["T1110"],"change":"changed"}
        "#]],
    );
    check(
        "SELECT rule, change, count FROM alert_changes ORDER BY n",
        Format::Csv,
        expect_test::expect![[r#"
        rule,change,count
        a,added,5
        b,added,1
        a,changed,9
        b,withdrawn,1
    "#]],
    );
}

#[test]
fn a_table_shows_control_characters_as_such() {
    check(
        "SELECT event.original AS line, tags, 1 + 1 AS two, fields FROM events WHERE len(tags) > 0",
        Format::Table,
        expect_test::expect![[r#"
            ┌───────────────┬───────────────────┬─────┬────────┐
            │ line          ┆ tags              ┆ two ┆ fields │
            ╞═══════════════╪═══════════════════╪═════╪════════╡
            │ �[31m 17 of 4 ┆ ["parse_failure"] ┆   2 ┆        │
            └───────────────┴───────────────────┴─────┴────────┘
        "#]],
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    check(
        "SELECT source.adress FROM events",
        Format::Csv,
        expect_test::expect![[r#"
        refused: Binder Error: Could not find key "adress" in struct

        Candidate Entries: "packets", "bytes", "as", "geo"
    "#]],
    );
    check(
        "SELEC 1",
        Format::Csv,
        expect_test::expect![[r#"
        refused: Parser Error: syntax error at or near "SELEC"

        LINE 1: SELEC 1
                ^^^^^
    "#]],
    );
    check(
        "SELECT ts + 'x'::BLOB FROM events",
        Format::Csv,
        expect_test::expect![[r#"
        refused: Binder Error: No function matches the given name and argument types '+(TIMESTAMP, BLOB)'. You might need to add explicit type casts.

        LINE 1: SELECT ts + 'x'::BLOB FROM events
                          ^
    "#]],
    );
    check(
        "SELECT * FROM events WHERE user.name = $name",
        Format::Csv,
        expect_test::expect![[r#"
        refused: parameter name: must be given: --param name=…
    "#]],
    );
    check(
        " ",
        Format::Csv,
        expect_test::expect![[r#"
        refused: there is no statement
    "#]],
    );
}

#[test]
fn a_session_reads_the_archive_and_nothing_else() {
    for sql in [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/weir-must-not-be'",
        "ATTACH '/tmp/weir-must-not-be.db'",
        "SET enable_external_access = true",
        "INSTALL icu",
    ] {
        let dir = tempfile::tempdir().unwrap();
        archive(dir.path());
        let session = Session::open(dir.path()).unwrap();
        assert!(ask(&session, sql, Format::Csv).is_err(), "{sql}");
    }
}

#[test]
fn an_empty_archive_has_all_columns_and_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Session::open(dir.path()), Err(QueryError::Archive(ArchiveError::Missing(_)))));
    drop(Archive::open(dir.path(), Settings::default()).unwrap());
    let session = Session::open(dir.path()).unwrap();
    for id in field::all().filter(|id| *id != field::LOG_MESSAGE_OFFSET) {
        let name = if id == field::TIMESTAMP { "ts" } else { id.name() };
        assert_eq!(ask(&session, &format!("SELECT {name} AS x FROM events"), Format::Csv).unwrap(), "x\n", "{name}");
    }
    assert_eq!(ask(&session, "SELECT count(*) AS n FROM alerts", Format::Csv).unwrap(), "n\n0\n");
    assert!(ask(&session, "SELECT log.message_offset FROM events", Format::Csv).is_err());
}

#[test]
fn every_saved_query_runs() {
    let (_dir, session) = opened();
    for (name, query) in pack() {
        let id = events(0, 1).id(0).to_string();
        let given: Vec<_> =
            query.parameters.iter().filter(|p| p.default.is_none()).map(|p| (p.name.clone(), id.clone())).collect();
        let arguments = query.arguments(&given, T0 + 2 * DAY).unwrap();
        let mut out = Vec::new();
        let (rows, more) = write(&mut session.prepare(&query.sql).unwrap(), &arguments, Format::Json, None, &mut out)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(rows > 0 && !more, "{name} gives no row");
        assert!(!query.description.is_empty() && query.parameters.iter().all(|p| !p.description.is_empty()), "{name}");
    }
    let top = &pack()["top-sources"];
    let count = |since: &str| {
        let given = [("since".to_owned(), since.to_owned()), ("limit".to_owned(), "2".to_owned())];
        let arguments = top.arguments(&given, T0 + 90 * SECOND).unwrap();
        write(&mut session.prepare(&top.sql).unwrap(), &arguments, Format::Csv, None, &mut Vec::new()).unwrap().0
    };
    assert_eq!((count("all"), count("2026-01-16"), count("20s")), (2, 0, 2));
}

#[test]
fn parameters_are_checked() {
    let query =
        SavedQuery::read("q", "-- title: T\n-- param ip: ip  whose\n-- param n: int = 3\nSELECT $ip, $n").unwrap();
    let give = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        query.arguments(&pairs, 0).map_err(|e| e.to_string())
    };
    assert_eq!(give(&[("ip", "::ffff:10.0.0.1")]).unwrap()["ip"], Argument::Text("10.0.0.1".into()));
    assert_eq!(give(&[]).unwrap_err(), "parameter ip: must be given: --param ip=… (ip; whose)");
    assert_eq!(give(&[("ip", "x' OR 1")]).unwrap_err(), "parameter ip: `x' OR 1` is no IP address");
    assert_eq!(give(&[("up", "1")]).unwrap_err(), "parameter up: q has no such parameter; it takes ip, n");
    assert!(SavedQuery::read("q", "SELECT 1").is_err());
    assert!(SavedQuery::read("q", "-- title: T\n-- param x: number = 1\nSELECT 1").unwrap_err().contains("`number`"));
}

#[test]
fn searches_find_events_newest_first() {
    let (_dir, session) = opened();
    let find = |search: Search| search_(&session, search);
    let all = find(Search { limit: 1000, ..Search::default() }).unwrap();
    assert_eq!(all.len(), 102);
    assert!(all.is_sorted_by(|a, b| a["@timestamp"].as_str() >= b["@timestamp"].as_str()));
    let filters = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let one = Search {
        text: Some("PASSWORD for U1".into()),
        filters: filters(&[
            ("source.ip", "::ffff:10.0.0.1"),
            ("event.category", "authentication"),
            ("source.port", "22"),
            ("fields.note", "it's \"x\""),
        ]),
        from: Some(T0),
        to: Some(T0 + 50 * SECOND),
        limit: 2,
        before: None,
    };
    let page = find(one.clone()).unwrap();
    assert_eq!(page.len(), 2);
    assert_eq!(page[0], serde_json::Value::Object(events(46, 1).to_json(0)));
    let last: EventId = page[1]["event.id"].as_str().unwrap().parse().unwrap();
    let next = find(Search { before: Some((T0 + 31 * SECOND, last)), ..one }).unwrap();
    assert_eq!(next[0]["@timestamp"], "2026-01-15T10:31:01.000000Z");
    assert!(find(Search { filters: filters(&[("nope", "1")]), limit: 1, ..Search::default() }).unwrap_err().is_users());
    assert!(find(Search { filters: filters(&[("source.port", "x")]), limit: 1, ..Search::default() }).is_err());
    let ids = [events(3, 1).id(0), EventId::from_bits(5), events(99, 1).id(0)];
    let found = events_by_id(&session, &ids).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["event.id"], ids[0].to_string());
}

fn search_(session: &Session, search: Search) -> Result<Vec<serde_json::Value>, QueryError> {
    super::search(session, &search)
}

#[test]
fn what_takes_too_long_is_stopped() {
    let (_dir, session) = opened();
    let endless = "SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE a.range * b.range % 7 = 8";
    let result = session.within(std::time::Duration::from_millis(100), |s| s.prepare(endless)?.collect(&[]));
    assert!(matches!(result, Err(QueryError::TimedOut(0))));
    assert_eq!(ask(&session, "SELECT 1 AS one", Format::Csv).unwrap(), "one\n1\n");
}

mod columnar;
mod lean;
mod moments;
mod pieces;
mod tables;
mod times;

/// One file for each value, which its events have alone; every field is asked of all of them.
#[test]
fn any_field_is_found_whatever_other_files_lack() {
    let dir = tempfile::tempdir().unwrap();
    let fields: Vec<FieldId> = field::all().filter(|id| id.ty() == crate::event::Type::Text).collect();
    for (n, id) in fields.iter().enumerate() {
        let mut b = BatchBuilder::new();
        b.set_time(field::TIMESTAMP, T0 + n as i64 * DAY);
        b.set_text(*id, "here");
        b.set_text(field::EVENT_ORIGINAL, "a raw line");
        b.set_number(field::LOG_MESSAGE_OFFSET, 2);
        b.end_row();
        let encoding = Encoding { pieces_from: n % 2 * 9, ..Encoding::default() };
        let mut writer = BulkWriter::with_encoding(dir.path(), encoding).unwrap();
        writer.append(&b.finish()).unwrap();
        writer.finish().unwrap();
    }
    let session = Session::open(dir.path()).unwrap();
    for id in fields {
        let name = views::quoted(id);
        let sql = format!("SELECT count({name}) AS n FROM events WHERE {name} = 'here'");
        assert_eq!(ask(&session, &sql, Format::Csv).unwrap(), "n\n1\n", "{}", id.name());
    }
    for sql in
        ["SELECT count(*) AS n FROM events WHERE message = 'raw line'", "SELECT count(event.original) AS n FROM events"]
    {
        let all = field::all().filter(|id| id.ty() == crate::event::Type::Text).count();
        assert_eq!(ask(&session, sql, Format::Csv).unwrap(), format!("n\n{all}\n"), "{sql}");
    }
    let all = ask(&session, "SELECT event, message FROM events WHERE event.original <> 'a raw line'", Format::Csv);
    assert_eq!(all.unwrap(), "event,message\n");
}
