//! Which steps of which rules hold on which rows of a batch.
//!
//! In: the compiled program and a batch. Out: the steps that may hold, and on demand the rows on
//! which one does. Predicates are evaluated as set algebra on bitmaps, each node of the shared
//! graph at most once a batch, and an atom's bitmap only when a step that can still hold asks.

use super::atoms::{FieldPlan, Index};
use super::bits::{Draft, Pool, Rows};
use super::column::{self, FieldState};
use super::compile::{Compiled, Node};
use super::evaluate;
use super::index::Lookup;
use crate::event::batch::EventBatch;
use crate::event::field;
use crate::rule::plan::FieldRef;

/// Rows of an atom or a node, as known in batch number `batch`.
#[derive(Clone, Copy, Debug)]
struct Known {
    batch: u64,
    rows: Rows,
}

const UNKNOWN: Known = Known { batch: 0, rows: Rows::None };

/// What a thread keeps from batch to batch for one program.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of the batch; numbers of other ones in here are stale.
    now: u64,
    fields: Vec<FieldState>,
    /// For each field the batch in which its hits were found, and in which their rows were.
    resolved: Vec<u64>,
    spread: Vec<u64>,
    /// For each atom the batch in which it last hit.
    hit: Vec<u64>,
    atoms: Vec<Known>,
    nodes: Vec<Known>,
    /// For each step the batch in which it last was a candidate.
    step_batch: Vec<u64>,
    pub(super) candidates: Vec<u32>,
    pub(super) pool: Pool,
    lookup: Lookup,
}

impl State {
    /// For a program of this shape.
    pub(super) fn new(compiled: &Compiled) -> State {
        let (fields, atoms) = (compiled.fields.len(), compiled.atom_field.len());
        State {
            fields: (0..fields).map(|_| FieldState::default()).collect(),
            resolved: vec![0; fields],
            spread: vec![0; fields],
            hit: vec![0; atoms],
            atoms: vec![UNKNOWN; atoms],
            nodes: vec![UNKNOWN; compiled.nodes.len()],
            step_batch: vec![0; compiled.steps.len()],
            ..State::default()
        }
    }
}

/// One batch being matched.
pub(super) struct Search<'s, 'b> {
    pub(super) compiled: &'s Compiled,
    pub(super) batch: &'b EventBatch,
    pub(super) state: &'s mut State,
}

impl Search<'_, '_> {
    /// Begins a batch: `state.candidates` are then the steps that may hold on some row, in order.
    pub(super) fn begin(&mut self) {
        self.state.now += 1;
        self.state.pool.reset(self.batch.len());
        self.state.candidates.clear();
        for step in &self.compiled.always {
            self.candidate(*step);
        }
        for number in 0..self.compiled.fields.len() {
            let plan = &self.compiled.fields[number];
            if let Some(atom) = plan.exists
                && may_exist(plan, self.batch)
            {
                self.hit(atom);
            }
            if !plan.is_long_index() {
                self.resolve(number);
            }
        }
        // Long text last: it is the dearest, and what is known of the other fields may make it needless.
        for number in 0..self.compiled.fields.len() {
            if self.compiled.fields[number].long_steps.iter().any(|step| self.possible(*step)) {
                self.resolve(number);
            }
        }
        self.state.candidates.sort_unstable();
    }

    fn resolve(&mut self, number: usize) {
        let plan = &self.compiled.fields[number];
        let State { now, fields, resolved, lookup, .. } = &mut *self.state;
        resolved[number] = *now;
        if matches!(plan.index, Index::Bare) {
            return;
        }
        fields[number].resolve(plan, self.batch, *now, lookup);
        for at in 0..self.state.fields[number].hits.len() {
            self.hit(self.state.fields[number].hits[at]);
        }
    }

    fn hit(&mut self, atom: u32) {
        self.state.hit[atom as usize] = self.state.now;
        for step in &self.compiled.triggers[atom as usize] {
            self.candidate(*step);
        }
    }

    fn candidate(&mut self, step: u32) {
        let State { now, step_batch, candidates, .. } = &mut *self.state;
        if std::mem::replace(&mut step_batch[step as usize], *now) != *now {
            candidates.push(step);
        }
    }

    /// Whether a step can hold on any row, by what hit so far: no bitmap is touched.
    pub(super) fn possible(&self, step: u32) -> bool {
        self.node_possible(self.compiled.steps[step as usize].node)
    }

    fn node_possible(&self, node: u32) -> bool {
        let known = self.state.nodes[node as usize];
        if known.batch == self.state.now {
            return known.rows != Rows::None;
        }
        match &self.compiled.nodes[node as usize] {
            Node::Never => false,
            Node::Always | Node::Not(_) => true,
            Node::Atom(atom) => {
                let field = self.compiled.atom_field[*atom as usize] as usize;
                self.state.hit[*atom as usize] == self.state.now
                    || self.state.resolved[field] != self.state.now && self.compiled.fields[field].exists != Some(*atom)
            }
            Node::And(all) => all.iter().all(|n| self.node_possible(*n)),
            Node::Or(any) => any.iter().any(|n| self.node_possible(*n)),
        }
    }

    /// The rows on which a step holds.
    pub(super) fn step(&mut self, step: u32) -> Rows {
        self.node(self.compiled.steps[step as usize].node)
    }

    fn node(&mut self, node: u32) -> Rows {
        let known = self.state.nodes[node as usize];
        if known.batch == self.state.now {
            return known.rows;
        }
        let compiled = self.compiled;
        let rows = match &compiled.nodes[node as usize] {
            Node::Never => Rows::None,
            Node::Always => Rows::All,
            Node::Atom(atom) => self.atom(*atom),
            Node::Not(inner) => {
                let inner = self.node(*inner);
                self.state.pool.not(inner)
            }
            Node::And(all) => {
                let mut set = Draft::of(Rows::All);
                for child in all {
                    let child = self.node(*child);
                    set = self.state.pool.and(set, child);
                    if set.rows == Rows::None {
                        break;
                    }
                }
                set.rows
            }
            Node::Or(any) => {
                let mut set = Draft::of(Rows::None);
                for child in any {
                    let child = self.node(*child);
                    set = self.state.pool.or(set, child);
                    if set.rows == Rows::All {
                        break;
                    }
                }
                set.rows
            }
        };
        self.state.nodes[node as usize] = Known { batch: self.state.now, rows };
        rows
    }

    fn atom(&mut self, atom: u32) -> Rows {
        let now = self.state.now;
        if self.state.hit[atom as usize] != now {
            return Rows::None;
        }
        let field = self.compiled.atom_field[atom as usize] as usize;
        let plan = &self.compiled.fields[field];
        if plan.exists == Some(atom) {
            return existing(plan, self.batch, &mut self.state.pool);
        }
        let State { fields, spread, atoms, pool, .. } = &mut *self.state;
        if spread[field] != now {
            spread[field] = now;
            fields[field].rows(plan, self.batch, pool, |atom, rows| {
                atoms[atom as usize] = Known { batch: now, rows };
            });
        }
        match atoms[atom as usize] {
            Known { batch, rows } if batch == now => rows,
            _ => Rows::None,
        }
    }
}

/// Whether any row may have a value.
fn may_exist(plan: &FieldPlan, batch: &EventBatch) -> bool {
    if plan.field == FieldRef::Column(field::MESSAGE) {
        return batch.column(field::MESSAGE).is_some() || batch.column(field::LOG_MESSAGE_OFFSET).is_some();
    }
    column::array(batch, &plan.field).is_some_and(|a| a.null_count() < a.len())
}

/// The rows that have a value.
fn existing(plan: &FieldPlan, batch: &EventBatch, pool: &mut Pool) -> Rows {
    if plan.field == FieldRef::Column(field::MESSAGE) {
        let slot = pool.zeroed();
        for row in (0..batch.len()).filter(|row| evaluate::exists(&plan.field, batch, *row)) {
            pool.set(slot, row);
        }
        return pool.finish(slot);
    }
    column::array(batch, &plan.field).map_or(Rows::None, |a| column::valid(a.nulls(), pool))
}
