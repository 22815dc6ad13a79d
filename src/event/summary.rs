//! What is known of many events without reading them: what rules use to leave out those that they cannot match.
//!
//! Whoever stores events (a row group of a Parquet file) tells it, whoever looks for some asks. All
//! of it may be wider than the truth, never narrower: a value that is there is never denied.

use super::field::FieldRef;

/// What is known of one column of the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Whether an event may have a value.
    pub some: bool,
    /// Whether an event may miss it.
    pub none: bool,
    /// What the values may be.
    pub values: Values,
}

/// What the values of a column may be; of a list, its elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Anything.
    Any,
    /// Texts from the first to the last of these, both included, in the order of their bytes.
    Texts(Vec<u8>, Vec<u8>),
    /// Numbers, or times in µs, from the first to the last of these, both included.
    Numbers(i128, i128),
}

impl Facts {
    /// Nothing is known.
    pub const UNKNOWN: Facts = Facts { some: true, none: true, values: Values::Any };
    /// No event has a value.
    pub const MISSING: Facts = Facts { some: false, none: true, values: Values::Any };
}

/// What is known of many events, column by column.
pub trait Summary {
    /// What can be said at once.
    fn facts(&self, field: &FieldRef) -> Facts;

    /// Hands over every text that the column may hold (of a list, every element), or `None` when they cannot be had for
    /// less than reading it. May take some work.
    fn texts(&self, field: &FieldRef) -> Option<Vec<String>>;

    /// Whether an event may have this text, where [`Summary::texts`] are not to be had. May take some work.
    fn may_hold(&self, field: &FieldRef, text: &str) -> bool;
}
