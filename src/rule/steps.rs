//! Steps: the bodies of `sequence` and `all`. In: the steps as written. Out: the steps of the plan with what each
//! asks for.

use super::ast::{self, Role, SettingKind, Word};
use super::code::Code;
use super::condition::Check;
use super::form::{Shape, keys, warn_constant, window};
use super::plan::{FieldRef, Form, Having, Predicate, Stage, Step};
use super::residual::{self, Joined};
use super::words::form as words;
use super::{having, setting, simplify};

/// A step whose own condition, key and `having` are checked.
pub(super) struct Draft<'a> {
    pub(super) written: &'a ast::Step,
    pub(super) having: Having,
    step: Step,
    /// Comparisons with other steps.
    joined: Vec<Joined<'a>>,
    alerts: bool,
}

/// The shape of `sequence … { }`, where the steps are ordered, or of `all … { }`.
pub(super) fn shape(check: &mut Check<'_>, body: &ast::Steps, ordered: bool) -> Option<Shape> {
    check.labels = body.steps.iter().filter_map(|s| s.label.as_ref()).map(|l| l.text.clone()).collect();
    labels(check, body);
    let word = if ordered { "sequence" } else { "all" };
    let what = if ordered { "a sequence" } else { "`all`" };
    let settings = setting::gather(check, &body.settings, what, words::STEPS);
    let by = settings.as_ref().and_then(|s| s.by);
    let within = match settings.as_ref().map(|s| s.within) {
        Some(Some(within)) => window(check, within, "window"),
        Some(None) => {
            let after = by.map_or(word.to_owned(), |by| format!("{word} {}", &check.text[by.span.start..by.span.end]));
            check.report(
                check
                    .error(Code::MissingWithin, body.keyword, format!("{what} needs a window"))
                    .label("`within` is missing")
                    .help(format!("write how long it may take: {after} within 5m {{ … }}")),
            );
            None
        }
        None => None,
    };
    let shared = keys(check, by);
    let mut payload = Vec::new();
    // Every step is checked before any fault ends the rule, so that all faults are reported.
    let drafts: Vec<Option<Draft<'_>>> =
        body.steps.iter().map(|step| draft(check, step, by.is_some(), shared.as_deref(), &mut payload)).collect();
    structure(check, body, ordered)?;
    key_arity(check, body, by.is_some())?;
    let (within, _, _) = (within?, settings?, shared?);
    let mut drafts: Vec<Draft<'_>> = drafts.into_iter().collect::<Option<_>>()?;
    key_types(check, body, &drafts)?;
    // The `until` goes last.
    drafts.sort_by_key(|d| d.written.role == Role::Until);
    let residuals: Vec<_> = (0..drafts.len())
        .flat_map(|i| drafts[i].joined.iter().map(move |j| (i, *j)).collect::<Vec<_>>())
        .map(|(i, joined)| residual::resolve(check, &drafts, i, joined, ordered, &mut payload))
        .collect();
    let residuals = residuals.into_iter().collect::<Option<Vec<_>>>()?;
    let until = drafts.iter().position(|d| d.written.role == Role::Until);
    let form = if ordered {
        let stage = |d: &Draft<'_>| match d.written.role {
            Role::Present => Some(Stage::Present(d.having.clone())),
            Role::Absent => Some(Stage::Absent),
            Role::Until => None,
        };
        Form::Sequence { within, stages: drafts.iter().filter_map(stage).collect(), until, residuals }
    } else {
        Form::All { within, stages: drafts.iter().map(|d| d.having.clone()).collect() }
    };
    let over_alerts = drafts.iter().any(|d| d.alerts);
    let steps: Vec<Step> = drafts.into_iter().map(|d| events_only(d, over_alerts)).collect();
    let key = steps.first().map(|s| s.key.clone()).unwrap_or_default();
    Some(Shape { steps, key, payload, form })
}

/// Beside steps over alerts, the others still see none.
fn events_only(draft: Draft<'_>, over_alerts: bool) -> Step {
    let Draft { step, alerts, .. } = draft;
    if alerts || !over_alerts {
        return step;
    }
    let predicate = simplify::and([step.predicate, simplify::not(super::condition::is_alert())]);
    Step { predicate, ..step }
}

/// Step names are unique and do not look like something else.
fn labels(check: &mut Check<'_>, body: &ast::Steps) {
    let mut seen: Vec<&Word> = Vec::new();
    for label in body.steps.iter().filter_map(|s| s.label.as_ref()) {
        if let Some(first) = seen.iter().find(|s| s.text == label.text) {
            check.report(
                check
                    .error(Code::Duplicate, label.span, format!("there already is a step `{}`", label.text))
                    .label("named again here")
                    .related(check.file, first.span, "first named here"),
            );
        }
        if matches!(label.text.as_str(), "fields" | "count") {
            let message = format!("a step cannot be named `{}`", label.text);
            check.report(check.error(Code::NameTaken, label.span, message).label("it has a meaning in titles"));
        }
        seen.push(label);
    }
}

/// The number and kinds of steps.
fn structure(check: &mut Check<'_>, body: &ast::Steps, ordered: bool) -> Option<()> {
    let errors = check.found.len();
    let mut untils = body.steps.iter().filter(|s| s.role == Role::Until);
    if let (true, Some(first), Some(second)) = (ordered, untils.next(), untils.next()) {
        check.report(
            check
                .error(Code::Repeated, second.span, "a sequence has one `until`")
                .label("a second one")
                .help("join them with `or`, or name both in a `let`")
                .related(check.file, first.span, "the first"),
        );
    }
    if ordered {
        absences(check, body);
    } else {
        for step in body.steps.iter().filter(|s| s.role != Role::Present) {
            let word = if step.role == Role::Until { "until" } else { "not" };
            check.report(
                check
                    .error(Code::Misplaced, step.span, format!("`{word}` does not belong to `all`"))
                    .label("not here")
                    .help("it needs an order, which a sequence has: sequence within 5m { … }"),
            );
        }
    }
    let steps = body.steps.iter().filter(|s| s.role != Role::Until).count();
    if steps < 2 && check.found.len() == errors {
        let message = if ordered { "a sequence has at least two steps" } else { "`all` has at least two steps" };
        check.report(
            check
                .error(Code::TooFewSteps, body.keyword, message)
                .label(format!("this one has {steps}"))
                .help("for one kind of event, write: when login by user.name within 5m having count() >= 3"),
        );
    }
    (check.found.len() == errors).then_some(())
}

/// A `not` step asks about the time after a step that happened.
fn absences(check: &mut Check<'_>, body: &ast::Steps) {
    let mut before: Option<&ast::Step> = None;
    for step in body.steps.iter().filter(|s| s.role != Role::Until) {
        if step.role == Role::Absent {
            match before {
                None => check.report(
                    check
                        .error(Code::BadAbsence, step.span, "a sequence cannot begin with a `not` step")
                        .label("not since when?")
                        .help("put it behind a step that must happen: nothing of it may come after that one"),
                ),
                Some(before) if before.role == Role::Absent => check.report(
                    check
                        .error(Code::BadAbsence, step.span, "two `not` steps follow one another")
                        .label("a second one")
                        .help("join them with `or`, or name both in a `let`: neither may happen")
                        .related(check.file, before.span, "the first"),
                ),
                Some(_) => {}
            }
        }
        before = Some(step);
    }
}

fn draft<'a>(
    check: &mut Check<'_>,
    step: &'a ast::Step,
    shared_key: bool,
    shared: Option<&[FieldRef]>,
    payload: &mut Vec<FieldRef>,
) -> Option<Draft<'a>> {
    let mut joined = Vec::new();
    let source = check.source(&step.pattern.source);
    let condition = match &step.pattern.condition {
        Some(condition) => residual::condition(check, condition, &mut joined),
        None => Some(Predicate::Constant(true)),
    };
    let (what, allowed): (_, &[&str]) = match step.role {
        Role::Until => ("`until`", words::NO_STEP),
        Role::Absent => ("a `not` step", words::NO_STEP),
        Role::Present => ("a step", words::STEP),
    };
    let settings = setting::gather(check, &step.settings, what, allowed)?;
    let having = match settings.having {
        None => Some(Having::one()),
        Some(written) => {
            let having = having::condition(check, written.bounds, payload)?;
            growing(check, written, &having).then_some(having)
        }
    };
    let own = keys(check, settings.on);
    if let (true, Some(on)) = (shared_key, settings.on) {
        check.report(
            check
                .error(Code::KeyMixed, on.span, "the steps share the key of `by`, so they have no `on`")
                .label("remove this, or `by`"),
        );
        return None;
    }
    let key = if shared_key { shared?.to_vec() } else { own? };
    let source = source?;
    let predicate = simplify::and([source.predicate, condition?]);
    warn_constant(check, &predicate, &step.pattern, false);
    // Where a step has no label, the `let` that it is made of says what it is about.
    let free = |name: &str| check.scope.lets.contains_key(name) && !check.labels.iter().any(|l| l == name);
    let defined = Some(&step.pattern.source).filter(|source| free(&source.text));
    let named = step.label.as_ref().or(defined.filter(|_| step.role != Role::Until));
    let name = named.map(|l| l.text.clone());
    let step_plan = Step { name, predicate, key };
    Some(Draft { written: step, having: having?, step: step_plan, joined, alerts: source.alerts })
}

/// What a step asks for stays true once it is.
fn growing(check: &mut Check<'_>, written: setting::Having<'_>, having: &Having) -> bool {
    if having.is_monotone() {
        return true;
    }
    check.report(
        check
            .error(Code::StepHaving, written.span, "what a step asks for must stay true when more events come")
            .label("more events could make this false again")
            .help(
                "a step is complete with the event that makes it true: use `>=` or `>` with count(), distinct(…) or the \
                 sum of a field that is never negative; a bound on a single value goes into `where`",
            ),
    );
    false
}

/// Either no step has `on`, or all have, with as many fields.
fn key_arity(check: &mut Check<'_>, body: &ast::Steps, shared_key: bool) -> Option<()> {
    if shared_key {
        return Some(());
    }
    let arity = |step: &ast::Step| {
        step.settings.iter().find_map(|s| match &s.kind {
            SettingKind::On(fields) => Some((fields.len(), s.span)),
            SettingKind::By(_)
            | SettingKind::Within(_)
            | SettingKind::Every(_)
            | SettingKind::Having(_)
            | SettingKind::Novel(_)
            | SettingKind::Baseline(_) => None,
        })
    };
    let Some((wanted, first)) = body.steps.iter().find_map(&arity) else { return Some(()) };
    let mut whole = true;
    for step in &body.steps {
        let (have, span) = arity(step).unwrap_or((0, step.span));
        if have != wanted {
            let message = if have == 0 {
                "this step has no `on`, the others have".to_owned()
            } else {
                format!("this `on` has {have} fields, another has {wanted}")
            };
            check.report(
                check
                    .error(Code::KeyMixed, span, message)
                    .label("every step needs as many key fields as the others")
                    .related(check.file, first, "compare"),
            );
            whole = false;
        }
    }
    whole.then_some(())
}

/// Key fields that meet across steps are of one type, since text and numbers are never equal.
fn key_types(check: &mut Check<'_>, body: &ast::Steps, drafts: &[Draft<'_>]) -> Option<()> {
    for draft in drafts.iter().skip(1) {
        for (a, b) in drafts[0].step.key.iter().zip(&draft.step.key) {
            if a.ty().is_number() != b.ty().is_number() {
                let message =
                    format!("`{}` and `{}` can never be equal: one is a number, one is not", a.name(), b.name());
                check.report(check.error(Code::BadKey, body.keyword, message).label("in the keys of these steps"));
                return None;
            }
        }
    }
    Some(())
}
