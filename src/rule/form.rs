//! Forms: what stands after `when`, as steps, a key, a window and counts. In: the tree of a `when`
//! clause. Out: the parts of a plan that depend on the form.

use super::ast::{self, Span, When};
use super::code::Code;
use super::condition::Check;
use super::diagnostic::Diagnostic;
use super::plan::{Aggregate, Bound, Compare, FieldRef, Form, Having, Predicate, Step, Window};
use super::syntax::UNITS;
use super::words::form as words;
use super::{baseline, having, literal, novel, setting, steps};
use crate::event::field::Type;
use crate::event::time::{self, DAY};

/// Windows and cooldowns: state never reaches back further than this, µs.
const LONGEST: i64 = 366 * DAY;

/// What a `when` clause says.
pub(super) struct Shape {
    pub(super) steps: Vec<Step>,
    pub(super) key: Vec<FieldRef>,
    pub(super) payload: Vec<FieldRef>,
    pub(super) form: Form,
}

/// The `cooldown` of a rule.
#[derive(Clone, Copy)]
pub(super) struct Cooldown {
    pub(super) micros: i64,
    pub(super) span: Span,
}

/// The shape of a `when` clause; `None` when something in it is wrong.
pub(super) fn shape(check: &mut Check<'_>, when: &ast::When, cooldown: Option<Cooldown>) -> Option<Shape> {
    match when {
        When::Single { pattern, settings } => single(check, pattern, settings, cooldown),
        When::Sequence(body) => steps::shape(check, body, true),
        When::All(body) => steps::shape(check, body, false),
    }
}

fn single(
    check: &mut Check<'_>,
    pattern: &ast::Pattern,
    settings: &[ast::Setting],
    cooldown: Option<Cooldown>,
) -> Option<Shape> {
    let predicate = check.pattern(pattern);
    let settings = setting::gather(check, settings, "a rule over one kind of event", words::SINGLE)?;
    if let Some(written) = settings.novel {
        let shape = novel::shape(check, written, &settings, cooldown, predicate)?;
        warn_constant(check, &shape.steps[0].predicate, pattern, false);
        return Some(shape);
    }
    let key = keys(check, settings.by);
    if let Some(written) = settings.baseline {
        let shape = baseline::shape(check, written, &settings, key, predicate)?;
        warn_constant(check, &shape.steps[0].predicate, pattern, false);
        return Some(shape);
    }
    let window = window_of(check, &settings);
    let mut payload = Vec::new();
    let having = settings.having.map(|written| having::condition(check, written.bounds, &mut payload));
    let (predicate, key, window) = (predicate?, key?, window?);
    let form = match (window, having) {
        (Some(window), Some(having)) => counted(&payload, having?, window),
        (_, _) if key.is_empty() && cooldown.is_none_or(|c| c.micros == 0) => Form::Single,
        (_, _) => Form::Threshold { within: 0, count: 1 },
    };
    warn_constant(check, &predicate, pattern, form == Form::Single);
    Some(Shape { steps: vec![Step { name: None, predicate, key: key.clone() }], key, payload, form })
}

/// The window of `within` or `every`, which belongs with `having`.
#[expect(clippy::option_option, reason = "the outer one is failure, the inner one an absent window")]
fn window_of(check: &mut Check<'_>, settings: &setting::Settings<'_>) -> Option<Option<Window>> {
    if let (Some(_), Some(every)) = (settings.within, settings.every) {
        check.report(
            check
                .error(Code::Misplaced, every.span, "`within` and `every` are two kinds of window")
                .label("remove one")
                .help("`within 1h` slides with the events, `every 1h` counts each hour by itself"),
        );
        return None;
    }
    let written = settings.within.or(settings.every);
    match (settings.having, written) {
        (Some(having), None) => {
            let shown = &check.text[having.span.start..having.span.end];
            check.report(
                check
                    .error(Code::MissingWithin, having.span, "`having` needs a window to count in")
                    .fix(format!("within 5m {shown}"))
                    .help("a window holds the events from `within` before an event to that event itself"),
            );
            return None;
        }
        (None, Some(written)) => {
            let keyword = if settings.within.is_some() { "within" } else { "every" };
            check.report(
                check
                    .error(Code::NothingToCount, written.span, format!("`{keyword}` has nothing to count"))
                    .label("a window for what?")
                    .help("add `having count() >= 5`; to merge alerts that follow one another, use `cooldown`"),
            );
            return None;
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let sliding = settings.within.map(|w| window(check, w, "window").map(Window::Sliding));
    let tumbling = settings.every.map(|w| window(check, w, "window").map(Window::Tumbling));
    match sliding.or(tumbling) {
        None => Some(None),
        Some(window) => window.map(Some),
    }
}

/// A lower bound on a count over a sliding window has a form of its own.
fn counted(payload: &[FieldRef], having: Having, window: Window) -> Form {
    match (window, having) {
        (Window::Sliding(within), Having::Bound(Bound { aggregate, compare: Compare::AtLeast, value })) => {
            let count = usize::try_from(value).unwrap_or(usize::MAX);
            match aggregate {
                Aggregate::Count => Form::Threshold { within, count },
                // A list counts by its elements, which is more than comparing values.
                Aggregate::Distinct { slot } if payload[slot].ty() != Type::TextList => {
                    Form::Distinct { within, count, slot }
                }
                Aggregate::Distinct { .. }
                | Aggregate::Sum { .. }
                | Aggregate::Average { .. }
                | Aggregate::Least { .. }
                | Aggregate::Greatest { .. }
                | Aggregate::Percentile { .. } => {
                    let having = Having::Bound(Bound { aggregate, compare: Compare::AtLeast, value });
                    Form::Aggregate { window, having }
                }
            }
        }
        (window, having) => Form::Aggregate { window, having },
    }
}

/// The payload position of a field, added if it is new.
pub(super) fn slot(payload: &mut Vec<FieldRef>, field: FieldRef) -> usize {
    payload.iter().position(|f| *f == field).unwrap_or_else(|| {
        payload.push(field);
        payload.len() - 1
    })
}

/// The key fields of `by` or `on`.
pub(super) fn keys(check: &mut Check<'_>, setting: Option<setting::Fields<'_>>) -> Option<Vec<FieldRef>> {
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
    let Some(micros) = time::duration(&word.text) else {
        let message = format!("`{}` is not a duration", word.text);
        let error =
            check.error(Code::BadDuration, word.span, message).help("units are ms, s, m, h, d and w: 30s, 1h30m");
        check.report(match literal::number(&word.text) {
            Some(n) if word.text.bytes().all(|b| b.is_ascii_digit()) => error.fix(format!("{n}m")),
            _ => match spelled_out(&word.text) {
                Some(right) => error.fix(right),
                None => error.label("a whole number and a unit"),
            },
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

/// `5min` as it is written here.
fn spelled_out(text: &str) -> Option<String> {
    let (number, word) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, unit) = UNITS.iter().find(|(long, _)| long.eq_ignore_ascii_case(word))?;
    (!number.is_empty()).then(|| format!("{number}{unit}"))
}

/// A condition that never or always holds is likely not meant.
pub(super) fn warn_constant(check: &mut Check<'_>, predicate: &Predicate, pattern: &ast::Pattern, single: bool) {
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
