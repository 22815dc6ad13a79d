//! Rules: clauses checked and put together. In: a rule of the tree and the folder's names. Out: a rule
//! of the plan, or `None`; what was found either way.

use std::sync::Arc;

use super::ast::{self, ClauseKind, Word};
use super::code::Code;
use super::condition::Check;
use super::diagnostic::Diagnostic;
use super::form::{self, Cooldown, Shape};
use super::level::{self, Candidate};
use super::nearest::nearest;
use super::plan::{self, Atom, FieldRef, Form, Predicate, Test};
use super::scope::{Input, Scope};
use super::trial::{self, Trial};
use super::{listed, literal, setting, simplify, title};
use crate::alert::Severity;
use crate::event::field;

mod broken;

/// The clauses of a rule, each in its place.
#[derive(Default)]
struct Clauses<'a> {
    title: Option<&'a Word>,
    description: Option<&'a Word>,
    severity: Option<&'a Word>,
    attack: Vec<&'a Word>,
    tags: Vec<&'a Word>,
    runbook: Option<&'a Word>,
    falsepositives: Vec<&'a Word>,
    risk: Option<&'a Word>,
    cooldown: Option<&'a Word>,
    retro: Option<&'a ast::Clause>,
    when: Option<&'a ast::When>,
    excepts: Vec<&'a ast::Except>,
    tests: Vec<&'a ast::Test>,
}

/// The plan of a rule, and its tests.
pub(super) fn rule(
    scope: &Scope,
    input: &Input<'_>,
    rule: &ast::Rule,
    found: &mut Vec<Diagnostic>,
) -> Option<(Candidate, Vec<Trial>)> {
    let mut check = Check::new(scope, &input.file.name, input.text);
    let clauses = gather(&mut check, rule);
    check.follows = clauses.retro.is_some();
    let plan = if rule.broken.is_empty() && !rule.misspelt {
        assemble(&mut check, rule, &clauses)
    } else {
        broken::check(&mut check, rule, &clauses);
        None
    };
    let broken = check.has_errors();
    found.append(&mut check.found);
    plan.filter(|_| !broken).map(|(rule, trials)| (Candidate { rule, alerts: check.alerts }, trials))
}

fn assemble(check: &mut Check<'_>, rule: &ast::Rule, clauses: &Clauses<'_>) -> Option<(plan::Rule, Vec<Trial>)> {
    let severity = severity(check, clauses.severity);
    techniques(check, &clauses.attack);
    let risk = risk(check, clauses.risk);
    let cooldown = cooldown(check, clauses.cooldown);
    let shape = match clauses.when {
        Some(when) => form::shape(check, when, cooldown),
        None => {
            no_when(check, rule);
            None
        }
    };
    let exception = exception(check, &clauses.excepts);
    let retro = retro(check, clauses.retro);
    let name = &rule.name.text;
    let key = shape.as_ref().map(|shape| shape.key.as_slice());
    let trials: Vec<Trial> = clauses.tests.iter().filter_map(|test| trial::check(check, name, test, key)).collect();
    let Some(mut shape) = shape else {
        clauses.title.iter().for_each(|title| title::check(check, title));
        return None;
    };
    over_alerts(check, &shape.form);
    let title = match clauses.title {
        Some(title) => title::template(check, title, &mut shape),
        None => title::from_name(&rule.name.text),
    };
    let Shape { mut steps, key, payload, form } = shape;
    let (exceptions, exception) = exceptions(exception?, clauses, &steps);
    for step in &mut steps {
        let predicate = std::mem::replace(&mut step.predicate, Predicate::Constant(true));
        step.predicate = simplify::and([predicate, simplify::not(exception.clone())]);
    }
    let text = |word: Option<&Word>| word.map(|w| w.text.clone());
    let texts = |words: &[&Word]| words.iter().map(|w| w.text.clone()).collect();
    let rule = plan::Rule {
        name: rule.name.text.clone(),
        title,
        description: text(clauses.description),
        severity,
        attack: texts(&clauses.attack),
        tags: texts(&clauses.tags),
        runbook: text(clauses.runbook),
        falsepositives: texts(&clauses.falsepositives),
        risk,
        steps,
        key,
        payload,
        form,
        cooldown: cooldown.map_or(0, |c| c.micros),
        retro,
        exceptions,
        level: 0,
        file: check.file.clone(),
    };
    Some((rule, trials))
}

fn cooldown(check: &mut Check<'_>, word: Option<&Word>) -> Option<Cooldown> {
    let word = word?;
    let span = word.span;
    let micros = form::window(check, setting::Literal { word, span }, "cooldown");
    Some(Cooldown { micros: micros.unwrap_or(0), span })
}

fn no_when(check: &mut Check<'_>, rule: &ast::Rule) {
    let message = format!("rule `{}` has no `when`", rule.name.text);
    let error = check.error(Code::MissingWhen, rule.name.span, message).label("which events does it look for?");
    check.report(error.help("add, for example: when authentication where event.outcome == \"failure\""));
}

/// Sorts clauses to their places; those that stand once are reported when they come again.
fn gather<'a>(check: &mut Check<'_>, rule: &'a ast::Rule) -> Clauses<'a> {
    let mut out = Clauses::default();
    let mut seen: Vec<&ast::Clause> = Vec::new();
    for clause in &rule.clauses {
        let keyword = clause.kind.keyword();
        let many = matches!(clause.kind, ClauseKind::Except(_) | ClauseKind::Test(_));
        if let Some(first) = seen.iter().find(|c| !many && c.kind.keyword() == keyword) {
            check.report(
                check
                    .error(
                        Code::Repeated,
                        clause.span,
                        format!("`{keyword}` stands twice in rule `{}`", rule.name.text),
                    )
                    .label("remove one")
                    .related(check.file, first.span, "the first"),
            );
            continue;
        }
        seen.push(clause);
        match &clause.kind {
            ClauseKind::Title(word) => out.title = Some(word),
            ClauseKind::Description(word) => out.description = Some(word),
            ClauseKind::Severity(word) => out.severity = Some(word),
            ClauseKind::Attack(words) => out.attack = words.iter().collect(),
            ClauseKind::Tags(words) => out.tags = words.iter().collect(),
            ClauseKind::Runbook(word) => out.runbook = Some(word),
            ClauseKind::FalsePositives(words) => out.falsepositives = words.iter().collect(),
            ClauseKind::Risk(word) => out.risk = Some(word),
            ClauseKind::Cooldown(word) => out.cooldown = Some(word),
            ClauseKind::When(when) => out.when = Some(when),
            ClauseKind::Except(except) => out.excepts.push(except),
            ClauseKind::Test(test) => out.tests.push(test),
            // For people who read the file; nothing runs by them.
            ClauseKind::References(_) | ClauseKind::Author(_) => {}
            ClauseKind::Retro(_) => out.retro = Some(clause),
        }
    }
    out
}

/// How far back a change of a list reaches; 0 without `retro`.
fn retro(check: &mut Check<'_>, clause: Option<&ast::Clause>) -> i64 {
    let Some(clause) = clause else { return 0 };
    let (span, reach) = (clause.span, reach(check, clause));
    if check.alerts.is_some() {
        let error = check.error(Code::BadRetro, span, "`retro` does not reach rules over alerts");
        check.report(
            error
                .label("remove it")
                .help("the rules that raise those alerts can have it: when a list changes theirs, this rule's follow"),
        );
    } else if !check.asked_list && !check.has_errors() {
        let error = check.error(Code::BadRetro, span, "`retro` follows lists, and this rule asks none");
        check.report(
            error
                .label("remove it, or ask a list")
                .help("past events are looked at again when a list changes: network where destination.ip in intel"),
        );
    }
    reach.unwrap_or(0)
}

/// What a `retro` says; `None` when that is no time.
fn reach(check: &mut Check<'_>, clause: &ast::Clause) -> Option<i64> {
    match &clause.kind {
        ClauseKind::Retro(word) => form::window(check, setting::Literal { word, span: clause.span }, "reach"),
        _ => None,
    }
}

/// Over alerts, forms that need long quiet histories do not work.
fn over_alerts(check: &mut Check<'_>, form: &Form) {
    let word = match form {
        Form::Novel { .. } => "new",
        Form::Baseline { .. } => "baseline",
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::All { .. } => return,
    };
    if let Some(span) = check.alerts {
        let message = format!("`{word}` does not work over alerts");
        let error = check.error(Code::AlertForm, span, message).label("over alerts");
        check.report(error.help("over alerts, count them, or put them in order: having, sequence, all"));
    }
}

/// Medium when a rule does not say.
fn severity(check: &mut Check<'_>, word: Option<&Word>) -> Severity {
    let Some(word) = word else { return Severity::Medium };
    let other_names = [("info", "informational"), ("warning", "medium"), ("error", "high"), ("crit", "critical")];
    word.text.parse().unwrap_or_else(|message: String| {
        let near = other_names
            .iter()
            .find(|(other, _)| *other == word.text.to_lowercase())
            .map(|(_, right)| *right)
            .or_else(|| nearest(&word.text, Severity::ALL.iter().map(|s| s.word())));
        let error = check.error(Code::BadSeverity, word.span, message).label("not a severity");
        check.report(match near {
            Some(near) => error.fix(near),
            None => error,
        });
        Severity::Medium
    })
}

fn techniques(check: &mut Check<'_>, words: &[&Word]) {
    for word in words {
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        let rest = word.text.strip_prefix('T').unwrap_or_default();
        let good = match rest.split_once('.') {
            None => digits(rest, 4),
            Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        };
        if !good {
            let message = format!("`{}` is not an ATT&CK technique", word.text);
            let error = check.error(Code::BadTechnique, word.span, message).label("write it like T1110 or T1110.001");
            let upper = word.text.to_uppercase();
            check.report(match upper.strip_prefix('T') {
                Some(_) if upper != word.text => error.fix(upper),
                _ => error,
            });
        }
    }
}

fn risk(check: &mut Check<'_>, word: Option<&Word>) -> Option<i64> {
    let word = word?;
    match literal::number(&word.text) {
        Some(points @ 0..=1000) => Some(points as i64),
        _ => {
            let message = format!("`{}` is not a number of risk points", word.text);
            check.report(check.error(Code::BadRisk, word.span, message).label("a whole number from 0 to 1000"));
            None
        }
    }
}

/// The events that no step of the rule sees, by exception: those of it that has not expired at the event's own time.
fn exception(check: &mut Check<'_>, excepts: &[&ast::Except]) -> Option<Vec<Predicate>> {
    let checked: Vec<Option<Predicate>> = excepts
        .iter()
        .map(|except| {
            let condition = check.condition(&except.condition);
            let alive = match &except.expires {
                None => Some(Predicate::Constant(true)),
                Some(word) => before(check, word),
            };
            Some(simplify::and([condition?, alive?]))
        })
        .collect();
    checked.into_iter().collect()
}

/// The exceptions as the plan shows them, and all of them as one condition.
fn exceptions(each: Vec<Predicate>, clauses: &Clauses<'_>, steps: &[plan::Step]) -> (plan::Exceptions, Predicate) {
    let named = clauses.excepts.iter().zip(each.iter().cloned());
    let all: Vec<_> =
        named.map(|(e, predicate)| plan::Exception { reason: e.reason.text.clone(), predicate }).collect();
    let bare = if all.is_empty() { Vec::new() } else { steps.iter().map(|s| s.predicate.clone()).collect() };
    (plan::Exceptions { all, bare }, simplify::or(each))
}

/// The event is older than this instant.
fn before(check: &mut Check<'_>, word: &Word) -> Option<Predicate> {
    let Some(end) = literal::instant(&word.text) else {
        let message = format!("`{}` is not a date", word.text);
        check.report(check.error(Code::BadTime, word.span, message).label("write it like 2027-01-01"));
        return None;
    };
    let field = FieldRef::Column(field::TIMESTAMP);
    Some(Predicate::Atom(Atom { field, test: Test::Range(i128::MIN, i128::from(end) - 1) }))
}

/// All rules of all files, sorted by name, those that are left out, and the tests of the others as they are written. Of several with one name, which is reported, the first stays.
pub(super) fn program(
    scope: &Scope,
    inputs: &[Input<'_>],
    found: &mut Vec<Diagnostic>,
) -> (plan::Program, Vec<String>, Vec<Trial>) {
    let mut rules: Vec<Candidate> = Vec::new();
    let mut trials: Vec<Trial> = Vec::new();
    let mut rejected = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    for input in inputs {
        for item in &input.file.items {
            let ast::Item::Rule(rule) = item else { continue };
            let first = seen.insert(Arc::<str>::from(rule.name.text.as_str()));
            match self::rule(scope, input, rule, found) {
                Some((candidate, mut tests)) if first => {
                    rules.push(candidate);
                    trials.append(&mut tests);
                }
                Some(_) | None => rejected.push(rule.name.text.clone()),
            }
        }
    }
    rules.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
    let whole = !found.iter().any(Diagnostic::is_error);
    rejected.extend(level::assign(&mut rules, whole, found));
    let mut rules: Vec<plan::Rule> = rules.into_iter().map(|c| c.rule).collect();
    let lists = listed::lists(scope, &mut rules);
    trials.retain(|t| rules.binary_search_by(|r| r.name.cmp(&t.rule)).is_ok());
    (plan::Program::new(rules, lists), rejected, trials)
}
