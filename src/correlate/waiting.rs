//! Waiting: chains that are complete but for events that must not come until their deadline.
//!
//! Whether they are matches is decided when the watermark passes the deadline: no earlier event can come then.
//! They stay here, in the order of their deadlines, until someone who knows the watermark takes them.

use std::collections::VecDeque;
use std::rc::Rc;

use super::amend::Amendment;
use super::episode::{Episode, Place, Proof, condense};

/// Complete chains, those that start first first.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    chains: VecDeque<Awaited>,
}

/// A complete chain.
#[derive(Clone, Debug)]
struct Awaited {
    first: (Place, u64),
    last: (Place, u64),
    /// Its numbers do not count.
    proof: Rc<Proof>,
}

impl Waiting {
    /// Takes a chain that the latest event has completed.
    pub(super) fn push(&mut self, mut proof: Proof) {
        condense(&mut proof);
        let end = |at: usize| (proof[at].1.place, proof[at].1.ordinal);
        let (first, last) = (end(0), end(proof.len() - 1));
        // Where chains start is in order, but for conditions between their events.
        let at = self.chains.iter().rposition(|c| c.first.0.time <= first.0.time).map_or(0, |at| at + 1);
        self.chains.insert(at, Awaited { first, last, proof: Rc::new(proof) });
    }

    /// An event at `time` (µs) that must not come: those whose deadline is not over break.
    pub(super) fn cancel(&mut self, time: i64, within: i64) {
        self.chains.truncate(self.over(time, within));
    }

    /// The chains whose deadlines are before `time` (µs), as episodes of their own.
    pub(super) fn episodes(&self, time: i64, within: i64, steps: usize) -> impl Iterator<Item = Episode> {
        self.chains.iter().take(self.over(time, within)).map(move |c| {
            let mut proof = Proof::clone(&c.proof);
            let last = proof.len() - 1;
            proof[0].1.ordinal = c.first.1;
            proof[last].1.ordinal = c.last.1;
            Episode::open(&proof, steps)
        })
    }

    /// Lets go of the chains whose deadlines are before `time` (µs).
    pub(super) fn forget(&mut self, time: i64, within: i64) {
        self.chains.drain(..self.over(time, within));
    }

    /// The first deadline that is not before `time`, µs.
    pub(super) fn due(&self, time: i64, within: i64) -> Option<i64> {
        self.chains.get(self.over(time, within)).map(|c| c.first.0.time.saturating_add(within))
    }

    fn over(&self, time: i64, within: i64) -> usize {
        self.chains.partition_point(|c| c.first.0.time.saturating_add(within) < time)
    }

    pub(super) fn size(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn same(&self, other: &Waiting) -> bool {
        let same = |(a, b): (&Awaited, &Awaited)| {
            a.first.0 == b.first.0
                && a.last.0 == b.last.0
                && (Rc::ptr_eq(&a.proof, &b.proof)
                    || a.proof.len() == b.proof.len()
                        && a.proof.iter().zip(&*b.proof).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1)))
        };
        self.chains.len() == other.chains.len() && self.chains.iter().zip(&other.chains).all(same)
    }

    /// Corrects the numbers of its events; whether there was one that may have had to be.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let mut touched = false;
        for chain in &mut self.chains {
            if !amendment.number(chain.first.0, &mut chain.first.1) {
                break;
            }
            amendment.number(chain.last.0, &mut chain.last.1);
            touched = true;
        }
        touched
    }
}
