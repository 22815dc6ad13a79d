//! What a machine has of its rule's form. In: a rule. Out: the state of its form before any event.

use super::aggregate::Aggregate;
use super::all::All;
use super::baseline::Baseline;
use super::distinct::Distinct;
use super::joined::Joined;
use super::novel::Novel;
use super::sequence::Sequence;
use super::stages::Stages;
use super::threshold::Threshold;
use crate::rule::plan::{self, Form};

/// Those that millions of keys may have are held in place.
#[derive(Clone, Debug)]
pub(super) enum Automaton {
    Threshold(Threshold),
    Distinct(Distinct),
    Sequence(Sequence),
    Aggregate(Box<Aggregate>),
    Stages(Box<Stages>),
    Joined(Box<Joined>),
    All(Box<All>),
    Novel(Box<Novel>),
    Baseline(Box<Baseline>),
}

impl Automaton {
    /// Before any event. [`Form::Single`] has no state and is a threshold of one if it comes here.
    pub(super) fn new(rule: &plan::Rule) -> Automaton {
        let payload = &rule.payload;
        match &rule.form {
            Form::Single | Form::Threshold { .. } => Automaton::Threshold(Threshold::default()),
            Form::Distinct { .. } => Automaton::Distinct(Distinct::default()),
            Form::Sequence { stages, residuals, .. } if Sequence::suffices(stages, residuals) => {
                Automaton::Sequence(Sequence::new(stages))
            }
            Form::Sequence { stages, residuals, .. } if residuals.is_empty() => {
                Automaton::Stages(Box::new(Stages::new(stages, payload)))
            }
            Form::Sequence { stages, residuals, .. } => {
                Automaton::Joined(Box::new(Joined::new(stages, residuals, payload)))
            }
            Form::Aggregate { having, .. } => Automaton::Aggregate(Box::new(Aggregate::new(having, payload))),
            Form::All { stages, .. } => Automaton::All(Box::new(All::new(stages, payload))),
            Form::Novel { .. } => Automaton::Novel(Box::default()),
            Form::Baseline { aggregate, .. } => Automaton::Baseline(Box::new(Baseline::new(*aggregate, payload))),
        }
    }

    /// See [`Key::fetch`](super::key::Key::fetch).
    pub(super) fn fetch(&self) {
        match self {
            Automaton::Threshold(t) => t.fetch(),
            Automaton::Distinct(d) => d.fetch(),
            Automaton::Sequence(s) => s.fetch(),
            Automaton::Aggregate(_)
            | Automaton::Stages(_)
            | Automaton::Joined(_)
            | Automaton::All(_)
            | Automaton::Novel(_)
            | Automaton::Baseline(_) => {}
        }
    }

    /// See [`Key::fetch_inside`](super::key::Key::fetch_inside).
    pub(super) fn fetch_inside(&self) {
        if let Automaton::Sequence(s) = self {
            s.fetch_inside();
        }
    }
}
