//! How much memory a rule's state takes: what is kept, and how many bytes of each.
//!
//! In: a plan, and how much of it there is to match, if that is known. Out: parts, each a number of things times bytes; the number is
//! a formula without the load. Figures are for what has a window full; late events and checkpoints are in them.

use super::super::plan::{Form, Rule};
use super::{duration, names};
use crate::event::time::SECOND;

/// Bytes of an event that windows hold, as measured under load (`cargo bench --bench live`): 16 while its key is far from a match,
/// more with values for titles, checkpoints and room to grow.
const EVENT: f64 = 110.0;
/// Bytes of a candidate that waits for a list to change, with values of its own (`correlate::retained`).
const CANDIDATE: f64 = 110.0;
/// Bytes of a value of `new` and `rare` with its time; a long text adds to it.
const VALUE: f64 = 64.0;
/// Bytes of the figure of a bucket of a baseline.
const FIGURE: f64 = 48.0;

/// What comes to a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Events that match one of its steps, a second.
    pub rate: f64,
    /// Different values of its key at a time.
    pub keys: u64,
}

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Part {
    /// What.
    pub what: String,
    /// How many of them, in words.
    pub formula: String,
    /// Bytes of each, about.
    #[serde(rename = "bytes")]
    pub each: f64,
    /// How many, when the load is known.
    pub count: Option<f64>,
    /// Whether that is the most there can be.
    pub at_most: bool,
}

/// What is kept for a rule; nothing for one that keeps nothing.
pub fn size(rule: &Rule, load: Option<Load>) -> Vec<Part> {
    let (within, cooldown) = (rule.form.within(), rule.cooldown);
    let seconds = |micros: i64| micros as f64 / SECOND as f64;
    let over = |what: &str, reach: i64, each: f64| Part {
        what: what.to_owned(),
        formula: format!("matched events a second × {}", duration(reach)),
        each,
        count: load.map(|load| load.rate * seconds(reach)),
        at_most: false,
    };
    let mut parts = match &rule.form {
        Form::Single => Vec::new(),
        Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::All { .. } => {
            vec![over("events", within.saturating_add(cooldown), EVENT)]
        }
        Form::Novel { over: back, learn, slot, .. } => {
            let reach = back.saturating_add(*learn);
            let value = rule.payload[*slot].name();
            let values = Part { at_most: true, ..over(&format!("values of {value}"), reach, VALUE) };
            let by = if rule.key.is_empty() { String::new() } else { format!(" of each {}", names(&rule.key)) };
            let formula = format!("different values{by} in {}", duration(reach));
            vec![Part { formula, ..values }, over("events", cooldown, EVENT)]
        }
        Form::Baseline { every, over: back, learn, .. } => {
            let reach = back.saturating_add(*learn);
            let buckets = (reach / (*every).max(1)) as f64;
            let by = if rule.key.is_empty() { "" } else { "keys × " };
            // A bucket without events has no figure, so that events bound them as well.
            let most = |load: Load| {
                let keys = if rule.key.is_empty() { 1.0 } else { load.keys as f64 };
                (keys * buckets).min(load.rate * seconds(reach))
            };
            let figures = Part {
                what: "figures of buckets".to_owned(),
                formula: format!("{by}{buckets} buckets of {}", duration(*every)),
                each: FIGURE,
                count: load.map(most),
                at_most: true,
            };
            vec![figures, over("events", every.saturating_add(cooldown), EVENT)]
        }
    };
    if rule.retro > 0 {
        parts.push(over("candidates for its lists", rule.retro, CANDIDATE));
    }
    parts.retain(|part| part.count != Some(0.0) && !part.formula.ends_with("× 0s"));
    parts
}

/// The parts in words, one a line, with their sum last where the load is known.
pub fn words(parts: &[Part]) -> Vec<String> {
    let line = |part: &Part| {
        let Part { what, formula, each, count, at_most } = part;
        let most = if *at_most { "at most " } else { "" };
        match count {
            None => format!("{what}: {formula} × about {each} bytes"),
            Some(count) => {
                format!("{what}: {formula} = {most}{count:.0}, × about {each} bytes = {}", bytes(count * each))
            }
        }
    };
    let mut lines: Vec<String> = parts.iter().map(line).collect();
    let sum: Option<f64> = parts.iter().map(|part| Some(part.count? * part.each)).sum();
    match (sum, parts) {
        (_, []) => lines.push("nothing".to_owned()),
        (Some(sum), [_, _, ..]) => lines.push(format!("in all about {}", bytes(sum))),
        (Some(_), [_]) | (None, _) => {}
    }
    lines
}

/// `4.7 MiB`
fn bytes(bytes: f64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let found = units.iter().find(|(_, size)| bytes >= f64::from(*size));
    found.map_or_else(|| format!("{bytes:.0} bytes"), |(unit, size)| format!("{:.1} {unit}", bytes / f64::from(*size)))
}
