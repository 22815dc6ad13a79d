//! What stands after `when`: patterns, steps and their settings, as written.

use super::{Condition, Span, Value, Word};

/// `when …`
#[derive(Clone, Debug)]
pub enum When {
    /// One kind of event.
    Single {
        /// Which.
        pattern: Pattern,
        /// What follows it.
        settings: Vec<Setting>,
    },
    /// `sequence … { … }`: steps in order.
    Sequence(Steps),
    /// `all … { … }`: steps in any order.
    All(Steps),
}

impl When {
    /// Its patterns, each with what follows it; that of the `until`, wherever it is written, is the last, as in the plan.
    pub fn patterns(&self) -> Vec<(&Pattern, &[Setting])> {
        match self {
            When::Single { pattern, settings } => vec![(pattern, settings)],
            When::Sequence(body) | When::All(body) => {
                let mut steps: Vec<&Step> = body.steps.iter().collect();
                steps.sort_by_key(|s| s.role == Role::Until);
                steps.into_iter().map(|s| (&s.pattern, s.settings.as_slice())).collect()
            }
        }
    }

    /// Its steps as written; one kind of event has none.
    pub fn steps(&self) -> &[Step] {
        match self {
            When::Single { .. } => &[],
            When::Sequence(body) | When::All(body) => &body.steps,
        }
    }

    /// What stands before the brace of its steps.
    pub fn shared(&self) -> &[Setting] {
        match self {
            When::Single { .. } => &[],
            When::Sequence(body) | When::All(body) => &body.settings,
        }
    }
}

/// The body of a sequence.
#[derive(Clone, Debug)]
pub struct Steps {
    /// What stands before the brace.
    pub settings: Vec<Setting>,
    /// The steps, as written.
    pub steps: Vec<Step>,
    /// The word `sequence` or `all`.
    pub keyword: Span,
    /// All of it.
    pub span: Span,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is for.
    pub role: Role,
    /// `label:`
    pub label: Option<Word>,
    /// Which events.
    pub pattern: Pattern,
    /// What follows.
    pub settings: Vec<Setting>,
    /// All of it.
    pub span: Span,
}

/// What a step is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It must happen.
    Present,
    /// `not …`: it must not happen.
    Absent,
    /// `until …`: it breaks the chain.
    Until,
}

/// `source [where condition]`
#[derive(Clone, Debug)]
pub struct Pattern {
    /// A category, `any`, or the name of a `let`.
    pub source: Word,
    /// The condition.
    pub condition: Option<Condition>,
}

/// What can follow a pattern.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which, and its parameters.
    pub kind: SettingKind,
    /// All of it.
    pub span: Span,
}

/// See [`Setting`].
#[derive(Clone, Debug)]
pub enum SettingKind {
    /// `by f, g`
    By(Vec<Word>),
    /// `on f, g`
    On(Vec<Word>),
    /// `within 5m`
    Within(Word),
    /// `every 1h`
    Every(Word),
    /// `having … [and …]`
    Having(Bounds),
    /// `new (f, g) over 30d`, `rare (f, g) below 3 over 30d`
    Novel(Novel),
    /// `baseline sum(f) over 14d above 4 mad`
    Baseline(Baseline),
}

/// `new (f, g) over 30d learn 14d`
#[derive(Clone, Debug)]
pub struct Novel {
    /// Whether it is written `rare`.
    pub rare: bool,
    /// The key, and last the value.
    pub fields: Vec<Word>,
    /// What follows.
    pub tunings: Vec<Tuning>,
}

/// `baseline sum(f) over 14d above 4 mad`
#[derive(Clone, Debug)]
pub struct Baseline {
    /// What is compared.
    pub aggregate: Aggregate,
    /// What follows.
    pub tunings: Vec<Tuning>,
}

/// `over 14d`, `above 4 mad`
#[derive(Clone, Debug)]
pub struct Tuning {
    /// `over`
    pub name: Word,
    /// `14d`
    pub value: Word,
    /// `mad`
    pub unit: Option<Word>,
    /// All of it.
    pub span: Span,
}

/// A condition on aggregates.
#[derive(Clone, Debug)]
pub enum Bounds {
    /// One comparison.
    One(Bound),
    /// All of them hold.
    And(Vec<Bounds>),
    /// One of them holds.
    Or(Vec<Bounds>),
}

/// `distinct(user.name)`
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// `distinct`
    pub function: Word,
    /// `user.name`
    pub arguments: Vec<Word>,
    /// All of it.
    pub span: Span,
}

/// `distinct(user.name) >= 15`
#[derive(Clone, Debug)]
pub struct Bound {
    /// `distinct(user.name)`
    pub aggregate: Aggregate,
    /// `>=`
    pub operator: Word,
    /// `15`
    pub value: Value,
    /// All of it.
    pub span: Span,
}
