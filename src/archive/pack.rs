//! Numbers as Parquet packs them: runs and bits, and differences.
//!
//! In come the values of one page, out go their bytes. The formats are those of
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>: the hybrid of run lengths and packed bits for
//! levels and dictionary codes, `DELTA_BINARY_PACKED` and `BYTE_STREAM_SPLIT` for numbers.

use parquet::basic::Encoding;

/// Values a group of packed bits holds.
const GROUP: usize = 8;

/// Bits that a value up to `max` needs.
pub(super) fn width(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Appends whole numbers of `bits` bits each, lowest bit first, and fills the last byte with zeros.
fn pack(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    let (mut held, mut count) = (0u64, 0);
    for &value in values {
        held |= u64::from(value) << count;
        count += bits;
        if count >= 32 {
            out.extend_from_slice(&(held as u32).to_le_bytes());
            held >>= 32;
            count -= 32;
        }
    }
    out.extend_from_slice(&held.to_le_bytes()[..count.div_ceil(8) as usize]);
}

/// The same for numbers of more than 32 bits.
fn pack_wide(values: &[u64], bits: u32, out: &mut Vec<u8>) {
    let (mut held, mut count) = (0u128, 0);
    for &value in values {
        held |= u128::from(value) << count;
        count += bits;
        while count >= 8 {
            out.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(held as u8);
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63) as u64, out);
}

/// Appends `count` times the same value.
pub(super) fn run(value: u32, count: usize, bits: u32, out: &mut Vec<u8>) {
    if count > 0 {
        varint((count as u64) << 1, out);
        out.extend_from_slice(&value.to_le_bytes()[..bits.div_ceil(8) as usize]);
    }
}

fn groups(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let count = values.len().div_ceil(GROUP);
    varint((count as u64) << 1 | 1, out);
    let end = out.len() + count * bits as usize;
    pack(values, bits, out);
    out.resize(end, 0);
}

/// Appends values of `bits` bits as runs where they repeat and as packed bits where they do not.
pub(super) fn hybrid(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    let (mut start, mut at) = (0, 0);
    while at < values.len() {
        let value = values[at];
        let length = values[at..].iter().take_while(|v| **v == value).count();
        // Packed values come in whole groups: a run gives to the group that it begins in.
        let missing = (GROUP - (at - start) % GROUP) % GROUP;
        if length >= missing + GROUP {
            groups(&values[start..at + missing], bits, out);
            run(value, length - missing, bits, out);
            start = at + length;
        }
        at += length;
    }
    groups(&values[start..], bits, out);
}

/// Values a block of differences holds, in [`PARTS`] parts of their own width.
const BLOCK: usize = 128;
const PARTS: usize = 4;

/// Appends numbers as differences. With `narrow` they are 32 bits wide and differences wrap around there.
pub(super) fn differences(values: &[i64], narrow: bool, out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint(PARTS as u64, out);
    varint(values.len() as u64, out);
    let Some((&first, rest)) = values.split_first() else { return zigzag(0, out) };
    zigzag(if narrow { i64::from(first as i32) } else { first }, out);
    let mut last = first;
    let mut block = [0i64; BLOCK];
    for chunk in rest.chunks(BLOCK) {
        for (difference, &value) in block.iter_mut().zip(chunk) {
            let exact = value.wrapping_sub(last);
            *difference = if narrow { i64::from(exact as i32) } else { exact };
            last = value;
        }
        let block = &block[..chunk.len()];
        let least = block.iter().copied().min().unwrap_or_default();
        zigzag(least, out);
        let widths = out.len();
        out.extend_from_slice(&[0; PARTS]);
        for (part, differences) in block.chunks(BLOCK / PARTS).enumerate() {
            // A last, short part is filled up.
            let mut above = [0u64; BLOCK / PARTS];
            for (above, difference) in above.iter_mut().zip(differences) {
                *above = difference.wrapping_sub(least) as u64;
            }
            let bits = u64::BITS - above.iter().fold(0, |all, a| all | a).leading_zeros();
            out[widths + part] = bits as u8;
            if bits <= 32 {
                pack(&above.map(|a| a as u32), bits, out);
            } else {
                pack_wide(&above, bits, out);
            }
        }
    }
}

/// Appends numbers in what is smaller once it is compressed: differences for those that ascend or stay alike, bytes of
/// one rank together for those that jump, such as ports.
pub(super) fn numbers(values: &[i64], narrow: bool, out: &mut Vec<u8>) -> Encoding {
    let start = out.len();
    differences(values, narrow, out);
    let used = u64::BITS - values.iter().fold(0, |all, n| all | *n as u64).leading_zeros();
    if out.len() - start <= values.len() * used.div_ceil(8) as usize {
        return Encoding::DELTA_BINARY_PACKED;
    }
    out.truncate(start);
    for byte in 0..if narrow { 4 } else { 8 } {
        out.extend(values.iter().map(|value| (value >> (8 * byte)) as u8));
    }
    Encoding::BYTE_STREAM_SPLIT
}
