//! The plan: checked rules as inert data. The compiler ends here; matching and correlation start here.
//!
//! Nothing in a plan refers to source text or to a dataflow. Names are resolved to fields, lists to
//! their values, durations to microseconds, and each form to its steps and parameters.

use std::sync::Arc;

use compact_str::CompactString;
use rustc_hash::FxHashSet;

use crate::alert::Severity;

pub use crate::event::field::FieldRef;

/// All rules of a folder, compiled as one program. A rule's position is its number in the dataflow.
#[derive(Debug, Default)]
pub struct Program {
    /// The rules, sorted by name.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Unique name; part of every alert id.
    pub name: String,
    /// Title template.
    pub title: Template,
    /// Longer text for people.
    pub description: Option<String>,
    /// Severity of its alerts.
    pub severity: Severity,
    /// ATT&CK technique ids.
    pub attack: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Runbook path or address.
    pub runbook: Option<String>,
    /// Risk points.
    pub risk: Option<i64>,
    /// The steps. Every form but a sequence has one; an `until` is the last.
    pub steps: Vec<Step>,
    /// The names under which the key is shown (those of the first step).
    pub key: Vec<FieldRef>,
    /// Values that a match row carries for titles and distinct counts.
    pub payload: Vec<FieldRef>,
    /// How matches are found.
    pub form: Form,
    /// Matches of a key whose gap is at most this merge into one episode, µs; 0 without a cooldown.
    pub cooldown: i64,
    /// The file it came from.
    pub file: Arc<str>,
}

/// One kind of event a rule looks for.
#[derive(Debug)]
pub struct Step {
    /// Its label in the rule (`fail:`), if any.
    pub name: Option<String>,
    /// Which events; exceptions are folded in.
    pub predicate: Predicate,
    /// The fields whose values make the key, one for each of [`Rule::key`]. An event that misses one of them does not take part.
    pub key: Vec<FieldRef>,
}

/// How matches are found among a key's events, in (time, id) order. Windows are in µs and include both ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Every event is a match, an episode and an alert of its own: no key, no cooldown, no state.
    Single,
    /// `count` events within the window. A keyed or cooled single event is a threshold of 1.
    Threshold {
        /// Window.
        within: i64,
        /// How many events.
        count: usize,
    },
    /// `count` distinct values of a payload slot within the window; an event that misses the value does not take part.
    Distinct {
        /// Window.
        within: i64,
        /// How many values.
        count: usize,
        /// Position in [`Rule::payload`].
        slot: usize,
    },
    /// Steps one after the other, strictly ordered, each with its number of events.
    Sequence {
        /// Window from the first event to the last.
        within: i64,
        /// How many events each step takes; the steps are the first `counts.len()` of [`Rule::steps`].
        counts: Vec<usize>,
        /// Position in [`Rule::steps`] of the event that breaks a chain.
        until: Option<usize>,
    },
}

impl Form {
    /// The longest span of a match, µs.
    pub fn within(&self) -> i64 {
        match self {
            Form::Single => 0,
            Form::Threshold { within, .. } | Form::Distinct { within, .. } | Form::Sequence { within, .. } => *within,
        }
    }
}

impl Program {
    /// How far back state reaches, µs: the longest window and cooldown of any rule.
    pub fn horizon(&self) -> i64 {
        self.rules.iter().map(|r| r.form.within().saturating_add(r.cooldown)).max().unwrap_or(0)
    }

    /// The number of the rule of this name.
    pub fn position(&self, name: &str) -> Option<u32> {
        self.rules.binary_search_by(|r| r.name.as_str().cmp(name)).ok().map(|i| i as u32)
    }
}

/// A condition on one event. Two-valued: a comparison with a missing field is false.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Always or never.
    Constant(bool),
    /// One test of one field.
    Atom(Atom),
    /// All hold; an empty one is true.
    And(Vec<Predicate>),
    /// One holds; an empty one is false.
    Or(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
}

/// One test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    /// The field.
    pub field: FieldRef,
    /// The test.
    pub test: Test,
}

/// What is asked of a value. On a list it holds when any element does.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value.
    Exists,
    /// Text equal to one of these; `fold`ed values are lower case and compared without case.
    OneOf {
        /// The values.
        values: Arc<FxHashSet<String>>,
        /// Ignore case (Unicode lower case).
        fold: bool,
    },
    /// `*` any run, `?` any one character, `\` makes the next one literal; the whole text must fit.
    Like {
        /// The pattern, lower case when folded.
        pattern: String,
        /// Ignore case.
        fold: bool,
    },
    /// A regular expression in the syntax of the `regex` crate, unanchored. Checked to compile.
    Regex(String),
    /// A number, or a time in µs, in this inclusive range.
    Range(i128, i128),
    /// A number that is one of these (sorted).
    Numbers(Vec<i128>),
    /// An address in one of these networks.
    Network(Vec<Network>),
}

/// An IP network; IPv4 networks are held as their IPv4-mapped form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// First address, as IPv6 (IPv4-mapped for IPv4).
    pub base: u128,
    /// Prefix length of the IPv6 form, 0 to 128.
    pub prefix: u8,
}

impl Network {
    /// Whether it holds the address.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        let bits = mapped(address);
        self.prefix == 0 || (bits ^ self.base) >> (128 - u32::from(self.prefix)) == 0
    }
}

/// An address as IPv6 bits, IPv4 mapped.
pub fn mapped(address: std::net::IpAddr) -> u128 {
    match address {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    /// `10.0.0.0/8`, `2001:db8::/32`, or a single address. Bits beyond the prefix are ignored.
    fn from_str(text: &str) -> Result<Network, String> {
        let bad = || format!("`{text}` is not a network: write it like 10.0.0.0/8 or 2001:db8::/32");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: std::net::IpAddr = address.parse().map_err(|_| bad())?;
        let (width, shift) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.map_or(Ok(width), |p| p.parse::<u8>().map_err(|_| bad()))?;
        if prefix > width {
            return Err(bad());
        }
        let prefix = prefix + shift;
        let mask = if prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(prefix)) };
        Ok(Network { base: mapped(address) & mask, prefix })
    }
}

/// A title: text with holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a title.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text as it stands.
    Text(String),
    /// `{count}`.
    Count,
    /// `{source.ip}` when it is part of the key: position in [`Rule::key`].
    Key(usize),
    /// A value of an event: of the given step's in the first match, or without a step of the
    /// first event (of the last one in a sequence).
    Value {
        /// Position in [`Rule::steps`].
        step: Option<usize>,
        /// Position in [`Rule::payload`].
        slot: usize,
    },
}

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
    }

    #[test]
    fn networks_hold_their_addresses() {
        let n: Network = "10.0.0.0/8".parse().unwrap();
        assert!(n.contains("10.255.0.1".parse().unwrap()) && !n.contains("11.0.0.1".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        let six: Network = "2001:db8::/32".parse().unwrap();
        assert!(six.contains("2001:db8::1".parse().unwrap()) && !six.contains("10.0.0.1".parse().unwrap()));
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("1.2.3.4".parse().unwrap()));
    }
}
