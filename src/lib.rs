//! weir
pub mod alert;
pub mod event;
pub mod matching;
pub mod rule;
