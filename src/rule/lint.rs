//! Warnings about rules that compile and are likely not meant so. In: a compiled folder. Out: warnings, each at its place.
//!
//! Nothing here changes what a rule does, and the compiler does without it: `weir check` and editors ask for it. What is
//! not certain is not told, since a warning that is wrong half the time is read by nobody.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ast::{self, ClauseKind, Item, Pattern, Span, When};
use super::plan;
use super::{Compiled, Diagnostic, diagnostic};
use within::Patterns;

mod clause;
mod logic;
mod missing;
mod never;
mod shadow;
mod state;
mod unfilled;
mod within;

#[cfg(test)]
mod tests;

impl Compiled {
    /// What the compiler found and what [`lint`] warns of, by file and place.
    pub fn findings(&self, now: i64) -> Vec<Diagnostic> {
        let mut all = self.diagnostics.clone();
        all.append(&mut lint(self, now));
        all.sort_by(|a, b| (&a.place.file, a.place.start, a.code).cmp(&(&b.place.file, b.place.start, b.code)));
        all
    }
}

/// All warnings of a folder, by file and place. `now` tells which exceptions have expired, µs.
pub fn lint(compiled: &Compiled, now: i64) -> Vec<Diagnostic> {
    let lets = lets(compiled);
    let subjects = subjects(compiled);
    let mut found = Vec::new();
    let mut patterns = Patterns::default();
    for subject in &subjects {
        clause::check(subject, now, &mut found);
        missing::check(subject, &lets, &mut found);
        state::check(subject, &mut found);
    }
    unfilled::check(compiled, &subjects, &lets, &mut found);
    // What never raises an alert is told once: that another rule raises its alerts is true of it, and no help.
    let alive = |subject: &Subject<'_>| {
        let before = found.len();
        never::check(subject, &mut patterns, &mut found);
        found.len() == before
    };
    let alive: Vec<Subject<'_>> = subjects.into_iter().filter(alive).collect();
    shadow::check(&alive, &mut patterns, &mut found);
    diagnostic::locate(&mut found, &compiled.sources);
    found.dedup();
    found
}

/// A rule that compiles: as it is written, and as it is run.
struct Subject<'a> {
    file: &'a Arc<str>,
    tree: &'a ast::Rule,
    plan: &'a plan::Rule,
}

/// The `let`s of a folder by name, each with its file.
type Lets<'a> = FxHashMap<&'a str, (&'a Arc<str>, &'a ast::Let)>;

fn lets(compiled: &Compiled) -> Lets<'_> {
    let mut out = Lets::default();
    for tree in &compiled.trees {
        for item in &tree.items {
            if let Item::Let(define) = item {
                out.entry(&define.name.text).or_insert((&tree.name, define));
            }
        }
    }
    out
}

/// The rules that compile, by name.
fn subjects(compiled: &Compiled) -> Vec<Subject<'_>> {
    let mut trees: FxHashMap<&str, (&Arc<str>, &ast::Rule)> = FxHashMap::default();
    for tree in &compiled.trees {
        for item in &tree.items {
            if let Item::Rule(rule) = item {
                trees.entry(&rule.name.text).or_insert((&tree.name, rule));
            }
        }
    }
    let subject = |plan| {
        let plan: &plan::Rule = plan;
        let (file, tree) = trees.get(plan.name.as_str())?;
        Some(Subject { file, tree, plan })
    };
    compiled.program.rules.iter().filter_map(subject).collect()
}

impl<'a> Subject<'a> {
    /// Its patterns in the order of the plan's steps, each with what follows it.
    fn patterns(&self) -> Vec<(&'a Pattern, &'a [ast::Setting])> {
        self.tree.whens().next().map_or(Vec::new(), When::patterns)
    }

    /// What stands before the brace of its steps.
    fn shared(&self) -> &'a [ast::Setting] {
        self.tree.whens().next().map_or(&[], When::shared)
    }

    /// Where its `when` stands.
    fn when_span(&self) -> Span {
        let clause = self.tree.clauses.iter().find(|c| matches!(c.kind, ClauseKind::When(_)));
        clause.map_or(self.tree.name.span, |c| c.span)
    }
}

/// The conditions of a pattern and of the `let`s that it is made of, each with its file; and the category at their end.
fn conditions<'a>(
    pattern: &'a Pattern,
    file: &'a Arc<str>,
    lets: &Lets<'a>,
) -> (Vec<(&'a Arc<str>, &'a ast::Condition)>, &'a str) {
    let mut out = Vec::new();
    let (mut pattern, mut file) = (pattern, file);
    // Circles do not compile, and a rule in one is no subject.
    for _ in 0..=lets.len() {
        out.extend(pattern.condition.iter().map(|c| (file, c)));
        match lets.get(pattern.source.text.as_str()) {
            Some((other, define)) if !super::scope::is_builtin(&pattern.source.text) => {
                (pattern, file) = (&define.pattern, other);
            }
            Some(_) | None => break,
        }
    }
    (out, &pattern.source.text)
}
