//! The command line: one file a subcommand.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::query;

mod alerts;
mod archive;
mod check;
mod demo;
mod diff;
mod explain;
mod explain_code;
mod fmt;
mod generate;
mod input;
mod install;
mod lsp;
mod memory;
mod new;
mod progress;
mod reference;
mod replay;
mod run;
mod scan;
mod serving;
mod settings;
mod signals;
mod sql;
mod store;
mod test;
mod why;
mod why_not;

const EXAMPLES: &str = "\
Examples:
  weir demo                                    see it work: made-up logs with planted attacks, live page
  weir scan /var/log/auth.log*                 look for attacks in files, once
  weir run --file /var/log --syslog-udp 127.0.0.1:5514
                                               watch files and syslog, archive, serve the live page
  weir sql \"SELECT source.ip, count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC LIMIT 10\"
  weir replay weir-data                        run the rules over what was archived
  weir archive status                          how much is kept; expire, hold, export, import
  weir why 3f9c01                              how did this alert come about?
  weir why-not ssh_bruteforce source.ip=203.0.113.7
                                               why is there no alert?
  weir check --rules rules                     find the mistakes in your rules
  weir new ssh_guessing --form sequence        begin a rule
  weir fmt rules                               lay them out in the one canonical form
  weir explain ssh_bruteforce                  what a rule means, and what it keeps in memory
  weir diff rules new-rules --over weir-data   which alerts would come, change and go?
  weir test rules                              run the tests that stand in them

Exit codes: 0 nothing found, 1 alerts were raised (scan, replay, why-not) or differ (diff), 2 an error.";

/// A SIEM that is a stream-processing dataflow engine.
#[derive(Parser)]
#[command(name = "weir", version, about, long_about = None, after_help = EXAMPLES, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Say more about what is going on (twice: everything); WEIR_LOG takes a tracing filter
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Scan(scan::Arguments),
    Replay(replay::Arguments),
    Sql(sql::Arguments),
    Archive(archive::Arguments),
    /// Runs one statement for another weir
    #[command(name = query::sandbox::WORKER, hide = true)]
    SqlWorker,
    Why(why::Arguments),
    WhyNot(why_not::Arguments),
    New(new::Arguments),
    Reference(reference::Arguments),
    Check(check::Arguments),
    Fmt(fmt::Arguments),
    Explain(explain::Arguments),
    Diff(diff::Arguments),
    Test(test::Arguments),
    ExplainCode(explain_code::Arguments),
    Lsp(lsp::Arguments),
    Generate(generate::Arguments),
    Demo(demo::Arguments),
    Completions(install::Completions),
    Man(install::Man),
}

/// Reads the arguments and does what they say.
pub fn run() -> anyhow::Result<ExitCode> {
    let line = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&line).unwrap_or_else(|error| error.exit());
    log(arguments.verbose);
    match arguments.command {
        Command::Run(a) => run::run(a, line.subcommand_matches("run")),
        Command::Scan(a) => scan::run(a),
        Command::Replay(a) => replay::run(a),
        Command::Sql(a) => sql::run(a),
        Command::Archive(a) => archive::run(a),
        Command::SqlWorker => Ok(query::sandbox::work()),
        Command::Why(a) => why::run(a),
        Command::WhyNot(a) => why_not::run(a),
        Command::New(a) => new::run(a),
        Command::Reference(a) => reference::run(a),
        Command::Check(a) => check::run(a),
        Command::Fmt(a) => fmt::run(a),
        Command::Explain(a) => explain::run(a),
        Command::Diff(a) => diff::run(a),
        Command::Test(a) => test::run(a),
        Command::ExplainCode(a) => explain_code::run(a),
        Command::Lsp(a) => lsp::run(a),
        Command::Generate(a) => generate::run(a),
        Command::Demo(a) => demo::run(a),
        Command::Completions(a) => install::completions(a),
        Command::Man(a) => install::man(a),
    }
}

/// Whether an error is only that nobody reads our output any more (`weir … | head`).
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// What went wrong and why, each cause said once: some errors tell theirs themselves.
pub fn message(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| match cause.to_string() {
        cause if text.is_empty() => cause,
        cause if text.contains(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "weir=info",
        1 => "weir=debug",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("WEIR_LOG").unwrap_or_else(|_| level.into());
    let color = input::color(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(color);
    log.with_writer(std::io::stderr).init();
}
