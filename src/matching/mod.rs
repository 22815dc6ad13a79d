//! Matching: the predicates of all rules, compiled together, over batches of events.
//!
//! In: a [`Program`](crate::rule::plan::Program) once, then batches of events
//! ([`EventBatch`](crate::event::batch::EventBatch)). Out: [`MatchRow`]s, the narrow
//! rows that correlation lives on. Stateless: a batch's rows depend on nothing but the batch.
//!
//! Read in this order: `compile` (rules → atoms, shared predicates, triggers), `atoms` and `index`
//! with `literal`, `network`, `interval`, `text` (all tests of a field → one look-up), `column` and
//! `memo` (a batch's column → rows of each atom), `search` (which steps to try, and their rows),
//! `tuples` (keys and values), `matcher` (the whole). `evaluate` is the same, one event at a time;
//! `prune` with `ranges` tells of many events at once that no rule can match them.
//!
//! The cost of a batch grows with what its values hit, not with the rules loaded: a step is tried
//! only when one of the atoms it cannot do without hit somewhere in the batch.

mod atoms;
mod bits;
mod column;
mod compile;
mod evaluate;
mod index;
mod interval;
mod literal;
mod matcher;
mod memo;
mod network;
mod prune;
mod ranges;
mod search;
#[cfg(test)]
mod tests;
mod text;
mod tuples;

pub use evaluate::evaluate;
pub use matcher::{MatchRow, Matcher, Scratch};
pub use prune::Pruner;
pub(crate) use text::fold;
