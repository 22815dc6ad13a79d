//! The tests inside rules, checked: fields are known, values fit, something is expected. In: a test as written. Out: a
//! [`Trial`], or what is wrong with it. Running them is not the compiler's part: see [`crate::trial`].

use std::sync::Arc;

use super::ast::{self, Outcome, Pair, Span, Test, TestLine, Value, ValueKind, Word};
use super::code::Code;
use super::condition::Check;
use super::plan::FieldRef;
use super::scope::{CATEGORIES, is_builtin};
use super::{literal, nearest::nearest, operand};
use crate::event::field::Type;
use crate::event::time;

/// A test of a rule, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The rule's name.
    pub rule: String,
    /// Its own name.
    pub name: String,
    /// The file it stands in.
    pub file: Arc<str>,
    /// The line it starts in, from 1.
    pub line: usize,
    /// What happens, in the order it is written.
    pub samples: Vec<Sample>,
    /// How many alerts there are: one figure for the end; or one before anything late came, and one after each late line.
    pub expected: Vec<Expected>,
}

/// Events of a test: one, or several that differ in their times.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Time of the first one.
    pub at: At,
    /// How many.
    pub times: u32,
    /// How far apart, µs.
    pub every: i64,
    /// They come when those that are not late are there.
    pub late: bool,
    /// The category, `any` or `alert`.
    pub source: String,
    /// Fields and values; several of a list field.
    pub values: Vec<(FieldRef, Vec<String>)>,
    /// As it is written.
    pub text: String,
}

/// When something happens in a test, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// So long after the test's start.
    Offset(i64),
    /// At a time UTC.
    Time(i64),
}

/// How many alerts a test expects.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// How many the rule raises in all.
    pub count: u64,
    /// What the key of each of them is made of, as far as it is said.
    pub key: Vec<(FieldRef, String)>,
}

/// Reports what is wrong with a test of the rule of this name and key; that is `None` where the rule has mistakes of its own.
pub(super) fn check(check: &mut Check<'_>, rule: &str, test: &Test, key: Option<&[FieldRef]>) -> Option<Trial> {
    let reported = check.found.len();
    let (mut samples, mut expects): (Vec<Sample>, Vec<(Vec<Expected>, Span)>) = (Vec::new(), Vec::new());
    for line in &test.lines {
        match line {
            TestLine::Given(given) => samples.extend(sample(check, given)),
            TestLine::Expect(outcomes, span) => {
                let outcomes: Vec<Option<Expected>> = outcomes.iter().map(|o| expected(check, o, key)).collect();
                expects.push((outcomes.into_iter().flatten().collect(), *span));
            }
        }
    }
    expectation(check, test, &samples, &expects);
    let line = memchr::memchr_iter(b'\n', &check.text.as_bytes()[..test.name.span.start]).count() + 1;
    let (expected, _) = expects.pop()?;
    let (name, file) = (test.name.text.clone(), check.file.clone());
    (check.found.len() == reported).then(|| Trial { rule: rule.to_owned(), name, file, line, samples, expected })
}

fn sample(check: &mut Check<'_>, given: &ast::Given) -> Option<Sample> {
    let at = moment(check, &given.at);
    let every = given.every.as_ref().map_or(Some(0), |every| duration(check, every));
    let times = match &given.repeat {
        Some(repeat) => whole(check, repeat.span, &repeat.text[1..], 1),
        None => Some(1),
    };
    category(check, &given.source);
    let values = pairs(check, &given.pairs, None);
    let written = &check.text[given.span.start..given.span.end];
    Some(Sample {
        at: at?,
        times: u32::try_from(times?).ok()?,
        every: every?,
        late: given.late,
        source: given.source.text.clone(),
        values,
        text: written.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn expected(check: &mut Check<'_>, outcome: &Outcome, key: Option<&[FieldRef]>) -> Option<Expected> {
    let count = whole(check, outcome.count.span, &outcome.count.text, 0);
    let pairs = pairs(check, &outcome.pairs, key);
    let key = pairs.into_iter().filter_map(|(field, values)| Some((field, values.into_iter().next()?))).collect();
    Some(Expected { count: u64::try_from(count?).ok()?, key })
}

/// A test says once what it expects, and of late events either how all ends or what each of their lines makes of it.
fn expectation(check: &mut Check<'_>, test: &Test, samples: &[Sample], expects: &[(Vec<Expected>, Span)]) {
    let late = samples.iter().filter(|s| s.late).count();
    if let [(outcomes, span)] = expects
        && outcomes.len() > 1
        && outcomes.len() != late + 1
    {
        let message = format!("{} outcomes for {late} late lines", outcomes.len());
        let error = check.error(Code::BadExpect, *span, message).label(format!("one, or {} with `then`", late + 1));
        check.report(error.help("the first is what there is before late events came, then one for each late line"));
    }
    if let [(_, first), (_, second), ..] = expects {
        let message = format!("test \"{}\" expects twice", test.name.text);
        let error =
            check.error(Code::BadExpect, *second, message).label("remove one").related(check.file, *first, "the first");
        check.report(error.help("another outcome is another test; what late events change is said with `then`"));
    }
    if expects.is_empty() {
        let message = format!("test \"{}\" expects nothing", test.name.text);
        check.report(
            check
                .error(Code::NothingExpected, test.name.span, message)
                .label("this test")
                .help("end it with `expect 1 { source.ip: 198.51.100.7 }` or `expect 0`"),
        );
    }
}

/// `@30s`, `@2026-01-05T10:00:00Z`
fn moment(check: &mut Check<'_>, word: &Word) -> Option<At> {
    let text = word.text.trim_start_matches('@');
    if let Some(time) = literal::instant(text) {
        return Some(At::Time(time));
    }
    duration(check, &Word { text: text.to_owned(), span: word.span }).map(At::Offset)
}

fn duration(check: &mut Check<'_>, word: &Word) -> Option<i64> {
    let micros = time::duration(&word.text);
    if micros.is_none() {
        let message = format!("`{}` is not a duration", word.text);
        check.report(check.error(Code::BadDuration, word.span, message).label("for example 30s or 5m"));
    }
    micros
}

fn whole(check: &mut Check<'_>, span: Span, text: &str, least: i128) -> Option<i128> {
    let number = literal::number(text).filter(|n| (least..=1_000_000).contains(n));
    if number.is_none() {
        let message = format!("`{text}` is not a whole number from {least} to 1000000");
        check.report(check.error(Code::BadNumber, span, message).label("here"));
    }
    number
}

fn category(check: &mut Check<'_>, word: &Word) {
    if !is_builtin(&word.text) {
        let message = format!("there is no category `{}`", word.text);
        let error = check.error(Code::UnknownSource, word.span, message);
        check.report(match nearest(&word.text, CATEGORIES.iter().copied()) {
            Some(near) => error.fix(near),
            None => error.label("write an ECS category such as `authentication`, or `any`"),
        });
    }
}

/// Fields and values of an event, or with a key those of an expected alert.
fn pairs(check: &mut Check<'_>, pairs: &[Pair], key: Option<&[FieldRef]>) -> Vec<(FieldRef, Vec<String>)> {
    let mut out = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let Some(field) = check.field(&pair.field) else { continue };
        if let Some(key) = key
            && !key.contains(&field)
        {
            let message = format!("`{}` is not in the rule's key", pair.field.text);
            let names: Vec<String> = key.iter().map(|k| format!("`{}`", k.name())).collect();
            let help =
                if names.is_empty() { "it has no key".to_owned() } else { format!("its key is {}", names.join(", ")) };
            check.report(check.error(Code::BadTestValue, pair.field.span, message).label("not a key field").help(help));
        }
        for value in &pair.values {
            fits(check, &pair.field, &field, value);
        }
        let many = field.ty() == Type::TextList;
        if let ([_, second, ..], false) = (pair.values.as_slice(), many) {
            let message = format!("`{}` has one value", pair.field.text);
            check.report(check.error(Code::BadTestValue, second.span, message).label("only list fields have several"));
        }
        let canonical = |value: &Value| canonical(&field, &value.text);
        out.push((field.clone(), pair.values.iter().map(canonical).collect()));
    }
    out
}

/// A value as events have it.
fn canonical(field: &FieldRef, text: &str) -> String {
    let written = match field.ty() {
        Type::Ip => literal::address(text),
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => literal::number(text).map(|number| number.to_string()),
        Type::Timestamp => literal::instant(text).map(time::rfc3339),
        Type::Text | Type::LongText | Type::TextList | Type::Id => None,
    };
    written.unwrap_or_else(|| text.to_owned())
}

/// Reports a value that an event cannot have.
fn fits(check: &mut Check<'_>, name: &Word, field: &FieldRef, value: &Value) {
    let (text, bare) = (value.text.as_str(), value.kind == ValueKind::Bare);
    let fits = value.kind != ValueKind::Path
        && match field.ty() {
            Type::Text | Type::LongText | Type::TextList => !bare,
            Type::Ip => literal::address(text).is_some(),
            ty @ (Type::U16 | Type::U32 | Type::U64 | Type::I64) => {
                let (least, greatest) = operand::bounds(ty);
                bare && literal::number(text).is_some_and(|n| (least..=greatest).contains(&n))
            }
            Type::Timestamp => literal::instant(text).is_some(),
            Type::Id => false,
        };
    if !fits {
        let written = &check.text[value.span.start..value.span.end];
        let message = format!("`{}` is {}, {written} is not", name.text, operand::a(field.ty()));
        let diagnostic = check.error(Code::BadTestValue, value.span, message);
        check.report(match field.ty() {
            Type::Text | Type::LongText | Type::TextList => diagnostic.fix(format!("\"{text}\"")),
            Type::Ip | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp | Type::Id => {
                diagnostic.label(format!("not {}", operand::a(field.ty())))
            }
        });
    }
}
