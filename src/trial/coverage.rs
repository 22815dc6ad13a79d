//! What the tests of rules reach: steps that an event satisfied, exceptions that kept one out, whether the rule fired
//! and whether it once stayed silent.

use serde::Serialize;

use super::Ran;
use super::events::Wave;
use crate::matching::evaluate;
use crate::rule::plan::{Predicate, Program, Rule};

/// What one test reaches of its rule.
#[derive(Debug, Default)]
pub struct Reached {
    steps: Vec<bool>,
    exceptions: Vec<bool>,
    fired: bool,
}

/// What no test of a rule reaches.
#[derive(Debug, Serialize)]
pub struct Coverage {
    /// The rule.
    pub rule: String,
    /// How many tests it has.
    pub tests: usize,
    /// Steps and exceptions that a test reaches.
    pub reached: usize,
    /// Steps and exceptions that there are.
    pub parts: usize,
    /// What is missing, in words.
    pub missing: Vec<String>,
}

/// What the events of a test reach.
pub(super) fn reached(rule: &Rule, waves: &[Wave], fired: bool) -> Reached {
    let any = |predicate: &Predicate| {
        waves
            .iter()
            .flat_map(|wave| [&wave.events, &wave.alerts])
            .any(|b| (0..b.len()).any(|r| evaluate(predicate, b, r)))
    };
    // Alerts of other rules are not at hand here, nor lists that change; a rule that fired saw what it needs.
    let needed = |at: usize| fired && (rule.level > 0 || rule.retro > 0) && rule.form.must_happen(at);
    let exception = |exception: &Predicate| {
        rule.exceptions.bare.iter().any(|bare| any(&Predicate::And(vec![bare.clone(), exception.clone()])))
    };
    Reached {
        steps: rule.steps.iter().enumerate().map(|(at, step)| needed(at) || any(&step.predicate)).collect(),
        exceptions: rule.exceptions.all.iter().map(|e| exception(&e.predicate)).collect(),
        fired,
    }
}

/// What all tests together miss, rule by rule.
pub fn of(program: &Program, ran: &[Ran<'_>]) -> Vec<Coverage> {
    program.rules.iter().map(|rule| of_rule(rule, ran)).collect()
}

fn of_rule(rule: &Rule, ran: &[Ran<'_>]) -> Coverage {
    let own: Vec<&Ran<'_>> = ran.iter().filter(|r| r.trial.rule == rule.name).collect();
    let mut missing = Vec::new();
    let parts = rule.steps.len() + rule.exceptions.all.len();
    let mut reached = 0;
    if own.is_empty() {
        missing.push("it has no test".to_owned());
        return Coverage { rule: rule.name.clone(), tests: 0, reached, parts, missing };
    }
    for (at, step) in rule.steps.iter().enumerate() {
        if own.iter().any(|r| r.reached.steps[at]) {
            reached += 1;
        } else {
            let name = step.name.as_ref().map_or(String::new(), |name| format!(" `{name}`"));
            let step =
                if rule.steps.len() == 1 { "the condition".to_owned() } else { format!("step {}{name}", at + 1) };
            missing.push(format!("no event satisfies {step}"));
        }
    }
    for (at, exception) in rule.exceptions.all.iter().enumerate() {
        if own.iter().any(|r| r.reached.exceptions[at]) {
            reached += 1;
        } else {
            missing.push(format!("no event meets the exception \"{}\"", exception.reason));
        }
    }
    if !own.iter().any(|r| r.reached.fired) {
        missing.push("no test makes it fire".to_owned());
    }
    if !own.iter().any(|r| r.trial.expected.iter().any(|e| e.count == 0)) {
        missing.push("no test shows when it stays silent".to_owned());
    }
    Coverage { rule: rule.name.clone(), tests: own.len(), reached, parts, missing }
}
