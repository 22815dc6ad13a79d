//! `weir explain`: what rules mean.

use std::process::ExitCode;

use super::input::Rules;
use crate::rule::{self, explain};

/// Say what a rule means, and what it keeps in memory
///
/// Shows the plan that a rule is compiled to: its form, the conditions of its steps with all `let`s, lists and exceptions in their
/// place, its key and windows, and what is retained for it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir explain ssh_bruteforce
  weir explain --rules rules                    all of them

Exit codes: 0 all well, 2 there is no such rule, or it does not compile.")]
pub(super) struct Arguments {
    /// The rule; without it, all
    rule: Option<String>,
    #[command(flatten)]
    rules: Rules,
    /// How it is said
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// In words
    Text,
    /// A JSON object a rule, one a line
    Json,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let loaded = arguments.rules.load()?;
    let program = &loaded.program;
    let rules = match arguments.rule.as_deref() {
        None => &program.rules[..],
        Some(name) => match program.position(name) {
            Some(at) => std::slice::from_ref(&program.rules[at as usize]),
            None => {
                let near = rule::nearest::nearest(name, program.rules.iter().map(|rule| rule.name.as_str()));
                let near = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
                anyhow::bail!("there is no rule `{name}` that compiles{near}; `weir explain` tells all")
            }
        },
    };
    for (i, rule) in rules.iter().enumerate() {
        let told = explain::explain(rule, &program.lists);
        match arguments.output {
            Output::Json => println!("{}", serde_json::json!({ "rule": rule.name, "explain": told })),
            Output::Text => print!("{}{told}", if i == 0 { "" } else { "\n" }),
        }
    }
    let lost = loaded.broken && arguments.rule.is_none();
    Ok(if lost { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
