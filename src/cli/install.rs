//! `weir completions`, `weir man`: what a packager installs beside the binary, made of the arguments themselves.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};

/// Print what your shell needs to complete commands and options
#[derive(clap::Args)]
#[command(after_help = "\
Install it:
  bash        weir completions bash > ~/.local/share/bash-completion/completions/weir
  zsh         weir completions zsh > \"${fpath[1]}/_weir\"
  fish        weir completions fish > ~/.config/fish/completions/weir.fish
  powershell  weir completions powershell >> $PROFILE
  elvish      weir completions elvish >> ~/.config/elvish/rc.elv

New shells know it; for this one: source <(weir completions bash)")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages, one for each command
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir man ~/.local/share/man/man1     for yourself, then: man weir-scan
  weir man /usr/local/share/man/man1   for all
  weir man pages && man -l pages/weir-scan.1")]
pub(super) struct Man {
    /// Folder for the pages; it is made when it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn completions(arguments: Completions) -> anyhow::Result<ExitCode> {
    // A generator takes no error, and a reader may stop before the end.
    io::stdout().write_all(&script(arguments.shell))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut told(), "weir", &mut text);
    text
}

/// The command without what is not for people: scripts would offer hidden subcommands.
fn told() -> Command {
    let all = super::Arguments::command();
    Command::new("weir")
        .version(env!("CARGO_PKG_VERSION"))
        .about(all.get_about().cloned().unwrap_or_default())
        .subcommand_required(true)
        .args(all.get_arguments())
        .subcommands(all.get_subcommands().filter(|c| !c.is_hide_set()).cloned())
}

pub(super) fn man(arguments: Man) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let written = pages(folder).with_context(|| format!("cannot write the pages to {}", folder.display()))?;
    println!("wrote {written} pages to {}", folder.display());
    eprintln!("Read one: man -l {}", folder.join("weir.1").display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages; how many there are.
fn pages(folder: &Path) -> io::Result<usize> {
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut waiting = vec![command];
    let mut written = 0;
    while let Some(command) = waiting.pop() {
        let page = page(&command)?;
        fs::write(folder.join(format!("{}.1", title(&command))), page)?;
        written += 1;
        waiting.extend(command.get_subcommands().filter(|c| !c.is_hide_set()).cloned());
    }
    Ok(written)
}

/// `weir-archive-status`
fn title(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let version = concat!("weir ", env!("CARGO_PKG_VERSION"));
    let page = Page::new(command.clone()).source(version).manual("weir");
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if command.get_subcommands().any(|c| !c.is_hide_set()) {
        page.render_subcommands_section(&mut out)?;
    }
    after(command).to_writer(&mut out)?;
    Ok(out)
}

/// What stands behind the options in `--help`, by paragraphs, with the lines as they are: they are set to be copied.
fn after(command: &Command) -> Roff {
    let mut roff = Roff::default();
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
        let (heading, body) = match paragraph.split_once(":\n") {
            Some((heading, body)) if !heading.contains('\n') => (heading, body),
            _ => match paragraph.strip_prefix("Exit codes: ") {
                Some(codes) => ("Exit status", codes),
                None => ("Notes", paragraph),
            },
        };
        roff.control("SH", [heading.to_uppercase().as_str()]);
        roff.control("nf", []);
        for line in body.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}

#[cfg(test)]
mod tests {
    use std::process;

    use clap::ValueEnum;

    use super::*;

    /// Standard output of a program over a file; `None`, with a word, where it is not installed.
    fn tried(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
        let run = process::Command::new(program).args(arguments).arg(file).env("MANWIDTH", "100").output();
        match run {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                println!("skipped: {program} is not installed");
                None
            }
            run => {
                let run = run.unwrap();
                let said = String::from_utf8_lossy(&run.stderr).into_owned();
                assert!(run.status.success() && said.is_empty(), "{program} {}: {said}", file.display());
                Some(String::from_utf8_lossy(&run.stdout).into_owned())
            }
        }
    }

    #[test]
    fn shells_take_their_scripts() {
        let dir = tempfile::tempdir().unwrap();
        for shell in Shell::value_variants() {
            let script = script(*shell);
            let text = String::from_utf8(script.clone()).unwrap();
            assert!(text.contains("why-not") && !text.contains("sql-worker"), "{shell}");
            let file = dir.path().join(shell.to_string());
            fs::write(&file, script).unwrap();
            match shell {
                Shell::Bash | Shell::Zsh => drop(tried(&shell.to_string(), &["-n"], &file)),
                Shell::Fish => drop(tried("fish", &["--no-execute"], &file)),
                _ => {}
            }
        }
    }

    /// What bash offers for a line, by the script.
    #[test]
    fn bash_completes_values() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ask.sh");
        let script = String::from_utf8(script(Shell::Bash)).unwrap();
        for (words, wanted) in [
            (vec!["weir", "ch"], "check"),
            (vec!["weir", "check", "--output", ""], "text json"),
            (vec!["weir", "new", "x", "--form", "se"], "sequence"),
        ] {
            let line = words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" ");
            let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
            let ask = format!(
                "{script}\nCOMP_WORDS=({line})\nCOMP_CWORD={}\n_weir weir '{last}' '{before}'\necho \"${{COMPREPLY[*]}}\"\n",
                words.len() - 1
            );
            fs::write(&file, ask).unwrap();
            if let Some(offered) = tried("bash", &[], &file) {
                assert_eq!(offered.trim(), wanted, "{line}");
            }
        }
    }

    #[test]
    fn pages_are_set_by_man() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("man1");
        fs::create_dir(&folder).unwrap();
        let count = pages(&folder).unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        assert_eq!(names.len(), count);
        assert!(folder.join("weir-archive-status.1").exists(), "{names:?}");
        let commands = super::super::Arguments::command();
        for command in commands.get_subcommands() {
            let there = folder.join(format!("weir-{}.1", command.get_name())).exists();
            assert_eq!(there, !command.is_hide_set(), "{}", command.get_name());
        }
        for name in &names {
            if let Some(text) = tried("man", &["--warnings", "-l"], name) {
                assert!(text.contains("SYNOPSIS") && text.contains("OPTIONS"), "{}: {text}", name.display());
            }
        }
        if let Some(text) = tried("man", &["-l"], &folder.join("weir-check.1")) {
            assert!(text.contains("EXAMPLES\n") && text.contains("EXIT STATUS\n"), "{text}");
            assert!(text.contains("       weir check --rules rules\n"), "{text}");
        }
    }
}
