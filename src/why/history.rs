//! What was said of an alert. In: the alert log, the beginning of an id. Out: its changes, and each in words.

use std::path::Path;

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::report::moment;
use super::value::{counted, instant, instant_beside};
use super::{WhyError, evidence};
use crate::alert::{Alert, AlertChange, AlertId, Cause, Change};
use crate::archive;

/// So many alerts are listed when an id is ambiguous.
const LISTED: usize = 10;

/// A change of the alert.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// When, µs UTC (RFC 3339 in JSON).
    #[serde(serialize_with = "moment")]
    pub at: i64,
    /// What.
    pub text: String,
}

/// Everything that was said of the one alert whose id starts so, and the alert as it was last.
pub(super) fn changes(data: &Path, id: &str) -> Result<(Vec<AlertChange>, Alert), WhyError> {
    let prefix = id.trim().to_lowercase();
    if prefix.is_empty() || prefix.len() > 32 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(WhyError::NotAnId(id.to_owned()));
    }
    let all = archive::alert_changes(data, &prefix)?;
    let starts = |id: &AlertId| id.to_string().starts_with(&prefix);
    let mut seen = FxHashSet::default();
    let latest = all.iter().rev().map(|c| &c.alert).filter(|a| starts(&a.id) && seen.insert(a.id));
    let alerts: Vec<&Alert> = latest.collect();
    let alert = match &alerts[..] {
        [one] => (*one).clone(),
        [] => {
            // A folder that is no archive is the likelier mistake.
            evidence::span(data)?;
            return Err(WhyError::NoAlert { id: prefix, data: data.to_owned() });
        }
        several => {
            let line = |a: &&Alert| format!("  {}  {}  {}", a.id, instant(a.first), super::value::printable(&a.title));
            let mut list: Vec<String> = several.iter().rev().take(LISTED).map(line).collect();
            if several.len() > LISTED {
                list.push("  …".to_owned());
            }
            return Err(WhyError::Ambiguous { id: prefix, count: several.len(), list: list.join("\n") });
        }
    };
    let about = |c: &AlertChange| c.alert.id == alert.id || c.change == Change::Superseded { by: alert.id };
    Ok((all.into_iter().filter(about).collect(), alert))
}

/// Whether it stands, in words.
pub(super) fn standing(alert: &Alert, changes: &[AlertChange]) -> String {
    match changes.iter().rev().find(|c| c.alert.id == alert.id).map(|c| &c.change) {
        Some(Change::Superseded { by }) => format!("superseded by {by}"),
        Some(Change::Withdrawn) => "withdrawn".to_owned(),
        Some(Change::Added | Change::Changed) | None => "stands".to_owned(),
    }
}

/// A change in words; `noun` is what the alert's rule looks at.
pub(super) fn said(alert: &Alert, change: &AlertChange, noun: &str) -> Said {
    let now = &change.alert;
    let until = instant_beside(now.last, now.first);
    let text = match &change.change {
        Change::Superseded { by } if *by == alert.id => format!("took the place of {}", now.id),
        Change::Superseded { by } => format!("superseded: {by} took its place"),
        Change::Added => format!("added: {} until {until}", counted(now.count as usize, noun)),
        Change::Changed => format!("changed: {} until {until}", counted(now.count as usize, noun)),
        Change::Withdrawn => "withdrawn: it is no longer true".to_owned(),
    };
    let why = match change.cause {
        None => "",
        Some(Cause::LateEvent) => ", because an event came after later ones",
        Some(Cause::RuleAdded) => ", because the rule was added and looked at what is archived",
        Some(Cause::RuleChanged) => ", because the rule, or one whose alerts it looks at, was changed",
        Some(Cause::ListChanged) => {
            ", because a list that the rule follows, or one whose alerts it looks at, was changed"
        }
    };
    let text = text + why;
    Said { at: change.at, text }
}
