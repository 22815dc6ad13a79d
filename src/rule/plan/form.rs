//! How matches are found among a key's events.

/// How matches are found among a key's events, in (time, id) order. Windows are in µs and include both ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Every event is a match, an episode and an alert of its own: no key, no cooldown, no state.
    Single,
    /// `count` events within the window. A keyed or cooled single event is a threshold of 1.
    Threshold {
        /// Window.
        within: i64,
        /// How many events.
        count: usize,
    },
    /// `count` distinct values of a payload slot within the window; an event that misses the value does not take part.
    Distinct {
        /// Window.
        within: i64,
        /// How many values.
        count: usize,
        /// Position in [`Rule::payload`](super::Rule::payload).
        slot: usize,
    },
    /// Any other `having`, evaluated at every event over the key's events of its window. Where it can only become
    /// true by more events the match is the shortest run ending at that event that meets it; otherwise it is
    /// the whole window up to that event.
    Aggregate {
        /// Which events before an event count with it.
        window: Window,
        /// What must hold.
        having: Having,
    },
    /// Steps one after the other, strictly ordered.
    Sequence {
        /// Window from the first event to the last; for an absence at the end, to its deadline.
        within: i64,
        /// What each step asks for; the steps are the first `stages.len()` of [`Rule::steps`](super::Rule::steps).
        stages: Vec<Stage>,
        /// Position in [`Rule::steps`](super::Rule::steps) of the event that breaks a chain.
        until: Option<usize>,
        /// Conditions between events of two steps, both of [`Having::one`]; all must hold.
        residuals: Vec<Residual>,
    },
    /// Steps in any order; one event may serve several.
    All {
        /// Window from the first event to the last.
        within: i64,
        /// What each step asks for: something that can only become true by more events.
        stages: Vec<Having>,
    },
    /// An event whose value was seen in fewer than `fewer_than` events of the key in [t − over, t), in (time, id)
    /// order. Each such event is a match of its own. Nothing matches before the key was known for
    /// `learn`: from the first event of its present activity, which a gap of more than `over` ends.
    Novel {
        /// How far back the value is looked for.
        over: i64,
        /// How long the key must be known.
        learn: i64,
        /// 1 for `new`.
        fewer_than: usize,
        /// Position of the value in [`Rule::payload`](super::Rule::payload); an event that misses it does not take part.
        slot: usize,
    },
    /// An event at which the aggregate over its bucket up to it stands out from the key's earlier buckets: those of
    /// [t − over, t) that are over, counted from the bucket of the first event of its present activity (a gap of more than `over`
    /// ends that). A bucket without events counts as 0. Nothing matches before the key was known for `learn`.
    Baseline {
        /// Length of a bucket; they are aligned to UTC, start included, end excluded.
        every: i64,
        /// How far back history reaches.
        over: i64,
        /// How long the key must be known.
        learn: i64,
        /// What is compared.
        aggregate: Aggregate,
        /// By how much it must be above.
        above: Deviation,
        /// The least value that matches.
        least: Option<i128>,
    },
}

/// Which events count together with one at time t.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Those of [t − w, t].
    Sliding(i64),
    /// Those of the bucket of this length that t is in, up to it; buckets are aligned to UTC.
    Tumbling(i64),
}

/// A condition on a set of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Having {
    /// One comparison.
    Bound(Bound),
    /// All hold.
    And(Vec<Having>),
    /// One holds.
    Or(Vec<Having>),
}

/// An aggregate compared with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The left side.
    pub aggregate: Aggregate,
    /// How.
    pub compare: Compare,
    /// The right side.
    pub value: i128,
}

/// A figure of a set of events. `slot` is a position in [`Rule::payload`](super::Rule::payload). An event that misses the
/// value (or whose value is not a number, but for `Distinct`) does not count in it; over no values every bound on `Sum`, `Average`, `Least`,
/// `Greatest` and `Percentile` is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// How many events.
    Count,
    /// How many different values. Of a list (a payload joins its elements by `, `) every element is one.
    Distinct {
        /// Of what.
        slot: usize,
    },
    /// Their sum.
    Sum {
        /// Of what.
        slot: usize,
        /// Whether values are never negative: then a lower bound can only become true by more events.
        unsigned: bool,
    },
    /// Their mean, exact: compared as sum against bound × number.
    Average {
        /// Of what.
        slot: usize,
    },
    /// The least.
    Least {
        /// Of what.
        slot: usize,
    },
    /// The greatest.
    Greatest {
        /// Of what.
        slot: usize,
    },
    /// The p-th percentile by nearest rank: the ⌈p/100 × n⌉-th least of n values.
    Percentile {
        /// Of what.
        slot: usize,
        /// p in thousandths, 1 to 100,000.
        thousandths: u32,
    },
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// What a step of a sequence asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Events of the step, after those of the stage before, on which this holds: something that can only become true by
    /// more events. The step is complete with the last of them.
    Present(Having),
    /// No event of the step after the last event of the stage before and before the first one of the stage after;
    /// at the end of the sequence, until `within` after the first event of the chain, that instant included. That is
    /// asked of the chain with the latest start alone which an event completes.
    Absent,
}

impl Stage {
    /// Fewer events never complete it.
    fn least(&self) -> usize {
        match self {
            Stage::Present(having) => having.least(),
            Stage::Absent => 0,
        }
    }
}

/// A condition between an event and one of an earlier step. A comparison with a missing value is false; text is
/// compared without case.
#[derive(Clone, Debug, PartialEq)]
pub struct Residual {
    /// The step of the later event.
    pub step: usize,
    /// Its value, a position in [`Rule::payload`](super::Rule::payload).
    pub slot: usize,
    /// How they compare.
    pub compare: Compare,
    /// Whether the comparison is denied (`!=` on text is a denied `==`: true when a value is missing).
    pub negated: bool,
    /// The earlier step.
    pub other: usize,
    /// The earlier event's value.
    pub other_slot: usize,
    /// Whether both are numbers.
    pub numbers: bool,
}

/// How far a value must stand above what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// Above median + k × median absolute deviation; k in thousandths.
    Mad(i64),
    /// Above mean + k × standard deviation (of the population); k in thousandths.
    Sigma(i64),
    /// Above k × mean; k in thousandths.
    Times(i64),
}

impl Having {
    /// `count() >= count`.
    pub fn count(count: usize) -> Having {
        Having::Bound(Bound { aggregate: Aggregate::Count, compare: Compare::AtLeast, value: count as i128 })
    }

    /// One event.
    pub fn one() -> Having {
        Having::count(1)
    }

    /// The number of events, when it asks for nothing else than at least so many.
    pub fn only_count(&self) -> Option<usize> {
        match self {
            Having::Bound(Bound { aggregate: Aggregate::Count, compare: Compare::AtLeast, value }) => {
                usize::try_from(*value).ok()
            }
            Having::Bound(_) | Having::And(_) | Having::Or(_) => None,
        }
    }

    /// Fewer events never meet it; 1 where it says nothing of their number.
    pub fn least(&self) -> usize {
        match self {
            Having::Bound(bound) => bound.least(),
            Having::And(all) => all.iter().map(Having::least).max().unwrap_or(1),
            Having::Or(all) => all.iter().map(Having::least).min().unwrap_or(1),
        }
    }

    /// Whether it can only become true by more events, never false.
    pub fn is_monotone(&self) -> bool {
        match self {
            Having::Bound(bound) => bound.is_monotone(),
            Having::And(all) | Having::Or(all) => all.iter().all(Having::is_monotone),
        }
    }
}

impl Bound {
    fn least(&self) -> usize {
        match (self.aggregate, self.compare) {
            (Aggregate::Count, Compare::AtLeast) => usize::try_from(self.value).unwrap_or(1).max(1),
            (_, _) => 1,
        }
    }

    fn is_monotone(&self) -> bool {
        let lower = matches!(self.compare, Compare::Greater | Compare::AtLeast);
        match self.aggregate {
            Aggregate::Count | Aggregate::Distinct { .. } | Aggregate::Sum { unsigned: true, .. } => lower,
            Aggregate::Sum { unsigned: false, .. }
            | Aggregate::Average { .. }
            | Aggregate::Least { .. }
            | Aggregate::Greatest { .. }
            | Aggregate::Percentile { .. } => false,
        }
    }
}

impl Compare {
    /// Whether `a` compares so with `b`.
    pub fn holds<T: Ord + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            Compare::Equal => a == b,
            Compare::Unequal => a != b,
            Compare::Less => a < b,
            Compare::AtMost => a <= b,
            Compare::Greater => a > b,
            Compare::AtLeast => a >= b,
        }
    }
}

impl Window {
    /// Its length, µs.
    pub fn length(self) -> i64 {
        match self {
            Window::Sliding(length) | Window::Tumbling(length) => length,
        }
    }
}

impl Form {
    /// A sequence of steps with so many events each.
    pub fn sequence(within: i64, counts: impl IntoIterator<Item = usize>, until: Option<usize>) -> Form {
        let stages = counts.into_iter().map(|count| Stage::Present(Having::count(count))).collect();
        Form::Sequence { within, stages, until, residuals: Vec::new() }
    }

    /// How far back an event can still matter to a match that ends now, µs.
    pub fn within(&self) -> i64 {
        match self {
            Form::Single => 0,
            Form::Threshold { within, .. }
            | Form::Distinct { within, .. }
            | Form::Sequence { within, .. }
            | Form::All { within, .. } => *within,
            Form::Aggregate { window, .. } => window.length(),
            Form::Novel { over, learn, .. } => over.saturating_add(*learn),
            Form::Baseline { every, over, learn, .. } => over.saturating_add(*learn).saturating_add(*every),
        }
    }

    /// Fewer events of a key than this are never a match.
    pub fn least(&self) -> usize {
        let least = match self {
            Form::Threshold { count, .. } | Form::Distinct { count, .. } => *count,
            Form::Sequence { stages, .. } => stages.iter().map(Stage::least).sum(),
            // An event may serve several of its steps.
            Form::All { stages, .. } => stages.iter().map(Having::least).max().unwrap_or(1),
            Form::Aggregate { having, .. } => having.least(),
            Form::Single | Form::Novel { .. } | Form::Baseline { .. } => 1,
        };
        least.max(1)
    }

    /// Whether nothing is found unless this step is met: not so of those that must stay away.
    pub fn must_happen(&self, step: usize) -> bool {
        match self {
            Form::Sequence { stages, .. } => matches!(stages.get(step), Some(Stage::Present(_))),
            Form::Single
            | Form::Threshold { .. }
            | Form::Distinct { .. }
            | Form::Aggregate { .. }
            | Form::All { .. }
            | Form::Novel { .. }
            | Form::Baseline { .. } => true,
        }
    }

    /// The payload value without which an event does not take part.
    pub fn required_slot(&self) -> Option<usize> {
        match self {
            Form::Distinct { slot, .. } | Form::Novel { slot, .. } => Some(*slot),
            Form::Single
            | Form::Threshold { .. }
            | Form::Aggregate { .. }
            | Form::Sequence { .. }
            | Form::All { .. }
            | Form::Baseline { .. } => None,
        }
    }
}
