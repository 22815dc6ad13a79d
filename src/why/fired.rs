//! The episodes that there are. In: the matches of a key, a range of time, the alert log. Out: what fired, with its alerts.

use std::path::Path;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::near::{Match, Row};
use super::report::moment;
use super::{WhyError, key};
use crate::alert::{Alert, AlertChange, AlertId, Change};
use crate::archive;
use crate::rule::plan::{Form, Rule};

/// An episode that there is.
#[derive(Clone, Debug, Serialize)]
pub struct Fired {
    /// Its start, µs UTC (RFC 3339 in JSON).
    #[serde(serialize_with = "moment")]
    pub first: i64,
    /// Its end, likewise.
    #[serde(serialize_with = "moment")]
    pub last: i64,
    /// How many matches it is made of.
    pub matches: usize,
    /// The alert, when it is in the alert log.
    pub alert: Option<Alert>,
}

/// Matches that follow one another.
struct Run<'m> {
    first: &'m Match,
    /// Time of the last event of its matches, which the next one must reach: the end of an absence is no event.
    reach: i64,
    end: i64,
    count: usize,
}

fn runs<'m>(rule: &Rule, rows: &[Row], matches: &'m [Match]) -> Vec<Run<'m>> {
    let mut runs: Vec<Run<'m>> = Vec::new();
    for found in matches {
        let reach = rows[found.last].time;
        match runs.last_mut() {
            Some(run) if rule.form != Form::Single && found.start <= run.reach.saturating_add(rule.cooldown) => {
                (run.reach, run.end) = (run.reach.max(reach), run.end.max(found.end));
                run.count += 1;
            }
            Some(_) | None => runs.push(Run { first: found, reach, end: found.end, count: 1 }),
        }
    }
    runs
}

/// The episodes that end in the range, and an absence that is not decided by the archive and was never raised.
pub(super) fn episodes<'m>(
    data: &Path,
    rule: &Rule,
    rows: &[Row],
    values: &[String],
    matches: &'m [Match],
    (from, to): (i64, i64),
) -> Result<(Vec<Fired>, Option<&'m Match>), WhyError> {
    let mut runs = runs(rule, rows, matches);
    runs.retain(|run| run.end >= from && run.first.start <= to);
    let (mut fired, mut undecided): (Vec<Fired>, _) = (Vec::new(), None);
    if runs.is_empty() {
        return Ok((fired, undecided));
    }
    let said = archive::alert_changes(data, &rule.name)?;
    let latest: FxHashMap<AlertId, &AlertChange> = said.iter().map(|c| (c.alert.id, c)).collect();
    let stands = |c: &&&AlertChange| matches!(c.change, Change::Added | Change::Changed);
    let of_key = |alert: &&Alert| {
        let same = |(field, value): (String, &String)| alert.key.get(&field).is_some_and(|v| v == value);
        let fields = rule.key.iter().map(|f| f.name());
        alert.rule == rule.name && alert.key.len() == values.len() && fields.zip(values).all(same)
    };
    let ours: Vec<&Alert> = latest.values().filter(stands).map(|c| &c.alert).filter(of_key).collect();
    let tuple = key::tuple(values);
    for Run { first: found, reach, end, count } in runs {
        let Some((_, row)) = found.events(rule, rows).first().copied() else { continue };
        let id = AlertId::new(&rule.name, &tuple.0, rows[row].id);
        let same = latest.get(&id).filter(stands).map(|c| &c.alert);
        // Of an episode that began before what was looked at, the first event is another one.
        let around = || ours.iter().copied().find(|a| a.first <= reach && a.last >= found.start);
        let alert = same.or_else(|| around().filter(|_| rule.form != Form::Single));
        if found.pending && alert.is_none() {
            undecided = Some(found);
            continue;
        }
        let (first, last) = alert.map_or((found.start, end), |a| (a.first.min(found.start), a.last.max(end)));
        match fired.last_mut() {
            Some(before) if alert.is_some() && before.alert.as_ref().map(|a| a.id) == alert.map(|a| a.id) => {
                before.last = before.last.max(last);
                before.matches += count;
            }
            Some(_) | None => fired.push(Fired { first, last, matches: count, alert: alert.cloned() }),
        }
    }
    Ok((fired, undecided))
}
