//! The tests inside rules, checked: fields are known, values fit, something is expected. Running them
//! is not the compiler's part.

use super::ast::{Outcome, Pair, Span, Test, TestLine, Value, ValueKind, Word};
use super::code::Code;
use super::condition::Check;
use super::plan::FieldRef;
use super::scope::{CATEGORIES, is_builtin};
use super::{literal, nearest::nearest, operand};
use crate::event::field::Type;
use crate::event::time;

/// Reports what is wrong with a test of a rule with this key.
pub(super) fn check(check: &mut Check<'_>, test: &Test, key: &[FieldRef]) {
    let mut expects = false;
    for line in &test.lines {
        match line {
            TestLine::Given(given) => {
                let at = Word { text: given.at.text.trim_start_matches('@').to_owned(), span: given.at.span };
                duration(check, &at);
                given.every.iter().for_each(|every| duration(check, every));
                let repeats = given.repeat.as_ref().map(|r| (r.span, &r.text[1..]));
                repeats.iter().for_each(|(span, count)| whole(check, *span, count, 1));
                category(check, &given.source);
                pairs(check, &given.pairs, None);
            }
            TestLine::Expect(outcomes, _) => {
                expects = true;
                for Outcome { count, pairs: expected } in outcomes {
                    whole(check, count.span, &count.text, 0);
                    pairs(check, expected, Some(key));
                }
            }
        }
    }
    if !expects {
        let message = format!("test \"{}\" expects nothing", test.name.text);
        check.report(
            check
                .error(Code::NothingExpected, test.name.span, message)
                .label("this test")
                .help("end it with `expect 1 { source.ip: 198.51.100.7 }` or `expect 0`"),
        );
    }
}

fn duration(check: &mut Check<'_>, word: &Word) {
    if time::duration(&word.text).is_none() {
        let message = format!("`{}` is not a duration", word.text);
        check.report(check.error(Code::BadDuration, word.span, message).label("for example 30s or 5m"));
    }
}

fn whole(check: &mut Check<'_>, span: Span, text: &str, least: i128) {
    let number = literal::number(text).filter(|n| (least..=1_000_000).contains(n));
    if number.is_none() {
        let message = format!("`{text}` is not a whole number from {least} to 1000000");
        check.report(check.error(Code::BadNumber, span, message).label("here"));
    }
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
fn pairs(check: &mut Check<'_>, pairs: &[Pair], key: Option<&[FieldRef]>) {
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
    }
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
