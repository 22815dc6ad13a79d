//! Columnar event batches: what flows from the parsers to the matcher and the archive.
//!
//! An [`EventBatch`] holds one flat Arrow array a field, absent where no row has it. Text is
//! dictionary-coded (`Dictionary<UInt32, Utf8>`), so that later stages do their work once a
//! distinct value instead of once a row; lists are dictionary-coded too, as their elements joined
//! by [`LIST_SEPARATOR`]. Values without a column live in [`EventBatch::extra`], one dictionary
//! column a name. The nested form that Parquet and SQL see is made in [`super::schema`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray, UInt32Array};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};

pub use super::builder::BatchBuilder;
pub use super::column::DictionaryBuilder;
use super::field::{self, FieldId, FieldRef, Type};
use super::id::EventId;

/// Joins the elements of a list in a dictionary value. ASCII unit separator; it is replaced by a space in elements.
pub const LIST_SEPARATOR: char = '\u{1f}';

/// Dictionary-coded text: the type of all text columns but the long ones.
pub type Dictionary = DictionaryArray<UInt32Type>;

/// Some thousands of events, column by column.
#[derive(Clone, Debug)]
pub struct EventBatch {
    pub(super) len: usize,
    pub(super) columns: Vec<Option<ArrayRef>>,
    /// `fields.<name>` columns, sorted by name.
    pub(super) extra: Vec<(Arc<str>, Dictionary)>,
}

impl EventBatch {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The flat column of a field; `None` when no event has it. See the module for its Arrow type.
    pub fn column(&self, field: FieldId) -> Option<&ArrayRef> {
        self.columns[field.0 as usize].as_ref()
    }

    /// A [`Type::Text`], [`Type::Ip`] or [`Type::TextList`] column.
    pub fn dictionary(&self, field: FieldId) -> Option<&Dictionary> {
        self.column(field).map(|a| a.as_dictionary::<UInt32Type>())
    }

    /// A [`Type::LongText`] column. For `message` use [`EventBatch::message`], which also looks into the raw line.
    pub fn long_text(&self, field: FieldId) -> Option<&StringArray> {
        self.column(field).map(|a| a.as_string::<i32>())
    }

    /// `fields.<name>`.
    pub fn extra(&self, name: &str) -> Option<&Dictionary> {
        self.extra.binary_search_by(|(n, _)| (**n).cmp(name)).ok().map(|i| &self.extra[i].1)
    }

    /// All `fields.*` columns, sorted by name.
    pub fn extras(&self) -> &[(Arc<str>, Dictionary)] {
        &self.extra
    }

    /// Event times, µs UTC; every event has one.
    pub fn times(&self) -> &[i64] {
        match self.column(field::TIMESTAMP) {
            Some(array) => array.as_primitive::<TimestampMicrosecondType>().values(),
            None => &[],
        }
    }

    /// The id of an event.
    pub fn id(&self, row: usize) -> EventId {
        match self.column(field::EVENT_ID) {
            Some(array) => {
                EventId::from_bytes(array.as_fixed_size_binary().value(row).try_into().expect("ids are 16 bytes wide"))
            }
            None => EventId::default(),
        }
    }

    /// The message of an event: its own, or the tail of its raw line.
    pub fn message(&self, row: usize) -> Option<&str> {
        if let Some(own) = self.long_text(field::MESSAGE).filter(|a| a.is_valid(row)) {
            return Some(own.value(row));
        }
        let raw = self.long_text(field::EVENT_ORIGINAL).filter(|a| a.is_valid(row))?.value(row);
        let start = self.number(field::LOG_MESSAGE_OFFSET, row)? as usize;
        // The offset counts characters, since SQL's substr does.
        match raw.as_bytes().get(..start) {
            Some(head) if head.is_ascii() => raw.get(start..),
            _ => raw.char_indices().nth(start).map(|(at, _)| &raw[at..]).or(Some("")),
        }
    }

    /// A number column's value; times count as µs.
    pub fn number(&self, field: FieldId, row: usize) -> Option<i128> {
        let array = self.column(field)?;
        if array.is_null(row) {
            return None;
        }
        Some(match field.ty() {
            Type::U16 => array.as_primitive::<UInt16Type>().value(row).into(),
            Type::U32 => array.as_primitive::<UInt32Type>().value(row).into(),
            Type::U64 => array.as_primitive::<UInt64Type>().value(row).into(),
            Type::I64 => array.as_primitive::<Int64Type>().value(row).into(),
            Type::Timestamp => array.as_primitive::<TimestampMicrosecondType>().value(row).into(),
            Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => return None,
        })
    }

    /// Text of a dictionary or long text column (lists joined by `, `), `None` when missing.
    pub fn text(&self, field: FieldId, row: usize) -> Option<&str> {
        match field.ty() {
            Type::LongText if field == field::MESSAGE => self.message(row),
            Type::LongText => self.long_text(field).filter(|a| a.is_valid(row)).map(|a| a.value(row)),
            Type::Text | Type::Ip | Type::TextList => self.dictionary(field).and_then(|d| dictionary_value(d, row)),
            Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp | Type::Id => None,
        }
    }

    /// Any field's value as a person would write it; `None` when missing.
    pub fn display(&self, field: FieldId, row: usize) -> Option<String> {
        match field.ty() {
            Type::Text | Type::Ip | Type::LongText => self.text(field, row).map(str::to_owned),
            Type::TextList => self.text(field, row).map(|t| t.replace(LIST_SEPARATOR, ", ")),
            Type::Id => Some(self.id(row).to_string()),
            Type::Timestamp => self.number(field, row).map(|n| super::time::rfc3339(n as i64)),
            Type::U16 | Type::U32 | Type::U64 | Type::I64 => self.number(field, row).map(|n| n.to_string()),
        }
    }

    /// The same of a field that may have no column of its own.
    pub fn shown(&self, field: &FieldRef, row: usize) -> Option<String> {
        match field {
            FieldRef::Column(id) => self.display(*id, row),
            FieldRef::Extra(name) => dictionary_value(self.extra(name)?, row).map(str::to_owned),
        }
    }

    /// The event as a JSON object with dotted names, `fields.*` included. For people and APIs, not for the hot path.
    pub fn to_json(&self, row: usize) -> serde_json::Map<String, serde_json::Value> {
        let mut object = serde_json::Map::new();
        for id in field::all().filter(|id| *id != field::LOG_MESSAGE_OFFSET) {
            let value = match id.ty() {
                Type::U16 | Type::U32 | Type::U64 | Type::I64 => self
                    .number(id, row)
                    .map(|n| serde_json::Number::from_i128(n).map_or(serde_json::Value::Null, Into::into)),
                Type::TextList => self.text(id, row).map(|t| t.split(LIST_SEPARATOR).collect::<Vec<_>>().into()),
                Type::Text | Type::LongText | Type::Ip | Type::Timestamp | Type::Id => {
                    self.display(id, row).map(Into::into)
                }
            };
            if let Some(value) = value {
                object.insert(id.name().to_owned(), value);
            }
        }
        for (name, column) in &self.extra {
            if let Some(value) = dictionary_value(column, row) {
                object.insert(format!("{}{name}", field::EXTRA_PREFIX), value.into());
            }
        }
        object
    }

    /// A batch of `len` events with these columns (of the types the module names) and `fields.*` columns.
    pub fn from_columns(
        len: usize,
        columns: impl IntoIterator<Item = (FieldId, ArrayRef)>,
        mut extra: Vec<(Arc<str>, Dictionary)>,
    ) -> EventBatch {
        assert!(extra.iter().all(|(_, d)| d.len() == len), "a column has one value an event");
        extra.sort_by(|a, b| a.0.cmp(&b.0));
        let empty = EventBatch { len, columns: vec![None; field::COUNT], extra };
        columns.into_iter().fold(empty, |batch, (field, array)| batch.with_column(field, array))
    }

    /// The batch with another column in place of (or added to) the one it has.
    pub fn with_column(mut self, field: FieldId, array: ArrayRef) -> EventBatch {
        assert_eq!(array.len(), self.len, "a column has one value an event");
        self.columns[field.0 as usize] = Some(array);
        self
    }

    /// The batch with one more tag on the rows where `marked` is true.
    pub fn with_tag(self, tag: &str, marked: &[bool]) -> EventBatch {
        let mut column = DictionaryBuilder::default();
        for (row, marked) in marked.iter().enumerate() {
            match (self.text(field::TAGS, row), marked) {
                (Some(tags), true) => column.set(row, &format!("{tags}{LIST_SEPARATOR}{tag}")),
                (None, true) => column.set(row, tag),
                (Some(tags), false) => column.set(row, tags),
                (None, false) => {}
            }
        }
        let tags = column.finish(self.len);
        self.with_column(field::TAGS, Arc::new(tags))
    }

    /// The rows at these positions, in this order.
    pub fn take(&self, rows: &[u32]) -> EventBatch {
        let indices = UInt32Array::from(rows.to_vec());
        let pick =
            |array: &dyn Array| arrow::compute::take(array, &indices, None).expect("positions lie inside the batch");
        EventBatch {
            len: rows.len(),
            columns: self.columns.iter().map(|c| c.as_ref().map(|a| pick(a.as_ref()))).collect(),
            extra: self.extra.iter().map(|(n, d)| (n.clone(), pick(d).as_dictionary().clone())).collect(),
        }
    }

    /// `len` rows from `offset` on, without copying them.
    pub fn slice(&self, offset: usize, len: usize) -> EventBatch {
        EventBatch {
            len,
            columns: self.columns.iter().map(|c| c.as_ref().map(|a| a.slice(offset, len))).collect(),
            extra: self.extra.iter().map(|(n, d)| (n.clone(), d.slice(offset, len))).collect(),
        }
    }

    /// Rough size of its rows in memory, in bytes; buffers that batches share count for each of them.
    pub fn memory(&self) -> usize {
        let size = |array: &dyn Array| array.to_data().get_slice_memory_size().unwrap_or_default();
        self.columns.iter().flatten().map(|a| size(a.as_ref())).sum::<usize>()
            + self.extra.iter().map(|(_, d)| size(d)).sum::<usize>()
    }
}

/// The value of a dictionary column at a row; `None` when missing.
pub fn dictionary_value(column: &Dictionary, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    Some(column.values().as_string::<i32>().value(column.keys().value(row) as usize))
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_what_was_set_and_miss_the_rest() {
        let mut b = BatchBuilder::new();
        b.set_text(field::USER_NAME, "root");
        b.set_text(field::USER_NAME, "admin");
        b.set_time(field::TIMESTAMP, 5);
        assert!(b.set_number(field::SOURCE_PORT, 22) && !b.set_number(field::SOURCE_PORT, 70_000));
        b.set_list(field::EVENT_CATEGORY, &["iam", "process"]);
        b.push_list(field::EVENT_CATEGORY, "web");
        b.end_row();
        b.set_time(field::TIMESTAMP, 6);
        assert!(b.set_ip(field::SOURCE_IP, "::ffff:1.2.3.4"));
        assert!(!b.set_ip(field::SOURCE_IP, "1.2.3.400"));
        b.set_text(field::EVENT_ORIGINAL, "héad: tail");
        b.set_number(field::LOG_MESSAGE_OFFSET, 6);
        b.set_extra("x.y", "1");
        b.end_row();
        let batch = b.finish();
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.text(field::USER_NAME, 0), Some("admin"));
        assert_eq!(batch.text(field::USER_NAME, 1), None);
        assert_eq!(batch.display(field::EVENT_CATEGORY, 0).as_deref(), Some("iam, process, web"));
        assert_eq!(batch.number(field::SOURCE_PORT, 0), Some(22));
        assert_eq!(batch.text(field::SOURCE_IP, 1), Some("1.2.3.4"));
        assert_eq!(batch.message(1), Some("tail"));
        assert_eq!(batch.times(), &[5, 6]);
        assert_eq!(batch.to_json(1)["fields.x.y"], "1");
        assert_eq!(batch.take(&[1]).text(field::SOURCE_IP, 0), Some("1.2.3.4"));
    }
}
