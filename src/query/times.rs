//! Which times a statement asks for: in an archive whose files may have to be fetched first, those of other times need
//! not be.
//!
//! In comes the tree of a statement as DuckDB's own parser gives it, out come times outside of which no event can be in
//! the answer. Whatever is not known here asks for all.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::event::time::{self, DAY, SECOND};

/// All of them.
pub(super) const ALL: RangeInclusive<i64> = i64::MIN..=i64::MAX;
/// `now()` is a little later when the statement runs.
const SOON: i64 = 3600 * SECOND;
/// Views that no event is read for.
const BESIDE: [&str; 3] = ["alerts", "alert_changes", "rules"];
/// Parts of a tree that are neither expressions nor tables.
const PLAIN: [&str; 11] = [
    "SELECT_NODE",
    "SET_OPERATION_NODE",
    "EMPTY",
    "JOIN",
    "SUBQUERY",
    "ORDER_MODIFIER",
    "ORDER_DEFAULT",
    "ASCENDING",
    "DESCENDING",
    "LIMIT_MODIFIER",
    "DISTINCT_MODIFIER",
];

/// The times (µs) that a statement asks for; `None` when it asks for no event.
pub(super) fn times(tree: &str, now: i64) -> Option<RangeInclusive<i64>> {
    let Ok(tree) = serde_json::from_str::<Value>(tree) else { return Some(ALL) };
    let Some([statement]) = tree["statements"].as_array().map(Vec::as_slice) else { return Some(ALL) };
    let node = &statement["node"];
    let mut tables = Vec::new();
    if !tables_of(statement, &mut tables) {
        return Some(ALL);
    }
    tables.retain(|name| !BESIDE.contains(name));
    match tables[..] {
        [] => None,
        ["events"] if node["type"] == "SELECT_NODE" && is_events(&node["from_table"]) => {
            let (mut least, mut greatest) = (i64::MIN, i64::MAX);
            narrow(&node["where_clause"], now, &mut least, &mut greatest);
            Some(least..=greatest)
        }
        _ => Some(ALL),
    }
}

fn is_events(from: &Value) -> bool {
    from["type"] == "BASE_TABLE" && from["table_name"] == "events"
}

/// Collects the names of all tables. False where there is something else that could be one.
fn tables_of<'tree>(value: &'tree Value, tables: &mut Vec<&'tree str>) -> bool {
    match value {
        Value::Array(values) => values.iter().all(|value| tables_of(value, tables)),
        Value::Object(object) => {
            let known = match (object.get("class"), object.get("type").and_then(Value::as_str)) {
                (None, Some("BASE_TABLE")) => {
                    tables.extend(object.get("table_name").and_then(Value::as_str));
                    object["qualified_name"]["path"].as_array().is_none_or(|path| path.len() == 1)
                }
                (None, Some(kind)) => PLAIN.contains(&kind),
                (Some(_), _) | (None, None) => true,
            };
            known && object.values().all(|value| tables_of(value, tables))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// What must hold of times, of conditions that all must hold.
fn narrow(condition: &Value, now: i64, least: &mut i64, greatest: &mut i64) {
    let constant = |value: &Value| moment(value, now);
    match (condition["class"].as_str(), condition["type"].as_str()) {
        (Some("CONJUNCTION"), Some("CONJUNCTION_AND")) => {
            let children = condition["children"].as_array().map_or(&[][..], Vec::as_slice);
            children.iter().for_each(|child| narrow(child, now, least, greatest));
        }
        (Some("BETWEEN"), Some("COMPARE_BETWEEN")) if is_time(&condition["input"]) => {
            *least = constant(&condition["lower"]).unwrap_or(i64::MIN).max(*least);
            *greatest = constant(&condition["upper"]).map_or(i64::MAX, |at| at.saturating_add(SOON)).min(*greatest);
        }
        (Some("COMPARISON"), Some(kind)) => {
            let (left, right) = (&condition["left"], &condition["right"]);
            let (at, turned) = match (is_time(left), is_time(right)) {
                (true, false) => (constant(right), false),
                (false, true) => (constant(left), true),
                (true, true) | (false, false) => (None, false),
            };
            let Some(at) = at else { return };
            let (from, to) = match kind {
                "COMPARE_GREATERTHAN" | "COMPARE_GREATERTHANOREQUALTO" => (!turned, turned),
                "COMPARE_LESSTHAN" | "COMPARE_LESSTHANOREQUALTO" => (turned, !turned),
                "COMPARE_EQUAL" => (true, true),
                _ => (false, false),
            };
            if from {
                *least = at.max(*least);
            }
            if to {
                *greatest = at.saturating_add(SOON).min(*greatest);
            }
        }
        _ => {}
    }
}

fn is_time(value: &Value) -> bool {
    let names = value["column_names"].as_array().map_or(&[][..], Vec::as_slice);
    value["class"] == "COLUMN_REF" && matches!(names, [name] if name == "ts" || name == "@timestamp")
}

/// A moment that is written in the statement, µs.
fn moment(value: &Value, now: i64) -> Option<i64> {
    match value["class"].as_str()? {
        "CONSTANT" => instant(literal(value)?),
        "CAST" => match type_name(value)?.to_ascii_uppercase().as_str() {
            "TIMESTAMP" | "DATE" => instant(literal(&value["child"])?),
            _ => None,
        },
        "FUNCTION" => {
            let arguments = value["arguments"].as_array().map_or(&[][..], Vec::as_slice);
            let expression = |argument: &Value| argument.get("expression").cloned();
            match (value["function_name"].as_str()?, arguments) {
                ("now", []) => Some(now),
                (sign @ ("-" | "+"), [from, by]) => {
                    let (from, by) = (moment(&expression(from)?, now)?, interval(&expression(by)?)?);
                    from.checked_add(if sign == "-" { -by } else { by })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// A length of time as `INTERVAL '2 hours'` has it, µs.
fn interval(value: &Value) -> Option<i64> {
    if value["class"] != "CAST" || !type_name(value)?.eq_ignore_ascii_case("interval") {
        return None;
    }
    let (number, unit) = literal(&value["child"])?.trim().split_once(' ')?;
    let unit = match unit.trim().trim_end_matches('s') {
        "second" => SECOND,
        "minute" => 60 * SECOND,
        "hour" => 3600 * SECOND,
        "day" => DAY,
        "week" => 7 * DAY,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// A time without a zone is one of UTC.
fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    let sound = text.chars().all(|c| c.is_ascii_digit() || "-: .TZ".contains(c));
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ if text.ends_with('Z') => text.to_owned(),
        _ => format!("{text}Z"),
    };
    // What is finer than a microsecond is cut off on the way.
    if sound { time::parse_rfc3339(&whole) } else { None }
}

fn literal(value: &Value) -> Option<&str> {
    let literal: &Map<String, Value> = value.get("literal").filter(|_| value["class"] == "CONSTANT")?.as_object()?;
    literal.get("text")?.as_str().filter(|_| literal.get("kind").is_some_and(|kind| kind == "STRING"))
}

fn type_name(cast: &Value) -> Option<&str> {
    cast["type_expr"]["type_name"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::lean;

    const NOW: i64 = 1_768_471_200_000_000; // 2026-01-15T10:00:00Z
    const HOUR: i64 = 3600 * SECOND;

    fn of(sql: &str) -> Option<RangeInclusive<i64>> {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        let tree: String = connection.query_row(lean::PARSE, [sql], |row| row.get(0)).unwrap();
        times(&tree, NOW)
    }

    fn from(at: i64) -> Option<RangeInclusive<i64>> {
        Some(at..=i64::MAX)
    }

    #[test]
    fn constants_bound_the_times() {
        let day = NOW - 10 * HOUR;
        assert_eq!(of("FROM events WHERE ts >= '2026-01-15'"), from(day));
        assert_eq!(of("FROM events WHERE ts > TIMESTAMP '2026-01-15 10:00:00' AND user.name = 'a'"), from(NOW));
        assert_eq!(of("SELECT count(*) FROM events e WHERE DATE '2026-01-15' <= \"@timestamp\""), from(day));
        assert_eq!(of("FROM events WHERE ts > now() - INTERVAL '2 hours' ORDER BY ts LIMIT 5"), from(NOW - 2 * HOUR));
        assert_eq!(of("SELECT DISTINCT user.name FROM events WHERE ts >= '2026-01-15' ORDER BY 1 DESC"), from(day));
        assert_eq!(of("FROM events WHERE ts < '2026-01-15T10:00:00Z'"), Some(i64::MIN..=NOW + HOUR));
        assert_eq!(of("FROM events WHERE ts BETWEEN '2026-01-15' AND '2026-01-15 10:00'"), Some(day..=NOW + HOUR));
        let both = "FROM events WHERE ts BETWEEN '2026-01-15' AND '2026-01-15 10:00:00'";
        assert_eq!(of(both), Some(day..=NOW + HOUR));
        assert_eq!(
            of("FROM events WHERE (ts > '2026-01-14' AND ts > '2026-01-15') AND ts = '2026-01-15'"),
            Some(day..=day + HOUR)
        );
    }

    #[test]
    fn what_asks_for_no_event_needs_none() {
        assert_eq!(of("SELECT 1"), None);
        assert_eq!(of("SELECT rule, count(*) FROM alerts JOIN rules ON rule = name GROUP BY ALL"), None);
    }

    #[test]
    fn all_else_asks_for_all() {
        for sql in [
            "FROM events",
            "FROM events WHERE ts > '2026-01-15' OR user.name = 'a'",
            "FROM events WHERE NOT ts > '2026-01-15'",
            "FROM events WHERE ts > first",
            "FROM events WHERE ts > $since",
            "FROM events WHERE source.ts > '2026-01-15'",
            "FROM events WHERE ts > '2026-01-15 10:00:00+02:00'",
            "FROM events WHERE ts > now() - INTERVAL '1 month'",
            "FROM events WHERE user.name IN (SELECT user.name FROM events) AND ts > '2026-01-15'",
            "FROM events a JOIN events b ON a.ts = b.ts WHERE a.ts > '2026-01-15'",
            "WITH e AS (FROM events) FROM e WHERE ts > '2026-01-15'",
            "SELECT * FROM (FROM events) WHERE ts > '2026-01-15'",
            "FROM sources",
            "FROM stored_events WHERE ts > '2026-01-15'",
            "FROM lean.events WHERE ts > '2026-01-15'",
            "FROM range(3)",
            "DESCRIBE events",
            "SELECT 1; SELECT 2",
        ] {
            assert_eq!(of(sql), Some(ALL), "{sql}");
        }
        assert_eq!(times("no tree", NOW), Some(ALL));
    }
}
