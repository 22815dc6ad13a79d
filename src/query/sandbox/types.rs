//! Names of columns' types, as SQL has them.

use arrow::datatypes::{DataType, Field, IntervalUnit};

use super::value;

/// What SQL calls the type of a column.
pub(super) fn name(field: &Field) -> String {
    if value::is_json(field) { "JSON".to_owned() } else { of(field.data_type()) }
}

fn of(ty: &DataType) -> String {
    let word = match ty {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "UTINYINT",
        DataType::UInt16 => "USMALLINT",
        DataType::UInt32 => "UINTEGER",
        DataType::UInt64 => "UBIGINT",
        DataType::Float16 | DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "BLOB",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Timestamp(_, None) => "TIMESTAMP",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE",
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano)
        | DataType::Duration(_) => "INTERVAL",
        DataType::Decimal128(38, 0) => "HUGEINT",
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => return format!("DECIMAL({digits},{scale})"),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            return format!("{}[]", name(item));
        }
        DataType::FixedSizeList(item, length) => return format!("{}[{length}]", name(item)),
        DataType::Struct(fields) => {
            let members: Vec<String> = fields.iter().map(|f| format!("{} {}", quoted(f.name()), name(f))).collect();
            return format!("STRUCT({})", members.join(", "));
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => return format!("MAP({}, {})", name(&pair[0]), name(&pair[1])),
            _ => "MAP",
        },
        DataType::Dictionary(_, _) => "ENUM",
        DataType::Union(..) => "UNION",
        DataType::RunEndEncoded(_, values) => return name(values),
    };
    word.to_owned()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
