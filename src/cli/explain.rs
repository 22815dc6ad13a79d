//! `weir explain`: what rules mean.

use std::io::{self, Write};
use std::process::ExitCode;

use super::input::Rules;
use crate::rule::explain::size::Load;
use crate::rule::explain::{graph, size};
use crate::rule::{self, explain};

/// Say what a rule means, and what it keeps in memory
///
/// Shows the plan that a rule is compiled to: its form, the conditions of its steps with all `let`s, lists and exceptions in their
/// place, its key and windows, and what is retained for it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir explain ssh_bruteforce
  weir explain --rules rules                                  all of them
  weir explain ssh_bruteforce --output graph                  from events to alerts, in boxes
  weir explain ssh_bruteforce --output dot | dot -Tsvg > rule.svg
  weir explain ssh_bruteforce --rate 200 --keys 5000          how much memory does it take?

Exit codes: 0 all well, 2 there is no such rule, or it does not compile.")]
pub(super) struct Arguments {
    /// The rule; without it, all
    rule: Option<String>,
    #[command(flatten)]
    rules: Rules,
    /// How it is said
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// How many events that match its steps come a second: makes a figure of how much it keeps
    #[arg(long, value_name = "EVENTS", value_parser = rate)]
    rate: Option<f64>,
    /// How many values its key has at a time, for --rate
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "rate")]
    keys: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// In words
    Text,
    /// Its dataflow, drawn for terminals
    Graph,
    /// Its dataflow, for Graphviz
    Dot,
    /// A JSON object a rule, one a line
    Json,
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0);
    number.ok_or_else(|| "write a number of events a second, like 200 or 0.5".to_owned())
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
    let load = arguments.rate.map(|rate| Load { rate, keys: arguments.keys });
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (i, rule) in rules.iter().enumerate() {
        let at = program.position(&rule.name).expect("it is one of the program's");
        if i > 0 && arguments.output != Output::Json {
            writeln!(out)?;
        }
        match arguments.output {
            Output::Text => {
                write!(out, "{}", explain::explain(rule, &program.lists))?;
                for (i, line) in size::words(&size::size(rule, load)).iter().enumerate() {
                    writeln!(out, "  {:<8} {line}", if i == 0 { "size" } else { "" })?;
                }
            }
            Output::Graph => write!(out, "{}", graph::boxes(program, at, load))?,
            Output::Dot => write!(out, "{}", graph::dot(program, at, load))?,
            Output::Json => {
                let object = serde_json::json!({
                    "rule": rule.name,
                    "explain": explain::explain(rule, &program.lists),
                    "dot": graph::dot(program, at, load),
                    "keeps": size::size(rule, load),
                });
                writeln!(out, "{object}")?;
            }
        }
    }
    out.flush()?;
    let lost = loaded.broken && arguments.rule.is_none();
    Ok(if lost { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
