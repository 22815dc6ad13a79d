//! Which rules an event takes part in, by the lists as they stood when it was accepted.
//!
//! In: batches of stored events, rules, what stood in lists. Out: match rows of the program as it is now, so that
//! events of all times go through one dataflow.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::late_ids;
use super::rules::Rules;
use crate::archive::{Keep, Lists};
use crate::correlate::Emit;
use crate::event::EventBatch;
use crate::event::field::FieldRef;
use crate::matching::{MatchRow, Matcher, Pruner, Scratch};
use crate::rule::plan::Program;

/// Matches events of one span of time.
pub struct Judge {
    program: Arc<Program>,
    /// For each of its groups whether its rows are candidates of a rule that follows lists.
    candidates: Vec<bool>,
    part: Option<Part>,
    matcher: Matcher,
    scratch: Scratch,
}

impl Judge {
    /// By a program over its own lists. With [`Emit::Running`] rules that follow lists get candidates.
    pub fn new(program: &Arc<Program>, emit: Emit) -> Judge {
        let (matcher, candidates) = match emit {
            Emit::Running => (Matcher::live(program), candidates(program)),
            Emit::Final => (Matcher::new(program), vec![false; program.groups().len()]),
        };
        Judge { program: program.clone(), candidates, part: None, matcher, scratch: Scratch::default() }
    }

    /// By rules as they were over these lists. Those that follow lists are as they are: they get candidates, or no list of
    /// theirs changed.
    pub fn then(rules: &Rules, lists: &Lists, emit: Emit) -> Judge {
        if *lists == rules.lists {
            return Judge::new(&rules.program, emit);
        }
        Judge::of(rules, lists, 0..rules.program.rules.len() as u32, emit)
    }

    /// By some of the rules (positions in their program), for running input.
    pub(super) fn some(rules: &Rules, lists: &Lists, wanted: &[u32]) -> Judge {
        Judge::of(rules, lists, wanted.iter().copied(), Emit::Running)
    }

    fn of(rules: &Rules, lists: &Lists, wanted: impl Iterator<Item = u32>, emit: Emit) -> Judge {
        let then = if *lists == rules.lists { None } else { Some(rules.with_lists(lists).program) };
        let part = Part::new(&rules.program, then.as_ref().unwrap_or(&rules.program), wanted);
        Judge { part: Some(part.clone()), ..Judge::new(&part.program, emit) }
    }

    /// The columns that it reads; a batch may lack all others.
    pub fn columns(&self) -> &BTreeSet<FieldRef> {
        self.matcher.fields()
    }

    /// Leaves out events that no rule can match.
    pub fn keep(&self) -> Keep {
        let mut pruner = Pruner::new(&self.matcher);
        Box::new(move |events| pruner.may_match(events))
    }

    /// The rows of a batch, in the place of what is in `rows` and `late`. Candidates that came too late for windows are put apart: they were judged by the
    /// lists that stood when they came, not by those of their time.
    pub(super) fn rows(&mut self, batch: &EventBatch, rows: &mut Vec<MatchRow>, late: &mut Vec<MatchRow>) {
        self.matcher.matches(batch, &mut self.scratch, rows);
        if let Some(came_late) = late_ids(batch) {
            rows.retain(|row| self.program.groups()[row.group as usize].single || !came_late.contains(&row.id));
            let apart = |row: &MatchRow| self.candidates[row.group as usize] && came_late.contains(&row.id);
            (*late, *rows) = std::mem::take(rows).into_iter().partition(apart);
        }
        if let Some(part) = &self.part {
            *rows = part.translate(std::mem::take(rows));
            *late = part.translate(std::mem::take(late));
        }
    }
}

/// For each group of a program whether its rows are candidates of a rule that follows lists, to be taken as they are.
fn candidates(program: &Program) -> Vec<bool> {
    let mut candidates = vec![false; program.groups().len()];
    for (number, rule) in program.rules.iter().enumerate().filter(|(_, rule)| rule.level == 0) {
        candidates[program.place(number as u32, 0).0 as usize] |= rule.retroactive().is_some();
    }
    candidates
}

/// Some rules as a program of their own, whose rows become those of the whole.
#[derive(Clone)]
struct Part {
    whole: Arc<Program>,
    program: Arc<Program>,
    /// For each of its rules the position in the whole.
    positions: Vec<u32>,
    /// For each of its groups whether its rows are the candidates of a rule that follows lists, to be taken as they are.
    candidates: Vec<bool>,
}

impl Part {
    /// The wanted rules of `whole` as they stand in `then`: the same rules compiled with other lists.
    fn new(whole: &Arc<Program>, then: &Program, wanted: impl Iterator<Item = u32>) -> Part {
        let (mut rules, mut positions) = (Vec::new(), Vec::new());
        for position in wanted {
            let rule = &whole.rules[position as usize];
            // Candidates are the same whatever lists hold. Another rule that could not be compiled with a list as it was
            // then saw nothing.
            let was = match rule.retroactive() {
                Some(_) => Some(rule),
                None => then.position(&rule.name).map(|at| &then.rules[at as usize]),
            };
            let Some(was) = was else { continue };
            if was.steps.len() == rule.steps.len() && was.payload == rule.payload {
                rules.push(was.clone());
                positions.push(position);
            }
        }
        let program = Arc::new(Program::new(rules, then.lists.clone()));
        let candidates = candidates(&program);
        Part { whole: whole.clone(), program, positions, candidates }
    }

    fn translate(&self, rows: Vec<MatchRow>) -> Vec<MatchRow> {
        let mut out: Vec<MatchRow> = Vec::with_capacity(rows.len());
        for row in rows {
            let first = out.len();
            let from = &self.program.groups()[row.group as usize];
            if self.candidates[row.group as usize] {
                let rule = self.positions[from.members[0].rule as usize];
                out.push(MatchRow { group: self.whole.place(rule, 0).0, ..row });
                continue;
            }
            for (member, steps) in from.hits(row.hits) {
                let (group, hits) = self.whole.place(self.positions[member.rule as usize], steps);
                match out[first..].iter_mut().find(|r| r.group == group) {
                    Some(same) => same.hits |= hits,
                    None => out.push(MatchRow { group, hits, ..row.clone() }),
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BatchBuilder, field};
    use crate::rule::compile_alone;

    fn program(text: &str) -> Arc<Program> {
        let compiled = compile_alone("a.weir", text);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
        Arc::new(compiled.program)
    }

    #[test]
    fn rows_of_some_rules_are_rows_of_all() {
        let whole = program(
            "rule a { when any where event.code == \"1\" by source.ip within 5m having count() >= 3 }
             rule b { title \"{user.name}\" when any where event.code == \"1\" by source.ip within 5m having count() >= 4 }
             rule c { title \"{host.name}\" when any where event.code in (\"1\", \"2\") by source.ip within 5m having count() >= 5 }
             rule d { when any where event.code == \"2\" }",
        );
        let mut builder = BatchBuilder::new();
        for (time, code) in [(1, "1"), (2, "2"), (3, "3")] {
            builder.set_time(field::TIMESTAMP, time);
            builder.set_text(field::by_name("event.code").unwrap(), code);
            builder.set_ip(field::by_name("source.ip").unwrap(), "192.0.2.1");
            builder.set_text(field::by_name("user.name").unwrap(), "u");
            builder.set_text(field::by_name("host.name").unwrap(), "h");
            builder.set_id(crate::event::EventId::from_bits(time as u128));
            builder.end_row();
        }
        let batch = builder.finish();
        let rows = |program: &Program, only: &dyn Fn(u32) -> bool, positions: Option<&Part>| {
            let mut rows = Vec::new();
            Matcher::new(program).matches(&batch, &mut Scratch::default(), &mut rows);
            let rows = positions.map_or(rows.clone(), |part| part.translate(rows));
            let whole = positions.map_or(program, |part| &*part.whole);
            let mut seen: Vec<(u32, u32, i64, crate::rule::plan::Tuple, crate::rule::plan::Tuple)> = rows
                .iter()
                .flat_map(|r| whole.groups()[r.group as usize].hits(r.hits).map(move |(m, steps)| (m, steps, r)))
                .filter(|(m, ..)| only(m.rule))
                .map(|(m, steps, r)| {
                    (m.rule, steps, r.time, r.key.clone(), if m.values { r.values.clone() } else { Default::default() })
                })
                .collect();
            seen.sort();
            seen
        };
        for wanted in [&[0, 1][..], &[2], &[1, 2, 3], &[0, 1, 2, 3], &[]] {
            let part = Part::new(&whole, &whole, wanted.iter().copied());
            let got = rows(&part.program, &|_| true, Some(&part));
            assert_eq!(got, rows(&whole, &|rule| wanted.contains(&rule), None), "{wanted:?}");
        }
    }
}
