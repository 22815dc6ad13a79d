//! Episodes: overlapping matches of one rule and key, grown together.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::EventId;
use crate::rule::plan::Tuple;

/// How many events of the first match, and how many of the latest ones, an alert names.
pub const EVIDENCE: usize = 10;

/// Where an event stands in the total order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Event time, µs UTC.
    pub time: i64,
    /// Event id; decides between events of one instant.
    pub id: EventId,
}

/// An event of a key as the machines remember it.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Its place in the order.
    pub(super) place: Place,
    /// Its number among the key's events (those of `until` apart), from 1.
    pub(super) ordinal: u64,
    /// The payload.
    pub(super) values: Tuple,
}

/// What proves a match: its events in order, each with the position of its step.
pub(super) type Proof = Vec<(usize, Point)>;

/// An episode while it grows.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    first: Place,
    first_ordinal: u64,
    last: Place,
    last_ordinal: u64,
    /// The first match's first events.
    proof: Vec<Place>,
    /// The latest events that completed a match.
    recent: VecDeque<Place>,
    values: Vec<Option<Tuple>>,
}

impl Episode {
    /// Opens with its first match. `steps` is how many steps the rule has.
    pub(super) fn open(proof: &Proof, steps: usize) -> Episode {
        let (first, last) = (&proof[0].1, &proof[proof.len() - 1].1);
        // One slot a step, then the first event and the last one of the match.
        let mut values = vec![None; steps + 2];
        for (step, point) in proof {
            values[*step] = Some(point.values.clone());
        }
        values[steps] = Some(first.values.clone());
        values[steps + 1] = Some(last.values.clone());
        Episode {
            first: first.place,
            first_ordinal: first.ordinal,
            last: last.place,
            last_ordinal: last.ordinal,
            proof: proof.iter().map(|(_, p)| p.place).take(EVIDENCE).collect(),
            recent: VecDeque::from([last.place]),
            values,
        }
    }

    /// Whether a match that starts at `start` (µs) belongs to it.
    pub(super) fn reaches(&self, start: i64, cooldown: i64) -> bool {
        start <= self.last.time.saturating_add(cooldown)
    }

    /// Grows to the event that completed another match.
    pub(super) fn extend(&mut self, last: Place, ordinal: u64) {
        self.last = last;
        self.last_ordinal = ordinal;
        if self.recent.len() == EVIDENCE {
            self.recent.pop_front();
        }
        self.recent.push_back(last);
    }

    /// As it leaves the operator.
    pub(super) fn record(&self, rule: u32, key: &Tuple) -> Record {
        let mut evidence = self.proof.clone();
        evidence.extend(&self.recent);
        evidence.sort_unstable();
        evidence.dedup();
        Record {
            rule,
            key: key.clone(),
            first: self.first,
            last: self.last,
            count: self.last_ordinal - self.first_ordinal + 1,
            evidence,
            values: self.values.clone(),
        }
    }
}

/// An episode as data of a collection: what an alert is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Number of the rule in its program.
    pub rule: u32,
    /// The key's values.
    pub key: Tuple,
    /// The first event.
    pub first: Place,
    /// The last event.
    pub last: Place,
    /// How many events of the rule and key lie between them, both included.
    pub count: u64,
    /// The events that prove it.
    pub evidence: Vec<Place>,
    /// Payloads for titles: one a step (of the first match), then the first match's first and last event's.
    pub values: Vec<Option<Tuple>>,
}
