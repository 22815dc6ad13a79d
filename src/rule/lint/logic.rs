//! What follows from a condition. In: predicates. Out: whether they contradict one another, or one implies another.
//!
//! An answer `true` is certain. `false` says no more than that nothing was found: texts that patterns describe are
//! compared by their ends only, and a search that would take long is given up.

use std::cell::Cell;

use rustc_hash::FxHashMap;

use super::within::{self, Patterns};
use crate::rule::plan::{Atom, FieldRef, Predicate, Test};

/// So many cases are told apart before an answer is given up.
const MOST: u32 = 400;

/// A predicate, or that it does not hold.
type Signed<'a> = (&'a Predicate, bool);

/// Whether no event fulfils all of these.
pub(super) fn contradict(parts: &[Signed<'_>], patterns: &mut Patterns) -> bool {
    let mut case = Case::default();
    if !parts.iter().all(|part| case.add(*part)) {
        return true;
    }
    let budget = Cell::new(MOST);
    solve(&case, &budget, patterns)
}

/// Whether every event that fulfils `a` fulfils `b`.
pub(super) fn implies(a: &Predicate, b: &Predicate, patterns: &mut Patterns) -> bool {
    a == b || contradict(&[(a, true), (b, false)], patterns)
}

/// Tests that hold or do not, and choices that are still open.
#[derive(Clone, Default)]
struct Case<'a> {
    tests: Vec<(&'a Atom, bool)>,
    choices: Vec<Vec<Signed<'a>>>,
}

impl<'a> Case<'a> {
    /// Adds what holds; false when that is never.
    fn add(&mut self, (part, holds): Signed<'a>) -> bool {
        match (part, holds) {
            (Predicate::Constant(value), _) => return *value == holds,
            (Predicate::Atom(atom), _) => self.tests.push((atom, holds)),
            (Predicate::Not(inner), _) => return self.add((inner, !holds)),
            (Predicate::And(parts), true) | (Predicate::Or(parts), false) => {
                return parts.iter().all(|part| self.add((part, holds)));
            }
            (Predicate::And(parts), false) | (Predicate::Or(parts), true) => {
                self.choices.push(parts.iter().map(|part| (part, holds)).collect());
            }
        }
        true
    }
}

/// Whether the case is impossible, whatever is chosen.
fn solve(case: &Case<'_>, budget: &Cell<u32>, patterns: &mut Patterns) -> bool {
    if budget.get() == 0 {
        return false;
    }
    budget.set(budget.get() - 1);
    if clash(&case.tests, patterns) {
        return true;
    }
    let Some((choice, rest)) = case.choices.split_first() else { return false };
    choice.iter().all(|part| {
        let mut next = Case { tests: case.tests.clone(), choices: rest.to_vec() };
        !next.add(*part) || solve(&next, budget, patterns)
    })
}

/// Whether these tests cannot come out like this together.
fn clash(tests: &[(&Atom, bool)], patterns: &mut Patterns) -> bool {
    let mut fields: FxHashMap<&FieldRef, (Vec<&Test>, Vec<&Test>)> = FxHashMap::default();
    for (atom, holds) in tests {
        let (true_, false_) = fields.entry(&atom.field).or_default();
        if *holds { true_.push(&atom.test) } else { false_.push(&atom.test) }
    }
    fields.iter().any(|(field, (hold, fail))| {
        let denied = hold.iter().any(|h| fail.iter().any(|f| within::within(h, f, patterns)));
        // A list has many values: each test may be met by another.
        denied || !field.ty().is_list() && within::none(hold, fail, patterns)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::compile_alone;

    fn predicates(conditions: &[&str]) -> Vec<Predicate> {
        let rules = conditions.iter().enumerate().map(|(i, c)| format!("rule r{i} {{ when any where {c} }}\n"));
        let compiled = compile_alone("x", &rules.collect::<String>());
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
        compiled.program.rules.iter().map(|r| r.steps[0].predicate.clone()).collect()
    }

    #[test]
    fn contradictions_are_found() {
        for (condition, never) in [
            ("user.name == \"a\" and user.name == \"b\"", true),
            ("user.name == \"a\" and user.name == \"A\"", false),
            ("user.name == c\"a\" and user.name == \"A\"", false),
            ("user.name == c\"a\" and user.name == c\"A\"", true),
            ("user.name == \"a\" and user.name != \"A\"", true),
            ("user.name == \"a\" and user.name != c\"A\"", false),
            ("user.name in (\"a\", \"b\") and user.name != \"a\" and not user.name like \"b*\"", true),
            ("user.name in (\"a\", \"bc\") and user.name ~ /^x/i", true),
            ("user.name == \"a\" and user.name ~ /^A$/", false),
            ("tags == \"a\" and tags == \"b\"", false),
            ("tags == \"a\" and not tags in (\"a\", \"b\")", true),
            ("not exists user.name and user.name like \"a*\"", true),
            ("user.name != \"a\" and not exists user.name", false),
            ("source.port > 10 and source.port < 5", true),
            ("source.port > 10 and source.port < 12 and source.port != 11", true),
            ("source.port >= 10 and not source.port > 10", false),
            ("source.port in (1, 2) and source.port > 2", true),
            ("source.ip in 10.0.0.0/8 and source.ip in 192.168.0.0/16", true),
            ("source.ip in 10.1.0.0/16 and not source.ip in 10.0.0.0/8", true),
            ("source.ip in 10.0.0.0/8 and not source.ip in 10.1.0.0/16", false),
            ("source.ip == 10.0.0.1 and not source.ip in 10.0.0.0/8", true),
            ("url.path startswith \"/a\" and url.path startswith \"/b\"", true),
            ("url.path startswith \"/a\" and url.path startswith \"/ab\"", false),
            ("url.path endswith \".php\" and url.path endswith \".asp\"", true),
            ("url.path contains \"abc\" and not url.path contains \"B\"", true),
            ("url.path contains \"a\" and not url.path contains \"abc\"", false),
            ("(user.name == \"a\" or user.name == \"b\") and user.name == \"c\"", true),
            ("(user.name == \"a\" or source.port == 1) and user.name == \"c\"", false),
            (
                "(user.name like \"a*\" or user.name == \"b\") and not (user.name like \"a*\" or user.name == \"b\")",
                true,
            ),
            ("fields.x == \"1\" and fields.x == \"2\"", true),
        ] {
            let predicate = &predicates(&[condition])[0];
            assert_eq!(contradict(&[(predicate, true)], &mut Patterns::default()), never, "{condition}");
        }
    }

    #[test]
    fn implications_are_found() {
        for (a, b, follows) in [
            ("user.name == \"a\"", "user.name in (\"a\", \"b\")", true),
            ("user.name in (\"a\", \"b\")", "user.name == \"a\"", false),
            ("user.name == \"a\" and source.port == 1", "user.name like \"a*\"", true),
            ("user.name == \"a\"", "exists user.name", true),
            ("user.name == \"a\"", "user.name != \"b\"", true),
            ("user.name != \"b\"", "user.name == \"a\"", false),
            ("source.port > 10", "source.port > 5", true),
            ("url.path == \"/x/y\"", "url.path ~ /Y$/i", true),
        ] {
            let both = predicates(&[a, b]);
            assert_eq!(implies(&both[0], &both[1], &mut Patterns::default()), follows, "{a} => {b}");
        }
    }
}
