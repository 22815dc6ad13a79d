//! The nested Arrow form of events, as Parquet stores it and SQL sees it, and the way back.
//!
//! Each dotted prefix is a struct column, so that `SELECT source.ip FROM events` reads as written.
//! Text is `Dictionary<UInt32, Utf8>`, lists are `List<Utf8>`, ids `FixedSizeBinary(16)`, and all
//! `fields.*` values share the column `fields`, `Map<Utf8, Utf8>`.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StringArray, StringBuilder, StructArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit, UInt32Type};
use arrow::error::ArrowError;

use super::batch::{BatchBuilder, EventBatch, LIST_SEPARATOR, dictionary_value};
use super::field::{self, FieldId, Type};

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

static TREE: LazyLock<Vec<Node>> = LazyLock::new(|| {
    let mut nodes = Vec::new();
    for id in field::all() {
        insert(&mut nodes, id.name(), id);
    }
    nodes
});

/// The Arrow type a field is stored as.
pub fn stored_type(ty: Type) -> DataType {
    match ty {
        Type::Text | Type::Ip => DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8)),
        Type::LongText => DataType::Utf8,
        Type::TextList => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
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

fn arrow_field(node: &Node) -> Field {
    match node {
        Node::Leaf(name, id) => Field::new(*name, stored_type(id.ty()), true),
        Node::Struct(name, children) => {
            Field::new(*name, DataType::Struct(children.iter().map(arrow_field).collect()), false)
        }
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<Field> = TREE.iter().map(arrow_field).collect();
    let entry = Field::new("entries", DataType::Struct(entries()), false);
    fields.push(Field::new(EXTRA, DataType::Map(Arc::new(entry), false), true));
    Arc::new(Schema::new(fields))
});

/// The schema of an archived event.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The nested form of a batch, in [`schema`].
pub fn to_record_batch(batch: &EventBatch) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = TREE.iter().map(|n| nested(n, batch)).collect();
    columns.push(extras_to_map(batch));
    RecordBatch::try_new(schema(), columns).expect("columns are built from the schema")
}

fn nested(node: &Node, batch: &EventBatch) -> ArrayRef {
    match node {
        Node::Leaf(_, id) => match batch.column(*id) {
            None => new_null_array(&stored_type(id.ty()), batch.len()),
            Some(array) if id.ty() == Type::TextList => Arc::new(list(array, batch.len())),
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

fn list(joined: &ArrayRef, len: usize) -> ListArray {
    let joined = joined.as_dictionary::<UInt32Type>();
    let (mut values, mut offsets) = (StringBuilder::new(), Vec::with_capacity(len + 1));
    offsets.push(0);
    for row in 0..len {
        if let Some(text) = dictionary_value(joined, row) {
            text.split(LIST_SEPARATOR).for_each(|v| values.append_value(v));
        }
        offsets.push(values.values_len());
    }
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    ListArray::new(item, OffsetBuffer::new(offsets.into()), Arc::new(values.finish()), joined.nulls().cloned())
}

trait ValuesLen {
    fn values_len(&self) -> i32;
}

impl ValuesLen for StringBuilder {
    fn values_len(&self) -> i32 {
        arrow::array::ArrayBuilder::len(self) as i32
    }
}

fn extras_to_map(batch: &EventBatch) -> ArrayRef {
    if batch.extras().is_empty() {
        let DataType::Map(..) = schema().field_with_name(EXTRA).expect("the schema has it").data_type() else {
            unreachable!("fields is a map")
        };
        return new_null_array(schema().field_with_name(EXTRA).expect("the schema has it").data_type(), batch.len());
    }
    let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
    let mut offsets = Vec::with_capacity(batch.len() + 1);
    offsets.push(0);
    let mut valid = Vec::with_capacity(batch.len());
    for row in 0..batch.len() {
        let before = keys.values_len();
        for (name, column) in batch.extras() {
            if let Some(value) = dictionary_value(column, row) {
                keys.append_value(name);
                values.append_value(value);
            }
        }
        offsets.push(keys.values_len());
        valid.push(keys.values_len() > before);
    }
    let pairs = StructArray::new(entries(), vec![Arc::new(keys.finish()), Arc::new(values.finish())], None);
    let entry = Arc::new(Field::new("entries", DataType::Struct(entries()), false));
    Arc::new(MapArray::new(entry, OffsetBuffer::new(offsets.into()), pairs, Some(NullBuffer::from(valid)), false))
}

/// Reads the nested form back. Columns it lacks are missing values, columns it has beyond [`schema`] are ignored;
/// a column of another type is cast. Errors when a cast is impossible.
pub fn from_record_batch(record: &RecordBatch) -> Result<EventBatch, ArrowError> {
    let mut builder = BatchBuilder::new();
    let extra =
        record.column_by_name(EXTRA).map(|a| cast_to(a, schema().field_with_name(EXTRA)?.data_type())).transpose()?;
    for row in 0..record.num_rows() {
        if let Some(map) = extra.as_ref().map(|a| a.as_map()).filter(|m| m.is_valid(row)) {
            let pairs = map.value(row);
            let (keys, values) = (pairs.column(0).as_string::<i32>(), pairs.column(1).as_string::<i32>());
            for i in (0..pairs.len()).filter(|i| values.is_valid(*i)) {
                builder.set_extra(keys.value(i), values.value(i));
            }
        }
        builder.end_row();
    }
    let mut batch = builder.finish();
    for id in field::all() {
        let Some(stored) = find(record, id.name()) else { continue };
        let stored = cast_to(&stored, &stored_type(id.ty()))?;
        if stored.null_count() < stored.len() {
            let flat = if id.ty() == Type::TextList { joined(stored.as_list::<i32>()) } else { stored };
            batch = batch.with_column(id, flat);
        }
    }
    Ok(batch)
}

fn cast_to(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == ty { Ok(array.clone()) } else { cast(array, ty) }
}

fn find(record: &RecordBatch, name: &str) -> Option<ArrayRef> {
    let mut parts = name.split('.');
    let mut array = record.column_by_name(parts.next()?)?.clone();
    for part in parts {
        array = array.as_struct_opt()?.column_by_name(part)?.clone();
    }
    Some(array)
}

fn joined(list: &ListArray) -> ArrayRef {
    let mut column = super::batch::DictionaryBuilder::default();
    for row in (0..list.len()).filter(|row| list.is_valid(*row)) {
        let values = list.value(row);
        let texts: &StringArray = values.as_string();
        let elements: Vec<&str> = texts.iter().flatten().collect();
        if !elements.is_empty() {
            column.set(row, &elements.join("\u{1f}"));
        }
    }
    Arc::new(column.finish(list.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let back = from_record_batch(&to_record_batch(&batch)).unwrap();
        for row in 0..2 {
            assert_eq!(back.to_json(row), batch.to_json(row));
        }
    }
}
