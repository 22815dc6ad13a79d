//! `baseline`: buckets of time that stand out from earlier ones. In: the setting as written. Out: the shape.

use super::ast::Tuning;
use super::code::Code;
use super::condition::Check;
use super::form::{Shape, window};
use super::plan::{Aggregate, Deviation, FieldRef, Form, Predicate, Step};
use super::setting::{Baseline, Settings};
use super::words::form as words;
use super::{having, literal, tuning};
use crate::rule::ast::Aggregate as Written;

/// The shape of `by … every … baseline …`.
pub(super) fn shape(
    check: &mut Check<'_>,
    baseline: Baseline<'_>,
    settings: &Settings<'_>,
    key: Option<Vec<FieldRef>>,
    predicate: Option<Predicate>,
) -> Option<Shape> {
    let errors = check.found.len();
    alone(check, settings);
    let every = every(check, baseline, settings);
    let mut payload = Vec::new();
    let aggregate = having::aggregate(check, &baseline.written.aggregate, &mut payload);
    let aggregate = aggregate.filter(|a| comparable(check, &baseline.written.aggregate, *a));
    let tunings = tuning::gather(check, &baseline.written.tunings, "baseline", words::BASELINE)?;
    let over = tuning::required(check, tunings.over, "baseline", baseline.span);
    let above = above(check, tunings.above, baseline);
    let least = tunings.min.map(|min| least(check, min));
    let learn = tunings.learn.map_or(over, |learn| tuning::duration(check, learn));
    if let (Some(every), Some(over), Some(written)) = (every, over, tunings.over)
        && over < every.saturating_mul(2)
    {
        let message = "a baseline needs at least two earlier buckets to compare with";
        check.report(
            check
                .error(Code::BadBaseline, written.span, message)
                .label("`over` is at least twice `every`")
                .help("what is usual shows best in many buckets: every 1h … over 14d"),
        );
    }
    let (key, predicate, every, aggregate) = (key?, predicate?, every?, aggregate?);
    let (over, learn, above) = (over?, learn?, above?);
    let least = least.map_or(Some(None), |least| least.map(Some))?;
    if check.found.len() > errors {
        return None;
    }
    let form = Form::Baseline { every, over, learn, aggregate, above, least };
    Some(Shape { steps: vec![Step { name: None, predicate, key: key.clone() }], key, payload, form })
}

fn alone(check: &mut Check<'_>, settings: &Settings<'_>) {
    let others = [
        settings.within.map(|s| (s.span, "within", "the length of a bucket is written `every 1h`")),
        settings
            .having
            .map(|s| (s.span, "having", "the least value that matters is written behind the baseline: min 100MB")),
    ];
    for (span, word, help) in others.into_iter().flatten() {
        let message = format!("`{word}` does not go with `baseline`");
        check.report(check.error(Code::Misplaced, span, message).label("not here").help(help));
    }
}

fn every(check: &mut Check<'_>, baseline: Baseline<'_>, settings: &Settings<'_>) -> Option<i64> {
    let Some(every) = settings.every else {
        let shown = &check.text[baseline.span.start..baseline.span.end];
        check.report(
            check
                .error(
                    Code::MissingWithin,
                    baseline.span,
                    "a baseline compares buckets of time, and no length is given",
                )
                .fix(format!("every 1h {shown}"))
                .help("`every 1h` compares each hour, counted from midnight UTC, with the hours before it"),
        );
        return None;
    };
    window(check, every, "bucket")
}

/// Whether buckets can be compared by it while they fill.
fn comparable(check: &mut Check<'_>, written: &Written, aggregate: Aggregate) -> bool {
    let why = match aggregate {
        Aggregate::Count | Aggregate::Distinct { .. } | Aggregate::Sum { unsigned: true, .. } => return true,
        Aggregate::Sum { unsigned: false, .. } => {
            "the field can be negative, so a sum that stands out now may not at the bucket's end"
        }
        Aggregate::Average { .. }
        | Aggregate::Least { .. }
        | Aggregate::Greatest { .. }
        | Aggregate::Percentile { .. } => "it can fall while a bucket fills, and a bucket without events has none",
    };
    let message = format!("a baseline cannot compare `{}`: {why}", written.function.text);
    let error = check.error(Code::BadBaseline, written.span, message);
    check.report(error.label("use count(), distinct(…) or the sum of a field that is never negative"));
    false
}

fn above(check: &mut Check<'_>, above: Option<&Tuning>, baseline: Baseline<'_>) -> Option<Deviation> {
    const HOW: &str = "`above 4 mad` is 4 median absolute deviations above the median, `above 3 sigma` 3 standard \
                       deviations above the mean, `above 10 times` ten times the mean";
    let Some(above) = above else {
        let error = check.error(Code::BadTuning, baseline.span, "the baseline does not say what stands out");
        check.report(error.label("`above` is missing").help(HOW));
        return None;
    };
    let multiple = literal::thousandths(&above.value.text).filter(|m| (1..=1_000_000_000).contains(m));
    let Some(multiple) = multiple else {
        let message = format!("`{}` is not a multiple", above.value.text);
        let error = check.error(Code::BadTuning, above.value.span, message);
        check.report(error.label("a number above 0 and up to 1000000, with at most three decimals"));
        return None;
    };
    let Some(unit) = &above.unit else {
        let message = format!("`above {}` of what?", above.value.text);
        let error = check.error(Code::BadTuning, above.span, message);
        check.report(error.fix(format!("above {} mad", above.value.text)).help(HOW));
        return None;
    };
    Some(match unit.text.as_str() {
        "mad" => Deviation::Mad(multiple),
        "sigma" => Deviation::Sigma(multiple),
        _ => Deviation::Times(multiple),
    })
}

/// The number of `min`.
fn least(check: &mut Check<'_>, min: &Tuning) -> Option<i128> {
    let number = literal::number(&min.value.text).filter(|n| (0..=having::GREATEST).contains(n));
    if number.is_none() {
        let message = format!("`{}` is not a whole number", min.value.text);
        check.report(check.error(Code::BadTuning, min.value.span, message).label("for example 100 or 100MB"));
    }
    number
}
