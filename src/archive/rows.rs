//! Rows of many batches in one order, column by column.
//!
//! In come batches, out go the columns of all their rows as flat vectors, sorted by time. Missing values are left
//! out of the vectors and noted beside them. Work on texts is done once a distinct value of a batch, not once a row.

use arrow::array::{Array, ArrowPrimitiveType, AsArray, StringArray};
use arrow::buffer::BooleanBuffer;

use super::texts::Texts;
use crate::event::batch::Dictionary;
use crate::event::deal::deal;
use crate::event::{EventBatch, FieldId, field};

/// Batch and row.
pub(super) type Place = (u32, u32);

/// Rows of batches, in an order.
pub(super) struct Rows<'a> {
    batches: &'a [EventBatch],
    places: Vec<Place>,
    /// For each row its number when the batches stand one after the other; `None` when they do.
    order: Option<Vec<u32>>,
}

/// One column: the values that there are, and which rows have one; `None` when all have.
pub(super) struct Column<T> {
    pub(super) values: T,
    pub(super) valid: Option<BooleanBuffer>,
}

/// Codes of texts.
pub(super) enum Codes {
    /// The first text, so many times.
    Same(usize),
    Each(Vec<u32>),
}

/// The code of a row without a text.
pub(super) const MISSING: u32 = u32::MAX;

impl Column<Codes> {
    /// Of the codes of all rows, [`MISSING`] where there is no text.
    pub(super) fn coded(codes: Vec<u32>) -> Column<Codes> {
        if !codes.contains(&MISSING) {
            return Column { values: Codes::Each(codes), valid: None };
        }
        let valid = BooleanBuffer::from_iter(codes.iter().map(|code| *code != MISSING));
        Column { values: Codes::Each(codes.into_iter().filter(|code| *code != MISSING).collect()), valid: Some(valid) }
    }
}

impl<'a> Rows<'a> {
    /// All rows by time. Rows of one time stay in the order in which they came, which is the order of their file and
    /// compresses best.
    pub(super) fn sorted(batches: &'a [EventBatch]) -> Rows<'a> {
        let mut rows = Rows::unsorted(batches);
        let mut times: Vec<i64> = Vec::with_capacity(rows.places.len());
        for batch in batches {
            times.extend(batch.times());
            times.resize(times.len() + batch.len() - batch.times().len(), 0);
        }
        if !times.is_sorted() {
            let mut order: Vec<u32> = (0..times.len() as u32).collect();
            let time = |at: u32| times[at as usize];
            deal(
                &mut order,
                |at| time(at).wrapping_sub(i64::MIN) as u64,
                |few| {
                    if !few.is_sorted_by_key(|at| time(*at)) {
                        few.sort_by_key(|at| time(*at));
                    }
                },
            );
            rows.places = order.iter().map(|row| rows.places[*row as usize]).collect();
            rows.order = Some(order);
        }
        rows
    }

    /// All rows as they come.
    pub(super) fn unsorted(batches: &'a [EventBatch]) -> Rows<'a> {
        let places = |(b, batch): (usize, &EventBatch)| (0..batch.len() as u32).map(move |row| (b as u32, row));
        Rows { batches, places: batches.iter().enumerate().flat_map(places).collect(), order: None }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn batches(&self) -> &'a [EventBatch] {
        self.batches
    }

    /// Where each row lies.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The time of a row.
    pub(super) fn time(&self, at: usize) -> i64 {
        let (batch, row) = self.places[at];
        self.batches[batch as usize].times().get(row as usize).copied().unwrap_or_default()
    }

    fn arrange<T: Copy>(&self, flat: Vec<T>) -> Vec<T> {
        match &self.order {
            Some(order) => order.iter().map(|row| flat[*row as usize]).collect(),
            None => flat,
        }
    }

    /// A column of numbers, signed ones by their bits.
    pub(super) fn numbers<T: ArrowPrimitiveType>(
        &self,
        id: FieldId,
        number: impl Fn(T::Native) -> i64,
    ) -> Column<Vec<i64>> {
        let mut flat = Vec::with_capacity(self.len());
        for batch in self.batches {
            match batch.column(id) {
                Some(array) => flat.extend(array.as_primitive::<T>().values().iter().map(|n| number(*n))),
                None => flat.resize(flat.len() + batch.len(), 0),
            }
        }
        let values = self.arrange(flat);
        let Some(valid) = self.valid(|batch| batch.column(id).map(|a| a.as_ref())) else {
            return Column { values, valid: None };
        };
        let values = values.into_iter().zip(&valid).filter(|(_, valid)| *valid).map(|(value, _)| value).collect();
        Column { values, valid: Some(valid) }
    }

    /// Which rows have a value; `None` when all have.
    fn valid(&self, column: impl Fn(&'a EventBatch) -> Option<&'a dyn Array>) -> Option<BooleanBuffer> {
        if self.batches.iter().all(|b| column(b).is_some_and(|a| a.null_count() == 0)) {
            return None;
        }
        let mut flat: Vec<bool> = Vec::with_capacity(self.len());
        for batch in self.batches {
            match column(batch).map(|a| a.nulls()) {
                None => flat.resize(flat.len() + batch.len(), false),
                Some(None) => flat.resize(flat.len() + batch.len(), true),
                Some(Some(nulls)) => flat.extend(nulls.iter()),
            }
        }
        Some(BooleanBuffer::from(self.arrange(flat)))
    }

    /// Event ids, all 16 bytes of each.
    pub(super) fn ids(&self) -> Vec<[u8; 16]> {
        let mut flat = Vec::with_capacity(self.len());
        for batch in self.batches {
            match batch.column(field::EVENT_ID) {
                Some(array) => {
                    let array = array.as_fixed_size_binary();
                    flat.extend(array.value_data()[array.offset() * 16..].as_chunks().0.iter().take(array.len()));
                }
                None => flat.resize(flat.len() + batch.len(), [0; 16]),
            }
        }
        self.arrange(flat)
    }

    /// A column of long text; missing ones are empty here.
    pub(super) fn long(&self, id: FieldId) -> Column<Vec<&'a [u8]>> {
        let arrays: Vec<Option<&StringArray>> = self.batches.iter().map(|b| b.long_text(id)).collect();
        let valid = self.valid(|batch| batch.column(id).map(|a| a.as_ref()));
        let mut values = Vec::with_capacity(self.len());
        for (at, &(b, row)) in self.places.iter().enumerate() {
            if valid.as_ref().is_none_or(|v| v.value(at))
                && let Some(array) = arrays[b as usize]
            {
                values.push(array.value(row as usize).as_bytes());
            }
        }
        Column { values, valid }
    }

    /// A column of coded text. Its codes are those of `texts`, which takes what is new.
    pub(super) fn text(
        &self,
        column: impl Fn(&'a EventBatch) -> Option<&'a Dictionary>,
        texts: &mut Texts,
    ) -> Column<Codes> {
        let parts: Vec<Option<&Dictionary>> = self.batches.iter().map(column).collect();
        let whole = |part: &Option<&Dictionary>| part.is_some_and(|d| d.values().len() == 1 && d.null_count() == 0);
        if texts.len() == 0 && parts.iter().all(whole) {
            let value = |part: &Option<&'a Dictionary>| part.map(|d| d.values().as_string::<i32>().value(0));
            let mut distinct = parts.iter().filter_map(value);
            if let Some(first) = distinct.next()
                && distinct.all(|other| other == first)
            {
                texts.code(first);
                return Column { values: Codes::Same(self.len()), valid: None };
            }
        }
        Column::coded(self.arrange(self.codes(&parts, texts)))
    }

    /// Codes in the order of the batches.
    fn codes(&self, parts: &[Option<&Dictionary>], texts: &mut Texts) -> Vec<u32> {
        let mut flat = Vec::with_capacity(self.len());
        let mut renumbered = Vec::new();
        for (batch, part) in self.batches.iter().zip(parts) {
            let Some(part) = part else {
                flat.resize(flat.len() + batch.len(), MISSING);
                continue;
            };
            let values: &StringArray = part.values().as_string();
            renumbered.clear();
            renumbered.resize(values.len(), MISSING);
            let mut code = |old: u32| {
                let new = &mut renumbered[old as usize];
                if *new == MISSING {
                    *new = texts.code(values.value(old as usize));
                }
                *new
            };
            let keys = part.keys();
            match keys.nulls() {
                None => flat.extend(keys.values().iter().map(|old| code(*old))),
                Some(nulls) => flat.extend(
                    keys.values().iter().zip(nulls).map(|(old, valid)| if valid { code(*old) } else { MISSING }),
                ),
            }
        }
        flat
    }
}
