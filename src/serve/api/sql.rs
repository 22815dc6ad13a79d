//! `POST /api/v1/sql`: a statement in, its rows out.
//!
//! The body is a JSON object: `sql`, and if need be `params` (by name, texts and whole numbers), `max_rows`, and `timeout` in
//! seconds. The statement is a stranger's: it is one SELECT over the views, and runs in a process of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use serde::Deserialize;
use serde_json::Value;
use warp::Buf;
use warp::http::HeaderMap;

use super::params::Params;
use super::{Answer, json, post};
use crate::query::Argument;
use crate::serve::problem::Problem;
use crate::serve::{Context, SqlRequest};

/// A statement and its parameters are no longer, bytes.
const BODY: usize = 512 << 10;
/// The most rows one answer holds.
const MOST: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sql: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    max_rows: Option<usize>,
    timeout: Option<f64>,
}

/// Runs a posted statement.
pub(super) async fn sql<B: Buf>(
    context: Arc<Context>,
    params: Params,
    headers: HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Answer {
    params.end()?;
    let body = post::read(BODY, "ask for less at once", &headers, body).await?;
    let request = request(&body)?;
    Ok(json(&(context.sql)(request).await?))
}

fn request(body: &[u8]) -> Result<SqlRequest, Problem> {
    let form = "write it like {\"sql\": \"SELECT count(*) FROM events WHERE source.ip = $ip\", \"params\": {\"ip\": \"192.0.2.1\"}, \"max_rows\": 100}";
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body cannot be read ({error}): {form}")))?;
    if let Some(rows) = body.max_rows.filter(|rows| !(1..=MOST).contains(rows)) {
        return Err(Problem::bad_request(format!("`max_rows` of {rows} is not between 1 and {MOST}")));
    }
    let time = match body.timeout {
        None => None,
        Some(seconds) => match Duration::try_from_secs_f64(seconds) {
            Ok(time) if !time.is_zero() => Some(time),
            Ok(_) | Err(_) => {
                return Err(Problem::bad_request(format!("`timeout` of {seconds} is no number of seconds")));
            }
        },
    };
    let value = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, Argument::Text(text))),
        Value::Number(number) if number.is_i64() => Ok((name, Argument::Integer(number.as_i64().unwrap_or_default()))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let detail = format!(
                "the parameter `{name}` is neither text nor a whole number: send it as text, and write ${name}::DOUBLE or the like"
            );
            Err(Problem::bad_request(detail))
        }
    };
    let parameters = body.params.into_iter().map(value).collect::<Result<_, Problem>>()?;
    Ok(SqlRequest { sql: body.sql, parameters, rows: body.max_rows, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read() {
        let body = br#"{"sql": "SELECT $a, $b", "params": {"a": "x", "b": 7}, "max_rows": 5, "timeout": 1.5}"#;
        let request = request(body).unwrap();
        let values = [("a", Argument::Text("x".to_owned())), ("b", Argument::Integer(7))];
        assert_eq!(request.parameters, values.map(|(n, v)| (n.to_owned(), v)).into());
        assert_eq!((request.sql.as_str(), request.rows), ("SELECT $a, $b", Some(5)));
        assert_eq!(request.time, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn wrong_ones_are_told() {
        for (body, told) in [
            (&b"SELECT 1"[..], "cannot be read"),
            (b"{}", "missing field `sql`"),
            (b"{\"sql\": 1}", "a string"),
            (b"{\"sql\": \"SELECT 1\", \"file\": \"x\"}", "unknown field `file`"),
            (b"{\"sql\": \"SELECT '\xff'\"}", "cannot be read"),
            (b"{\"sql\": \"\", \"max_rows\": 0}", "between 1 and 10000"),
            (b"{\"sql\": \"\", \"max_rows\": 10001}", "between 1 and 10000"),
            (b"{\"sql\": \"\", \"max_rows\": -1}", "cannot be read"),
            (b"{\"sql\": \"\", \"timeout\": 0}", "no number of seconds"),
            (b"{\"sql\": \"\", \"timeout\": -1}", "no number of seconds"),
            (b"{\"sql\": \"\", \"params\": {\"a\": 1.5}}", "neither text nor a whole number"),
            (b"{\"sql\": \"\", \"params\": {\"a\": null}}", "neither text nor a whole number"),
        ] {
            let problem = request(body).unwrap_err();
            assert!(problem.detail().contains(told), "{}: {}", String::from_utf8_lossy(body), problem.detail());
        }
    }
}
