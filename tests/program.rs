//! The `weir` binary as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary under test.
pub(crate) fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env_remove("WEIR_DATA").env_remove("WEIR_RULES").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    weir().args(arguments).output().expect("the binary starts")
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// NDJSON on standard output.
pub(crate) fn json(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|l| serde_json::from_str(l).expect("each line is a JSON object")).collect()
}

/// A file of the real logs that are not part of the project; `None`, with a word, where they are not at hand.
pub(crate) fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WEIR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = folder.join("data").join(name);
    if !path.exists() {
        println!("skipped: {} is not here (set WEIR_SHARED)", path.display());
        return None;
    }
    Some(path)
}
