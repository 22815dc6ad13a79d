//! Which events need not be read, because no rule can match them.
//!
//! In: what is known of many events ([`Summary`]). Out: whether a step of any rule may hold on one of them. A
//! predicate is followed twice at once, for whether it may hold and for whether it may fail, so that a `not` of
//! something that always holds is found out too. What is not known may always be.

use std::sync::Arc;

use super::atoms::{FieldPlan, Index};
use super::compile::{Compiled, Node};
use super::index::Lookup;
use super::matcher::Matcher;
use super::ranges::{Possible, possible};
use crate::event::summary::{Facts, Summary};
use crate::rule::plan::Test;

/// After so many times in a row in which a closer look at the values changed nothing …
const PATIENCE: u32 = 4;
/// … it is only taken every so many times.
const SELDOM: u32 = 16;
/// So many values of a test are looked for one by one.
const PROBES: usize = 1_000;

/// Tells what can be left out for a program. Keeps buffers, and how often a closer look was in vain.
#[derive(Debug)]
pub struct Pruner {
    compiled: Arc<Compiled>,
    lookup: Lookup,
    found: Vec<u32>,
    facts: Vec<Facts>,
    atoms: Vec<Possible>,
    nodes: Vec<Possible>,
    vain: u32,
}

impl Pruner {
    /// For the rules of this matcher.
    pub fn new(matcher: &Matcher) -> Pruner {
        Pruner {
            compiled: matcher.compiled.clone(),
            lookup: Lookup::default(),
            found: Vec::new(),
            facts: Vec::new(),
            atoms: Vec::new(),
            nodes: Vec::new(),
            vain: 0,
        }
    }

    /// Whether any rule may match one of the events. False is certain.
    pub fn may_match(&mut self, events: &dyn Summary) -> bool {
        self.glance(events);
        if !self.any_step() {
            return false;
        }
        if self.vain >= PATIENCE && !self.vain.is_multiple_of(SELDOM) {
            self.vain += 1;
            return true;
        }
        // Filters first: they are small.
        let may = self.any_step_after(|pruner, plan, field| pruner.probe(plan, field, events))
            && self.any_step_after(|pruner, plan, field| pruner.look(plan, field, events));
        self.vain = if may { self.vain.saturating_add(1) } else { 0 };
        may
    }

    /// Whether a step can hold when more is found out about the text fields.
    fn any_step_after(&mut self, mut find_out: impl FnMut(&mut Pruner, &FieldPlan, usize)) -> bool {
        let compiled = self.compiled.clone();
        for (number, plan) in compiled.fields.iter().enumerate() {
            if self.facts[number].some && matches!(plan.index, Index::Text(_)) {
                find_out(self, plan, number);
            }
        }
        self.any_step()
    }

    /// What the columns' ranges say of each atom.
    fn glance(&mut self, events: &dyn Summary) {
        let Pruner { compiled, facts, atoms, .. } = self;
        facts.clear();
        facts.extend(compiled.fields.iter().map(|plan| events.facts(&plan.field)));
        atoms.clear();
        atoms.extend(compiled.tests.iter().zip(&compiled.atom_field).map(|(test, field)| {
            let facts = &facts[*field as usize];
            match test {
                Test::Exists => Possible { holds: facts.some, fails: facts.none },
                test => {
                    let on_values = possible(test, &facts.values);
                    Possible { holds: facts.some && on_values.holds, fails: facts.none || on_values.fails }
                }
            }
        }));
    }

    /// What the values themselves say, where they are to be had: each is looked up once for all tests of the field.
    fn look(&mut self, plan: &FieldPlan, field: usize, events: &dyn Summary) {
        let Index::Text(index) = &plan.index else { return };
        let Some(texts) = events.texts(&plan.field) else { return };
        let mut hits = vec![0usize; self.atoms.len()];
        for text in &texts {
            index.hits(text, &mut self.lookup, &mut self.found);
            self.found.iter().for_each(|atom| hits[*atom as usize] += 1);
        }
        for (atom, possible) in self.atoms.iter_mut().enumerate() {
            if self.compiled.atom_field[atom] as usize == field && self.compiled.tests[atom] != Test::Exists {
                possible.holds &= hits[atom] > 0;
                possible.fails &= self.facts[field].none || hits[atom] < texts.len();
            }
        }
    }

    /// Asks for the values of short tests for equality.
    fn probe(&mut self, plan: &FieldPlan, field: usize, events: &dyn Summary) {
        for (atom, possible) in self.atoms.iter_mut().enumerate() {
            if self.compiled.atom_field[atom] as usize != field || !possible.holds {
                continue;
            }
            if let Test::OneOf { values, fold } = &self.compiled.tests[atom]
                && values.len() <= PROBES
                // Other spellings cannot be asked for.
                && !(*fold && values.iter().any(|v| !v.bytes().all(|b| b.is_ascii() && !b.is_ascii_alphabetic())))
            {
                possible.holds = values.iter().any(|value| events.may_hold(&plan.field, value));
            }
        }
    }

    /// Whether a step can hold by what is known of the atoms.
    fn any_step(&mut self) -> bool {
        let Pruner { compiled, atoms, nodes, .. } = self;
        nodes.clear();
        for node in &compiled.nodes {
            let of = |n: &u32| nodes[*n as usize];
            let possible = match node {
                Node::Never => Possible { holds: false, fails: true },
                Node::Always => Possible { holds: true, fails: false },
                Node::Atom(atom) => atoms[*atom as usize],
                Node::Not(inner) => Possible { holds: of(inner).fails, fails: of(inner).holds },
                Node::And(all) => {
                    Possible { holds: all.iter().all(|n| of(n).holds), fails: all.iter().any(|n| of(n).fails) }
                }
                Node::Or(any) => {
                    Possible { holds: any.iter().any(|n| of(n).holds), fails: any.iter().all(|n| of(n).fails) }
                }
            };
            nodes.push(possible);
        }
        compiled.steps.iter().any(|step| nodes[step.node as usize].holds)
    }
}
