//! weir
pub mod alert;
pub mod event;
pub mod metrics;
pub mod rule;
pub mod serve;
