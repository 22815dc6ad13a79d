//! Correlation: match rows in, alert changes out. The only timely code of the house.
//!
//! The differential time is the *arrival epoch*; event time is data. An epoch is a bundle of match
//! rows and the watermark that holds after them. All rules share one `window` operator in which
//! they are data, so that another rule costs nothing when nothing of it happens.
//!
//! Reading order: `machine` says when a key's events make a match and how matches grow into an
//! episode ([`episode`]). Each form has a file: `threshold`, `distinct`, `aggregate` and `all` (on `run`, the
//! shortest run of events that meets a condition, and `tally`, the figures of events, with `rank`), `sequence`,
//! `stages` (with conditions and absences) and `joined` (with conditions between events: `residual`, `candidates`)
//! on `waiting` (chains whose deadline is to come), `novel`, `baseline` (with `usual`). `key` keeps one key exact
//! under late arrivals: `few` holds its events (as `brief`) until there may be a match, then `live` holds what is not final, in `stretch`es between checkpoints; `amend` is what late
//! events change behind them. `window` is the operator around all keys, `agenda` its clock, a `slot` what it has of a key; before it,
//! `lists` keeps candidates of rules whose lists change (`listed`, `retained`); `climb` makes rows of alerts for the rules
//! over alerts; `render` puts them into a dataflow, `epochs` is the frame of its operators; [`driver`] runs that
//! dataflow on worker threads (`work`), with one program after the other ([`roster`]) whose
//! new rules take the past in beside what comes (`fill`; programs of one level without lists that change: others get a dataflow of
//! their own); [`changes`] turns differences of episodes into alert changes. Several processes run one dataflow
//! ([`cluster`]): `tide` gives them one watermark. Beside them, [`clock`] computes the live watermark and [`spool`]
//! puts the rows of a finite input into time order, whatever its size.

mod agenda;
mod aggregate;
mod all;
mod amend;
mod automaton;
mod baseline;
mod brief;
mod candidates;
pub mod changes;
mod climb;
pub mod clock;
pub mod cluster;
mod distinct;
pub mod driver;
pub mod episode;
mod epochs;
mod few;
mod fill;
mod joined;
mod key;
mod keyed;
mod listed;
mod lists;
mod live;
mod machine;
mod novel;
mod rank;
mod render;
mod residual;
mod retained;
pub mod roster;
mod run;
mod sequence;
mod slot;
mod spilled;
pub mod spool;
mod stages;
mod stretch;
mod tally;
#[cfg(test)]
mod tests;
mod threshold;
mod tide;
#[cfg(test)]
mod trial;
mod unsettled;
mod usual;
mod waiting;
mod window;
mod work;

pub use driver::{CorrelateError, Emit, Input, Output, Outputs, start, start_in};
pub use episode::Record;
pub use listed::ListChange;
pub use roster::Roster;
pub use tide::{Peers, Stand};
