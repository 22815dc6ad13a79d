//! All integration tests, in one binary since each links DuckDB.

mod architecture;
mod correlate;
mod program;
mod reference;
mod run;
mod scan;
