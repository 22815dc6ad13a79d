//! `weir check`: find the mistakes in rules.

use std::process::ExitCode;

use super::input::Rules;
use crate::engine::counted;
use crate::rule;

/// Find the mistakes in your rules
///
/// Compiles all rules of a folder as one program and shows every mistake with its place and a likely fix.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir check --rules rules
  weir check --rules rules --output json      the same, for editors and CI

Exit codes: 0 all well (warnings included), 2 a rule does not compile.")]
pub(super) struct Arguments {
    #[command(flatten)]
    rules: Rules,
    /// How mistakes are printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// With the source underlined, for people
    Text,
    /// A JSON object a mistake, one a line
    Json,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let compiled = arguments.rules.compile()?;
    match arguments.output {
        Output::Json => {
            for diagnostic in &compiled.diagnostics {
                println!("{}", serde_json::to_string(diagnostic)?);
            }
        }
        Output::Text => {
            let color = std::io::IsTerminal::is_terminal(&std::io::stdout()) && std::env::var_os("NO_COLOR").is_none();
            print!("{}", rule::render(&compiled.diagnostics, &compiled.sources, color));
        }
    }
    let (files, rules) = (compiled.sources.len(), compiled.program.rules.len());
    let errors = compiled.diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = compiled.diagnostics.len() - errors;
    eprintln!(
        "{} in {} compile; {}, {}",
        counted(rules, "rule"),
        counted(files, "file"),
        counted(errors, "error"),
        counted(warnings, "warning")
    );
    Ok(if compiled.has_errors() { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
