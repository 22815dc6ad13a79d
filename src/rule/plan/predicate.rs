//! Conditions on one event.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::event::field::FieldRef;

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
    /// A value of the list of this number in [`Program::lists`](super::Program::lists), as it stands when the rule
    /// looks: text without case, an address in one of its networks. Only in rules with [`Rule::retro`](super::Rule::retro).
    Listed(u32),
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

#[cfg(test)]
mod tests {
    use super::*;

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
