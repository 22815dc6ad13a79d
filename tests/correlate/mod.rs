//! The engine against the naive evaluator: every form, in any order, batching and number of workers, live and finite.
//!
//! `WEIR_CASES` sets how many cases every test tries. A long run: `WEIR_CASES=100000 cargo test --release --test all correlate`.
//! A failure shows the smallest case found: its rules, its epochs with their rows, and what differs.
//!
//! [`generate`] makes rules of all forms and [`case`] the events, [`run`] sends them through the engine.

mod case;
mod cluster;
mod forms;
mod generate;
mod levels;
mod lists;
mod quiet;
mod restart;
mod run;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use weir::correlate::episode::Place;
use weir::event::EventId;
use weir::matching::MatchRow;
use weir::rule::plan::{Program, Tuple};

use crate::reference::{self, Row};
use run::Answer;

/// Tries random cases, `default` of them unless `WEIR_CASES` says how many.
fn try_cases<C: std::fmt::Debug>(
    default: u32,
    cases: impl Strategy<Value = C>,
    test: impl Fn(&C) -> Result<(), TestCaseError>,
) {
    let cases_wanted = std::env::var("WEIR_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(default);
    let config = Config { cases: cases_wanted, failure_persistence: None, ..Config::default() };
    match TestRunner::new(config).run(&cases, |case| test(&case)) {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\n{case:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The row by which matching says that an event satisfies these steps of a rule.
fn row(program: &Program, rule: u32, steps: u32, time: i64, id: EventId, key: &Tuple, values: &Tuple) -> MatchRow {
    let (group, hits) = program.place(rule, steps);
    MatchRow { group, hits, time, id, key: key.clone(), values: values.clone() }
}

/// Rows of the reference as those of the engine: rules that share rows share them here.
fn match_rows(program: &Program, rows: &[Row]) -> Vec<MatchRow> {
    let mut out: Vec<MatchRow> = Vec::new();
    for r in rows {
        let new = row(program, r.rule, r.steps, r.time, r.id, &r.key, &r.values);
        let alike = |old: &&mut MatchRow| (old.group, old.id, &old.key) == (new.group, new.id, &new.key);
        match out.iter_mut().find(alike) {
            Some(old) => old.hits |= new.hits,
            None => out.push(new),
        }
    }
    out
}

/// What is said, as the reference says it. Fails when something is said twice or an alert's evidence cannot be right.
fn episodes(answer: &Answer) -> Result<std::collections::BTreeSet<reference::Episode>, TestCaseError> {
    let fail = |what: &str, record: &dyn std::fmt::Debug| Err(TestCaseError::fail(format!("{what}: {record:?}")));
    let mut out = std::collections::BTreeSet::new();
    for (record, times) in answer {
        let evidence = &record.evidence;
        if *times != 1 {
            return fail(&format!("said {times} times"), record);
        }
        if !evidence.is_sorted_by(|a, b| a < b) {
            return fail("the evidence is not in order without repeats", record);
        }
        if evidence.first() != Some(&record.first) || evidence.last() != Some(&record.last) {
            return fail("the evidence does not go from the first event to the last", record);
        }
        let place = |p: Place| (p.time, p.id);
        let (key, first, last) = (record.key.clone(), place(record.first), place(record.last));
        out.insert(reference::Episode { rule: record.rule, key, first, last, count: record.count });
    }
    Ok(out)
}

/// Fails, showing both sides, when they are not the same.
fn same(
    what: &str,
    answer: &Answer,
    expected: &std::collections::BTreeSet<reference::Episode>,
) -> Result<(), TestCaseError> {
    let found = episodes(answer)?;
    let list = |a: &std::collections::BTreeSet<reference::Episode>, b| {
        a.difference(b).map(|e| format!("\n    {e:?}")).collect::<String>()
    };
    if found == *expected {
        return Ok(());
    }
    let (missing, extra) = (list(expected, &found), list(&found, expected));
    Err(TestCaseError::fail(format!("{what}\n  only by the reference:{missing}\n  only by the engine:{extra}")))
}
