//! Keys and values of match rows.

use compact_str::CompactString;

/// Values side by side, unambiguously joined, each possibly missing: a key or a payload in a match row.
/// Short ones (24 bytes in all) are held without allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple(pub CompactString);

impl serde::Serialize for Tuple {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Tuple {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Ok(Tuple(CompactString::from(text)))
    }
}

impl Tuple {
    /// From its values.
    pub fn new<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Tuple {
        let mut joined = CompactString::default();
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                joined.push('\u{1f}');
            }
            match value {
                None => joined.push('\0'),
                Some(v) if v.bytes().any(|b| matches!(b, 0 | 0x1b | 0x1f)) => {
                    for c in v.chars() {
                        match c {
                            '\0' => joined.push_str("\u{1b}0"),
                            '\u{1b}' => joined.push_str("\u{1b}1"),
                            '\u{1f}' => joined.push_str("\u{1b}2"),
                            c => joined.push(c),
                        }
                    }
                }
                Some(v) => joined.push_str(v),
            }
        }
        Tuple(joined)
    }

    /// Whether both tuples have the same value (or both miss it) at a position.
    pub fn same_at(&self, other: &Tuple, position: usize) -> bool {
        self.0.split('\u{1f}').nth(position) == other.0.split('\u{1f}').nth(position)
    }

    /// A hash of the value at a position, the same wherever the value is the same.
    pub fn hash_at(&self, position: usize) -> u64 {
        let part = self.0.as_bytes().split(|b| *b == 0x1f).nth(position).unwrap_or(&[]);
        xxhash_rust::xxh3::xxh3_64(part)
    }

    /// The tuple of the first so many of its values.
    pub fn head(&self, count: usize) -> Tuple {
        let end = match count.checked_sub(1) {
            None => 0,
            Some(last) => self.0.match_indices('\u{1f}').nth(last).map_or(self.0.len(), |(at, _)| at),
        };
        Tuple(CompactString::from(&self.0[..end]))
    }

    /// The value at a position; `None` when it is missing.
    pub fn get(&self, position: usize) -> Option<String> {
        let part = self.0.split('\u{1f}').nth(position)?;
        match part {
            "\0" => None,
            p if p.contains('\u{1b}') => {
                Some(p.replace("\u{1b}2", "\u{1f}").replace("\u{1b}0", "\0").replace("\u{1b}1", "\u{1b}"))
            }
            p => Some(p.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_are_unambiguous() {
        let t = Tuple::new([Some("a\u{1f}b"), None, Some(""), Some("\u{1b}0")]);
        assert_eq!(t.get(0).as_deref(), Some("a\u{1f}b"));
        assert_eq!(t.get(1), None);
        assert_eq!(t.get(2).as_deref(), Some(""));
        assert_eq!(t.get(3).as_deref(), Some("\u{1b}0"));
        assert_eq!(t.head(2), Tuple::new([Some("a\u{1f}b"), None]));
        assert_eq!((t.head(0), t.head(4)), (Tuple::default(), t));
    }
}
