//! What the archive knows of a rule's past: match rows of retained events, each judged by the lists of its time.
//!
//! In: a snapshot of the archive, what stood in lists and when, rules. Out: a spool of rows in time order.
//! A restart takes the past of all rules, a [`Filler`] that of rules that join a running engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::rules::Rules;
use super::shadow::Successor;
use super::{EngineError, counted, drop_late};
use crate::archive::{ArchiveError, ListHistory, Snapshot};
use crate::correlate::spool::{Overflow, Spool};
use crate::matching::{MatchRow, Matcher, Pruner, Scratch};
use crate::rule::plan::Program;

/// Rows of a chunk: so few that no live epoch waits for long.
const CHUNK: usize = 16 * 1024;

/// Where the past is read.
pub(super) struct Past {
    pub(super) snapshot: Snapshot,
    pub(super) history: ListHistory,
    /// Events from this number on are not of the past.
    pub(super) before: u64,
    /// The watermark that held then, µs; `None` when there were no events.
    pub(super) watermark: Option<i64>,
}

impl Past {
    /// The rows of these rules (positions in the program of `rules`) from a time on (µs). Ends early when `stop` says so.
    pub(super) fn read(
        &self,
        rules: &Rules,
        wanted: &[u32],
        from: i64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Spool, EngineError> {
        let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let mut spool = Spool::new(Overflow::Spill, Overflow::Spill.budget(), &folder);
        for (numbers, lists) in self.history.spans(&rules.lists, self.before) {
            let then = if lists == rules.lists { None } else { Some(rules.with_lists(&lists).program) };
            let part = Part::new(&rules.program, then.as_ref().unwrap_or(&rules.program), wanted);
            let matcher = Matcher::live(&part.program);
            let mut scratch = Scratch::default();
            let mut pruner = Pruner::new(&matcher);
            let stored = self.snapshot.read(Some(matcher.fields()), from..=i64::MAX, numbers)?;
            for batch in stored.only(Box::new(move |events| pruner.may_match(events))) {
                if stop() {
                    return Ok(spool);
                }
                let batch = batch?;
                let mut rows = Vec::new();
                matcher.matches(&batch, &mut scratch, &mut rows);
                drop_late(&part.program, &batch, &mut rows);
                rows.retain(|r| r.time >= from);
                spool.push(part.translate(rows))?;
            }
        }
        Ok(spool)
    }
}

/// Some rules as a program of their own, whose rows become those of the whole.
struct Part<'p> {
    whole: &'p Program,
    program: Program,
    /// For each of its rules the position in the whole.
    positions: Vec<u32>,
    /// For each of its groups whether its rows are the candidates of a rule that follows lists, to be taken as they are.
    candidates: Vec<bool>,
}

impl<'p> Part<'p> {
    /// The wanted rules of `whole` as they stand in `then`: the same rules compiled with other lists.
    fn new(whole: &'p Program, then: &Program, wanted: &[u32]) -> Part<'p> {
        let (mut rules, mut positions) = (Vec::new(), Vec::new());
        for position in wanted {
            let rule = &whole.rules[*position as usize];
            // Candidates are the same whatever lists hold. Another rule that could not be compiled with a list as it was
            // then saw nothing.
            let was = match rule.retroactive() {
                Some(_) => Some(rule),
                None => then.position(&rule.name).map(|at| &then.rules[at as usize]),
            };
            let Some(was) = was else { continue };
            if was.steps.len() == rule.steps.len() && was.payload == rule.payload {
                rules.push(was.clone());
                positions.push(*position);
            }
        }
        let program = Program::new(rules, then.lists.clone());
        let mut candidates = vec![false; program.groups().len()];
        for (number, rule) in program.rules.iter().enumerate() {
            candidates[program.place(number as u32, 0).0 as usize] |= rule.retroactive().is_some();
        }
        Part { whole, program, positions, candidates }
    }

    fn translate(&self, rows: Vec<MatchRow>) -> Vec<MatchRow> {
        let mut out: Vec<MatchRow> = Vec::with_capacity(rows.len());
        for row in rows {
            let first = out.len();
            let from = &self.program.groups()[row.group as usize];
            if self.candidates[row.group as usize] {
                let rule = self.positions[from.members[0].rule as usize];
                out.push(MatchRow { group: self.whole.place(rule, 0).0, ..row });
                continue;
            }
            for (member, steps) in from.hits(row.hits) {
                let (group, hits) = self.whole.place(self.positions[member.rule as usize], steps);
                match out[first..].iter_mut().find(|r| r.group == group) {
                    Some(same) => same.hits |= hits,
                    None => out.push(MatchRow { group, hits, ..row.clone() }),
                }
            }
        }
        out
    }
}

/// What those who read the past tell the pipeline. A filler does so for the rules that joined with its change.
pub(super) enum Filled {
    /// More rows, in time order, and the time before which all have come, µs.
    Rows(u64, Vec<MatchRow>, i64),
    /// That was all.
    End(u64),
    /// A dataflow beside the one that runs can take its place.
    CaughtUp(Box<Successor>),
    /// It could not be filled, and why. The flag tells which one it was: see [`Shadow::stop`](super::shadow::Shadow::stop).
    Failed(Arc<AtomicBool>, String),
}

/// Reads the past of rules that joined, on a thread of its own.
pub(super) struct Filler {
    /// Of the roster that the rules joined with.
    pub(super) generation: u64,
    /// Number of the change that they joined with.
    pub(super) change: u64,
    /// The change that counts: another one has rules, and a filler, of its own.
    pub(super) present: Arc<AtomicU64>,
    pub(super) past: Result<Past, ArchiveError>,
    pub(super) rules: Arc<Rules>,
    /// Positions of the rules that joined.
    pub(super) joined: Vec<u32>,
    /// The watermark when they joined, µs.
    pub(super) watermark: i64,
    pub(super) out: mpsc::Sender<Filled>,
    /// Set when the past could not be read.
    pub(super) failed: Arc<AtomicBool>,
}

impl Filler {
    /// Starts the thread, which sends what is retained from a time on (µs).
    pub(super) fn start(self, from: i64) {
        let (change, out, failed) = (self.change, self.out.clone(), self.failed.clone());
        let thread = std::thread::Builder::new().name("fill".to_owned()).spawn(move || self.run(from));
        if let Err(error) = thread {
            failed.store(true, Ordering::Relaxed);
            tracing::error!("new rules start without what is archived: {}", EngineError::Thread(error));
            drop(out.blocking_send(Filled::End(change)));
        }
    }

    fn run(self, from: i64) {
        match self.fill(from) {
            Ok(rows) => {
                tracing::info!("{} filled from {rows} match rows of the archive", counted(self.joined.len(), "rule"))
            }
            Err(error) => {
                self.failed.store(true, Ordering::Relaxed);
                tracing::error!("new rules start without what is archived: {error}");
            }
        }
        // The pipeline ends first when weir stops.
        drop(self.out.blocking_send(Filled::End(self.change)));
    }

    fn fill(&self, from: i64) -> Result<u64, EngineError> {
        let stop = || self.out.is_closed() || self.present.load(Ordering::Relaxed) != self.change;
        let past = match &self.past {
            Ok(past) => past,
            Err(error) => return Err(EngineError::Past(error.to_string())),
        };
        let mut spool = past.read(&self.rules, &self.joined, from, &stop)?;
        let count = spool.rows();
        while let Some((rows, reached)) = spool.next_epoch()? {
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                let chunk: Vec<MatchRow> = rows.by_ref().take(CHUNK).collect();
                let reached = rows.peek().map_or(reached, |next| next.time);
                if stop() || self.out.blocking_send(Filled::Rows(self.change, chunk, reached)).is_err() {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BatchBuilder, field};
    use crate::rule::{SourceFile, compile};

    fn program(text: &str) -> Program {
        let file = SourceFile { name: "a.weir".into(), text: text.to_owned() };
        let compiled = compile(&[file], &|_| Err(std::io::ErrorKind::NotFound.into()));
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
        compiled.program
    }

    #[test]
    fn rows_of_some_rules_are_rows_of_all() {
        let whole = program(
            "rule a { when any where event.code == \"1\" by source.ip within 5m having count() >= 3 }
             rule b { title \"{user.name}\" when any where event.code == \"1\" by source.ip within 5m having count() >= 4 }
             rule c { title \"{host.name}\" when any where event.code in (\"1\", \"2\") by source.ip within 5m having count() >= 5 }
             rule d { when any where event.code == \"2\" }",
        );
        let mut builder = BatchBuilder::new();
        for (time, code) in [(1, "1"), (2, "2"), (3, "3")] {
            builder.set_time(field::TIMESTAMP, time);
            builder.set_text(field::by_name("event.code").unwrap(), code);
            builder.set_text(field::by_name("source.ip").unwrap(), "192.0.2.1");
            builder.set_text(field::by_name("user.name").unwrap(), "u");
            builder.set_text(field::by_name("host.name").unwrap(), "h");
            builder.set_id(crate::event::EventId::from_bits(time as u128));
            builder.end_row();
        }
        let batch = builder.finish();
        let rows = |program: &Program, only: &dyn Fn(u32) -> bool, positions: Option<&Part<'_>>| {
            let mut rows = Vec::new();
            Matcher::new(program).matches(&batch, &mut Scratch::default(), &mut rows);
            let rows = positions.map_or(rows.clone(), |part| part.translate(rows));
            let whole = positions.map_or(program, |part| part.whole);
            let mut seen: Vec<(u32, u32, i64, crate::rule::plan::Tuple, crate::rule::plan::Tuple)> = rows
                .iter()
                .flat_map(|r| whole.groups()[r.group as usize].hits(r.hits).map(move |(m, steps)| (m, steps, r)))
                .filter(|(m, ..)| only(m.rule))
                .map(|(m, steps, r)| {
                    (m.rule, steps, r.time, r.key.clone(), if m.values { r.values.clone() } else { Default::default() })
                })
                .collect();
            seen.sort();
            seen
        };
        for wanted in [&[0, 1][..], &[2], &[1, 2, 3], &[0, 1, 2, 3], &[]] {
            let part = Part::new(&whole, &whole, wanted);
            let got = rows(&part.program, &|_| true, Some(&part));
            assert_eq!(got, rows(&whole, &|rule| wanted.contains(&rule), None), "{wanted:?}");
        }
    }
}
