//! Another program between two epochs: what changes hands, in an order that no event falls between.
//!
//! Everything that was accepted is durable and was sent. What is archived now is the past of the rules that
//! join; what comes after is matched with the new program, and is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::EngineError;
use super::super::past::{Filled, Filler, Past};
use super::super::reload::Change;
use super::{Pipeline, RETRY};
use crate::archive;
use crate::event::time;

impl Pipeline {
    /// Lets another program run.
    pub(super) fn change(&mut self, Change { rules, matcher, continues }: Change) -> Result<(), EngineError> {
        if self.lists.differs(&rules.lists) {
            let from = self.archive.cut();
            while let Err(error) = self.lists.record(from, time::now(), &rules.lists) {
                tracing::error!("{error}; trying again every second");
                self.hub.trouble(Some(error.to_string()));
                std::thread::sleep(RETRY);
            }
            self.hub.trouble(None);
        }
        let roster = self.input.change(rules.program.clone(), |rule| continues[rule as usize])?;
        self.present.store(roster.generation(), Ordering::Relaxed);
        (self.matcher, self.program) = (matcher, rules.program.clone());
        let joined: Vec<u32> = roster.filling().collect();
        if joined.is_empty() {
            return Ok(());
        }
        let past = archive::snapshot(&self.data).map(|snapshot| Past {
            snapshot,
            history: self.lists.history().clone(),
            before: self.archive.sequence(),
        });
        let filler = Filler {
            generation: roster.generation(),
            present: self.present.clone(),
            past,
            rules,
            joined,
            watermark: self.clock.watermark(),
            out: self.fill.clone(),
            failed: Arc::new(AtomicBool::new(false)),
        };
        self.fillers.send(filler).map_err(|_| EngineError::Stage("alert"))
    }

    /// Sends more of the past of the rules that joined; what is left of another program's is of no use.
    pub(super) fn fill(&mut self, filled: Filled) -> Result<(), EngineError> {
        let present = self.input.roster().generation();
        match filled {
            Filled::Rows(generation, rows, reached) if generation == present => {
                self.metrics.matched(rows.len() as u64);
                self.input.fill(rows, reached)?;
            }
            Filled::End(generation) if generation == present => {
                self.input.filled()?;
            }
            Filled::Rows(..) | Filled::End(_) => {}
        }
        Ok(())
    }
}
