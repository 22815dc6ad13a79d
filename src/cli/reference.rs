//! `weir reference`: the rule language, as a page.

use std::io::Write;
use std::process::ExitCode;

/// Print the reference of the rule language
///
/// Markdown: clauses, forms, operators by type, fields, codes of mistakes. It is made of the tables that the compiler
/// works by, so it is right for this version.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir reference | less
  weir reference > reference.md")]
pub(super) struct Arguments {}

pub(super) fn run(_: Arguments) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(crate::rule::reference::markdown().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
