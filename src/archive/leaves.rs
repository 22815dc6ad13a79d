//! Which column of a Parquet file holds which field, and what the file's statistics say of it.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use crate::event::field::{self, FieldId, Type};
use crate::event::schema;
use crate::event::summary::{Facts, Values};

/// Where a file holds a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Nowhere.
    Absent,
    /// In the leaf column of this number, in the form that [`schema::stored_type`] has or one that is read alike.
    At(usize),
    /// In another form, of which nothing is known.
    Other,
}

/// The leaf columns of a file, by field.
pub(super) struct Leaves {
    fields: Vec<Leaf>,
    extra: bool,
}

impl Leaves {
    /// Of a file with this schema; `ours` when weir wrote it.
    pub(super) fn of(schema: &SchemaDescriptor, ours: bool) -> Leaves {
        let names: Vec<String> = schema.columns().iter().map(|c| c.path().parts().join(".")).collect();
        let leaf = |id: FieldId| {
            let mut of_field = names.iter().enumerate().filter(|(_, path)| is_of(path, id.name()));
            match (of_field.next(), of_field.next()) {
                (None, _) => Leaf::Absent,
                // Elements that hold what joins elements are two to us; our own have none.
                (Some(_), _) if id.ty().is_list() && !ours => Leaf::Other,
                (Some((at, path)), None) if fits(&schema.column(at), path, id) => Leaf::At(at),
                (Some(_), _) => Leaf::Other,
            }
        };
        Leaves { fields: field::all().map(leaf).collect(), extra: names.iter().any(|n| is_of(n, schema::EXTRA)) }
    }

    /// Where a field is.
    pub(super) fn leaf(&self, id: FieldId) -> Leaf {
        self.fields[id.0 as usize]
    }

    /// Whether there are `fields.*` values.
    pub(super) fn has_extra(&self) -> bool {
        self.extra
    }
}

/// Whether a leaf's path is that of the column or inside of it.
pub(super) fn is_of(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn fits(column: &ColumnDescriptor, path: &str, id: FieldId) -> bool {
    let logical = column.logical_type_ref();
    let text = column.physical_type() == Physical::BYTE_ARRAY
        && (matches!(logical, Some(LogicalType::String)) || column.converted_type() == ConvertedType::UTF8);
    let flat = column.max_rep_level() == 0 && path == id.name();
    let integer = match column.physical_type() {
        Physical::INT32 | Physical::INT64 => {
            matches!(logical, Some(LogicalType::Integer(_)))
                || logical.is_none() && column.converted_type() == ConvertedType::NONE
        }
        _ => false,
    };
    match id.ty() {
        Type::Text | Type::Ip => text && flat,
        Type::TextList => {
            let inside = path.strip_prefix(id.name()).map(|rest| rest.matches('.').count());
            text && column.max_rep_level() == 1 && inside == Some(2)
        }
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => integer && flat,
        Type::Timestamp => {
            flat && column.physical_type() == Physical::INT64
                && matches!(logical, Some(LogicalType::Timestamp(t)) if t.unit == TimeUnit::MICROS)
        }
        Type::LongText | Type::Id => false,
    }
}

/// What a row group's statistics say of a field.
pub(super) fn facts(leaves: &Leaves, group: &RowGroupMetaData, id: FieldId) -> Facts {
    // These are made of other columns when they have none.
    if [field::EVENT_ID, field::MESSAGE, field::LOG_MESSAGE_OFFSET].contains(&id) {
        return Facts::UNKNOWN;
    }
    match leaves.leaf(id) {
        Leaf::Absent => Facts::MISSING,
        Leaf::Other => Facts::UNKNOWN,
        Leaf::At(at) => of_chunk(group.column(at), group.num_rows(), id),
    }
}

fn of_chunk(chunk: &ColumnChunkMetaData, rows: i64, id: FieldId) -> Facts {
    let Some(statistics) = chunk.statistics() else { return Facts::UNKNOWN };
    let nulls = statistics.null_count_opt();
    let all_null = nulls.is_some_and(|n| n == chunk.num_values() as u64);
    // A list of a null element has a value: an empty text.
    let some = !all_null || id.ty() == Type::TextList;
    if !some {
        return Facts::MISSING;
    }
    let none = nulls != Some(0) || chunk.num_values() < rows;
    let mut values = values(statistics, chunk.column_descr());
    if let (Values::Texts(least, _), Type::TextList, true) = (&mut values, id.ty(), none) {
        least.clear();
    }
    // A number that the field cannot hold is read as missing.
    let none = none || id.ty().is_number() && !matches!(values, Values::Numbers(low, high) if holds(id, low, high));
    Facts { some, none, values }
}

fn holds(id: FieldId, low: i128, high: i128) -> bool {
    let (least, greatest): (i128, i128) = match id.ty() {
        Type::U16 => (0, u16::MAX.into()),
        Type::U32 => (0, u32::MAX.into()),
        Type::U64 => (0, u64::MAX.into()),
        Type::I64 => (i64::MIN.into(), i64::MAX.into()),
        Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Timestamp | Type::Id => return false,
    };
    least <= low && high <= greatest
}

fn values(statistics: &Statistics, column: &ColumnDescriptor) -> Values {
    let signed = !matches!(column.logical_type_ref(), Some(LogicalType::Integer(t)) if !t.is_signed);
    match statistics {
        _ if statistics.is_min_max_deprecated() => Values::Any,
        Statistics::ByteArray(s) => match (s.min_bytes_opt(), s.max_bytes_opt()) {
            (Some(least), Some(greatest)) => Values::Texts(least.to_vec(), greatest.to_vec()),
            _ => Values::Any,
        },
        Statistics::Int32(s) => {
            let number = |v: &i32| if signed { i128::from(*v) } else { i128::from(*v as u32) };
            numbers(s.min_opt().map(number), s.max_opt().map(number))
        }
        Statistics::Int64(s) => {
            let number = |v: &i64| if signed { i128::from(*v) } else { i128::from(*v as u64) };
            numbers(s.min_opt().map(number), s.max_opt().map(number))
        }
        Statistics::Boolean(_)
        | Statistics::Int96(_)
        | Statistics::Float(_)
        | Statistics::Double(_)
        | Statistics::FixedLenByteArray(_) => Values::Any,
    }
}

fn numbers(least: Option<i128>, greatest: Option<i128>) -> Values {
    match (least, greatest) {
        (Some(least), Some(greatest)) if least <= greatest => Values::Numbers(least, greatest),
        _ => Values::Any,
    }
}

/// The text that every row of a chunk has, as the statistics tell it.
pub(super) fn constant(chunk: &ColumnChunkMetaData, rows: i64) -> Option<&str> {
    let statistics = chunk.statistics().filter(|s| !s.is_min_max_deprecated())?;
    match statistics {
        Statistics::ByteArray(s)
            if s.null_count_opt() == Some(0)
                && chunk.num_values() == rows
                && s.min_is_exact()
                && s.max_is_exact()
                && s.min_bytes_opt() == s.max_bytes_opt() =>
        {
            std::str::from_utf8(s.min_bytes_opt()?).ok()
        }
        _ => None,
    }
}

/// Whether a chunk holds nothing.
pub(super) fn is_empty(chunk: &ColumnChunkMetaData) -> bool {
    chunk.statistics().and_then(Statistics::null_count_opt).is_some_and(|n| n == chunk.num_values() as u64)
}
