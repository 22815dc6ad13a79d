//! Rules that come and go: one program after the other, in the same dataflow.
//!
//! In a program a rule's number is its position, which shifts when another rule comes before it. In the
//! dataflow a rule has a number of its own for as long as it stays the same, so that nothing that is
//! held has to be rewritten; a rule that came or was changed has a new one. A [`Roster`] is one
//! program with these numbers. Every epoch has its roster, and its rows are read with it.
//!
//! Levels of rules over alerts and the lists that rules follow are part of the dataflow itself, which stays as the
//! first program made it: a program with either neither comes while events flow nor is followed by another
//! ([`is_fixed`]). A second dataflow takes the place of its own.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::episode::Record;
use crate::rule::plan::{Program, Rule};

/// The position of a rule that is gone.
const GONE: u32 = u32::MAX;

/// Whether a program is one with its dataflow: it has rules over alerts, or rules that follow lists.
pub fn is_fixed(program: &Program) -> bool {
    program.rules.iter().any(|rule| rule.level > 0 || rule.retro > 0)
}

/// A program, and the numbers of its rules in the dataflow.
#[derive(Debug, Default)]
pub struct Roster {
    program: Arc<Program>,
    generation: u64,
    /// By position.
    numbers: Vec<u32>,
    /// By number, of all that were ever given.
    positions: Vec<u32>,
    /// By position; empty when no rule is to be filled.
    filling: Vec<bool>,
    /// For each group what its keys are spread over the workers with; `None` for rules without state.
    salts: Vec<Option<u64>>,
}

impl Roster {
    /// The first program.
    pub(super) fn new(program: Arc<Program>) -> Roster {
        let numbers: Vec<u32> = (0..program.rules.len() as u32).collect();
        let salts = salts(&program);
        Roster { program, generation: 0, positions: numbers.clone(), numbers, filling: Vec::new(), salts }
    }

    /// The program after this one. `continues` says for each of its rules which one of this program it is, if any; those
    /// that are none are to be filled.
    pub(super) fn next(&self, program: Arc<Program>, continues: impl Fn(u32) -> Option<u32>) -> Roster {
        let mut positions = vec![GONE; self.positions.len()];
        let (mut numbers, mut filling) = (Vec::new(), Vec::new());
        for position in 0..program.rules.len() as u32 {
            let kept = continues(position).map(|before| self.numbers[before as usize]);
            let number = kept.unwrap_or(positions.len() as u32);
            match positions.get_mut(number as usize) {
                Some(place) => *place = position,
                None => positions.push(position),
            }
            numbers.push(number);
            filling.push(kept.is_none());
        }
        if !filling.contains(&true) {
            filling.clear();
        }
        let salts = salts(&program);
        Roster { program, generation: self.generation + 1, numbers, positions, filling, salts }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// How many programs were before it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Positions of the rules that joined with this program and are filled from the past.
    pub fn filling(&self) -> impl Iterator<Item = u32> {
        self.filling.iter().enumerate().filter(|(_, filling)| **filling).map(|(position, _)| position as u32)
    }

    /// Whether the rule at this position joined with this program.
    pub(super) fn is_filling(&self, position: u32) -> bool {
        self.filling.get(position as usize).is_some_and(|filling| *filling)
    }

    /// Whether the rule of this number joined with this program.
    pub(super) fn fills(&self, number: u32) -> bool {
        self.is_filling(self.positions[number as usize])
    }

    /// Number of the rule at this position.
    pub(super) fn number(&self, position: u32) -> u32 {
        self.numbers[position as usize]
    }

    /// The rule of this number; `None` when it is gone.
    pub(super) fn rule(&self, number: u32) -> Option<&Rule> {
        self.program.rules.get(self.positions[number as usize] as usize)
    }

    /// What the keys of a group are hashed with, to find their worker: the same in every program, or their state would
    /// stay behind. `None` when its rules have no state.
    pub(super) fn salt(&self, group: u32) -> Option<u64> {
        self.salts.get(group as usize).copied().flatten()
    }

    /// Rules by position instead of number.
    pub(super) fn translate(&self, changes: &mut Vec<(Record, isize)>) {
        if self.generation == 0 {
            // In the first program they are the same.
            return;
        }
        changes.retain_mut(|(record, _)| {
            record.rule = self.positions[record.rule as usize];
            record.rule != GONE
        });
    }
}

fn salts(program: &Program) -> Vec<Option<u64>> {
    let salt = |group: &crate::rule::plan::Group| {
        let rule = &program.rules[group.members.first()?.rule as usize];
        let mut hasher = FxBuildHasher.build_hasher();
        let key = &rule.steps.first()?.key;
        // Rules whose steps have different keys are not grouped: such a rule's keys go by its name.
        match rule.steps.iter().all(|s| s.key == *key) {
            true => key.iter().for_each(|field| hasher.write(field.name().as_bytes())),
            false => hasher.write(rule.name.as_bytes()),
        }
        (!group.single).then(|| hasher.finish())
    };
    program.groups().iter().map(salt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::compile_alone;

    fn program(names: &[&str]) -> Arc<Program> {
        let rule = |name: &&str| format!("rule {name} {{ when any by source.ip within 5m having count() >= 3 }}\n");
        Arc::new(compile_alone("a.weir", &names.iter().map(rule).collect::<String>()).program)
    }

    fn by_name(roster: &Roster, program: &Arc<Program>) -> Roster {
        let before = roster.program().clone();
        let next = program.clone();
        roster.next(program.clone(), move |at| before.position(&next.rules[at as usize].name))
    }

    #[test]
    fn a_number_stays_with_its_rule() {
        let first = Roster::new(program(&["b", "d"]));
        let second = by_name(&first, &program(&["a", "b", "d"]));
        assert_eq!((second.number(1), second.number(2)), (first.number(0), first.number(1)));
        assert_eq!(second.filling().collect::<Vec<_>>(), [0]);
        let third = by_name(&second, &program(&["a", "d"]));
        assert_eq!(third.rule(first.number(0)).map(|r| &*r.name), None, "b is gone");
        assert_eq!(third.rule(first.number(1)).map(|r| &*r.name), Some("d"));
        let fourth = by_name(&third, &program(&["a", "b", "d"]));
        assert_ne!(fourth.number(1), first.number(0), "b came again, and is another");
        assert_eq!((third.filling().count(), fourth.filling().collect::<Vec<_>>()), (0, vec![1]));
        assert_eq!(first.salt(0), fourth.salt(0), "a key stays where it is");
    }
}
