//! How the rows of a column fall into pages, and which places of a page have values.

use std::ops::Range;

use arrow::buffer::BooleanBuffer;

use super::chunk::Levels;
use super::pack;

/// Rows of a page.
pub(super) const PAGE_ROWS: usize = 16 * 1024;

/// Which rows and values a page has, with its levels encoded.
#[derive(Default)]
pub(super) struct PageLevels {
    pub(super) values: Range<usize>,
    pub(super) repetition: Vec<u8>,
    pub(super) definition: Vec<u8>,
    pub(super) rows: usize,
    pub(super) places: usize,
    pub(super) missing: usize,
}

impl PageLevels {
    pub(super) fn levels(&self) -> Levels<'_> {
        Levels {
            repetition: &self.repetition,
            definition: &self.definition,
            rows: self.rows,
            places: self.places,
            missing: self.missing,
        }
    }
}

/// Pages of a column that has one value a row at most.
pub(super) fn flat(rows: usize, valid: Option<&BooleanBuffer>) -> impl Iterator<Item = PageLevels> {
    let ends = (0..rows).step_by(PAGE_ROWS).map(move |start| (start + PAGE_ROWS).min(rows));
    flat_until(ends, valid)
}

/// The same of pages that end at these rows.
pub(super) fn flat_until(
    ends: impl Iterator<Item = usize>,
    valid: Option<&BooleanBuffer>,
) -> impl Iterator<Item = PageLevels> {
    let (mut start, mut first) = (0, 0);
    ends.map(move |end| {
        let (rows, mut definition) = (end - start, Vec::new());
        let valid = valid.map(|v| v.slice(start, rows));
        let count = valid.as_ref().map_or(rows, BooleanBuffer::count_set_bits);
        match valid {
            Some(valid) if count > 0 && count < rows => {
                let levels: Vec<u32> = valid.iter().map(u32::from).collect();
                pack::hybrid(&levels, 1, &mut definition);
            }
            Some(_) | None => pack::run(u32::from(count > 0), rows, 1, &mut definition),
        }
        let values = first..first + count;
        (start, first) = (end, values.end);
        PageLevels { values, definition, rows, places: rows, missing: rows - count, ..PageLevels::default() }
    })
}

/// Pages of a column that has many values a row; `counts` says how many, `None` one each. A row without one is missing.
pub(super) fn nested(rows: usize, counts: Option<&[u32]>, present: u32) -> impl Iterator<Item = PageLevels> {
    let bits = pack::width(present);
    let mut first = 0;
    (0..rows).step_by(PAGE_ROWS).map(move |start| {
        let end = (start + PAGE_ROWS).min(rows);
        let mut page = PageLevels { rows: end - start, ..PageLevels::default() };
        let count = match counts {
            None => {
                page.places = page.rows;
                pack::run(0, page.rows, 1, &mut page.repetition);
                pack::run(present, page.rows, bits, &mut page.definition);
                page.rows
            }
            Some(counts) => {
                let (mut repetition, mut definition) = (Vec::new(), Vec::new());
                for &count in &counts[start..end] {
                    repetition.push(0);
                    repetition.resize(repetition.len() + (count as usize).saturating_sub(1), 1);
                    definition.resize(repetition.len(), if count == 0 { 0 } else { present });
                    page.missing += usize::from(count == 0);
                }
                page.places = definition.len();
                pack::hybrid(&repetition, 1, &mut page.repetition);
                pack::hybrid(&definition, bits, &mut page.definition);
                page.places - page.missing
            }
        };
        page.values = first..first + count;
        first += count;
        page
    })
}
