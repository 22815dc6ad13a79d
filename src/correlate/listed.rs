//! What lists hold, and how it changes.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::matching::fold;
use crate::rule::plan::{List, Network, mapped};

/// A value that came into a list or left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListChange {
    /// Position in [`Program::lists`](crate::rule::plan::Program::lists).
    pub list: u32,
    /// The value, in any case: text, an address or a network.
    pub value: String,
    /// Whether the list has it now.
    pub present: bool,
}

/// The values of one list.
#[derive(Default)]
pub(super) struct Contents {
    /// Without case.
    values: FxHashSet<String>,
    /// By their mask the addresses and networks among the values, with how many values are that one.
    networks: FxHashMap<u128, FxHashMap<u128, u32>>,
}

impl Contents {
    /// Those of a list as it is in its program.
    pub(super) fn of(list: &List) -> Contents {
        let mut contents = Contents::default();
        list.values.iter().for_each(|value| contents.set(value, true));
        for network in list.networks.iter() {
            contents.networks.entry(mask(network)).or_default().entry(network.base & mask(network)).or_insert(1);
        }
        contents
    }

    /// Whether this (without case) is one of its values.
    pub(super) fn has(&self, value: &str) -> bool {
        self.values.contains(value)
    }

    /// Puts a value in or takes it out.
    pub(super) fn set(&mut self, value: &str, present: bool) {
        let value = fold(value);
        let network = value.parse::<Network>().ok();
        let changed = if present { self.values.insert(value) } else { self.values.remove(&value) };
        let Some(network) = network.filter(|_| changed) else { return };
        let (mask, base) = (mask(&network), network.base & mask(&network));
        let of_mask = self.networks.entry(mask).or_default();
        if present {
            *of_mask.entry(base).or_default() += 1;
        } else if let Some(count) = of_mask.get_mut(&base) {
            *count -= 1;
            if *count == 0 {
                of_mask.remove(&base);
            }
        }
        if of_mask.is_empty() {
            self.networks.remove(&mask);
        }
    }

    /// Whether it has a value (without case), or a network that holds it.
    pub(super) fn holds(&self, value: &str) -> bool {
        self.values.contains(value) || !self.networks.is_empty() && address(value).is_some_and(|bits| self.covers(bits))
    }

    /// Whether one of its networks holds an address.
    pub(super) fn covers(&self, bits: u128) -> bool {
        self.networks.iter().any(|(mask, of_mask)| of_mask.contains_key(&(bits & mask)))
    }
}

/// The bits of an address.
pub(super) fn address(value: &str) -> Option<u128> {
    value.parse::<IpAddr>().ok().map(mapped)
}

fn mask(network: &Network) -> u128 {
    if network.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(network.prefix.min(128))) }
}

/// The changes of one epoch, for every worker.
pub(super) type Changes = Arc<[ListChange]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_stays_while_one_of_its_spellings_does() {
        let mut contents = Contents::default();
        for value in ["10.0.0.0/8", "10.1.0.0/8", "Evil.Example"] {
            contents.set(value, true);
        }
        assert!(contents.holds("10.2.3.4") && contents.holds("evil.example") && !contents.holds("11.0.0.1"));
        contents.set("10.0.0.0/8", false);
        assert!(contents.holds("10.2.3.4"));
        contents.set("10.1.0.0/8", false);
        contents.set("10.1.0.0/8", false);
        assert!(!contents.holds("10.2.3.4"));
    }

    #[test]
    fn a_list_of_a_program_has_its_networks_once() {
        let values = Arc::new(["2001:db8::/32".to_owned()].into_iter().collect());
        let networks = Arc::new(vec!["2001:db8::/32".parse().unwrap(), "192.0.2.0/24".parse().unwrap()]);
        let mut contents = Contents::of(&List { values, networks, ..List::default() });
        assert!(contents.holds("2001:db8::1") && contents.holds("192.0.2.7"));
        contents.set("2001:DB8::/32", false);
        assert!(!contents.holds("2001:db8::1") && contents.holds("192.0.2.7"));
    }
}
