//! Rules whose lists are followed: what of their steps is known when an event is matched, and what a list may change later.
//!
//! A step of such a rule is taken apart into *tests*, which do not name lists and are decided for good
//! when an event is matched, and a *shape*, which says how the step follows from the tests and from
//! what the lists hold. An event on which a step is possible at all, whatever the lists hold, is a candidate.

use std::borrow::Cow;

use super::{Atom, FieldRef, Predicate, Program, Rule, Test};

/// How many tests a rule has room for: the bits of a row's mask.
const BITS: usize = u64::BITS as usize;

/// A rule's steps, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Retro {
    /// The fields that are looked up in lists; a candidate carries their values behind those of [`Rule::payload`].
    pub fields: Vec<FieldRef>,
    /// What is tested of an event; a candidate has the i-th bit set when the i-th holds. Each implies that its step is possible.
    pub tests: Vec<Known>,
    /// For each step what it follows from.
    pub steps: Vec<Shape>,
}

/// A condition that no list changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The step it is of: it is asked under that one's key.
    pub step: usize,
    /// The condition.
    pub predicate: Predicate,
}

/// What a step follows from.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The test of this number holds.
    Known(usize),
    /// The field at this position of [`Retro::fields`] has a value in this list.
    Listed {
        /// Position of the field.
        slot: usize,
        /// Position in [`Program::lists`].
        list: u32,
    },
    /// All hold.
    And(Vec<Shape>),
    /// One holds.
    Or(Vec<Shape>),
    /// It does not hold.
    Not(Box<Shape>),
}

impl Rule {
    /// The rule taken apart, when its lists are followed: [`Rule::retro`] is set and it asks for some. One that is too involved for
    /// a row's mask (dozens of exceptions with a list each) is matched with the lists as they are when the program is made.
    pub fn retroactive(&self) -> Option<Retro> {
        if self.retro == 0 || self.steps.iter().all(|step| is_known(&step.predicate)) {
            return None;
        }
        let mut apart = Retro { fields: Vec::new(), tests: Vec::new(), steps: Vec::new() };
        for (number, step) in self.steps.iter().enumerate() {
            let possible = possible(&step.predicate);
            let mut all = vec![apart.known(number, possible.clone())];
            // What stands beside a list is part of being possible.
            match &step.predicate {
                Predicate::And(parts) => {
                    let open = parts.iter().filter(|part| !is_known(part));
                    all.extend(open.map(|part| apart.shape(number, part, &possible)).collect::<Vec<_>>());
                }
                known if is_known(known) => {}
                other => all.push(apart.shape(number, other, &possible)),
            }
            apart.steps.push(Shape::And(all));
        }
        (apart.tests.len() <= BITS).then_some(apart)
    }
}

impl Program {
    /// The predicate with what its lists hold now in their place.
    pub fn fixed<'p>(&self, predicate: &'p Predicate) -> Cow<'p, Predicate> {
        if is_known(predicate) { Cow::Borrowed(predicate) } else { Cow::Owned(self.filled(predicate)) }
    }

    fn filled(&self, predicate: &Predicate) -> Predicate {
        match predicate {
            Predicate::Constant(value) => Predicate::Constant(*value),
            Predicate::Atom(Atom { field, test: Test::Listed(list) }) => {
                let Some(list) = self.lists.get(*list as usize) else { return Predicate::Constant(false) };
                let atom = |test| Predicate::Atom(Atom { field: field.clone(), test });
                let values = atom(Test::OneOf { values: list.values.clone(), fold: true });
                Predicate::Or(vec![values, atom(Test::Network(list.networks.to_vec()))])
            }
            Predicate::Atom(atom) => Predicate::Atom(atom.clone()),
            Predicate::And(all) => Predicate::And(all.iter().map(|p| self.filled(p)).collect()),
            Predicate::Or(any) => Predicate::Or(any.iter().map(|p| self.filled(p)).collect()),
            Predicate::Not(inner) => Predicate::Not(Box::new(self.filled(inner))),
        }
    }
}

impl Retro {
    /// Adds a test of a step.
    fn known(&mut self, step: usize, predicate: Predicate) -> Shape {
        self.tests.push(Known { step, predicate });
        Shape::Known(self.tests.len() - 1)
    }

    fn shape(&mut self, step: usize, predicate: &Predicate, possible: &Predicate) -> Shape {
        match predicate {
            Predicate::Atom(Atom { field, test: Test::Listed(list) }) => {
                let slot = self.fields.iter().position(|f| f == field).unwrap_or_else(|| {
                    self.fields.push(field.clone());
                    self.fields.len() - 1
                });
                Shape::Listed { slot, list: *list }
            }
            Predicate::And(all) if !is_known(predicate) => Shape::And(self.parts(step, all, possible, Predicate::And)),
            Predicate::Or(any) if !is_known(predicate) => Shape::Or(self.parts(step, any, possible, Predicate::Or)),
            Predicate::Not(inner) if !is_known(inner) => Shape::Not(Box::new(self.shape(step, inner, possible))),
            Predicate::Constant(_) | Predicate::Atom(_) | Predicate::And(_) | Predicate::Or(_) | Predicate::Not(_) => {
                self.known(step, Predicate::And(vec![possible.clone(), predicate.clone()]))
            }
        }
    }

    /// The shapes of parts; those that name no list are one test together.
    fn parts(
        &mut self,
        step: usize,
        parts: &[Predicate],
        possible: &Predicate,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Vec<Shape> {
        let (known, open): (Vec<_>, Vec<_>) = parts.iter().partition(|part| is_known(part));
        let mut shapes: Vec<Shape> = open.into_iter().map(|part| self.shape(step, part, possible)).collect();
        if !known.is_empty() {
            let known = join(known.into_iter().cloned().collect());
            shapes.push(self.known(step, Predicate::And(vec![possible.clone(), known])));
        }
        shapes
    }
}

impl Shape {
    /// Whether it holds, given the bits of the tests and what the lists hold.
    pub fn holds(&self, tests: u64, listed: &impl Fn(usize, u32) -> bool) -> bool {
        match self {
            Shape::Known(test) => tests >> test & 1 == 1,
            Shape::Listed { slot, list } => listed(*slot, *list),
            Shape::And(all) => all.iter().all(|s| s.holds(tests, listed)),
            Shape::Or(any) => any.iter().any(|s| s.holds(tests, listed)),
            Shape::Not(inner) => !inner.holds(tests, listed),
        }
    }

    /// Calls `visit` with each field and list that it asks for.
    pub fn lists(&self, visit: &mut impl FnMut(usize, u32)) {
        match self {
            Shape::Known(_) => {}
            Shape::Listed { slot, list } => visit(*slot, *list),
            Shape::And(all) | Shape::Or(all) => all.iter().for_each(|s| s.lists(visit)),
            Shape::Not(inner) => inner.lists(visit),
        }
    }
}

/// Whether it names no list.
fn is_known(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Constant(_) => true,
        Predicate::Atom(atom) => !matches!(atom.test, Test::Listed(_)),
        Predicate::And(all) | Predicate::Or(all) => all.iter().all(is_known),
        Predicate::Not(inner) => is_known(inner),
    }
}

/// Holds when the predicate does for some content of the lists.
fn possible(predicate: &Predicate) -> Predicate {
    unknown(predicate, true)
}

/// The predicate with every list as full, or else as empty, as helps it to hold (or, with `holds` false, not to).
fn unknown(predicate: &Predicate, holds: bool) -> Predicate {
    match predicate {
        Predicate::Atom(Atom { field, test: Test::Listed(_) }) => match holds {
            true => Predicate::Atom(Atom { field: field.clone(), test: Test::Exists }),
            false => Predicate::Constant(false),
        },
        Predicate::Constant(_) | Predicate::Atom(_) => predicate.clone(),
        Predicate::And(all) => Predicate::And(all.iter().map(|p| unknown(p, holds)).collect()),
        Predicate::Or(any) => Predicate::Or(any.iter().map(|p| unknown(p, holds)).collect()),
        Predicate::Not(inner) => Predicate::Not(Box::new(unknown(inner, !holds))),
    }
}
