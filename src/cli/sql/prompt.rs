//! The prompt: lines with editing, history and completion, until Ctrl-D. An error is shown, and the prompt comes again.

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};

use super::complete::Words;
use super::history;
use super::shell::{Next, Shell};

const FIRST: &str = "weir> ";
const CONTINUED: &str = "   -> ";

/// Asks for statements until the user leaves.
pub(super) fn run(shell: &mut Shell<'_>, words: Words) -> anyhow::Result<()> {
    let config = Config::builder()
        .max_history_size(history::LENGTH)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Words, DefaultHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(words));
    let file = history::file();
    if let Some(file) = file.as_ref().filter(|file| file.exists())
        && let Err(error) = editor.load_history(file)
    {
        eprintln!("weir: cannot read {}: {error}", file.display());
    }
    let (mut prompt, mut entry) = (FIRST, String::new());
    loop {
        let size = editor.dimensions().map(|(columns, lines)| (columns, lines as usize));
        shell.terminal = Some(size.filter(|(columns, lines)| *columns > 0 && *lines > 0).unwrap_or((80, 24)));
        let line = match editor.readline(prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                shell.pending.clear();
                entry.clear();
                prompt = FIRST;
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        entry.push_str(&line);
        let next = shell.line(&line).unwrap_or_else(|error| {
            eprintln!("{}", super::super::message(&error));
            Next::Statement
        });
        prompt = match next {
            Next::Rest => {
                entry.push('\n');
                CONTINUED
            }
            Next::Statement | Next::Leave => {
                remember(&mut editor, file.as_deref(), std::mem::take(&mut entry).trim_end());
                FIRST
            }
        };
        if next == Next::Leave {
            return Ok(());
        }
    }
}

/// Each at once: what was typed survives a crash, and other prompts have it when they start.
fn remember(editor: &mut Editor<Words, DefaultHistory>, file: Option<&std::path::Path>, entry: &str) {
    let added = !entry.is_empty() && editor.add_history_entry(entry).unwrap_or(false);
    if let Some(file) = file.filter(|_| added)
        && let Err(error) = editor.append_history(file)
    {
        tracing::debug!("cannot write {}: {error}", file.display());
    }
}
