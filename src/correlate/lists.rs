//! Rules whose lists change: candidates in, the rows that their lists make of them out.
//!
//! It has differential's contract. An epoch brings candidates (events on which a step of a rule is
//! possible, whatever the lists hold) and changes of lists; out come match rows with the exact
//! steps, and for every candidate whose steps a change of a list changed, the row it had (−) and the one it has
//! now (+). Candidates are kept for the rule's `retro` behind the watermark, on the worker where they came
//! in, and then forgotten in silence. Within an epoch: list changes, rows, then the watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::listed::{Changes, Contents};
use super::retained::Stretch;
use crate::event::time::SECOND;
use crate::matching::{MatchRow, fold};
use crate::rule::plan::{Network, Program, Retro};

/// Into so many stretches a rule's retained time is cut; one of them more is kept.
const STRETCHES: i64 = 32;

/// The lists, and the candidates of all rules that follow them, of one worker.
pub(super) struct Lists {
    program: Arc<Program>,
    contents: Vec<Contents>,
    /// By group.
    followed: FxHashMap<u32, Followed>,
    watermark: i64,
}

/// A rule that follows lists.
struct Followed {
    rule: u32,
    retro: Retro,
    /// Which fields (positions) are looked up in which lists.
    lookups: Vec<(usize, u32)>,
    /// How long candidates are kept, µs.
    reach: i64,
    /// By the start of its time, in units of [`Followed::length`].
    stretches: BTreeMap<i64, Stretch>,
}

impl Lists {
    /// For the rules of a program, with the lists as they are in it. `None` when no rule follows lists.
    pub(super) fn new(program: Arc<Program>) -> Option<Lists> {
        let mut followed = FxHashMap::default();
        for (number, rule) in program.rules.iter().enumerate().filter(|(_, rule)| rule.level == 0) {
            if let Some(retro) = rule.retroactive() {
                let (group, _) = program.place(number as u32, 0);
                followed.insert(group, Followed::new(number as u32, retro, rule.retro));
            }
        }
        let contents = program.lists.iter().map(Contents::of).collect();
        (!followed.is_empty()).then_some(Lists { program, contents, followed, watermark: i64::MIN })
    }

    /// One epoch: changes of lists, its rows, and the watermark after it. Rows of other rules go through.
    pub(super) fn epoch(
        &mut self,
        rows: impl Iterator<Item = (MatchRow, isize)>,
        changes: &Changes,
        watermark: i64,
        out: &mut Vec<(MatchRow, isize)>,
    ) {
        self.change(changes, out);
        for (row, diff) in rows {
            match self.followed.get_mut(&row.group) {
                None => out.push((row, diff)),
                Some(rule) => {
                    let payload = self.program.rules[rule.rule as usize].payload.len();
                    let steps = rule.take(&row, payload, &self.contents);
                    if steps != 0 {
                        let (group, hits) = self.program.place(rule.rule, steps);
                        out.push((MatchRow { group, hits, values: row.values.head(payload), ..row }, diff));
                    }
                }
            }
        }
        self.watermark = self.watermark.max(watermark);
        self.followed.values_mut().for_each(|rule| rule.forget(self.watermark));
    }

    /// Changes the lists, and says what becomes of the candidates that are concerned.
    fn change(&mut self, changes: &Changes, out: &mut Vec<(MatchRow, isize)>) {
        let mut last: BTreeMap<(u32, String), bool> = BTreeMap::new();
        last.extend(changes.iter().map(|c| ((c.list, fold(&c.value)), c.present)));
        last.retain(|(list, value), present| {
            self.contents.get(*list as usize).is_some_and(|c| c.has(value) != *present)
        });
        if last.is_empty() {
            return;
        }
        let Lists { program, contents, followed, watermark } = self;
        let mut concerned = Vec::new();
        for rule in followed.values() {
            rule.concerned(&last, *watermark, |at, candidate| {
                let stretch = &rule.stretches[&at];
                concerned.push((rule, stretch, candidate, stretch.steps(candidate, &rule.retro, contents)));
            });
        }
        for ((list, value), present) in &last {
            contents[*list as usize].set(value, *present);
        }
        for (rule, stretch, candidate, before) in concerned {
            let after = stretch.steps(candidate, &rule.retro, contents);
            for (steps, diff) in [(before, -1), (after, 1)] {
                if before != after && steps != 0 {
                    out.push((stretch.row(candidate, program.place(rule.rule, steps)), diff));
                }
            }
        }
    }
}

impl Followed {
    fn new(rule: u32, retro: Retro, reach: i64) -> Followed {
        let mut lookups = Vec::new();
        retro.steps.iter().for_each(|shape| shape.lists(&mut |slot, list| lookups.push((slot, list))));
        lookups.sort_unstable();
        lookups.dedup();
        Followed { rule, retro, lookups, reach, stretches: BTreeMap::new() }
    }

    /// How much time a stretch spans, µs.
    fn length(&self) -> i64 {
        (self.reach / STRETCHES).max(SECOND)
    }

    /// Keeps a candidate. Returns its steps that hold.
    fn take(&mut self, row: &MatchRow, payload: usize, contents: &[Contents]) -> u32 {
        let at = row.time.div_euclid(self.length());
        if !self.stretches.contains_key(&at)
            && let Some(latest) = self.stretches.last_entry()
        {
            latest.into_mut().shrink();
        }
        let stretch = self.stretches.entry(at).or_default();
        let candidate = stretch.push(row, payload, self.retro.fields.len());
        stretch.steps(candidate, &self.retro, contents)
    }

    /// Drops the stretches whose candidates are all too old.
    fn forget(&mut self, watermark: i64) {
        let from = watermark.saturating_sub(self.reach).div_euclid(self.length());
        if self.stretches.first_key_value().is_some_and(|(first, _)| *first < from) {
            self.stretches = self.stretches.split_off(&from);
        }
    }

    /// Visits, once each, the candidates that changes of lists may concern, with the stretch they are in.
    fn concerned(&self, changes: &BTreeMap<(u32, String), bool>, watermark: i64, mut visit: impl FnMut(i64, u32)) {
        let from = watermark.saturating_sub(self.reach);
        let mut networks: BTreeMap<u32, Contents> = BTreeMap::new();
        for (list, value) in changes.keys().filter(|(_, value)| value.parse::<Network>().is_ok()) {
            networks.entry(*list).or_default().set(value, true);
        }
        let mut found = Vec::new();
        for (at, stretch) in &self.stretches {
            for (slot, list) in &self.lookups {
                let of_list = changes.range((*list, String::new())..).take_while(|((changed, _), _)| changed == list);
                for ((_, value), _) in of_list {
                    stretch.with_value(*slot, value, from, &mut found);
                }
                if let Some(networks) = networks.get(list) {
                    stretch.with_address(*slot, networks, from, &mut found);
                }
            }
            found.sort_unstable();
            found.dedup();
            found.drain(..).for_each(|candidate| visit(*at, candidate));
        }
    }
}
