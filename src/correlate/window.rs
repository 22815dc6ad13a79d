//! The window operator: all rules and keys of a worker.
//!
//! It has differential's contract: rows come with an epoch and a multiplicity, records leave
//! likewise, and the sum of what left up to an epoch is the answer for what came up to it. Within
//! an epoch the order is: all rows, then the watermark, so that every worker gives the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::driver::Emit;
use super::episode::{Place, Record};
use super::key::Key;
use super::machine::Row;
use super::render::Update;
use crate::matching::MatchRow;
use crate::rule::plan::{Form, Program, Rule, Tuple};

/// Deadlines are rounded up to this, so that many keys share one, µs.
const DEADLINE_GRAIN: i64 = 1_000_000;

/// State and timers of one worker.
pub(super) struct Windows {
    program: Arc<Program>,
    emit: Emit,
    watermark: i64,
    keys: HashMap<(u32, Tuple), Box<Slot>, FxBuildHasher>,
    /// When to look whether a key is over; each key stands under one deadline.
    deadlines: BTreeMap<i64, Vec<(u32, Tuple)>>,
    touched: Vec<(u32, Tuple)>,
}

struct Slot {
    key: Key,
    touched: bool,
    /// What was said and may have to be taken back.
    said: Vec<Record>,
}

impl Windows {
    pub(super) fn new(program: Arc<Program>, emit: Emit) -> Windows {
        Windows {
            program,
            emit,
            watermark: i64::MIN,
            keys: HashMap::default(),
            deadlines: BTreeMap::new(),
            touched: Vec::new(),
        }
    }

    /// One epoch: its rows with their multiplicities, then its watermark (µs; events before it are final).
    /// Changes of the answer are appended to `out`.
    pub(super) fn epoch(&mut self, mut rows: Vec<Update>, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let before = |r: &Update| (r.0.time, r.0.id);
        if !rows.is_sorted_by_key(before) {
            rows.sort_by_key(before);
        }
        let program = self.program.clone();
        for (row, _, diff) in rows {
            let Some(rule) = program.rules.get(row.rule as usize) else { continue };
            if rule.form == Form::Single {
                out.push((single(rule, row), diff));
            } else {
                self.apply(rule, row, diff, watermark, out);
            }
        }
        self.settle(&program, out);
        self.advance(&program, watermark, out);
    }

    fn apply(&mut self, rule: &Rule, row: MatchRow, diff: isize, watermark: i64, out: &mut Vec<(Record, isize)>) {
        let number = row.rule;
        let id = (number, row.key);
        let row = Row { time: row.time, id: row.id, steps: row.steps, values: row.values };
        let slot = match self.keys.get_mut(&id) {
            Some(slot) => slot,
            None => {
                let deadline = deadline(rule, row.time);
                self.deadlines.entry(deadline).or_default().push(id.clone());
                let slot = Box::new(Slot { key: Key::new(rule), touched: false, said: Vec::new() });
                self.keys.entry(id.clone()).or_insert(slot)
            }
        };
        // Only finished episodes are wanted and nothing earlier can come: no need to hold the event.
        if self.emit == Emit::Final && row.time < watermark && diff > 0 && !slot.key.has_live() {
            for _ in 0..diff {
                if let Some(ended) = slot.key.push_final(rule, &row) {
                    out.push((ended.record(number, &id.1), 1));
                }
            }
            return;
        }
        if !slot.touched {
            slot.touched = true;
            slot.key.freeze(rule, self.watermark);
            // What became final stays said for good.
            let kept = slot.key.episodes().count().min(slot.said.len());
            slot.said.drain(..slot.said.len() - kept);
            self.touched.push(id);
        }
        for _ in 0..diff {
            slot.key.push(rule, row.clone());
        }
        for _ in 0..-diff {
            slot.key.retract(&row);
        }
    }

    /// Says what changed for the keys of this epoch.
    fn settle(&mut self, program: &Program, out: &mut Vec<(Record, isize)>) {
        for id in std::mem::take(&mut self.touched) {
            let slot = self.keys.get_mut(&id).expect("touched keys are kept until they expire");
            slot.touched = false;
            slot.key.settle(&program.rules[id.0 as usize]);
            if self.emit == Emit::Final {
                continue;
            }
            let now: Vec<Record> = slot.key.episodes().map(|e| e.record(id.0, &id.1)).collect();
            difference(&slot.said, &now, out);
            slot.said = now;
        }
    }

    /// Takes the watermark and drops the keys that are over.
    fn advance(&mut self, program: &Program, watermark: i64, out: &mut Vec<(Record, isize)>) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        let later = if watermark == i64::MAX { BTreeMap::new() } else { self.deadlines.split_off(&watermark) };
        for (number, key) in std::mem::replace(&mut self.deadlines, later).into_values().flatten() {
            let rule = &program.rules[number as usize];
            let id = (number, key);
            let Some(slot) = self.keys.get_mut(&id) else { continue };
            let due = deadline(rule, slot.key.latest());
            if due >= watermark && watermark != i64::MAX {
                self.deadlines.entry(due).or_default().push(id);
                continue;
            }
            if self.emit == Emit::Final {
                slot.key.settle(rule);
                out.extend(slot.key.episodes().map(|e| (e.record(number, &id.1), 1)));
            }
            self.keys.remove(&id);
        }
    }

    /// How many keys have state.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Past this time no further event can belong to an episode or match of the key's latest event.
fn deadline(rule: &Rule, latest: i64) -> i64 {
    let end = latest.saturating_add(rule.form.within()).saturating_add(rule.cooldown);
    end.div_euclid(DEADLINE_GRAIN).saturating_add(2).saturating_mul(DEADLINE_GRAIN)
}

fn single(rule: &Rule, row: MatchRow) -> Record {
    let place = Place { time: row.time, id: row.id };
    let mut values = vec![None; rule.steps.len() + 2];
    values[0] = Some(row.values.clone());
    values[rule.steps.len()] = Some(row.values.clone());
    values[rule.steps.len() + 1] = Some(row.values);
    Record { rule: row.rule, key: row.key, first: place, last: place, count: 1, evidence: vec![place], values }
}

/// Appends what leads from one set of records to the other.
fn difference(before: &[Record], after: &[Record], out: &mut Vec<(Record, isize)>) {
    out.extend(before.iter().filter(|r| !after.contains(r)).map(|r| (r.clone(), -1)));
    out.extend(after.iter().filter(|r| !before.contains(r)).map(|r| (r.clone(), 1)));
}
