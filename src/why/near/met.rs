//! Which condition a match met, and when. In: a match. Out: a sentence for each step.

use super::gauge::Gauge;
use super::{Match, Row, baseline, members, step_name};
use crate::rule::explain;
use crate::rule::plan::{FieldRef, Form, Having, Rule, Stage};
use crate::why::sentence;
use crate::why::value::{counted, duration, instant, ordinal};

/// What was met when, in the order of the steps.
pub(in crate::why) fn met(rule: &Rule, rows: &[Row], found: &Match) -> Vec<String> {
    let events = found.events(rule, rows);
    let at = |row: usize| {
        let after = rows[row].time - found.start;
        let after = if after > 0 { format!(", {} after the first", duration(after)) } else { String::new() };
        format!("{}{after}", instant(rows[row].time))
    };
    let allowed = |within: i64| format!("({} allowed)", duration(within));
    match &rule.form {
        Form::Single => Vec::new(),
        Form::Threshold { within: 0, count: 1 } => Vec::new(),
        Form::Threshold { within, count } => {
            vec![format!("{} {} at {} {}", ordinal(*count), sentence::noun(rule), at(found.last), allowed(*within))]
        }
        Form::Distinct { within, count, slot } => {
            let field = rule.payload.get(*slot).map(FieldRef::name).unwrap_or_default();
            vec![format!("{} different {field} at {} {}", ordinal(*count), at(found.last), allowed(*within))]
        }
        Form::Aggregate { window, having } => {
            let figures = figures(rule, rows, having, 0, &events);
            let window = sentence::window(*window);
            vec![format!("{figures} at {}, over {} {window}", at(found.last), counted(events.len(), "event"))]
        }
        Form::Sequence { within, stages, until, .. } => {
            let mut out: Vec<String> = Vec::new();
            for (step, stage) in stages.iter().enumerate() {
                out.extend(match stage {
                    Stage::Present(having) => complete(rule, rows, step, having, &events, &at),
                    Stage::Absent if step + 1 == stages.len() => {
                        let pending = if found.pending { ", though the archive ends before" } else { "" };
                        Some(format!("no {} until {}{pending}", step_name(rule, step), instant(found.end)))
                    }
                    Stage::Absent => Some(format!("no {} in between", step_name(rule, step))),
                });
            }
            if let Some(until) = until {
                let name = step_name(rule, *until);
                out.push(format!("no {} in between", name.trim_start_matches("the ")));
            }
            out.push(format!("{} in all {}", duration(found.end - found.start), allowed(*within)));
            out
        }
        Form::All { within, stages } => {
            let mut out: Vec<String> = Vec::new();
            for (step, having) in stages.iter().enumerate() {
                out.extend(complete(rule, rows, step, having, &events, &at));
            }
            out.push(format!("{} in all {}", duration(found.end - found.start), allowed(*within)));
            out
        }
        Form::Novel { over, fewer_than, slot, .. } => {
            let field = rule.payload.get(*slot).map(FieldRef::name).unwrap_or_default();
            let value = rows[found.last].values.get(*slot).unwrap_or_default();
            let earlier = rows[..found.last].iter().filter(|r| r.time >= rows[found.last].time.saturating_sub(*over));
            let times = earlier.filter(|r| r.values.same_at(&rows[found.last].values, *slot)).count();
            let seen = if times == 0 { "not seen".to_owned() } else { format!("seen {times} of {fewer_than} times") };
            vec![format!("{field} = {value} was {seen} in the {} before {}", explain::duration(*over), at(found.last))]
        }
        Form::Baseline { .. } => baseline::met(rule, rows, found.last).into_iter().collect(),
    }
}

/// When a step was complete.
fn complete(
    rule: &Rule,
    rows: &[Row],
    step: usize,
    having: &Having,
    events: &[(usize, usize)],
    at: &dyn Fn(usize) -> String,
) -> Option<String> {
    let own: Vec<(usize, usize)> = events.iter().copied().filter(|(s, _)| *s == step).collect();
    // One event may prove two steps of a set; it is listed with one of them.
    let bit = 1u32.checked_shl(step as u32).unwrap_or(0);
    let own = match own.is_empty() {
        true => events.iter().copied().filter(|(_, row)| rows[*row].steps & bit != 0).collect(),
        false => own,
    };
    let last = own.last()?.1;
    let name = step_name(rule, step);
    Some(match having.only_count() {
        Some(0 | 1) => format!("{name} at {}", at(last)),
        Some(count) => format!("{name} was met by its {} event at {}", ordinal(count), at(last)),
        None => format!("{name} was met at {}: {}", at(last), figures(rule, rows, having, step, &own)),
    })
}

/// `sum(source.bytes) = 120 MB → >= 100 MB ✓`
fn figures(rule: &Rule, rows: &[Row], having: &Having, step: usize, events: &[(usize, usize)]) -> String {
    let members = members(rows, step);
    let mut gauge = Gauge::new(having, rows, &members);
    events.iter().filter_map(|(_, row)| members.binary_search(row).ok()).for_each(|m| gauge.add(m));
    super::count::several(&gauge.readings(), &rule.payload)
}
