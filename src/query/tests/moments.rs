//! A session that is refreshed shows what was accepted since, wherever it is by then.

use super::*;

fn count(session: &Session) -> String {
    ask(
        session,
        "SELECT count(*) AS n, count(DISTINCT event.id) AS ids, count(event.original) AS lines FROM events",
        Format::Csv,
    )
    .unwrap()
    .replace("n,ids,lines\n", "")
    .trim_end()
    .to_owned()
}

#[test]
fn events_of_the_log_and_of_new_files_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = Archive::open(dir.path(), Settings::default()).unwrap();
    let session = Session::open(dir.path()).unwrap();
    assert_eq!(count(&session), "0,0,0");
    let mut accept = |from: i64, count: i64| {
        live.append(&events(from, count), &[]).unwrap();
        live.commit().unwrap();
    };
    for round in 1..=3 {
        accept((round - 1) * 40, 40);
        session.refresh().unwrap();
        assert_eq!(count(&session), format!("{0},{0},{0}", round * 40), "not in Parquet yet");
    }
    live.roll().unwrap();
    assert_eq!(count(&session), "120,120,120", "the moment of before is still there");
    session.refresh().unwrap();
    assert_eq!(count(&session), "120,120,120");
    live.append(&events(120, 1), &[]).unwrap();
    live.commit().unwrap();
    session.refresh().unwrap();
    assert_eq!(count(&session), "121,121,121");
}

#[test]
fn what_statements_left_behind_stays() {
    let (dir, session) = opened();
    ask(&session, "CREATE TEMP TABLE seen AS SELECT source.ip AS ip FROM events LIMIT 3", Format::Csv).unwrap();
    let mut live = Archive::open(dir.path(), Settings::default()).unwrap();
    live.append(&events(500, 1), &[]).unwrap();
    live.commit().unwrap();
    session.refresh().unwrap();
    assert_eq!(ask(&session, "SELECT count(*) AS n FROM seen", Format::Csv).unwrap(), "n\n3\n");
    assert_eq!(ask(&session, "SELECT count(*) AS n FROM events", Format::Csv).unwrap(), "n\n103\n");
}

#[test]
fn alerts_and_rules_that_come_later_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    drop(Archive::open(dir.path(), Settings::default()).unwrap());
    let session = Session::open(dir.path()).unwrap();
    let alerts = || ask(&session, "SELECT count(*) AS n FROM alerts", Format::Csv).unwrap();
    assert_eq!(alerts(), "n\n0\n");
    AlertLog::open(dir.path()).unwrap().append(&[alert(Change::Added, "a", 5)]).unwrap();
    session.refresh().unwrap();
    assert_eq!(alerts(), "n\n1\n");
    AlertLog::open(dir.path()).unwrap().append(&[alert(Change::Added, "b", 5)]).unwrap();
    assert_eq!(alerts(), "n\n2\n", "the log is read as it is");
}
