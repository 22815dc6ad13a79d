//! The alert thread of a running engine: what the dataflow says becomes alert changes, stored and then shown.
//!
//! Of rules whose past is being read (all of them after a restart, later those that join) nothing is said
//! until it has come to its end: then what was found is compared with what was said before. So it is when another dataflow
//! takes the place of the one that spoke.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::EngineError;
use super::damping::Damping;
use super::past::Filler;
use super::restart::{Floors, Found, Rebuilt};
use super::shadow::Relay;
use crate::alert::{AlertChange, Cause};
use crate::archive::AlertLog;
use crate::correlate::changes::Judged;
use crate::correlate::{Output, Outputs, Roster, changes};
use crate::event::time;
use crate::metrics::Metrics;
use crate::serve::live::{Hub, Stage};

/// How long a failed write waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Of so many failures in a row one is logged; the page shows them all along.
const SAID_EVERY: u32 = 60;

/// State of the thread.
pub(super) struct Alerts {
    roster: Arc<Roster>,
    log: AlertLog,
    past: Option<Past>,
    damping: Damping,
    told: Told,
    /// What was told too early.
    early: Option<Relay>,
    /// Rules of the dataflow that is to take over.
    shadowed: BTreeSet<String>,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
}

/// Where the pipeline speaks to the thread.
pub(super) struct Told {
    /// For each program with rules that join, who reads their past.
    pub(super) fillers: crossbeam_channel::Receiver<Filler>,
    pub(super) relay: crossbeam_channel::Receiver<Relay>,
}

/// Rules whose past is being read.
struct Past {
    found: Found,
    kind: Kind,
}

enum Kind {
    /// After a restart, in so many epochs.
    Restart { epochs: u64 },
    /// Of a dataflow that took over, in so many epochs. These rules are new.
    TakenOver { epochs: u64, added: BTreeSet<String> },
    /// Of rules that joined. These ran before, and were changed.
    Joined { changed: BTreeSet<String>, failed: Arc<AtomicBool> },
}

impl Alerts {
    /// A thread's state after a restart.
    pub(super) fn new(
        roster: Arc<Roster>,
        log: AlertLog,
        Rebuilt { epochs, found, .. }: Rebuilt,
        told: Told,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
    ) -> Alerts {
        let past = Some(Past { found, kind: Kind::Restart { epochs } });
        let (early, shadowed) = (None, BTreeSet::new());
        Alerts { roster, log, past, damping: Damping::default(), told, early, shadowed, hub, metrics }
    }

    /// Runs until the dataflow ends.
    pub(super) fn run(mut self, mut outputs: Outputs) -> Result<(), EngineError> {
        while let Some(output) = outputs.receive()? {
            let epoch = output.epoch;
            if let Some(Past { kind: Kind::Restart { epochs } | Kind::TakenOver { epochs, .. }, .. }) = &self.past
                && epoch >= *epochs
            {
                self.reconcile();
            }
            let mut changes = changes::changes(output.roster.program(), &output.changes, time::now());
            if output.lists_changed {
                changes.iter_mut().for_each(|change| change.cause = Some(Cause::ListChanged));
            }
            let present = match &mut self.past {
                Some(past) => past.found.take(changes),
                None => changes,
            };
            let due = self.damping.pass(present);
            self.write(due);
            if output.roster.generation() != self.roster.generation() {
                self.change(output);
            } else if !output.filling && matches!(self.past, Some(Past { kind: Kind::Joined { .. }, .. })) {
                self.reconcile();
            }
            while let Some(relay) = self.relayed(epoch) {
                if self.take(relay, &mut outputs) {
                    // What is told from now on is about its epochs.
                    break;
                }
            }
        }
        // A past that is not at its end is read again after the restart.
        if let Some(Past { kind: Kind::Restart { .. } | Kind::TakenOver { .. }, .. }) = self.past {
            self.reconcile();
        }
        self.flush();
        Ok(())
    }

    /// What the pipeline told of shadows and is due after this epoch.
    fn relayed(&mut self, epoch: u64) -> Option<Relay> {
        let relay = self.early.take().or_else(|| self.told.relay.try_recv().ok())?;
        if relay.after() > epoch {
            self.early = Some(relay);
            return None;
        }
        Some(relay)
    }

    /// Whether another dataflow speaks from now on.
    fn take(&mut self, relay: Relay, outputs: &mut Outputs) -> bool {
        let taken_over = matches!(relay, Relay::TakeOver { .. });
        match relay {
            Relay::Begin { shadow, filling, .. } => {
                // What stands must be known.
                self.flush();
                self.shadowed = filling;
                shadow.start(self.log.current());
            }
            Relay::TakeOver { roster, outputs: next, found, caught_up, mut added, .. } => {
                let before = std::mem::replace(outputs, *next);
                // It takes a while to end, and has no more to say.
                std::thread::spawn(move || drop(before));
                self.flush();
                self.roster = roster;
                if let Some(Past { found, kind: Kind::Joined { changed, .. } }) = self.past.take() {
                    added.extend(found.floors.rules().filter(|rule| !changed.contains(*rule)).cloned());
                }
                self.past = Some(Past { found, kind: Kind::TakenOver { epochs: caught_up, added } });
            }
            Relay::Abandon => self.shadowed.clear(),
        }
        self.show_filling();
        taken_over
    }

    /// Writes all that was held back.
    fn flush(&mut self) {
        let rest = self.damping.flush();
        self.write(rest);
    }

    /// Says, once, what the archive knows and the alert log does not.
    fn reconcile(&mut self) {
        let Some(Past { found: Found { mut floors, alerts: found }, kind }) = self.past.take() else { return };
        if let Kind::Joined { failed, .. } = &kind
            && failed.load(Ordering::Relaxed)
        {
            floors.nothing();
        }
        let cause = |rule: &str| match &kind {
            Kind::Restart { .. } => None,
            Kind::TakenOver { added, .. } if added.contains(rule) => Some(Cause::RuleAdded),
            Kind::TakenOver { .. } => Some(Cause::RuleChanged),
            Kind::Joined { changed, .. } if changed.contains(rule) => Some(Cause::RuleChanged),
            Kind::Joined { .. } => Some(Cause::RuleAdded),
        };
        let judged = |rule: &str| Some(Judged { exact_from: floors.exact(rule)?, cause: cause(rule) });
        let due = changes::reconcile(self.log.current(), &found, &judged, time::now());
        self.write(due);
        if let Kind::TakenOver { .. } = kind {
            self.shadowed.clear();
        }
        self.show_filling();
    }

    /// Another program runs since this epoch: the past of the rules that joined with it is read from now on.
    fn change(&mut self, output: Output) {
        let before = std::mem::replace(&mut self.roster, output.roster);
        let program = self.roster.program().clone();
        let joined: BTreeSet<&str> = self.roster.filling().map(|at| &*program.rules[at as usize].name).collect();
        // Rules whose past was being read either have all of it now, or begin again, or are gone.
        if let Some(past) = &mut self.past {
            past.found.floors.retain(|rule| !joined.contains(rule) && program.position(rule).is_some());
            self.reconcile();
        }
        let of_joined = self.damping.release(|change| joined.contains(change.alert.rule.as_str()));
        self.write(of_joined);
        if joined.is_empty() {
            return;
        }
        // It is sent after the epoch; only the one of this program is of use.
        let Some(filler) = self.told.fillers.iter().find(|f| f.generation == self.roster.generation()) else { return };
        let rules = program.rules.iter().filter(|rule| joined.contains(rule.name.as_str()));
        let mut floors = Floors::new(rules, self.log.current(), filler.watermark, 0);
        floors.keep_expired(&program, filler.past.as_ref().ok().and_then(|past| past.snapshot.expired()));
        let changed = joined.iter().filter(|rule| before.program().position(rule).is_some());
        let changed = changed.map(|rule| (*rule).to_owned()).collect();
        let (from, failed) = (floors.from, filler.failed.clone());
        self.past = Some(Past { found: Found::new(floors), kind: Kind::Joined { changed, failed } });
        self.show_filling();
        filler.start(from);
    }

    fn show_filling(&self) {
        let mut rules = self.shadowed.clone();
        if let Some(Past { found, kind: Kind::Joined { .. } }) = &self.past {
            rules.extend(found.floors.rules().cloned());
        }
        self.metrics.rules_filling(rules.len());
        self.hub.filling(rules);
    }

    fn write(&mut self, changes: Vec<AlertChange>) {
        if changes.is_empty() {
            return;
        }
        let mut tried = 0_u32;
        while let Err(error) = self.log.append(&changes) {
            if tried.is_multiple_of(SAID_EVERY) {
                tracing::error!("{error}; trying again every second");
            }
            tried += 1;
            self.hub.trouble(Stage::Alerts, Some(error.to_string()));
            std::thread::sleep(RETRY);
        }
        self.hub.trouble(Stage::Alerts, None);
        for change in &changes {
            self.metrics.alert(change.alert.severity, &change.change);
            self.hub.alert(change);
        }
    }
}
