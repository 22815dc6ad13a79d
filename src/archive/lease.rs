//! Who reads: a file that was replaced is removed only when nobody may still open it.
//!
//! A reader holds a shared lock on `DIR/readers` from before it reads the manifest until it is done with the files; the
//! writer removes replaced files in a moment in which it has that lock alone. A reader that dies lets go of it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::layout;

/// Keeps the files that the manifest names now from being removed, as long as a clone of it lives.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    _held: Option<Arc<File>>,
}

impl Lease {
    /// To be taken before the manifest is read. In a folder without one there is nothing to keep, and one in which the lock
    /// cannot be made has no writer.
    pub(super) fn take(dir: &Path) -> Lease {
        if !layout::manifest(dir).exists() {
            return Lease { _held: None };
        }
        let path = layout::readers(dir);
        let file = File::open(&path).or_else(|_| make(dir));
        let held = file.and_then(|file| file.lock_shared().map(|()| Arc::new(file)));
        if let Err(error) = &held
            && !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
        {
            tracing::warn!("cannot lock {}: {error}; a file may be removed while it is read", path.display());
        }
        Lease { _held: held.ok() }
    }
}

fn make(dir: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(layout::readers(dir))
}

/// Does something while nobody reads; `None` when somebody does, or that cannot be told.
pub(super) fn alone<T>(dir: &Path, work: impl FnOnce() -> T) -> Option<T> {
    let file = make(dir).ok()?;
    file.try_lock().ok()?;
    Some(work())
}
