//! Restart is replay: the state of the dataflow is rebuilt from the archive, which is the only checkpoint.
//!
//! Events are replayed from long enough before the cut that everything which can still change is exact:
//! the watermark at the cut, or the first event of an episode that was open then, less the longest
//! window and cooldown. What the replay finds is compared with what was said before; the difference,
//! and only it, is said. Rules that join later are filled in the same way, each from its own
//! [`Floors`].

use std::collections::BTreeMap;

use super::EngineError;
use super::past::Past;
use super::rules::Rules;
use crate::alert::{Alert, AlertId};
use crate::archive::Archive;
use crate::correlate::Input;
use crate::rule::plan::Rule;

/// From when on what a replay finds of some rules is exact.
#[derive(Debug)]
pub(super) struct Floors {
    /// By name of the rule: episodes that start at or after this are, µs.
    exact: BTreeMap<String, i64>,
    /// Events before this are not needed, µs.
    pub(super) from: i64,
}

impl Floors {
    /// For these rules, given what was said and the watermark. Each is exact at least for `least` (µs) before it, which for
    /// rules over alerts is the whole program's [`Program::horizon`](crate::rule::plan::Program::horizon).
    pub(super) fn new<'r>(
        rules: impl Iterator<Item = &'r Rule>,
        said: &BTreeMap<AlertId, Alert>,
        watermark: i64,
        least: i64,
    ) -> Floors {
        // A rule over alerts needs those of all levels below it.
        let state = |rule: &Rule| if rule.level > 0 { rule.reach().max(least) } else { rule.reach() };
        let rules: Vec<&Rule> = rules.collect();
        let reach = |rule: &&Rule| state(rule).max(least);
        let mut exact: BTreeMap<String, i64> =
            rules.iter().map(|r| (r.name.clone(), watermark.saturating_sub(reach(r)))).collect();
        let states: BTreeMap<&str, i64> = rules.iter().map(|r| (r.name.as_str(), state(r))).collect();
        // An episode that is open goes on; it must not seem to begin later than it did.
        for alert in said.values() {
            if let (Some(exact), Some(state)) = (exact.get_mut(&alert.rule), states.get(alert.rule.as_str()))
                && alert.last.saturating_add(*state) >= watermark
            {
                *exact = alert.first.min(*exact);
            }
        }
        let needed = exact.iter().map(|(name, exact)| exact.saturating_sub(states[name.as_str()]));
        let from = needed.min().unwrap_or(i64::MAX);
        Floors { exact, from }
    }

    /// For a past that cannot be read: none of it is judged.
    pub(super) fn nothing(&mut self) {
        self.exact.values_mut().for_each(|exact| *exact = i64::MAX);
    }

    /// Leaves rules out.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.exact.retain(|rule, _| keep(rule));
    }

    /// The rules.
    pub(super) fn rules(&self) -> impl Iterator<Item = &String> {
        self.exact.keys()
    }

    /// From when on what is found of a rule is exact, µs; `None` for other rules.
    pub(super) fn exact(&self, rule: &str) -> Option<i64> {
        self.exact.get(rule).copied()
    }
}

/// What a rebuilt dataflow stands at.
pub(super) struct Rebuilt {
    /// How many epochs the replay took; they say nothing by themselves.
    pub(super) epochs: u64,
    pub(super) floors: Floors,
    /// The watermark to go on from, µs.
    pub(super) watermark: i64,
}

/// Replays what the archive retains of the windows into the dataflow. Several processes agree on the watermark and on the time
/// from which on they replay, each its own archive, and go through time side by side.
pub(super) fn rebuild(
    rules: &Rules,
    archive: &Archive,
    past: &Past,
    said: &BTreeMap<AlertId, Alert>,
    lateness: i64,
    input: &mut Input,
) -> Result<Rebuilt, EngineError> {
    let all = || rules.program.rules.iter();
    let greatest = archive.greatest_time();
    if most(input, greatest.is_some().into())? == 0 {
        let mut floors = Floors::new(all(), said, i64::MIN, 0);
        floors.nothing();
        return Ok(Rebuilt { epochs: input.next(), floors, watermark: i64::MIN });
    }
    // An archive that no live run wrote has no recorded watermark: as if all of it had just come in.
    let watermark = match most(input, archive.watermark().is_some().into())? {
        0 => greatest.map(|greatest| greatest.saturating_sub(lateness)),
        _ => archive.watermark(),
    };
    let reached = most(input, watermark.unwrap_or(i64::MIN))?;
    // The last that several processes stored may not have been known to all; what all promised holds.
    let promised = least(&input.agree(Vec::new(), i64::MIN, archive.promise().unwrap_or(i64::MIN))?);
    let watermark = reached.max(promised);
    let floors = Floors::new(all(), said, watermark, rules.program.horizon());
    let from = least(&input.agree(Vec::new(), i64::MIN, floors.from)?);
    let every: Vec<u32> = (0..rules.program.rules.len() as u32).collect();
    let mut spool = past.read(rules, &every, from, &|| false)?;
    tracing::info!("rebuilding windows from {} match rows of the archive", spool.rows());
    // All rows of ours before `own` were sent, and those of all processes before `common`.
    let (mut own, mut common) = (i64::MIN, i64::MIN);
    while common < i64::MAX {
        let mut rows = Vec::new();
        if own <= common {
            (rows, own) = spool.next_epoch()?.unwrap_or((rows, i64::MAX));
        }
        common = least(&input.agree(rows, own.min(watermark), own)?);
    }
    Ok(Rebuilt { epochs: input.next(), floors, watermark })
}

fn most(input: &mut Input, word: i64) -> Result<i64, EngineError> {
    Ok(input.agree(Vec::new(), i64::MIN, word)?.into_iter().max().unwrap_or(word))
}

fn least(words: &[i64]) -> i64 {
    words.iter().copied().min().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::rule::{SourceFile, compile};

    #[test]
    fn each_rule_has_a_floor_of_its_own() {
        let text = "rule a { when any where event.code == \"1\" }
            rule b { when any by source.ip within 10s having count() >= 3 cooldown 5s }";
        let file = SourceFile { name: "a.weir".into(), text: text.to_owned() };
        let program = compile(&[file], &|_| Err(std::io::ErrorKind::NotFound.into())).program;
        let floors = |said: &BTreeMap<AlertId, Alert>, least| {
            let floors = Floors::new(program.rules.iter(), said, 100_000_000, least);
            (floors.exact("a"), floors.exact("b"), floors.from)
        };
        let none = BTreeMap::new();
        assert_eq!(floors(&none, 0), (Some(100_000_000), Some(85_000_000), 70_000_000));
        assert_eq!(floors(&none, 20_000_000), (Some(80_000_000), Some(80_000_000), 65_000_000));
        let alert = |rule: &str, first, last| {
            let id = AlertId::new(rule, "", EventId::from_bits(first as u128));
            let key = serde_json::Map::new();
            let (title, severity) = (String::new(), crate::alert::Severity::Low);
            let (attack, tags, runbook, risk) = (vec![], vec![], None, None);
            let rule = rule.to_owned();
            (
                id,
                Alert {
                    id,
                    rule,
                    severity,
                    title,
                    key,
                    first,
                    last,
                    count: 1,
                    evidence: vec![],
                    attack,
                    tags,
                    runbook,
                    risk,
                },
            )
        };
        let said = BTreeMap::from([
            alert("b", 50_000_000, 90_000_000),
            alert("b", 10_000_000, 20_000_000),
            alert("x", 0, 99_000_000),
        ]);
        assert_eq!(floors(&said, 0), (Some(100_000_000), Some(50_000_000), 35_000_000), "an open episode counts");
    }
}
