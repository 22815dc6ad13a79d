//! The slots of a worker's keys. In: a key and its hash. Out: the slots of the rules that count by it.
//!
//! What is looked through has about ten bytes a key, so that some fifty thousand keys fit into a processor's own cache; the keys
//! themselves and their slots lie apart, and can be fetched before they are looked at.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;

use super::slot::Slot;
use crate::event::fetch::fetch;
use crate::rule::plan::Tuple;

/// So many keys are fetched at once: enough to wait for one while the others come, few enough to be there still.
pub(super) const AT_ONCE: usize = 64;

/// The slots of keys, by number of the rule: rows of one event that several rules count by the same key are looked up once.
#[derive(Default)]
pub(super) struct Keyed {
    index: HashTable<Spot>,
    held: Vec<Held>,
    /// Places of keys that went, for others.
    free: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Spot {
    hash: u32,
    /// Where in [`Keyed::held`].
    at: u32,
}

#[derive(Default)]
struct Held {
    key: Tuple,
    slots: Vec<Slot>,
}

impl Spot {
    /// For the table, which chooses by the lowest bits and tells apart by the highest.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

/// What a key is looked up by.
pub(super) fn hash(key: &Tuple) -> u32 {
    (FxBuildHasher.hash_one(key) >> 32) as u32
}

/// Whether a spot is that of the key, which has this hash.
fn is<'k>(held: &'k [Held], hash: u32, key: &'k Tuple) -> impl FnMut(&Spot) -> bool + 'k {
    move |spot| spot.hash == hash && held[spot.at as usize].key == *key
}

impl Keyed {
    /// The slots of a key; none at first. INVARIANT: the hash is that of the key.
    pub(super) fn slots(&mut self, hash: u32, key: &Tuple) -> &mut Vec<Slot> {
        let Keyed { index, held, free } = self;
        let at = match index.entry(Spot::spread(hash), is(held, hash, key), |spot| Spot::spread(spot.hash)) {
            Entry::Occupied(known) => known.get().at,
            Entry::Vacant(entry) => {
                let at = free.pop().unwrap_or_else(|| {
                    held.push(Held::default());
                    held.len() as u32 - 1
                });
                held[at as usize].key = key.clone();
                entry.insert(Spot { hash, at });
                at
            }
        };
        &mut held[at as usize].slots
    }

    /// The slots of a key that is there.
    pub(super) fn get_mut(&mut self, key: &Tuple) -> Option<&mut Vec<Slot>> {
        let Keyed { index, held, .. } = self;
        let hash = hash(key);
        let at = index.find(Spot::spread(hash), is(held, hash, key))?.at;
        Some(&mut held[at as usize].slots)
    }

    /// Forgets a key, if it is there.
    pub(super) fn remove(&mut self, key: &Tuple) {
        let Keyed { index, held, free } = self;
        let hash = hash(key);
        let found = index.find_entry(Spot::spread(hash), is(held, hash, key)).map(|entry| entry.remove().0);
        if let Ok(spot) = found {
            held[spot.at as usize] = Held::default();
            free.push(spot.at);
        }
    }

    /// All keys with slots, and these.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Tuple, &mut Vec<Slot>)> {
        self.held.iter_mut().filter(|held| !held.slots.is_empty()).map(|held| (&held.key, &mut held.slots))
    }

    /// Brings what the keys of these hashes have into the processor's cache, [`AT_ONCE`] at most, step by step of the way to it: within
    /// a step none waits for another, as they do when one is worked on after the other.
    pub(super) fn warm(&self, hashes: impl Iterator<Item = u32>) {
        let mut found: [Option<&Held>; AT_ONCE] = [None; AT_ONCE];
        for (held, hash) in found.iter_mut().zip(hashes) {
            let spot = self.index.find(Spot::spread(hash), |spot| spot.hash == hash);
            *held = spot.map(|spot| &self.held[spot.at as usize]);
            held.iter().for_each(|held| fetch(*held));
        }
        let found = || found.iter().flatten();
        found().for_each(|held| fetch(held.slots.as_slice()));
        let slots = || found().flat_map(|held| &held.slots);
        slots().for_each(|slot| slot.key.fetch_state());
        slots().for_each(|slot| slot.key.fetch());
        slots().for_each(|slot| slot.key.fetch_inside());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::trial::rule;
    use crate::rule::plan::Form;

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let rule = rule(Form::Threshold { within: 10, count: 2 }, 0);
        let key = |n: u32| Tuple::new([Some(&*n.to_string())]);
        let mut keyed = Keyed::default();
        for n in 0..100 {
            let key = key(n);
            let slots = keyed.slots(hash(&key), &key);
            assert!(slots.is_empty());
            slots.push(Slot::new(n, &rule, false, 0));
        }
        // As if they had the hash of another.
        let (one, other) = (key(7), key(1000));
        assert!(keyed.slots(hash(&one), &other).is_empty());
        keyed.slots(hash(&one), &other).push(Slot::new(1000, &rule, false, 0));
        assert_eq!((keyed.slots(hash(&one), &one)[0].rule, keyed.slots(hash(&one), &other)[0].rule), (7, 1000));
        keyed.warm((0..200).map(|n| hash(&key(n))));
        keyed.remove(&one);
        assert!(keyed.get_mut(&one).is_none());
        assert_eq!(keyed.slots(hash(&one), &other)[0].rule, 1000);
        assert_eq!(keyed.get_mut(&key(8)).map(|slots| slots[0].rule), Some(8));
        // Its place is free for the next.
        assert!(keyed.slots(hash(&one), &one).is_empty());
        assert_eq!((keyed.iter_mut().count(), keyed.held.len()), (100, 101));
    }
}
