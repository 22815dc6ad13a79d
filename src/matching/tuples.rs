//! Keys and values of match rows.
//!
//! In: a list of fields and a row of a batch. Out: the tuple of their values as a person would
//! write them. A tuple of one dictionary column is made once a distinct value.

use std::borrow::Cow;

use arrow::array::{Array, AsArray, StringArray};
use compact_str::ToCompactString;

use super::column;
use super::compile::Fields;
use crate::event::batch::{Dictionary, EventBatch, LIST_SEPARATOR};
use crate::event::field::{FieldId, Type};
use crate::rule::plan::{FieldRef, Tuple};

/// The tuples of one list of fields over one batch.
pub(super) struct Tuples<'b> {
    batch: &'b EventBatch,
    columns: Vec<Column<'b>>,
    /// For a tuple of one dictionary column: by code, when codes are not more than rows.
    made: Vec<Option<Tuple>>,
}

enum Column<'b> {
    Missing,
    Dictionary { column: &'b Dictionary, values: &'b StringArray, list: bool },
    Number(FieldId),
    Other(FieldId),
}

impl<'b> Tuples<'b> {
    /// Of these fields.
    pub(super) fn new(fields: &Fields, batch: &'b EventBatch) -> Tuples<'b> {
        let column = |(at, field)| Column::new(field, at < fields.shown, batch);
        let columns: Vec<_> = fields.all.iter().enumerate().map(column).collect();
        let codes = match columns[..] {
            [Column::Dictionary { values, .. }] if values.len() <= batch.len() => values.len(),
            _ => 0,
        };
        Tuples { batch, columns, made: vec![None; codes] }
    }

    /// Of this row.
    pub(super) fn get(&mut self, row: usize) -> Tuple {
        match self.columns[..] {
            [] => Tuple::default(),
            [Column::Dictionary { column, values, list }] if !self.made.is_empty() && column.is_valid(row) => {
                let code = column.keys().values()[row] as usize;
                self.made[code].get_or_insert_with(|| Tuple::new([Some(&*shown(values.value(code), list))])).clone()
            }
            [ref one] => one.with(self.batch, row, |value| Tuple::new([value])),
            [ref a, ref b] => a.with(self.batch, row, |a| b.with(self.batch, row, |b| Tuple::new([a, b]))),
            ref many => {
                let values: Vec<Option<String>> =
                    many.iter().map(|c| c.with(self.batch, row, |v| v.map(str::to_owned))).collect();
                Tuple::new(values.iter().map(Option::as_deref))
            }
        }
    }
}

/// A list as a person would write it.
fn shown(text: &str, list: bool) -> Cow<'_, str> {
    if list && text.contains(LIST_SEPARATOR) { text.replace(LIST_SEPARATOR, ", ").into() } else { text.into() }
}

impl<'b> Column<'b> {
    fn new(field: &FieldRef, shown: bool, batch: &'b EventBatch) -> Column<'b> {
        if let Some(column) = column::dictionary(batch, field) {
            let list = shown && field.ty() == Type::TextList;
            return Column::Dictionary { column, values: column.values().as_string::<i32>(), list };
        }
        match field {
            FieldRef::Column(id) if id.ty().is_number() => Column::Number(*id),
            FieldRef::Column(id) if id.ty().is_dictionary() => Column::Missing,
            FieldRef::Column(id) => Column::Other(*id),
            FieldRef::Extra(_) => Column::Missing,
        }
    }

    /// Hands the value at a row, if there is one, to `of`.
    fn with<T>(&self, batch: &EventBatch, row: usize, of: impl FnOnce(Option<&str>) -> T) -> T {
        match self {
            Column::Missing => of(None),
            Column::Dictionary { column, .. } if column.is_null(row) => of(None),
            Column::Dictionary { column, values, list } => {
                of(Some(&*shown(values.value(column.keys().values()[row] as usize), *list)))
            }
            Column::Number(id) => of(batch.number(*id, row).map(|n| n.to_compact_string()).as_deref()),
            Column::Other(id) if id.ty() == Type::LongText => of(batch.text(*id, row)),
            Column::Other(id) => of(batch.display(*id, row).as_deref()),
        }
    }
}
