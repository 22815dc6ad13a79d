//! Another program between two epochs: what changes hands, in an order that no event falls between.
//!
//! Everything that was accepted is durable and was sent. What is archived now is the past of the rules that
//! join; what comes after is matched with the new program, and is not.
//!
//! Where only lists were changed, the dataflow is told. Rules join and leave one whose program is not [one with
//! it](crate::correlate::roster::is_fixed); otherwise the new program goes into a dataflow of its own, which takes over once it has caught up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::super::EngineError;
use super::super::past::{Filled, Filler, Past};
use super::super::record::record;
use super::super::reload::{Change, Relisted, Way};
use super::super::restart;
use super::super::rules::{Rules, list_changes};
use super::super::shadow::{Live, Relay, Shadow, Successor};
use super::{Accepted, Pipeline, RETRY, matched};
use crate::archive::{self, ArchiveError};
use crate::event::time;
use crate::matching::{Matcher, Scratch};
use crate::serve::live::Stage;

/// A program whose dataflow is being filled.
pub(super) struct Pending {
    rules: Arc<Rules>,
    matcher: Matcher,
    scratch: Scratch,
    /// Live epochs for it …
    live: crossbeam_channel::Sender<Live>,
    /// … of which those are left here that it has not taken.
    left: crossbeam_channel::Receiver<Live>,
    stop: Arc<AtomicBool>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Pipeline {
    /// Lets another program run.
    pub(super) fn change(&mut self, change: Change) -> Result<(), EngineError> {
        self.record_lists(&change.rules);
        self.change += 1;
        let abandoned = self.pending.take().is_some();
        let way = change.way(&self.rules);
        if abandoned && way != Way::Beside {
            self.relay(Relay::Abandon)?;
        }
        match way {
            Way::Join => self.join(change),
            Way::Lists => self.relist(change.rules, change.matcher),
            Way::Beside => self.prepare(change),
        }
    }

    /// Lets rules run that are the same but for their lists.
    fn relist(&mut self, rules: Arc<Rules>, matcher: Matcher) -> Result<(), EngineError> {
        self.input.change_lists(list_changes(&self.rules.program.lists, &rules.program.lists));
        self.input.send(Vec::new(), self.clock.watermark())?;
        self.run_rules(rules, matcher);
        Ok(())
    }

    fn run_rules(&mut self, rules: Arc<Rules>, matcher: Matcher) {
        if let Err(error) = record(&self.data, &rules.program) {
            tracing::warn!("SQL will show the rules of before: {error}");
        }
        self.running.lock().unwrap_or_else(PoisonError::into_inner).rules = rules.clone();
        self.reach = restart::reach(&rules.program);
        (self.rules, self.matcher) = (rules, matcher);
    }

    fn record_lists(&mut self, rules: &Rules) {
        if !self.lists.differs(&rules.lists) {
            return;
        }
        let from = self.archive.cut();
        while let Err(error) = self.lists.record(from, time::now(), self.clock.watermark(), &rules.lists) {
            tracing::error!("{error}; trying again every second");
            self.hub.trouble(Stage::Lists, Some(error.to_string()));
            std::thread::sleep(RETRY);
        }
        self.hub.trouble(Stage::Lists, None);
    }

    /// What is archived now.
    fn past(&self) -> Result<Past, ArchiveError> {
        archive::snapshot(&self.data).map(|snapshot| Past {
            snapshot,
            history: self.lists.history().clone(),
            before: self.archive.sequence(),
            watermark: Some(self.clock.watermark()),
        })
    }

    /// Has the new rules join the dataflow that runs.
    fn join(&mut self, Change { rules, matcher, continues, .. }: Change) -> Result<(), EngineError> {
        let roster = self.input.change(rules.program.clone(), |rule| continues[rule as usize])?;
        self.present.store(self.change, Ordering::Relaxed);
        self.run_rules(rules.clone(), matcher);
        let joined: Vec<u32> = roster.filling().collect();
        if joined.is_empty() {
            return Ok(());
        }
        let filler = Filler {
            generation: roster.generation(),
            change: self.change,
            present: self.present.clone(),
            past: self.past(),
            rules,
            joined,
            watermark: self.clock.watermark(),
            out: self.fill.clone(),
            failed: Arc::new(AtomicBool::new(false)),
        };
        self.fillers.send(filler).map_err(|_| EngineError::Stage("alert"))
    }

    /// Has a dataflow of its own filled for the new program.
    fn prepare(&mut self, Change { rules, matcher, continues, relisted, .. }: Change) -> Result<(), EngineError> {
        // The lists change at once, also for the rules that run until then. These may be others than they were.
        let relisted = match relisted {
            Some(relisted) if !Arc::ptr_eq(&relisted.of, &self.rules) => Relisted::new(&self.rules, &rules.lists),
            known => known,
        };
        if let Some(Relisted { rules, matcher, .. }) = relisted {
            self.relist(rules, matcher)?;
        }
        // All that was said of the past is said by the end of this epoch.
        let after = self.input.send(Vec::new(), self.clock.watermark())?;
        let (live, left) = crossbeam_channel::unbounded();
        let stop: Arc<AtomicBool> = Arc::default();
        let shadow = Shadow {
            rules: rules.clone(),
            workers: self.workers,
            past: self.past(),
            live: left.clone(),
            stop: stop.clone(),
            out: self.fill.clone(),
        };
        let new = rules.program.rules.iter().zip(&continues).filter(|(_, was)| was.is_none());
        let filling = new.map(|(rule, _)| rule.name.clone()).collect();
        self.pending = Some(Pending { rules, matcher, scratch: Scratch::default(), live, left, stop });
        self.relay(Relay::Begin { after, shadow: Box::new(shadow), filling })?;
        // With what this says the alert thread finds the message, which is there by now.
        self.input.send(Vec::new(), self.clock.watermark())?;
        Ok(())
    }

    fn relay(&self, relay: Relay) -> Result<(), EngineError> {
        self.relay.send(relay).map_err(|_| EngineError::Stage("alert"))
    }

    /// Keeps a live epoch, of which this was accepted, for the program that is to take over.
    pub(super) fn follow(&mut self, accepted: &[Accepted]) {
        let Some(Pending { rules, matcher, scratch, live, .. }) = &mut self.pending else { return };
        let batches = accepted.iter().flat_map(|a| &a.batches);
        let rows = batches.flat_map(|batch| matched(&rules.program, matcher, scratch, batch)).collect();
        // INVARIANT: its other end is kept beside it.
        drop(live.send((rows, self.clock.watermark())));
    }

    /// Whether a rule, also of a program that is to take over, waits for something not to happen.
    pub(super) fn waits(&self) -> bool {
        self.rules.program.waits() || self.pending.as_ref().is_some_and(|p| p.rules.program.waits())
    }

    /// Takes what comes of reading the past; what is left of another program's is of no use.
    pub(super) fn fill(&mut self, filled: Filled) -> Result<(), EngineError> {
        let present = self.present.load(Ordering::Relaxed);
        match filled {
            Filled::Rows(change, rows, reached) if change == present => {
                self.metrics.matched(rows.len() as u64);
                self.input.fill(rows, reached)?;
            }
            Filled::End(change) if change == present => {
                self.input.filled()?;
            }
            Filled::Rows(..) | Filled::End(_) => {}
            Filled::CaughtUp(successor) => return self.take_over(*successor),
            Filled::Failed(stop, _) if stop.load(Ordering::Relaxed) => {}
            Filled::Failed(_, error) => return self.keep(&error),
        }
        Ok(())
    }

    /// Lets another dataflow go on in the place of this one.
    fn take_over(&mut self, successor: Successor) -> Result<(), EngineError> {
        let pending = match self.pending.take() {
            Some(pending) if !successor.stop.load(Ordering::Relaxed) => pending,
            other => {
                self.pending = other;
                // Its state takes a while to go.
                std::thread::spawn(move || drop(successor));
                return Ok(());
            }
        };
        let Successor { mut input, outputs, found, .. } = successor;
        for (rows, watermark) in pending.left.try_iter() {
            input.send(rows, watermark)?;
        }
        let watermark = self.clock.watermark();
        let caught_up = input.send(Vec::new(), watermark)?;
        let mut before = std::mem::replace(&mut self.input, input);
        let after = before.send(Vec::new(), watermark)?;
        let old = self.rules.clone();
        self.run_rules(pending.rules.clone(), pending.matcher.clone());
        // Whoever fills the dataflow before fills none.
        self.change += 1;
        self.present.store(self.change, Ordering::Relaxed);
        let names = self.rules.program.rules.iter().map(|rule| &rule.name);
        let added = names.filter(|name| old.program.position(name).is_none()).cloned().collect();
        let roster = self.input.roster().clone();
        self.relay(Relay::TakeOver { after, roster, outputs: Box::new(outputs), found, caught_up, added })?;
        // As above.
        before.send(Vec::new(), watermark)?;
        tracing::info!("{} rules run after they were filled beside those before", self.rules.program.rules.len());
        Ok(())
    }

    /// Goes on with the program that runs, since the other one could not be filled.
    fn keep(&mut self, error: &str) -> Result<(), EngineError> {
        let message = format!(
            "changed rules cannot run, since what is archived cannot be read: {error}; the rules that ran go on"
        );
        tracing::error!("{message}");
        self.pending = None;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).kept = true;
        self.metrics.rules_errors(1);
        self.metrics.rules(self.rules.program.rules.len());
        self.hub.rule_trouble(Some(message));
        self.relay(Relay::Abandon)
    }
}
