//! weir: a SIEM that is a stream-processing dataflow engine.
//!
//! ```text
//!  collect ──▶ ingest (parse, normalise) ──▶ EventBatch ──▶ matching ──▶ MatchRow ──▶ correlate ──▶ AlertChange
//!   RawLog                                     (Arrow)  │              (rule, key, time,          (timely,   │
//!                                                       ▼               id, steps, values)     differential) ▼
//!                                                    archive ── log, then Parquet ──▶ query (DuckDB)    alert log, serve
//!                                                       └───────────── replay ──▶ the same matching and correlate
//! ```
//!
//! One direction: no stage imports a later one (`tests/architecture.rs` holds the table). Live, replay and
//! scan run the same stages, so a rule is a pure function of the set of events.
//!
//! Reading order: [`event`] (the field table, columnar batches, ids), [`alert`], [`rule`] (text to
//! [`rule::plan`]), [`collect`], [`parse`] and [`normalise`] under [`ingest`], [`matching`], [`correlate`],
//! [`archive`], [`query`], [`serve`], and [`engine`], which joins them; [`why`], which explains; [`trial`], which runs the tests inside rules;
//! [`lsp`], rules as editors see them; [`cli`] is one file a subcommand.

// Where a value must be there, `expect` says why it is.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::todo, clippy::unimplemented))]

pub mod alert;
pub mod archive;
pub mod cli;
pub mod collect;
pub mod correlate;
pub mod engine;
pub mod event;
pub mod ingest;
pub mod lsp;
pub mod matching;
pub mod metrics;
pub mod normalise;
pub mod parse;
pub mod query;
pub mod rule;
pub mod serve;
pub mod trial;
pub mod why;
