//! Raw lines that are stored in pieces are seen as if they were stored whole.

use std::path::Path;

use super::super::lean::Wanted;
use super::super::views::{self, Form};
use super::*;
use crate::event::line;

/// The stored columns with all lines whole, as files have them whose lines do not repeat.
const WHOLE: &str = r#"
COPY (
    SELECT * REPLACE (
        PIECES AS line,
        struct_update(event, original := ORIGINAL) AS event,
        struct_update(log, message_offset := if(message IS NULL AND line.message IS NOT NULL,
            length(ORIGINAL) - length(MESSAGE), log.message_offset)::UINTEGER) AS log
    )
    FROM read_parquet([SCHEMA, FILE], union_by_name = true, hive_partitioning = false)
) TO 'OUT' (FORMAT parquet)
"#;

/// The archive of [`archive`], with lines that are whole.
fn archive_of_whole_lines(dir: &Path) {
    archive(dir);
    let schema = dir.join("schema.parquet");
    let encoding = crate::archive::Encoding { level: 1, bloom: false, ..Default::default() };
    crate::archive::write_file(&schema, &[], &crate::event::schema::Columns::all(), &encoding).unwrap();
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let none: Vec<String> = line::pieces().map(|name| format!("\"{name}\" := NULL::VARCHAR")).collect();
    let sql = WHOLE
        .replace("PIECES", &format!("struct_pack({})", none.join(", ")))
        .replace("ORIGINAL", &views::original())
        .replace("MESSAGE", &views::message());
    for file in crate::archive::snapshot(dir).unwrap().paths() {
        let out = dir.join("whole.parquet");
        let literal = |path: &Path| format!("'{}'", path.to_str().unwrap());
        let sql = sql.replace("SCHEMA", &literal(&schema)).replace("FILE", &literal(&file));
        connection.execute_batch(&sql.replace("OUT", out.to_str().unwrap())).unwrap();
        std::fs::rename(&out, &file).unwrap();
    }
    std::fs::remove_file(schema).unwrap();
}

fn both() -> [(tempfile::TempDir, Session); 2] {
    [archive_of_whole_lines as fn(&Path), archive].map(|make| {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let session = Session::open(dir.path()).unwrap();
        (dir, session)
    })
}

#[test]
fn rows_are_the_same() {
    let [(_plain, plain), (_cut, cut)] = both();
    let cut_rows = "SELECT count(*) AS n FROM stored_events WHERE event.original IS NULL AND line.message IS NOT NULL";
    // Those of the log's tail are whole in either.
    assert_eq!(ask(&plain, cut_rows, Format::Csv).unwrap(), "n\n0\n");
    assert_eq!(ask(&cut, cut_rows, Format::Csv).unwrap(), "n\n60\n");
    for sql in [
        "SELECT * FROM events ORDER BY event.id",
        "SELECT event FROM events ORDER BY event.id",
        "SELECT event.original AS line, message FROM events ORDER BY event.id",
        "SELECT message, user.name FROM events ORDER BY ALL",
        "SELECT count(*) AS n FROM events WHERE event.original LIKE '%for u1 from 10.0.0.2 port%'",
        "SELECT count(*) AS n FROM events WHERE message = 'Failed password for u1 from 10.0.0.1 port 22 ssh2'",
        "DESCRIBE events",
        "SELECT table_name FROM duckdb_tables() UNION SELECT name FROM (SHOW TABLES) ORDER BY ALL",
    ] {
        let rows = |session: &Session| ask(session, sql, Format::Json).unwrap();
        assert!(!rows(&plain).is_empty(), "{sql}");
        assert_eq!(rows(&plain), rows(&cut), "{sql}");
    }
}

#[test]
fn columns_are_in_their_old_order() {
    let [(_plain, session), _] = both();
    let names = "SELECT string_agg(column_name, ' ') AS names FROM (DESCRIBE events)";
    assert_eq!(
        ask(&session, names, Format::Csv).unwrap(),
        "names\nts @timestamp message tags event log host observer agent user source destination network process \
         file registry http url user_agent dns threat device rule risk fields\n"
    );
    let of = |name: &str, from: &str| {
        let sql = format!("SELECT column_type AS t FROM (DESCRIBE {from}) WHERE column_name = '{name}'");
        ask(&session, &sql, Format::Csv).unwrap()
    };
    drop(session.prepare_in(Form::Lean, Wanted::ALL, "SELECT 1").unwrap());
    for view in ["lean.events", "main.events"] {
        assert_eq!(of("event", view), of("event", "stored_events"));
        assert_eq!(of("log", view), of("log", "stored_events").replace("message_offset UINTEGER, ", ""));
        assert!(of("line", view).ends_with("t\n"));
    }
}

#[test]
fn searches_find_the_same() {
    let [(_plain, plain), (_cut, cut)] = both();
    let text = |text: &str| Search { text: Some(text.to_owned()), limit: 1000, ..Search::default() };
    let filter = |name: &str, value: &str| Search {
        filters: vec![(name.to_owned(), value.to_owned())],
        limit: 1000,
        ..Search::default()
    };
    for (search, found) in [
        (Search { limit: 1000, ..Search::default() }, 102),
        (text("FOR u1 from 10.0.0.2 port 22 S"), 6),
        (text("web1 sshd[7]: failed"), 100),
        (text("get /É"), 1),
        (text("17 of"), 1),
        (filter("message", "Failed password for u1 from 10.0.0.1 port 22 ssh2"), 7),
        (
            filter("event.original", "Jan 15 10:30:45 web1 sshd[7]: Failed password for u1 from 10.0.0.1 port 22 ssh2"),
            7,
        ),
        (filter("message", "GET /é"), 1),
        (filter("http.request.referrer", "/"), 0),
        (filter("http.response.body.bytes", "12"), 1),
        (filter("source.geo.city_name", "Oslo"), 0),
    ] {
        let results = [&plain, &cut].map(|session| super::super::search(session, &search).unwrap());
        assert_eq!(results[0].len(), found, "{search:?}");
        assert_eq!(results[0], results[1], "{search:?}");
    }
    let whole = super::super::search(&cut, &Search { limit: 1000, ..Search::default() }).unwrap();
    assert!(whole[2..].iter().all(|event| event["event.original"].is_string() && event["message"].is_string()));
}

#[test]
fn the_struct_is_made_of_all_its_fields() {
    let sql = views::columns(Form::Whole);
    for id in field::all().filter(|id| id.name().starts_with("event.")) {
        let child = id.name().strip_prefix("event.").unwrap();
        assert!(sql.contains(&format!("\"{child}\" := ")), "{child}");
    }
}
