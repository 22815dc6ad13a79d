//! Parquet files that others wrote, as events: other names, other types, folders with values in their names.
//!
//! In: files, a [`Mapping`]. Out: batches like those of our own files. A field comes from the column that is mapped to it, or
//! else from one that has its name; `fields.NAME` from the column NAME. What a field cannot hold (a port of 70,000) is missing from it, is counted
//! in [`Misfits`], and can still be seen under the column's own name. A row without a time is no event; it is counted, too.
//!
//! Only columns that somebody asks for are read where the file has ids (`event.id`); otherwise all are, since ids are made of them (`ids`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::statistics::Statistics;

use self::columns::{Column, Columns, Origin, at_path};
use self::ids::Contents;
use self::times::Unit;
use super::ArchiveError;
use super::leaves;
use crate::event::batch::Dictionary;
use crate::event::field::{self, FieldRef, Type};
use crate::event::occurrence::Occurrences;
use crate::event::{EventBatch, FieldId, schema};

mod columns;
mod convert;
mod ids;
mod mapping;
mod times;

pub use mapping::{Mapping, MappingError};

/// Rows of a batch.
const BATCH_ROWS: usize = 16 * 1024;

/// How files of others are read, and what was found in them up to now.
#[derive(Default)]
pub struct Tables {
    mapping: Mapping,
    seen: Occurrences,
    misfits: BTreeMap<(String, String), Misfits>,
}

/// Values that a field cannot hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfits {
    /// The field.
    pub field: String,
    /// The column that they are in.
    pub column: String,
    /// How many.
    pub count: u64,
    /// Of so many rows.
    pub rows: u64,
    /// One of them, as its file has it.
    pub example: String,
}

impl Tables {
    /// None read yet.
    pub fn new(mapping: Mapping) -> Tables {
        Tables { mapping, ..Tables::default() }
    }

    /// What did not fit; that of `@timestamp` are rows that were left out.
    pub fn misfits(&self) -> impl Iterator<Item = &Misfits> {
        self.misfits.values().filter(|misfits| misfits.count > 0)
    }

    fn note(&mut self, field: &FieldRef, column: &str, rows: usize, bad: u64, example: impl FnOnce() -> String) {
        let key = (field.name(), column.to_owned());
        let (name, column) = key.clone();
        let none = || Misfits { field: name, column, count: 0, rows: 0, example: String::new() };
        let misfits = self.misfits.entry(key).or_insert_with(none);
        if misfits.count == 0 && bad > 0 {
            misfits.example = example();
        }
        misfits.count += bad;
        misfits.rows += rows as u64;
    }
}

/// What there is before anything is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// How many files of others.
    pub files: usize,
    /// Fields that somebody asks for and some file has.
    pub present: BTreeSet<FieldRef>,
}

/// Looks whether all these files can be read: those that others wrote must have a time, and what the mapping names must be in one of them.
pub(super) fn examine(
    paths: &[PathBuf],
    mapping: &Mapping,
    wanted: &BTreeSet<FieldRef>,
    outlook: &mut Outlook,
) -> Result<(), ArchiveError> {
    let mut unseen: Vec<&mapping::Pair> = mapping.pairs.iter().collect();
    let mut first = None;
    for path in paths {
        let metadata = open(path)?.1;
        if is_ours(&metadata, mapping) {
            continue;
        }
        outlook.files += 1;
        let columns = Columns::of(metadata.schema(), path);
        if let Some(name) = columns.ambiguous(mapping) {
            return Err(ArchiveError::Ambiguous { path: path.to_owned(), column: name.to_owned() });
        }
        time_of(&columns, mapping, path)?;
        unseen.retain(|pair| !columns.has(pair));
        outlook.present.extend(wanted.iter().filter(|field| columns.origin(field, mapping).is_some()).cloned());
        first.get_or_insert((path, columns));
    }
    match (unseen.first(), first) {
        (Some(pair), Some((path, columns))) => Err(columns.missing(pair, path)),
        _ => Ok(()),
    }
}

/// Where the time is.
fn time_of(columns: &Columns, mapping: &Mapping, path: &Path) -> Result<(usize, Option<Unit>), ArchiveError> {
    let time = FieldRef::Column(field::TIMESTAMP);
    match (columns.origin(&time, mapping), mapping.pairs.iter().find(|pair| pair.field == time)) {
        (Some(Origin::Column(at, unit)), _) => Ok((at, unit)),
        (_, Some(pair)) => Err(columns.missing(pair, path)),
        (Some(Origin::Value(_)) | None, None) => Err(columns.no_time(path)),
    }
}

fn open(path: &Path) -> Result<(File, ArrowReaderMetadata), ArchiveError> {
    let file = super::groups::open(path)?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(ArchiveError::parquet(path))?;
    Ok((file, metadata))
}

/// Whether a file has the columns of ours, ids included: it was written by us, or copied from what we wrote and nobody says
/// what its columns are.
fn is_ours(metadata: &ArrowReaderMetadata, mapping: &Mapping) -> bool {
    let schema = metadata.schema();
    let time = schema.field_with_name(field::TIMESTAMP.name()).map(|f| f.data_type().clone());
    let by_us = metadata.metadata().file_metadata().created_by().is_some_and(|by| by.starts_with("weir "));
    let id = schema.field_with_name("event").is_ok_and(
        |event| matches!(event.data_type(), DataType::Struct(children) if children.iter().any(|c| c.name() == "id")),
    );
    matches!(time, Ok(DataType::Timestamp(_, None))) && (by_us || id && mapping.is_empty())
}

/// A file that is being read.
pub(super) struct Foreign {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    columns: Columns,
    time: (usize, Option<Unit>),
    /// The fields that are made, and of what.
    fields: Vec<(FieldRef, Origin)>,
    /// The column with ids, if it has one.
    id: Option<usize>,
    /// Somebody asks for what is in its map `fields`.
    extras: bool,
}

impl Foreign {
    /// Whether this file is read as ours.
    pub(super) fn is_ours(path: &Path, tables: &Tables) -> Result<bool, ArchiveError> {
        Ok(is_ours(&open(path)?.1, &tables.mapping))
    }

    /// Opens a file to read these fields (all without them) of the events in this range, µs.
    pub(super) fn open(
        path: &Path,
        tables: &Tables,
        wanted: Option<&BTreeSet<FieldRef>>,
        range: &RangeInclusive<i64>,
    ) -> Result<Foreign, ArchiveError> {
        let (file, metadata) = open(path)?;
        let columns = Columns::of(metadata.schema(), path);
        let mapping = &tables.mapping;
        let time = time_of(&columns, mapping, path)?;
        let id = match columns.origin(&FieldRef::Column(field::EVENT_ID), mapping) {
            Some(Origin::Column(at, _)) => Some(at),
            Some(Origin::Value(_)) | None => None,
        };
        let apart = [field::TIMESTAMP, field::EVENT_ID].map(FieldRef::Column);
        let fields: Vec<(FieldRef, Origin)> = match wanted {
            Some(wanted) => wanted.iter().cloned().collect::<Vec<_>>(),
            None => everything(&columns, mapping),
        }
        .into_iter()
        .filter(|field| !apart.contains(field))
        .filter_map(|field| columns.origin(&field, mapping).map(|origin| (field, origin)))
        .collect();
        let extras = wanted.is_none_or(|wanted| wanted.iter().any(|field| matches!(field, FieldRef::Extra(_))));
        let extras = extras && columns.has_extras();
        let used = |number: usize, column: &Column| {
            let read = |(_, origin): &(FieldRef, Origin)| matches!(origin, Origin::Column(at, _) if *at == number);
            let map = extras && column.name == schema::EXTRA;
            id.is_none() || number == time.0 || id == Some(number) || map || fields.iter().any(read)
        };
        let read: Vec<&str> =
            columns.all().iter().enumerate().filter(|(n, c)| used(*n, c)).map(|(_, c)| c.name.as_str()).collect();
        let parquet = metadata.parquet_schema();
        let leaf = |at: &usize| {
            let path = parquet.column(*at).path().parts().join(".");
            read.iter().any(|name| leaves::is_of(&path, name))
        };
        let mask = ProjectionMask::leaves(parquet, (0..parquet.num_columns()).filter(leaf));
        let groups = groups(&metadata, &columns.all()[time.0], time.1, mapping, range);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_batch_size(BATCH_ROWS)
            .with_row_groups(groups)
            .with_projection(mask)
            .build()
            .map_err(ArchiveError::parquet(path))?;
        Ok(Foreign { path: path.to_owned(), reader, columns, time, fields, id, extras })
    }

    /// The next batch; rows outside the range, and those without a time, are left out.
    pub(super) fn next(
        &mut self,
        tables: &mut Tables,
        range: &RangeInclusive<i64>,
    ) -> Option<Result<EventBatch, ArchiveError>> {
        loop {
            let record = match self.reader.next()? {
                Ok(record) => record,
                Err(error) => return Some(Err(ArchiveError::arrow(&self.path)(error))),
            };
            match self.events(&record, tables, range) {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => return Some(Ok(batch)),
                Err(error) => return Some(Err(ArchiveError::arrow(&self.path)(error))),
            }
        }
    }

    fn events(
        &self,
        record: &RecordBatch,
        tables: &mut Tables,
        range: &RangeInclusive<i64>,
    ) -> Result<EventBatch, arrow::error::ArrowError> {
        let zone = tables.mapping.zone.clone();
        let rows = record.num_rows();
        let stored = |at: usize| array(&self.columns.all()[at], record);
        let time = stored(self.time.0);
        let times = times::times(&time, self.time.1, &zone)?;
        let timeless = times.iter().filter(|time| time.is_none()).count() as u64;
        let at = |row: Option<usize>| row.map_or(String::new(), |row| convert::shown(&time, row));
        tables.note(&FieldRef::Column(field::TIMESTAMP), &self.columns.all()[self.time.0].name, rows, timeless, || {
            at(times.iter().position(Option::is_none))
        });
        let ids = self.ids(record, &times, tables)?;
        let micros: Vec<i64> = times.iter().map(|time| time.unwrap_or_default()).collect();
        let mut arrays: Vec<(FieldId, ArrayRef)> = vec![
            (field::TIMESTAMP, Arc::new(TimestampMicrosecondArray::from(micros))),
            (field::EVENT_ID, Arc::new(FixedSizeBinaryArray::new(16, ids.into(), None))),
        ];
        let mut extras: Vec<(Arc<str>, Dictionary)> = Vec::new();
        if let Some(map) = record.column_by_name(schema::EXTRA).filter(|_| self.extras) {
            let alone = RecordBatch::try_from_iter([(schema::EXTRA, map.clone())])?;
            let of_map = schema::from_record_batch(&alone)?;
            extras.extend(of_map.extras().iter().cloned());
        }
        for (wanted, origin) in &self.fields {
            let (column, unit, values) = match origin {
                Origin::Column(at, unit) => (self.columns.all()[*at].name.as_str(), *unit, stored(*at)),
                Origin::Value(value) => ("--set", None, constant(value, rows)),
            };
            let ty = wanted.ty();
            let made = convert::column(&values, ty, unit, &zone)?;
            let lost = |row: &usize| values.is_valid(*row) && made.is_null(*row);
            // A list may be empty.
            let bad = if ty == Type::TextList { 0 } else { (0..rows).filter(lost).count() };
            tables.note(wanted, column, rows, bad as u64, || {
                (0..rows).find(lost).map_or(String::new(), |row| convert::shown(&values, row))
            });
            match wanted {
                FieldRef::Column(id) => arrays.push((*id, made)),
                FieldRef::Extra(name) => {
                    extras.retain(|(known, _)| known != name);
                    extras.push((name.clone(), made.as_dictionary().clone()));
                }
            }
        }
        arrays.retain(|(_, array)| array.null_count() < rows);
        let batch = EventBatch::from_columns(rows, arrays, extras);
        let inside = |row: &u32| times[*row as usize].is_some_and(|time| range.contains(&time));
        let kept: Vec<u32> = (0..rows as u32).filter(inside).collect();
        Ok(if kept.len() == rows { batch } else { batch.take(&kept) })
    }

    /// The bytes of all ids.
    fn ids(
        &self,
        record: &RecordBatch,
        times: &[Option<i64>],
        tables: &mut Tables,
    ) -> Result<Vec<u8>, arrow::error::ArrowError> {
        let time = |row: usize| times[row].unwrap_or_default();
        let mut bytes = Vec::with_capacity(times.len() * 16);
        if let Some(at) = self.id {
            let given = ids::given(&array(&self.columns.all()[at], record))?;
            let none = given.iter().filter(|id| id.is_none()).count() as u64;
            let (id, column) = (FieldRef::Column(field::EVENT_ID), &self.columns.all()[at].name);
            tables.note(&id, column, times.len(), none, || "nothing".to_owned());
            for (row, id) in given.into_iter().enumerate() {
                let id = id.unwrap_or(ids::Given::Text(0)).id(time(row), &mut tables.seen);
                bytes.extend_from_slice(&id.to_bytes());
            }
            return Ok(bytes);
        }
        let mut contents = Contents::new(times.len());
        for column in self.columns.all() {
            contents.add(&column.name, &array(column, record))?;
        }
        for row in 0..times.len() {
            bytes.extend_from_slice(&contents.id(row, time(row), &mut tables.seen).to_bytes());
        }
        Ok(bytes)
    }
}

/// All fields that a file has, and what is under other names.
fn everything(columns: &Columns, mapping: &Mapping) -> Vec<FieldRef> {
    let known = field::all().map(FieldRef::Column).filter(|field| columns.origin(field, mapping).is_some());
    let others = columns.all().iter().filter(|column| field::by_name(&column.name).is_none());
    let others = others.filter(|column| !matches!(column.ty, DataType::Map(..)));
    known.chain(others.map(|column| FieldRef::Extra(Arc::from(column.name.as_str())))).collect()
}

fn array(column: &Column, record: &RecordBatch) -> ArrayRef {
    match &column.value {
        Some(value) => constant(value, record.num_rows()),
        None => {
            at_path(record, &column.path).unwrap_or_else(|| arrow::array::new_null_array(&column.ty, record.num_rows()))
        }
    }
}

fn constant(value: &str, rows: usize) -> ArrayRef {
    Arc::new(Dictionary::new(UInt32Array::from(vec![0; rows]), Arc::new(StringArray::from(vec![value]))))
}

/// The row groups that may hold events of a range, as far as their statistics tell.
fn groups(
    metadata: &ArrowReaderMetadata,
    time: &Column,
    unit: Option<Unit>,
    mapping: &Mapping,
    range: &RangeInclusive<i64>,
) -> Vec<usize> {
    let parquet = metadata.parquet_schema();
    let leaf = (0..parquet.num_columns()).find(|at| parquet.column(*at).path().parts().join(".") == time.name);
    let of = match &time.ty {
        DataType::Timestamp(of, zone) if zone.is_some() || mapping.zone == jiff::tz::TimeZone::UTC => {
            Some(Some(Unit::from(*of)))
        }
        DataType::Int64 => Some(unit),
        _ => None,
    };
    let overlaps = |number: &usize| {
        let (Some(leaf), Some(of)) = (leaf, of) else { return true };
        let Some(Statistics::Int64(bounds)) = metadata.metadata().row_group(*number).column(leaf).statistics() else {
            return true;
        };
        let (Some(least), Some(greatest)) = (bounds.min_opt(), bounds.max_opt()) else { return true };
        let (first, last) = (Unit::of(*least as f64), Unit::of(*greatest as f64));
        if of.is_none() && (first != last || *least < 0) {
            return true;
        }
        let of = of.unwrap_or(first);
        match (of.micros(*least), of.micros(*greatest)) {
            (Some(least), Some(greatest)) => least <= *range.end() && greatest >= *range.start(),
            _ => true,
        }
    };
    (0..metadata.metadata().num_row_groups()).filter(overlaps).collect()
}
