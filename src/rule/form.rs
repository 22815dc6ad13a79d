//! Forms: what stands after `when`, as steps, a key, a window and counts. In: the tree of a `when`
//! clause. Out: the parts of a plan that depend on the form.

use super::ast::{self, Role, SettingKind, Span, When, Word};
use super::code::Code;
use super::condition::Check;
use super::diagnostic::Diagnostic;
use super::having::{Counted, counted};
use super::plan::{FieldRef, Form, Predicate, Step};
use super::{literal, setting};
use crate::event::field::Type;
use crate::event::time::DAY;

/// Windows and cooldowns: state never reaches back further than this, µs.
const LONGEST: i64 = 366 * DAY;

/// What a `when` clause says.
pub(super) struct Shape {
    pub(super) steps: Vec<Step>,
    pub(super) key: Vec<FieldRef>,
    pub(super) payload: Vec<FieldRef>,
    pub(super) form: Form,
}

/// The shape of a `when` clause; `None` when something in it is wrong.
pub(super) fn shape(check: &mut Check<'_>, when: &ast::When, cooldown: i64) -> Option<Shape> {
    match when {
        When::Single { pattern, settings } => single(check, pattern, settings, cooldown),
        When::Sequence(steps) => sequence(check, steps),
        When::All(steps) => {
            check.report(
                check
                    .error(Code::LaterAll, steps.keyword, "steps in any order are not supported yet")
                    .label("not supported yet")
                    .help("write one `sequence` rule for each order"),
            );
            None
        }
    }
}

fn single(check: &mut Check<'_>, pattern: &ast::Pattern, settings: &[ast::Setting], cooldown: i64) -> Option<Shape> {
    let predicate = check.pattern(pattern);
    let settings = setting::gather(check, settings, "a rule over one kind of event", &["by", "within", "having"]);
    let settings = settings?;
    let key = keys(check, settings.by);
    let within = settings.within.map(|w| window(check, w, "window"));
    let counted = settings.having.map(|having| counted(check, having));
    if let (Some(having), None) = (settings.having, settings.within) {
        let written = &check.text[having.span.start..having.span.end];
        check.report(
            check
                .error(Code::MissingWithin, having.span, "`having` needs a window to count in")
                .fix(format!("within 5m {written}"))
                .help("a window holds the events from `within` before an event to that event itself"),
        );
        return None;
    }
    if let (None, Some(within)) = (settings.having, settings.within) {
        check.report(
            check
                .error(Code::NothingToCount, within.span, "`within` has nothing to count")
                .label("a window for what?")
                .help("add `having count() >= 5`; to merge alerts that follow one another, use `cooldown`"),
        );
        return None;
    }
    let (predicate, key) = (predicate?, key?);
    let mut payload = Vec::new();
    let form = match (counted, within) {
        (Some(counted), Some(within)) => match (counted?, within?) {
            (Counted::Events(count), within) => Form::Threshold { within, count },
            (Counted::Values(field, count), within) => {
                payload.push(field);
                Form::Distinct { within, count, slot: 0 }
            }
        },
        (_, _) if key.is_empty() && cooldown == 0 => Form::Single,
        (_, _) => Form::Threshold { within: 0, count: 1 },
    };
    warn_constant(check, &predicate, pattern, form == Form::Single);
    Some(Shape { steps: vec![Step { name: None, predicate, key: key.clone() }], key, payload, form })
}

fn sequence(check: &mut Check<'_>, body: &ast::Steps) -> Option<Shape> {
    check.labels = body.steps.iter().filter_map(|s| s.label.as_ref()).map(|l| l.text.clone()).collect();
    labels(check, body);
    let settings = setting::gather(check, &body.settings, "a sequence", &["by", "within"]);
    let by = settings.as_ref().and_then(|s| s.by);
    let within = match settings.as_ref().map(|s| s.within) {
        Some(Some(within)) => window(check, within, "window"),
        Some(None) => {
            let after =
                by.map_or("sequence".to_owned(), |by| format!("sequence {}", &check.text[by.span.start..by.span.end]));
            check.report(
                check
                    .error(Code::MissingWithin, body.keyword, "a sequence needs a window")
                    .label("`within` is missing")
                    .help(format!("write how long it may take: {after} within 5m {{ … }}")),
            );
            None
        }
        None => None,
    };
    let shared = keys(check, by);
    // Every step is checked before any fault ends the rule, so that all faults are reported.
    let checked: Vec<Option<(Step, usize)>> =
        body.steps.iter().map(|step| self::step(check, step, by.is_some(), shared.as_deref())).collect();
    structure(check, body)?;
    key_arity(check, body, by.is_some())?;
    let (within, _, _) = (within?, settings?, shared?);
    let checked: Vec<(Step, usize)> = checked.into_iter().collect::<Option<_>>()?;
    let (mut steps, mut counts, mut last) = (Vec::new(), Vec::new(), None);
    for ((step, count), written) in checked.into_iter().zip(&body.steps) {
        if written.role == Role::Until {
            last = Some(step);
        } else {
            steps.push(step);
            counts.push(count);
        }
    }
    let until = last.is_some().then_some(steps.len());
    steps.extend(last);
    let key = steps.first().map(|s| s.key.clone()).unwrap_or_default();
    key_types(check, body, &steps)?;
    Some(Shape { steps, key, payload: Vec::new(), form: Form::sequence(within, counts, until) })
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
fn structure(check: &mut Check<'_>, body: &ast::Steps) -> Option<()> {
    let errors = check.found.len();
    if let Some(absent) = body.steps.iter().find(|s| s.role == Role::Absent) {
        check.report(
            check
                .error(Code::LaterAbsence, absent.span, "steps that must not happen are not supported yet")
                .label("not supported yet")
                .help("between two steps, use `until`: it breaks the chain when the event happens"),
        );
        return None;
    }
    let mut untils = body.steps.iter().filter(|s| s.role == Role::Until);
    if let (Some(first), Some(second)) = (untils.next(), untils.next()) {
        check.report(
            check
                .error(Code::Repeated, second.span, "a sequence has one `until`")
                .label("a second one")
                .help("join them with `or`, or name both in a `let`")
                .related(check.file, first.span, "the first"),
        );
    }
    let present = body.steps.iter().filter(|s| s.role == Role::Present).count();
    if present < 2 {
        check.report(
            check
                .error(Code::TooFewSteps, body.keyword, "a sequence has at least two steps")
                .label(format!("this one has {present}"))
                .help("for one kind of event, write: when login by user.name within 5m having count() >= 3"),
        );
    }
    (check.found.len() == errors).then_some(())
}

fn step(
    check: &mut Check<'_>,
    step: &ast::Step,
    shared_key: bool,
    shared: Option<&[FieldRef]>,
) -> Option<(Step, usize)> {
    let predicate = check.pattern(&step.pattern);
    let (what, allowed): (_, &[&str]) = match step.role {
        Role::Until => ("`until`", &["on"]),
        Role::Present | Role::Absent => ("a step", &["on", "having"]),
    };
    let settings = setting::gather(check, &step.settings, what, allowed)?;
    let count = match settings.having {
        None => Some(1),
        Some(having) => match counted(check, having)? {
            Counted::Events(count) => Some(count),
            Counted::Values(..) => {
                check.report(
                    check
                        .error(Code::LaterStepHaving, having.span, "a step can only count its events yet")
                        .label("use `count()`"),
                );
                None
            }
        },
    };
    let own = keys(check, settings.on);
    if let (true, Some(on)) = (shared_key, settings.on) {
        check.report(
            check
                .error(Code::KeyMixed, on.span, "the sequence has `by`, so its steps have no `on`")
                .label("remove this, or `by`"),
        );
        return None;
    }
    let key = if shared_key { shared?.to_vec() } else { own? };
    let predicate = predicate?;
    warn_constant(check, &predicate, &step.pattern, false);
    Some((Step { name: step.label.as_ref().map(|l| l.text.clone()), predicate, key }, count?))
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
            | SettingKind::Having(..)
            | SettingKind::FirstSeen
            | SettingKind::Baseline => None,
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
fn key_types(check: &mut Check<'_>, body: &ast::Steps, steps: &[Step]) -> Option<()> {
    for step in steps.iter().skip(1) {
        for (a, b) in steps[0].key.iter().zip(&step.key) {
            if a.ty().is_number() != b.ty().is_number() {
                let message =
                    format!("`{}` and `{}` can never be equal: one is a number, one is not", a.name(), b.name());
                check.report(check.error(Code::BadKey, body.keyword, message).label("in the keys of this sequence"));
                return None;
            }
        }
    }
    Some(())
}

/// The key fields of `by` or `on`.
fn keys(check: &mut Check<'_>, setting: Option<setting::Fields<'_>>) -> Option<Vec<FieldRef>> {
    let Some(setting) = setting else { return Some(Vec::new()) };
    let mut keys: Vec<FieldRef> = Vec::new();
    let mut whole = true;
    for word in setting.fields {
        let Some(field) = check.field(word) else {
            whole = false;
            continue;
        };
        let refusal = match field.ty() {
            Type::TextList => Some("it is a list, and a list has no single value"),
            Type::Id => Some("it is different for every event"),
            Type::Timestamp => Some("it is different for nearly every event"),
            Type::Text | Type::LongText | Type::Ip | Type::U16 | Type::U32 | Type::U64 | Type::I64 => None,
        };
        if let Some(why) = refusal {
            let message = format!("`{}` cannot be a key: {why}", word.text);
            check.report(check.error(Code::BadKey, word.span, message).label("choose another field"));
            whole = false;
        } else if keys.contains(&field) {
            let message = format!("`{}` is in the key twice", word.text);
            check.report(check.error(Code::BadKey, word.span, message).label("remove it"));
            whole = false;
        }
        keys.push(field);
    }
    whole.then_some(keys)
}

/// A duration between 0, exclusive, and [`LONGEST`].
pub(super) fn window(check: &mut Check<'_>, setting: setting::Literal<'_>, what: &str) -> Option<i64> {
    let word = setting.word;
    let Some(micros) = literal::duration(&word.text) else {
        let message = format!("`{}` is not a duration", word.text);
        let error =
            check.error(Code::BadDuration, word.span, message).help("units are ms, s, m, h, d and w: 30s, 1h30m");
        check.report(match literal::number(&word.text) {
            Some(n) if word.text.bytes().all(|b| b.is_ascii_digit()) => error.fix(format!("{n}m")),
            _ => error.label("a whole number and a unit"),
        });
        return None;
    };
    if !(1..=LONGEST).contains(&micros) {
        let message = format!("a {what} is longer than 0 and at most 366d");
        check.report(check.error(Code::BadWindow, word.span, message).label("out of bounds"));
        return None;
    }
    Some(micros)
}

/// A condition that never or always holds is likely not meant.
fn warn_constant(check: &mut Check<'_>, predicate: &Predicate, pattern: &ast::Pattern, single: bool) {
    let span: Span = pattern.source.span;
    let warning: Option<Diagnostic> = match predicate {
        Predicate::Constant(false) => {
            Some(check.error(Code::NeverTrue, span, "this can never match an event").label("the condition is false"))
        }
        Predicate::Constant(true) if single => {
            Some(check.error(Code::AlwaysTrue, span, "this raises an alert for every event").label("add a condition"))
        }
        Predicate::Constant(true) | Predicate::Atom(_) | Predicate::And(_) | Predicate::Or(_) | Predicate::Not(_) => {
            None
        }
    };
    check.found.extend(warning.map(Diagnostic::warning));
}
