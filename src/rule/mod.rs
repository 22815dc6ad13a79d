//! Rules: text in, plan out. No dataflow here.

pub mod plan;
