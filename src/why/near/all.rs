//! Steps in any order. In: the events of a key. Out: matches, and which step is missing or how far they lie apart.

use std::rc::Rc;

use super::gauge::sweep;
use super::{Kind, Link, Match, Miss, Row, members, shown, span, step_name};
use crate::rule::explain;
use crate::rule::plan::{Form, Having, Rule, Window};
use crate::why::sentence;
use crate::why::value::{duration, instant};

pub(super) fn matches(rule: &Rule, rows: &[Row]) -> Vec<Match> {
    let Some((within, stages)) = parts(&rule.form) else { return Vec::new() };
    ends(stages, rows).into_iter().filter(|m| m.end - m.start <= within).collect()
}

fn parts(form: &Form) -> Option<(i64, &[Having])> {
    match form {
        Form::All { within, stages } => Some((*within, stages)),
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => None,
    }
}

/// For each event the latest-starting set that has all stages by then, whatever its length.
pub(super) fn ends(stages: &[Having], rows: &[Row]) -> Vec<Match> {
    let steps: Vec<Rc<[usize]>> = (0..stages.len()).map(|step| members(rows, step)).collect();
    let swept = stages.iter().zip(&steps);
    let swept: Vec<Vec<Option<usize>>> = swept.map(|(having, m)| sweep(having, None, rows, m).starts).collect();
    // Of each stage how many events there were, and its latest run.
    let mut seen = vec![0; stages.len()];
    let mut latest: Vec<Option<(usize, usize)>> = vec![None; stages.len()];
    let mut out = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let mut moved = false;
        for step in 0..stages.len() {
            if steps[step].get(seen[step]) == Some(&at) {
                if let Some(from) = swept[step][seen[step]] {
                    latest[step] = Some((from, seen[step]));
                    moved = true;
                }
                seen[step] += 1;
            }
        }
        if !moved || latest.iter().any(Option::is_none) {
            continue;
        }
        let mut start = row.time;
        let mut proof = None;
        for (step, run) in latest.iter().enumerate() {
            let Some((from, to)) = *run else { continue };
            start = start.min(rows[steps[step][from]].time);
            proof = Some(Rc::new(Link { step, members: steps[step].clone(), from, to, before: proof }));
        }
        out.extend(proof.map(|proof| Match { start, end: row.time, last: at, pending: false, proof }));
    }
    out
}

pub(super) fn misses(rule: &Rule, rows: &[Row]) -> Vec<Miss> {
    let Some((within, stages)) = parts(&rule.form) else { return Vec::new() };
    if let Some(nearest) = ends(stages, rows).into_iter().min_by_key(|m| m.end - m.start) {
        let took = nearest.end - nearest.start;
        if took <= within {
            return Vec::new();
        }
        let events = nearest.events(rule, rows);
        let (first, last) = (events[0], events[events.len() - 1]);
        let text = format!(
            "all steps came, but it took {} of {}: {} at {}, {} at {}, {} too late",
            duration(took),
            duration(within),
            step_name(rule, first.0),
            instant(rows[first.1].time),
            step_name(rule, last.0),
            instant(rows[last.1].time),
            duration(took - within)
        );
        return vec![Miss::new(Kind::Window, text).of(took, within).events(events)];
    }
    stages.iter().enumerate().filter_map(|(step, having)| missing(rule, step, having, within, rows)).collect()
}

/// What a step of several lacks, whatever its window; `None` when it was met.
pub(super) fn missing(rule: &Rule, step: usize, having: &Having, within: i64, rows: &[Row]) -> Option<Miss> {
    let members = members(rows, step);
    let name = step_name(rule, step);
    let Some(best) = sweep(having, Some(Window::Sliding(within)), rows, &members).best else {
        return Some(Miss::new(Kind::Step, format!("{name} is missing: no event satisfied it")));
    };
    if best.shortfall == 0.0 {
        return None;
    }
    let run = &members[best.first..=best.last];
    let place = span(rows, run[0], run[run.len() - 1]);
    let within = explain::duration(within);
    let text = match having.only_count() {
        Some(count) => format!("{name}: {} of {count} events within {within} at most, {place}", run.len()),
        None => {
            let reached = best.readings.iter().filter(|r| !r.holds).map(|r| {
                let figure = |v| sentence::figure(r.bound.aggregate, &rule.payload, v);
                let value = r.value.map_or_else(|| "no value".to_owned(), figure);
                let name = sentence::aggregate(r.bound.aggregate, &rule.payload);
                format!("{name} reached {value} of {}", figure(r.bound.value))
            });
            format!("{name}: {} within {within} at most, {place}", reached.collect::<Vec<_>>().join(", "))
        }
    };
    let miss = Miss::new(Kind::Figure, text).events(shown(step, run));
    let failing = best.readings.iter().find(|r| !r.holds);
    Some(match failing.and_then(|r| r.value.map(|v| (v, r.bound.value))) {
        Some((value, wanted)) => miss.of(value, wanted),
        None => miss,
    })
}
