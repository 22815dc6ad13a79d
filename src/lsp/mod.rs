//! The language server: rule files as editors see them. In: the Language Server Protocol on standard input. Out: its
//! answers, and diagnostics, on standard output.
//!
//! Reading order: `transport` frames messages, `server` takes them one by one, `state` holds the open texts and has
//! `compile` make an `Analysis` of their rules folder (`folder`), `requests` turns the protocol's questions
//! into those that `diagnostics`, `hover`, `completion`, `definition`, `rename`, `symbols`, `format` and `fix` answer. These know
//! nothing of the protocol's positions: they take and give bytes, and `text` converts.
//!
//! The compiler is the one of `weir check`; nothing here parses a rule a second time. What is under the cursor of a text that
//! does not parse is found by its tokens (`token`, `cursor`) and by asking the grammar what it would go on with.

use std::path::PathBuf;

mod address;
mod analysis;
mod compile;
mod completion;
mod cursor;
mod definition;
mod diagnostics;
mod fix;
mod folder;
mod format;
mod hover;
mod names;
mod rename;
mod requests;
mod server;
mod state;
mod symbols;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod transport;
mod values;

/// How the server is started.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Rules folders, by absolute paths. Without one, a file's folder is found by its place.
    pub folders: Vec<PathBuf>,
}

/// Serves standard input until it ends or the client says so. Whether the client ended it as agreed: `shutdown`, then
/// `exit`.
pub fn serve(settings: Settings) -> bool {
    let (connection, writer) = transport::stdio();
    let agreed = server::serve(&connection, settings);
    drop(connection);
    // What a thread panics with is on standard error already.
    let _ = writer.join();
    agreed
}
