//! Columnar event batches: what flows from the parsers to the matcher and the archive.
//!
//! An [`EventBatch`] holds one flat Arrow array a field, absent where no row has it. Text is
//! dictionary-coded (`Dictionary<UInt32, Utf8>`), so that later stages do their work once a
//! distinct value instead of once a row; lists are dictionary-coded too, as their elements joined
//! by [`LIST_SEPARATOR`]. Values without a column live in [`EventBatch::extra`], one dictionary
//! column a name. The nested form that Parquet and SQL see is made in [`super::schema`].

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};
use hashbrown::HashTable;
use rustc_hash::FxHashMap;

use super::field::{self, FieldId, Type};
use super::id::EventId;

/// Joins the elements of a list in a dictionary value. ASCII unit separator; it is replaced by a space in elements.
pub const LIST_SEPARATOR: char = '\u{1f}';

/// Dictionary-coded text: the type of all text columns but the long ones.
pub type Dictionary = DictionaryArray<UInt32Type>;

/// Some thousands of events, column by column.
#[derive(Clone, Debug)]
pub struct EventBatch {
    len: usize,
    columns: Vec<Option<ArrayRef>>,
    /// `fields.<name>` columns, sorted by name.
    extra: Vec<(Arc<str>, Dictionary)>,
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

/// Builds a batch row by row: any number of `set_*` calls, then [`BatchBuilder::end_row`].
/// A field set twice in a row keeps the later value. No allocation a row once its columns exist.
#[derive(Default)]
pub struct BatchBuilder {
    len: usize,
    columns: Vec<Option<Column>>,
    extra: FxHashMap<Arc<str>, DictionaryBuilder>,
    scratch: String,
}

enum Column {
    Dictionary(DictionaryBuilder),
    Long(LongBuilder),
    Number(NumberBuilder),
    Ids(Vec<u8>),
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new() -> BatchBuilder {
        BatchBuilder { columns: (0..field::COUNT).map(|_| None).collect(), ..Default::default() }
    }

    /// Finished rows so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row was finished.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of long text so far; a batch is best ended before this reaches a few hundred MiB (Arrow offsets are 32 bit).
    pub fn long_bytes(&self) -> usize {
        self.columns.iter().flatten().map(|c| if let Column::Long(l) = c { l.bytes.len() } else { 0 }).sum()
    }

    fn column(&mut self, field: FieldId) -> &mut Column {
        self.columns[field.0 as usize].get_or_insert_with(|| match field.ty() {
            Type::Text | Type::Ip | Type::TextList => Column::Dictionary(DictionaryBuilder::default()),
            Type::LongText => Column::Long(LongBuilder::default()),
            Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp => Column::Number(NumberBuilder::default()),
            Type::Id => Column::Ids(Vec::new()),
        })
    }

    /// Sets a text, long text or single-element list. Addresses go through [`BatchBuilder::set_ip`].
    pub fn set_text(&mut self, field: FieldId, value: &str) {
        debug_assert!(field.ty() != Type::Ip, "{} takes set_ip", field.name());
        let row = self.len;
        match self.column(field) {
            Column::Dictionary(d) => d.set(row, value),
            Column::Long(l) => l.set(row, value),
            Column::Number(_) | Column::Ids(_) => debug_assert!(false, "{} is not text", field.name()),
        }
    }

    /// Sets an address, in canonical form; returns false, and sets nothing, when `value` is not one.
    pub fn set_ip(&mut self, field: FieldId, value: &str) -> bool {
        let row = self.len;
        let Column::Dictionary(column) = self.column(field) else { return false };
        if is_canonical_v4(value.as_bytes()) {
            column.set(row, value);
            return true;
        }
        match value.parse::<std::net::IpAddr>() {
            Ok(address) => {
                column.set(row, &address.to_canonical().to_string());
                true
            }
            Err(_) => false,
        }
    }

    /// Sets a list; an empty one is a missing value.
    pub fn set_list(&mut self, field: FieldId, values: &[&str]) {
        if values.is_empty() {
            return;
        }
        let mut joined = std::mem::take(&mut self.scratch);
        joined.clear();
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                joined.push(LIST_SEPARATOR);
            }
            if value.contains(LIST_SEPARATOR) {
                joined.push_str(&value.replace(LIST_SEPARATOR, " "));
            } else {
                joined.push_str(value);
            }
        }
        self.set_text(field, &joined);
        self.scratch = joined;
    }

    /// Appends one element to this row's list.
    pub fn push_list(&mut self, field: FieldId, value: &str) {
        let row = self.len;
        let present = match self.column(field) {
            Column::Dictionary(d) => d.get(row).map(str::to_owned),
            Column::Long(_) | Column::Number(_) | Column::Ids(_) => None,
        };
        match present {
            Some(present) => self.set_list(field, &present.split(LIST_SEPARATOR).chain([value]).collect::<Vec<_>>()),
            None => self.set_list(field, &[value]),
        }
    }

    /// Sets a number; returns false, and sets nothing, when it is out of the field's range.
    pub fn set_number(&mut self, field: FieldId, value: i128) -> bool {
        let fits = match field.ty() {
            Type::U16 => u16::try_from(value).is_ok(),
            Type::U32 => u32::try_from(value).is_ok(),
            Type::U64 => u64::try_from(value).is_ok(),
            Type::I64 | Type::Timestamp => i64::try_from(value).is_ok(),
            Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => false,
        };
        let row = self.len;
        if fits && let Column::Number(n) = self.column(field) {
            n.set(row, value as u64);
        }
        fits
    }

    /// Sets a time, µs UTC.
    pub fn set_time(&mut self, field: FieldId, micros: i64) {
        self.set_number(field, micros.into());
    }

    /// Sets the event id.
    pub fn set_id(&mut self, id: EventId) {
        let row = self.len;
        if let Column::Ids(bytes) = self.column(field::EVENT_ID) {
            bytes.resize(row * 16, 0);
            bytes.extend_from_slice(&id.to_bytes());
        }
    }

    /// Sets `fields.<name>`.
    pub fn set_extra(&mut self, name: &str, value: &str) {
        let row = self.len;
        match self.extra.get_mut(name) {
            Some(column) => column.set(row, value),
            None => {
                let mut column = DictionaryBuilder::default();
                column.set(row, value);
                self.extra.insert(name.into(), column);
            }
        }
    }

    /// The text this row has for a dictionary-coded field, if it was set.
    pub fn row_text(&mut self, field: FieldId) -> Option<&str> {
        let row = self.len;
        match self.columns[field.0 as usize].as_ref()? {
            Column::Dictionary(d) => d.get(row),
            Column::Long(_) | Column::Number(_) | Column::Ids(_) => None,
        }
    }

    /// Whether this row has a value for the field.
    pub fn is_set(&self, field: FieldId) -> bool {
        match self.columns[field.0 as usize].as_ref() {
            Some(Column::Dictionary(d)) => d.codes.len() > self.len,
            Some(Column::Long(l)) => l.ends.len() > self.len && *l.valid.last().unwrap_or(&false),
            Some(Column::Number(n)) => n.values.len() > self.len,
            Some(Column::Ids(i)) => i.len() > self.len * 16,
            None => false,
        }
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.len += 1;
    }

    /// The batch of all ended rows; the builder is empty again.
    pub fn finish(&mut self) -> EventBatch {
        let len = std::mem::take(&mut self.len);
        let columns = self
            .columns
            .iter_mut()
            .enumerate()
            .map(|(i, c)| c.take().map(|c| c.finish(FieldId(i as u16).ty(), len)))
            .collect();
        let mut extra: Vec<_> = self.extra.drain().map(|(n, d)| (n, d.finish(len))).collect();
        extra.sort_by(|a, b| a.0.cmp(&b.0));
        EventBatch { len, columns, extra }
    }
}

/// Dotted quad without leading zeros, exactly what `Ipv4Addr` would print.
fn is_canonical_v4(bytes: &[u8]) -> bool {
    if bytes.len() < 7 || bytes.len() > 15 {
        return false;
    }
    let (mut parts, mut value, mut digits) = (0, 0u32, 0);
    for &b in bytes {
        match b {
            b'0'..=b'9' => {
                if digits > 0 && value == 0 {
                    return false;
                }
                value = value * 10 + u32::from(b - b'0');
                digits += 1;
                if value > 255 {
                    return false;
                }
            }
            b'.' if digits > 0 && parts < 3 => {
                parts += 1;
                (value, digits) = (0, 0);
            }
            _ => return false,
        }
    }
    parts == 3 && digits > 0
}

impl Column {
    fn finish(self, ty: Type, len: usize) -> ArrayRef {
        match self {
            Column::Dictionary(d) => Arc::new(d.finish(len)),
            Column::Long(l) => Arc::new(l.finish(len)),
            Column::Number(n) => n.finish(ty, len),
            Column::Ids(mut bytes) => {
                bytes.resize(len * 16, 0);
                Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), None))
            }
        }
    }
}

const MISSING: u32 = u32::MAX;

/// Builds one dictionary-coded column.
#[derive(Default)]
pub struct DictionaryBuilder {
    codes: Vec<u32>,
    ends: Vec<i32>,
    bytes: Vec<u8>,
    index: HashTable<(u64, u32)>,
    missing: usize,
}

impl DictionaryBuilder {
    fn value(&self, code: u32) -> &[u8] {
        let start = if code == 0 { 0 } else { self.ends[code as usize - 1] as usize };
        &self.bytes[start..self.ends[code as usize] as usize]
    }

    /// Sets the value of `row`; rows between the last one set and this one are missing.
    pub fn set(&mut self, row: usize, value: &str) {
        let code = self.code(value.as_bytes());
        if self.codes.len() > row {
            self.codes[row] = code;
            return;
        }
        self.missing += row - self.codes.len();
        self.codes.resize(row, MISSING);
        self.codes.push(code);
    }

    fn get(&self, row: usize) -> Option<&str> {
        let code = *self.codes.get(row)?;
        if code == MISSING {
            return None;
        }
        std::str::from_utf8(self.value(code)).ok()
    }

    fn code(&mut self, value: &[u8]) -> u32 {
        // Logs repeat themselves: the last value is the likeliest.
        if let Some(&last) = self.codes.last()
            && last != MISSING
            && self.value(last) == value
        {
            return last;
        }
        let hash = xxhash_rust::xxh3::xxh3_64(value);
        if let Some(&(_, code)) = self.index.find(hash, |&(h, code)| h == hash && self.value(code) == value) {
            return code;
        }
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len() as i32);
        self.index.insert_unique(hash, (hash, code), |&(h, _)| h);
        code
    }

    /// The column of `len` rows.
    pub fn finish(mut self, len: usize) -> Dictionary {
        self.missing += len - self.codes.len();
        self.codes.resize(len, MISSING);
        let nulls = (self.missing > 0).then(|| NullBuffer::from_iter(self.codes.iter().map(|c| *c != MISSING)));
        if self.missing > 0 {
            for code in self.codes.iter_mut().filter(|c| **c == MISSING) {
                *code = 0;
            }
        }
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.extend_from_slice(&self.ends);
        let values = StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(self.bytes), None);
        let keys = UInt32Array::new(ScalarBuffer::from(self.codes), nulls);
        Dictionary::new(keys, Arc::new(values))
    }
}

#[derive(Default)]
struct LongBuilder {
    ends: Vec<i32>,
    bytes: Vec<u8>,
    valid: Vec<bool>,
}

impl LongBuilder {
    fn pad(&mut self, row: usize) {
        let end = self.bytes.len() as i32;
        self.ends.resize(row, end);
        self.valid.resize(row, false);
    }

    fn set(&mut self, row: usize, value: &str) {
        if self.ends.len() > row {
            let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
            self.bytes.truncate(start);
        }
        self.pad(row);
        self.bytes.extend_from_slice(value.as_bytes());
        self.ends.push(self.bytes.len() as i32);
        self.valid.push(true);
    }

    fn finish(mut self, len: usize) -> StringArray {
        self.pad(len);
        let mut offsets = Vec::with_capacity(len + 1);
        offsets.push(0);
        offsets.extend_from_slice(&self.ends);
        let nulls = self.valid.contains(&false).then(|| NullBuffer::from(self.valid));
        StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(self.bytes), nulls)
    }
}

/// Numbers of every width, as two's complement in 64 bits.
#[derive(Default)]
struct NumberBuilder {
    values: Vec<u64>,
    valid: Vec<bool>,
}

impl NumberBuilder {
    fn set(&mut self, row: usize, value: u64) {
        self.values.resize(row, 0);
        self.valid.resize(row, false);
        self.values.push(value);
        self.valid.push(true);
    }

    fn finish(mut self, ty: Type, len: usize) -> ArrayRef {
        self.values.resize(len, 0);
        self.valid.resize(len, false);
        let nulls = self.valid.contains(&false).then(|| NullBuffer::from(self.valid));
        let values = self.values;
        match ty {
            Type::U16 => Arc::new(UInt16Array::new(values.iter().map(|v| *v as u16).collect(), nulls)),
            Type::U32 => Arc::new(UInt32Array::new(values.iter().map(|v| *v as u32).collect(), nulls)),
            Type::I64 => Arc::new(Int64Array::new(values.iter().map(|v| *v as i64).collect(), nulls)),
            Type::Timestamp => {
                Arc::new(TimestampMicrosecondArray::new(values.iter().map(|v| *v as i64).collect(), nulls))
            }
            Type::U64 | Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => {
                Arc::new(UInt64Array::new(values.into(), nulls))
            }
        }
    }
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
