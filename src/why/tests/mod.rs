//! Golden cases (`tests/why/*.txt`), agreement with the engine, what must hold of any input.
//!
//! A case is rules, events and questions with their answers; `UPDATE_EXPECT=1 cargo test why` rewrites the answers.

mod forms;
mod golden;
mod lists;
mod near;
mod stage;
