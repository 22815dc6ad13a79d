//! Correlation: match rows in, alert changes out. The only timely code of the house.
//!
//! The differential time is the *arrival epoch*; event time is data. An epoch is a bundle of match
//! rows and the watermark that holds after them. All rules share one `window` operator in which
//! they are data, so that another rule costs nothing when nothing of it happens.
//!
//! Reading order: `machine` says when a key's events make a match (`threshold`, `distinct`,
//! `sequence`) and how matches grow into an episode ([`episode`]); `key` keeps one key exact
//! under late arrivals; `window` is the operator around all keys; `render` puts it into a
//! dataflow; [`driver`] runs that dataflow on worker threads, with one program after the other ([`roster`]) whose
//! new rules take the past in beside what comes (`fill`); [`changes`] turns differences of
//! episodes into alert changes. Beside them, [`clock`] computes the live watermark and [`spool`]
//! puts the rows of a finite input into time order, whatever its size.

pub mod changes;
pub mod clock;
mod distinct;
pub mod driver;
pub mod episode;
mod fill;
mod key;
mod machine;
mod render;
pub mod roster;
mod sequence;
pub mod spool;
mod threshold;
mod window;

pub use driver::{CorrelateError, Emit, Input, Output, Outputs, start};
pub use episode::Record;
pub use roster::Roster;
