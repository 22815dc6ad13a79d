//! Why an alert was raised, and why a rule did not fire. In: an archive, rules, an alert's id or a rule and
//! a key. Out: an explanation, as text for people or as JSON.
//!
//! Read in this order: [`why`] (`alert`) and [`why_not`] (`missing`), the two questions; `history`, what was said of an alert; `source`, where events are and how
//! the rule stood when they came; `evidence`, what is read of them; `predicate`, a condition on one event; `near`, matches and nearest misses by form; `fired`, what matches became alerts; `sentence` and
//! `value`, words and figures; `report`, the text. Rules are judged here for one key at a time, plainly, apart from
//! the dataflow: an explanation that shared its code could only repeat its faults.

use std::path::PathBuf;

use crate::archive::ArchiveError;

mod alert;
mod evidence;
mod fired;
mod history;
mod key;
mod missing;
mod near;
mod predicate;
mod report;
mod sentence;
mod source;
#[cfg(test)]
mod tests;
mod value;

pub use alert::{ExceptionNote, Explanation, RuleNote, RuleState, why};
pub use fired::Fired;
pub use history::Said;
pub use missing::{Asked, EventNote, Found, Looked, MissNote, NearValues, StepNote, Verdict, why_not};
pub use near::{Finding, Kind};
pub use predicate::{Judged, Question};
pub use report::Shown;
pub use source::{Rules, Spans};

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Not the beginning of an id.
    #[error("`{0}` is not an alert's id: ids are 32 hexadecimal digits, and the first few do where they are unique")]
    NotAnId(String),
    /// No alert has this id.
    #[error(
        "no alert in {} has an id that starts with `{id}`: `weir sql --data {} \"SELECT id, rule, title FROM alerts\"` \
         lists them", data.display(), data.display()
    )]
    NoAlert {
        /// What was asked for.
        id: String,
        /// The data folder.
        data: PathBuf,
    },
    /// Several alerts' ids start so.
    #[error("`{id}` is the beginning of {count} alerts' ids; give more digits:\n{list}")]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// How many.
        count: usize,
        /// Some of them, a line each.
        list: String,
    },
    /// There is no such rule.
    #[error("there is no rule `{name}`{near}; --rules DIR names the folder the rules are in")]
    NoRule {
        /// What was asked for.
        name: String,
        /// The nearest name, as a question.
        near: String,
    },
    /// Not a key field and its value.
    #[error("`{0}` is not a key: write FIELD=VALUE, for example source.ip=203.0.113.7")]
    NotAKey(String),
    /// Not a value that the field can have.
    #[error("`{value}` is not {kind}: {field} takes a value like {example}")]
    NotAValue {
        /// What was given.
        value: String,
        /// The field.
        field: String,
        /// What it must be.
        kind: &'static str,
        /// Such a value.
        example: &'static str,
    },
    /// Two values of one field.
    #[error("`{0}` is given twice: one value of each field makes a key")]
    Twice(String),
    /// A field that is not in the rule's key.
    #[error("`{field}` is not in the key of rule {rule}: {keys}")]
    OtherKey {
        /// The field.
        field: String,
        /// The rule.
        rule: String,
        /// What its key is.
        keys: String,
    },
    /// A field of the key has no value.
    #[error("rule {rule} counts by {keys}: give {missing} too, as FIELD=VALUE, or an event by --event ID")]
    KeyMissing {
        /// The rule.
        rule: String,
        /// What its key is.
        keys: String,
        /// What was not given.
        missing: String,
    },
    /// A rule without a key, and nothing else that says which events.
    #[error("rule {0} has no key: say which event by --event ID, or which time by --from and --to")]
    NoKey(String),
    /// A range that no time lies in.
    #[error("no time lies between --from {from} and --to {to}: --to must be later")]
    NoTime {
        /// Its start.
        from: String,
        /// Its end, excluded.
        to: String,
    },
    /// The event is not archived.
    #[error("no event {id} in {}: `weir sql --data {} \"SELECT event.id, message FROM events\"` lists ids", data.display(), data.display())]
    NoEvent {
        /// What was asked for.
        id: String,
        /// The data folder.
        data: PathBuf,
    },
}
