//! All integration tests, in one binary since each links DuckDB.

mod architecture;
mod browser_pages;
mod cluster;
mod correlate;
mod crash;
mod diff;
mod lsp;
mod page;
mod program;
mod reference;
mod reload;
mod replay;
mod roster;
mod run;
mod sandbox;
mod scan;
mod sql;
#[cfg(feature = "s3")]
mod store;
mod testing;
mod tutorial;
mod why;
