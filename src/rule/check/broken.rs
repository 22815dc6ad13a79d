//! A rule with syntax errors: what of it can be checked all the same. In: the clauses that could be read. Out: their
//! own mistakes, and none that what is missing would mend.

use super::super::ast::{self, ClauseKind, Span, When};
use super::super::condition::Check;
use super::super::syntax::CLAUSES;
use super::super::{form, residual, title, trial};
use super::{Clauses, cooldown, exception, no_when, reach, risk, severity, techniques};

/// Reports what is wrong with the clauses of a rule that does not parse as a whole.
pub(super) fn check(check: &mut Check<'_>, rule: &ast::Rule, clauses: &Clauses<'_>) {
    severity(check, clauses.severity);
    techniques(check, &clauses.attack);
    risk(check, clauses.risk);
    let cooldown = cooldown(check, clauses.cooldown);
    let mut shape = match clauses.when {
        Some(When::Sequence(body) | When::All(body)) if is_broken(rule, body.span) => {
            steps(check, rule, body);
            None
        }
        Some(when) => form::shape(check, when, cooldown),
        None => {
            if rule.broken.iter().all(|span| is_other(check, *span)) {
                no_when(check, rule);
            }
            None
        }
    };
    exception(check, &clauses.excepts);
    clauses.retro.map(|clause| reach(check, clause));
    let key = shape.as_ref().map(|shape| shape.key.as_slice());
    for clause in &rule.clauses {
        if let (ClauseKind::Test(test), false) = (&clause.kind, is_broken(rule, clause.span)) {
            trial::check(check, &rule.name.text, test, key);
        }
    }
    if let Some(title) = clauses.title {
        match &mut shape {
            Some(shape) => drop(title::template(check, title, shape)),
            None => title::check(check, title),
        }
    }
}

/// The conditions of steps some of which are missing.
fn steps(check: &mut Check<'_>, rule: &ast::Rule, body: &ast::Steps) {
    let text = check.text;
    let missing = rule.broken.iter().filter_map(|span| text[span.start..span.end].split_once(':'));
    let known = body.steps.iter().filter_map(|s| s.label.as_ref()).map(|l| l.text.clone());
    check.labels = known.chain(missing.map(|(label, _)| label.trim().to_owned())).collect();
    for step in &body.steps {
        check.source(&step.pattern.source);
        if let Some(condition) = &step.pattern.condition {
            residual::condition(check, condition, &mut Vec::new());
        }
    }
}

/// Whether something inside could not be read.
fn is_broken(rule: &ast::Rule, span: Span) -> bool {
    rule.broken.iter().any(|b| span.start <= b.start && b.end <= span.end)
}

/// Whether a clause that cannot be read is certainly no `when`.
fn is_other(check: &Check<'_>, span: Span) -> bool {
    let text = &check.text[span.start..span.end];
    let word = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    word != "when" && CLAUSES.contains(&word)
}
