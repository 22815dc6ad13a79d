//! Row groups: how each column of an event is stored.
//!
//! In come rows in order, out go their columns as one row group of a Parquet file. The Parquet crate's own writer takes
//! Arrow arrays, and looks every text of every row up again; here codes go straight into the file.

use std::cell::LazyCell;
use std::io::Write;

use arrow::array::ArrowPrimitiveType;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::chunk::{Bound, Chunk, Compressor, Values};
use super::coded::{self, Coded};
use super::cut::Cut;
use super::levels::{PAGE_ROWS, PageLevels, flat, flat_until, nested};
use super::pack;
use super::rows::{Codes, Column, Rows};
use super::texts::Texts;
use crate::event::batch::LIST_SEPARATOR;
use crate::event::field::{self, Type};
use crate::event::{FieldId, line, schema};

/// A page of long text ends early at so many bytes.
const PAGE_BYTES: usize = 1 << 20;
/// An id begins with the time, which neighbours share.
const ID_TIME: usize = 6;

/// A column of a file.
#[derive(Clone, Copy)]
pub(super) enum Leaf {
    Field(FieldId),
    ExtraName,
    ExtraValue,
    /// A piece of the raw line, by its place among them.
    Piece(usize),
}

/// The columns of a file, in its order.
pub(super) fn leaves(schema: &SchemaDescriptor) -> Vec<Leaf> {
    let leaf = |column: &ColumnDescriptor| match column.path().parts() {
        [first, _, last] if first == schema::EXTRA && last == "key" => Leaf::ExtraName,
        [first, _, last] if first == schema::EXTRA && last == "value" => Leaf::ExtraValue,
        [first, piece] if first == line::LINE => {
            Leaf::Piece(line::pieces().position(|name| name == piece).expect("schemas are made from the slots"))
        }
        parts => {
            let name = |parts: &[String]| field::by_name(&parts.join("."));
            let list = parts.len().checked_sub(2).map(|end| &parts[..end]);
            Leaf::Field(name(parts).or_else(|| list.and_then(name)).expect("schemas are made from the field table"))
        }
    };
    schema.columns().iter().map(|column| leaf(column)).collect()
}

/// Fields people look single values up in: a filter tells which row groups lack one. Ids need none, since they are stored in
/// their order.
const LOOKED_UP: [FieldId; 13] = [
    field::SOURCE_IP,
    field::DESTINATION_IP,
    field::HOST_IP,
    field::USER_NAME,
    field::USER_ID,
    field::USER_EFFECTIVE_NAME,
    field::USER_TARGET_NAME,
    field::HOST_NAME,
    field::DNS_QUESTION_NAME,
    field::PROCESS_HASH_MD5,
    field::PROCESS_HASH_SHA1,
    field::PROCESS_HASH_SHA256,
    field::FILE_HASH_SHA256,
];

/// Writes rows as a row group.
pub(super) fn write<W: Write + Send>(
    file: &mut SerializedFileWriter<W>,
    leaves: &[Leaf],
    rows: &Rows<'_>,
    compressor: &mut Compressor,
    bloom: bool,
) -> Result<(), ParquetError> {
    let columns = file.schema_descr().columns().to_vec();
    let mut group = file.next_row_group()?;
    let mut extras = None;
    let pieces = leaves.iter().any(|leaf| matches!(leaf, Leaf::Piece(_)));
    let cut = LazyCell::new(|| Cut::new(rows, pieces));
    for (leaf, column) in leaves.iter().zip(columns) {
        let indexed = match leaf {
            Leaf::Field(id) => id.ty() != Type::LongText,
            // That nothing is there must be known without its being read.
            Leaf::Piece(piece) => cut.piece(*piece).is_none(),
            Leaf::ExtraName | Leaf::ExtraValue => true,
        };
        let mut chunk = Chunk::new(column.clone(), compressor, indexed);
        match leaf {
            Leaf::Field(field::EVENT_ORIGINAL) => long(&mut chunk, &cut.whole, rows.len())?,
            Leaf::Field(field::LOG_MESSAGE_OFFSET) => number_pages(&mut chunk, Type::U32, &cut.offsets, rows.len())?,
            Leaf::Field(id) if rows.batches().iter().all(|b| b.column(*id).is_none()) => {
                absent(&mut chunk, &column, rows.len())?
            }
            Leaf::Field(id) => present(&mut chunk, *id, rows, bloom && LOOKED_UP.contains(id))?,
            Leaf::Piece(piece) => match cut.piece(*piece) {
                Some((texts, codes)) => text(&mut chunk, texts, codes, rows.len(), false)?,
                None => absent(&mut chunk, &column, rows.len())?,
            },
            Leaf::ExtraName => extras.get_or_insert_with(|| extra(rows)).names(&mut chunk)?,
            Leaf::ExtraValue => extras.get_or_insert_with(|| extra(rows)).values(&mut chunk)?,
        }
        let (bytes, close) = chunk.close()?;
        group.append_column(&bytes, close)?;
    }
    group.close().map(|_| ())
}

/// A column without a value.
fn absent(chunk: &mut Chunk<'_>, column: &ColumnDescriptor, rows: usize) -> Result<(), ParquetError> {
    let mut page = PageLevels { rows, places: rows, missing: rows, ..PageLevels::default() };
    if column.max_rep_level() > 0 {
        pack::run(0, rows, 1, &mut page.repetition);
    }
    pack::run(0, rows, pack::width(column.max_def_level() as u32), &mut page.definition);
    chunk.page(&page.levels(), Values { bytes: &[], encoding: Encoding::PLAIN, bounds: None })
}

fn present(chunk: &mut Chunk<'_>, id: FieldId, rows: &Rows<'_>, bloom: bool) -> Result<(), ParquetError> {
    match id.ty() {
        Type::Text | Type::Ip => {
            let mut texts = Texts::default();
            let column = rows.text(|batch| batch.dictionary(id), &mut texts);
            text(chunk, &texts, &column, rows.len(), bloom)
        }
        Type::TextList => list(chunk, id, rows),
        Type::LongText => long(chunk, &rows.long(id), rows.len()),
        Type::U16 => numbers::<UInt16Type>(chunk, id, rows, i64::from),
        Type::U32 => numbers::<UInt32Type>(chunk, id, rows, i64::from),
        Type::U64 => numbers::<UInt64Type>(chunk, id, rows, |n| n as i64),
        Type::I64 => numbers::<Int64Type>(chunk, id, rows, |n| n),
        Type::Timestamp => numbers::<TimestampMicrosecondType>(chunk, id, rows, |n| n),
        Type::Id => ids(chunk, &rows.ids()),
    }
}

fn text(
    chunk: &mut Chunk<'_>,
    texts: &Texts,
    column: &Column<Codes>,
    rows: usize,
    bloom: bool,
) -> Result<(), ParquetError> {
    let mut coded = Coded::new(texts, &column.values, bloom, chunk)?;
    flat(rows, column.valid.as_ref()).try_for_each(|page| {
        let values = page.values.clone();
        coded.page(chunk, &page.levels(), values)
    })
}

fn numbers<T: ArrowPrimitiveType>(
    chunk: &mut Chunk<'_>,
    id: FieldId,
    rows: &Rows<'_>,
    number: impl Fn(T::Native) -> i64,
) -> Result<(), ParquetError> {
    number_pages(chunk, id.ty(), &rows.numbers::<T>(id, number), rows.len())
}

fn number_pages(chunk: &mut Chunk<'_>, ty: Type, column: &Column<Vec<i64>>, rows: usize) -> Result<(), ParquetError> {
    let narrow = matches!(ty, Type::U16 | Type::U32);
    let ordered = |n: i64| if ty == Type::U64 { i128::from(n as u64) } else { i128::from(n) };
    let mut bytes = Vec::new();
    for page in flat(rows, column.valid.as_ref()) {
        let values = &column.values[page.values.clone()];
        let bounds = values.iter().fold(None, |bounds: Option<(i128, i128)>, n| {
            let n = ordered(*n);
            Some(bounds.map_or((n, n), |(least, greatest)| (least.min(n), greatest.max(n))))
        });
        bytes.clear();
        let encoding = pack::numbers(values, narrow, &mut bytes);
        let bounds = bounds.map(|(least, greatest)| (Bound::Number(least), Bound::Number(greatest)));
        chunk.page(&page.levels(), Values { bytes: &bytes, encoding, bounds })?;
    }
    Ok(())
}

/// Ids share their time with their neighbours; the rest of them is as good as random.
fn ids(chunk: &mut Chunk<'_>, ids: &[[u8; 16]]) -> Result<(), ParquetError> {
    let mut bytes = Vec::new();
    for page in flat(ids.len(), None) {
        let ids = &ids[page.values.clone()];
        let mut last: &[u8] = &[];
        let mut shared = Vec::with_capacity(ids.len());
        let mut ends = Vec::with_capacity(ids.len() * 16);
        for id in ids {
            // No more than the time: lengths that are all the same cost nothing.
            let same = last.iter().zip(&id[..ID_TIME]).take_while(|(a, b)| a == b).count();
            shared.push(same as i64);
            ends.extend_from_slice(&id[same..]);
            last = id;
        }
        bytes.clear();
        pack::differences(&shared, true, &mut bytes);
        let lengths: Vec<i64> = shared.iter().map(|same| 16 - same).collect();
        pack::differences(&lengths, true, &mut bytes);
        bytes.extend_from_slice(&ends);
        let bounds = ids.iter().min().zip(ids.iter().max());
        let bounds = bounds.map(|(least, greatest)| (Bound::Bytes(least.into()), Bound::Bytes(greatest.into())));
        chunk.page(&page.levels(), Values { bytes: &bytes, encoding: Encoding::DELTA_BYTE_ARRAY, bounds })?;
    }
    Ok(())
}

fn long(chunk: &mut Chunk<'_>, column: &Column<Vec<&[u8]>>, rows: usize) -> Result<(), ParquetError> {
    let mut ends = Vec::new();
    let (mut first, mut size, mut value) = (0, 0, 0);
    for row in 0..rows {
        if column.valid.as_ref().is_none_or(|v| v.value(row)) {
            size += column.values[value].len();
            value += 1;
        }
        if size >= PAGE_BYTES || row + 1 - first == PAGE_ROWS || row + 1 == rows {
            ends.push(row + 1);
            (first, size) = (row + 1, 0);
        }
    }
    let mut bytes = Vec::new();
    for page in flat_until(ends.into_iter(), column.valid.as_ref()) {
        bytes.clear();
        let encoding = coded::texts(column.values[page.values.clone()].iter().copied(), &mut bytes);
        chunk.page(&page.levels(), Values { bytes: &bytes, encoding, bounds: None })?;
    }
    Ok(())
}

/// Lists are held joined: each distinct one is split once.
fn list(chunk: &mut Chunk<'_>, id: FieldId, rows: &Rows<'_>) -> Result<(), ParquetError> {
    let (mut joined, mut elements) = (Texts::default(), Texts::default());
    let column = rows.text(|batch| batch.dictionary(id), &mut joined);
    let split = |list: &[u8]| -> Vec<u32> {
        let list = String::from_utf8_lossy(list);
        list.split(LIST_SEPARATOR).map(|element| elements.code(element)).collect()
    };
    let lists: Vec<Vec<u32>> = joined.iter().map(split).collect();
    let present = chunk.present_level();
    let (counts, codes) = match (&column.values, lists.as_slice()) {
        (Codes::Same(count), [only]) if only.len() == 1 => (None, Codes::Same(*count)),
        (codes, _) => {
            let each: Box<dyn Iterator<Item = u32>> = match codes {
                Codes::Same(count) => Box::new(std::iter::repeat_n(0, *count)),
                Codes::Each(codes) => Box::new(codes.iter().copied()),
            };
            let mut flat = Vec::new();
            let mut lengths = each.map(|code| {
                flat.extend_from_slice(&lists[code as usize]);
                lists[code as usize].len() as u32
            });
            let counts: Vec<u32> = match &column.valid {
                None => lengths.collect(),
                Some(valid) => valid.iter().map(|v| if v { lengths.next().unwrap_or_default() } else { 0 }).collect(),
            };
            (Some(counts), Codes::Each(flat))
        }
    };
    let mut coded = Coded::new(&elements, &codes, false, chunk)?;
    nested(rows.len(), counts.as_deref(), present).try_for_each(|page| {
        let values = page.values.clone();
        coded.page(chunk, &page.levels(), values)
    })
}

/// The entries of the `fields` column.
struct Extra {
    counts: Vec<u32>,
    names: (Texts, Codes),
    values: (Texts, Codes),
}

fn extra(rows: &Rows<'_>) -> Extra {
    let mut names: Vec<&str> = rows.batches().iter().flat_map(|b| b.extras().iter().map(|(name, _)| &**name)).collect();
    names.sort_unstable();
    names.dedup();
    let (mut name_texts, mut texts) = (Texts::default(), Texts::default());
    let mut counts = vec![0; rows.len()];
    let columns: Vec<(u32, Column<Codes>)> =
        names.iter().map(|name| (name_texts.code(name), rows.text(|batch| batch.extra(name), &mut texts))).collect();
    for (_, column) in &columns {
        match &column.valid {
            None => counts.iter_mut().for_each(|count| *count += 1),
            Some(valid) => valid.set_indices().for_each(|row| counts[row] += 1),
        }
    }
    // Where each row's next entry goes.
    let mut next: Vec<usize> = Vec::with_capacity(rows.len());
    let total = counts.iter().fold(0, |sum, count| {
        next.push(sum);
        sum + *count as usize
    });
    let (mut name_codes, mut codes) = (vec![0; total], vec![0; total]);
    for (name, column) in &columns {
        let mut put = |row: usize, value: usize| {
            let at = next[row];
            next[row] += 1;
            name_codes[at] = *name;
            codes[at] = match &column.values {
                Codes::Same(_) => 0,
                Codes::Each(codes) => codes[value],
            };
        };
        match &column.valid {
            None => (0..rows.len()).for_each(|row| put(row, row)),
            Some(valid) => valid.set_indices().enumerate().for_each(|(value, row)| put(row, value)),
        }
    }
    Extra { counts, names: (name_texts, Codes::Each(name_codes)), values: (texts, Codes::Each(codes)) }
}

impl Extra {
    fn names(&self, chunk: &mut Chunk<'_>) -> Result<(), ParquetError> {
        self.write(&self.names, chunk)
    }

    fn values(&self, chunk: &mut Chunk<'_>) -> Result<(), ParquetError> {
        self.write(&self.values, chunk)
    }

    fn write(&self, (texts, codes): &(Texts, Codes), chunk: &mut Chunk<'_>) -> Result<(), ParquetError> {
        let present = chunk.present_level();
        if texts.len() == 0 {
            let column = chunk.column().clone();
            return absent(chunk, &column, self.counts.len());
        }
        let mut coded = Coded::new(texts, codes, false, chunk)?;
        nested(self.counts.len(), Some(&self.counts), present).try_for_each(|page| {
            let values = page.values.clone();
            coded.page(chunk, &page.levels(), values)
        })
    }
}
