//! `weir check`: find the mistakes in rules, and say what rules mean.

use std::process::ExitCode;

use super::input::Rules;
use crate::engine::counted;
use crate::rule::{self, plan::Program};

/// Find the mistakes in your rules
///
/// Compiles all rules of a folder as one program and shows every mistake with its place and a likely fix.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir check --rules rules
  weir check --rules rules --output json      the same, for editors and CI
  weir check --explain ssh_bruteforce         what a rule means: its form, conditions, and what it keeps in memory

Exit codes: 0 all well (warnings included), 2 a rule does not compile.")]
pub(super) struct Arguments {
    #[command(flatten)]
    rules: Rules,
    /// How mistakes are printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Say what the rules mean, or this one
    #[arg(long, value_name = "RULE")]
    explain: Option<Option<String>>,
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
    if let Some(wanted) = &arguments.explain {
        explain(&compiled.program, wanted.as_deref(), arguments.output)?;
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

/// Prints what the rule of this name means, or what all rules do.
fn explain(program: &Program, wanted: Option<&str>, output: Output) -> anyhow::Result<()> {
    let rules = match wanted {
        None => &program.rules[..],
        Some(name) => match program.position(name) {
            Some(at) => std::slice::from_ref(&program.rules[at as usize]),
            None => {
                let near = rule::nearest::nearest(name, program.rules.iter().map(|rule| rule.name.as_str()));
                let near = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
                anyhow::bail!("there is no rule `{name}` that compiles{near}; `weir check --explain` tells all")
            }
        },
    };
    for (i, rule) in rules.iter().enumerate() {
        let told = rule::explain::explain(rule, &program.lists);
        match output {
            Output::Json => println!("{}", serde_json::json!({ "rule": rule.name, "explain": told })),
            Output::Text if i == 0 => print!("{told}"),
            Output::Text => print!("\n{told}"),
        }
    }
    Ok(())
}
