//! `weir explain-code`: what a code of `weir check` means.

use std::fmt::Write;
use std::process::ExitCode;

use crate::rule::code::Code;

/// Explain a code that `weir check` shows
///
/// Says what it means and why it is said, with an example of it and the same example mended.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir explain-code W0101       also: w101, 101
  weir explain-code             all codes, a line each

Exit codes: 0 explained, 2 there is no such code.")]
pub(super) struct Arguments {
    /// The code; without it, all codes are listed
    code: Option<String>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(wanted) = &arguments.code else {
        let lines = Code::ALL.iter().map(|code| format!("{}  {}\n", code.number(), code.doc()));
        print!("{}", lines.collect::<String>());
        return Ok(ExitCode::SUCCESS);
    };
    match Code::meant(wanted) {
        Some(code) => print!("{}", explain(code)),
        None => {
            let near = Code::near(wanted).map_or(String::new(), |near| format!(": did you mean {}?", near.number()));
            anyhow::bail!("there is no code `{wanted}`{near}; `weir explain-code` lists all")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of a code for a terminal.
fn explain(code: Code) -> String {
    let page = code.page();
    let mut out = format!("{}: {}\n\n{}\n", code.number(), code.doc(), page.text);
    for (title, example) in [("Wrong", page.wrong), ("Right", page.right)] {
        // Writing to a text cannot fail.
        let _ = writeln!(out, "\n{title}:\n");
        for line in example.lines() {
            let _ = writeln!(out, "{}", format!("    {line}").trim_end());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_with_its_examples() {
        let told = explain(Code::UnknownField);
        assert!(told.starts_with("W0101: A field is a name of the field table"), "{told}");
        assert!(told.contains("\nWrong:\n\n    rule from_lab {\n      when") && told.contains("\nRight:\n"), "{told}");
        assert!(!told.contains("```"), "{told}");
        assert!(run(Arguments { code: Some("W0102".into()) }).is_ok() && run(Arguments { code: None }).is_ok());
        let unknown = run(Arguments { code: Some("W0199".into()) }).unwrap_err().to_string();
        assert_eq!(unknown, "there is no code `W0199`: did you mean W0201?; `weir explain-code` lists all");
    }
}
