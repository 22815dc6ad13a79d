//! The archive's home in an object store: `s3://BUCKET/PREFIX`, by any store that speaks S3.
//!
//! Acceptance stays local: the log is a file of the data folder, and a folder never waits for the store. What is sealed is
//! copied up: Parquet files first, then the index that names them; only then may a local file go. From the index alone a
//! fresh folder is made, and files come when they are read.
//!
//! ```text
//! s3://BUCKET/PREFIX/index.json                                        what counts, and who writes; replaced as a whole
//! s3://BUCKET/PREFIX/events/date=2026-01-15/part-1-9f3c….parquet       by content: two writers never overwrite each other
//! s3://BUCKET/PREFIX/beside/alerts.ndjson/0-9f3c…                      pieces of what lies beside the events
//! DIR/store/settings.json                                              which store, how large the cache is, who writes
//! DIR/store/index.json                                                 the index as it was last seen there
//! ```
//!
//! INVARIANT: the index is replaced only by who saw its latest version (a conditional put), after all that it names is
//! there; an object that an index named goes only once a later one does not, and after a time of grace for readers.
//! A local file goes only when the index that is in the store names it.
//!
//! `bucket` is all that knows an S3 library; without the feature `s3` it is a type without values, and says how to build it.

mod address;
mod attach;
mod beside;
#[cfg(feature = "s3")]
mod bucket;
#[cfg(not(feature = "s3"))]
#[path = "no_bucket.rs"]
mod bucket;
mod cache;
mod folder;
mod index;
mod status;
mod sync;
mod uploads;

pub use address::Address;
pub use attach::{Choice, attach, claim};
pub(super) use cache::{Cache, Written};
pub use status::{Status, status};
pub use sync::{Moved, upload};
pub use uploads::{Step, Uploads};

use super::{ArchiveError, layout};

/// What is wrong with the archive's home.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Built without the feature.
    #[error(
        "{0} is in an object store, and this weir was built without: build it with \
         `cargo build --release --features s3`"
    )]
    Unbuilt(Address),
    /// Not an address.
    #[error("`{text}` is no address of a store: {why}; write s3://BUCKET/PREFIX")]
    Address {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The store cannot be reached, or does not answer as it should.
    #[error("cannot {action} {object}: {what}")]
    Unreachable {
        /// What was tried.
        action: &'static str,
        /// On what.
        object: String,
        /// What is wrong.
        what: String,
    },
    /// The store said no.
    #[error("cannot {action} {object}: {what}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// On what.
        object: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Nobody has written there.
    #[error("there is no archive in {0}: `weir run --store {0}` and `weir archive upload --store {0}` write one")]
    Missing(Address),
    /// Another weir writes there.
    #[error(
        "{address} is in use by the weir on {who}, since {since}: stop that one, or give this \
         one a prefix of its own; if that one is gone for good, add --take-over"
    )]
    InUse {
        /// The store.
        address: Address,
        /// The machine and data folder.
        who: String,
        /// Since when (RFC 3339).
        since: String,
    },
    /// The store holds the archive of another folder.
    #[error(
        "{address} holds the archive of the weir on {who}, and {folder} is another one: give this \
         one a prefix of its own, or name a new folder with --data to go on with what is in the store"
    )]
    Taken {
        /// The store.
        address: Address,
        /// Whose it is: a machine and data folder.
        who: String,
        /// Ours.
        folder: String,
    },
    /// The folder has another home.
    #[error("{folder} has its home in {has}, not in {asked}: leave --store away, or name another folder with --data")]
    Elsewhere {
        /// The folder.
        folder: String,
        /// Its home.
        has: Address,
        /// What was asked for.
        asked: String,
    },
    /// A folder with an archive of its own is no cache.
    #[error(
        "{folder} holds an archive that is not in {asked}: name a new folder with --data, or make that its home with \
         `weir archive upload --data {folder} --store {asked}`"
    )]
    Own {
        /// The folder.
        folder: String,
        /// What was asked for.
        asked: Address,
    },
    /// What the folder has only in the store is not there any more.
    #[error("{address} is empty, and {count} files of {folder} were only there: is it the right store?")]
    Emptied {
        /// The store.
        address: Address,
        /// The folder.
        folder: String,
        /// How many files.
        count: usize,
    },
    /// An object is not what it should be.
    #[error("{object} is damaged: {what}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// The index was written by a later weir.
    #[error(
        "{object} was written by a later version of weir (format {found}, this one reads up to {known}): upgrade weir"
    )]
    Version {
        /// The object.
        object: String,
        /// Its format.
        found: u32,
        /// The greatest format known.
        known: u32,
    },
}

impl RemoteError {
    /// Whether it may work later without anybody doing something.
    pub(super) fn passes(&self) -> bool {
        matches!(self, RemoteError::Unreachable { .. })
    }
}
