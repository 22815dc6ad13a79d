//! From a program to what is matched: every test once, every sub-predicate once.
//!
//! In: the rules. Out: [`Compiled`]: fields with their index, predicates as a graph whose nodes
//! are shared by all rules that say the same, and for each atom the steps that are tried only
//! when it hits. That a step's key fields (and a distinct rule's counted field) must be there is
//! one more condition of the step, so that nothing later has to ask.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::atoms::{Atoms, FieldPlan};
use crate::event::field::{self, FieldId};
use crate::rule::plan::{self, Atom, FieldRef, Form, Group, Predicate, Program, Retro, Rule, Test};

/// A program, compiled for matching. Immutable and shared by threads.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) fields: Vec<FieldPlan>,
    /// Field of each atom, by position in `fields`.
    pub(super) atom_field: Vec<u32>,
    /// Test of each atom.
    pub(super) tests: Vec<Test>,
    /// Children come before parents.
    pub(super) nodes: Vec<Node>,
    /// The steps of all rules, by group.
    pub(super) steps: Vec<Step>,
    /// For each atom the steps to try when it hits.
    pub(super) triggers: Vec<Vec<u32>>,
    /// Steps to try on every batch.
    pub(super) always: Vec<u32>,
    /// For each group its payload, a position in `tuples`.
    pub(super) payloads: Vec<u32>,
    /// The field lists that keys and payloads are made of.
    pub(super) tuples: Vec<Fields>,
    /// All columns that are read.
    pub(super) columns: BTreeSet<FieldRef>,
}

/// One step of a rule.
#[derive(Debug)]
pub(super) struct Step {
    /// Position in [`Program::groups`].
    pub(super) group: u32,
    /// Its bit in a match row.
    pub(super) bit: u64,
    pub(super) node: u32,
    /// Its key, a position in [`Compiled::tuples`].
    pub(super) key: u32,
}

/// Fields whose values stand side by side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fields {
    pub(super) all: Vec<FieldRef>,
    /// How many of them are written as a person would; those that follow are as the column has them.
    pub(super) shown: usize,
}

/// What a rule with lists that change is matched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// What they hold now.
    Fixed,
    /// Anything: its rows are candidates.
    Followed,
}

/// A predicate; children are positions in [`Compiled::nodes`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Never,
    Always,
    Atom(u32),
    And(Vec<u32>),
    Or(Vec<u32>),
    Not(u32),
}

/// Atoms of which one hits whenever a node holds, and how often they will for nothing.
#[derive(Clone)]
struct Cover {
    cost: u64,
    atoms: Vec<u32>,
}

#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    numbers: FxHashMap<Node, u32>,
    atoms: Atoms,
    /// For each atom how many predicates name it.
    uses: Vec<u64>,
    weights: Vec<u64>,
}

impl Compiled {
    /// The rules of one level.
    pub(super) fn new(program: &Program, level: u32, lists: Lists) -> Compiled {
        let mut graph = Graph::default();
        let (mut steps, mut payloads, mut columns) = (Vec::new(), Vec::new(), BTreeSet::new());
        let (mut tuples, mut tuple_numbers) = (Vec::new(), FxHashMap::default());
        let mut tuple = |fields: &[FieldRef], listed: &[FieldRef]| -> u32 {
            let fields = Fields { all: [fields, listed].concat(), shown: fields.len() };
            *tuple_numbers.entry(fields).or_insert_with_key(|fields| {
                tuples.push(fields.clone());
                tuples.len() as u32 - 1
            })
        };
        for (number, group) in program.groups().iter().enumerate() {
            if group.level != level {
                payloads.push(tuple(&[], &[]));
                continue;
            }
            let candidates = candidates(program, group, lists);
            let listed = candidates.as_ref().map_or(&[][..], |retro| &retro.fields);
            payloads.push(tuple(&group.payload, listed));
            columns.extend(group.payload.iter().chain(listed).cloned());
            for member in &group.members {
                let rule = &program.rules[member.rule as usize];
                debug_assert!(rule.steps.len() <= 32, "the rule compiler allows 32 steps");
                let mut add = |bit: u64, step: &plan::Step, predicate: &Predicate| {
                    let key = if rule.form == Form::Single { &[][..] } else { &step.key };
                    let node = graph.step(rule, predicate, key);
                    steps.push(Step { group: number as u32, bit, node, key: tuple(key, &[]) });
                };
                match &candidates {
                    Some(retro) => {
                        let tests = retro.tests.iter().enumerate();
                        tests.for_each(|(bit, test)| add(1 << bit, &rule.steps[test.step], &test.predicate));
                    }
                    None => {
                        for (position, step) in rule.steps.iter().enumerate().take(32) {
                            add(1 << (member.shift as usize + position), step, &program.fixed(&step.predicate));
                        }
                    }
                }
            }
        }
        let covers = graph.covers();
        let (mut triggers, mut always) = (vec![Vec::new(); graph.uses.len()], Vec::new());
        for (number, step) in steps.iter().enumerate() {
            match &covers[step.node as usize] {
                Some(cover) => cover.atoms.iter().for_each(|a| triggers[*a as usize].push(number as u32)),
                None => always.push(number as u32),
            }
        }
        graph.order(&covers);
        let Graph { nodes, atoms, .. } = graph;
        let (mut fields, atom_field, tests) = atoms.finish();
        note_long_steps(&mut fields, &atom_field, &nodes, &steps);
        columns.extend(fields.iter().map(|f| f.field.clone()));
        let always_read = [field::TIMESTAMP, field::EVENT_ID];
        let for_messages = [field::EVENT_ORIGINAL, field::LOG_MESSAGE_OFFSET];
        let reads_messages = columns.contains(&FieldRef::Column(field::MESSAGE));
        columns.extend(always_read.map(FieldRef::Column));
        columns.extend(for_messages.iter().filter(|_| reads_messages).map(|f| FieldRef::Column(*f)));
        Compiled { fields, atom_field, tests, nodes, steps, triggers, always, payloads, tuples, columns }
    }
}

/// The rule of a group taken apart, when its rows are to be candidates.
fn candidates(program: &Program, group: &Group, lists: Lists) -> Option<Retro> {
    match (lists, &group.members[..]) {
        (Lists::Followed, [only]) => program.rules[only.rule as usize].retroactive(),
        (Lists::Fixed, _) | (Lists::Followed, _) => None,
    }
}

impl Graph {
    /// A step's predicate with what its key and form ask for.
    fn step(&mut self, rule: &Rule, predicate: &Predicate, key: &[FieldRef]) -> u32 {
        let counted = rule.form.required_slot().and_then(|slot| rule.payload.get(slot));
        let mut all = vec![self.node(predicate)];
        for field in key.iter().chain(counted) {
            all.push(self.atom(&Atom { field: field.clone(), test: Test::Exists }));
        }
        self.and(all)
    }

    fn node(&mut self, predicate: &Predicate) -> u32 {
        match predicate {
            Predicate::Constant(true) => self.number(Node::Always),
            Predicate::Constant(false) => self.number(Node::Never),
            Predicate::Atom(atom) => self.atom(atom),
            Predicate::And(all) => {
                let all = all.iter().map(|p| self.node(p)).collect();
                self.and(all)
            }
            Predicate::Or(any) => {
                let any = any.iter().map(|p| self.node(p)).collect();
                self.or(any)
            }
            Predicate::Not(inner) => {
                let inner = self.node(inner);
                match self.nodes[inner as usize] {
                    Node::Never => self.number(Node::Always),
                    Node::Always => self.number(Node::Never),
                    Node::Not(twice) => twice,
                    Node::Atom(_) | Node::And(_) | Node::Or(_) => self.number(Node::Not(inner)),
                }
            }
        }
    }

    fn number(&mut self, node: Node) -> u32 {
        *self.numbers.entry(node).or_insert_with_key(|node| {
            self.nodes.push(node.clone());
            self.nodes.len() as u32 - 1
        })
    }

    fn atom(&mut self, atom: &Atom) -> u32 {
        let Some(number) = self.atoms.number(atom) else { return self.number(Node::Never) };
        if self.uses.len() <= number as usize {
            self.uses.push(0);
            self.weights.push(weight(atom));
        }
        self.uses[number as usize] += 1;
        self.number(Node::Atom(number))
    }

    fn and(&mut self, mut all: Vec<u32>) -> u32 {
        all.sort_unstable();
        all.dedup();
        all.retain(|n| self.nodes[*n as usize] != Node::Always);
        match all[..] {
            _ if all.iter().any(|n| self.nodes[*n as usize] == Node::Never) => self.number(Node::Never),
            [] => self.number(Node::Always),
            [one] => one,
            _ => self.number(Node::And(all)),
        }
    }

    fn or(&mut self, mut any: Vec<u32>) -> u32 {
        any.sort_unstable();
        any.dedup();
        any.retain(|n| self.nodes[*n as usize] != Node::Never);
        match any[..] {
            _ if any.iter().any(|n| self.nodes[*n as usize] == Node::Always) => self.number(Node::Always),
            [] => self.number(Node::Never),
            [one] => one,
            _ => self.number(Node::Or(any)),
        }
    }

    /// The cheapest cover of each node, `None` for those that can hold when nothing hits.
    fn covers(&self) -> Vec<Option<Cover>> {
        let mut covers: Vec<Option<Cover>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let cover = match node {
                Node::Never => Some(Cover { cost: 0, atoms: Vec::new() }),
                Node::Always | Node::Not(_) => None,
                Node::Atom(a) => {
                    Some(Cover { cost: self.uses[*a as usize] * self.weights[*a as usize], atoms: vec![*a] })
                }
                Node::And(all) => {
                    all.iter().filter_map(|n| covers[*n as usize].as_ref()).min_by_key(|c| c.cost).cloned()
                }
                Node::Or(any) => {
                    any.iter().map(|n| covers[*n as usize].as_ref()).collect::<Option<Vec<_>>>().map(union)
                }
            };
            covers.push(cover);
        }
        covers
    }

    /// Sorts the children of each conjunction so that the one that rarely holds is asked first.
    fn order(&mut self, covers: &[Option<Cover>]) {
        for node in &mut self.nodes {
            if let Node::And(all) = node {
                all.sort_by_key(|n| covers[*n as usize].as_ref().map_or(u64::MAX, |c| c.cost));
            }
        }
    }
}

fn union(covers: Vec<&Cover>) -> Cover {
    let mut atoms: Vec<u32> = covers.iter().flat_map(|c| &c.atoms).copied().collect();
    atoms.sort_unstable();
    atoms.dedup();
    Cover { cost: covers.iter().map(|c| c.cost).sum(), atoms }
}

/// How often an atom hits, as a guess: what most events have is a poor reason to try a rule.
fn weight(atom: &Atom) -> u64 {
    const CLASSES: [FieldId; 6] = [
        field::EVENT_KIND,
        field::EVENT_CATEGORY,
        field::EVENT_TYPE,
        field::EVENT_OUTCOME,
        field::EVENT_MODULE,
        field::EVENT_DATASET,
    ];
    match (&atom.test, &atom.field) {
        (Test::Exists, _) => 1_000,
        (_, FieldRef::Column(id)) if CLASSES.contains(id) => 50,
        (Test::Range(..), _) => 20,
        (Test::Network(_), _) => 10,
        (Test::Regex(_), _) => 5,
        (Test::OneOf { .. } | Test::Like { .. } | Test::Numbers(_) | Test::Listed(_), _) => 1,
    }
}

/// Tells each long text field which steps ask for it: it is only searched when one of them can still hold.
fn note_long_steps(fields: &mut [FieldPlan], atom_field: &[u32], nodes: &[Node], steps: &[Step]) {
    let long =
        |atom: u32| fields[atom_field[atom as usize] as usize].is_long_index().then_some(atom_field[atom as usize]);
    let mut named: Vec<Vec<u32>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut fields: Vec<u32> = match node {
            Node::Never | Node::Always => Vec::new(),
            Node::Atom(a) => long(*a).into_iter().collect(),
            Node::And(children) | Node::Or(children) => {
                children.iter().flat_map(|n| &named[*n as usize]).copied().collect()
            }
            Node::Not(inner) => named[*inner as usize].clone(),
        };
        fields.sort_unstable();
        fields.dedup();
        named.push(fields);
    }
    for (number, step) in steps.iter().enumerate() {
        for field in &named[step.node as usize] {
            fields[*field as usize].long_steps.push(number as u32);
        }
    }
}
