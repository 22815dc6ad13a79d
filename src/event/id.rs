//! Event ids: 16 bytes, a function of the event alone.
//!
//! The layout is RFC 9562's UUID version 8: 48 bits of the event's time in milliseconds, then 74
//! bits of a hash of the raw line. Ids therefore sort by time, compress well in a time-sorted
//! file, and read as a UUID in SQL. The file's name and the line's place do not enter, so a log
//! gives the same ids wherever it lies and in whatever order its lines come; equal lines are told
//! apart by how many came before ([`EventId::new`]'s `occurrence`).

use std::fmt;
use std::str::FromStr;

/// A deterministic event id. Ordered as its bytes are.
///
/// Two words instead of one of 128 bits: rows that carry it are then aligned to 8 bytes, a sixth smaller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EventId {
    high: u64,
    low: u64,
}

impl EventId {
    /// The id of the `occurrence`-th (from 0) event with this raw line at this time (µs since the epoch).
    pub fn new(time: i64, raw: &[u8], occurrence: u64) -> EventId {
        EventId::from_hash(time, xxhash_rust::xxh3::xxh3_128_with_seed(raw, occurrence))
    }

    /// The id with this time (µs since the epoch) and hash.
    pub fn from_hash(time: i64, hash: u128) -> EventId {
        let millis = (time.div_euclid(1000) as u128) & 0xffff_ffff_ffff;
        let high = (hash >> 64) & 0xfff;
        let low = hash & 0x3fff_ffff_ffff_ffff;
        EventId::from_bits(millis << 80 | 0x8 << 76 | high << 64 | 0b10 << 62 | low)
    }

    /// The id with these bits.
    pub fn from_bits(bits: u128) -> EventId {
        EventId { high: (bits >> 64) as u64, low: bits as u64 }
    }

    /// Its bits.
    pub fn bits(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// Its last 64 bits: mostly hash, so good for spreading.
    pub fn low(self) -> u64 {
        self.low
    }

    /// Its first 64 bits: mostly time.
    pub fn high(self) -> u64 {
        self.high
    }

    /// Big-endian bytes, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.bits().to_be_bytes()
    }

    /// From stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> EventId {
        EventId::from_bits(u128::from_be_bytes(bytes))
    }
}

/// Where the digits of each byte stand in a UUID's text.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

impl EventId {
    /// As text, in ASCII; alerts name many ids.
    pub(crate) fn ascii(self) -> [u8; 36] {
        let digits = hex(self.bits());
        let mut text = [b'-'; 36];
        for (n, place) in PLACES.into_iter().enumerate() {
            text[place..place + 2].copy_from_slice(&digits[2 * n..2 * n + 2]);
        }
        text
    }

    fn with_text<T>(self, take: impl FnOnce(&str) -> T) -> T {
        take(std::str::from_utf8(&self.ascii()).expect("hexadecimal digits and dashes are ASCII"))
    }
}

/// The 32 hexadecimal digits of a number, sixteen at a time: each nibble is spread to a byte, then 10 to 15 are moved
/// from behind the digits to the letters.
pub(crate) fn hex(bits: u128) -> [u8; 32] {
    let half = |word: u64| -> [u8; 16] {
        let mut text = [0; 16];
        for (at, eight) in [(word >> 32) as u32, word as u32].into_iter().enumerate() {
            let spread = u64::from(eight);
            let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
            let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
            let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
            let letters = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
            let digits = spread + 0x3030_3030_3030_3030 + letters * 39;
            text[at * 8..at * 8 + 8].copy_from_slice(&digits.to_be_bytes());
        }
        text
    };
    let mut text = [0; 32];
    text[..16].copy_from_slice(&half((bits >> 64) as u64));
    text[16..].copy_from_slice(&half(bits as u64));
    text
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not 32 hexadecimal digits, with or without dashes.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an event id (32 hexadecimal digits, as printed in an alert's evidence)")]
pub struct BadId(String);

impl FromStr for EventId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 {
            return Err(BadId(text.to_owned()));
        }
        u128::from_str_radix(&digits, 16).map(EventId::from_bits).map_err(|_| BadId(text.to_owned()))
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { self.with_text(|text| s.serialize_str(text)) } else { s.serialize_u128(self.bits()) }
    }
}

impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            u128::deserialize(d).map(EventId::from_bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_round_trip() {
        let a = EventId::new(1_000_000, b"x", 0);
        let b = EventId::new(2_000_000, b"x", 0);
        assert!(a < b);
        assert_ne!(a, EventId::new(1_000_000, b"x", 1));
        assert_eq!(a.to_string().parse::<EventId>().unwrap(), a);
        assert_eq!(EventId::from_bytes(a.to_bytes()), a);
        assert_eq!(&a.to_string()[14..15], "8");
        let bits = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
        assert_eq!(EventId::from_bits(bits).to_string(), "01234567-89ab-cdef-fedc-ba9876543210");
    }
}
