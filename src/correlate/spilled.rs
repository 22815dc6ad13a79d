//! Match rows in a temporary file.

use std::io::{self, Read, Write};

use crate::event::EventId;
use crate::matching::MatchRow;
use crate::rule::plan::Tuple;

/// Writes a row; returns how many bytes it took.
pub(super) fn write_row(out: &mut impl Write, row: &MatchRow) -> io::Result<u64> {
    let (key, values) = (row.key.0.as_bytes(), row.values.0.as_bytes());
    out.write_all(&row.group.to_le_bytes())?;
    out.write_all(&row.hits.to_le_bytes())?;
    out.write_all(&row.time.to_le_bytes())?;
    out.write_all(&row.id.to_bytes())?;
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(&(values.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(values)?;
    Ok((HEADER + key.len() + values.len()) as u64)
}

const HEADER: usize = 4 + 8 + 8 + 16 + 4 + 4;

/// Reads a row that was written so, and how many bytes it took.
pub(super) fn read_row(input: &mut impl Read) -> io::Result<(MatchRow, u64)> {
    let mut head = [0; HEADER];
    input.read_exact(&mut head)?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let (key, values) = (word(36) as usize, word(40) as usize);
    let mut text = vec![0; key + values];
    input.read_exact(&mut text)?;
    let tuple = |bytes: &[u8]| -> io::Result<Tuple> {
        std::str::from_utf8(bytes).map(|t| Tuple(t.into())).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    };
    let row = MatchRow {
        group: word(0),
        hits: u64::from_le_bytes(head[4..12].try_into().expect("eight bytes")),
        time: i64::from_le_bytes(head[12..20].try_into().expect("eight bytes")),
        id: EventId::from_bytes(head[20..36].try_into().expect("sixteen bytes")),
        key: tuple(&text[..key])?,
        values: tuple(&text[key..])?,
    };
    Ok((row, (HEADER + key + values) as u64))
}
