//! weir
pub mod alert;
pub mod collect;
pub mod event;
pub mod rule;
