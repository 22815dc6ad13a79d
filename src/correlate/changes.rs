//! From differences of episodes to alerts and their changes.

use std::collections::{BTreeMap, HashMap};

use super::episode::Record;
use crate::alert::{Alert, AlertChange, AlertId, Cause, Change};
use crate::event::Type;
use crate::rule::plan::{FieldRef, Form, Piece, Program, Rule, Tuple};

/// The alert of an episode.
pub fn alert(program: &Program, record: &Record) -> Alert {
    let rule = &program.rules[record.rule as usize];
    Alert {
        id: AlertId::new(&rule.name, &record.key.0, record.first.id),
        rule: rule.name.clone(),
        severity: rule.severity,
        title: title(rule, &record.key, &record.values, Some(record.count)),
        key: key(rule, record),
        first: record.first.time,
        last: record.last.time,
        count: record.count,
        evidence: record.evidence.iter().map(|p| p.id).collect(),
        attack: rule.attack.clone(),
        tags: rule.tags.clone(),
        runbook: rule.runbook.clone(),
        risk: rule.risk,
    }
}

fn key(rule: &Rule, record: &Record) -> serde_json::Map<String, serde_json::Value> {
    let mut object = serde_json::Map::new();
    for (position, field) in rule.key.iter().enumerate() {
        if let Some(text) = record.key.get(position) {
            object.insert(field.name(), value(field, text));
        }
    }
    object
}

fn value(field: &FieldRef, text: String) -> serde_json::Value {
    match field.ty() {
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => match text.parse::<serde_json::Number>() {
            Ok(number) => number.into(),
            Err(_) => text.into(),
        },
        Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Timestamp | Type::Id => text.into(),
    }
}

/// A rule's title with the values of an alert; without a count while that is not known.
pub(super) fn title(rule: &Rule, key: &Tuple, values: &[Option<Tuple>], count: Option<u64>) -> String {
    let missing = || "-".to_owned();
    let mut text = String::new();
    for piece in &rule.title.pieces {
        match piece {
            Piece::Text(t) => text.push_str(t),
            Piece::Count => text.push_str(&count.map_or_else(missing, |count| count.to_string())),
            Piece::Key(position) => text.push_str(&key.get(*position).unwrap_or_else(missing)),
            Piece::Value { step, slot } => {
                let last = matches!(rule.form, Form::Sequence { .. });
                let at = step.unwrap_or(rule.steps.len() + usize::from(last));
                let values = values.get(at).and_then(Option::as_ref);
                text.push_str(&values.and_then(|v| v.get(*slot)).unwrap_or_else(missing));
            }
        }
    }
    text
}

/// The alert changes that one epoch's consolidated record changes make, ordered by alert. `at` is the time of writing, µs UTC.
///
/// A record that went while one of the same rule and key came over an overlapping span was superseded by it; its
/// start moved, or it was merged into another. One that went without such a heir is withdrawn. Of a rule that looks at events
/// and at no list that changes, both come from a late event.
pub fn changes(program: &Program, records: &[(Record, isize)], at: i64) -> Vec<AlertChange> {
    let mut came: BTreeMap<AlertId, (Alert, &Record)> = BTreeMap::new();
    let mut went: BTreeMap<AlertId, (Alert, &Record)> = BTreeMap::new();
    for (record, diff) in records {
        let alert = alert(program, record);
        let side = if *diff > 0 { &mut came } else { &mut went };
        side.insert(alert.id, (alert, record));
    }
    let mut heirs: HashMap<(u32, &Tuple), Vec<(AlertId, &Record)>> = HashMap::new();
    for (id, (_, record)) in &came {
        heirs.entry((record.rule, &record.key)).or_default().push((*id, record));
    }
    let mut out = Vec::new();
    for (id, (alert, record)) in &went {
        if came.contains_key(id) {
            continue;
        }
        let rule = &program.rules[record.rule as usize];
        let cooldown = rule.cooldown;
        let of_key = heirs.get(&(record.rule, &record.key));
        let change = match of_key.and_then(|all| all.iter().find(|(_, came)| touch(came, record, cooldown))) {
            Some((heir, _)) => Change::Superseded { by: *heir },
            None => Change::Withdrawn,
        };
        let cause = (rule.level == 0 && rule.retro == 0).then_some(Cause::LateEvent);
        out.push(AlertChange { change, at, cause, alert: alert.clone() });
    }
    for (id, (alert, _)) in came {
        let change = if went.contains_key(&id) { Change::Changed } else { Change::Added };
        out.push(AlertChange { change, at, cause: None, alert });
    }
    out.sort_by(|a, b| order(&a.alert).cmp(&order(&b.alert)));
    out
}

fn touch(a: &Record, b: &Record, cooldown: i64) -> bool {
    a.first.time <= b.last.time.saturating_add(cooldown) && b.first.time <= a.last.time.saturating_add(cooldown)
}

/// The order alerts are listed in: by their first event, then rule and id.
pub fn order(alert: &Alert) -> (i64, &str, AlertId) {
    (alert.first, &alert.rule, alert.id)
}

/// How the past of a rule is judged that was rebuilt from the archive.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Only episodes that start at or after this (µs) are: earlier ones were rebuilt from a cold start, and what was said of
    /// them stands.
    pub exact_from: i64,
    /// What is said to be the cause.
    pub cause: Option<Cause>,
}

/// What has to be said after state was rebuilt from the archive: the difference between what was said before and
/// what is true now. Rules that are not judged are left alone.
pub fn reconcile(
    said: &BTreeMap<AlertId, Alert>,
    rebuilt: &BTreeMap<AlertId, Alert>,
    judged: &dyn Fn(&str) -> Option<Judged>,
    at: i64,
) -> Vec<AlertChange> {
    let judge = |a: &Alert| judged(&a.rule).filter(|j| a.first >= j.exact_from);
    let key = |a: &Alert| serde_json::to_string(&a.key).unwrap_or_default();
    let mut heirs: HashMap<(&str, String), Vec<&Alert>> = HashMap::new();
    for alert in rebuilt.values() {
        heirs.entry((&alert.rule, key(alert))).or_default().push(alert);
    }
    let mut out = Vec::new();
    for alert in said.values().filter(|a| !rebuilt.contains_key(&a.id)) {
        let Some(Judged { cause, .. }) = judge(alert) else { continue };
        let of_key = heirs.get(&(alert.rule.as_str(), key(alert)));
        let heir = of_key.and_then(|all| all.iter().find(|r| r.first <= alert.last && alert.first <= r.last));
        let change = match heir {
            Some(heir) => Change::Superseded { by: heir.id },
            None => Change::Withdrawn,
        };
        out.push(AlertChange { change, at, cause, alert: alert.clone() });
    }
    for alert in rebuilt.values() {
        let Some(Judged { cause, .. }) = judge(alert) else { continue };
        let change = match said.get(&alert.id) {
            Some(before) if before == alert => continue,
            Some(_) => Change::Changed,
            None => Change::Added,
        };
        out.push(AlertChange { change, at, cause, alert: alert.clone() });
    }
    out.sort_by(|a, b| order(&a.alert).cmp(&order(&b.alert)));
    out
}
