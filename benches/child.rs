//! A process of its own, and what it took.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::cpu;

/// What is left of a process.
pub(crate) struct Ended {
    /// The most memory it was seen with, MiB.
    pub(crate) memory: u64,
    /// Its standard error.
    #[allow(dead_code, reason = "each bench takes what it needs")]
    pub(crate) said: String,
}

/// Runs a command to its end: its CPU-seconds, and what is left of it. What it writes is thrown away.
pub(crate) fn run(command: &mut Command) -> (f64, Ended) {
    let before = cpu::of_children();
    let said = tempfile::NamedTempFile::new().expect("a file for what is said");
    let errors = said.reopen().expect("the file is there");
    let mut child = command.stdout(Stdio::null()).stderr(errors).spawn().expect("the command is found");
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    let exit = loop {
        if let Some(exit) = child.try_wait().expect("a child can be waited for") {
            break exit;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let most = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        memory = memory.max(most.unwrap_or(0) / 1024);
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = std::fs::read_to_string(said.path()).unwrap_or_default();
    // 1 says that there were alerts.
    assert!(matches!(exit.code(), Some(0 | 1)), "{command:?} failed:\n{said}");
    (cpu::of_children() - before, Ended { memory, said })
}
