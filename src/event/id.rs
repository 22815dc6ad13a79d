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

    /// Big-endian bytes, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.bits().to_be_bytes()
    }

    /// From stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> EventId {
        EventId::from_bits(u128::from_be_bytes(bytes))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (n, byte) in self.to_bytes().into_iter().enumerate() {
            at += usize::from(matches!(n, 4 | 6 | 8 | 10));
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
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
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_u128(self.bits()) }
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
    }
}
