//! The plan: checked rules as inert data. The compiler ends here; matching and correlation start here.
//!
//! Nothing in a plan refers to source text or to a dataflow. Names are resolved to fields, lists to
//! their values, durations to microseconds, and each form to its steps and parameters.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::alert::Severity;

pub use crate::event::field::FieldRef;
pub use form::{Aggregate, Bound, Compare, Deviation, Form, Having, Residual, Stage, Window};
pub use group::{Group, Member};
pub use predicate::{Atom, Network, Predicate, Test, mapped};
pub use retro::{Known, Retro, Shape};
pub use tuple::Tuple;

mod form;
mod group;
mod predicate;
mod retro;
mod same;
mod tuple;

/// All rules of a folder, compiled as one program. A rule's position is its number in the dataflow.
#[derive(Debug, Default)]
pub struct Program {
    /// The rules, sorted by name.
    pub rules: Vec<Rule>,
    /// The lists that rules with [`Rule::retro`] meet while running, by [`Test::Listed`]'s number.
    pub lists: Vec<List>,
    groups: Vec<Group>,
    /// For each rule its group, and where its bits start there.
    places: Vec<(u32, u32)>,
}

/// A list that may change while rules run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// Its name, as rules use it (`list("x")` has the path it is read from).
    pub name: String,
    /// The file it is read from; `None` for values written in a rule file.
    pub file: Option<std::path::PathBuf>,
    /// Its values, lower case.
    pub values: Arc<FxHashSet<String>>,
    /// Those of its values that are networks or addresses.
    pub networks: Arc<Vec<Network>>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique name; part of every alert id.
    pub name: String,
    /// Title template.
    pub title: Template,
    /// Longer text for people.
    pub description: Option<String>,
    /// Severity of its alerts.
    pub severity: Severity,
    /// ATT&CK technique ids.
    pub attack: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Runbook path or address.
    pub runbook: Option<String>,
    /// What raises it without an attack, in the words of the rule.
    pub falsepositives: Vec<String>,
    /// Risk points.
    pub risk: Option<i64>,
    /// The steps. Every form but a sequence has one; an `until` is the last.
    pub steps: Vec<Step>,
    /// The names under which the key is shown (those of the first step).
    pub key: Vec<FieldRef>,
    /// Values that a match row carries for titles and distinct counts.
    pub payload: Vec<FieldRef>,
    /// How matches are found.
    pub form: Form,
    /// Matches of a key whose gap is at most this merge into one episode, µs; 0 without a cooldown.
    pub cooldown: i64,
    /// How far back a change of a list reaches, µs; 0 for rules whose lists are read when an event is accepted.
    pub retro: i64,
    /// What the rule leaves out; for explanations only, since [`Step::predicate`] has it folded in.
    pub exceptions: Exceptions,
    /// 0 for rules over events; a rule over alerts stands one above the highest rule whose alerts it can match.
    pub level: u32,
    /// The file it came from.
    pub file: Arc<str>,
}

/// One kind of event a rule looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its label in the rule (`fail:`), else the name of the `let` that it is made of, if any. For people only.
    pub name: Option<String>,
    /// Which events; exceptions are folded in.
    pub predicate: Predicate,
    /// The fields whose values make the key, one for each of [`Rule::key`]. An event that misses one of them does not take part.
    pub key: Vec<FieldRef>,
}

impl Rule {
    /// How far back its state reaches, µs.
    pub fn reach(&self) -> i64 {
        self.form.within().saturating_add(self.cooldown).saturating_add(self.retro)
    }
}

/// The exceptions of a rule, and its steps without them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exceptions {
    /// In the order in which they are written.
    pub all: Vec<Exception>,
    /// The predicate of each of [`Rule::steps`] before exceptions were folded in; empty when there are none.
    pub bare: Vec<Predicate>,
}

/// Events that no step of a rule sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Why, in the words of the rule.
    pub reason: String,
    /// Which events; an expiry is part of it.
    pub predicate: Predicate,
}

impl Program {
    /// A program of these rules, sorted by name, which use these lists.
    pub fn new(rules: Vec<Rule>, lists: Vec<List>) -> Program {
        let (groups, places) = group::groups(&rules);
        Program { rules, lists, groups, places }
    }

    /// What the rows of matching refer to.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a rule (a position in [`Program::groups`]), and these steps of it (bit i for the i-th) as its rows say them.
    pub fn place(&self, rule: u32, steps: u32) -> (u32, u64) {
        let (group, shift) = self.places[rule as usize];
        (group, u64::from(steps) << shift)
    }

    /// How many levels of rules there are: 1 without rules over alerts.
    pub fn levels(&self) -> u32 {
        self.rules.iter().map(|r| r.level).max().unwrap_or(0) + 1
    }

    /// How far behind the watermark the rows of a level can still come or go, µs: an episode of a lower level that
    /// changes now may have started a window and a cooldown ago, and lists reach back as far as their rules say.
    pub fn lag(&self, level: u32) -> i64 {
        let longest = |level| self.rules.iter().filter(|r| r.level == level).map(Rule::reach).max().unwrap_or(0);
        (0..level).fold(0, |lag: i64, level| lag.saturating_add(longest(level)))
    }

    /// How far back state reaches, µs: the longest window, cooldown and reach of lists of each level together.
    pub fn horizon(&self) -> i64 {
        self.lag(self.levels())
    }

    /// Whether a rule waits for something not to happen until some time.
    pub fn waits(&self) -> bool {
        let waits = |form: &Form| match form {
            Form::Sequence { stages, .. } => stages.last() == Some(&Stage::Absent),
            Form::Single
            | Form::Threshold { .. }
            | Form::Distinct { .. }
            | Form::Aggregate { .. }
            | Form::All { .. }
            | Form::Novel { .. }
            | Form::Baseline { .. } => false,
        };
        self.rules.iter().any(|rule| waits(&rule.form))
    }

    /// The number of the rule of this name.
    pub fn position(&self, name: &str) -> Option<u32> {
        self.rules.binary_search_by(|r| r.name.as_str().cmp(name)).ok().map(|i| i as u32)
    }
}

/// A title: text with holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a title.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text as it stands.
    Text(String),
    /// `{count}`.
    Count,
    /// `{source.ip}` when it is part of the key: position in [`Rule::key`].
    Key(usize),
    /// A value of an event: of the given step's in the first match, or without a step of the
    /// first event (of the last one in a sequence).
    Value {
        /// Position in [`Rule::steps`].
        step: Option<usize>,
        /// Position in [`Rule::payload`].
        slot: usize,
    },
}
