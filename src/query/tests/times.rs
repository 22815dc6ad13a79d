//! What analysts write about times: it works, in UTC, or says what to write instead.

use super::*;

#[test]
fn times_work_without_zones() {
    let (_dir, session) = opened();
    for (sql, expected) in [
        ("typeof(now() - INTERVAL '1 hour')", "TIMESTAMP"),
        ("typeof(date_trunc('hour', now() - INTERVAL '7 days'))", "TIMESTAMP"),
        (
            "typeof(current_timestamp) || typeof(localtimestamp) || typeof(transaction_timestamp())",
            "TIMESTAMPTIMESTAMPTIMESTAMP",
        ),
        (
            "typeof(current_date) || typeof(today() - 1) || typeof(current_time) || typeof(localtime)",
            "DATEDATETIMETIME",
        ),
        ("current_date = today() AND current_date = now()::DATE AND clock_timestamp() = now()", "true"),
        (
            "typeof(to_timestamp(1768473045)), to_timestamp(1768473045) - INTERVAL '1 hour'",
            "TIMESTAMP,2026-01-15T09:30:45.000000Z",
        ),
        ("ts AT TIME ZONE 'UTC'", "2026-01-15T10:30:45.000000Z"),
        ("timezone('utc', ts)", "2026-01-15T10:30:45.000000Z"),
        ("TIMESTAMPTZ '2026-01-15 12:00:00+02' AT TIME ZONE 'UTC'", "2026-01-15T10:00:00.000000Z"),
        ("ts > TIMESTAMPTZ '2026-01-15 12:30:00+02', ts > '2026-01-15T10:30:45.5Z'", "true,false"),
        ("strftime(ts, '%Y-%m-%d %H'), strftime('%H:%M', ts)", "2026-01-15 10,10:30"),
        ("strptime('2026-01-15 10:00 +0200', '%Y-%m-%d %H:%M %z')", "2026-01-15T08:00:00.000000Z"),
        (
            "time_bucket(INTERVAL '5 minutes', ts), time_bucket('1 day', ts)",
            "2026-01-15T10:30:00.000000Z,2026-01-15T00:00:00.000000Z",
        ),
        ("age('2026-01-15 11:30:45', ts), typeof(age(ts))", "1 hours,INTERVAL"),
        (
            "date_sub(ts, INTERVAL 1 DAY), date_sub('hour', ts, ts + INTERVAL 90 MINUTE)",
            "2026-01-14T10:30:45.000000Z,1",
        ),
        ("date_diff('day', ts, TIMESTAMP '2026-01-20'), date_part('hour', ts), epoch(ts)::BIGINT", "5,10,1768473045"),
        ("make_timestamptz(2026, 1, 15, 10, 0, 0)", "2026-01-15T10:00:00.000000Z"),
        ("ts::DATE = '2026-01-15', hour(ts), dayname(ts), last_day(ts)", "true,10,Thursday,2026-01-31"),
        (
            "greatest(ts, '2026-01-16'), len(range(ts, ts + INTERVAL 2 HOUR, INTERVAL 1 HOUR))",
            "2026-01-16T00:00:00.000000Z,2",
        ),
        ("ts::TIMESTAMPTZ = ts, (ts::TIMESTAMPTZ)::TIMESTAMP = ts", "true,true"),
    ] {
        let answer = ask(&session, &format!("SELECT {sql} FROM events ORDER BY ts LIMIT 1"), Format::Csv);
        let answer = answer.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(answer.lines().nth(1), Some(expected), "{sql}");
    }
}

#[test]
fn what_does_not_work_says_what_to_write() {
    let (_dir, session) = opened();
    for (sql, told) in [
        (
            "SELECT ts AT TIME ZONE 'Europe/Berlin' FROM events",
            "the zone Europe/Berlin is not known here: leave AT TIME ZONE out",
        ),
        (
            "SELECT count(*) FROM events WHERE ts > '2026-01-15 10:00:00+02'",
            "write '2026-01-15T08:00:00Z', which is that time in UTC",
        ),
        (
            "SELECT ts::TIMESTAMPTZ - INTERVAL '1 hour' FROM events",
            "help: times are UTC without a zone: cast with ::TIMESTAMP first",
        ),
        (
            "SELECT date_trunc('hour', ts::TIMESTAMPTZ) FROM events",
            "help: this needs time zones, and times are UTC here",
        ),
        ("SELECT now() - '1 hour'", "help: write INTERVAL before a length of time"),
        ("SELECT ts - 1 FROM events", "help: write a length of time as in ts + INTERVAL '1 hour'"),
        ("SELECT time_bucket('1 day', ts, 'Europe/Berlin') FROM events", "there are no zones: times are UTC"),
        ("SELECT 'now'::TIMESTAMP", "help: write now()"),
        ("SELECT count(*) FROM events WHERE ts > '-1h'", "help: write how long ago as in now() - INTERVAL '1 hour'"),
        ("SET TimeZone = 'Europe/Berlin'", "help: times are UTC throughout"),
        ("SELECT current_setting('TimeZone')", "help: times are UTC throughout"),
        ("SELECT to_char(ts, 'YYYY') FROM events", "help: write strftime(ts,"),
        ("SELECT from_unixtime(1)", "help: write to_timestamp(seconds)"),
        ("SELECT unix_timestamp(ts) FROM events", "help: write epoch(ts)"),
        ("SELECT getdate()", "help: write now()"),
        ("SELECT sysdate", "help: write now()"),
        ("SELECT date_bin('5 minutes', ts, ts) FROM events", "help: write time_bucket("),
        ("SELECT source.ip::INET FROM events", "help: addresses are texts here"),
        ("SELECT source.ip << '10.0.0.0/8' FROM events", "help: addresses are texts here"),
        ("COPY (SELECT 1) TO '/tmp/weir-must-not-be'", "answers go to a file with --out FILE"),
        ("SELECT * FROM event", "help: the table is named events"),
    ] {
        let error = ask(&session, sql, Format::Csv).expect_err(sql).to_string();
        assert!(error.contains(told), "{sql}: {error}");
    }
}

#[test]
fn an_offset_in_a_parameter_is_not_passed_over() {
    let (_dir, session) = opened();
    let mut rows = session.prepare("SELECT count(*) AS n FROM events WHERE ts >= $since").unwrap();
    let mut give = |text: &str| {
        let values = [("since".to_owned(), Argument::Text(text.to_owned()))].into();
        write(&mut rows, &values, Format::Csv, None, &mut Vec::new()).map_err(|e| e.to_string())
    };
    assert!(give("2026-01-15T10:30:45Z").is_ok());
    assert!(give("2026-01-15T12:30:45+02:00").unwrap_err().contains("parameter since: times are UTC"));
}
