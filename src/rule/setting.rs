//! The settings after a pattern (`by`, `on`, `within`, `having`), each at most once and only where it
//! belongs. In: the settings as written. Out: one place for each, or the mistakes.

use super::ast::{Bound, Setting, SettingKind, Span, Word};
use super::code::Code;
use super::condition::Check;

/// The settings of a pattern.
#[derive(Default)]
pub(super) struct Settings<'a> {
    pub(super) by: Option<Fields<'a>>,
    pub(super) on: Option<Fields<'a>>,
    pub(super) within: Option<Literal<'a>>,
    pub(super) having: Option<Having<'a>>,
}

/// `by f, g`
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) fields: &'a [Word],
    pub(super) span: Span,
}

/// `within 5m`
#[derive(Clone, Copy)]
pub(super) struct Literal<'a> {
    pub(super) word: &'a Word,
    pub(super) span: Span,
}

/// `having …`
#[derive(Clone, Copy)]
pub(super) struct Having<'a> {
    pub(super) bounds: &'a [Bound],
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
            SettingKind::Having(..) => "having",
            SettingKind::FirstSeen => "new",
            SettingKind::Baseline => "baseline",
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
        if not_yet(check, setting) {
            whole = false;
            continue;
        }
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
            SettingKind::Having(bounds, _) => out.having = Some(Having { bounds, span }),
            SettingKind::Every(_) | SettingKind::FirstSeen | SettingKind::Baseline => {}
        }
    }
    whole.then_some(out)
}

/// Reports what the language has but the engine has not yet.
fn not_yet(check: &mut Check<'_>, setting: &Setting) -> bool {
    let (code, message, help) = match &setting.kind {
        SettingKind::Every(_) => {
            (Code::LaterBaseline, "`every` is not supported yet", "use a sliding window: within 1h")
        }
        SettingKind::FirstSeen => (
            Code::LaterNew,
            "`new` is not supported yet",
            "until then, list the known values and ask for others: not user.name in known_users",
        ),
        SettingKind::Baseline => (
            Code::LaterBaseline,
            "`baseline` is not supported yet",
            "use a fixed bound: within 1h having count() >= 100",
        ),
        SettingKind::By(_) | SettingKind::On(_) | SettingKind::Within(_) | SettingKind::Having(..) => return false,
    };
    check.report(check.error(code, setting.span, message).label("not supported yet").help(help));
    true
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
        "within" => "the window of a sequence is written before its brace: sequence within 5m { … }".to_owned(),
        _ => format!("{what} takes {}", allowed.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    };
    let message = format!("`{keyword}` does not belong to {what}");
    check.report(check.error(Code::Misplaced, setting.span, message).label("not here").help(help));
}
