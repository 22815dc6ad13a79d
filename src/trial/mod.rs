//! The tests inside rules, run: each through the matching and the dataflow that live events go through.
//!
//! In: a compiled folder. Out: for each test whether the rule raised what it expects; where it did not, what it raised instead
//! and why not more. Time is event time: a test's clock starts at [`START`] and runs, after its last event, until all windows
//! are over, so that what was to happen and did not is decided. [`coverage`] tells what no test
//! reaches, [`report`] writes it all down.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::alert::Alert;
use crate::correlate::CorrelateError;
use crate::rule::plan::{Program, Rule};
use crate::rule::trial::{Expected, Trial};

pub mod coverage;
mod events;
mod play;
pub mod report;
#[cfg(test)]
mod tests;
mod why;

pub use coverage::Coverage;

/// The start of every test, µs: 2026-01-01T00:00:00Z, midnight, so that buckets of `every` start with it.
pub const START: i64 = 1_767_225_600_000_000;

/// Why a test could not be run.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The dataflow.
    #[error(transparent)]
    Correlate(#[from] CorrelateError),
    /// Its time is out of range.
    #[error("an event of test \"{0}\" lies outside of the years 1970 to 2199: give it an earlier time")]
    Time(String),
    /// More events than memory should hold.
    #[error("test \"{0}\" has more than {most} events: fewer show the same", most = events::MOST)]
    Events(String),
}

/// A test that was run.
#[derive(Debug)]
pub struct Ran<'a> {
    /// The test.
    pub trial: &'a Trial,
    /// What it took.
    pub took: Duration,
    /// Where it went wrong.
    pub failure: Option<Failure>,
    /// What of its rule it reached.
    pub reached: coverage::Reached,
}

/// What there was instead of what a test expects.
#[derive(Debug)]
pub struct Failure {
    /// When: 0 before late events came, else after so many lines of them; at the end where a test says nothing of it.
    pub wave: usize,
    /// What was expected.
    pub expected: Expected,
    /// The alerts of the rule at that time, in their order.
    pub alerts: Vec<Alert>,
    /// Why there were no more, as `weir why-not` says it.
    pub why_not: Option<String>,
}

/// Runs tests, several at once; `done` hears of each as it ends. They come out in the order they are given.
pub fn run<'a>(
    program: &Program,
    trials: &[&'a Trial],
    done: &(dyn Fn(&Ran<'_>) + Sync),
) -> Result<Vec<Ran<'a>>, TrialError> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(trials.len().max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(trial) = trials.get(at) else { break };
            let ran = one(program, trial)?;
            done(&ran);
            mine.push((at, ran));
        }
        Ok::<_, TrialError>(mine)
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::with_capacity(trials.len());
        for thread in threads {
            match thread.join() {
                Ok(mine) => all.extend(mine?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, TrialError>(all)
    })?;
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, ran)| ran).collect())
}

/// Runs one test.
fn one<'a>(program: &Program, trial: &'a Trial) -> Result<Ran<'a>, TrialError> {
    let started = Instant::now();
    let program = Arc::new(alone(program, &trial.rule));
    let position = program.position(&trial.rule).expect("tests of rules that are left out are left out too");
    let rule = &program.rules[position as usize];
    let waves = events::waves(trial)?;
    let standing = play::play(&program, position, &waves, trial.expected.len() > 1)?;
    let reached = coverage::reached(rule, &waves, standing.iter().any(|alerts| !alerts.is_empty()));
    let wrong = standing.into_iter().zip(&trial.expected).enumerate().find(|(_, (a, e))| !is_met(rule, e, a));
    let failure = wrong.map(|(wave, (alerts, expected))| {
        let why_not = why::not(&program, rule, &waves, wave, trial, expected, &alerts);
        Failure { wave, expected: expected.clone(), alerts, why_not }
    });
    Ok(Ran { trial, took: started.elapsed(), failure, reached })
}

/// The rule alone, or with the rules below it if it is over alerts.
fn alone(program: &Program, name: &str) -> Program {
    let level = program.position(name).map_or(0, |at| program.rules[at as usize].level);
    let wanted = |rule: &&Rule| rule.name == name || rule.level < level;
    Program::new(program.rules.iter().filter(wanted).cloned().collect(), program.lists.clone())
}

/// Whether these alerts are what is expected.
fn is_met(rule: &Rule, expected: &Expected, alerts: &[Alert]) -> bool {
    let fits = |alert: &Alert| {
        expected
            .key
            .iter()
            .filter(|(field, _)| rule.key.contains(field))
            .all(|(field, wanted)| alert.key.get(&field.name()).is_some_and(|value| plain(value) == *wanted))
    };
    alerts.len() as u64 == expected.count && alerts.iter().all(fits)
}

/// A value of an alert's key as tests write it.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
