//! weir
pub mod alert;
pub mod event;
pub mod ingest;
pub mod normalise;
pub mod parse;
pub mod rule;
