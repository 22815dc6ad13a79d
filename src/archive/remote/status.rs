//! What of a data folder is in its home, and what waits.

use std::path::Path;

use super::super::manifest::Manifest;
use super::folder::{self, Known, Settings};
use super::{Address, ArchiveError};

/// How a data folder and its home stand. Nothing is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The home.
    pub address: Address,
    /// Whether this folder writes there.
    pub writes: bool,
    /// Files that are there …
    pub stored: u64,
    /// … and their bytes.
    pub stored_bytes: u64,
    /// Files that wait …
    pub waiting: u64,
    /// … and their bytes.
    pub waiting_bytes: u64,
    /// Files that are here, too, or only …
    pub local: u64,
    /// … and their bytes …
    pub local_bytes: u64,
    /// … which may be as many as this.
    pub cache: Option<u64>,
    /// What went wrong last, if it still does.
    pub trouble: Option<String>,
}

/// How a data folder and its home stand; `None` where it is its own home.
pub fn status(dir: &Path) -> Result<Option<Status>, ArchiveError> {
    let Some(Settings { address, cache, writer, .. }) = Settings::load(dir)? else { return Ok(None) };
    let (known, manifest) = (Known::load(dir)?, Manifest::load(dir)?.unwrap_or_default());
    let (writes, trouble) = (writer.is_some(), folder::trouble(dir));
    let (stored, stored_bytes, waiting, waiting_bytes, local, local_bytes) = (0, 0, 0, 0, 0, 0);
    let mut status =
        Status { address, writes, stored, stored_bytes, waiting, waiting_bytes, local, local_bytes, cache, trouble };
    for file in &manifest.files {
        if known.as_ref().is_some_and(|known| known.index.objects.contains_key(&file.path)) {
            status.stored += 1;
            status.stored_bytes += file.bytes;
        } else {
            status.waiting += 1;
            status.waiting_bytes += file.bytes;
        }
        if dir.join(&file.path).exists() {
            status.local += 1;
            status.local_bytes += file.bytes;
        }
    }
    Ok(Some(status))
}
