//! weir
pub mod alert;
pub mod correlate;
pub mod event;
pub mod ingest;
pub mod matching;
pub mod normalise;
pub mod parse;
pub mod rule;
