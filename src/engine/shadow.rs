//! Another program beside the one that runs, until it can take its place.
//!
//! Levels of rules over alerts and lists that rules follow are part of a dataflow. A program with
//! either is started anew in a second one, on a thread of its own: it is rebuilt from the archive as after a
//! restart ([`restart::replay`]), and follows the live epochs since. Once it has caught up it goes to the pipeline as a
//! [`Successor`]; until then the program that runs goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Receiver;
use tokio::sync::mpsc;

use super::EngineError;
use super::past::{Filled, Past};
use super::restart::{self, Floors, Found, Heard};
use super::rules::Rules;
use crate::alert::{Alert, AlertId};
use crate::archive::ArchiveError;
use crate::correlate::{self, Emit, Input, Outputs, Roster};
use crate::matching::MatchRow;

/// A live epoch: its rows, and the watermark after it (µs).
pub(super) type Live = (Vec<MatchRow>, i64);

/// What becomes a second dataflow.
pub(super) struct Shadow {
    pub(super) rules: Arc<Rules>,
    pub(super) workers: usize,
    pub(super) past: Result<Past, ArchiveError>,
    /// Live epochs since.
    pub(super) live: Receiver<Live>,
    /// Set when it is no longer wanted.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) out: mpsc::Sender<Filled>,
}

/// A second dataflow that has caught up.
pub(super) struct Successor {
    // INVARIANT: goes before the outputs, whose end waits for it.
    pub(super) input: Input,
    pub(super) outputs: Outputs,
    /// What it said of the past in the epochs that were received.
    pub(super) found: Found,
    pub(super) stop: Arc<AtomicBool>,
}

/// What the pipeline tells the alert thread of shadows.
pub(super) enum Relay {
    /// One is to be filled, once all is written that was said up to this epoch. These rules are shown as being filled.
    Begin { after: u64, shadow: Box<Shadow>, filling: BTreeSet<String> },
    /// After this epoch what another dataflow says counts. Before `caught_up` (one of its epochs) it speaks of the past.
    TakeOver {
        after: u64,
        roster: Arc<Roster>,
        outputs: Box<Outputs>,
        found: Found,
        caught_up: u64,
        /// Rules that are new.
        added: BTreeSet<String>,
    },
    /// None is filled any more.
    Abandon,
}

impl Relay {
    /// The epoch after which it is due.
    pub(super) fn after(&self) -> u64 {
        match self {
            Relay::Begin { after, .. } | Relay::TakeOver { after, .. } => *after,
            Relay::Abandon => 0,
        }
    }
}

impl Shadow {
    /// Starts the thread; `said` are the alerts that stand.
    pub(super) fn start(self, said: &BTreeMap<AlertId, Alert>) {
        let floors = self.past.as_ref().ok().map(|past| Floors::of(&self.rules.program, past, said));
        let (out, stop) = (self.out.clone(), self.stop.clone());
        let thread = std::thread::Builder::new().name("shadow".to_owned()).spawn(move || self.run(floors));
        if let Err(error) = thread {
            // The pipeline ends first when weir stops.
            drop(out.blocking_send(Filled::Failed(stop, EngineError::Thread(error).to_string())));
        }
    }

    fn run(self, floors: Option<Floors>) {
        let (out, stop) = (self.out.clone(), self.stop.clone());
        let result = match self.fill(floors) {
            Ok(Some(successor)) => Filled::CaughtUp(Box::new(successor)),
            Ok(None) => return,
            Err(error) => Filled::Failed(stop, error.to_string()),
        };
        drop(out.blocking_send(result));
    }

    /// `None` when it is no longer wanted.
    fn fill(&self, floors: Option<Floors>) -> Result<Option<Successor>, EngineError> {
        let (past, floors) = match (&self.past, floors) {
            (Ok(past), Some(floors)) => (past, floors),
            (Err(error), _) => return Err(EngineError::Past(error.to_string())),
            (Ok(_), None) => return Ok(None),
        };
        let stop = || self.stop.load(Ordering::Relaxed) || self.out.is_closed();
        let (started, mut outputs) = correlate::start(self.rules.program.clone(), self.workers, Emit::Running)?;
        let mut heard = Heard::new(&mut outputs, floors);
        // INVARIANT: goes before the outputs, whose end waits for it.
        let mut input = started;
        let from = heard.found.floors.from;
        restart::replay(&self.rules, past, from, &mut input, &stop, &mut |sent| heard.up_to(sent))?;
        // What comes live meanwhile follows, until there is no more.
        while let Ok((rows, watermark)) = self.live.try_recv() {
            if stop() {
                return Ok(None);
            }
            let sent = input.send(rows, watermark)?;
            heard.up_to(sent)?;
        }
        let found = heard.found;
        Ok((!stop()).then(|| Successor { input, outputs, found, stop: self.stop.clone() }))
    }
}
