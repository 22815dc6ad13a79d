//! Which statements are proved not to see raw lines, and that their rows are right.

use super::super::lean::Sight::{self, Everything, Lasting, Lines, Parts};
use super::super::lean::Wanted;
use super::super::views::Form;
use super::*;

#[rustfmt::skip]
const STATEMENTS: &[(Sight, &str)] = &[
    // The struct and the raw line, by name.
    (Everything, "SELECT event FROM events"),
    (Everything, "SELECT \"EVENT\" FROM events"),
    (Lines, "SELECT event.original FROM events"),
    (Lines, "SELECT \"EVENT\".\"Original\" FROM events"),
    (Everything, "SELECT event['original'] AS x FROM events"),
    (Everything, "SELECT (event).original AS x FROM events"),
    (Everything, "SELECT struct_extract(event, 'orig' || 'inal') AS x FROM events"),
    (Lines, "SELECT events.event.original FROM events"),
    (Everything, "SELECT e.event FROM events e"),
    (Everything, "SELECT memory.main.events.event FROM main.events"),
    (Everything, "SELECT event.original.upper() AS x FROM events"),
    (Everything, "SELECT event.to_json() AS x FROM events"),
    (Lines, "SELECT event.original[1:3] AS x FROM events"),
    (Lines, "SELECT count(*) AS n FROM events WHERE event.original LIKE '%u1%'"),
    (Everything, "SELECT count(*) AS n FROM events GROUP BY event"),
    (Everything, "SELECT source.ip FROM events ORDER BY event DESC, event.id"),
    (Lines, "SELECT source.ip FROM events QUALIFY row_number() OVER (PARTITION BY event.original ORDER BY ts) = 1"),
    (Everything, "SELECT row_number() OVER w AS n FROM events WINDOW w AS (PARTITION BY event)"),
    (Lines, "SELECT count(*) FILTER (event.original IS NULL) AS n FROM events"),
    (Lines, "SELECT (SELECT event.original) AS x FROM events"),
    (Lines, "SELECT x FROM events, LATERAL (SELECT event.original AS x)"),
    (Lines, "SELECT list_transform([1], lambda x: event.original) AS x FROM events"),
    (Lines, "SELECT [event.original FOR x IN [1]] AS x FROM events"),
    (Lines, "SELECT x FROM events, unnest([event.original]) t(x)"),
    (Everything, "SELECT event.event.id, event.event.original FROM events event, events"),
    (Everything, "FROM events event SELECT event.event.original"),
    (Lines, "SELECT o FROM (SELECT event.original AS o FROM events)"),
    (Lines, "WITH c(o) AS (SELECT event.original FROM events) SELECT o FROM c"),
    (Everything, "SELECT ts FROM events UNION ALL BY NAME SELECT event FROM events"),
    (Everything, "SELECT event.original FROM events WHERE event.outcome = 'failure'"),
    (Everything, "SELECT event.original, EVENT.id FROM events"),
    // Whole rows.
    (Everything, "SELECT events FROM events"),
    (Lines, "SELECT EVENTS.event.original AS x FROM Events"),
    (Everything, "SELECT e FROM events e"),
    (Everything, "SELECT \"éE\" FROM events \"ée\""),
    (Everything, "SELECT to_json(e) AS x FROM events AS e"),
    (Everything, "SELECT main.events FROM main.events"),
    (Everything, "SELECT len(list(e)) AS x FROM events e GROUP BY e.source.ip"),
    (Everything, "SELECT events IN [events] AS y FROM events"),
    // Stars.
    (Everything, "FROM events"),
    (Everything, "TABLE events"),
    (Everything, "SELECT * FROM events"),
    (Everything, "SELECT events.* FROM events"),
    (Everything, "SELECT event.* FROM events"),
    (Everything, "SELECT unnest(event) FROM events"),
    (Everything, "SELECT * EXCLUDE (event) FROM events"),
    (Everything, "SELECT * EXCLUDE (event), 1 AS event FROM events"),
    (Everything, "SELECT * REPLACE (1 AS event) FROM events"),
    (Everything, "SELECT * RENAME (event AS x) FROM events"),
    (Everything, "SELECT * LIKE 'ev%' FROM events"),
    (Everything, "SELECT COLUMNS('ev.*') FROM events"),
    (Everything, "SELECT COLUMNS(lambda c: c = 'event') FROM events"),
    (Everything, "SELECT count(COLUMNS(*)) FROM events"),
    (Everything, "SELECT struct_pack(*COLUMNS(*)) AS x FROM events"),
    (Everything, "SELECT * FROM alerts, events"),
    (Everything, "SELECT * FROM (FROM events)"),
    (Everything, "SELECT x.event FROM (FROM events) x"),
    (Everything, "WITH c AS (FROM events) SELECT c FROM c"),
    (Everything, "WITH c AS (FROM events) SELECT count(*) AS n FROM c"),
    (Everything, "SELECT #5 AS x FROM events"),
    (Everything, "SELECT f FROM events AS e(a, b, c, d, f)"),
    (Everything, "SELECT x.id FROM (events JOIN alerts ON (true)) x"),
    (Everything, "SELECT DISTINCT ON (COLUMNS(*)) ts FROM events"),
    (Everything, "SELECT len(list(ts ORDER BY COLUMNS(*))) AS x FROM events"),
    // Other kinds of tables, and statements in disguise.
    (Everything, "SELECT a.ts FROM events a NATURAL JOIN events b"),
    (Everything, "SELECT a.ts FROM events a JOIN events b USING (event)"),
    (Everything, "SELECT a.ts FROM events a JOIN events b USING (ts, \"Event\")"),
    (Everything, "SELECT v FROM (SELECT event AS n FROM events) UNPIVOT (v FOR k IN (n))"),
    (Everything, "SELECT value FROM (UNPIVOT (SELECT ts FROM events) ON ts)"),
    (Everything, "DESCRIBE events"),
    (Everything, "SUMMARIZE events"),
    (Everything, "SHOW TABLES"),
    (Everything, "SELECT name FROM (SHOW TABLES)"),
    (Everything, "SELECT x FROM query('SELECT event.original AS x FROM events')"),
    (Everything, "SELECT q.event FROM query_table('events') q"),
    (Everything, "SELECT ts FROM query_table(['events'])"),
    (Everything, "SELECT original FROM json_execute_serialized_sql(json_serialize_sql('SELECT event.original FROM main.events'))"),
    (Everything, "SELECT bin FROM histogram(events, event.original)"),
    (Lines, "EXPLAIN SELECT event.original FROM events"),
    (Lasting, "EXPLAIN (FORMAT json) SELECT source.ip FROM events"),
    (Everything, "garbage"),
    (Everything, "SELECT source.ip FROM events WHERE"),
    (Lasting, "PIVOT (SELECT event.outcome AS o FROM events) ON o USING count(*)"),
    (Lasting, "SELECT ts FROM events; SELECT ts FROM events"),
    (Lasting, "CREATE MACRO raw(e) AS e.event.original; SELECT raw(events) FROM events"),
    (Lasting, "CREATE VIEW v AS SELECT event.original AS o FROM events"),
    (Lasting, "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1"),
    (Lasting, "BEGIN"),
    (Lasting, "SET VARIABLE x = 1"),
    (Lasting, "PREPARE p AS SELECT event.original FROM events"),
    (Lasting, "SELECT setseed(0.5)"),
    (Lasting, "CALL range(3)"),
    // What is proved.
    (Parts, "SELECT count(*) AS n FROM events"),
    (Parts, "SELECT count(*) AS n FROM events WHERE event.outcome = 'failure'"),
    (Parts, "SELECT source.ip, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC, source.ip LIMIT 10"),
    (Parts, "SELECT source.ip, event.outcome FROM events ORDER BY ALL"),
    (Parts, "SELECT ts, message, user.name FROM events ORDER BY event.id"),
    (Parts, "SELECT e.event.id FROM events e WHERE e.event.outcome = 'original' ORDER BY 1"),
    (Parts, "SELECT url.original, user_agent.original AS agent FROM events ORDER BY event.id"),
    (Parts, "SELECT event.id AS event FROM events ORDER BY event.id"),
    (Parts, "SELECT \"évent\" AS x FROM (SELECT 1) AS t(\"évent\"), events"),
    (Parts, "SELECT * FROM (SELECT event.outcome AS o, count(*) AS n FROM events GROUP BY ALL) WHERE n > 3 ORDER BY o"),
    (Parts, "WITH c AS (SELECT event.outcome AS o, message FROM events) SELECT * FROM c ORDER BY ALL"),
    (Parts, "SELECT * FROM alerts ORDER BY id"),
    (Parts, "SELECT a FROM alerts a ORDER BY a.id"),
    (Parts, "SELECT a.rule, e.user.name FROM alerts a JOIN events e ON (e.event.id = a.evidence[1])"),
    (Parts, "SELECT count(*) AS n FROM events WHERE event.id IN (SELECT unnest(evidence) FROM alerts)"),
    (Parts, "SELECT count(*) AS n FROM events a JOIN events b USING (ts)"),
    (Parts, "SELECT x, count(*) AS n FROM events, range(2) t(x) GROUP BY x ORDER BY x"),
    (Parts, "SELECT c, count(*) AS n FROM events, unnest(event.category) t(c) GROUP BY c"),
    (Parts, "SELECT time_bucket(INTERVAL 1 MINUTE, ts) AS t, count(*) FILTER (event.outcome = 'failure') AS n FROM events GROUP BY t ORDER BY t"),
    (Parts, "SELECT source.ip, lag(ts) OVER (PARTITION BY source.ip ORDER BY ts) AS before FROM events ORDER BY event.id"),
    (Parts, "SELECT list_transform(event.category, lambda x: upper(x)) AS x FROM events ORDER BY event.id"),
    (Parts, "SELECT CASE WHEN source.port BETWEEN 1 AND 1023 THEN 'low' END AS x, ts::DATE AS d FROM events ORDER BY event.id"),
    (Parts, "WITH RECURSIVE c AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM c WHERE a < 3) SELECT a, count(*) AS n FROM c, events GROUP BY a ORDER BY a"),
    (Parts, "SELECT DISTINCT ON (source.ip) source.ip, ts FROM events ORDER BY source.ip, ts"),
    (Parts, "SELECT source.ip FROM events WHERE user.name = 'u1' UNION SELECT user.name FROM events ORDER BY ALL"),
    (Parts, "SELECT count(*) AS n FROM events WHERE event.outcome = $name AND source.ip <> $other"),
    (Parts, "SELECT count(*) AS n FROM events WHERE event.outcome = ? AND source.ip <> ?"),
    (Parts, "EXPLAIN SELECT count(*) AS n FROM events"),
];

/// Statements that DuckDB does not take.
const FAIL: &[&str] = &["garbage", "SELECT source.ip FROM events WHERE"];

#[test]
fn what_a_statement_sees() {
    let (_dir, session) = opened();
    let wrong: Vec<_> = STATEMENTS.iter().filter(|(sight, sql)| session.seen(sql).sight != *sight).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn views_are_made_for_those_who_name_them() {
    let (_dir, session) = opened();
    let wanted = |wanted: Wanted, statements: &[&str]| {
        statements.iter().for_each(|sql| assert_eq!(session.seen(sql).wanted, wanted, "{sql}"));
    };
    wanted(Wanted::NOTHING, &["SELECT 1", "EXPLAIN SELECT a FROM range(3) t(a)"]);
    wanted(Wanted::ALERTS, &["FROM alerts", "SELECT * FROM rules r, alert_changes"]);
    wanted(
        Wanted::NOTHING,
        &["WITH x AS (SELECT 1 AS a), y AS (FROM X) SELECT (SELECT max(a) FROM y)", "SELECT 'events'"],
    );
    wanted(Wanted::EVENTS, &["FROM \"Events\"", "SELECT (SELECT count(*) FROM events)"]);
    wanted(
        Wanted::EVENTS,
        &["WITH x AS (SELECT ts FROM events) FROM x", "SELECT 1 WHERE EXISTS (SELECT 1 FROM events)"],
    );
    let unknown = ["FROM sources", "FROM stored_events", "FROM main.events", "FROM x", "FROM query('FROM events')"];
    wanted(Wanted::ALL, &unknown);
    wanted(
        Wanted::ALL,
        &["SHOW TABLES", "DESCRIBE events", "FROM duckdb_views()", "FROM pg_tables", "BEGIN", "garbage"],
    );
    let views = || {
        let sql = "SELECT count(*) AS n FROM duckdb_views() WHERE NOT internal";
        rows(session.prepare_in(Form::Whole, Wanted::NOTHING, sql)).unwrap()
    };
    for (sql, made) in [("SELECT 1", "0"), ("SELECT ts FROM events", "2"), ("FROM rules", "7"), ("FROM sources", "8")] {
        ask(&session, sql, Format::Csv).unwrap();
        assert_eq!(views(), [made], "{sql}");
    }
}

/// Rows in no certain order, or the error.
fn rows(rows: Result<Rows<'_>, QueryError>) -> Result<Vec<String>, String> {
    let mut rows = rows.map_err(|e| e.to_string())?;
    let values = ["failure", "10.0.0.2"].map(|text| Argument::Text(text.to_owned()));
    let count = rows.parameters().map_err(|e| e.to_string())?.len();
    let mut lines = Vec::new();
    let options = arrow::util::display::FormatOptions::default();
    for batch in rows.collect(&values[..count]).map_err(|e| e.to_string())? {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string()
            });
            lines.push(cells.collect::<Vec<_>>().join("\t"));
        }
    }
    lines.sort();
    Ok(lines)
}

#[test]
fn rows_are_those_that_are_seen_whole() {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let open = || [0, 1].map(|_| Session::open(dir.path()).unwrap());
    let mut sessions = open();
    let mut failed = Vec::new();
    for (sight, sql) in STATEMENTS.iter().filter(|(_, sql)| !sql.starts_with("EXPLAIN")) {
        let decided = rows(sessions[0].prepare(sql));
        assert_eq!(decided, rows(sessions[1].prepare_in(Form::Whole, Wanted::ALL, sql)), "{sql}");
        failed.extend(decided.err().filter(|_| !FAIL.contains(sql)).map(|error| (sql, error)));
        if *sight == Lasting {
            sessions = open();
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_a_statement_leaves_behind_is_seen_by_the_next() {
    let (_dir, session) = opened();
    let lean = "SELECT raw FROM v WHERE raw IS NOT NULL LIMIT 1";
    assert_eq!(session.seen(lean).sight, Parts);
    assert!(session.prepare(lean).is_err());
    ask(&session, "SELECT * FROM events", Format::Csv).unwrap();
    ask(&session, "CREATE VIEW v AS SELECT event.original AS raw FROM events WHERE line_is_cut", Format::Csv)
        .unwrap_err();
    ask(&session, "CREATE VIEW v AS SELECT event.original AS raw FROM events WHERE source.port = 22", Format::Csv)
        .unwrap();
    assert!(ask(&session, lean, Format::Csv).unwrap().contains("Jan 15 10:30:45 web1 sshd[7]: Failed"));
    ask(&session, "CREATE TEMP TABLE t AS SELECT user.name AS name FROM events", Format::Csv).unwrap();
    assert!(ask(&session, "SELECT count(*) AS n FROM t", Format::Csv).unwrap().contains("102"));
    ask(&session, "SET VARIABLE x = 4", Format::Csv).unwrap();
    assert_eq!(ask(&session, "SELECT getvariable('x') AS x", Format::Csv).unwrap(), "x\n4\n");
}

#[test]
fn deep_and_long_statements_are_decided_too() {
    let (_dir, session) = opened();
    let deep = format!("SELECT {}1 AS x FROM events LIMIT 1", "1 + ".repeat(300));
    assert_eq!(session.seen(&deep).sight, Lasting);
    assert_eq!(ask(&session, &deep, Format::Csv).unwrap(), "x\n301\n");
    let long = format!("SELECT count(*) AS n FROM events WHERE user.name IN ('u1'{})", ", 'x'".repeat(1000));
    assert_eq!(session.seen(&long).sight, Parts);
}
