//! The matcher: batches in, match rows out.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::AsArray;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::bits::{Pool, Rows, bits_of};
use super::compile::{Compiled, Lists};
use super::search::{Search, State};
use super::tuples::Tuples;
use crate::event::batch::EventBatch;
use crate::event::field;
use crate::event::id::EventId;
use crate::rule::plan::{FieldRef, Program, Tuple};

/// An event that takes part in rules of one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatchRow {
    /// Position in [`Program::groups`].
    pub group: u32,
    /// The steps of the group's rules that it satisfies under this key: see [`Group::hits`](crate::rule::plan::Group::hits).
    pub hits: u64,
    /// When it happened, µs UTC.
    pub time: i64,
    /// Its id.
    pub id: EventId,
    /// The values of the steps' key fields; empty for a rule without a key and for [`crate::rule::plan::Form::Single`].
    pub key: Tuple,
    /// The values of [`crate::rule::plan::Group::payload`]; empty when that is.
    pub values: Tuple,
}

/// The predicates of a program, compiled. Immutable: one for all threads, each with a [`Scratch`] of its own.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub(super) compiled: Arc<Compiled>,
}

/// What a thread keeps between batches: buffers, and which values it has seen. Results never depend on it.
#[derive(Debug, Default)]
pub struct Scratch {
    /// INVARIANT: the state is this program's; holding it keeps its address from being used again.
    owner: Option<Arc<Compiled>>,
    state: State,
}

/// A step with the rows it holds on.
#[derive(Clone, Copy)]
struct Active {
    bit: u64,
    key: u32,
    rows: Rows,
}

impl Matcher {
    /// Compiles the rules over events of a program. Panics on a regular expression that does not compile, which the rule
    /// compiler never lets through.
    pub fn new(program: &Program) -> Matcher {
        Matcher::of_level(program, 0)
    }

    /// Compiles the rules of a level (see [`Rule::level`](crate::rule::plan::Rule::level)): events are for those of level 0,
    /// alerts for those above their own.
    pub fn of_level(program: &Program, level: u32) -> Matcher {
        Matcher { compiled: Arc::new(Compiled::new(program, level, Lists::Fixed)) }
    }

    /// Compiles the rules over events for lists that change: what [`Rule::retroactive`](crate::rule::plan::Rule::retroactive)
    /// takes apart gives candidates. Their bits are those of the tests, and the raw values of the listed fields stand
    /// behind the payload's. Only correlation of running input knows what to do with them.
    pub fn live(program: &Program) -> Matcher {
        Matcher { compiled: Arc::new(Compiled::new(program, 0, Lists::Followed)) }
    }

    /// All columns that matching reads: what rules test, their keys and payloads, times and ids. A batch may lack any other.
    pub fn fields(&self) -> &BTreeSet<FieldRef> {
        &self.compiled.columns
    }

    /// Appends the match rows of a batch, by group and within a group by row. An event that satisfies steps of a
    /// rule under several keys gives one row for each key, in the order of the steps.
    pub fn matches(&self, batch: &EventBatch, scratch: &mut Scratch, out: &mut Vec<MatchRow>) {
        if batch.is_empty() {
            return;
        }
        if !scratch.owner.as_ref().is_some_and(|o| Arc::ptr_eq(o, &self.compiled)) {
            *scratch = Scratch { owner: Some(self.compiled.clone()), state: State::new(&self.compiled) };
        }
        let mut search = Search { compiled: &self.compiled, batch, state: &mut scratch.state };
        search.begin();
        let mut rows = Emit::new(&self.compiled, batch, out);
        let candidates = std::mem::take(&mut search.state.candidates);
        let mut active = Vec::new();
        for steps in candidates.chunk_by(|a, b| self.group_of(*a) == self.group_of(*b)) {
            active.clear();
            for number in steps {
                let step = &self.compiled.steps[*number as usize];
                let rows = if search.possible(*number) { search.step(*number) } else { Rows::None };
                if rows != Rows::None {
                    active.push(Active { bit: step.bit, key: step.key, rows });
                }
            }
            rows.group(self.group_of(steps[0]), &active, &search.state.pool);
        }
        scratch.state.candidates = candidates;
    }

    fn group_of(&self, step: u32) -> u32 {
        self.compiled.steps[step as usize].group
    }
}

/// Writes match rows of one batch.
struct Emit<'b, 'o> {
    compiled: &'b Compiled,
    batch: &'b EventBatch,
    times: &'b [i64],
    ids: &'b [[u8; 16]],
    keys: FxHashMap<u32, Tuples<'b>>,
    payloads: FxHashMap<u32, Tuples<'b>>,
    out: &'o mut Vec<MatchRow>,
}

impl<'b, 'o> Emit<'b, 'o> {
    fn new(compiled: &'b Compiled, batch: &'b EventBatch, out: &'o mut Vec<MatchRow>) -> Emit<'b, 'o> {
        let ids = batch.column(field::EVENT_ID).map_or(&[][..], |a| a.as_fixed_size_binary().value_data());
        let (keys, payloads) = (FxHashMap::default(), FxHashMap::default());
        Emit { compiled, batch, times: batch.times(), ids: ids.as_chunks().0, keys, payloads, out }
    }

    /// The rows of a group.
    fn group(&mut self, group: u32, active: &[Active], pool: &Pool) {
        let Some(first) = active.first() else { return };
        let Emit { compiled, batch, times, ids, keys, payloads, out } = self;
        let tuples = |number: u32| Tuples::new(&compiled.tuples[number as usize], batch);
        let payload = compiled.payloads[group as usize];
        let values = payloads.entry(payload).or_insert_with(|| tuples(payload));
        for step in active {
            keys.entry(step.key).or_insert_with(|| tuples(step.key));
        }
        let mut push = |row: usize, hits: u64, key: Tuple| {
            let time = times.get(row).copied().unwrap_or_default();
            let id = ids.get(row).map_or_else(EventId::default, |id| EventId::from_bytes(*id));
            out.push(MatchRow { group, hits, time, id, key, values: values.get(row) });
        };
        if active.iter().any(|step| step.key != first.key) {
            return several_keys(active, pool, |row, step| key_of(keys, step.key).get(row), push);
        }
        let key = key_of(keys, first.key);
        if let [only] = active {
            return pool.for_each(only.rows, |row| push(row, only.bit, key.get(row)));
        }
        for at in 0..pool.words() {
            let (mut any, mut hits) = (0, [0u64; 64]);
            for step in active {
                let word = pool.word(step.rows, at);
                any |= word;
                bits_of(word, |bit| hits[bit] |= step.bit);
            }
            bits_of(any, |bit| push(at * 64 + bit, hits[bit], key.get(at * 64 + bit)));
        }
    }
}

fn key_of<'t, 'b>(keys: &'t mut FxHashMap<u32, Tuples<'b>>, number: u32) -> &'t mut Tuples<'b> {
    keys.get_mut(&number).expect("the keys of active steps were made")
}

/// The rows on which any of the steps holds.
fn any(active: &[Active], pool: &Pool, at: usize) -> u64 {
    active.iter().fold(0, |word, step| word | pool.word(step.rows, at))
}

/// Steps with different key fields: a row for each key they have on an event.
fn several_keys(
    active: &[Active],
    pool: &Pool,
    mut key: impl FnMut(usize, &Active) -> Tuple,
    mut push: impl FnMut(usize, u64, Tuple),
) {
    let mut held: Vec<(Tuple, u64)> = Vec::with_capacity(active.len());
    for at in 0..pool.words() {
        bits_of(any(active, pool, at), |bit| {
            let row = at * 64 + bit;
            for step in active.iter().filter(|step| pool.word(step.rows, at) >> bit & 1 == 1) {
                let key = key(row, step);
                match held.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, steps)) => *steps |= step.bit,
                    None => held.push((key, step.bit)),
                }
            }
            held.drain(..).for_each(|(key, steps)| push(row, steps, key));
        });
    }
}
