//! Columns of any type as columns of events. In: an Arrow array. Out: the array that a field has, without the values that it
//! cannot have.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt32Type, UInt64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::tz::TimeZone;

use super::times::{Unit, times};
use crate::event::batch::{Dictionary, DictionaryBuilder, LIST_SEPARATOR, dictionary_value};
use crate::event::field::Type;
use crate::event::id::{EventId, hex};
use crate::event::printable::printable;
use crate::event::time::rfc3339;

/// The column of a field of this type.
pub(super) fn column(array: &ArrayRef, ty: Type, unit: Option<Unit>, zone: &TimeZone) -> Result<ArrayRef, ArrowError> {
    Ok(match ty {
        Type::Text => Arc::new(texts(array, ", ")?),
        Type::TextList => Arc::new(texts(array, "\u{1f}")?),
        Type::LongText => match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8)?,
            _ => cast(&texts(array, ", ")?, &DataType::Utf8)?,
        },
        Type::Ip => Arc::new(addresses(array)?),
        Type::U16 => Arc::new(UInt16Array::from_iter(fitting(array)?)),
        Type::U32 => Arc::new(UInt32Array::from_iter(fitting(array)?)),
        Type::U64 => Arc::new(UInt64Array::from_iter(fitting(array)?)),
        Type::I64 => Arc::new(Int64Array::from_iter(fitting(array)?)),
        Type::Timestamp => Arc::new(TimestampMicrosecondArray::from(times(array, unit, zone)?)),
        // Ids are made with their events.
        Type::Id => array.clone(),
    })
}

/// Whether values are texts.
pub(super) fn is_text(ty: &DataType) -> bool {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Any column as texts; the elements of a list are joined.
pub(super) fn texts(array: &ArrayRef, joint: &str) -> Result<Dictionary, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) if is_text(values) => {
            let ours = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
            Ok(cast(array, &ours)?.as_dictionary::<UInt32Type>().clone())
        }
        DataType::Dictionary(_, values) => texts(&cast(array, values)?, joint),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let plain = cast(array, &DataType::Utf8)?;
            let plain: &StringArray = plain.as_string();
            Ok(coded(plain.len(), |row, set| {
                if plain.is_valid(row) {
                    set(plain.value(row))
                }
            }))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let plain = cast(array, &DataType::LargeBinary)?;
            let plain = plain.as_binary::<i64>();
            Ok(coded(plain.len(), |row, set| {
                if plain.is_valid(row) {
                    set(&bytes_text(plain.value(row)))
                }
            }))
        }
        DataType::Timestamp(..) => {
            let read = times(array, None, &TimeZone::UTC)?;
            Ok(coded(read.len(), |row, set| read[row].iter().for_each(|micros| set(&rfc3339(*micros)))))
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => lists(array, joint),
        _ => {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(array, &options)?;
            Ok(coded(array.len(), |row, set| {
                if array.is_valid(row) {
                    set(&shown.value(row).to_string())
                }
            }))
        }
    }
}

fn coded(len: usize, mut each: impl FnMut(usize, &mut dyn FnMut(&str))) -> Dictionary {
    let mut column = DictionaryBuilder::default();
    (0..len).for_each(|row| each(row, &mut |text| column.set(row, text)));
    column.finish(len)
}

fn lists(array: &ArrayRef, joint: &str) -> Result<Dictionary, ArrowError> {
    let options = FormatOptions::default();
    let mut column = DictionaryBuilder::default();
    for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
        let elements = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().value(row),
            DataType::LargeList(_) => array.as_list::<i64>().value(row),
            _ => array.as_fixed_size_list().value(row),
        };
        let shown = ArrayFormatter::try_new(&elements, &options)?;
        let valid = (0..elements.len()).filter(|at| elements.is_valid(*at));
        let parts: Vec<String> = valid.map(|at| shown.value(at).to_string().replace(LIST_SEPARATOR, " ")).collect();
        if !parts.is_empty() {
            column.set(row, &parts.join(joint));
        }
    }
    Ok(column.finish(array.len()))
}

/// Bytes that are text are text; sixteen others are a UUID.
fn bytes_text(bytes: &[u8]) -> String {
    match (std::str::from_utf8(bytes), <[u8; 16]>::try_from(bytes)) {
        (_, Ok(id)) if std::str::from_utf8(bytes).map_or(true, |t| t.chars().any(char::is_control)) => {
            EventId::from_bytes(id).to_string()
        }
        (Ok(text), _) => text.to_owned(),
        (Err(_), _) => bytes.iter().map(|b| String::from_utf8_lossy(&hex(u128::from(*b))[30..]).into_owned()).collect(),
    }
}

/// What each row's text is read as; each distinct one is read once.
pub(super) fn each<T: Copy>(texts: &Dictionary, read: impl Fn(&str) -> Option<T>) -> Vec<Option<T>> {
    let values: Vec<Option<T>> = texts.values().as_string::<i32>().iter().map(|text| read(text?)).collect();
    texts.keys().iter().map(|code| values[code? as usize]).collect()
}

fn addresses(array: &ArrayRef) -> Result<Dictionary, ArrowError> {
    let len = array.len();
    match array.data_type() {
        ty if ty.is_integer() => {
            let numbers = numbers(array)?;
            let address = |number: i128| u32::try_from(number).ok().map(|bits| Ipv4Addr::from(bits).to_string());
            Ok(coded(len, |row, set| numbers[row].and_then(address).iter().for_each(|text| set(text))))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(4 | 16) => {
            let plain = cast(array, &DataType::LargeBinary)?;
            let plain = plain.as_binary::<i64>();
            let address = |bytes: &[u8]| match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
                (Ok(v4), _) => Some(IpAddr::from(v4)),
                (_, Ok(v6)) => Some(IpAddr::from(v6).to_canonical()),
                (Err(_), Err(_)) => std::str::from_utf8(bytes).ok().and_then(address),
            };
            Ok(coded(len, |row, set| {
                let bytes = plain.is_valid(row).then(|| plain.value(row));
                bytes.and_then(address).iter().for_each(|ip| set(&ip.to_string()));
            }))
        }
        _ => {
            let texts = texts(array, ", ")?;
            let read = each(&texts, address);
            let canonical: Vec<Option<String>> =
                texts.values().as_string::<i32>().iter().map(|t| address(t?).map(|ip| ip.to_string())).collect();
            let code = |row: usize| read[row].map(|_| texts.keys().value(row) as usize);
            Ok(coded(len, |row, set| code(row).and_then(|at| canonical[at].as_ref()).iter().for_each(|ip| set(ip))))
        }
    }
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    // Databases write addresses as networks of one.
    let text = text.strip_suffix(if text.contains(':') { "/128" } else { "/32" }).unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn fitting<T: TryFrom<i128>>(array: &ArrayRef) -> Result<Vec<Option<T>>, ArrowError> {
    Ok(numbers(array)?.into_iter().map(|number| T::try_from(number?).ok()).collect())
}

/// Whole numbers; what is none is `None`.
fn numbers(array: &ArrayRef) -> Result<Vec<Option<i128>>, ArrowError> {
    Ok(match array.data_type() {
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().map(|n| n.map(i128::from)).collect(),
        DataType::Boolean => array.as_boolean().iter().map(|b| b.map(i128::from)).collect(),
        ty if ty.is_integer() => {
            let wide = cast(array, &DataType::Int64)?;
            wide.as_primitive::<Int64Type>().iter().map(|n| n.map(i128::from)).collect()
        }
        ty if ty.is_floating() => {
            let wide = cast(array, &DataType::Float64)?;
            wide.as_primitive::<Float64Type>().iter().map(|n| whole(n?)).collect()
        }
        _ => each(&texts(array, ", ")?, |text| {
            let text = text.trim();
            let based = || i128::from_str_radix(text.strip_prefix("0x")?, 16).ok();
            text.parse::<i128>().ok().or_else(based).or_else(|| whole(text.parse().ok()?))
        }),
    })
}

fn whole(number: f64) -> Option<i128> {
    (number.is_finite() && number.fract() == 0.0).then_some(number as i128)
}

/// A value as its file has it, for messages.
pub(super) fn shown(array: &ArrayRef, row: usize) -> String {
    let whole = match texts(&array.slice(row, 1), ", ") {
        Ok(texts) => dictionary_value(&texts, 0).unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    printable(&whole).chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::*;
    use arrow::datatypes::Int8Type;

    use super::*;

    fn shown_as(array: ArrayRef, ty: Type) -> Vec<String> {
        let column = column(&array, ty, None, &TimeZone::UTC).unwrap();
        (0..column.len()).map(|row| if column.is_null(row) { "-".to_owned() } else { shown(&column, row) }).collect()
    }

    #[test]
    fn values_become_what_fields_hold() {
        let words = || vec![Some("10.0.0.1"), None, Some("::ffff:1.2.3.4"), Some("x"), Some(" 1.2.3.4/32 ")];
        let ips = ["10.0.0.1", "-", "1.2.3.4", "-", "1.2.3.4"];
        assert_eq!(shown_as(Arc::new(StringArray::from(words())), Type::Ip), ips);
        assert_eq!(shown_as(Arc::new(LargeStringArray::from(words())), Type::Ip), ips);
        assert_eq!(shown_as(Arc::new(StringViewArray::from(words())), Type::Ip), ips);
        assert_eq!(shown_as(Arc::new(words().into_iter().collect::<DictionaryArray<Int8Type>>()), Type::Ip), ips);
        assert_eq!(shown_as(Arc::new(UInt32Array::from(vec![0x0a00_0001])), Type::Ip), ["10.0.0.1"]);
        assert_eq!(shown_as(Arc::new(Int64Array::from(vec![-1])), Type::Ip), ["-"]);
        assert_eq!(
            shown_as(Arc::new(BinaryArray::from(vec![&[10u8, 0, 0, 1][..], b"y"])), Type::Ip),
            ["10.0.0.1", "-"]
        );
        let port = |array| shown_as(array, Type::U16);
        assert_eq!(port(Arc::new(Int64Array::from(vec![22, -1, 70_000]))), ["22", "-", "-"]);
        assert_eq!(port(Arc::new(Float64Array::from(vec![22.0, 22.5]))), ["22", "-"]);
        assert_eq!(
            port(Arc::new(StringArray::from(vec!["22", " 80", "0x50", "443.0", "http"]))),
            ["22", "80", "80", "443", "-"]
        );
        assert_eq!(shown_as(Arc::new(UInt64Array::from(vec![u64::MAX])), Type::U64), ["18446744073709551615"]);
        assert_eq!(shown_as(Arc::new(UInt64Array::from(vec![u64::MAX])), Type::I64), ["-"]);
        let text = |array| shown_as(array, Type::Text);
        assert_eq!(text(Arc::new(Int32Array::from(vec![4625]))), ["4625"]);
        assert_eq!(text(Arc::new(BooleanArray::from(vec![true]))), ["true"]);
        assert_eq!(text(Arc::new(BinaryArray::from(vec![&b"ab"[..], &[0xff, 1]]))), ["ab", "ff01"]);
        assert_eq!(text(Arc::new(TimestampSecondArray::from(vec![0]))), ["1970-01-01T00:00:00.000000Z"]);
        let list =
            ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some(vec![Some(1), Some(2)]), None]);
        assert_eq!(text(Arc::new(list.clone())), ["1, 2", "-"]);
        assert_eq!(column(&(Arc::new(list) as ArrayRef), Type::TextList, None, &TimeZone::UTC).unwrap().len(), 2);
        assert_eq!(shown_as(Arc::new(StringArray::from(vec![Some("m"), None])), Type::LongText), ["m", "-"]);
    }
}
