//! The naive evaluator: what a rule means, written so that it is obviously right and never fast.
//!
//! For every event it looks at all chains that end there, takes the latest start, and grows episodes
//! from the matches in order. It shares no code with the engine but the types of the plan.

use std::collections::{BTreeMap, BTreeSet};

use weir::correlate::episode::Place;
use weir::event::EventId;
use weir::matching::MatchRow;
use weir::rule::plan::{Form, Program, Rule, Stage, Tuple};

/// An episode: rule, key, first, last, count.
pub(crate) type Episode = (u32, String, Place, Place, u64);

/// An event of a rule and key.
struct Row {
    time: i64,
    id: EventId,
    steps: u32,
    values: Tuple,
}

/// All episodes of a set of rows, whatever their order.
pub(crate) fn episodes(program: &Program, rows: &[MatchRow]) -> BTreeSet<Episode> {
    let mut groups: BTreeMap<(u32, String), Vec<Row>> = BTreeMap::new();
    for row in rows {
        for (member, steps) in program.groups()[row.group as usize].hits(row.hits) {
            let event = Row { time: row.time, id: row.id, steps, values: row.values.clone() };
            groups.entry((member.rule, row.key.0.to_string())).or_default().push(event);
        }
    }
    let mut out = BTreeSet::new();
    for ((number, key), mut rows) in groups {
        rows.sort_by_key(|r| (r.time, r.id));
        let rule = &program.rules[number as usize];
        if rule.form == Form::Single {
            out.extend(rows.iter().map(|r| (number, key.clone(), place(r), place(r), 1)));
            continue;
        }
        let matches = rows.iter().enumerate().filter_map(|(i, r)| Some((start(rule, &rows, i)?, place(r))));
        let mut open: Option<(Place, Place)> = None;
        for (first, last) in matches {
            match &mut open {
                Some((_, end)) if first.time <= end.time + rule.cooldown => *end = last,
                _ => {
                    if let Some((first, last)) = open.replace((first, last)) {
                        out.insert((number, key.clone(), first, last, count(rule, &rows, first, last)));
                    }
                }
            }
        }
        if let Some((first, last)) = open {
            out.insert((number, key.clone(), first, last, count(rule, &rows, first, last)));
        }
    }
    out
}

fn place(row: &Row) -> Place {
    Place { time: row.time, id: row.id }
}

fn breaks(rule: &Rule, row: &Row) -> bool {
    matches!(rule.form, Form::Sequence { until: Some(u), .. } if row.steps & (1 << u) != 0)
}

fn count(rule: &Rule, rows: &[Row], first: Place, last: Place) -> u64 {
    rows.iter().filter(|r| !breaks(rule, r) && place(r) >= first && place(r) <= last).count() as u64
}

/// The latest start of a match that ends at event `end`, if there is one within the window.
fn start(rule: &Rule, rows: &[Row], end: usize) -> Option<Place> {
    let start = match &rule.form {
        Form::Single => Some(end),
        Form::Threshold { count, .. } => (end + 1).checked_sub(*count),
        Form::Distinct { count, slot, .. } => (0..=end).rev().find(|from| {
            rows[*from..=end].iter().map(|r| r.values.get(*slot)).collect::<BTreeSet<_>>().len() >= *count
        }),
        Form::Sequence { stages, .. } => {
            let count = |stage: &Stage| match stage {
                Stage::Present(having) => having.only_count().unwrap(),
                Stage::Absent => unimplemented!(),
            };
            let stages: Vec<usize> =
                stages.iter().enumerate().flat_map(|(step, s)| std::iter::repeat_n(step, count(s))).collect();
            chain(rule, rows, end, &stages)
        }
        Form::Aggregate { .. } | Form::All { .. } | Form::Novel { .. } | Form::Baseline { .. } => unimplemented!(),
    }?;
    (rows[end].time - rows[start].time <= rule.form.within()).then(|| place(&rows[start]))
}

/// The latest first event of a chain through all stages whose last event is `end`.
fn chain(rule: &Rule, rows: &[Row], end: usize, stages: &[usize]) -> Option<usize> {
    let (last, before) = stages.split_last()?;
    if rows[end].steps & (1 << last) == 0 || breaks(rule, &rows[end]) {
        return None;
    }
    if before.is_empty() {
        return Some(end);
    }
    (0..end).rev().take_while(|i| !breaks(rule, &rows[*i])).filter_map(|i| chain(rule, rows, i, before)).max()
}
