//! Times as others write them. In: a column of any type. Out: instants, µs UTC.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use jiff::civil;
use jiff::tz::TimeZone;

use super::convert::{each, is_text, texts};
use crate::event::time::{DAY, SECOND, parse_rfc3339};

/// What a number counts since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Second,
    Milli,
    Micro,
    Nano,
}

impl Unit {
    pub(super) fn named(name: &str) -> Option<Unit> {
        Some(match name {
            "s" => Unit::Second,
            "ms" => Unit::Milli,
            "us" | "µs" => Unit::Micro,
            "ns" => Unit::Nano,
            _ => return None,
        })
    }

    /// The one with which a number is a time of the years 1973 to 5138, which holds for one only; small numbers are seconds.
    pub(super) fn of(value: f64) -> Unit {
        match value.abs() {
            ..1e11 => Unit::Second,
            ..1e14 => Unit::Milli,
            ..1e17 => Unit::Micro,
            _ => Unit::Nano,
        }
    }

    pub(super) fn micros(self, value: i64) -> Option<i64> {
        match self {
            Unit::Second => value.checked_mul(SECOND),
            Unit::Milli => value.checked_mul(1000),
            Unit::Micro => Some(value),
            Unit::Nano => Some(value.div_euclid(1000)),
        }
    }

    fn micros_of(self, value: f64) -> Option<i64> {
        let scale = match self {
            Unit::Second => 1e6,
            Unit::Milli => 1e3,
            Unit::Micro => 1.0,
            Unit::Nano => 1e-3,
        };
        let micros = (value * scale).round();
        (micros.is_finite() && micros.abs() < 9.2e18).then_some(micros as i64)
    }
}

impl From<TimeUnit> for Unit {
    fn from(unit: TimeUnit) -> Unit {
        match unit {
            TimeUnit::Second => Unit::Second,
            TimeUnit::Millisecond => Unit::Milli,
            TimeUnit::Microsecond => Unit::Micro,
            TimeUnit::Nanosecond => Unit::Nano,
        }
    }
}

/// The times that can be written: of the years 0 to 9999, µs.
const YEARS: std::ops::Range<i64> = -62_167_219_200 * SECOND..253_402_300_800 * SECOND;

/// Reads a column as times: timestamps and days of any kind, numbers since 1970, and texts. What is missing or is no time is `None`.
/// Numbers are of `unit`, or else each of the one that makes a time of our days of it; times without a zone are of `zone`.
pub(super) fn times(array: &ArrayRef, unit: Option<Unit>, zone: &TimeZone) -> Result<Vec<Option<i64>>, ArrowError> {
    let number = |value: i64| unit.unwrap_or_else(|| Unit::of(value as f64)).micros(value);
    let mut read = read(array, unit, zone, &number)?;
    // Infinity is a time to some, and is none.
    read.iter_mut().for_each(|time| *time = time.filter(|time| YEARS.contains(time)));
    Ok(read)
}

fn read(
    array: &ArrayRef,
    unit: Option<Unit>,
    zone: &TimeZone,
    number: &dyn Fn(i64) -> Option<i64>,
) -> Result<Vec<Option<i64>>, ArrowError> {
    let local = |micros: i64| {
        if *zone == TimeZone::UTC {
            Some(micros)
        } else {
            in_zone(jiff::Timestamp::from_microsecond(micros).ok()?, zone)
        }
    };
    Ok(match array.data_type() {
        DataType::Timestamp(of, named) => {
            let of = Unit::from(*of);
            let counts = cast(array, &DataType::Int64)?;
            let zoned = |value: i64| {
                of.micros(value).and_then(|micros| if named.is_some() { Some(micros) } else { local(micros) })
            };
            counts.as_primitive::<Int64Type>().iter().map(|value| zoned(value?)).collect()
        }
        DataType::Date32 | DataType::Date64 => {
            let days = cast(&cast(array, &DataType::Date32)?, &DataType::Int32)?;
            let days = cast(&days, &DataType::Int64)?;
            days.as_primitive::<Int64Type>().iter().map(|day| local(day?.checked_mul(DAY)?)).collect()
        }
        ty if ty.is_integer() => {
            cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().iter().map(|value| number(value?)).collect()
        }
        ty if ty.is_floating() || ty.is_decimal() => {
            let of = |value: f64| unit.unwrap_or_else(|| Unit::of(value)).micros_of(value);
            cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().iter().map(|value| of(value?)).collect()
        }
        ty if is_text(ty) => each(&texts(array, ", ")?, |text| written(text, unit, zone)),
        _ => vec![None; array.len()],
    })
}

/// The instant of a clock in a zone that showed what this one shows in UTC.
fn in_zone(shown: jiff::Timestamp, zone: &TimeZone) -> Option<i64> {
    let shown = jiff::tz::Offset::UTC.to_datetime(shown);
    zone.to_ambiguous_timestamp(shown).compatible().ok().map(|t| t.as_microsecond())
}

/// An instant as text: RFC 3339, the same without a zone, a day, or a number since 1970.
pub(super) fn written(text: &str, unit: Option<Unit>, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let zoneless = || {
        let read = text.parse::<civil::DateTime>().ok();
        let read = read.filter(|_| !text.ends_with(['Z', 'z']))?;
        zone.to_ambiguous_timestamp(read).compatible().ok().map(|t| t.as_microsecond())
    };
    let number = || match text.parse::<i64>() {
        Ok(value) => unit.unwrap_or_else(|| Unit::of(value as f64)).micros(value),
        Err(_) => {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
            unit.unwrap_or_else(|| Unit::of(value)).micros_of(value)
        }
    };
    match text.as_bytes() {
        [b'0'..=b'9', .., b'0'..=b'9'] if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => number(),
        _ => parse_rfc3339(text).or_else(zoneless).or_else(number),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;

    use super::*;

    const AT: i64 = 1_768_473_045_123_456;

    #[test]
    fn times_of_all_kinds_are_read() {
        let millis = AT / 1000 * 1000;
        let oslo = TimeZone::get("Europe/Oslo").unwrap();
        let utc = TimeZone::UTC;
        let of = |array: ArrayRef, zone: &TimeZone| times(&array, None, zone).unwrap();
        let micros = TimestampMicrosecondArray::from(vec![Some(AT), None]);
        assert_eq!(of(Arc::new(micros.clone()), &utc), [Some(AT), None]);
        assert_eq!(of(Arc::new(micros.clone()), &oslo), [Some(AT - 3600 * SECOND), None]);
        assert_eq!(of(Arc::new(micros.with_timezone("America/New_York")), &oslo), [Some(AT), None]);
        let endless = TimestampMicrosecondArray::from(vec![i64::MAX, -i64::MAX, i64::MIN]);
        assert_eq!(of(Arc::new(endless), &utc), [None; 3]);
        assert_eq!(of(Arc::new(TimestampNanosecondArray::from(vec![AT * 1000 + 789])), &utc), [Some(AT)]);
        assert_eq!(of(Arc::new(TimestampMillisecondArray::from(vec![AT / 1000])), &utc), [Some(millis)]);
        assert_eq!(of(Arc::new(TimestampSecondArray::from(vec![i64::MAX])), &utc), [None], "too far away");
        assert_eq!(of(Arc::new(Date32Array::from(vec![1])), &utc), [Some(DAY)]);
        for number in [AT / SECOND, AT / 1000, AT, AT * 1000] {
            let read = of(Arc::new(Int64Array::from(vec![number])), &utc)[0].unwrap();
            assert_eq!(read / SECOND, AT / SECOND, "{number}");
        }
        assert_eq!(of(Arc::new(Int32Array::from(vec![(AT / SECOND) as i32])), &utc)[0], Some(AT / SECOND * SECOND));
        assert_eq!(of(Arc::new(Float64Array::from(vec![1_768_473_045.123_456, f64::NAN])), &utc), [Some(AT), None]);
        assert_eq!(of(Arc::new(BooleanArray::from(vec![true])), &utc), [None]);
        let fixed = times(&(Arc::new(Int64Array::from(vec![5])) as ArrayRef), Some(Unit::Milli), &utc).unwrap();
        assert_eq!(fixed, [Some(5000)]);
    }

    #[test]
    fn times_as_text_are_read() {
        let (utc, oslo) = (TimeZone::UTC, TimeZone::get("Europe/Oslo").unwrap());
        for text in [
            "2026-01-15T10:30:45.123456Z",
            "2026-01-15T11:30:45.123456+01:00",
            " 2026-01-15 10:30:45.123456",
            "2026-01-15 10:30:45.123456+00",
            "2026-01-15 10:30:45.123456 UTC",
            "1768473045.123456",
            "1768473045123456",
        ] {
            assert_eq!(written(text, None, &utc), Some(AT), "{text}");
        }
        assert_eq!(written("2026-01-15 11:30:45.123456", None, &oslo), Some(AT));
        assert_eq!(written("1970-01-02", None, &utc), Some(DAY));
        for text in ["", "soon", "2026-13-01", "NaN", "-", "10:30"] {
            assert_eq!(written(text, None, &utc), None, "{text}");
        }
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("2026-01-15T10:30:45.123456Z"), None, Some("x")]));
        assert_eq!(times(&array, None, &utc).unwrap(), [Some(AT), None, None]);
        assert_eq!(written("20260115", Some(Unit::Second), &utc), Some(20_260_115 * SECOND));
    }
}
