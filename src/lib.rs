//! weir
pub mod alert;
pub mod cli;
pub mod collect;
pub mod event;
pub mod rule;
