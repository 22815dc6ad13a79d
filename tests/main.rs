//! All integration tests, in one binary since each links DuckDB.

mod correlate;
mod reference;
