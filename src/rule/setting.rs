//! The settings after a pattern (`by`, `on`, `within`, `having` …), each at most once and only where it
//! belongs. In: the settings as written. Out: one place for each, or the mistakes.

use super::ast::{self, Bounds, Setting, SettingKind, Span, Word};
use super::code::Code;
use super::condition::Check;

/// The settings of a pattern.
#[derive(Default)]
pub(super) struct Settings<'a> {
    pub(super) by: Option<Fields<'a>>,
    pub(super) on: Option<Fields<'a>>,
    pub(super) within: Option<Literal<'a>>,
    pub(super) every: Option<Literal<'a>>,
    pub(super) having: Option<Having<'a>>,
    pub(super) novel: Option<Novel<'a>>,
    pub(super) baseline: Option<Baseline<'a>>,
}

/// `by f, g`
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) fields: &'a [Word],
    pub(super) span: Span,
}

/// `within 5m`, `every 1h`
#[derive(Clone, Copy)]
pub(super) struct Literal<'a> {
    pub(super) word: &'a Word,
    pub(super) span: Span,
}

/// `having …`
#[derive(Clone, Copy)]
pub(super) struct Having<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) span: Span,
}

/// `new (f, g) …`
#[derive(Clone, Copy)]
pub(super) struct Novel<'a> {
    pub(super) written: &'a ast::Novel,
    pub(super) span: Span,
}

/// `baseline …`
#[derive(Clone, Copy)]
pub(super) struct Baseline<'a> {
    pub(super) written: &'a ast::Baseline,
    pub(super) span: Span,
}

impl SettingKind {
    /// The word it starts with.
    pub(super) fn keyword(&self) -> &'static str {
        match self {
            SettingKind::By(_) => "by",
            SettingKind::On(_) => "on",
            SettingKind::Within(_) => "within",
            SettingKind::Every(_) => "every",
            SettingKind::Having(_) => "having",
            SettingKind::Novel(novel) if novel.rare => "rare",
            SettingKind::Novel(_) => "new",
            SettingKind::Baseline(_) => "baseline",
        }
    }
}

/// Sorts settings to their places. `what` names what they belong to, `allowed` the keywords it takes.
pub(super) fn gather<'a>(
    check: &mut Check<'_>,
    written: &'a [Setting],
    what: &str,
    allowed: &[&str],
) -> Option<Settings<'a>> {
    let mut out = Settings::default();
    let mut seen: Vec<&Setting> = Vec::new();
    let mut whole = true;
    for setting in written {
        let keyword = setting.kind.keyword();
        if !allowed.contains(&keyword) {
            misplaced(check, setting, what, allowed);
            whole = false;
            continue;
        }
        if let Some(first) = seen.iter().find(|s| s.kind.keyword() == keyword) {
            check.report(
                check
                    .error(Code::Repeated, setting.span, format!("`{keyword}` stands twice"))
                    .label("remove one")
                    .related(check.file, first.span, "the first"),
            );
            whole = false;
            continue;
        }
        seen.push(setting);
        let span = setting.span;
        match &setting.kind {
            SettingKind::By(fields) => out.by = Some(Fields { fields, span }),
            SettingKind::On(fields) => out.on = Some(Fields { fields, span }),
            SettingKind::Within(word) => out.within = Some(Literal { word, span }),
            SettingKind::Every(word) => out.every = Some(Literal { word, span }),
            SettingKind::Having(bounds) => out.having = Some(Having { bounds, span }),
            SettingKind::Novel(written) => out.novel = Some(Novel { written, span }),
            SettingKind::Baseline(written) => out.baseline = Some(Baseline { written, span }),
        }
    }
    whole.then_some(out)
}

fn misplaced(check: &mut Check<'_>, setting: &Setting, what: &str, allowed: &[&str]) {
    let keyword = setting.kind.keyword();
    let help = match keyword {
        "on" if allowed.contains(&"by") => {
            "`on` belongs to the steps of a sequence; here the key is written `by`".to_owned()
        }
        "by" => {
            "the key of a sequence is written before its brace (sequence by …), that of one step with `on`".to_owned()
        }
        "within" => "the window of all steps is written before the brace: sequence within 5m { … }".to_owned(),
        "having" if allowed.contains(&"within") => "what a step asks for is written behind that step".to_owned(),
        _ if allowed.is_empty() => format!("{what} takes no settings"),
        _ => format!("{what} takes {}", allowed.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    };
    let message = format!("`{keyword}` does not belong to {what}");
    check.report(check.error(Code::Misplaced, setting.span, message).label("not here").help(help));
}
