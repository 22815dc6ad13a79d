//! Forms of one step: every event, thresholds, distinct values, any other `having`.

use std::borrow::Cow;
use std::rc::Rc;

use super::gauge::{Best, Reading, sign, sweep};
use super::{Kind, Link, Match, Miss, Row, members, shown, span};
use crate::rule::explain;
use crate::rule::plan::{Aggregate, Bound, Compare, FieldRef, Form, Having, Rule, Window};
use crate::why::sentence::{self, figure};
use crate::why::value::{counted, duration, grouped, instant, ordinal};

/// Every event is a match.
pub(super) fn each(rows: &[Row]) -> Vec<Match> {
    runs(rows, &members(rows, 0), Some)
}

/// A match for each member with a start.
fn runs(rows: &[Row], members: &Rc<[usize]>, start: impl Fn(usize) -> Option<usize>) -> Vec<Match> {
    let one = |at: usize| {
        let link = Link { step: 0, members: members.clone(), from: start(at)?, to: at, before: None };
        Some(Match::at(rows, members[at], Rc::new(link)))
    };
    (0..members.len()).filter_map(one).collect()
}

/// The form as a condition on the events of a window; `None` for the other forms.
fn condition(form: &Form) -> Option<(Cow<'_, Having>, Window)> {
    let bound =
        |aggregate, count: usize| Having::Bound(Bound { aggregate, compare: Compare::AtLeast, value: count as i128 });
    match form {
        Form::Threshold { within, count } => {
            Some((Cow::Owned(bound(Aggregate::Count, *count)), Window::Sliding(*within)))
        }
        Form::Distinct { within, count, slot } => {
            Some((Cow::Owned(bound(Aggregate::Distinct { slot: *slot }, *count)), Window::Sliding(*within)))
        }
        Form::Aggregate { window, having } => Some((Cow::Borrowed(having), *window)),
        Form::Single | Form::Sequence { .. } | Form::All { .. } | Form::Novel { .. } | Form::Baseline { .. } => None,
    }
}

pub(super) fn matches(rule: &Rule, rows: &[Row]) -> Vec<Match> {
    let Some((having, window)) = condition(&rule.form) else { return Vec::new() };
    let members = members(rows, 0);
    let found = sweep(&having, Some(window), rows, &members);
    runs(rows, &members, |at| found.starts[at])
}

pub(super) fn misses(rule: &Rule, rows: &[Row]) -> Vec<Miss> {
    let Some((having, window)) = condition(&rule.form) else { return Vec::new() };
    let members = members(rows, 0);
    let Some(best) = sweep(&having, Some(window), rows, &members).best else { return Vec::new() };
    if best.shortfall == 0.0 {
        return Vec::new();
    }
    let late = match window {
        Window::Sliding(within) => too_late(rule, &having, within, rows, &members, &best),
        Window::Tumbling(length) => across(&having, length, rows, &members),
    };
    match late {
        // It says how far the best run came too.
        Some((miss, true)) => vec![miss],
        Some((miss, false)) => vec![reached(rule, &having, window, rows, &members, &best), miss],
        None => vec![reached(rule, &having, window, rows, &members, &best)],
    }
}

/// How far the nearest run came.
fn reached(rule: &Rule, having: &Having, window: Window, rows: &[Row], members: &[usize], best: &Best) -> Miss {
    let run = &members[best.first..=best.last];
    let (first, last) = (run[0], run[run.len() - 1]);
    let text = match (having, &best.readings[..]) {
        (Having::Bound(bound), [Reading { value: None, .. }]) => {
            let name = sentence::aggregate(bound.aggregate, &rule.payload);
            format!("{name} has no value: no event has a number there")
        }
        (Having::Bound(bound), [reading]) => {
            format!("{}, {}", one(rule, bound, reading, window), span(rows, first, last))
        }
        (Having::Bound(_) | Having::And(_) | Having::Or(_), readings) => {
            let at = instant(rows[last].time);
            format!("in the window ending {at} it came nearest: {}", several(readings, &rule.payload))
        }
    };
    let failing = best.readings.iter().find(|r| !r.holds);
    let miss = Miss::new(Kind::Figure, text).events(shown(0, run));
    match failing {
        Some(Reading { bound, value: Some(value), .. }) => miss.of(*value, bound.value),
        Some(Reading { value: None, .. }) | None => miss,
    }
}

fn one(rule: &Rule, bound: &Bound, reading: &Reading, window: Window) -> String {
    let payload = &rule.payload[..];
    let within = sentence::window(window);
    let wanted = figure(bound.aggregate, payload, bound.value);
    let lower = matches!(bound.compare, Compare::AtLeast | Compare::Greater);
    let name = sentence::aggregate(bound.aggregate, payload);
    match (bound.aggregate, reading.value) {
        (Aggregate::Count, Some(value)) if bound.compare == Compare::AtLeast => {
            format!("{} of {wanted} {}s {within} at most", grouped(value), sentence::noun(rule))
        }
        (Aggregate::Distinct { slot }, Some(value)) if bound.compare == Compare::AtLeast => {
            let field = payload.get(slot).map(FieldRef::name).unwrap_or_default();
            format!("{} of {wanted} different {field} {within} at most", grouped(value))
        }
        (_, Some(value)) if lower => {
            format!("{name} reached {} of {wanted} {within} at most", figure(bound.aggregate, payload, value))
        }
        (_, Some(value)) => {
            let value = figure(bound.aggregate, payload, value);
            format!("{name} came to {value}, not {} {wanted}, {within} at best", sign(bound.compare))
        }
        (_, None) => format!("{name} has no value"),
    }
}

/// Every bound with its figure.
pub(super) fn several(readings: &[Reading], payload: &[FieldRef]) -> String {
    let line = |r: &Reading| {
        let name = sentence::aggregate(r.bound.aggregate, payload);
        let value = r.value.map_or("no value".to_owned(), |v| figure(r.bound.aggregate, payload, v));
        let wanted = figure(r.bound.aggregate, payload, r.bound.value);
        let mark = if r.holds { '✓' } else { '✗' };
        format!("{name} = {value} → {} {wanted} {mark}", sign(r.bound.compare))
    };
    readings.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// The run that would do in a longer window; with it, whether it is also the run that came nearest in this one.
fn too_late(
    rule: &Rule,
    having: &Having,
    within: i64,
    rows: &[Row],
    members: &[usize],
    best: &Best,
) -> Option<(Miss, bool)> {
    if !having.is_monotone() {
        return None;
    }
    let runs = sweep(having, None, rows, members).starts;
    let length = |(at, start): &(usize, usize)| rows[members[*at]].time - rows[members[*start]].time;
    let (at, start) = runs.iter().enumerate().filter_map(|(at, s)| s.map(|s| (at, s))).min_by_key(length)?;
    let took = length(&(at, start));
    let over = took.saturating_sub(within);
    let run = &members[start..=at];
    let wanted = explain::duration(within);
    let allowed = duration(within);
    let events = shown(0, &one_a_value(rule, rows, run));
    let by_count = having.only_count();
    let by_value = match &rule.form {
        Form::Distinct { count, slot, .. } => Some((*count, rule.payload.get(*slot)?.name())),
        Form::Single
        | Form::Threshold { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::All { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => None,
    };
    let place = span(rows, run[0], run[run.len() - 1]);
    let (text, whole) = match (by_count, by_value) {
        (Some(count), _) => {
            let inside = run.iter().filter(|r| rows[**r].time - rows[run[0]].time <= within).count();
            let whole = best.readings.iter().all(|r| r.value.is_none_or(|v| v <= inside as i128));
            let text = match whole {
                true => format!(
                    "{} of {} within {wanted}; the {} came {} too late ({place})",
                    grouped(inside as i128),
                    counted(count, "event"),
                    ordinal(count),
                    duration(over),
                ),
                false => format!(
                    "{} took {} of {allowed} ({place}): the {} came {} too late",
                    counted(count, "event"),
                    duration(took),
                    ordinal(count),
                    duration(over)
                ),
            };
            (text, whole)
        }
        (None, Some((count, field))) => {
            let text = format!(
                "{count} different {field} took {} of {allowed} ({place}): the {} came {} too late",
                duration(took),
                ordinal(count),
                duration(over)
            );
            (text, false)
        }
        (None, None) => {
            let text = format!("all of it took {} of {allowed} ({place}): {} too long", duration(took), duration(over));
            (text, false)
        }
    };
    Some((Miss::new(Kind::Window, text).of(took, within).events(events), whole))
}

/// Of a rule that counts values one event a value, the latest; else all.
fn one_a_value(rule: &Rule, rows: &[Row], run: &[usize]) -> Vec<usize> {
    let mut out = run.to_vec();
    if let Some((Aggregate::Distinct { slot }, _)) = condition(&rule.form).and_then(|(having, _)| single(&having)) {
        let mut seen = rustc_hash::FxHashSet::default();
        out.reverse();
        out.retain(|row| seen.insert(rows[*row].values.get(slot)));
        out.reverse();
    }
    out
}

/// The one comparison that a condition is made of.
fn single(having: &Having) -> Option<(Aggregate, Bound)> {
    match having {
        Having::Bound(bound) => Some((bound.aggregate, *bound)),
        Having::And(_) | Having::Or(_) => None,
    }
}

/// A run that is short enough, but lies in two buckets.
fn across(having: &Having, length: i64, rows: &[Row], members: &[usize]) -> Option<(Miss, bool)> {
    if !having.is_monotone() {
        return None;
    }
    let found = sweep(having, Some(Window::Sliding(length)), rows, members);
    let (at, start) = found.starts.iter().enumerate().find_map(|(at, s)| s.map(|s| (at, s)))?;
    let run = &members[start..=at];
    let border = super::gauge::bucket_start(rows[run[run.len() - 1]].time, length);
    let text = format!(
        "it was met within {}, but on both sides of {}: buckets are aligned to UTC ({})",
        explain::duration(length),
        instant(border),
        span(rows, run[0], run[run.len() - 1])
    );
    Some((Miss::new(Kind::Window, text).events(shown(0, run)), false))
}
