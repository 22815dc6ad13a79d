//! weir
pub mod alert;
pub mod event;
pub mod rule;
