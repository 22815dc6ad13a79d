//! All integration tests, in one binary since each links DuckDB.

mod architecture;
mod browser_pages;
mod cluster;
mod correlate;
mod page;
mod program;
mod reference;
mod reload;
mod replay;
mod roster;
mod run;
mod scan;
mod why;
