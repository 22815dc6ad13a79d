//! The columns of a file that others wrote, by dotted name. In: its schema and its path. Out: where a field comes from.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Fields, Schema};

use super::convert::is_text;
use super::mapping::{Mapping, Pair};
use super::times::Unit;
use crate::archive::ArchiveError;
use crate::event::field::{self, EXTRA_PREFIX, FieldRef};
use crate::event::nearest::nearest;
use crate::event::schema;

/// Columns that an error names.
const NAMED: usize = 60;
/// How Hive writes that there is no value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// All columns of a file.
pub(super) struct Columns {
    all: Vec<Column>,
    /// The map `fields`, as our own files have it.
    extras: bool,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) ty: DataType,
    /// The names that lead to it; empty for a value of the path.
    pub(super) path: Vec<String>,
    /// The value that the path gives it: `host=web-1/part.parquet`.
    pub(super) value: Option<String>,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// The column of this number.
    Column(usize, Option<Unit>),
    /// One value for all.
    Value(String),
}

impl Columns {
    pub(super) fn of(schema: &Schema, path: &Path) -> Columns {
        let mut all = Vec::new();
        descend(schema.fields(), &mut Vec::new(), &mut all);
        for (name, value) in partitions(path) {
            if !all.iter().any(|column: &Column| column.name == name) {
                all.push(Column { name, ty: DataType::Utf8, path: Vec::new(), value: Some(value) });
            }
        }
        let map = |column: &Column| column.name == schema::EXTRA && matches!(column.ty, DataType::Map(..));
        let extras = all.iter().any(map);
        Columns { all, extras }
    }

    pub(super) fn all(&self) -> &[Column] {
        &self.all
    }

    /// Whether it has the map of what no field is for.
    pub(super) fn has_extras(&self) -> bool {
        self.extras
    }

    /// A column of this mapping, or the time, whose name several columns have: nobody knows which is meant.
    pub(super) fn ambiguous<'m>(&self, mapping: &'m Mapping) -> Option<&'m str> {
        let asked = mapping.pairs.iter().map(|pair| pair.column.as_str()).chain([field::TIMESTAMP.name(), "ts"]);
        let columns = |name: &str| self.all.iter().filter(|column| column.name == name).count();
        asked.into_iter().find(|name| columns(name) > 1)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|column| column.name == name)
    }

    /// Where a field comes from; a column that has its name needs no mapping.
    pub(super) fn origin(&self, field: &FieldRef, mapping: &Mapping) -> Option<Origin> {
        if let Some(Pair { column, unit, .. }) = mapping.pairs.iter().find(|pair| pair.field == *field) {
            return self.position(column).map(|at| Origin::Column(at, *unit));
        }
        if let Some((_, value)) = mapping.values.iter().find(|(of, _)| of == field) {
            return Some(Origin::Value(value.clone()));
        }
        let by_name = match field {
            FieldRef::Column(field::TIMESTAMP) => {
                self.position(field::TIMESTAMP.name()).or_else(|| self.position("ts"))
            }
            FieldRef::Column(id) => self.position(id.name()),
            FieldRef::Extra(name) => self.position(&format!("{EXTRA_PREFIX}{name}")).or_else(|| self.position(name)),
        };
        by_name.map(|at| Origin::Column(at, None))
    }

    /// Whether this column is in the file.
    pub(super) fn has(&self, pair: &Pair) -> bool {
        self.position(&pair.column).is_some()
    }

    /// What to say where a column that was named is not there.
    pub(super) fn missing(&self, pair: &Pair, path: &Path) -> ArchiveError {
        let near = nearest(&pair.column, self.all.iter().map(|column| column.name.as_str()));
        // Somebody may have named a struct by its last part.
        let ends = || {
            let end = format!(".{}", pair.column.to_lowercase());
            self.all.iter().map(|c| c.name.as_str()).find(|name| name.to_lowercase().ends_with(&end))
        };
        let near = near.or_else(ends);
        ArchiveError::NoColumn {
            path: path.to_owned(),
            field: pair.field.name(),
            column: pair.column.clone(),
            near: near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)")),
            columns: self.named(),
        }
    }

    /// What to say where no column is the time.
    pub(super) fn no_time(&self, path: &Path) -> ArchiveError {
        let sure = self.all.iter().filter(|c| matches!(c.ty, DataType::Timestamp(..)));
        let named = self.all.iter().filter(|c| {
            let name = c.name.to_lowercase();
            let last = name.rsplit('.').next().unwrap_or(&name);
            let says = ["time", "date", "stamp", "epoch", "when", "created"].iter().any(|word| last.contains(word));
            let may = c.ty.is_integer() || c.ty.is_floating() || c.ty.is_decimal() || is_text(&c.ty);
            let day = matches!(c.ty, DataType::Date32 | DataType::Date64);
            day || may && (says || last == "ts" || last == "at" || last == "t")
        });
        let mut candidates: Vec<&str> = sure.chain(named).map(|c| c.name.as_str()).collect();
        let mut seen = BTreeSet::new();
        candidates.retain(|name| seen.insert(*name));
        let hint = match candidates.first() {
            Some(first) => format!(
                ": name it, for example --map @timestamp={first}; columns that may be it: {}",
                candidates.join(", ")
            ),
            None => ": name it with --map @timestamp=COLUMN".to_owned(),
        };
        ArchiveError::NoTime { path: path.to_owned(), hint, columns: self.named() }
    }

    fn named(&self) -> String {
        let mut names: Vec<&str> = self.all.iter().take(NAMED).map(|column| column.name.as_str()).collect();
        let more = format!("{} more", self.all.len().saturating_sub(NAMED));
        if self.all.len() > NAMED {
            names.push(&more);
        }
        names.join(", ")
    }
}

fn descend(fields: &Fields, above: &mut Vec<String>, all: &mut Vec<Column>) {
    for field in fields {
        above.push(field.name().clone());
        match field.data_type() {
            DataType::Struct(inner) => descend(inner, above, all),
            ty => all.push(Column { name: above.join("."), ty: ty.clone(), path: above.clone(), value: None }),
        }
        above.pop();
    }
}

/// `NAME=VALUE` folders of a path, as Hive, Spark and DuckDB write them. The whole path counts, so that it makes no difference
/// which of its folders was named.
fn partitions(path: &Path) -> Vec<(String, String)> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folders = whole.parent().into_iter().flat_map(|parent| parent.components());
    let pair = |folder: std::path::Component<'_>| {
        let (name, value) = folder.as_os_str().to_str()?.split_once('=')?;
        let value = percent_decoded(value);
        (!name.is_empty() && value != NO_VALUE).then(|| (name.to_owned(), value))
    };
    folders.filter_map(pair).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The column that these names lead to; it is missing where a struct around it is.
pub(super) fn at_path(record: &RecordBatch, path: &[String]) -> Option<ArrayRef> {
    let (first, rest) = path.split_first()?;
    let mut array = record.column_by_name(first)?.clone();
    for name in rest {
        let parent = array.as_struct_opt()?;
        let child = parent.column_by_name(name)?.clone();
        array = match parent.nulls() {
            Some(nulls) if nulls.null_count() > 0 => schema::masked(&child, nulls)?,
            _ => child,
        };
    }
    Some(array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_columns() {
        let path = Path::new("/lake/host=web%2D1/day=2026-01-15/x=__HIVE_DEFAULT_PARTITION__/a=b.parquet");
        let expected = [("host", "web-1"), ("day", "2026-01-15")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(partitions(path), expected);
        assert_eq!(percent_decoded("100%"), "100%");
    }
}
