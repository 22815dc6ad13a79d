//! `new` and `rare`: values of a key that were not, or seldom, seen before. In: the setting as written. Out: the shape.

use super::code::Code;
use super::condition::Check;
use super::form::{Cooldown, Shape, keys};
use super::having::MOST;
use super::plan::{Form, Predicate, Step};
use super::setting::{Fields, Novel, Settings};
use super::words::form as words;
use super::{literal, tuning};

/// The key is all fields but the last, whose values are looked for.
pub(super) fn shape(
    check: &mut Check<'_>,
    novel: Novel<'_>,
    settings: &Settings<'_>,
    cooldown: Option<Cooldown>,
    predicate: Option<Predicate>,
) -> Option<Shape> {
    let errors = check.found.len();
    let keyword = if novel.written.rare { "rare" } else { "new" };
    let allowed: &[&str] = if novel.written.rare { words::RARE } else { words::NEW };
    alone(check, keyword, settings);
    if let Some(cooldown) = cooldown {
        let message =
            format!("a cooldown has nothing to merge: every event that `{keyword}` finds is an alert of its own");
        check.report(
            check
                .error(Code::NothingMerges, cooldown.span, message)
                .label("remove it")
                .help("the same value is found again only when it was forgotten, after `over`"),
        );
    }
    let fields = keys(check, Some(Fields { fields: &novel.written.fields, span: novel.span }));
    let tunings = tuning::gather(check, &novel.written.tunings, keyword, allowed);
    let (mut over, mut learn, mut fewer_than) = (None, Some(0), Some(1));
    if let Some(tunings) = tunings {
        over = tuning::required(check, tunings.over, keyword, novel.span);
        learn = tunings.learn.map_or(Some(0), |learn| tuning::duration(check, learn));
        if novel.written.rare {
            fewer_than = below(check, &tunings, novel);
        }
    }
    let (mut key, predicate) = (fields?, predicate?);
    let (over, learn, fewer_than) = (over?, learn?, fewer_than?);
    if check.found.len() > errors {
        return None;
    }
    let payload = vec![key.pop().expect("the grammar asks for a field")];
    let form = Form::Novel { over, learn, fewer_than, slot: 0 };
    Some(Shape { steps: vec![Step { name: None, predicate, key: key.clone() }], key, payload, form })
}

/// Nothing else may say what is counted, or by what.
fn alone(check: &mut Check<'_>, keyword: &str, settings: &Settings<'_>) {
    let others = [
        settings
            .by
            .map(|s| (s.span, "by", "the key stands in the parentheses, before the value: (user.name, process.name)")),
        settings
            .within
            .map(|s| (s.span, "within", "how far back it looks is written behind the parentheses: over 30d")),
        settings.every.map(|s| (s.span, "every", "how far back it looks is written behind the parentheses: over 30d")),
        settings
            .having
            .map(|s| (s.span, "having", "`rare (…) below 3 over 30d` asks for values that were seen fewer times")),
        settings.baseline.map(|s| (s.span, "baseline", "write two rules")),
    ];
    for (span, word, help) in others.into_iter().flatten() {
        let message = format!("`{word}` does not go with `{keyword}`");
        check.report(check.error(Code::Misplaced, span, message).label("not here").help(help));
    }
}

/// The number of `below`.
fn below(check: &mut Check<'_>, tunings: &tuning::Tunings<'_>, novel: Novel<'_>) -> Option<usize> {
    let Some(below) = tunings.below else {
        check.report(
            check
                .error(Code::BadTuning, novel.span, "`rare` does not say how seldom")
                .label("`below` is missing")
                .help("rare (…) below 3 over 30d finds values seen fewer than three times before"),
        );
        return None;
    };
    let number = literal::number(&below.value.text).filter(|n| (1..=MOST).contains(n));
    if number.is_none() {
        let message = format!("`{}` is not a count from 1 to {MOST}", below.value.text);
        check.report(check.error(Code::BadTuning, below.value.span, message).label("for example 3"));
    }
    number.and_then(|n| usize::try_from(n).ok())
}
