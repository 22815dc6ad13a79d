//! Whether a rule of one program is that of another: what tells an edited rule from one that is read again.

use super::{Atom, Exceptions, Predicate, Program, Rule, Template, Test};
use crate::rule::title;

impl Program {
    /// Whether this rule finds and says the same as that rule of another program: all of it but its description, its false positives, the
    /// reasons of its exceptions and the file it came from. What stands in a list that both meet while running makes no difference.
    pub fn same(&self, rule: u32, other: &Program, that: u32) -> bool {
        self.rules[rule as usize].name == other.rules[that as usize].name && self.alike(rule, other, that)
    }

    /// Whether this rule is that rule of another program ([`Program::same`]), by whatever name.
    pub fn alike(&self, rule: u32, other: &Program, that: u32) -> bool {
        let (one, two) = (&self.rules[rule as usize], &other.rules[that as usize]);
        let titled = |rule: &Rule| rule.title != title::from_name(&rule.name);
        let plain = |rule: &Rule| Rule {
            name: String::new(),
            title: if titled(rule) { rule.title.clone() } else { Template::default() },
            description: None,
            falsepositives: Vec::new(),
            exceptions: Exceptions::default(),
            file: "".into(),
            ..rule.clone()
        };
        let (one, mut two) = (plain(one), plain(two));
        // A list's number is its place in its own program.
        let place = |number: u32| {
            let list = other.lists.get(number as usize);
            let found =
                list.and_then(|list| self.lists.iter().position(|l| l.name == list.name && l.file == list.file));
            found.map_or(u32::MAX, |at| at as u32)
        };
        for step in &mut two.steps {
            renumber(&mut step.predicate, &place);
        }
        one == two
    }
}

fn renumber(predicate: &mut Predicate, place: &dyn Fn(u32) -> u32) {
    match predicate {
        Predicate::Constant(_) => {}
        Predicate::Atom(Atom { test, .. }) => match test {
            Test::Listed(number) => *number = place(*number),
            Test::Exists
            | Test::OneOf { .. }
            | Test::Like { .. }
            | Test::Regex(_)
            | Test::Range(..)
            | Test::Numbers(_)
            | Test::Network(_) => {}
        },
        Predicate::And(all) | Predicate::Or(all) => all.iter_mut().for_each(|p| renumber(p, place)),
        Predicate::Not(inner) => renumber(inner, place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::compile_alone;
    use crate::rule::plan::{FieldRef, List};

    fn program(text: &str) -> Program {
        let compiled = compile_alone("a.weir", text);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
        compiled.program
    }

    #[test]
    fn what_is_said_and_found_counts() {
        let rule =
            "severity low when authentication where user.name == \"root\" by source.ip within 5m having count() >= 3";
        let first = program(&format!("rule b {{ {rule} }}"));
        let moved =
            program(&format!("rule a {{ when any where event.code == \"1\" }} rule b {{ description \"d\" {rule} }}"));
        assert!(first.same(0, &moved, 1), "its place and its description do not matter");
        for (from, to) in
            [("low", "high"), ("root", "toor"), ("5m", "6m"), (">= 3", ">= 4"), ("source.ip", "host.name")]
        {
            let edited = program(&format!("rule b {{ {} }}", rule.replace(from, to)));
            assert!(!first.same(0, &edited, 0), "{from}");
        }
    }

    #[test]
    fn lists_are_the_same_by_name() {
        let list = |name: &str| List { name: name.into(), ..List::default() };
        let with = |lists: Vec<List>, number: u32| {
            let mut rule = program("rule a { when any where event.code == \"1\" }").rules.remove(0);
            let field = FieldRef::Extra("x".into());
            rule.steps[0].predicate =
                Predicate::Not(Box::new(Predicate::Atom(Atom { field, test: Test::Listed(number) })));
            Program::new(vec![rule], lists)
        };
        let one = with(vec![list("a"), list("b")], 1);
        assert!(one.same(0, &with(vec![list("b")], 0), 0));
        assert!(!one.same(0, &with(vec![list("a")], 0), 0));
        assert!(!one.same(0, &with(vec![list("c")], 0), 0));
    }
}
