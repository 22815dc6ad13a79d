//! `weir fmt`: rule files in the one canonical form.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::engine::counted;
use crate::rule::format::{self, Unformattable};
use crate::rule::load;

/// Where rules lie if nobody says.
const FOLDER: &str = "rules";

/// Lay out rule files in the one canonical form
///
/// Only blanks and line breaks change: every token stays as it is written, and every comment in its place. A file that
/// does not parse is left alone.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir fmt                                    the files of the folder `rules`
  weir fmt rules my.weir                      those of a folder and its subfolders, and a file
  weir fmt --check rules                      for CI: write nothing, list what would change
  weir fmt --diff rules                       write nothing, show what would change
  weir fmt - < my.weir                        for editors: standard input to standard output

Exit codes: 0 done (with --check and --diff: nothing would change), 1 with --check and --diff: something would change,
2 an error (a file does not parse; the others are formatted all the same).")]
pub(super) struct Arguments {
    /// Rule files, or folders of them; - for standard input. Without any, the folder of --rules, or `rules`
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// Folder of rule files (*.weir) if there are no PATHS
    #[arg(long, value_name = "DIR", env = "WEIR_RULES")]
    rules: Option<PathBuf>,
    /// Write nothing; list the files that would change
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change
    #[arg(long)]
    diff: bool,
}

/// How many files there were of each kind.
#[derive(Default)]
struct Count {
    all: usize,
    changed: usize,
    wrong: usize,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let paths = match (arguments.paths.is_empty(), &arguments.rules) {
        (false, _) => arguments.paths.clone(),
        (true, Some(rules)) => vec![rules.clone()],
        (true, None) => vec![PathBuf::from(FOLDER)],
    };
    let reads_only = arguments.check || arguments.diff;
    let mut count = Count::default();
    if paths.iter().any(|p| p.as_os_str() == "-") {
        if paths.len() > 1 {
            bail!("- stands for standard input, and alone: format the files by themselves");
        }
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("cannot read standard input as UTF-8 text")?;
        one(&arguments, Path::new("-"), &text, &mut count)?;
    } else {
        let mut files = Vec::new();
        for path in &paths {
            files.extend(load::paths(path)?);
        }
        files.sort();
        files.dedup();
        for file in &files {
            match fs::read_to_string(file) {
                Ok(text) => one(&arguments, file, &text, &mut count)?,
                Err(error) => {
                    eprintln!("weir: cannot read {}: {error}", file.display());
                    count.all += 1;
                    count.wrong += 1;
                }
            }
        }
        let would = if reads_only { "would change" } else { "changed" };
        eprintln!("{}: {} {would}, {} left alone", counted(count.all, "file"), count.changed, count.wrong);
    }
    Ok(match (count.wrong, reads_only && count.changed > 0) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::from(1),
        _ => ExitCode::from(2),
    })
}

/// Formats one file; `-` goes to standard output.
fn one(arguments: &Arguments, path: &Path, text: &str, count: &mut Count) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let piped = path.as_os_str() == "-";
    let name = if piped { "<stdin>".into() } else { path.to_string_lossy() };
    count.all += 1;
    let formatted = match format::format(text) {
        Ok(formatted) => formatted,
        Err(error) => {
            let colon = if matches!(error, Unformattable::Bug) { ":" } else { "," };
            eprintln!("weir: {name}{colon} {error}");
            count.wrong += 1;
            return Ok(());
        }
    };
    let changes = formatted != text;
    count.changed += usize::from(changes);
    if arguments.diff && changes {
        let diff = similar::TextDiff::from_lines(text, &formatted);
        write!(out, "{}", diff.unified_diff().header(&name, &format!("{name} (formatted)")))?;
    } else if arguments.check && changes {
        writeln!(out, "{name}")?;
    } else if arguments.check || arguments.diff {
        // Nothing to say of a file that is right.
    } else if piped {
        write!(out, "{formatted}")?;
    } else if changes {
        match replace(path, &formatted) {
            Ok(()) => writeln!(out, "{name}")?,
            Err(error) => {
                eprintln!("weir: cannot write {name}: {error}");
                count.changed -= 1;
                count.wrong += 1;
            }
        }
    }
    Ok(out.flush()?)
}

/// Puts a file in the place of another at once, so that nobody reads half of it; a link goes on pointing to it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let folder = path.parent().unwrap_or(Path::new("."));
    // Hidden, so that a weir that watches the folder does not take it for a rule file.
    let mut new = tempfile::Builder::new().prefix(".weir-fmt-").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    Ok(())
}
