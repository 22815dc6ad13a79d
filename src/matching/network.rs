//! Networks of all rules on one field: an address in, the atoms whose networks hold it out.

use rustc_hash::FxHashMap;

use crate::rule::plan::Network;

/// One hash map for each prefix length in use: an address costs as many look-ups as there are lengths.
#[derive(Debug, Default)]
pub(super) struct NetworkIndex {
    lengths: Vec<(u128, FxHashMap<u128, Vec<u32>>)>,
}

impl NetworkIndex {
    /// Adds a network of an atom.
    pub(super) fn insert(&mut self, network: Network, atom: u32) {
        let mask = match network.prefix {
            0 => 0,
            prefix => u128::MAX << (128 - u32::from(prefix.min(128))),
        };
        let at = self.lengths.iter().position(|(m, _)| *m == mask).unwrap_or_else(|| {
            self.lengths.push((mask, FxHashMap::default()));
            self.lengths.len() - 1
        });
        let atoms = self.lengths[at].1.entry(network.base & mask).or_default();
        if !atoms.contains(&atom) {
            atoms.push(atom);
        }
    }

    /// Whether there are no networks at all.
    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Appends the atoms whose networks hold the address (IPv6 bits, IPv4 mapped).
    pub(super) fn hits(&self, address: u128, out: &mut Vec<u32>) {
        for (mask, networks) in &self.lengths {
            if let Some(atoms) = networks.get(&(address & mask)) {
                out.extend_from_slice(atoms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::plan::mapped;

    #[test]
    fn every_prefix_length_is_tried() {
        let mut index = NetworkIndex::default();
        for (atom, network) in ["10.0.0.0/8", "10.1.0.0/16", "::/0", "10.1.2.3", "2001:db8::/32"].iter().enumerate() {
            index.insert(network.parse().unwrap(), atom as u32);
        }
        let hits = |address: &str| {
            let mut out = Vec::new();
            index.hits(mapped(address.parse().unwrap()), &mut out);
            out.sort_unstable();
            out
        };
        assert_eq!(hits("10.1.2.3"), [0, 1, 2, 3]);
        assert_eq!(hits("10.2.2.3"), [0, 2]);
        assert_eq!(hits("2001:db8::5"), [2, 4]);
        assert_eq!(hits("11.0.0.0"), [2]);
    }
}
