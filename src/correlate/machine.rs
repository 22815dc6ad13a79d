//! The machine of one rule and key: events in order in, episodes out.

use super::distinct::Distinct;
use super::episode::{Episode, Place, Point, Proof};
use super::sequence::Sequence;
use super::threshold::Threshold;
use crate::event::EventId;
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
#[derive(Clone, Debug)]
pub(super) struct Machine {
    automaton: Automaton,
    episode: Option<Box<Episode>>,
    events: u64,
}

#[derive(Clone, Debug)]
enum Automaton {
    Threshold(Threshold),
    Distinct(Distinct),
    Sequence(Sequence),
}

impl Machine {
    /// Before any event. [`Form::Single`] has no state and is a threshold of one if it comes here.
    pub(super) fn new(rule: &plan::Rule) -> Machine {
        let automaton = match &rule.form {
            Form::Single | Form::Threshold { .. } => Automaton::Threshold(Threshold::default()),
            Form::Distinct { .. } => Automaton::Distinct(Distinct::default()),
            Form::Sequence { stages, .. } => Automaton::Sequence(Sequence::new(stages)),
            Form::Aggregate { .. } | Form::All { .. } | Form::Novel { .. } | Form::Baseline { .. } => {
                Automaton::Threshold(Threshold::default())
            }
        };
        Machine { automaton, episode: None, events: 0 }
    }

    /// Takes the next event in (time, id) order. When it starts another episode, the one before is returned.
    pub(super) fn step(&mut self, rule: &plan::Rule, row: &Row) -> Option<Box<Episode>> {
        let until = match &rule.form {
            Form::Sequence { until: Some(until), .. } => row.steps & (1 << until) != 0,
            Form::Sequence { until: None, .. }
            | Form::Single
            | Form::Threshold { .. }
            | Form::Distinct { .. }
            | Form::Aggregate { .. }
            | Form::All { .. }
            | Form::Novel { .. }
            | Form::Baseline { .. } => false,
        };
        if until && let Automaton::Sequence(sequence) = &mut self.automaton {
            sequence.reset();
            return None;
        }
        self.events += 1;
        let point = Point { place: row.place(), ordinal: self.events, values: row.values.clone() };
        let completed = match (&mut self.automaton, &rule.form) {
            (Automaton::Threshold(t), Form::Threshold { within, count }) => t.step(*within, *count, point),
            (Automaton::Distinct(d), Form::Distinct { within, count, slot }) => d.step(*within, *count, *slot, point),
            (Automaton::Sequence(s), Form::Sequence { within, .. }) => s.step(*within, row.steps, &point),
            (Automaton::Threshold(t), Form::Single) => t.step(0, 1, point),
            (Automaton::Threshold(_) | Automaton::Distinct(_) | Automaton::Sequence(_), _) => false,
        };
        if !completed {
            return None;
        }
        let start = self.start();
        if let Some(open) = &mut self.episode
            && open.reaches(start, rule.cooldown)
        {
            open.extend(row.place(), self.events);
            return None;
        }
        self.episode.replace(Box::new(Episode::open(&self.proof(), rule.steps.len())))
    }

    /// The episode that goes on, if any.
    pub(super) fn episode(&self) -> Option<&Episode> {
        self.episode.as_deref()
    }

    fn start(&self) -> i64 {
        match &self.automaton {
            Automaton::Threshold(t) => t.start(),
            Automaton::Distinct(d) => d.start(),
            Automaton::Sequence(s) => s.start(),
        }
    }

    fn proof(&self) -> Proof {
        match &self.automaton {
            Automaton::Threshold(t) => t.proof(),
            Automaton::Distinct(d) => d.proof(),
            Automaton::Sequence(s) => s.proof(),
        }
    }
}
