//! `weir lsp`: the language server for editors.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::lsp;

/// Serve rule files to your editor (Language Server Protocol)
///
/// Speaks the protocol on standard input and output; an editor starts it. It shows mistakes while you write, says what
/// fields and words mean, completes them, goes to definitions, renames and mends.
#[derive(clap::Args)]
#[command(after_help = "\
Set up:
  Neovim   vim.api.nvim_create_autocmd('FileType', { pattern = 'weir', callback = function()
             vim.lsp.start({ name = 'weir', cmd = { 'weir', 'lsp' } }) end })
           vim.filetype.add({ extension = { weir = 'weir' } })
  Helix    in languages.toml:
             [language-server.weir]
             command = \"weir\"
             args = [\"lsp\"]
             [[language]]
             name = \"weir\"
             scope = \"source.weir\"
             file-types = [\"weir\"]
             comment-token = \"#\"
             language-servers = [\"weir\"]
  VS Code  with the extension in examples/editor/vscode of the sources

A file belongs to the rules folder given with --rules if it is inside; else to the nearest folder
above it called `rules`; else to the folders around it that hold rules.

Exit codes: 0 the editor ended it as agreed, 1 it went away, 2 an error.")]
pub(super) struct Arguments {
    /// Folder of rule files that is one program; without it, each file's is found by its place
    #[arg(long, value_name = "DIR", env = "WEIR_RULES")]
    rules: Option<PathBuf>,
    /// Many editors say so; it is what happens anyway
    #[arg(long, hide = true)]
    stdio: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut folders = Vec::new();
    if let Some(folder) = arguments.rules {
        let said = std::path::absolute(&folder).with_context(|| format!("{} is no path", folder.display()))?;
        let real = folder.canonicalize().with_context(|| format!("there is no rules folder {}", folder.display()))?;
        // An editor may call a file by either.
        folders = vec![said, real];
    }
    let agreed = lsp::serve(lsp::Settings { folders });
    Ok(if agreed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
