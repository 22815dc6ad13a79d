//! Builds batches row by row. In: values of one event after the other. Out: an [`EventBatch`].

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::batch::{EventBatch, LIST_SEPARATOR};
use super::column::{Column, DictionaryBuilder};
use super::field::{self, FieldId, Type};
use super::id::EventId;

/// `fields.*` names remembered from one batch to the next, so that their columns need no new memory.
const KEPT_EXTRAS: usize = 256;

/// Sets of values found by what they belong to; more than a source ever uses.
const KEPT_ALIKE: usize = 64;

/// Builds a batch row by row: any number of `set_*` calls, then [`BatchBuilder::end_row`].
/// A field set twice in a row keeps the later value. No allocation a row once its columns exist.
#[derive(Default)]
pub struct BatchBuilder {
    len: usize,
    columns: Vec<Option<Column>>,
    extra: FxHashMap<Arc<str>, DictionaryBuilder>,
    scratch: String,
    /// What came together in this batch: its place in memory, and the codes that were set.
    alike: Vec<(usize, Vec<(FieldId, u32)>)>,
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new() -> BatchBuilder {
        BatchBuilder { columns: (0..field::COUNT).map(|_| None).collect(), ..Default::default() }
    }

    /// Finished rows so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row was finished.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of long text so far; a batch is best ended before this reaches a few hundred MiB (Arrow offsets are 32 bit).
    pub fn long_bytes(&self) -> usize {
        self.columns.iter().flatten().map(|c| if let Column::Long(l) = c { l.bytes() } else { 0 }).sum()
    }

    #[inline]
    fn column(&mut self, field: FieldId) -> &mut Column {
        let column = &mut self.columns[field.0 as usize];
        match column {
            Some(column) => column,
            None => first_of(column, field),
        }
    }

    /// Sets a text, long text or single-element list. Addresses go through [`BatchBuilder::set_ip`].
    #[inline]
    pub fn set_text(&mut self, field: FieldId, value: &str) {
        debug_assert!(field.ty() != Type::Ip, "{} takes set_ip", field.name());
        let row = self.len;
        match self.column(field) {
            Column::Dictionary(d) => d.set(row, value),
            Column::Long(l) => l.set(row, value),
            Column::Number(_) | Column::Ids(_) => debug_assert!(false, "{} is not text", field.name()),
        }
    }

    /// Sets an address, in canonical form; returns false, and sets nothing, when `value` is not one.
    pub fn set_ip(&mut self, field: FieldId, value: &str) -> bool {
        let row = self.len;
        let Column::Dictionary(column) = self.column(field) else { return false };
        // What is in the column's dictionary is an address in canonical form.
        column.set_if(row, value, |text| is_canonical_v4(text.as_bytes())) || set_other_ip(column, row, value)
    }

    /// Sets a text or single-element list from a word of the program itself: looked up by its place in memory, which
    /// is far cheaper than by content.
    #[inline]
    pub fn set_word(&mut self, field: FieldId, word: &'static str) {
        let row = self.len;
        match self.column(field) {
            Column::Dictionary(d) => d.set_word(row, word),
            Column::Long(l) => l.set(row, word),
            Column::Number(_) | Column::Ids(_) => debug_assert!(false, "{} is not text", field.name()),
        }
    }

    /// Sets what always comes together: `fill` sets these fields, dictionary-coded ones, to the same values whenever it
    /// is called for the same `of`, a thing of the program itself. It is called once a batch, and its values remembered.
    pub fn set_alike<T>(&mut self, of: &'static T, fields: &[FieldId], fill: impl FnOnce(&mut BatchBuilder)) {
        let row = self.len;
        let address = std::ptr::from_ref(of).addr();
        if let Some(known) = self.alike.iter().find(|k| k.0 == address) {
            for (field, code) in &known.1 {
                if let Some(Column::Dictionary(d)) = &mut self.columns[field.0 as usize] {
                    d.set_code(row, *code);
                }
            }
            return;
        }
        fill(self);
        let code = |field: &FieldId| match self.columns[field.0 as usize].as_ref()? {
            Column::Dictionary(d) => Some((*field, d.code_of(row)?)),
            Column::Long(_) | Column::Number(_) | Column::Ids(_) => None,
        };
        let codes = fields.iter().filter_map(code).collect();
        if self.alike.len() < KEPT_ALIKE {
            self.alike.push((address, codes));
        }
    }

    /// Sets a list; an empty one is a missing value.
    pub fn set_list(&mut self, field: FieldId, values: &[&str]) {
        if values.is_empty() {
            return;
        }
        let mut joined = std::mem::take(&mut self.scratch);
        joined.clear();
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                joined.push(LIST_SEPARATOR);
            }
            if value.contains(LIST_SEPARATOR) {
                joined.push_str(&value.replace(LIST_SEPARATOR, " "));
            } else {
                joined.push_str(value);
            }
        }
        self.set_text(field, &joined);
        self.scratch = joined;
    }

    /// Appends one element to this row's list.
    pub fn push_list(&mut self, field: FieldId, value: &str) {
        let row = self.len;
        let present = match self.column(field) {
            Column::Dictionary(d) => d.get(row).map(str::to_owned),
            Column::Long(_) | Column::Number(_) | Column::Ids(_) => None,
        };
        match present {
            Some(present) => self.set_list(field, &present.split(LIST_SEPARATOR).chain([value]).collect::<Vec<_>>()),
            None => self.set_list(field, &[value]),
        }
    }

    /// Sets a field of any type to what is written: a list to all values, another to the first. What the field cannot hold is
    /// left out, and so are ids.
    pub fn set_written(&mut self, field: FieldId, values: &[&str]) {
        let Some(first) = values.first() else { return };
        match field.ty() {
            Type::Text | Type::LongText => self.set_text(field, first),
            Type::TextList => self.set_list(field, values),
            Type::Ip => {
                self.set_ip(field, first);
            }
            Type::U16 | Type::U32 | Type::U64 | Type::I64 => {
                if let Ok(number) = first.parse() {
                    self.set_number(field, number);
                }
            }
            Type::Timestamp => {
                if let Some(micros) = super::time::parse_rfc3339(first) {
                    self.set_time(field, micros);
                }
            }
            Type::Id => {}
        }
    }

    /// Sets a number; returns false, and sets nothing, when it is out of the field's range.
    #[inline]
    pub fn set_number(&mut self, field: FieldId, value: i128) -> bool {
        let range = match field.ty() {
            Type::U16 => 0..=i128::from(u16::MAX),
            Type::U32 => 0..=i128::from(u32::MAX),
            Type::U64 => 0..=i128::from(u64::MAX),
            Type::I64 | Type::Timestamp => i128::from(i64::MIN)..=i128::from(i64::MAX),
            Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => return false,
        };
        let fits = range.contains(&value);
        if fits {
            self.set_bits(field, value as u64);
        }
        fits
    }

    fn set_bits(&mut self, field: FieldId, value: u64) {
        let row = self.len;
        if let Column::Number(n) = self.column(field) {
            n.set(row, value);
        }
    }

    /// Sets a time, µs UTC.
    #[inline]
    pub fn set_time(&mut self, field: FieldId, micros: i64) {
        debug_assert!(field.ty() == Type::Timestamp, "{} is not a time", field.name());
        self.set_bits(field, micros as u64);
    }

    /// Sets the event id.
    pub fn set_id(&mut self, id: EventId) {
        let row = self.len;
        if let Column::Ids(bytes) = self.column(field::EVENT_ID) {
            bytes.resize(row * 16, 0);
            bytes.extend_from_slice(&id.to_bytes());
        }
    }

    /// Sets `fields.<name>`.
    pub fn set_extra(&mut self, name: &str, value: &str) {
        let row = self.len;
        match self.extra.get_mut(name) {
            Some(column) => column.set(row, value),
            None => {
                let mut column = DictionaryBuilder::default();
                column.set(row, value);
                self.extra.insert(name.into(), column);
            }
        }
    }

    /// The text this row has for a dictionary-coded field, if it was set.
    pub fn row_text(&mut self, field: FieldId) -> Option<&str> {
        let row = self.len;
        match self.columns[field.0 as usize].as_ref()? {
            Column::Dictionary(d) => d.get(row),
            Column::Long(_) | Column::Number(_) | Column::Ids(_) => None,
        }
    }

    /// Whether this row has a value for the field.
    pub fn is_set(&self, field: FieldId) -> bool {
        match self.columns[field.0 as usize].as_ref() {
            Some(Column::Dictionary(d)) => d.rows() > self.len,
            Some(Column::Long(l)) => l.rows() > self.len,
            Some(Column::Number(n)) => n.rows() > self.len,
            Some(Column::Ids(i)) => i.len() > self.len * 16,
            None => false,
        }
    }

    /// Forgets what was set in this row, for a parser that finds out late that a line is not what it seemed.
    pub fn clear_row(&mut self) {
        let row = self.len;
        for column in self.columns.iter_mut().flatten() {
            column.truncate(row);
        }
        for column in self.extra.values_mut() {
            column.truncate(row);
        }
    }

    /// How many `fields.*` columns there are so far; each costs up to four bytes a row, whether set or not.
    pub fn extra_columns(&self) -> usize {
        self.extra.len()
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.len += 1;
    }

    /// The batch of all ended rows; the builder is empty again, and keeps some memory for the next batch.
    pub fn finish(&mut self) -> EventBatch {
        self.clear_row();
        let len = std::mem::take(&mut self.len);
        self.alike.clear();
        let columns =
            self.columns.iter_mut().enumerate().map(|(i, c)| c.as_mut()?.finish(FieldId(i as u16).ty(), len)).collect();
        let extra = self.extra.iter_mut().filter(|(_, d)| d.rows() > 0);
        let mut extra: Vec<_> = extra.map(|(n, d)| (n.clone(), d.finish(len))).collect();
        extra.sort_by(|a, b| a.0.cmp(&b.0));
        // Names that come once and never again must not pile up.
        if self.extra.len() > KEPT_EXTRAS {
            self.extra.clear();
        }
        EventBatch { len, columns, extra }
    }
}

#[cold]
fn set_other_ip(column: &mut DictionaryBuilder, row: usize, value: &str) -> bool {
    let address = value.parse::<std::net::IpAddr>();
    if let Ok(address) = &address {
        column.set(row, &address.to_canonical().to_string());
    }
    address.is_ok()
}

#[cold]
fn first_of(column: &mut Option<Column>, field: FieldId) -> &mut Column {
    column.insert(Column::new(field.ty()))
}

/// Dotted quad without leading zeros, exactly what `Ipv4Addr` would print.
pub(crate) fn is_canonical_v4(bytes: &[u8]) -> bool {
    if bytes.len() < 7 || bytes.len() > 15 {
        return false;
    }
    let (mut parts, mut value, mut digits) = (0, 0u32, 0);
    for &b in bytes {
        match b {
            b'0'..=b'9' => {
                if digits > 0 && value == 0 {
                    return false;
                }
                value = value * 10 + u32::from(b - b'0');
                digits += 1;
                if value > 255 {
                    return false;
                }
            }
            b'.' if digits > 0 && parts < 3 => {
                parts += 1;
                (value, digits) = (0, 0);
            }
            _ => return false,
        }
    }
    parts == 3 && digits > 0
}
