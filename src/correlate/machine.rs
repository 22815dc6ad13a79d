//! The machine of one rule and key: events in order in, episodes out.

use super::amend::Amendment;
use super::automaton::Automaton;
use super::baseline;
use super::episode::{Episode, Place, Point, Proof};
use super::novel;
use super::tally::part;
use super::waiting::Waiting;
use crate::event::EventId;
use crate::event::fetch::fetch;
use crate::rule::plan::{self, Form, Tuple};

/// An event of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) time: i64,
    pub(super) id: EventId,
    pub(super) steps: u32,
    pub(super) values: Tuple,
}

impl Row {
    pub(super) fn place(&self) -> Place {
        Place { time: self.time, id: self.id }
    }
}

/// State after all events so far: the partial matches, the open episode, the count.
///
/// Matches that wait for a deadline stay partial however many events come: only [`Machine::pass`] and
/// [`Machine::judge`] decide on them, so that a state depends on nothing but its events.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    automaton: Automaton,
    episode: Option<Box<Episode>>,
    events: u64,
}

impl Machine {
    /// Before any event. [`Form::Single`] has no state and is a threshold of one if it comes here.
    pub(super) fn new(rule: &plan::Rule) -> Machine {
        Machine { automaton: Automaton::new(rule), episode: None, events: 0 }
    }

    /// Takes the next event in (time, id) order. Episodes that it ends are appended to `ended`: those that others follow, and
    /// those that are over as soon as they begin.
    pub(super) fn step(&mut self, rule: &plan::Rule, row: &Row, ended: &mut Vec<Episode>) {
        match &rule.form {
            Form::Sequence { until: Some(until), .. } if row.steps & (1 << until) != 0 => {
                return self.reset(rule, row.time);
            }
            Form::Single
            | Form::Threshold { .. }
            | Form::Distinct { .. }
            | Form::Aggregate { .. }
            | Form::Sequence { .. }
            | Form::All { .. }
            | Form::Novel { .. }
            | Form::Baseline { .. } => self.events += 1,
        }
        let point = Point { place: row.place(), ordinal: self.events, values: row.values.clone() };
        let completed = match (&mut self.automaton, &rule.form) {
            (Automaton::Threshold(t), Form::Threshold { within, count }) => t.step(*within, (*count).max(1), point),
            (Automaton::Distinct(d), Form::Distinct { within, count, slot }) => {
                d.step(*within, (*count).max(1), *slot, point).unwrap_or_else(|| {
                    self.events -= 1;
                    false
                })
            }
            (Automaton::Sequence(s), Form::Sequence { within, .. }) => s.step(*within, row.steps, &point),
            (Automaton::Aggregate(a), Form::Aggregate { window, having }) => a.step(*window, having, point),
            (Automaton::Stages(s), Form::Sequence { within, stages, .. }) => s.step(*within, stages, row.steps, &point),
            (Automaton::All(a), Form::All { within, stages }) => a.step(*within, stages, row.steps, &point),
            (Automaton::Joined(j), Form::Sequence { within, stages, .. }) => {
                if j.step(*within, stages, row.steps, &point) {
                    let new = Episode::open(&j.proof(), rule.steps.len());
                    Episode::absorb(&mut self.episode, new, rule.cooldown, row.time.saturating_sub(*within), ended);
                }
                return;
            }
            (Automaton::Novel(n), Form::Novel { over, learn, fewer_than, slot }) => {
                let terms = novel::Terms { over: *over, learn: *learn, fewer_than: *fewer_than, slot: *slot };
                match n.step(terms, &point) {
                    Some(true) => ended.push(Episode::open(&n.proof(), rule.steps.len())),
                    Some(false) => {}
                    None => self.events -= 1,
                }
                return;
            }
            (Automaton::Baseline(b), Form::Baseline { every, over, learn, aggregate, above, least }) => {
                let (every, over, learn, aggregate) = (*every, *over, *learn, *aggregate);
                b.step(&baseline::Terms { every, over, learn, aggregate, above: *above, least: *least }, &point)
            }
            (Automaton::Threshold(t), Form::Single) => t.step(0, 1, point),
            // A machine is only ever given the rule it was made for.
            (
                Automaton::Threshold(_)
                | Automaton::Distinct(_)
                | Automaton::Sequence(_)
                | Automaton::Aggregate(_)
                | Automaton::Stages(_)
                | Automaton::Joined(_)
                | Automaton::All(_)
                | Automaton::Novel(_)
                | Automaton::Baseline(_),
                _,
            ) => false,
        };
        if !completed {
            return;
        }
        let start = self.start();
        if let Some(open) = &mut self.episode
            && open.reaches(start, rule.cooldown)
        {
            open.extend(row.place(), self.events);
            return;
        }
        let next = Box::new(Episode::open(&self.proof(), rule.steps.len()));
        ended.extend(self.episode.replace(next).map(|e| *e));
    }

    /// How many of the key's events the row is: none when it breaks what has begun or misses the value that is looked at.
    pub(super) fn counts(rule: &plan::Rule, row: &Row) -> i64 {
        match &rule.form {
            Form::Sequence { until: Some(until), .. } => i64::from(row.steps & (1 << until) == 0),
            Form::Distinct { slot, .. } | Form::Novel { slot, .. } => i64::from(part(&row.values, *slot).is_some()),
            Form::Single
            | Form::Threshold { .. }
            | Form::Aggregate { .. }
            | Form::Sequence { until: None, .. }
            | Form::All { .. }
            | Form::Baseline { .. } => 1,
        }
    }

    /// The episodes that go on, in order: one, but where a match may still join several.
    pub(super) fn episodes(&self) -> impl Iterator<Item = &Episode> {
        Episode::in_order(self.episode.as_deref())
    }

    /// Whether matches wait for a deadline.
    pub(super) fn waits(&self) -> bool {
        self.waiting().is_some()
    }

    /// Decides for good on matches whose deadline is before `time` (µs): no event before it can come or go any more.
    pub(super) fn pass(&mut self, rule: &plan::Rule, time: i64, ended: &mut Vec<Episode>) {
        if !self.waits() {
            return;
        }
        self.episode = self.judge(rule, time, ended);
        match &mut self.automaton {
            Automaton::Stages(s) => s.waiting_mut().forget(time, rule.form.within()),
            Automaton::Joined(j) => j.waiting_mut().forget(time, rule.form.within()),
            Automaton::Threshold(_)
            | Automaton::Distinct(_)
            | Automaton::Sequence(_)
            | Automaton::Aggregate(_)
            | Automaton::All(_)
            | Automaton::Novel(_)
            | Automaton::Baseline(_) => {}
        }
    }

    /// Decides for now on matches whose deadline is before `time` (µs): the episodes that are open then.
    pub(super) fn judge(&self, rule: &plan::Rule, time: i64, ended: &mut Vec<Episode>) -> Option<Box<Episode>> {
        let mut open = self.episode.clone();
        if let Some(waiting) = self.waiting() {
            let within = rule.form.within();
            for new in waiting.episodes(time, within, rule.steps.len()) {
                Episode::absorb(&mut open, new, rule.cooldown, time.saturating_sub(within), ended);
            }
        }
        open
    }

    /// The first deadline that is not before `time`, µs.
    pub(super) fn due(&self, rule: &plan::Rule, time: i64) -> Option<i64> {
        self.waiting().and_then(|w| w.due(time, rule.form.within()))
    }

    fn reset(&mut self, rule: &plan::Rule, time: i64) {
        match (&mut self.automaton, &rule.form) {
            (Automaton::Sequence(s), _) => s.reset(),
            (Automaton::Stages(s), Form::Sequence { within, stages, .. }) => s.reset(time, *within, stages),
            (Automaton::Joined(j), Form::Sequence { within, stages, .. }) => j.reset(time, *within, stages),
            (
                Automaton::Threshold(_)
                | Automaton::Distinct(_)
                | Automaton::Aggregate(_)
                | Automaton::Stages(_)
                | Automaton::Joined(_)
                | Automaton::All(_)
                | Automaton::Novel(_)
                | Automaton::Baseline(_),
                _,
            ) => {}
        }
    }

    fn waiting(&self) -> Option<&Waiting> {
        match &self.automaton {
            Automaton::Stages(s) => s.waits().then(|| s.waiting()),
            Automaton::Joined(j) => j.waits().then(|| j.waiting()),
            Automaton::Threshold(_)
            | Automaton::Distinct(_)
            | Automaton::Sequence(_)
            | Automaton::Aggregate(_)
            | Automaton::All(_)
            | Automaton::Novel(_)
            | Automaton::Baseline(_) => None,
        }
    }

    /// Start of the match the last event completed, µs.
    fn start(&self) -> i64 {
        match &self.automaton {
            Automaton::Threshold(t) => t.start(),
            Automaton::Distinct(d) => d.start(),
            Automaton::Sequence(s) => s.start(),
            Automaton::Aggregate(a) => a.start(),
            Automaton::Stages(s) => s.start(),
            Automaton::All(a) => a.start(),
            Automaton::Joined(_) | Automaton::Novel(_) | Automaton::Baseline(_) => {
                self.proof().first().map_or(i64::MIN, |(_, first)| first.place.time)
            }
        }
    }

    /// See [`Key::fetch`](super::key::Key::fetch).
    pub(super) fn fetch(&self) {
        self.automaton.fetch();
        self.episode.as_deref().into_iter().for_each(fetch);
    }

    /// See [`Key::fetch_inside`](super::key::Key::fetch_inside).
    pub(super) fn fetch_inside(&self) {
        self.automaton.fetch_inside();
        self.episode.as_deref().into_iter().for_each(Episode::fetch);
    }

    fn proof(&self) -> Proof {
        match &self.automaton {
            Automaton::Threshold(t) => t.proof(),
            Automaton::Distinct(d) => d.proof(),
            Automaton::Sequence(s) => s.proof(),
            Automaton::Aggregate(a) => a.proof(),
            Automaton::Stages(s) => s.proof(),
            Automaton::Joined(j) => j.proof(),
            Automaton::All(a) => a.proof(),
            Automaton::Novel(n) => n.proof(),
            Automaton::Baseline(b) => b.proof(),
        }
    }

    /// About how many events it holds.
    pub(super) fn size(&self) -> usize {
        let automaton = match &self.automaton {
            Automaton::Threshold(t) => t.size(),
            Automaton::Distinct(d) => d.size(),
            Automaton::Sequence(s) => s.size(),
            Automaton::Aggregate(a) => a.size(),
            Automaton::Stages(s) => s.size(),
            Automaton::Joined(j) => j.size(),
            Automaton::All(a) => a.size(),
            Automaton::Novel(n) => n.size(),
            Automaton::Baseline(b) => b.size(),
        };
        // An episode remembers the places of its latest events.
        automaton + 8
    }

    /// Whether whatever comes next does the same to both, but for the beginning, the latest events and the count of the episode that
    /// is open.
    fn goes_on_as(&self, other: &Machine, rule: &plan::Rule) -> bool {
        let episodes = match (&self.episode, &other.episode) {
            (None, None) => true,
            (Some(a), Some(b)) => a.goes_on_as(b),
            (Some(_), None) | (None, Some(_)) => false,
        };
        // Where matches wait, events alone do nothing to episodes.
        (episodes || self.waits())
            && match (&self.automaton, &other.automaton) {
                (Automaton::Threshold(a), Automaton::Threshold(b)) => a.same(b),
                (Automaton::Distinct(a), Automaton::Distinct(b)) => a.same(b),
                (Automaton::Sequence(a), Automaton::Sequence(b)) => a.same(b),
                (Automaton::Aggregate(a), Automaton::Aggregate(b)) => a.same(b),
                (Automaton::Stages(a), Automaton::Stages(b)) => a.same(b),
                (Automaton::Joined(a), Automaton::Joined(b)) => a.same(b),
                (Automaton::All(a), Automaton::All(b)) => a.same(b),
                (Automaton::Novel(a), Automaton::Novel(b)) => match rule.form {
                    Form::Novel { over, .. } => a.same(b, over),
                    Form::Single
                    | Form::Threshold { .. }
                    | Form::Distinct { .. }
                    | Form::Aggregate { .. }
                    | Form::Sequence { .. }
                    | Form::All { .. }
                    | Form::Baseline { .. } => false,
                },
                (Automaton::Baseline(a), Automaton::Baseline(b)) => a.same(b),
                (
                    Automaton::Threshold(_)
                    | Automaton::Distinct(_)
                    | Automaton::Sequence(_)
                    | Automaton::Aggregate(_)
                    | Automaton::Stages(_)
                    | Automaton::Joined(_)
                    | Automaton::All(_)
                    | Automaton::Novel(_)
                    | Automaton::Baseline(_),
                    _,
                ) => false,
            }
    }

    /// What these changes, which led to this state where there was `before`, mean for the states behind `before`; `None` when
    /// these have to be run again. `until` is the last event both have seen.
    pub(super) fn amendment(
        &self,
        before: &Machine,
        rule: &plan::Rule,
        changes: &[(Place, i64)],
        until: Place,
    ) -> Option<Amendment> {
        if !self.goes_on_as(before, rule) {
            return None;
        }
        let mut amendment = Amendment::new(changes);
        if let (Some(new), Some(old)) = (&self.episode, &before.episode) {
            let renewal = new.renewal(old, &amendment, until);
            if renewal.is_some() && matches!(self.automaton, Automaton::Joined(_)) {
                // Behind, the episode may have become one with others, and go by another beginning.
                return None;
            }
            amendment.renew(renewal);
        }
        Some(amendment)
    }

    /// Corrects it for events that came or went before; whether there was anything that may have to be, so that there may be in
    /// later states.
    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let episode = self.episode.as_mut().is_some_and(|e| e.amend(amendment));
        let automaton = match &mut self.automaton {
            Automaton::Distinct(d) => d.amend(amendment),
            Automaton::Sequence(s) => s.amend(amendment),
            Automaton::Aggregate(a) => a.amend(amendment),
            Automaton::Stages(s) => s.amend(amendment),
            Automaton::Joined(j) => j.amend(amendment),
            Automaton::All(a) => a.amend(amendment),
            // Their matches are single events, or its events follow one another.
            Automaton::Threshold(_) | Automaton::Novel(_) | Automaton::Baseline(_) => false,
        };
        automaton || episode
    }
}
