//! One column of one row group: its pages, and what a reader may know of them without reading them.
//!
//! In come pages of encoded values with their least and greatest one, out go the bytes of the column chunk and its
//! metadata. Pages are of version 2: levels lie before the values and are not compressed, nor are values that would
//! not become smaller.

use std::io;

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, EncodingMask, Type as Physical, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Longer least and greatest values are cut to a bound of at most this many bytes.
const BOUND_BYTES: usize = 32;

/// A value as its column orders it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bound {
    Number(i128),
    Bytes(Vec<u8>),
}

impl Bound {
    fn stored(&self, physical: Physical) -> Vec<u8> {
        match self {
            Bound::Number(n) if physical == Physical::INT32 => (*n as i32).to_le_bytes().into(),
            Bound::Number(n) => (*n as i64).to_le_bytes().into(),
            Bound::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// The values of one page.
pub(super) struct Values<'a> {
    /// Their bytes.
    pub(super) bytes: &'a [u8],
    pub(super) encoding: Encoding,
    /// The least and the greatest; `None` when all are missing.
    pub(super) bounds: Option<(Bound, Bound)>,
}

/// Which places of a page have values.
pub(super) struct Levels<'a> {
    /// How often each value's row repeats, encoded; empty when rows have one value at most.
    pub(super) repetition: &'a [u8],
    /// Where values are missing, encoded.
    pub(super) definition: &'a [u8],
    pub(super) rows: usize,
    /// Values, those that are missing included.
    pub(super) places: usize,
    pub(super) missing: usize,
}

/// Bytes of a page that tell how pages of its column compress.
const TRIED: usize = 16 << 10;
/// So many pages after one that became no smaller are not tried.
const UNTRIED: usize = 7;

/// Buffers that are used again for the next chunk.
pub(super) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    level: ZstdLevel,
    page: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(level: i32) -> io::Result<Compressor> {
        let level = level.clamp(1, 22);
        Ok(Compressor {
            zstd: zstd::bulk::Compressor::new(level)?,
            level: ZstdLevel::try_new(level).unwrap_or_default(),
            page: Vec::new(),
        })
    }

    /// The compressed form, if it is smaller by enough that readers should have the work.
    fn smaller(&mut self, bytes: &[u8]) -> io::Result<Option<&[u8]>> {
        self.page.clear();
        self.page.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.zstd.compress_to_buffer(bytes, &mut self.page)?;
        Ok((self.page.len() < bytes.len() - bytes.len() / 16).then_some(&self.page))
    }
}

/// A column chunk that is being made.
pub(super) struct Chunk<'a> {
    column: ColumnDescPtr,
    compressor: &'a mut Compressor,
    sink: TrackedWrite<Vec<u8>>,
    dictionary_end: Option<u64>,
    stats: Vec<PageEncodingStats>,
    uncompressed: u64,
    /// How many pages are stored as they are before one is tried again: one became no smaller, as hashes do.
    untried: usize,
    places: u64,
    rows: u64,
    missing: u64,
    offsets: OffsetIndexBuilder,
    index: Option<ColumnIndexBuilder>,
    bounds: Option<(Bound, Bound)>,
    /// The last page's bounds, while they only ascend.
    ascending: Option<Option<(Bound, Bound)>>,
    bloom: Option<Sbbf>,
}

impl<'a> Chunk<'a> {
    /// An empty chunk; without `indexed` nothing is noted of its values.
    pub(super) fn new(column: ColumnDescPtr, compressor: &'a mut Compressor, indexed: bool) -> Chunk<'a> {
        let index = indexed.then(|| ColumnIndexBuilder::new(column.physical_type()));
        Chunk {
            column,
            compressor,
            sink: TrackedWrite::new(Vec::new()),
            dictionary_end: None,
            stats: Vec::new(),
            uncompressed: 0,
            untried: 0,
            places: 0,
            rows: 0,
            missing: 0,
            offsets: OffsetIndexBuilder::new(),
            index,
            bounds: None,
            ascending: Some(None),
            bloom: None,
        }
    }

    /// The column this is of.
    pub(super) fn column(&self) -> &ColumnDescPtr {
        &self.column
    }

    /// The definition level of a value that is there.
    pub(super) fn present_level(&self) -> u32 {
        self.column.max_def_level() as u32
    }

    /// Whether anything is noted of its values.
    pub(super) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// Adds a filter of the chunk's values.
    pub(super) fn set_bloom(&mut self, filter: Sbbf) {
        self.bloom = Some(filter);
    }

    /// Writes the dictionary, plainly encoded; before all pages.
    pub(super) fn dictionary(&mut self, plain: &[u8], values: usize) -> Result<(), ParquetError> {
        let packed = self.compressor.zstd.compress(plain)?;
        let page = Page::DictionaryPage {
            buf: packed.into(),
            num_values: values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let end = self.write(page, plain.len())?.1;
        self.dictionary_end = Some(end);
        Ok(())
    }

    /// Writes a page.
    pub(super) fn page(&mut self, levels: &Levels<'_>, values: Values<'_>) -> Result<(), ParquetError> {
        let plain = levels.repetition.len() + levels.definition.len() + values.bytes.len();
        let large = values.bytes.len() > TRIED;
        let packed = if large && self.untried > 0 { None } else { self.compressor.smaller(values.bytes)? };
        let is_compressed = packed.is_some();
        self.untried = match self.untried {
            0 if large && !is_compressed => UNTRIED,
            left => left.saturating_sub(1),
        };
        let buf = [levels.repetition, levels.definition, packed.unwrap_or(values.bytes)].concat();
        let page = Page::DataPageV2 {
            buf: buf.into(),
            num_values: levels.places as u32,
            encoding: values.encoding,
            num_nulls: levels.missing as u32,
            num_rows: levels.rows as u32,
            def_levels_byte_len: levels.definition.len() as u32,
            rep_levels_byte_len: levels.repetition.len() as u32,
            is_compressed,
            statistics: None,
        };
        let (start, end) = self.write(page, plain)?;
        self.offsets.append_row_count(levels.rows as i64);
        self.offsets.append_offset_and_size(start as i64, (end - start) as i32);
        self.rows += levels.rows as u64;
        self.places += levels.places as u64;
        self.missing += levels.missing as u64;
        self.note(values.bounds, levels.missing);
        Ok(())
    }

    fn write(&mut self, page: Page, plain: usize) -> Result<(u64, u64), ParquetError> {
        let (page_type, encoding) = (page.page_type(), page.encoding());
        match self.stats.last_mut() {
            Some(last) if last.page_type == page_type && last.encoding == encoding => last.count += 1,
            _ => self.stats.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, plain))?;
        self.uncompressed += written.uncompressed_size as u64;
        Ok((written.offset, written.offset + written.bytes_written))
    }

    fn note(&mut self, bounds: Option<(Bound, Bound)>, missing: usize) {
        let (Some(index), physical) = (&mut self.index, self.column.physical_type()) else { return };
        let Some((least, greatest)) = bounds else {
            index.append(true, Vec::new(), Vec::new(), missing as i64, None);
            return;
        };
        let (low, _) = cut_least(least.stored(physical));
        let (high, _) = cut_greatest(greatest.stored(physical));
        index.append(false, low, high, missing as i64, None);
        if let Some(last) = &mut self.ascending {
            let ascends = last.as_ref().is_none_or(|(low, high)| *low <= least && *high <= greatest);
            self.ascending = ascends.then(|| Some((least.clone(), greatest.clone())));
        }
        self.bounds = Some(match self.bounds.take() {
            None => (least, greatest),
            Some((low, high)) => (low.min(least), high.max(greatest)),
        });
    }

    /// The chunk's bytes and what the file's footer says of it.
    pub(super) fn close(self) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let bytes = self.sink.into_inner()?;
        let encodings = self.stats.iter().map(|s| s.encoding).chain([Encoding::RLE]).collect::<Vec<_>>();
        let mut metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(Compression::ZSTD(self.compressor.level))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(self.stats)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.places as i64)
            .set_data_page_offset(self.dictionary_end.unwrap_or_default() as i64)
            .set_dictionary_page_offset(self.dictionary_end.map(|_| 0));
        let mut column_index = None;
        if let Some(mut index) = self.index {
            metadata = metadata.set_statistics(statistics(&self.column, self.bounds, self.missing));
            let ascends = self.ascending.is_some();
            index.set_boundary_order(if ascends { BoundaryOrder::ASCENDING } else { BoundaryOrder::UNORDERED });
            column_index = Some(index.build()?);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata: metadata.build()?,
            bloom_filter: self.bloom,
            column_index,
            offset_index: Some(self.offsets.build()),
        };
        Ok((bytes.into(), close))
    }
}

fn statistics(column: &ColumnDescPtr, bounds: Option<(Bound, Bound)>, missing: u64) -> Statistics {
    let missing = Some(missing);
    let (least, greatest) = bounds.unzip();
    let number = |bound: Option<Bound>| match bound {
        Some(Bound::Number(n)) => Some(n as i64),
        Some(Bound::Bytes(_)) | None => None,
    };
    let signed = column.sort_order().is_signed();
    match column.physical_type() {
        Physical::INT32 => {
            let narrow = |bound| number(bound).map(|n| n as i32);
            ValueStatistics::new(narrow(least), narrow(greatest), None, missing, false)
                .with_backwards_compatible_min_max(signed)
                .into()
        }
        Physical::INT64 => ValueStatistics::new(number(least), number(greatest), None, missing, false)
            .with_backwards_compatible_min_max(signed)
            .into(),
        physical => {
            let low = least.map(|b| cut_least(b.stored(physical)));
            let high = greatest.map(|b| cut_greatest(b.stored(physical)));
            let exact = |bound: &Option<(Vec<u8>, bool)>| bound.as_ref().is_some_and(|b| b.1);
            let (low_exact, high_exact) = (exact(&low), exact(&high));
            let (low, high) = (low.map(|b| ByteArray::from(b.0)), high.map(|b| ByteArray::from(b.0)));
            match physical {
                Physical::FIXED_LEN_BYTE_ARRAY => {
                    let (low, high) = (low.map(FixedLenByteArray::from), high.map(FixedLenByteArray::from));
                    ValueStatistics::new(low, high, None, missing, false)
                        .with_min_is_exact(low_exact)
                        .with_max_is_exact(high_exact)
                        .into()
                }
                _ => ValueStatistics::new(low, high, None, missing, false)
                    .with_min_is_exact(low_exact)
                    .with_max_is_exact(high_exact)
                    .into(),
            }
        }
    }
}

/// A bound that is not greater, of text as text, and whether it is the value itself.
fn cut_least(mut value: Vec<u8>) -> (Vec<u8>, bool) {
    let whole = value.len() <= BOUND_BYTES;
    value.truncate(cut_at(&value));
    (value, whole)
}

/// A bound that is not less, of text as text, and whether it is the value itself.
fn cut_greatest(value: Vec<u8>) -> (Vec<u8>, bool) {
    if value.len() > BOUND_BYTES {
        // The next character in place of the last one that has a next.
        let cut = std::str::from_utf8(&value[..cut_at(&value)]).unwrap_or_default();
        let next = |(at, last): (usize, char)| Some((at, char::from_u32(last as u32 + 1)?));
        if let Some((at, next)) = cut.char_indices().rev().find_map(next) {
            return (format!("{}{next}", &cut[..at]).into_bytes(), false);
        }
    }
    (value, true)
}

fn cut_at(value: &[u8]) -> usize {
    if value.len() <= BOUND_BYTES {
        return value.len();
    }
    (0..=BOUND_BYTES).rev().find(|at| value[*at] & 0xc0 != 0x80).unwrap_or(BOUND_BYTES)
}
