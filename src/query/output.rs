//! Rows as a table for people, as CSV, as one JSON object a line, or in columns for programs ([`super::columnar`]).
//! Rows are written as they come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::columnar::Columnar;
use super::value::{Argument, bad, cell, json};
use super::{Each, QueryError, Rows, instants, record};
use crate::event::printable::printable_but;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table, of at most [`TABLE_ROWS`] rows; a list of values a row where it would be too narrow.
    Table,
    /// Comma-separated values with a head line.
    Csv,
    /// One JSON object a line.
    Json,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file, as `.arrow` and Feather 2 files are.
    ArrowFile,
    /// An Arrow IPC stream, which can be read while it is written.
    ArrowStream,
}

/// A table's columns are as wide as their widest cell, so a table is held in memory: this many rows at most.
pub const TABLE_ROWS: usize = 1000;

/// Runs a statement and writes its rows. `width` is that of the terminal, if there is one. Returns how many rows were
/// written, and whether there are more.
pub fn write(
    rows: &mut Rows<'_>,
    arguments: &BTreeMap<String, Argument>,
    format: Format,
    width: Option<u16>,
    out: &mut (dyn Write + Send),
) -> Result<(u64, bool), QueryError> {
    let values = bind(rows, arguments)?;
    print(&mut |each| rows.run(&values, each), format, width, out)
}

/// Writes the rows that `run` gives, as [`write`] does.
pub(super) fn print(
    run: &mut dyn FnMut(&mut Each<'_>) -> Result<(), QueryError>,
    format: Format,
    width: Option<u16>,
    out: &mut (dyn Write + Send),
) -> Result<(u64, bool), QueryError> {
    let (mut count, mut more) = (0, false);
    let (mut out, mut sink) = (Some(out), None);
    run(&mut |schema, batch| {
        let sink = match out.take() {
            Some(out) => sink.insert(Sink::new(schema, format, width, out)?),
            None => sink.as_mut().expect("it was made when the columns came"),
        };
        let Some(batch) = batch else { return Ok(true) };
        let room = if format == Format::Table { TABLE_ROWS - count as usize } else { usize::MAX };
        more = batch.num_rows() > room;
        let taken = batch.num_rows().min(room);
        sink.write(schema, &batch.slice(0, taken))?;
        count += taken as u64;
        Ok(!more)
    })?;
    sink.map_or(Ok(()), Sink::finish)?;
    Ok((count, more))
}

/// Where rows go.
enum Sink<'out> {
    Table(Box<Table>, &'out mut (dyn Write + Send)),
    /// With the number of the last row.
    Records(u64, &'out mut (dyn Write + Send)),
    Csv(&'out mut (dyn Write + Send)),
    /// With the names of members.
    Json(Vec<String>, &'out mut (dyn Write + Send)),
    Columnar(Columnar<'out>),
}

impl<'out> Sink<'out> {
    fn new(
        schema: &SchemaRef,
        format: Format,
        width: Option<u16>,
        out: &'out mut (dyn Write + Send),
    ) -> Result<Sink<'out>, QueryError> {
        Ok(match format {
            Format::Table if !record::is_table(schema.fields().len(), width) => Sink::Records(0, out),
            Format::Table => {
                let mut table = table(width);
                table.set_header(schema.fields().iter().map(|f| Cell::new(printable_lines(f.name()))));
                Sink::Table(Box::new(table), out)
            }
            Format::Csv => {
                csv_line(schema.fields().iter().map(|f| f.name().clone()), out).map_err(written)?;
                Sink::Csv(out)
            }
            Format::Json => Sink::Json(member_names(schema), out),
            Format::Parquet => Sink::Columnar(Columnar::parquet(schema, out)?),
            Format::ArrowFile => Sink::Columnar(Columnar::file(schema, out)?),
            Format::ArrowStream => Sink::Columnar(Columnar::stream(schema, out)?),
        })
    }

    fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> Result<(), QueryError> {
        let mut rows = 0..batch.num_rows();
        match self {
            Sink::Table(table, _) => {
                rows.for_each(|row| add_row(table, schema, batch, row));
                Ok(())
            }
            Sink::Records(number, out) => rows.try_for_each(|row| {
                *number += 1;
                record::write(batch, row, *number, out).map_err(written)
            }),
            Sink::Csv(out) => rows.try_for_each(|row| csv_row(schema, batch, row, out)).map_err(written),
            Sink::Json(names, out) => rows.try_for_each(|row| json_row(names, batch, row, out)).map_err(written),
            Sink::Columnar(columnar) => columnar.write(batch),
        }
    }

    fn finish(self) -> Result<(), QueryError> {
        match self {
            Sink::Table(mut table, out) => {
                align(&mut table);
                writeln!(out, "{table}").and_then(|()| out.flush()).map_err(written)
            }
            Sink::Records(_, out) | Sink::Csv(out) | Sink::Json(_, out) => out.flush().map_err(written),
            Sink::Columnar(columnar) => columnar.finish(),
        }
    }
}

fn written(source: io::Error) -> QueryError {
    QueryError::Io { action: "cannot write the answer", source }
}

/// The values in the order of the statement's parameters.
pub(super) fn bind(rows: &Rows<'_>, arguments: &BTreeMap<String, Argument>) -> Result<Vec<Argument>, QueryError> {
    let names = rows.parameters()?;
    if let Some(name) = arguments.keys().find(|name| !names.contains(name)) {
        return Err(bad(name, &format!("the statement has no ${name}")));
    }
    let value = |name: &String| match arguments.get(name).cloned() {
        None => Err(bad(name, &format!("must be given: --param {name}=…"))),
        Some(Argument::Text(text)) => {
            instants::value(&text).map_err(|why| bad(name, &why))?;
            Ok(Argument::Text(text))
        }
        Some(value) => Ok(value),
    };
    names.iter().map(value).collect()
}

fn table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table
}

fn add_row(table: &mut Table, schema: &SchemaRef, batch: &RecordBatch, row: usize) {
    let cells = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let text = Cell::new(printable_lines(&cell(field, column.as_ref(), row)));
        if column.data_type().is_numeric() { text.set_alignment(CellAlignment::Right) } else { text }
    });
    table.add_row(cells);
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((1, 1));
    }
}

/// A text as a table shows it, which may be several lines.
pub(super) fn printable_lines(text: &str) -> Cow<'_, str> {
    printable_but(text, &['\n'])
}

/// Members come in the order of the statement's columns.
fn json_row(names: &[String], batch: &RecordBatch, row: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::from("{");
    let schema = batch.schema();
    for (at, ((name, field), column)) in names.iter().zip(schema.fields()).zip(batch.columns()).enumerate() {
        if at > 0 {
            line.push(',');
        }
        line.push_str(name);
        line.push_str(&json(field, column.as_ref(), row).to_string());
    }
    line.push_str("}\n");
    out.write_all(line.as_bytes())
}

/// The names of JSON members, quoted and with their colon. A name that comes again gets a number, since a program would
/// see only one of them.
fn member_names(schema: &SchemaRef) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let unique = |name: &String| {
        let mut unique = name.clone();
        let mut number = 1;
        while !seen.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        format!("{}:", Value::String(unique))
    };
    schema.fields().iter().map(|f| f.name()).map(unique).collect()
}

fn csv_row(schema: &SchemaRef, batch: &RecordBatch, row: usize, out: &mut dyn Write) -> io::Result<()> {
    let cells = schema.fields().iter().zip(batch.columns());
    csv_line(cells.map(|(field, column)| cell(field, column.as_ref(), row)), out)
}

/// RFC 4180, but that lines end as those of other programs here do.
fn csv_line(cells: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            line.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}
