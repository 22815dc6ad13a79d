//! Ctrl-C: stops the statement that runs, and nothing else.
//!
//! In come signals, out goes a word to the session. DuckDB may take its time to hear it, so that a third Ctrl-C ends the program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::query::Stopper;

/// So often it is pressed until the program ends, whatever the statement does.
const ENOUGH: u32 = 3;
/// What a program that was interrupted returns.
pub(super) const EXIT: u8 = 130;

/// What Ctrl-C stops.
#[derive(Clone, Default)]
pub(super) struct Interrupts(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    stopper: Option<Stopper>,
    /// How often it was pressed during this statement.
    pressed: u32,
    /// Whether it does nothing while no statement runs, or ends the program.
    stays: bool,
    /// Whether a pager shows the answer, which has a use of its own for it.
    paged: bool,
}

impl Interrupts {
    /// Takes Ctrl-C from now on. `stays`: it does not end the program while no statement runs.
    pub(super) fn listen(stays: bool) -> std::io::Result<Interrupts> {
        let interrupts = Interrupts(Arc::new(Mutex::new(Running { stays, ..Running::default() })));
        let listening = interrupts.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?
        };
        std::thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
            runtime.block_on(async {
                while signals.recv().await.is_some() {
                    listening.pressed();
                }
            });
        })?;
        Ok(interrupts)
    }

    /// Does something that Ctrl-C stops. Returns whether it was pressed meanwhile.
    pub(super) fn during<T>(&self, stopper: Stopper, work: impl FnOnce() -> T) -> (T, bool) {
        let mut running = self.running();
        (running.stopper, running.pressed) = (Some(stopper), 0);
        drop(running);
        let done = work();
        let mut running = self.running();
        running.stopper = None;
        (done, running.pressed > 0)
    }

    /// Says that a pager has the terminal now, or has it no more.
    pub(super) fn paged(&self, paged: bool) {
        self.running().paged = paged;
    }

    fn pressed(&self) {
        let mut running = self.running();
        running.pressed += 1;
        match &running.stopper {
            Some(stopper) if running.paged || running.pressed < ENOUGH => stopper.stop(),
            None if running.stays => {}
            Some(_) | None => std::process::exit(EXIT.into()),
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
