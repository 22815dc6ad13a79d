//! Rules that another one makes superfluous: whenever they raise an alert, it does too, with at least their severity.

use std::mem::{Discriminant, discriminant};

use rustc_hash::{FxHashMap, FxHashSet};

use super::Subject;
use super::logic::implies;
use super::within::Patterns;
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::plan::{FieldRef, Form, Predicate, Rule, Stage};

/// The effort that is spent on a folder, in pairs of rules that are looked at; with thousands of rules, that is not all.
const MOST: usize = 2_000_000;

/// How many such looks it takes to compare the conditions of two rules.
const CONDITIONS: usize = 40;

/// What two rules have in common before their conditions are compared.
type Frame<'a> = (Discriminant<Form>, Vec<&'a [FieldRef]>, u32);

/// A rule, and of each step the fields that an event must have, and those it is asked for.
struct Sketch<'a> {
    subject: &'a Subject<'a>,
    needs: Vec<FxHashSet<&'a FieldRef>>,
    asks: Vec<FxHashSet<&'a FieldRef>>,
}

pub(super) fn check(subjects: &[Subject<'_>], patterns: &mut Patterns, found: &mut Vec<Diagnostic>) {
    let mut frames: FxHashMap<Frame<'_>, Vec<Sketch<'_>>> = FxHashMap::default();
    for subject in subjects {
        let rule = subject.plan;
        let keys = rule.steps.iter().map(|s| s.key.as_slice()).collect();
        let frame = (discriminant(&rule.form), keys, rule.level);
        frames.entry(frame).or_default().push(sketch(subject));
    }
    let mut left = MOST;
    for alike in frames.values() {
        for (i, narrow) in alike.iter().enumerate() {
            let wider = alike.iter().enumerate().find(|(j, wide)| {
                left = left.saturating_sub(1);
                if i == *j || left == 0 || !may_cover(wide, narrow) {
                    return false;
                }
                left = left.saturating_sub(CONDITIONS);
                covers(wide.subject.plan, narrow.subject.plan, patterns)
                    // Of two that cover one another, the first stays.
                    && (stands_before(wide.subject, narrow.subject) || !also(narrow, wide, patterns))
            });
            found.extend(wider.map(|(_, wide)| tell(wide.subject, narrow, wide, patterns)));
        }
    }
}

fn sketch<'a>(subject: &'a Subject<'a>) -> Sketch<'a> {
    let of = |read: fn(&'a Predicate, &mut FxHashSet<&'a FieldRef>)| {
        let one = |step: &'a crate::rule::plan::Step| {
            let mut out = FxHashSet::default();
            read(&step.predicate, &mut out);
            out
        };
        subject.plan.steps.iter().map(one).collect()
    };
    Sketch { subject, needs: of(needed), asks: of(asked) }
}

/// The fields of tests that must hold.
fn needed<'a>(predicate: &'a Predicate, out: &mut FxHashSet<&'a FieldRef>) {
    match predicate {
        Predicate::Atom(atom) => {
            out.insert(&atom.field);
        }
        Predicate::And(parts) => parts.iter().for_each(|p| needed(p, out)),
        Predicate::Or(_) | Predicate::Not(_) | Predicate::Constant(_) => {}
    }
}

/// All fields.
fn asked<'a>(predicate: &'a Predicate, out: &mut FxHashSet<&'a FieldRef>) {
    match predicate {
        Predicate::Atom(atom) => {
            out.insert(&atom.field);
        }
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|p| asked(p, out)),
        Predicate::Not(part) => asked(part, out),
        Predicate::Constant(_) => {}
    }
}

/// What can be seen without comparing conditions: a field that `wide` needs and `narrow` never asks for may be missing.
fn may_cover(wide: &Sketch<'_>, narrow: &Sketch<'_>) -> bool {
    let (a, b) = (wide.subject.plan, narrow.subject.plan);
    let urgent = a.severity >= b.severity && a.risk.unwrap_or(0) >= b.risk.unwrap_or(0) && a.retro == b.retro;
    urgent && wide.needs.iter().zip(&narrow.asks).all(|(needs, asks)| needs.is_subset(asks))
}

fn also(wide: &Sketch<'_>, narrow: &Sketch<'_>, patterns: &mut Patterns) -> bool {
    may_cover(wide, narrow) && covers(wide.subject.plan, narrow.subject.plan, patterns)
}

fn stands_before(a: &Subject<'_>, b: &Subject<'_>) -> bool {
    (a.file, a.tree.span.start) < (b.file, b.tree.span.start)
}

/// Whether every match of `narrow` has one of `wide` in it.
fn covers(wide: &Rule, narrow: &Rule, patterns: &mut Patterns) -> bool {
    let values = wide.payload == narrow.payload;
    // Steps of which more events make more matches may take in more; of others, exactly the same.
    let (fits, more): (bool, fn(&Form, usize) -> bool) = match (&wide.form, &narrow.form) {
        (Form::Single, Form::Single) => (true, |_, _| true),
        (Form::Threshold { within, count }, Form::Threshold { within: shorter, count: greater }) => {
            (within >= shorter && count <= greater, |_, _| true)
        }
        (Form::Distinct { within, count, slot }, Form::Distinct { within: shorter, count: greater, slot: other }) => {
            let same = wide.payload[*slot] == narrow.payload[*other];
            (same && within >= shorter && count <= greater, |_, _| true)
        }
        (Form::Aggregate { having, .. }, Form::Aggregate { .. }) => {
            let grows: fn(&Form, usize) -> bool = if having.is_monotone() { |_, _| true } else { |_, _| false };
            (values && wide.form == narrow.form, grows)
        }
        (
            Form::Sequence { within, stages, until, residuals },
            Form::Sequence { within: shorter, stages: others, until: other, residuals: compared },
        ) => {
            let steps = stages == others && until == other && residuals == compared;
            let whole = values || residuals.is_empty();
            let waits = stages.last() == Some(&Stage::Absent);
            (steps && whole && (within == shorter || !waits && within > shorter), Form::must_happen)
        }
        (Form::All { within, stages }, Form::All { within: shorter, stages: others }) => {
            (values && within >= shorter && stages == others, |_, _| true)
        }
        (Form::Novel { .. }, Form::Novel { .. }) | (Form::Baseline { .. }, Form::Baseline { .. }) => {
            (values && wide.form == narrow.form, |_, _| false)
        }
        (_, _) => (false, |_, _| false),
    };
    fits && wide.steps.iter().zip(&narrow.steps).enumerate().all(|(i, (a, b))| {
        implies(&b.predicate, &a.predicate, patterns)
            && (more(&wide.form, i) || implies(&a.predicate, &b.predicate, patterns))
    })
}

fn tell(other: &Subject<'_>, narrow: &Sketch<'_>, wide: &Sketch<'_>, patterns: &mut Patterns) -> Diagnostic {
    let (own, first) = (&narrow.subject.tree.name, &other.tree.name);
    let same = covers(narrow.subject.plan, wide.subject.plan, patterns);
    let (message, help) = if same {
        (
            format!("`{}` finds the same as `{}`", own.text, first.text),
            "remove one of them; what only their titles tell apart is one rule".to_owned(),
        )
    } else {
        (
            format!("whatever `{}` finds, `{}` finds too", own.text, first.text),
            format!("remove it, give it a higher severity, or except its events from `{}`", first.text),
        )
    };
    Diagnostic::error(Code::Shadowed, narrow.subject.file, own.span, message)
        .label("this rule adds nothing")
        .related(other.file, first.span, "this one is enough")
        .help(help)
        .warning()
}
