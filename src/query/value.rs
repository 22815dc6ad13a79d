//! Values on their way in (parameters, typed) and out (cells of Arrow batches as JSON and as text).

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use duckdb::types::{TimeUnit as DuckUnit, ToSql, ToSqlOutput, Value as DuckValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::QueryError;
use super::saved::Kind;
use crate::event::time::{self, SECOND};

/// A value bound to a statement's parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Argument {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An instant, µs UTC.
    Instant(i64),
    /// A length of time, µs; an INTERVAL in SQL.
    Duration(i64),
}

impl ToSql for Argument {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self {
            Argument::Text(text) => DuckValue::Text(text.clone()),
            Argument::Integer(number) => DuckValue::BigInt(*number),
            Argument::Instant(micros) => DuckValue::Timestamp(DuckUnit::Microsecond, *micros),
            Argument::Duration(micros) => {
                DuckValue::Interval { months: 0, days: 0, nanos: micros.saturating_mul(1000) }
            }
        }))
    }
}

/// A duration that reaches before any event: what `all` stands for where an earliest time is asked for.
const BEGINNING: i64 = -30_000_000_000 * SECOND;

/// Reads a parameter's value. `now` is what times are counted back from, µs.
pub fn parse(kind: Kind, text: &str, now: i64) -> Result<Argument, String> {
    match kind {
        Kind::Text => Ok(Argument::Text(text.to_owned())),
        Kind::Int => text.parse().map(Argument::Integer).map_err(|_| format!("`{text}` is no whole number")),
        Kind::Duration => time::duration(text)
            .map(Argument::Duration)
            .ok_or_else(|| format!("`{text}` is no duration: write a number and s, m, h, d or w, as in 15m")),
        Kind::Ip => match text.parse::<std::net::IpAddr>() {
            Ok(address) => Ok(Argument::Text(address.to_canonical().to_string())),
            Err(_) => Err(format!("`{text}` is no IP address")),
        },
        Kind::Timestamp if text == "all" => Ok(Argument::Instant(BEGINNING)),
        Kind::Timestamp => instant(text, now).map(Argument::Instant).ok_or_else(|| {
            format!("`{text}` is no time: write 2026-01-15, 2026-01-15T10:30:45Z, 24h for that long ago, or all")
        }),
    }
}

fn instant(text: &str, now: i64) -> Option<i64> {
    let day = |t: &str| t.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    time::parse_rfc3339(text)
        .or_else(|| day(text).map(|z| z.timestamp().as_microsecond()))
        .or_else(|| Some(now.saturating_sub(time::duration(text)?)))
}

/// A cell as JSON: times as RFC 3339, structs as objects without their missing members, SQL's JSON as it is.
pub(super) fn json(field: &Field, array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => whole::<i64>(array, row),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => whole::<u64>(array, row),
        DataType::Float32 | DataType::Float64 => {
            text(array, row).parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
        }
        // Sums of whole numbers are HUGEINT in DuckDB and come as decimals.
        DataType::Decimal128(_, 0) => match text(array, row).parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text(array, row).into(),
        },
        DataType::Decimal128(..) => {
            text(array, row).parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
        }
        DataType::Struct(_) => object(array.as_struct(), row),
        DataType::List(item) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|at| json(item, items.as_ref(), at)).collect()
        }
        DataType::Map(entries, _) => {
            let pairs = array.as_map().value(row);
            let DataType::Struct(fields) = entries.data_type() else { return Value::Null };
            let value = |at| json(&fields[1], pairs.column(1).as_ref(), at);
            (0..pairs.len()).map(|at| (text(pairs.column(0).as_ref(), at), value(at))).collect::<Map<_, _>>().into()
        }
        DataType::Utf8 if is_json(field) => {
            let text = text(array, row);
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => text(array, row).into(),
    }
}

/// Whether a column holds JSON as text.
pub(super) fn is_json(field: &Field) -> bool {
    field.metadata().get("ARROW:extension:name").is_some_and(|name| name == "arrow.json")
}

fn whole<T: std::str::FromStr + Into<Value>>(array: &dyn Array, row: usize) -> Value {
    text(array, row).parse::<T>().map_or(Value::Null, Into::into)
}

fn object(array: &StructArray, row: usize) -> Value {
    let members = array.fields().iter().zip(array.columns());
    let present = members.filter(|(_, column)| column.is_valid(row));
    let members: Map<String, Value> =
        present.map(|(field, column)| (field.name().clone(), json(field, column.as_ref(), row))).collect();
    // A struct of missing members only is as good as missing.
    if members.values().all(Value::is_null) { Value::Null } else { Value::Object(without_nulls(members)) }
}

fn without_nulls(members: Map<String, Value>) -> Map<String, Value> {
    members.into_iter().filter(|(_, v)| !v.is_null()).collect()
}

/// A cell as text; empty when missing.
pub(super) fn cell(field: &Field, array: &dyn Array, row: usize) -> String {
    match json(field, array, row) {
        Value::Null => String::new(),
        Value::String(text) => text,
        nested @ (Value::Array(_) | Value::Object(_)) => nested.to_string(),
        other @ (Value::Bool(_) | Value::Number(_)) => other.to_string(),
    }
}

fn text(array: &dyn Array, row: usize) -> String {
    if let DataType::Timestamp(unit, _) = array.data_type()
        && let Some(micros) = micros(array, *unit, row)
    {
        return time::rfc3339(micros);
    }
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(error) => error.to_string(),
    }
}

fn micros(array: &dyn Array, unit: TimeUnit, row: usize) -> Option<i64> {
    use arrow::datatypes::{
        TimestampMicrosecondType as Micros, TimestampMillisecondType as Millis, TimestampNanosecondType as Nanos,
        TimestampSecondType as Seconds,
    };
    match unit {
        TimeUnit::Second => array.as_primitive::<Seconds>().value(row).checked_mul(SECOND),
        TimeUnit::Millisecond => array.as_primitive::<Millis>().value(row).checked_mul(1000),
        TimeUnit::Microsecond => Some(array.as_primitive::<Micros>().value(row)),
        TimeUnit::Nanosecond => Some(array.as_primitive::<Nanos>().value(row).div_euclid(1000)),
    }
}

/// What went wrong with a parameter, with its name.
pub(super) fn bad(name: &str, why: &str) -> QueryError {
    QueryError::Parameter(format!("parameter {name}: {why}"))
}
