//! The matches of one rule and key: the first and the last event of each.

use weir::rule::plan::{Aggregate, Bound, Compare, Form, Having, Rule, Window};

use super::figure::{holds, only_grows};
use super::{Place, Row, history, sequence};

/// All matches among a key's rows, which come in order.
pub(super) fn matches(rule: &Rule, rows: &[&Row], watermark: i64) -> Vec<(Place, Place)> {
    (0..rows.len())
        .filter_map(|end| Some((rows[start(rule, rows, end, watermark)?].place(), rows[end].place())))
        .collect()
}

/// Where the match that the event at `end` completes starts, if it completes one.
fn start(rule: &Rule, rows: &[&Row], end: usize, watermark: i64) -> Option<usize> {
    let since = |from: i64| (0..=end).filter(move |start| rows[*start].time >= from);
    let here = rows[end].time;
    match &rule.form {
        Form::Single => Some(end),
        Form::Threshold { within, count } => {
            since(here - within).rev().find(|start| holds(&Having::count(*count), &rows[*start..=end]))
        }
        Form::Distinct { within, count, slot } => {
            let aggregate = Aggregate::Distinct { slot: *slot };
            let enough = Having::Bound(Bound { aggregate, compare: Compare::AtLeast, value: *count as i128 });
            since(here - within).rev().find(|start| holds(&enough, &rows[*start..=end]))
        }
        Form::Aggregate { window, having } => {
            let from = match window {
                Window::Sliding(length) => here - length,
                Window::Tumbling(length) => here.div_euclid(*length) * length,
            };
            if only_grows(having) {
                since(from).rev().find(|start| holds(having, &rows[*start..=end]))
            } else {
                since(from).next().filter(|start| holds(having, &rows[*start..=end]))
            }
        }
        Form::Sequence { .. } => sequence::start(rule, rows, end, watermark),
        Form::All { within, stages } => since(here - within).rev().find(|start| {
            stages.iter().enumerate().all(|(step, having)| {
                let of_step: Vec<&Row> = rows[*start..=end].iter().copied().filter(|r| r.is(step)).collect();
                holds(having, &of_step)
            })
        }),
        Form::Novel { over, learn, fewer_than, slot } => {
            let seen =
                since(here - over).filter(|i| *i < end && rows[*i].values.get(*slot) == rows[end].values.get(*slot));
            (seen.count() < *fewer_than && history::is_known(rows, end, *over, *learn)).then_some(end)
        }
        Form::Baseline { every, over, learn, aggregate, above, least } => {
            let bucket = history::Bucket { every: *every, over: *over, aggregate: *aggregate };
            (history::is_known(rows, end, *over, *learn) && bucket.stands_out(rows, end, *above, *least)).then_some(end)
        }
    }
}
