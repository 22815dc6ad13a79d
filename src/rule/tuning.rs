//! The parameters after `new`, `rare` and `baseline`: `over 30d learn 14d`. In: the parameters as written. Out: one
//! place for each, or the mistakes.

use super::ast::{Span, Tuning};
use super::code::Code;
use super::condition::Check;
use super::form::window;
use super::setting::Literal;

/// The parameters, each at most once.
#[derive(Default)]
pub(super) struct Tunings<'a> {
    pub(super) over: Option<&'a Tuning>,
    pub(super) learn: Option<&'a Tuning>,
    pub(super) above: Option<&'a Tuning>,
    pub(super) below: Option<&'a Tuning>,
    pub(super) min: Option<&'a Tuning>,
}

/// Sorts parameters to their places; `keyword` takes those of `allowed`.
pub(super) fn gather<'a>(
    check: &mut Check<'_>,
    written: &'a [Tuning],
    keyword: &str,
    allowed: &[&str],
) -> Option<Tunings<'a>> {
    let mut out = Tunings::default();
    let errors = check.found.len();
    for tuning in written {
        let name = tuning.name.text.as_str();
        if !allowed.contains(&name) {
            let message = format!("`{keyword}` has no `{name}`");
            let takes = allowed.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ");
            let help = if keyword == "new" && name == "below" {
                "a value seen a few times is asked with: rare (…) below 3 over 30d".to_owned()
            } else {
                format!("`{keyword}` takes {takes}")
            };
            check.report(check.error(Code::BadTuning, tuning.span, message).label("not here").help(help));
            continue;
        }
        if let (Some(unit), false) = (&tuning.unit, name == "above") {
            let message = format!("`{}` belongs to `above`", unit.text);
            check.report(check.error(Code::BadTuning, unit.span, message).label("not here"));
            continue;
        }
        let place = match name {
            "over" => &mut out.over,
            "learn" => &mut out.learn,
            "above" => &mut out.above,
            "below" => &mut out.below,
            _ => &mut out.min,
        };
        if let Some(first) = place {
            let error = check.error(Code::Repeated, tuning.span, format!("`{name}` stands twice"));
            check.report(error.label("remove one").related(check.file, first.span, "the first"));
        }
        *place = Some(tuning);
    }
    (check.found.len() == errors).then_some(out)
}

/// The duration of a parameter that must be there.
pub(super) fn required(check: &mut Check<'_>, tuning: Option<&Tuning>, keyword: &str, span: Span) -> Option<i64> {
    let Some(tuning) = tuning else {
        check.report(
            check
                .error(Code::MissingWithin, span, format!("`{keyword}` does not say how far back it looks"))
                .label("`over` is missing")
                .help("add, for example: over 30d"),
        );
        return None;
    };
    duration(check, tuning)
}

/// The duration of a parameter.
pub(super) fn duration(check: &mut Check<'_>, tuning: &Tuning) -> Option<i64> {
    window(check, Literal { word: &tuning.value, span: tuning.span }, "duration")
}
