//! Tests gathered field by field: equal ones are one atom, and each field gets its index.
//!
//! In: the atoms of all predicates. Out: an atom's number, and at the end one [`FieldPlan`] a field.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::index::{TextIndex, TextIndexBuilder};
use super::interval::NumberIndex;
use crate::event::field::Type;
use crate::rule::plan::{Atom, FieldRef, Test};

/// All tests of one field.
#[derive(Debug)]
pub(super) struct FieldPlan {
    pub(super) field: FieldRef,
    pub(super) index: Index,
    /// The atom that asks whether there is a value, if any rule does.
    pub(super) exists: Option<u32>,
    /// Steps that search this field, when it is long text.
    pub(super) long_steps: Vec<u32>,
}

/// How values of a field are looked up, by what its column is.
#[derive(Debug)]
pub(super) enum Index {
    /// No rule asks for more than existence.
    Bare,
    /// A dictionary column.
    Text(Box<TextIndex>),
    /// A column of long text: `message`, `event.original`.
    Long(Box<TextIndex>),
    /// A column of numbers or times.
    Number(NumberIndex),
}

impl FieldPlan {
    /// Whether it is long text that is searched.
    pub(super) fn is_long_index(&self) -> bool {
        matches!(self.index, Index::Long(_))
    }
}

/// What tells an atom from the others of its field.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Listed(u32),
    Exists,
    OneOf(Vec<String>, bool),
    /// A long list, by its address: it is not copied to compare.
    Shared(usize, bool),
    Like(String, bool),
    Regex(String),
    Ranges(Vec<(i128, i128)>),
    Networks(Vec<(u128, u8)>),
}

/// Longer lists are told apart by where they lie in memory.
const LONG_LIST: usize = 1_000;

/// The atoms so far.
#[derive(Default)]
pub(super) struct Atoms {
    fields: Vec<Gathered>,
    field_numbers: FxHashMap<FieldRef, u32>,
    numbers: FxHashMap<(u32, Key), u32>,
    atom_field: Vec<u32>,
    tests: Vec<Test>,
}

struct Gathered {
    field: FieldRef,
    text: TextIndexBuilder,
    ranges: Vec<(i128, i128, u32)>,
    has_text: bool,
    exists: Option<u32>,
}

impl Atoms {
    /// The number of this test; `None` when it can hold for no value of the field's type.
    pub(super) fn number(&mut self, atom: &Atom) -> Option<u32> {
        let numeric = atom.field.ty().is_number() || atom.field.ty() == Type::Timestamp;
        let possible = match &atom.test {
            Test::Exists => true,
            Test::OneOf { .. } | Test::Like { .. } | Test::Regex(_) | Test::Network(_) => {
                !numeric && atom.field.ty() != Type::Id
            }
            Test::Range(..) | Test::Numbers(_) => numeric,
            // Lists that change are looked at behind matching.
            Test::Listed(_) => false,
        };
        if !possible {
            return None;
        }
        let field = self.field(&atom.field);
        let new = self.atom_field.len() as u32;
        let number = *self.numbers.entry((field, key(&atom.test))).or_insert(new);
        if number == new {
            self.atom_field.push(field);
            self.tests.push(atom.test.clone());
            self.fields[field as usize].add(&atom.test, number);
        }
        Some(number)
    }

    fn field(&mut self, field: &FieldRef) -> u32 {
        *self.field_numbers.entry(field.clone()).or_insert_with(|| {
            self.fields.push(Gathered {
                field: field.clone(),
                text: TextIndexBuilder::default(),
                ranges: Vec::new(),
                has_text: false,
                exists: None,
            });
            self.fields.len() as u32 - 1
        })
    }

    /// The fields with their indexes, each atom's field, and each atom's test.
    pub(super) fn finish(self) -> (Vec<FieldPlan>, Vec<u32>, Vec<Test>) {
        (self.fields.into_iter().map(Gathered::finish).collect(), self.atom_field, self.tests)
    }
}

impl Gathered {
    fn add(&mut self, test: &Test, atom: u32) {
        self.has_text |= matches!(test, Test::OneOf { .. } | Test::Like { .. } | Test::Regex(_) | Test::Network(_));
        match test {
            Test::Exists => self.exists = Some(atom),
            Test::OneOf { values, fold } => self.text.one_of(values, *fold, atom),
            Test::Like { pattern, fold } => self.text.like(pattern, *fold, atom),
            Test::Regex(pattern) => self.text.regex(pattern, atom),
            Test::Network(networks) => self.text.networks(networks, atom),
            Test::Range(low, high) => self.ranges.push((*low, *high, atom)),
            Test::Numbers(values) => self.ranges.extend(values.iter().map(|v| (*v, *v, atom))),
            Test::Listed(_) => {}
        }
    }

    fn finish(self) -> FieldPlan {
        let ty = self.field.ty();
        let index = match (self.has_text, ty) {
            (true, Type::LongText) => Index::Long(Box::new(self.text.finish(false))),
            (true, _) => Index::Text(Box::new(self.text.finish(ty == Type::TextList))),
            (false, _) if !self.ranges.is_empty() => Index::Number(NumberIndex::new(ty, &self.ranges)),
            (false, _) => Index::Bare,
        };
        FieldPlan { field: self.field, index, exists: self.exists, long_steps: Vec::new() }
    }
}

fn key(test: &Test) -> Key {
    match test {
        Test::Exists => Key::Exists,
        Test::OneOf { values, fold } if values.len() > LONG_LIST => Key::Shared(Arc::as_ptr(values) as usize, *fold),
        Test::OneOf { values, fold } => {
            let mut values: Vec<String> = values.iter().cloned().collect();
            values.sort_unstable();
            Key::OneOf(values, *fold)
        }
        Test::Like { pattern, fold } => Key::Like(pattern.clone(), *fold),
        Test::Regex(pattern) => Key::Regex(pattern.clone()),
        Test::Range(low, high) => Key::Ranges(vec![(*low, *high)]),
        Test::Numbers(values) => Key::Ranges(values.iter().map(|v| (*v, *v)).collect()),
        Test::Listed(list) => Key::Listed(*list),
        Test::Network(networks) => Key::Networks(networks.iter().map(|n| (n.base, n.prefix)).collect()),
    }
}
