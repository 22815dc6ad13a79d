//! All integration tests, in one binary since each links DuckDB.

mod architecture;
mod browser_pages;
mod correlate;
mod page;
mod program;
mod reference;
mod run;
mod scan;
mod why;
