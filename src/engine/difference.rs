//! How the alerts of two runs over the same events differ.
//!
//! In: the alerts of both in their order. Out: what came, went, changed and moved, and how many of each by rule. An id does
//! not depend on a rule's text, so an alert of both has one id, one first event and one rule; both runs are
//! walked side by side. What stays in memory is a few words a difference; the alerts are read again to be shown.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::ops::RangeInclusive;

use rustc_hash::FxHasher;

use super::edit::{Edit, Fate};
use super::findings::{Findings, Sorted};
use crate::alert::Alert;
use crate::event::EventId;
use crate::rule::plan::{Form, Program};

/// The fields of an alert that may differ, as in its JSON.
const FIELDS: [&str; 11] =
    ["severity", "title", "key", "first", "last", "count", "evidence", "attack", "tags", "runbook", "risk"];

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Added,
    /// It has the same id and says something else.
    Changed,
    /// Another one of its rule and key, at the same time, took its place: it begins at another event, or its rule has another name.
    Moved,
    /// It is gone.
    Removed,
}

/// One alert that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// How.
    pub kind: Kind,
    /// Position of its rule in [`Differences::rules`].
    pub rule: usize,
    /// Time of its first event, µs; before, if it was there before.
    pub first: i64,
    /// Its position in the alerts before.
    pub old: Option<usize>,
    /// Its position in the alerts after.
    pub new: Option<usize>,
    /// Bit i stands for the i-th of the fields.
    changed: u16,
}

/// How many alerts of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// New ones.
    pub added: usize,
    /// Those that say something else.
    pub changed: usize,
    /// Those that another one took the place of.
    pub moved: usize,
    /// Those that are gone.
    pub removed: usize,
    /// Those that are as they were.
    pub same: usize,
}

/// The alerts of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct OfRule {
    /// Its name after; of one that is gone, before.
    pub name: String,
    /// What became of it; `None` when it only ran because others see its alerts.
    pub fate: Option<Fate>,
    /// How many differ.
    pub count: Count,
    /// In how many of those that changed or moved a field differs.
    pub fields: BTreeMap<&'static str, usize>,
}

/// All that differs.
#[derive(Debug)]
pub struct Differences {
    /// By time, then rule.
    pub all: Vec<Difference>,
    /// All rules that ran, by name.
    pub rules: Vec<OfRule>,
}

/// An alert without its like.
struct Loose {
    rule: usize,
    key: u64,
    first: i64,
    /// Tells alerts of one instant apart.
    event: Option<EventId>,
    last: i64,
    at: usize,
}

impl Difference {
    /// The fields that differ, of one that changed or moved.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        FIELDS.iter().enumerate().filter(|(i, _)| self.changed >> i & 1 == 1).map(|(_, name)| *name)
    }
}

impl Count {
    /// How many differ.
    pub fn differing(&self) -> usize {
        self.added + self.changed + self.moved + self.removed
    }

    /// Adds those of another rule.
    pub fn add(&mut self, other: &Count) {
        self.added += other.added;
        self.changed += other.changed;
        self.moved += other.moved;
        self.removed += other.removed;
        self.same += other.same;
    }
}

/// Compares alerts that begin in a range (µs), before and after an edit. INVARIANT: JSON is what is wanted of them.
pub fn compare(
    edit: &Edit,
    old: &mut Findings,
    new: &mut Findings,
    asked: &RangeInclusive<i64>,
) -> io::Result<Differences> {
    let (before, after) = (&edit.old.program, &edit.new.program);
    let renamed = edit.fates.iter().filter_map(|(name, fate)| match fate {
        Fate::Renamed(was) => Some((was.as_str(), name.as_str())),
        Fate::Added | Fate::Removed | Fate::Edited | Fate::Reached => None,
    });
    let renamed: BTreeMap<&str, &str> = renamed.collect();
    let mut rules: BTreeMap<&str, OfRule> = BTreeMap::new();
    for rule in before.rules.iter().chain(&after.rules) {
        let name = renamed.get(rule.name.as_str()).copied().unwrap_or(&rule.name);
        rules.entry(name).or_insert_with(|| OfRule {
            name: name.to_owned(),
            fate: edit.fates.get(name).cloned(),
            count: Count::default(),
            fields: BTreeMap::new(),
        });
    }
    let names: Vec<&str> = rules.keys().copied().collect();
    let places = |program: &Program| -> Vec<usize> {
        let place = |rule: &str| names.binary_search(&renamed.get(rule).copied().unwrap_or(rule)).unwrap_or(0);
        program.rules.iter().map(|rule| place(&rule.name)).collect()
    };
    let (old_places, new_places) = (places(before), places(after));
    let mut rules: Vec<OfRule> = rules.into_values().collect();

    let (mut old, mut new) = (old.sorted(), new.sorted());
    let (mut gone, mut came, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    loop {
        // Rules are numbered by name in each program; what both have is ordered alike.
        let left = old.key(i).map(|(first, rule, id)| (first, &before.rules[rule as usize].name, id, rule));
        let right = new.key(j).map(|(first, rule, id)| (first, &after.rules[rule as usize].name, id, rule));
        let of = |(first, name, id, _): (i64, _, _, u32)| (first, name, id);
        match (left, right) {
            (None, None) => break,
            (Some(l), Some(r)) if of(l) == of(r) => {
                let rule = old_places[l.3 as usize];
                if asked.contains(&l.0) {
                    let (one, two) = (old.text(i)?, new.text(j)?);
                    if one == two {
                        rules[rule].count.same += 1;
                    } else {
                        let changed = differing(&parse(one)?, &parse(two)?);
                        let (old, new) = (Some(i), Some(j));
                        all.push(Difference { kind: Kind::Changed, rule, first: l.0, old, new, changed });
                    }
                }
                (i, j) = (i + 1, j + 1);
            }
            (Some(l), r) if r.is_none_or(|r| of(l) < of(r)) => {
                gone.push(loose(&mut old, i, old_places[l.3 as usize])?);
                i += 1;
            }
            (_, Some(r)) => {
                came.push(loose(&mut new, j, new_places[r.3 as usize])?);
                j += 1;
            }
            (Some(_), None) => unreachable!("an alert without another is taken above"),
        }
    }
    let alone = |rule: usize| {
        let is_renamed = matches!(rules[rule].fate, Some(Fate::Renamed(_)));
        let place = |program: &Program| program.position(names[rule]).map(|at| at as usize);
        let single =
            |program: &Program| place(program).is_some_and(|at| matches!(program.rules[at].form, Form::Single));
        // Alerts of single events have nothing to do with one another.
        !is_renamed && (single(before) || single(after))
    };
    let alone: Vec<bool> = (0..rules.len()).map(alone).collect();
    for (was, is) in pairs(gone, came, &alone) {
        let Some(&Loose { first, rule, .. }) = was.as_ref().or(is.as_ref()) else { continue };
        if ![&was, &is].into_iter().flatten().any(|loose| asked.contains(&loose.first)) {
            continue;
        }
        let (kind, changed) = match (&was, &is) {
            (Some(was), Some(is)) => (Kind::Moved, differing(&parse(old.text(was.at)?)?, &parse(new.text(is.at)?)?)),
            (Some(_), None) => (Kind::Removed, 0),
            (None, _) => (Kind::Added, 0),
        };
        all.push(Difference { kind, rule, first, old: was.map(|l| l.at), new: is.map(|l| l.at), changed });
    }
    all.sort_by_key(|d| (d.first, d.rule, d.kind, d.old, d.new));
    for difference in &all {
        let OfRule { count, fields, .. } = &mut rules[difference.rule];
        match difference.kind {
            Kind::Added => count.added += 1,
            Kind::Changed => count.changed += 1,
            Kind::Moved => count.moved += 1,
            Kind::Removed => count.removed += 1,
        }
        difference.fields().for_each(|field| *fields.entry(field).or_default() += 1);
    }
    Ok(Differences { all, rules })
}

fn parse(json: &[u8]) -> io::Result<Alert> {
    Ok(serde_json::from_slice(json)?)
}

fn loose(alerts: &mut Sorted<'_>, at: usize, rule: usize) -> io::Result<Loose> {
    let alert = parse(alerts.text(at)?)?;
    let mut key = FxHasher::default();
    for (_, value) in &alert.key {
        // The fields are the rule's; it may have others now, whose values tell.
        key.write(value.to_string().as_bytes());
        key.write_u8(0);
    }
    let event = alert.evidence.first().copied();
    Ok(Loose { rule, key: key.finish(), first: alert.first, event, last: alert.last, at })
}

/// Joins what went and what came of one rule and key at the same time; rules that are `alone` have no such alerts.
fn pairs(mut gone: Vec<Loose>, mut came: Vec<Loose>, alone: &[bool]) -> Vec<(Option<Loose>, Option<Loose>)> {
    let order = |loose: &Loose| (loose.rule, loose.key, loose.first, loose.event, loose.at);
    gone.sort_by_key(order);
    came.sort_by_key(order);
    let (mut gone, mut came) = (gone.into_iter().peekable(), came.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let (next_gone, next_came) = match (gone.peek(), came.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(was), Some(is)) if (was.rule, was.key) != (is.rule, is.key) => {
                let first = (was.rule, was.key) < (is.rule, is.key);
                (first, !first)
            }
            (Some(was), Some(is)) if alone[was.rule] || was.last < is.first || is.last < was.first => {
                let first = (was.first, was.event) < (is.first, is.event);
                (first, !first)
            }
            (Some(_), Some(_)) => (true, true),
        };
        let (was, is) = (next_gone.then(|| gone.next()).flatten(), next_came.then(|| came.next()).flatten());
        pairs.push((was, is));
    }
}

/// The fields that differ.
fn differing(old: &Alert, new: &Alert) -> u16 {
    let differ = [
        old.severity != new.severity,
        old.title != new.title,
        old.key != new.key,
        old.first != new.first,
        old.last != new.last,
        old.count != new.count,
        old.evidence != new.evidence,
        old.attack != new.attack,
        old.tags != new.tags,
        old.runbook != new.runbook,
        old.risk != new.risk,
    ];
    differ.iter().enumerate().fold(0, |bits, (i, differs)| bits | u16::from(*differs) << i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertId, Severity};
    use crate::engine::findings::Wanted;
    use crate::engine::rules::{Origin, Rules};

    fn rules(names: &str) -> Rules {
        let folder = tempfile::tempdir().unwrap();
        let rule = |name: &str| match name.split_once(':') {
            Some((name, window)) => {
                format!(
                    "rule {name} {{ when any where event.code == \"{name}\" by source.ip within {window} having count() >= 2 }}\n"
                )
            }
            None => format!("rule {name} {{ when any where event.code == \"same\" by source.ip }}\n"),
        };
        std::fs::write(folder.path().join("a.weir"), names.split(' ').map(rule).collect::<String>()).unwrap();
        Origin::Folder(folder.path().to_owned()).load().unwrap()
    }

    /// Alerts as `rule key first last title`, by spaces.
    fn findings(rules: &Rules, alerts: &[&str]) -> Findings {
        let mut findings = Findings::new(&std::env::temp_dir(), Wanted::Json);
        for text in alerts {
            let [rule, key, first, last, title] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
            let (first, last): (i64, i64) = (first.parse().unwrap(), last.parse().unwrap());
            let event = EventId::new(first, first.to_string().as_bytes(), 0);
            let alert = Alert {
                id: AlertId::new(rule, key, event),
                rule: rule.into(),
                severity: Severity::Low,
                title: title.into(),
                key: serde_json::Map::from_iter([("source.ip".to_owned(), key.into())]),
                first,
                last,
                count: 1,
                evidence: vec![event],
                attack: Vec::new(),
                tags: Vec::new(),
                runbook: None,
                risk: None,
            };
            findings.push(rules.program.position(rule).expect("it ran"), &alert).unwrap();
        }
        findings
    }

    fn said(names: [&str; 2], alerts: [&[&str]; 2], asked: RangeInclusive<i64>) -> Vec<String> {
        let edit = Edit::between(rules(names[0]), rules(names[1]));
        let (mut old, mut new) = (findings(&edit.old, alerts[0]), findings(&edit.new, alerts[1]));
        let found = compare(&edit, &mut old, &mut new, &asked).unwrap();
        let rule = |d: &Difference| &found.rules[d.rule].name;
        let text = |d: &Difference| {
            format!("{:?} {} {} {}", d.kind, rule(d), d.first, d.fields().collect::<Vec<_>>().join(","))
        };
        let same: usize = found.rules.iter().map(|rule| rule.count.same).sum();
        found.all.iter().map(|d| text(d).trim_end().to_owned()).chain([format!("{same} same")]).collect()
    }

    #[test]
    fn what_came_went_changed_and_moved() {
        let old = ["a x 10 20 t", "a x 50 60 t", "a y 10 20 t", "a z 10 20 t", "gone x 15 15 t"];
        let new = ["a x 10 20 t", "a x 55 65 t", "a y 10 25 u", "a w 12 12 t", "b x 15 15 t"];
        let names = ["a:1m gone:1m", "a:2m b:1m"];
        let all = ["Removed a 10", "Changed a 10 title,last", "Added a 12", "Added b 15", "Removed gone 15"];
        let mut expected: Vec<String> = all.map(str::to_owned).into();
        expected.extend(["Moved a 50 first,last,evidence".to_owned(), "1 same".to_owned()]);
        let mut found = said(names, [&old, &new], 0..=100);
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
        // One that moved into what is asked for, or out of it, is not new.
        assert_eq!(said(names, [&old, &new], 52..=100), ["Moved a 50 first,last,evidence", "0 same"]);
    }

    #[test]
    fn another_name_moves_all_alerts() {
        let found =
            said(["was", "is"], [&["was x 10 10 t", "was y 10 10 t"], &["is x 10 10 t", "is y 10 10 t"]], 0..=100);
        assert_eq!(found, ["Moved is 10", "Moved is 10", "0 same"]);
    }
}
