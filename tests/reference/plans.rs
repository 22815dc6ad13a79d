//! Rules and programs without rule files: a form is all that matters here.

use weir::alert::Severity;
use weir::rule::plan::{FieldRef, Form, Predicate, Program, Rule, Step, Template};

/// The payload of every rule here: a word, a number that is never negative, and any number.
pub(crate) const PAYLOAD: [&str; 3] = ["word", "amount", "figure"];

/// How many steps a rule of this form has.
pub(crate) fn steps(form: &Form) -> usize {
    match form {
        Form::Sequence { stages, until, .. } => stages.len() + usize::from(until.is_some()),
        Form::All { stages, .. } => stages.len(),
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => 1,
    }
}

/// A rule of this form.
pub(crate) fn rule(name: &str, form: Form, cooldown: i64) -> Rule {
    let field = |name: &str| FieldRef::Extra(name.into());
    let key = if form == Form::Single { vec![] } else { vec![field("key")] };
    let step = || Step { name: None, predicate: Predicate::Constant(true), key: key.clone() };
    Rule {
        name: name.into(),
        title: Template::default(),
        description: None,
        severity: Severity::Low,
        attack: vec![],
        tags: vec![],
        runbook: None,
        falsepositives: Vec::new(),
        risk: None,
        steps: (0..steps(&form)).map(|_| step()).collect(),
        key: key.clone(),
        payload: PAYLOAD.map(field).to_vec(),
        form,
        cooldown,
        exceptions: Default::default(),
        retro: 0,
        level: 0,
        file: "test".into(),
    }
}

/// A program of these forms, each with its cooldown.
pub(crate) fn program(forms: impl IntoIterator<Item = (Form, i64)>) -> Program {
    let named = forms.into_iter().enumerate().map(|(i, (form, cooldown))| rule(&format!("rule{i:02}"), form, cooldown));
    Program::new(named.collect(), vec![])
}
