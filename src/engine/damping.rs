//! Running episodes change with every event: what only moves an end or a count is said at most once a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::alert::{AlertChange, AlertId, Change};

/// A running episode's end and count are said at most this often.
const PERIOD: Duration = Duration::from_secs(1);

/// Holds back changes.
#[derive(Default)]
pub(super) struct Damping {
    /// Alerts of which something was said lately: when, and what came since.
    held: HashMap<AlertId, (Instant, Option<AlertChange>)>,
}

impl Damping {
    /// What must be said now: everything but changes of an alert of which something was said less than [`PERIOD`] ago.
    pub(super) fn pass(&mut self, changes: Vec<AlertChange>) -> Vec<AlertChange> {
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
        self.held.retain(|_, (said, held)| {
            if said.elapsed() < PERIOD {
                return true;
            }
            *said = now;
            let held = held.take();
            let keep = held.is_some();
            due.extend(held);
            keep
        });
        due
    }

    /// All that is held back.
    pub(super) fn flush(&mut self) -> Vec<AlertChange> {
        self.held.drain().filter_map(|(_, (_, change))| change).collect()
    }

    /// What is held back of these alerts; of them nothing was said lately then.
    pub(super) fn release(&mut self, of: impl Fn(&AlertChange) -> bool) -> Vec<AlertChange> {
        let (due, held) = self.held.drain().partition(|(_, (_, change))| change.as_ref().is_some_and(&of));
        self.held = held;
        let due: HashMap<AlertId, (Instant, Option<AlertChange>)> = due;
        due.into_values().filter_map(|(_, change)| change).collect()
    }
}
