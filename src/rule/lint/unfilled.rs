//! Fields that nothing fills: `fields.` and the name of a column, whose values go to the column; and fields that no alert
//! has, in rules over alerts.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Lets, Subject, conditions};
use crate::event::field::{self, EXTRA_PREFIX, FieldId, Type};
use crate::rule::ast::{Bounds, Item, Pattern, Setting, SettingKind, When, Word};
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::plan::FieldRef;
use crate::rule::{Compiled, raised};

pub(super) fn check(compiled: &Compiled, subjects: &[Subject<'_>], lets: &Lets<'_>, found: &mut Vec<Diagnostic>) {
    for tree in &compiled.trees {
        let mut tell = |word: &Word| found.extend(column(&tree.name, word));
        for item in &tree.items {
            match item {
                Item::Let(define) => asked(&define.pattern, &mut tell),
                Item::Rule(rule) => {
                    rule.whens().for_each(|when| of_when(when, &mut tell));
                    rule.excepts().for_each(|except| except.condition.fields(&mut |field, _| tell(field)));
                }
                Item::List(_) => {}
            }
        }
    }
    // Where a rule is missing, so may be the one whose alerts have the field.
    if !compiled.has_errors() {
        alerts(compiled, subjects, lets, found);
    }
}

/// A column asked for as if it were none. A value that does not fit its column does go to `fields.`, but any text fits
/// a column of text.
fn column(file: &Arc<str>, word: &Word) -> Option<Diagnostic> {
    let name = word.text.strip_prefix(EXTRA_PREFIX)?;
    let id = field::by_name(name).filter(|id| matches!(id.ty(), Type::Text | Type::LongText | Type::TextList))?;
    if name == "ts" || id == field::EVENT_ORIGINAL {
        return None;
    }
    let message = format!("`{}` is never filled", word.text);
    let warning = Diagnostic::error(Code::Unfilled, file, word.span, message).fix(name);
    Some(warning.help(format!("a value that a log calls `{name}` is found under `{name}`")).warning())
}

/// Reports what rules over alerts ask for and no alert has.
fn alerts(compiled: &Compiled, subjects: &[Subject<'_>], lets: &Lets<'_>, found: &mut Vec<Diagnostic>) {
    let keys: FxHashSet<String> = compiled.program.rules.iter().flat_map(|r| &r.key).map(FieldRef::name).collect();
    for subject in subjects.iter().filter(|s| s.plan.level > 0) {
        let span = subject.tree.span;
        let inside = |d: &&Diagnostic| d.place.file == *subject.file && (span.start..span.end).contains(&d.place.start);
        if compiled.diagnostics.iter().filter(inside).any(|d| d.code == Code::NoAlerts) {
            continue;
        }
        for (pattern, _) in subject.patterns() {
            let (conditions, source) = conditions(pattern, subject.file, lets);
            for (file, condition) in conditions.into_iter().filter(|_| source == "alert") {
                condition.fields(&mut |word, _| {
                    if !(has(&word.text) || keys.contains(&word.text)) {
                        let message = format!("no alert has `{}`", word.text);
                        found.push(
                            Diagnostic::error(Code::Unfilled, file, word.span, message)
                                .label("missing in every alert")
                                .help("an alert has what its rule says of itself, and the fields of the rule's key")
                                .warning(),
                        );
                    }
                });
            }
        }
    }
}

/// Whether every alert can have the field.
fn has(name: &str) -> bool {
    let own = |id: FieldId| raised::OWN.contains(&id);
    field::by_name(name).is_some_and(own) || name.strip_prefix(EXTRA_PREFIX) == Some(raised::ALERT_ID)
}

fn of_when(when: &When, tell: &mut dyn FnMut(&Word)) {
    when.shared().iter().for_each(|setting| of_setting(setting, tell));
    for (pattern, settings) in when.patterns() {
        asked(pattern, tell);
        settings.iter().for_each(|setting| of_setting(setting, tell));
    }
}

fn of_setting(setting: &Setting, tell: &mut dyn FnMut(&Word)) {
    match &setting.kind {
        SettingKind::By(fields) | SettingKind::On(fields) => fields.iter().for_each(tell),
        SettingKind::Novel(novel) => novel.fields.iter().for_each(tell),
        SettingKind::Baseline(baseline) => baseline.aggregate.arguments.iter().for_each(tell),
        SettingKind::Having(bounds) => of_bounds(bounds, tell),
        SettingKind::Within(_) | SettingKind::Every(_) => {}
    }
}

fn of_bounds(bounds: &Bounds, tell: &mut dyn FnMut(&Word)) {
    match bounds {
        Bounds::One(bound) => bound.aggregate.arguments.iter().for_each(tell),
        Bounds::And(parts) | Bounds::Or(parts) => parts.iter().for_each(|part| of_bounds(part, tell)),
    }
}

fn asked(pattern: &Pattern, tell: &mut dyn FnMut(&Word)) {
    pattern.condition.iter().for_each(|condition| condition.fields(&mut |field, _| tell(field)));
}
