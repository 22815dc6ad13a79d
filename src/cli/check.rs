//! `weir check`: find the mistakes in rules.

use std::path::PathBuf;
use std::process::ExitCode;

use super::input::{self, Rules};
use crate::engine::counted;
use crate::event::time;
use crate::rule::{self, Diagnostic, SourceFile};

/// Find the mistakes in your rules
///
/// Compiles all rules of a folder as one program and shows every mistake with its place and a likely fix, and warns of
/// what compiles and is likely not meant.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir check --rules rules
  weir check --rules rules --output json      the same, for editors and CI
  weir check --rules rules --strict           warnings fail too
  weir explain-code W0101                     what a code means

With --output json, each line of standard output is an object:
  level     \"error\" (the rule is left out) or \"warning\"
  code      \"W0101\"
  message   one sentence
  place     file, start and end (bytes from 0, end excluded), line, column, end_line, end_column (from 1, columns in
            characters), label (what is to be said beside it, may be empty)
  related   more places of the same shape; absent when there are none
  help      what to do; absent when there is nothing to say
  fix       the text that mends it in the place of start to end; absent when none is known

Exit codes: 0 all well (warnings included, without --strict), 2 a rule does not compile.")]
pub(super) struct Arguments {
    /// Folder of rule files, or one file; without it, that of --rules, or the built-in pack
    #[arg(value_name = "RULES")]
    path: Option<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    /// How mistakes are printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// When mistakes are underlined in colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// With the source underlined, for people
    Text,
    /// A JSON object a mistake, one a line
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let compiled = arguments.rules.or(arguments.path)?.compile()?;
    let found = compiled.findings(time::now());
    let color = match arguments.color {
        Color::Auto => input::color(&std::io::stdout()),
        Color::Always => true,
        Color::Never => false,
    };
    print!("{}", told(&found, &compiled.sources, arguments.output, color)?);
    let (files, rules) = (compiled.sources.len(), compiled.program.rules.len());
    let errors = found.iter().filter(|d| d.is_error()).count();
    let warnings = found.len() - errors;
    eprintln!(
        "{} in {} compile; {}, {}",
        counted(rules, "rule"),
        counted(files, "file"),
        counted(errors, "error"),
        counted(warnings, "warning")
    );
    // Errors are what people look up first.
    if let Some(first) = found.iter().find(|d| d.is_error()).or(found.first())
        && arguments.output == Output::Text
    {
        eprintln!("`weir explain-code {}` tells more of a code, with an example", first.code.number());
    }
    let failed = errors > 0 || arguments.strict && warnings > 0;
    Ok(if failed { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// What was found, as it is printed.
fn told(found: &[Diagnostic], sources: &[SourceFile], output: Output, color: bool) -> anyhow::Result<String> {
    match output {
        Output::Json => found.iter().map(|d| Ok(serde_json::to_string(d)? + "\n")).collect(),
        Output::Text => Ok(rule::render(found, sources, color)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error and a warning, with all that the help of `weir check` says of them.
    #[test]
    fn findings_are_told_as_json_and_in_colour() {
        let text =
            "rule a { when any where user.nme == \"é\" }\nrule b { attack T1107 when any where event.code == \"1\" }";
        let compiled = rule::compile_alone("x.weir", text);
        let (found, files) = (compiled.findings(0), &compiled.sources);
        let json = told(&found, files, Output::Json, true).unwrap();
        let lines: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(
            lines[0],
            serde_json::json!({
                "level": "error", "code": "W0101", "message": "unknown field `user.nme`",
                "place": {
                    "file": "x.weir", "start": 24, "end": 32, "line": 1, "column": 25, "end_line": 1, "end_column": 33,
                    "label": "did you mean `user.name`?"
                },
                "help": "a value that has no field of its own is written fields.user.nme", "fix": "user.name"
            })
        );
        assert_eq!((lines[1]["level"].as_str(), lines[1]["fix"].as_str()), (Some("warning"), Some("T1070.004")));
        assert_eq!(lines[1]["place"]["line"], 2);
        assert_eq!(lines.len(), 2);
        let plain = told(&found, files, Output::Text, false).unwrap();
        let colored = told(&found, files, Output::Text, true).unwrap();
        assert!(!plain.contains('\u{1b}') && colored.contains("\u{1b}["), "{colored}");
    }
}
