//! Many batches in, one sorted batch out.
//!
//! Dictionaries are united once a distinct value, not once a row. Values that no row uses are left out,
//! so a few rows of a large batch become a small batch.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, FixedSizeBinaryArray, PrimitiveArray, StringArray, UInt32Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};

use super::rows::{Place, Rows};
use super::texts::Texts;
use crate::event::batch::Dictionary;
use crate::event::field::{self, Type};
use crate::event::{EventBatch, FieldId};

/// All events of the batches by time; see [`Rows::sorted`].
pub(super) fn sorted(batches: &[EventBatch]) -> EventBatch {
    gather(batches, Rows::sorted(batches).places())
}

/// These rows, without the dictionary values that they do not use.
pub(super) fn gather(batches: &[EventBatch], places: &[Place]) -> EventBatch {
    let columns = field::all().filter_map(|id| Some((id, column(batches, places, id)?)));
    let columns: Vec<(FieldId, ArrayRef)> = columns.collect();
    let mut names: Vec<Arc<str>> = batches.iter().flat_map(|b| b.extras().iter().map(|(n, _)| n.clone())).collect();
    names.sort_unstable();
    names.dedup();
    let extra = names.into_iter().filter_map(|name| {
        let parts: Vec<_> = batches.iter().map(|b| b.extra(&name)).collect();
        Some((name, dictionary(&parts, places)?))
    });
    EventBatch::from_columns(places.len(), columns, extra.collect())
}

fn column(batches: &[EventBatch], places: &[Place], id: FieldId) -> Option<ArrayRef> {
    if batches.iter().all(|b| b.column(id).is_none()) {
        return None;
    }
    let parts: Vec<Option<&ArrayRef>> = batches.iter().map(|b| b.column(id)).collect();
    match id.ty() {
        Type::Text | Type::Ip | Type::TextList => {
            let parts: Vec<_> = batches.iter().map(|b| b.dictionary(id)).collect();
            dictionary(&parts, places).map(|d| Arc::new(d) as ArrayRef)
        }
        Type::LongText => long(&parts, places),
        Type::U16 => numbers::<UInt16Type>(&parts, places),
        Type::U32 => numbers::<UInt32Type>(&parts, places),
        Type::U64 => numbers::<UInt64Type>(&parts, places),
        Type::I64 => numbers::<Int64Type>(&parts, places),
        Type::Timestamp => numbers::<TimestampMicrosecondType>(&parts, places),
        Type::Id => Some(ids(&parts, places)),
    }
}

/// Where a column is missing in some batch or row; `None` when it is everywhere.
fn nulls<'a>(parts: &[Option<&'a (impl Array + ?Sized + 'a)>], places: &[Place]) -> Option<NullBuffer> {
    let masks: Vec<Option<Option<&NullBuffer>>> = parts.iter().map(|p| p.map(|a| a.nulls())).collect();
    if masks.iter().all(|m| matches!(m, Some(None))) {
        return None;
    }
    let nulls = NullBuffer::from_iter(places.iter().map(|&(b, row)| match masks[b as usize] {
        None => false,
        Some(None) => true,
        Some(Some(mask)) => mask.is_valid(row as usize),
    }));
    (nulls.null_count() > 0).then_some(nulls)
}

fn numbers<T: ArrowPrimitiveType>(parts: &[Option<&ArrayRef>], places: &[Place]) -> Option<ArrayRef> {
    let nulls = nulls(&parts.iter().map(|p| p.map(|a| a.as_ref())).collect::<Vec<_>>(), places);
    if nulls.as_ref().is_some_and(|n| n.null_count() == places.len()) {
        return None;
    }
    let values: Vec<&[T::Native]> =
        parts.iter().map(|p| p.map_or(&[][..], |a| &a.as_primitive::<T>().values()[..])).collect();
    let picked: Vec<T::Native> =
        places.iter().map(|&(b, row)| values[b as usize].get(row as usize).copied().unwrap_or_default()).collect();
    Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(picked), nulls)))
}

fn ids(parts: &[Option<&ArrayRef>], places: &[Place]) -> ArrayRef {
    let arrays: Vec<Option<&FixedSizeBinaryArray>> =
        parts.iter().map(|p| p.map(|a| a.as_fixed_size_binary())).collect();
    let mut bytes = Vec::with_capacity(places.len() * 16);
    for &(b, row) in places {
        match arrays[b as usize] {
            Some(array) => bytes.extend_from_slice(array.value(row as usize)),
            None => bytes.extend_from_slice(&[0; 16]),
        }
    }
    Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), None))
}

/// Arrow's text offsets are 32 bit, so the callers bound what they gather (see `sink`).
fn long(parts: &[Option<&ArrayRef>], places: &[Place]) -> Option<ArrayRef> {
    let nulls = nulls(&parts.iter().map(|p| p.map(|a| a.as_ref())).collect::<Vec<_>>(), places);
    if nulls.as_ref().is_some_and(|n| n.null_count() == places.len()) {
        return None;
    }
    let arrays: Vec<Option<&StringArray>> = parts.iter().map(|p| p.map(|a| a.as_string::<i32>())).collect();
    let mut bytes = Vec::with_capacity(arrays.iter().flatten().map(|a| a.value_data().len()).sum());
    let mut offsets = Vec::with_capacity(places.len() + 1);
    offsets.push(0i32);
    for (at, &(b, row)) in places.iter().enumerate() {
        if let Some(array) = arrays[b as usize]
            && nulls.as_ref().is_none_or(|n| n.is_valid(at))
        {
            bytes.extend_from_slice(array.value(row as usize).as_bytes());
        }
        offsets.push(bytes.len() as i32);
    }
    Some(Arc::new(StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(bytes), nulls)))
}

const UNSEEN: u32 = u32::MAX;

fn dictionary(parts: &[Option<&Dictionary>], places: &[Place]) -> Option<Dictionary> {
    let nulls = nulls(parts, places);
    if nulls.as_ref().is_some_and(|n| n.null_count() == places.len()) {
        return None;
    }
    let mut united = Texts::default();
    let values: Vec<Option<&StringArray>> = parts.iter().map(|p| p.map(|d| d.values().as_string())).collect();
    let keys: Vec<&[u32]> = parts.iter().map(|p| p.map_or(&[][..], |d| &d.keys().values()[..])).collect();
    let mut renumbered: Vec<Vec<u32>> = values.iter().map(|v| vec![UNSEEN; v.map_or(0, |v| v.len())]).collect();
    let mut codes = Vec::with_capacity(places.len());
    for (at, &(b, row)) in places.iter().enumerate() {
        if nulls.as_ref().is_some_and(|n| n.is_null(at)) {
            codes.push(0);
            continue;
        }
        let old = keys[b as usize][row as usize] as usize;
        let mut new = renumbered[b as usize][old];
        if new == UNSEEN {
            new = united.code(values[b as usize].map_or("", |v| v.value(old)));
            renumbered[b as usize][old] = new;
        }
        codes.push(new);
    }
    Some(Dictionary::new(UInt32Array::new(ScalarBuffer::from(codes), nulls), Arc::new(united.finish())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BatchBuilder, EventId};

    fn batch(times: &[i64], extra: bool) -> EventBatch {
        let mut b = BatchBuilder::new();
        for &t in times {
            b.set_time(field::TIMESTAMP, t);
            b.set_id(EventId::from_bits(1000 - t as u128));
            b.set_text(field::USER_NAME, &format!("u{}", t % 3));
            if t % 2 == 0 {
                b.set_text(field::EVENT_ORIGINAL, &format!("line {t}"));
                b.set_number(field::SOURCE_PORT, t.into());
            }
            if extra {
                b.set_extra("k", &t.to_string());
                b.set_list(field::EVENT_TYPE, &["a", "b"]);
            }
            b.end_row();
        }
        b.finish()
    }

    #[test]
    fn events_come_out_sorted_and_whole() {
        let parts = [batch(&[5, 1, 3], true), batch(&[4, 1, 2, 9], false)];
        let all = sorted(&parts);
        assert_eq!(all.times(), &[1, 1, 2, 3, 4, 5, 9]);
        let mut expected: Vec<_> =
            parts.iter().flat_map(|p| (0..p.len()).map(|r| (p.times()[r], p.to_json(r)))).collect();
        expected.sort_by_key(|(t, _)| *t);
        for (row, (_, json)) in expected.iter().enumerate() {
            assert_eq!(all.to_json(row), *json);
        }
        let few = gather(&[all], &[(0, 6)]);
        assert_eq!(few.dictionary(field::USER_NAME).unwrap().values().len(), 1);
        assert_eq!(few.to_json(0), expected[6].1);
        assert!(few.column(field::EVENT_TYPE).is_none());
    }
}
