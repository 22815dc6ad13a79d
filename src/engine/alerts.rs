//! The alert thread of a running engine: what the dataflow says becomes alert changes, stored and then shown.
//!
//! After a restart it first compares what the archive's replay found with what was said before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{EngineError, restart};
use crate::alert::{Alert, AlertChange, AlertId, Change};
use crate::archive::AlertLog;
use crate::correlate::{Outputs, changes};
use crate::event::time;
use crate::metrics::Metrics;
use crate::rule::plan::Program;
use crate::serve::live::Hub;

/// How long a failed write waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A running episode's end and count are written at most this often.
const DAMPING: Duration = Duration::from_secs(1);

/// State of the thread.
pub(super) struct Alerts {
    pub(super) program: Arc<Program>,
    pub(super) log: AlertLog,
    pub(super) rebuilding: Option<restart::Rebuilt>,
    pub(super) rebuilt: BTreeMap<AlertId, Alert>,
    /// Alerts of which something was written lately: when, and what came since.
    pub(super) held: HashMap<AlertId, (Instant, Option<AlertChange>)>,
    pub(super) hub: Arc<Hub>,
    pub(super) metrics: Arc<Metrics>,
}

impl Alerts {
    /// Runs until the dataflow ends.
    pub(super) fn run(mut self, mut outputs: Outputs) -> Result<(), EngineError> {
        while let Some(output) = outputs.receive()? {
            let changes = changes::changes(&self.program, &output.changes, time::now());
            match &self.rebuilding {
                Some(rebuilt) if output.epoch < rebuilt.epochs => {
                    for change in changes {
                        match change.change {
                            Change::Added | Change::Changed => self.rebuilt.insert(change.alert.id, change.alert),
                            Change::Superseded { .. } | Change::Withdrawn => self.rebuilt.remove(&change.alert.id),
                        };
                    }
                }
                _ => {
                    self.reconcile();
                    let due = self.damp(changes);
                    self.write(due);
                }
            }
        }
        self.reconcile();
        let rest = self.held.drain().filter_map(|(_, (_, change))| change).collect();
        self.write(rest);
        Ok(())
    }

    /// Says, once, what the archive knows and the alert log does not.
    fn reconcile(&mut self) {
        let Some(rebuilt) = self.rebuilding.take() else { return };
        let now = std::mem::take(&mut self.rebuilt);
        let said = self.log.current().clone();
        self.write(changes::reconcile(&said, &now, rebuilt.exact_from, time::now()));
    }

    /// What must be written now: everything but changes of an alert that was written less than [`DAMPING`] ago.
    fn damp(&mut self, changes: Vec<AlertChange>) -> Vec<AlertChange> {
        let now = Instant::now();
        let mut due = Vec::new();
        for change in changes {
            let id = change.alert.id;
            match (&change.change, self.held.get_mut(&id)) {
                (Change::Changed, Some((_, held))) => *held = Some(change),
                (Change::Changed | Change::Added, _) => {
                    self.held.insert(id, (now, None));
                    due.push(change);
                }
                (Change::Superseded { .. } | Change::Withdrawn, _) => {
                    self.held.remove(&id);
                    due.push(change);
                }
            }
        }
        self.held.retain(|_, (written, held)| {
            if written.elapsed() < DAMPING {
                return true;
            }
            *written = now;
            let held = held.take();
            let keep = held.is_some();
            due.extend(held);
            keep
        });
        due
    }

    fn write(&mut self, changes: Vec<AlertChange>) {
        if changes.is_empty() {
            return;
        }
        while let Err(error) = self.log.append(&changes) {
            tracing::error!("{error}; trying again every second");
            self.hub.trouble(Some(error.to_string()));
            std::thread::sleep(RETRY);
        }
        for change in &changes {
            self.metrics.alert(change.alert.severity, &change.change);
            self.hub.alert(change);
        }
    }
}
