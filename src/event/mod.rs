//! The event: one model from the collector to the dashboard.
//!
//! Ground floor of the house; it imports nothing of ours. [`field`] holds the table every other
//! name, type and schema is derived from, [`batch`] the columnar form events travel in, [`id`] their
//! deterministic identity, [`raw`] what a collector hands over before anything is parsed, [`mod@line`] the form in
//! which raw lines are stored, [`summary`] what is known of stored events without reading them, [`taken`] and [`earlier`]
//! what came before and may come again, [`time`] the reading and writing of instants.

pub mod batch;
mod builder;
mod column;
mod columns;
pub(crate) mod deal;
pub mod earlier;
pub(crate) mod fetch;
pub mod field;
pub mod id;
pub mod line;
pub(crate) mod nearest;
pub(crate) mod occurrence;
mod plain;
pub(crate) mod printable;
pub mod raw;
pub mod schema;
pub mod summary;
pub mod taken;
pub mod time;

pub use batch::{BatchBuilder, EventBatch};
pub(crate) use builder::is_canonical_v4;
pub(crate) use column::same;
pub use field::{FieldId, Type};
pub use id::EventId;
