//! Pages of texts: as codes of a dictionary where texts repeat, as they are where they do not.

use std::ops::Range;

use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;

use super::chunk::{Bound, Chunk, Levels, Values};
use super::pack;
use super::rows::Codes;
use super::texts::Texts;

/// A value asked for that is in no row is taken for one that is, one time in so many.
const BLOOM_MISTAKES: f64 = 0.01;

/// Writes the texts of one chunk.
pub(super) struct Coded<'a> {
    texts: &'a Texts,
    codes: &'a Codes,
    /// Bits of a code; `None` when texts are stored as they are.
    bits: Option<u32>,
    /// The page in which a text was met last, by code.
    met: Vec<u32>,
    page: u32,
    bytes: Vec<u8>,
}

impl<'a> Coded<'a> {
    /// Starts a chunk: with its dictionary, and a filter of its texts if that is wanted.
    pub(super) fn new(
        texts: &'a Texts,
        codes: &'a Codes,
        bloom: bool,
        chunk: &mut Chunk<'_>,
    ) -> Result<Coded<'a>, ParquetError> {
        let count = match codes {
            Codes::Same(count) => *count,
            Codes::Each(codes) => codes.len(),
        };
        if bloom {
            let mut filter = Sbbf::new_with_ndv_fpp(texts.len() as u64, BLOOM_MISTAKES)?;
            texts.iter().for_each(|text| filter.insert(text));
            chunk.set_bloom(filter);
        }
        let mut bytes = Vec::new();
        let mut bits = None;
        if texts.len() * 2 <= count || texts.len() == 1 {
            bytes.reserve(texts.bytes() + 4 * texts.len());
            for text in texts.iter() {
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text);
            }
            chunk.dictionary(&bytes, texts.len())?;
            bits = Some(pack::width(texts.len() as u32 - 1));
        }
        Ok(Coded { texts, codes, bits, met: vec![0; texts.len()], page: 0, bytes })
    }

    /// Writes the texts of these codes as a page.
    pub(super) fn page(
        &mut self,
        chunk: &mut Chunk<'_>,
        levels: &Levels<'_>,
        values: Range<usize>,
    ) -> Result<(), ParquetError> {
        self.bytes.clear();
        let bounds = match self.codes {
            _ if !chunk.is_indexed() => None,
            Codes::Same(_) => (!values.is_empty()).then(|| (self.texts.value(0), self.texts.value(0))),
            Codes::Each(codes) => self.bounds(&codes[values.clone()]),
        };
        let encoding = match (self.bits, self.codes) {
            (Some(bits), codes) => {
                self.bytes.push(bits as u8);
                match codes {
                    Codes::Same(_) => pack::run(0, values.len(), bits, &mut self.bytes),
                    Codes::Each(codes) => pack::hybrid(&codes[values], bits, &mut self.bytes),
                }
                Encoding::RLE_DICTIONARY
            }
            (None, Codes::Same(_)) => texts(values.map(|_| self.texts.value(0)), &mut self.bytes),
            (None, Codes::Each(codes)) => {
                texts(codes[values].iter().map(|code| self.texts.value(*code)), &mut self.bytes)
            }
        };
        let bounds = bounds.map(|(least, greatest)| (Bound::Bytes(least.into()), Bound::Bytes(greatest.into())));
        chunk.page(levels, Values { bytes: &self.bytes, encoding, bounds })
    }

    /// The least and the greatest text; each distinct one is compared once.
    fn bounds(&mut self, codes: &[u32]) -> Option<(&'a [u8], &'a [u8])> {
        self.page += 1;
        let first = self.texts.value(*codes.first()?);
        let (mut least, mut greatest) = (first, first);
        for &code in codes {
            if std::mem::replace(&mut self.met[code as usize], self.page) != self.page {
                let text = self.texts.value(code);
                if text < least {
                    least = text;
                } else if text > greatest {
                    greatest = text;
                }
            }
        }
        Some((least, greatest))
    }
}

/// Appends texts as they are, their lengths first.
pub(super) fn texts<'t>(values: impl Iterator<Item = &'t [u8]> + Clone, out: &mut Vec<u8>) -> Encoding {
    let lengths: Vec<i64> = values.clone().map(|text| text.len() as i64).collect();
    pack::differences(&lengths, true, out);
    out.reserve(lengths.iter().sum::<i64>() as usize);
    values.for_each(|text| out.extend_from_slice(text));
    Encoding::DELTA_LENGTH_BYTE_ARRAY
}
