//! All integration tests, in one binary since each links DuckDB.

mod architecture;
mod correlate;
mod browser_pages;
mod page;
mod program;
mod reference;
mod run;
mod scan;
