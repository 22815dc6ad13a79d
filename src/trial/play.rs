//! Sends the events of a test through matching and the dataflow, as they would come live. Out: the alerts of one rule that
//! stand after each wave of events, or at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TrialError;
use super::events::Wave;
use crate::alert::Alert;
use crate::correlate::{self, Emit, Outputs, Record, changes};
use crate::matching::{Matcher, Scratch};
use crate::rule::plan::Program;

/// The alerts of the rule of this position; `each`: after every wave, where only the last one is the end of time.
pub(super) fn play(
    program: &Arc<Program>,
    rule: u32,
    waves: &[Wave],
    each: bool,
) -> Result<Vec<Vec<Alert>>, TrialError> {
    let (input, mut outputs) = correlate::start(program.clone(), 1, Emit::Running)?;
    // Its end is what the outputs wait for when they are dropped, so it goes first.
    let mut input = input;
    let (matcher, mut scratch) = (Matcher::live(program), Scratch::default());
    // Made-up alerts are for the rule itself, whatever raised them.
    let over = Matcher::of_level(program, program.rules[rule as usize].level.max(1));
    let mut standing = Standing { program, rule, records: BTreeMap::new() };
    let mut all = Vec::new();
    // Everything comes before the watermark passes it.
    let first = waves.iter().flat_map(|w| w.events.times().iter().chain(w.alerts.times())).min().copied();
    let mut rows = Vec::new();
    for (at, wave) in waves.iter().enumerate() {
        matcher.matches(&wave.events, &mut scratch, &mut rows);
        let mut sent = std::mem::take(&mut rows);
        over.matches(&wave.alerts, &mut Scratch::default(), &mut rows);
        sent.append(&mut rows);
        sent.sort_by_key(|row| (row.time, row.id));
        input.send(sent, first.unwrap_or(0))?;
        standing.hear(&mut outputs)?;
        if each && at + 1 < waves.len() {
            all.push(standing.alerts());
        }
    }
    let last = waves.iter().filter_map(Wave::last).max().unwrap_or(0);
    input.send(Vec::new(), last.saturating_add(program.horizon()).saturating_add(1))?;
    standing.hear(&mut outputs)?;
    all.push(standing.alerts());
    Ok(all)
}

/// What the dataflow says of a rule.
struct Standing<'a> {
    program: &'a Program,
    rule: u32,
    records: BTreeMap<Record, isize>,
}

impl Standing<'_> {
    /// Waits for the epoch that was sent last.
    fn hear(&mut self, outputs: &mut Outputs) -> Result<(), TrialError> {
        if let Some(output) = outputs.receive()? {
            for (record, diff) in output.changes.into_iter().filter(|(r, _)| r.rule == self.rule) {
                *self.records.entry(record).or_default() += diff;
            }
            self.records.retain(|_, diff| *diff != 0);
        }
        Ok(())
    }

    fn alerts(&self) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = self.records.keys().map(|r| changes::alert(self.program, r)).collect();
        alerts.sort_by(|a, b| changes::order(a).cmp(&changes::order(b)));
        alerts
    }
}
