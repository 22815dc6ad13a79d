//! The thread that compiles, so that answers never wait for it. In: which folder, with which open texts. Out: the
//! analysis.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::analysis::{Analysis, analyse};
use super::folder::{Disk, Folder};
use crate::rule::Parsed;

/// A folder to compile.
pub(crate) struct Job {
    /// Which.
    pub(crate) folder: Folder,
    /// The texts that stand for those on disk.
    pub(crate) open: Vec<(PathBuf, Arc<str>)>,
    /// The versions of these, as the client counts them.
    pub(crate) versions: HashMap<PathBuf, i32>,
    /// Ask the disk for what is new there.
    pub(crate) look: bool,
    /// The edit up to which it is.
    pub(crate) edit: u64,
}

/// A compiled folder.
pub(crate) struct Done {
    /// The job's.
    pub(crate) folder: Folder,
    /// The job's.
    pub(crate) versions: HashMap<PathBuf, i32>,
    /// The job's.
    pub(crate) edit: u64,
    /// What came out; `None` when the compiler itself failed, which a server survives.
    pub(crate) analysis: Option<Arc<Analysis>>,
}

/// Starts the thread. It ends when no job can come any more.
pub(crate) fn start() -> (Sender<Job>, Receiver<Done>) {
    let (jobs, todo) = unbounded::<Job>();
    let (finished, done) = unbounded();
    thread::spawn(move || {
        let (mut disk, mut parsed) = (Disk::default(), Parsed::default());
        for job in todo {
            let Job { folder, open, versions, look, edit } = job;
            let compiled = catch_unwind(AssertUnwindSafe(|| analyse(&folder, &open, &mut disk, &mut parsed, look)));
            if compiled.is_err() {
                tracing::error!("the compiler failed on {}; please report this as a bug", folder.path().display());
            }
            let analysis = compiled.ok().map(Arc::new);
            if finished.send(Done { folder, versions, edit, analysis }).is_err() {
                return;
            }
        }
    });
    (jobs, done)
}
