//! `weir test`: run the tests that stand in rules.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};

use super::input::{self, Rules};
use crate::engine::counted;
use crate::rule;
use crate::trial::{self, coverage, report};

/// Run the tests that stand in your rules
///
/// Each test's events go through the matching and the dataflow that live events go through. A test that fails shows what the
/// rule raised instead, and why not more. Time is event time: a test's clock starts at 2026-01-01T00:00:00Z, and runs on
/// after its last event until all windows are over.
#[derive(clap::Args)]
#[command(after_help = "\
  test \"a late block withdraws it\" {
    @0s x3 every 1s authentication { source.ip: 198.51.100.7, event.outcome: \"failure\" }
    @60s authentication { source.ip: 198.51.100.7, event.outcome: \"success\" }
    @30s late network { source.ip: 198.51.100.7, event.action: \"blocked\" }
    expect 1 then 0
  }

Examples:
  weir test                                   the built-in rules
  weir test rules                             those of a folder, or of one file
  weir test rules --only bruteforce           tests whose rule or name has this in it
  weir test rules --coverage                  and what no test reaches
  weir test rules --junit report.xml          for CI

Exit codes: 0 all pass, 1 a test failed, 2 an error (a rule does not compile, there is no test).")]
pub(super) struct Arguments {
    /// Folder of rule files, or one file; without it, that of --rules, or the built-in pack
    #[arg(value_name = "RULES")]
    path: Option<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    /// Only tests whose rule's or own name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Say which steps and exceptions no test reaches, which rules never fire, which are never silent
    #[arg(long)]
    coverage: bool,
    /// Write JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// What failed and why, for people
    Text,
    /// Every test, with the time it took
    List,
    /// A JSON object a test, one a line; with --coverage one a rule after them
    Json,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let compiled = arguments.rules.or(arguments.path)?.compile()?;
    if compiled.has_errors() {
        let errors: Vec<_> = compiled.diagnostics.iter().filter(|d| d.is_error()).cloned().collect();
        input::show(&errors, &compiled.sources);
        eprintln!("weir: rules with errors are left out; their tests are not run");
    }
    let wanted = |t: &&rule::trial::Trial| {
        arguments.only.as_ref().is_none_or(|text| t.rule.contains(text.as_str()) || t.name.contains(text.as_str()))
    };
    let trials: Vec<_> = compiled.trials.iter().filter(wanted).collect();
    if trials.is_empty() && !compiled.has_errors() {
        match &arguments.only {
            Some(text) => bail!("no test's rule or name contains `{text}`; without --only all are run"),
            None => bail!("there is no test in these rules: write test \"…\" {{ @0s … expect 1 }} into a rule"),
        }
    }
    let started = Instant::now();
    let bar = super::progress::count("testing", "tests");
    let ran = trial::run(&compiled.program, &trials, &|_| bar.inc(1));
    bar.finish_and_clear();
    let ran = ran?;
    let took = started.elapsed();
    for ran in &ran {
        match arguments.output {
            Output::Json => println!("{}", serde_json::to_string(&report::Note::from(ran))?),
            Output::Text | Output::List => match report::failure(ran) {
                Some(text) => print!("FAILED {}\n  {}\n", report::title(ran), text.trim_end().replace('\n', "\n  ")),
                None if arguments.output == Output::List => {
                    println!("ok     {} ({:.1} ms)", report::title(ran), ran.took.as_secs_f64() * 1e3);
                }
                None => {}
            },
        }
    }
    if arguments.coverage {
        let coverage = coverage::of(&compiled.program, &ran);
        match arguments.output {
            Output::Json => coverage.iter().try_for_each(|c| serde_json::to_string(c).map(|c| println!("{c}")))?,
            Output::Text | Output::List => print!("{}", report::coverage(&coverage)),
        }
    }
    if let Some(path) = &arguments.junit {
        let written = std::fs::write(path, report::junit(&ran)?);
        written.with_context(|| format!("cannot write {}: choose another place for --junit", path.display()))?;
    }
    let failed = ran.iter().filter(|r| r.failure.is_some()).count();
    let of: std::collections::BTreeSet<&str> = ran.iter().map(|r| r.trial.rule.as_str()).collect();
    eprintln!(
        "{} of {}: {} passed, {failed} failed ({:.0} ms)",
        counted(ran.len(), "test"),
        counted(of.len(), "rule"),
        ran.len() - failed,
        took.as_secs_f64() * 1e3
    );
    Ok(match (compiled.has_errors(), failed) {
        (true, _) => ExitCode::from(2),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(1),
    })
}
