//! What a row group tells of its events without their being read: statistics, then dictionaries and bloom filters.

use std::cell::RefCell;
use std::fs::File;
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use rustc_hash::FxHashMap;

use super::leaves::{self, Leaf, Leaves};
use super::loaded::Loaded;
use crate::event::field::FieldRef;
use crate::event::summary::{Facts, Summary};

/// A row group of an open file.
pub(super) struct Known<'f> {
    pub(super) file: &'f File,
    pub(super) leaves: &'f Leaves,
    pub(super) group: &'f RowGroupMetaData,
    /// Bloom filters by leaf; what is asked of one is asked more than once.
    filters: RefCell<FxHashMap<usize, Option<Sbbf>>>,
}

impl<'f> Known<'f> {
    pub(super) fn new(file: &'f File, leaves: &'f Leaves, group: &'f RowGroupMetaData) -> Known<'f> {
        Known { file, leaves, group, filters: RefCell::default() }
    }

    /// The leaf of a text field.
    fn text_leaf(&self, field: &FieldRef) -> Option<usize> {
        match field {
            FieldRef::Column(id) if id.ty().is_dictionary() => match self.leaves.leaf(*id) {
                Leaf::At(leaf) => Some(leaf),
                Leaf::Absent | Leaf::Other => None,
            },
            FieldRef::Column(_) | FieldRef::Extra(_) => None,
        }
    }
}

impl Summary for Known<'_> {
    fn facts(&self, field: &FieldRef) -> Facts {
        match field {
            FieldRef::Column(id) => leaves::facts(self.leaves, self.group, *id),
            FieldRef::Extra(_) if !self.leaves.has_extra() => Facts::MISSING,
            FieldRef::Extra(_) => Facts::UNKNOWN,
        }
    }

    fn texts(&self, field: &FieldRef) -> Option<Vec<String>> {
        let leaf = self.text_leaf(field)?;
        let mut texts = dictionary(self.file, self.group.column(leaf), self.group.num_rows())?;
        // A list may hold nothing but a missing element, which is an empty text then.
        if field.ty().is_list() && self.facts(field).none {
            texts.push(String::new());
        }
        Some(texts)
    }

    fn may_hold(&self, field: &FieldRef, text: &str) -> bool {
        let Some(leaf) = self.text_leaf(field).filter(|_| !field.ty().is_list()) else { return true };
        let mut filters = self.filters.borrow_mut();
        let filter = filters.entry(leaf).or_insert_with(|| bloom_filter(self.file, self.group.column(leaf)));
        filter.as_ref().is_none_or(|filter| filter.check(text))
    }
}

/// All texts of a chunk, when each of its pages takes them from the dictionary. What cannot be read is said when the
/// rows are.
fn dictionary(file: &File, chunk: &ColumnChunkMetaData, rows: i64) -> Option<Vec<String>> {
    let encodings = chunk.page_encoding_stats_mask()?;
    if !encodings.is_only(Encoding::RLE_DICTIONARY) && !encodings.is_only(Encoding::PLAIN_DICTIONARY) {
        return None;
    }
    let start = u64::try_from(chunk.dictionary_page_offset()?).ok()?;
    let end = u64::try_from(chunk.data_page_offset()).ok().filter(|end| *end > start)?;
    let loaded = Loaded::range(file, start..end).ok()?;
    let mut pages = SerializedPageReader::new(Arc::new(loaded), chunk, rows as usize, None).ok()?;
    match pages.get_next_page() {
        Ok(Some(Page::DictionaryPage { buf, num_values, .. })) => plain_texts(&buf, num_values as usize),
        _ => None,
    }
}

/// Texts in Parquet's plain encoding: each behind its length.
fn plain_texts(mut bytes: &[u8], count: usize) -> Option<Vec<String>> {
    let mut texts = Vec::with_capacity(count.min(bytes.len() / 4));
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        bytes = rest;
    }
    Some(texts)
}

fn bloom_filter(file: &File, chunk: &ColumnChunkMetaData) -> Option<Sbbf> {
    let start = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
    let length = u64::try_from(chunk.bloom_filter_length()?).ok()?;
    let loaded = Loaded::range(file, start..start.saturating_add(length)).ok()?;
    Sbbf::read_from_column_chunk(chunk, &loaded).ok()?
}
