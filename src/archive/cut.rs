//! Raw lines are cut into pieces: what lies between the values that other columns hold already.
//!
//! In come the rows of a row group, out go the columns of [`crate::event::line`], and what is left of `event.original`.
//! A line is cut at the values of its own row, so any line may be: lines of one form have them at the same
//! distances from one another, and a form that fitted before is tried first. What was found is compared byte by
//! byte, so that the pieces and the values always are the line again. Where pieces do not repeat, lines stay whole.

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::UInt32Type;
use rustc_hash::FxHashMap;

use super::locate::locate;
use super::rows::{Codes, Column, MISSING, Rows};
use super::slots::sources;
use super::texts::Texts;
use crate::event::fetch::fetch;
use crate::event::field;
use crate::event::line::{MESSAGE, SLOTS};
use crate::event::same;

pub(super) const SLOT_COUNT: usize = SLOTS.len();
/// Number of the last piece.
const END: usize = SLOT_COUNT;
/// Longer lines stay whole.
pub(super) const LONGEST: usize = 16 << 10;
/// After so many rows it is seen whether pieces repeat.
const SAMPLE: usize = 4096;
/// So many lines are fetched ahead.
const AHEAD: usize = 16;
/// Forms that are tried on a line.
const FORMS: usize = 8;
/// Forms that are remembered.
const REMEMBERED: usize = 16 << 10;

/// The raw lines of a row group.
pub(super) struct Cut<'a> {
    /// Those that stay whole.
    pub(super) whole: Column<Vec<&'a [u8]>>,
    /// `log.message_offset` of those.
    pub(super) offsets: Column<Vec<i64>>,
    pieces: Vec<Pieces>,
}

/// One column of pieces.
struct Pieces {
    texts: Texts,
    column: Column<Codes>,
}

impl<'a> Cut<'a> {
    /// The lines of these rows; all stay whole where there is no place for `pieces`.
    pub(super) fn new(rows: &Rows<'a>, pieces: bool) -> Cut<'a> {
        let whole = rows.long(field::EVENT_ORIGINAL);
        let offsets = rows.numbers::<UInt32Type>(field::LOG_MESSAGE_OFFSET, i64::from);
        let mut cutter = Cutter::default();
        if !pieces || !cutter.all(rows, &whole, &offsets) {
            return Cut { whole, offsets, pieces: Vec::new() };
        }
        let mut uncut: Vec<bool> = cutter.pieces[END].codes.iter().map(|code| *code == MISSING).collect();
        uncut.resize(rows.len(), true);
        Cut {
            whole: only(whole, &uncut),
            offsets: only(offsets, &uncut),
            pieces: cutter.pieces.into_iter().map(|piece| piece.finish(rows.len())).collect(),
        }
    }

    /// The column of a piece, if any line has it.
    pub(super) fn piece(&self, piece: usize) -> Option<(&Texts, &Column<Codes>)> {
        self.pieces.get(piece).filter(|p| p.texts.len() > 0).map(|p| (&p.texts, &p.column))
    }
}

/// The column with the values of these rows only.
fn only<T: Copy>(column: Column<Vec<T>>, rows: &[bool]) -> Column<Vec<T>> {
    let mut values = column.values.into_iter();
    let (mut kept, mut valid) = (Vec::new(), Vec::with_capacity(rows.len()));
    for (row, keep) in rows.iter().enumerate() {
        let value = column.valid.as_ref().is_none_or(|v| v.value(row)).then(|| values.next()).flatten();
        let value = value.filter(|_| *keep);
        valid.push(value.is_some());
        kept.extend(value);
    }
    Column { values: kept, valid: Some(BooleanBuffer::from(valid)) }
}

/// A column of pieces while lines are cut.
#[derive(Default)]
struct Building {
    texts: Texts,
    codes: Vec<u32>,
}

impl Building {
    /// Notes the piece of a row and returns its code; `last` is the code that it likely has.
    #[inline]
    fn set(&mut self, row: usize, piece: &[u8], last: u32) -> u32 {
        let known = last != MISSING && same(self.texts.value(last), piece);
        let code = if known { last } else { self.texts.code_of(piece) };
        if self.codes.len() < row {
            self.codes.resize(row, MISSING);
        }
        self.codes.push(code);
        code
    }

    fn finish(self, rows: usize) -> Pieces {
        let Building { texts, mut codes } = self;
        codes.resize(rows, MISSING);
        Pieces { texts, column: Column::coded(codes) }
    }
}

/// Where lines that look alike are cut.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Which slots are used, by bit.
    pub(super) used: u16,
    /// The length of the piece before each.
    pub(super) gaps: [u16; SLOT_COUNT],
    /// The code that each piece had last.
    pub(super) codes: [u32; SLOT_COUNT + 1],
}

/// The values of a row, by slot; the message's is its offset in the line.
#[derive(Default)]
pub(super) struct Values<'v> {
    pub(super) texts: [&'v [u8]; SLOT_COUNT],
    /// Which there are, by bit.
    pub(super) present: u16,
    pub(super) message: usize,
}

/// Which slots of a form or a row there are.
pub(super) fn bits(mut of: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = of.trailing_zeros() as usize;
        of &= of.wrapping_sub(1);
        (at < SLOT_COUNT).then_some(at)
    })
}

impl Form {
    /// Whether the line has all values where this form has them.
    #[inline]
    fn fits(&self, line: &[u8], values: &Values<'_>) -> bool {
        let mut at = 0;
        bits(self.used).all(|slot| {
            at += self.gaps[slot] as usize;
            let value = values.texts[slot];
            let there = at.checked_add(value.len()).and_then(|end| line.get(at..end));
            let fits = there.is_some_and(|text| same(text, value)) && (slot != MESSAGE || at == values.message);
            at += value.len();
            fits
        })
    }
}

#[derive(Default)]
struct Cutter {
    pieces: [Building; SLOT_COUNT + 1],
    /// By which values there are and how much of the line is not theirs.
    forms: FxHashMap<(u16, u32), Vec<Form>>,
    remembered: usize,
    /// Bytes of the lines that were cut.
    bytes: usize,
}

impl Cutter {
    /// Cuts what can be cut; says whether that is worth it.
    fn all(&mut self, rows: &Rows<'_>, lines: &Column<Vec<&[u8]>>, offsets: &Column<Vec<i64>>) -> bool {
        let sources: Vec<_> = rows.batches().iter().map(sources).collect();
        // They lie in the order they came in, not in that of their times.
        let mut coming = lines.values.iter().skip(AHEAD);
        let (mut lines, mut starts) = (cursor(lines), cursor(offsets));
        let mut digits: [itoa::Buffer; SLOT_COUNT] = std::array::from_fn(|_| itoa::Buffer::new());
        self.pieces.iter_mut().for_each(|piece| piece.codes.reserve_exact(rows.len()));
        for (row, &(batch, at)) in rows.places().iter().enumerate() {
            let (line, start) = (lines(row), starts(row));
            if line.is_some() {
                coming.next().into_iter().for_each(|line| fetch(*line));
            }
            if row == SAMPLE && !self.is_worth_it() {
                return false;
            }
            let Some(line) = line.filter(|line| may_be_cut(line)) else { continue };
            let mut values = Values::default();
            if let Some(start) = start {
                let start = start as usize;
                // The offset counts characters.
                if !line.get(..start).is_some_and(<[u8]>::is_ascii) {
                    continue;
                }
                (values.message, values.present) = (start, 1 << MESSAGE);
            }
            let mut rest = line.len();
            for ((slot, source), digits) in sources[batch as usize].iter().zip(&mut digits) {
                if let Some(text) = source.get(at as usize, digits).filter(|text| !text.is_empty()) {
                    values.texts[*slot] = text;
                    values.present |= 1 << *slot;
                    rest = rest.wrapping_sub(text.len());
                }
            }
            self.line(row, line, &values, rest as u32);
        }
        self.is_worth_it()
    }

    /// Whether most of what the pieces hold they hold more than once.
    fn is_worth_it(&self) -> bool {
        let distinct: usize = self.pieces.iter().map(|p| p.texts.bytes()).sum();
        self.bytes > 0 && distinct * 2 <= self.bytes
    }

    #[inline]
    fn line(&mut self, row: usize, line: &[u8], values: &Values<'_>, rest: u32) {
        let forms = self.forms.entry((values.present, rest)).or_default();
        let known = forms.iter().position(|form| form.fits(line, values));
        let at = match known {
            Some(at) => at,
            None => {
                let Some(form) = locate(line, values) else { return };
                if forms.len() == FORMS {
                    forms.pop();
                    self.remembered -= 1;
                }
                forms.insert(0, form);
                self.remembered += 1;
                0
            }
        };
        let form = &mut forms[at];
        let mut from = 0;
        for slot in bits(form.used) {
            let end = from + form.gaps[slot] as usize;
            form.codes[slot] = self.pieces[slot].set(row, &line[from..end], form.codes[slot]);
            from = end + values.texts[slot].len();
        }
        form.codes[END] = self.pieces[END].set(row, &line[from..], form.codes[END]);
        self.bytes += line.len();
        if self.remembered > REMEMBERED {
            self.forms.clear();
            self.remembered = 0;
        }
    }
}

/// Objects have their times and much else that no slot is for, in any order.
fn may_be_cut(line: &[u8]) -> bool {
    line.len() <= LONGEST && line.first().is_some_and(|first| *first != b'{')
}

/// Gives the values of a column row by row.
fn cursor<'c, T: Copy>(column: &'c Column<Vec<T>>) -> impl FnMut(usize) -> Option<T> + 'c {
    let mut values = column.values.iter();
    move |row| column.valid.as_ref().is_none_or(|v| v.value(row)).then(|| values.next().copied()).flatten()
}
