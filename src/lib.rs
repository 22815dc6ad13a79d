//! weir
pub mod alert;
pub mod archive;
pub mod correlate;
pub mod event;
pub mod matching;
pub mod rule;
