//! Rows of more columns than a terminal has room for: each as a list of its values, with the names that SQL has for them.
//!
//! `FROM events` has 25 columns, most of them structs: a table of it would be one of slivers.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use serde_json::Value;

use super::output::printable_lines;
use super::value::json;

/// A column narrower than this shows nothing, its border included.
const NARROWEST: usize = 10;

/// Whether a table of so many columns can be read at this width.
pub(super) fn is_table(columns: usize, width: Option<u16>) -> bool {
    width.is_none_or(|width| columns * NARROWEST <= usize::from(width))
}

/// Writes a row, which is the one of this number. Values that it lacks are left out.
pub(super) fn write(batch: &RecordBatch, row: usize, number: u64, out: &mut dyn Write) -> io::Result<()> {
    let (schema, mut values) = (batch.schema(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        flatten(field.name().clone(), json(field, column.as_ref(), row), &mut values);
    }
    let widest = values.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    writeln!(out, "── {number} ──")?;
    for (name, value) in values {
        // A text of several lines stays in its column.
        let value = printable_lines(&value).replace('\n', &format!("\n{:widest$}  ", ""));
        writeln!(out, "{:<widest$}  {value}", printable_lines(&name))?;
    }
    Ok(())
}

/// Fields of structs, and entries of maps, by their dotted names.
fn flatten(name: String, value: Value, values: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            members.into_iter().for_each(|(member, value)| flatten(format!("{name}.{member}"), value, values));
        }
        Value::String(text) => values.push((name, text)),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            values.push((name, items.join(", ")));
        }
        other @ (Value::Array(_) | Value::Bool(_) | Value::Number(_)) => values.push((name, other.to_string())),
    }
}
