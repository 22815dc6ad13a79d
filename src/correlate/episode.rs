//! Episodes: overlapping matches of one rule and key, grown together.

use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::amend::Amendment;
use crate::event::EventId;
use crate::event::fetch::fetch;
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
    /// Its number among the key's events (those of `until` apart). Only differences count: see [`Amendment`].
    pub(super) ordinal: u64,
    /// The payload.
    pub(super) values: Tuple,
}

impl Point {
    /// Whether both are the same event, whatever its number.
    pub(super) fn same(&self, other: &Point) -> bool {
        self.place == other.place && self.values == other.values
    }
}

/// What proves a match: its events in order, each with the position of its step.
pub(super) type Proof = Vec<(usize, Point)>;

/// An episode while it grows.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    head: Head,
    first_ordinal: u64,
    last: Place,
    last_ordinal: u64,
    /// The latest events that completed a match.
    recent: VecDeque<Place>,
    /// The episode before it, while a match may still come that reaches back to that one: where later matches can start
    /// earlier than those before them.
    earlier: Option<Box<Episode>>,
}

/// What an episode has of its first match, shared by its copies.
#[derive(Clone, Debug, PartialEq)]
struct Head {
    first: Place,
    /// The first events.
    proof: Rc<[Place]>,
    values: Rc<[Option<Tuple>]>,
}

/// What an amendment brings to an episode that was open when a re-run met the state from before.
#[derive(Debug)]
pub(super) struct Renewal {
    /// The first event it had.
    opened: Place,
    /// Its new beginning, and how much further back that is.
    head: Option<(Head, u64)>,
    /// Its latest events up to [`Renewal::until`].
    recent: Option<VecDeque<Place>>,
    until: Place,
}

impl Episode {
    /// Opens with its first match. `steps` is how many steps the rule has.
    pub(super) fn open(proof: &Proof, steps: usize) -> Episode {
        let (first, last) = (&proof[0].1, &proof[proof.len() - 1].1);
        // One slot a step, then the first event and the last one of the match.
        let mut values: Rc<[Option<Tuple>]> = (0..steps + 2).map(|_| None).collect();
        let slots = Rc::get_mut(&mut values).expect("nobody else has it yet");
        for (step, point) in proof {
            slots[*step] = Some(point.values.clone());
        }
        slots[steps] = Some(first.values.clone());
        slots[steps + 1] = Some(last.values.clone());
        // An event that serves several steps is there several times.
        let (mut places, mut count) = ([first.place; EVIDENCE], 1);
        for (_, point) in proof {
            if count < EVIDENCE && point.place != places[count - 1] {
                places[count] = point.place;
                count += 1;
            }
        }
        Episode {
            head: Head { first: first.place, proof: Rc::from(&places[..count]), values },
            first_ordinal: first.ordinal,
            last: last.place,
            last_ordinal: last.ordinal,
            recent: VecDeque::from([last.place]),
            earlier: None,
        }
    }

    /// See [`Key::fetch`](super::key::Key::fetch).
    pub(super) fn fetch(&self) {
        self.recent.back().into_iter().for_each(fetch);
    }

    /// Its first event.
    pub(super) fn first(&self) -> Place {
        self.head.first
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

    /// Takes in a match, whose episode of its own `new` is, into the latest of the episodes that are open. It may start
    /// before them and so join several; it must not lie before an earlier one that it does not reach. No later match starts
    /// before `from` (µs), so episodes before the latest one that end long before are appended to `ended`.
    pub(super) fn absorb(
        latest: &mut Option<Box<Episode>>,
        mut new: Episode,
        cooldown: i64,
        from: i64,
        ended: &mut Vec<Episode>,
    ) {
        while let Some(mut open) = latest.take_if(|open| open.reaches(new.head.first.time, cooldown)) {
            *latest = open.earlier.take();
            new.join(*open);
        }
        new.earlier = latest.take();
        new.part(from, cooldown, ended);
        *latest = Some(Box::new(new));
    }

    /// Becomes one with an earlier episode.
    fn join(&mut self, before: Episode) {
        if before.head.first <= self.head.first {
            self.head = before.head;
            self.first_ordinal = before.first_ordinal;
        }
        if before.last > self.last {
            self.last = before.last;
            self.last_ordinal = before.last_ordinal;
        }
        self.recent.extend(before.recent);
        let recent = self.recent.make_contiguous();
        recent.sort_unstable();
        let surplus = recent.len().saturating_sub(EVIDENCE);
        self.recent.drain(..surplus);
    }

    /// Lets go of the episodes before it that no match that starts at or after `start` (µs) reaches.
    fn part(&mut self, start: i64, cooldown: i64, ended: &mut Vec<Episode>) {
        let mut at = self;
        while at.earlier.as_ref().is_some_and(|e| e.reaches(start, cooldown)) {
            at = at.earlier.as_mut().expect("it was just seen");
        }
        let (mut next, from) = (at.earlier.take(), ended.len());
        while let Some(mut episode) = next {
            next = episode.earlier.take();
            ended.push(*episode);
        }
        ended[from..].reverse();
    }

    /// It and those before it that are open too, in order.
    pub(super) fn in_order(latest: Option<&Episode>) -> impl Iterator<Item = &Episode> {
        let back = move || std::iter::successors(latest, |e| e.earlier.as_deref());
        (0..back().count()).rev().filter_map(move |skip| back().nth(skip))
    }

    /// Whether it goes on just as the other does: later matches extend both or neither.
    pub(super) fn goes_on_as(&self, other: &Episode) -> bool {
        let same = match (&self.earlier, &other.earlier) {
            (None, None) => true,
            (Some(a), Some(b)) => a.head == b.head && a.recent == b.recent && a.goes_on_as(b),
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.last == other.last && same
    }

    /// What makes of `before`, as later states have it, this one; nothing, when they have the same beginning and latest
    /// events. `amendment` is what else is corrected there; `until` the last event both have seen.
    pub(super) fn renewal(&self, before: &Episode, amendment: &Amendment, until: Place) -> Option<Renewal> {
        let head = (self.head != before.head).then(|| {
            let mut last = before.last_ordinal;
            amendment.number(before.last, &mut last);
            let count = self.last_ordinal.wrapping_sub(self.first_ordinal);
            (self.head.clone(), before.first_ordinal.wrapping_sub(last.wrapping_sub(count)))
        });
        let recent = (self.recent != before.recent).then(|| self.recent.clone());
        let opened = before.head.first;
        (head.is_some() || recent.is_some()).then_some(Renewal { opened, head, recent, until })
    }

    /// Corrects it for events that came or went; whether there was anything that may have to be.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let opened = self.first_ordinal;
        let mut touched = amendment.number(self.head.first, &mut self.first_ordinal);
        amendment.number(self.last, &mut self.last_ordinal);
        if let Some(earlier) = &mut self.earlier {
            touched |= earlier.amend(amendment);
        }
        let Some(renewal) = amendment.renewal(self.head.first) else { return touched };
        if let Some((head, back)) = &renewal.head {
            self.head = head.clone();
            self.first_ordinal = opened.wrapping_sub(*back);
        }
        if let Some(recent) = &renewal.recent {
            let newer = self.recent.iter().filter(|p| **p > renewal.until);
            let all: Vec<Place> = recent.iter().chain(newer).copied().collect();
            self.recent = all[all.len().saturating_sub(EVIDENCE)..].iter().copied().collect();
        }
        true
    }

    /// As it leaves the operator.
    pub(super) fn record(&self, rule: u32, key: &Tuple) -> Record {
        let mut evidence = self.head.proof.to_vec();
        evidence.extend(&self.recent);
        evidence.sort_unstable();
        evidence.dedup();
        Record {
            rule,
            key: key.clone(),
            first: self.head.first,
            last: self.last,
            count: self.last_ordinal.wrapping_sub(self.first_ordinal).wrapping_add(1),
            evidence,
            values: self.head.values.to_vec(),
        }
    }
}

impl Renewal {
    /// The first event of the episode it is for, as it was.
    pub(super) fn opened(&self) -> Place {
        self.opened
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

/// What is kept of many events of a match: the first ones, which an alert names, and the last one.
pub(super) fn ends<'a>(points: impl ExactSizeIterator<Item = &'a Point>) -> impl Iterator<Item = &'a Point> {
    let last = points.len().saturating_sub(1);
    points.enumerate().filter(move |(i, _)| *i < EVIDENCE || *i == last).map(|(_, point)| point)
}

/// What is kept of a proof: the first events, which an alert names, and each step's last one.
pub(super) fn condense(proof: &mut Proof) {
    if proof.len() <= EVIDENCE {
        return;
    }
    let mut at = 0;
    let last: Vec<bool> =
        (0..proof.len()).map(|i| proof[i + 1..].iter().all(|(step, _)| *step != proof[i].0)).collect();
    proof.retain(|_| {
        at += 1;
        at <= EVIDENCE || last[at - 1]
    });
}
