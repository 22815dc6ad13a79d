//! The nested Arrow form of events, as Parquet stores it and SQL sees it, and the way back.
//!
//! Each dotted prefix is a struct column, so that `SELECT source.ip FROM events` reads as written.
//! Text is `Dictionary<UInt32, Utf8>`, lists are lists of it, ids `FixedSizeBinary(16)`, and all
//! `fields.*` values share the column `fields`, `Map<Utf8, Utf8>`. A stored file holds only the
//! [`Columns`] that its events have; the others are missing values. It may have the pieces of raw lines, too, see
//! [`super::line`]; here they are a column without values.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, ListArray, MapArray, RecordBatch, StringArray, StringBuilder,
    StructArray, UInt32Array, new_null_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit, UInt32Type};
use arrow::error::ArrowError;
use rustc_hash::FxHashMap;

use super::batch::{Dictionary, DictionaryBuilder, EventBatch, LIST_SEPARATOR, dictionary_value};
pub use super::columns::Columns;
use super::field::{self, FieldId, Type};
use super::id::EventId;
use super::line;

/// Name of the map column that holds all `fields.*` values.
pub const EXTRA: &str = "fields";

enum Node {
    Leaf(&'static str, FieldId),
    Struct(&'static str, Vec<Node>),
}

fn insert(nodes: &mut Vec<Node>, name: &'static str, id: FieldId) {
    let Some((prefix, rest)) = name.split_once('.') else {
        nodes.push(Node::Leaf(name, id));
        return;
    };
    let position = nodes.iter().position(|n| matches!(n, Node::Struct(s, _) if *s == prefix));
    let at = position.unwrap_or_else(|| {
        nodes.push(Node::Struct(prefix, Vec::new()));
        nodes.len() - 1
    });
    if let Node::Struct(_, children) = &mut nodes[at] {
        insert(children, rest, id);
    }
}

fn tree(columns: &Columns) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in field::all().filter(|id| columns.contains(*id)) {
        insert(&mut nodes, id.name(), id);
    }
    nodes
}

fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", text(), true))
}

/// The Arrow type a field is stored as.
pub fn stored_type(ty: Type) -> DataType {
    match ty {
        Type::Text | Type::Ip => text(),
        Type::LongText => DataType::Utf8,
        Type::TextList => DataType::List(item()),
        Type::U16 => DataType::UInt16,
        Type::U32 => DataType::UInt32,
        Type::U64 => DataType::UInt64,
        Type::I64 => DataType::Int64,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::Id => DataType::FixedSizeBinary(16),
    }
}

fn entries() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)])
}

fn entry() -> Arc<Field> {
    Arc::new(Field::new("entries", DataType::Struct(entries()), false))
}

fn arrow_field(node: &Node) -> Field {
    match node {
        Node::Leaf(name, id) => Field::new(*name, stored_type(id.ty()), true),
        Node::Struct(name, children) => {
            Field::new(*name, DataType::Struct(children.iter().map(arrow_field).collect()), false)
        }
    }
}

/// The schema of stored events that have these columns.
pub fn schema_of(columns: &Columns) -> SchemaRef {
    static FULL: LazyLock<SchemaRef> = LazyLock::new(|| build(&Columns::all()));
    if *columns == Columns::all() { FULL.clone() } else { build(columns) }
}

fn build(columns: &Columns) -> SchemaRef {
    let mut fields: Vec<Field> = tree(columns).iter().map(arrow_field).collect();
    if columns.has_extra() {
        fields.push(Field::new(EXTRA, DataType::Map(entry(), false), true));
    }
    if columns.has_pieces() {
        fields.push(line::stored());
    }
    Arc::new(Schema::new(fields))
}

/// The schema of a stored event with every column.
pub fn schema() -> SchemaRef {
    schema_of(&Columns::all())
}

/// The nested form of a batch, with all columns.
pub fn to_record_batch(batch: &EventBatch) -> RecordBatch {
    to_record_batch_of(batch, &Columns::all())
}

/// The nested form of a batch, with these columns, in [`schema_of`] them.
pub fn to_record_batch_of(batch: &EventBatch, columns: &Columns) -> RecordBatch {
    let mut arrays: Vec<ArrayRef> = tree(columns).iter().map(|n| nested(n, batch)).collect();
    if columns.has_extra() {
        arrays.push(extras_to_map(batch));
    }
    if columns.has_pieces() {
        arrays.push(line::absent(batch.len()));
    }
    RecordBatch::try_new(schema_of(columns), arrays).expect("columns are built from the schema")
}

fn nested(node: &Node, batch: &EventBatch) -> ArrayRef {
    match node {
        Node::Leaf(_, id) => match batch.column(*id) {
            None => new_null_array(&stored_type(id.ty()), batch.len()),
            Some(array) if id.ty() == Type::TextList => Arc::new(list(array.as_dictionary())),
            Some(array) => array.clone(),
        },
        Node::Struct(_, children) => {
            let fields = children.iter().map(arrow_field).collect::<Fields>();
            let arrays = children.iter().map(|c| nested(c, batch)).collect();
            Arc::new(
                StructArray::try_new_with_length(fields, arrays, None, batch.len()).expect("children match the tree"),
            )
        }
    }
}

/// Each distinct joined list is split once; rows copy its codes.
fn list(joined: &Dictionary) -> ListArray {
    let values: &StringArray = joined.values().as_string();
    let mut elements = DictionaryBuilder::default();
    let mut spans = Vec::with_capacity(values.len());
    let mut count = 0;
    for value in values.iter() {
        let start = count;
        for element in value.unwrap_or_default().split(LIST_SEPARATOR) {
            elements.set(count, element);
            count += 1;
        }
        spans.push(start..count);
    }
    let elements = elements.finish(count);
    let mut codes = Vec::with_capacity(joined.len());
    let mut offsets = Vec::with_capacity(joined.len() + 1);
    offsets.push(0);
    for row in 0..joined.len() {
        if joined.is_valid(row) {
            codes.extend_from_slice(&elements.keys().values()[spans[joined.keys().value(row) as usize].clone()]);
        }
        offsets.push(codes.len() as i32);
    }
    let items = Dictionary::new(UInt32Array::from(codes), elements.values().clone());
    ListArray::new(item(), OffsetBuffer::new(offsets.into()), Arc::new(items), joined.nulls().cloned())
}

fn extras_to_map(batch: &EventBatch) -> ArrayRef {
    if batch.extras().is_empty() {
        return new_null_array(&DataType::Map(entry(), false), batch.len());
    }
    let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
    let mut offsets = Vec::with_capacity(batch.len() + 1);
    let mut valid = Vec::with_capacity(batch.len());
    let mut count = 0;
    offsets.push(0);
    for row in 0..batch.len() {
        let before = count;
        for (name, column) in batch.extras() {
            if let Some(value) = dictionary_value(column, row) {
                keys.append_value(name);
                values.append_value(value);
                count += 1;
            }
        }
        offsets.push(count);
        valid.push(count > before);
    }
    let pairs = StructArray::new(entries(), vec![Arc::new(keys.finish()), Arc::new(values.finish())], None);
    Arc::new(MapArray::new(entry(), OffsetBuffer::new(offsets.into()), pairs, Some(NullBuffer::from(valid)), false))
}

/// Reads the nested form back. Columns it lacks are missing values, columns it has beyond [`schema`] are ignored;
/// a column of another type is cast; a flat column with a dotted name stands for the nested one. Errors when a cast
/// is impossible.
pub fn from_record_batch(record: &RecordBatch) -> Result<EventBatch, ArrowError> {
    let mut columns = Vec::new();
    for id in field::all() {
        let Some(stored) = find(record, id.name()) else { continue };
        if stored.null_count() == stored.len() {
            continue;
        }
        let stored = if id.ty() == Type::Id { ids(&stored)? } else { cast_to(&stored, &stored_type(id.ty()))? };
        columns.push((id, if id.ty() == Type::TextList { joined(stored.as_list::<i32>()) } else { stored }));
    }
    let extra = match record.column_by_name(EXTRA) {
        Some(stored) if stored.null_count() < stored.len() => {
            split(cast_to(stored, &DataType::Map(entry(), false))?.as_map())
        }
        _ => Vec::new(),
    };
    Ok(EventBatch::from_columns(record.num_rows(), columns, extra))
}

/// Ids may come as text, as SQL writes them.
fn ids(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Utf8 = array.data_type() else { return cast_to(array, &stored_type(Type::Id)) };
    let mut bytes = Vec::with_capacity(array.len() * 16);
    for text in array.as_string::<i32>() {
        let id: EventId = match text {
            Some(text) => text.parse().map_err(|e| ArrowError::from_external_error(Box::new(e)))?,
            None => EventId::default(),
        };
        bytes.extend_from_slice(&id.to_bytes());
    }
    Ok(Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), None)))
}

fn cast_to(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == ty { Ok(array.clone()) } else { cast(array, ty) }
}

fn find(record: &RecordBatch, name: &str) -> Option<ArrayRef> {
    if let Some(flat) = record.column_by_name(name) {
        return Some(flat.clone());
    }
    let mut parts = name.split('.');
    let mut array = record.column_by_name(parts.next()?)?.clone();
    for part in parts {
        let parent = array.as_struct_opt()?;
        let child = parent.column_by_name(part)?.clone();
        array = match parent.nulls() {
            Some(nulls) if nulls.null_count() > 0 => masked(&child, nulls)?,
            _ => child,
        };
    }
    Some(array)
}

/// A child is missing where its struct is.
pub(crate) fn masked(child: &ArrayRef, nulls: &NullBuffer) -> Option<ArrayRef> {
    let nulls = NullBuffer::union(child.nulls(), Some(nulls));
    let data = child.to_data().into_builder().nulls(nulls).build().ok()?;
    Some(arrow::array::make_array(data))
}

const UNSEEN: u32 = u32::MAX;

/// Logs repeat few lists: each distinct run of codes is joined once.
fn joined(list: &ListArray) -> ArrayRef {
    let items = list.values().as_dictionary::<UInt32Type>();
    let codes = items.keys();
    // Most lists have one element: these are found by its code.
    let mut alone = vec![UNSEEN; items.values().len()];
    let mut seen: FxHashMap<&[u32], u32> = FxHashMap::default();
    let mut distinct: Vec<String> = Vec::new();
    let mut keys = Vec::with_capacity(list.len());
    let mut valid = Vec::with_capacity(list.len());
    for (row, span) in list.offsets().windows(2).enumerate() {
        let span = span[0] as usize..span[1] as usize;
        let present = list.is_valid(row) && !span.is_empty();
        valid.push(present);
        if !present {
            keys.push(0);
            continue;
        }
        let only = (span.len() == 1 && items.is_valid(span.start)).then(|| codes.values()[span.start] as usize);
        if let Some(key) = only.map(|code| alone[code]).filter(|key| *key != UNSEEN) {
            keys.push(key);
            continue;
        }
        let key = *seen.entry(&codes.values()[span.clone()]).or_insert_with(|| {
            let elements: Vec<&str> = span.filter_map(|at| dictionary_value(items, at)).collect();
            distinct.push(elements.join("\u{1f}"));
            distinct.len() as u32 - 1
        });
        if let Some(code) = only {
            alone[code] = key;
        }
        keys.push(key);
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let keys = UInt32Array::new(ScalarBuffer::from(keys), nulls);
    Arc::new(Dictionary::new(keys, Arc::new(StringArray::from(distinct))))
}

fn split(map: &MapArray) -> Vec<(Arc<str>, Dictionary)> {
    let (keys, values): (&StringArray, &StringArray) = (map.keys().as_string(), map.values().as_string());
    let mut columns: FxHashMap<&str, DictionaryBuilder> = FxHashMap::default();
    for row in (0..map.len()).filter(|row| map.is_valid(*row)) {
        for at in map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize {
            if values.is_valid(at) {
                columns.entry(keys.value(at)).or_default().set(row, values.value(at));
            }
        }
    }
    columns.into_iter().map(|(name, mut column)| (Arc::from(name), column.finish(map.len()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BatchBuilder;

    #[test]
    fn nested_form_round_trips() {
        let mut b = BatchBuilder::new();
        b.set_time(field::TIMESTAMP, 1);
        b.set_list(field::EVENT_CATEGORY, &["iam", "process"]);
        b.set_text(field::SOURCE_GEO_COUNTRY, "NO");
        b.set_extra("EventData.X", "1");
        b.end_row();
        b.set_time(field::TIMESTAMP, 2);
        b.set_number(field::SOURCE_PORT, 22);
        b.end_row();
        let batch = b.finish();
        for columns in [Columns::all(), Columns::of(&batch)] {
            let back = from_record_batch(&to_record_batch_of(&batch, &columns)).unwrap();
            for row in 0..2 {
                assert_eq!(back.to_json(row), batch.to_json(row));
            }
            assert_eq!(Columns::of(&back), Columns::of(&batch));
        }
    }
}
