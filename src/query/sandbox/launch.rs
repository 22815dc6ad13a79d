//! Starts a worker, gives it its job, and ends it at the deadline.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::job::{self, Job, Reply};
use super::{SandboxError, WORKER};

/// Beside its rows, an answer has heads and ends, bytes.
const HEADS: usize = 1 << 20;

/// Of what a worker says in its last moments, so much is told, bytes.
const LAST_WORDS: u64 = 2 << 10;

/// How a worker is started.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

/// A worker, which does not outlive this.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Launcher {
    /// This program, even when its file was replaced meanwhile.
    pub(super) fn ourselves() -> Launcher {
        Launcher { program: PathBuf::from("/proc/self/exe"), arguments: vec![WORKER.to_owned()] }
    }

    /// Runs a job in a worker, and kills it when that takes longer than `time`.
    pub(super) fn run(&self, job: &Job, time: Duration) -> Result<Reply, SandboxError> {
        let failed = |what: &str| SandboxError::Worker(what.to_owned());
        let text = serde_json::to_vec(job).map_err(|e| SandboxError::Worker(e.to_string()))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().current_dir("/");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut worker = Worker(child.map_err(|e| SandboxError::Worker(format!("it does not start: {e}")))?);
        let (Some(mut input), Some(mut output)) = (worker.0.stdin.take(), worker.0.stdout.take()) else {
            return Err(failed("it has no pipes"));
        };
        let most = job.limits.bytes.saturating_add(HEADS);
        let (say, hear) = mpsc::channel();
        // It ends when the pipes close, which they do when the worker is killed.
        thread::spawn(move || {
            // Where the worker does not take its job, the reply tells why.
            let _ = input.write_all(&text);
            drop(input);
            let _ = say.send(job::read(&mut output, most));
        });
        match hear.recv_timeout(time) {
            Ok(Ok(Some(reply))) => reply.map_err(|failure| SandboxError::of(failure, &job.limits)),
            Ok(Ok(None)) => Err(worker.end(job)),
            Ok(Err(text)) => Err(SandboxError::Worker(text)),
            Err(RecvTimeoutError::Timeout) => Err(SandboxError::TimedOut(time)),
            Err(RecvTimeoutError::Disconnected) => Err(failed("its reader stopped")),
        }
    }
}

impl Worker {
    /// How it ended without a reply.
    fn end(&mut self, job: &Job) -> SandboxError {
        // It closed its output, so it ends now or means harm.
        let _ = self.0.kill();
        let Ok(status) = self.0.wait() else { return SandboxError::Died("it is gone".to_owned()) };
        let mut said = Vec::new();
        if let Some(error) = self.0.stderr.take() {
            let _ = error.take(LAST_WORDS).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        tracing::debug!("the SQL worker ended: {status}; it said: {}", said.escape_debug());
        if said.contains("memory allocation of") || said.contains("bad_alloc") {
            return SandboxError::Memory(job.limits.memory);
        }
        match signal(status) {
            Some(Signal::SIGXCPU) => SandboxError::TimedOut(job.limits.time),
            Some(signal) => SandboxError::Died(signal.to_string()),
            None => SandboxError::Died(status.to_string()),
        }
    }
}

fn signal(status: ExitStatus) -> Option<Signal> {
    Signal::try_from(status.signal()?).ok()
}
