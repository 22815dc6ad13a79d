//! Ctrl-C and SIGTERM, for programs that end in order.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Takes Ctrl-C and SIGTERM from the moment it is made: none of them ends the program by itself any more, and one that comes while
/// nobody waits is kept for who waits next.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Within a runtime. Fails where the system takes no handler.
    pub(super) fn listen() -> std::io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
