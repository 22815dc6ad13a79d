//! Candidates: the events of a step that a chain with conditions between its events can go through.
//!
//! Each carries the latest-starting chain that ends with it, and each knows the greatest start of all up to it, so that a
//! search from the latest one backwards can stop early. Where an equality is asked of a value they are
//! also listed by it; where another comparison is, each knows the one before it with another value.

use std::collections::VecDeque;
use std::rc::Rc;

use compact_str::CompactString;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::amend::Amendment;
use super::episode::{Place, Point, Proof};
use super::residual::identity;
use crate::rule::plan::Tuple;

/// An event with which a step can be complete.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    place: Place,
    /// Where the run of the step's events that ends with it starts.
    pub(super) first: Place,
    /// The latest-starting chain that ends with it, by the conditions between these steps.
    pub(super) chain: Rc<Chain>,
    /// The number of that chain's first event.
    pub(super) ordinal: u64,
    /// The greatest start of the chains of all candidates up to this one.
    greatest: Place,
    /// Number of the latest candidate before it whose value is not the same; 0 without one.
    other: u64,
}

/// Events through some steps. Their numbers do not count.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) start: Place,
    /// The last of these steps, its last event, and those of its events that came before.
    pub(super) step: usize,
    pub(super) last: Point,
    pub(super) run: Vec<Point>,
    pub(super) before: Option<Rc<Chain>>,
}

/// A value that candidates are told apart by: its position in the payload, and whether it is a number.
pub(super) type Trait = (usize, bool);

/// The candidates of a step, in order.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    all: VecDeque<Candidate>,
    /// The number of the first of them; the first there ever was has 1.
    from: u64,
    listed: Vec<(Trait, Lists)>,
    /// The value by which [`Candidate::other`] goes.
    told_apart: Option<Trait>,
}

/// By value the numbers of candidates, each with the greatest start of those up to it.
type Lists = HashMap<CompactString, VecDeque<(u64, Place)>, FxBuildHasher>;

/// A way through candidates, from the latest backwards.
pub(super) struct Walk<'a> {
    all: &'a Candidates,
    list: Option<&'a VecDeque<(u64, Place)>>,
    /// All: the number after the next one; a list: its position after the next one.
    at: u64,
}

impl Candidates {
    /// None yet. They are listed by some values and told apart by one.
    pub(super) fn new(listed: impl IntoIterator<Item = Trait>, told_apart: Option<Trait>) -> Candidates {
        let mut lists: Vec<(Trait, Lists)> = Vec::new();
        for value in listed {
            if lists.iter().all(|(known, _)| *known != value) {
                lists.push((value, Lists::default()));
            }
        }
        Candidates { all: VecDeque::new(), from: 1, listed: lists, told_apart }
    }

    /// Takes the latest event.
    pub(super) fn push(&mut self, first: Place, chain: Rc<Chain>, ordinal: u64) {
        let point = &chain.last;
        let number = self.from + self.all.len() as u64;
        let greatest = self.all.back().map_or(chain.start, |c| c.greatest.max(chain.start));
        for ((slot, numbers), lists) in &mut self.listed {
            if let Some(value) = identity(&point.values, *slot, *numbers) {
                let list = lists.entry(value).or_default();
                list.push_back((number, list.back().map_or(chain.start, |(_, greatest)| chain.start.max(*greatest))));
            }
        }
        let other = match (self.told_apart, self.all.back()) {
            (Some((slot, numbers)), Some(last)) => {
                let of = |values: &Tuple| identity(values, slot, numbers);
                if of(last.values()) == of(&point.values) { last.other } else { number - 1 }
            }
            (Some(_) | None, _) => number - 1,
        };
        self.all.push_back(Candidate { place: point.place, first, chain, ordinal, greatest, other });
    }

    /// Drops those at the beginning whose chains start before `horizon` (µs).
    pub(super) fn expire(&mut self, horizon: i64) {
        while self.all.front().is_some_and(|c| c.chain.start.time < horizon)
            && let Some(gone) = self.all.pop_front()
        {
            self.from += 1;
            for ((slot, numbers), lists) in &mut self.listed {
                let Some(value) = identity(gone.values(), *slot, *numbers) else { continue };
                let Some(list) = lists.get_mut(&value) else { continue };
                list.pop_front();
                if list.is_empty() {
                    lists.remove(&value);
                }
            }
        }
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        *self = Candidates::new(self.listed.iter().map(|(value, _)| *value), self.told_apart);
    }

    /// All that lie before `place`.
    pub(super) fn before(&self, place: Place) -> Walk<'_> {
        let count = self.all.partition_point(|c| c.place < place);
        Walk { all: self, list: None, at: self.from + count as u64 }
    }

    /// Those before `place` with this value.
    pub(super) fn with(&self, value: Trait, identity: &CompactString, place: Place) -> Option<Walk<'_>> {
        let (_, lists) = self.listed.iter().find(|(known, _)| *known == value)?;
        let list = lists.get(identity)?;
        let at = list.partition_point(|(number, _)| self.get(*number).is_some_and(|c| c.place < place));
        Some(Walk { all: self, list: Some(list), at: at as u64 })
    }

    fn get(&self, number: u64) -> Option<&Candidate> {
        self.all.get(number.checked_sub(self.from)? as usize)
    }

    pub(super) fn size(&self) -> usize {
        self.all.len()
    }

    pub(super) fn same(&self, other: &Candidates) -> bool {
        let same = |(a, b): (&Candidate, &Candidate)| {
            a.first == b.first && (Rc::ptr_eq(&a.chain, &b.chain) || a.chain.same(&b.chain))
        };
        self.all.len() == other.all.len() && self.all.iter().zip(&other.all).all(same)
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let mut touched = false;
        for candidate in &mut self.all {
            touched |= amendment.number(candidate.chain.start, &mut candidate.ordinal);
        }
        touched
    }
}

impl<'a> Walk<'a> {
    /// The next candidate, and the greatest start of its chain and those of all that follow.
    pub(super) fn next(&mut self) -> Option<(&'a Candidate, Place)> {
        self.at = self.at.checked_sub(1)?;
        match self.list {
            None => self.all.get(self.at).map(|c| (c, c.greatest)),
            Some(list) => {
                let (number, greatest) = list.get(self.at as usize)?;
                self.all.get(*number).map(|c| (c, *greatest))
            }
        }
    }

    /// Leaves out those that follow `last`, which was the latest one given, up to one with another value here.
    pub(super) fn leave_alike(&mut self, last: &Candidate, value: Trait) {
        if self.list.is_none() && self.all.told_apart == Some(value) {
            self.at = last.other + 1;
        }
    }
}

impl Candidate {
    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn values(&self) -> &Tuple {
        &self.chain.last.values
    }
}

impl Chain {
    fn same(&self, other: &Chain) -> bool {
        let before = match (&self.before, &other.before) {
            (None, None) => true,
            (Some(a), Some(b)) => Rc::ptr_eq(a, b) || a.same(b),
            (Some(_), None) | (None, Some(_)) => false,
        };
        before
            && self.last.same(&other.last)
            && self.run.len() == other.run.len()
            && self.run.iter().zip(&other.run).all(|(a, b)| a.same(b))
    }

    /// Its events, the first of which has this number.
    pub(super) fn proof(&self, ordinal: u64) -> Proof {
        let mut proof = Proof::new();
        let mut next = Some(self);
        while let Some(chain) = next {
            proof.extend(std::iter::once(&chain.last).chain(chain.run.iter().rev()).map(|p| (chain.step, p.clone())));
            next = chain.before.as_deref();
        }
        proof.reverse();
        if let Some((_, first)) = proof.first_mut() {
            first.ordinal = ordinal;
        }
        proof
    }
}
