//! weir
pub mod alert;
pub mod archive;
pub mod collect;
pub mod correlate;
pub mod event;
pub mod ingest;
pub mod matching;
pub mod metrics;
pub mod normalise;
pub mod parse;
pub mod query;
pub mod rule;
pub mod serve;
