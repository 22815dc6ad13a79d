//! What a replay finds against what was raised live: alerts that came, went missing, or differ, and how many by rule.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use anyhow::bail;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::Range;
use super::alerts;
use crate::alert::{Alert, AlertId};
use crate::archive;
use crate::engine::counted;
use crate::engine::findings::Findings;
use crate::event::printable::printable;
use crate::rule::plan::Program;

/// What must be read so that alerts which begin in a range are what they would be: what leads to them, and what follows.
pub(in crate::cli) fn widened(asked: &Range, program: &Program) -> Range {
    let reach = program.horizon();
    let start = if *asked.start() == i64::MIN { i64::MIN } else { asked.start().saturating_sub(reach) };
    let end = if *asked.end() == i64::MAX { i64::MAX } else { asked.end().saturating_add(reach).saturating_add(reach) };
    start..=end
}

/// The alerts that stand in a data folder's log.
pub(super) struct Standing {
    alerts: BTreeMap<AlertId, Alert>,
    asked: Range,
    /// The end of what is read, µs, less how long an episode may go on without a further event.
    open_from: i64,
    /// How many began outside the range.
    outside: usize,
    /// How many there are of rules that are not loaded.
    unloaded: BTreeMap<String, usize>,
    /// By rule and key, until when those may go on that began before the range, µs.
    before: BTreeMap<(String, String), i64>,
}

/// How two sets of alerts differ.
pub(super) struct Differences {
    all: Vec<Difference>,
    rules: BTreeMap<String, Count>,
    outside: usize,
    unloaded: BTreeMap<String, usize>,
    /// Alerts that are cut off by the end of what was read, or began before the range.
    cut: usize,
}

enum Difference {
    Added(Alert),
    Missing(Alert),
    /// As it was live and as it is now.
    Changed(Box<(Alert, Alert)>),
}

#[derive(Default)]
struct Count {
    live: usize,
    replayed: usize,
    added: usize,
    missing: usize,
    changed: usize,
}

impl Standing {
    pub(super) fn read(folder: &Path, asked: &Range, program: &Program) -> anyhow::Result<Standing> {
        if !archive::alerts_file(folder).exists() {
            bail!(
                "{} has no alerts.ndjson, so there is nothing to compare with: no run raised alerts there",
                folder.display()
            );
        }
        let end = *widened(asked, program).end();
        let reach = program.horizon();
        let open_from = if end == i64::MAX { i64::MAX } else { end.saturating_sub(reach) };
        let (mut unloaded, mut outside, mut before) = (BTreeMap::new(), 0, BTreeMap::new());
        let mut alerts = archive::standing(folder)?;
        alerts.retain(|_, alert| {
            let loaded = program.position(&alert.rule).is_some();
            let inside = asked.contains(&alert.first);
            if !loaded {
                *unloaded.entry(alert.rule.clone()).or_default() += 1;
            } else if !inside {
                outside += 1;
                if alert.first < *asked.start() {
                    let until: &mut i64 = before.entry(of(alert)).or_insert(i64::MIN);
                    *until = alert.last.saturating_add(reach).max(*until);
                }
            }
            loaded && inside
        });
        Ok(Standing { alerts, asked: asked.clone(), open_from, outside, unloaded, before })
    }

    /// Compares with what a replay found. INVARIANT: JSON is what is wanted of it.
    pub(super) fn compare(mut self, found: &mut Findings) -> io::Result<Differences> {
        let mut all = Vec::new();
        let mut rules: BTreeMap<String, Count> = BTreeMap::new();
        let (mut cut, mut added) = (0, BTreeMap::<(String, String), Vec<Alert>>::new());
        found.for_each(|json| {
            let alert: Alert = serde_json::from_slice(json)?;
            if !self.asked.contains(&alert.first) {
                return Ok(());
            }
            let live = self.alerts.remove(&alert.id);
            let goes_on = || self.before.get(&of(&alert)).is_some_and(|until| *until >= alert.first);
            if alert.last >= self.open_from || live.is_none() && goes_on() {
                cut += 1;
                return Ok(());
            }
            let count = rules.entry(alert.rule.clone()).or_default();
            count.replayed += 1;
            match live {
                None => added.entry(of(&alert)).or_default().push(alert),
                Some(live) => {
                    count.live += 1;
                    if live != alert {
                        all.push(Difference::Changed(Box::new((live, alert))));
                    }
                }
            }
            Ok(())
        })?;
        for live in std::mem::take(&mut self.alerts).into_values() {
            rules.entry(live.rule.clone()).or_default().live += 1;
            // One that begins at another event has another id, and is the same to whoever reads it.
            let others = added.get_mut(&of(&live));
            let moved = others.and_then(|others| {
                let at = others.iter().position(|now| now.first <= live.last && live.first <= now.last)?;
                Some(others.remove(at))
            });
            all.push(match moved {
                Some(now) => Difference::Changed(Box::new((live, now))),
                None => Difference::Missing(live),
            });
        }
        all.extend(added.into_values().flatten().map(Difference::Added));
        for difference in &all {
            let count = rules.entry(difference.alert().rule.clone()).or_default();
            match difference {
                Difference::Added(_) => count.added += 1,
                Difference::Missing(_) => count.missing += 1,
                Difference::Changed(_) => count.changed += 1,
            }
        }
        all.sort_by(|a, b| order(a.alert()).cmp(&order(b.alert())));
        Ok(Differences { all, rules, outside: self.outside, unloaded: self.unloaded, cut })
    }
}

/// Its rule and key.
fn of(alert: &Alert) -> (String, String) {
    let key: Vec<String> = alert.key.iter().map(|(field, value)| format!("{field}={value}")).collect();
    (alert.rule.clone(), key.join(" "))
}

fn order(alert: &Alert) -> (i64, &str, AlertId) {
    (alert.first, &alert.rule, alert.id)
}

impl Difference {
    fn alert(&self) -> &Alert {
        match self {
            Difference::Added(alert) | Difference::Missing(alert) => alert,
            Difference::Changed(both) => &both.1,
        }
    }
}

impl Differences {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A line an alert, what changed below it, and how many there are by rule.
    pub(super) fn write(&self, mut out: &mut (dyn Write + Send), color: bool) -> io::Result<()> {
        for difference in &self.all {
            let sign = match difference {
                Difference::Added(_) => '+',
                Difference::Missing(_) => '-',
                Difference::Changed(_) => '~',
            };
            write!(out, "{sign} ")?;
            alerts::write_line(difference.alert(), &mut out, color)?;
            if let Difference::Changed(both) = difference {
                let (live, now) = &**both;
                for (field, before, after) in fields(live, now) {
                    writeln!(out, "    {field}: {} live, {} now", printable(&before), printable(&after))?;
                }
            }
        }
        if !self.all.is_empty() {
            writeln!(out)?;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["rule", "live", "replay", "added", "missing", "changed"]);
        let mut sum = Count::default();
        for (rule, count) in &self.rules {
            table.add_row(row(rule, count));
            sum.live += count.live;
            sum.replayed += count.replayed;
            sum.added += count.added;
            sum.missing += count.missing;
            sum.changed += count.changed;
        }
        table.add_row(row("all", &sum));
        (1..6).filter_map(|at| table.column_mut(at).map(|c| c.set_cell_alignment(CellAlignment::Right))).for_each(drop);
        let text: String = table.lines().map(|line| format!("{}\n", line.trim())).collect();
        out.write_all(text.as_bytes())
    }

    /// Says on standard error what was not compared.
    pub(super) fn left_out(&self) {
        if !self.unloaded.is_empty() {
            let rules: Vec<String> = self.unloaded.iter().map(|(rule, count)| format!("{rule} ({count})")).collect();
            eprintln!("weir: not compared: live alerts of rules that are not loaded: {}", rules.join(", "));
        }
        if self.outside > 0 {
            eprintln!("weir: not compared: {} that began outside --from and --to", counted(self.outside, "live alert"));
        }
        if self.cut > 0 {
            eprintln!(
                "weir: not compared: {} that began before --from, or went on past what was read for --to",
                counted(self.cut, "alert")
            );
        }
    }
}

fn row(name: &str, count: &Count) -> Vec<String> {
    let numbers = [count.live, count.replayed, count.added, count.missing, count.changed];
    std::iter::once(name.to_owned()).chain(numbers.map(|n| n.to_string())).collect()
}

/// The fields that differ, with both values.
fn fields(live: &Alert, now: &Alert) -> Vec<(String, String, String)> {
    let object = |alert: &Alert| match serde_json::to_value(alert) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (live, now) = (object(live), object(now));
    let mut names: Vec<&String> = live.keys().chain(now.keys().filter(|name| !live.contains_key(*name))).collect();
    names.retain(|name| live.get(*name) != now.get(*name));
    let shown = |value: Option<&Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => counted(list.len(), "entry").replace("entrys", "entries"),
        Some(other) => other.to_string(),
    };
    names.into_iter().map(|name| (name.clone(), shown(live.get(name)), shown(now.get(name)))).collect()
}
