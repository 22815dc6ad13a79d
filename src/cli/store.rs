//! What several subcommands ask alike of an archive's home in an object store.

use std::path::Path;
use std::sync::Arc;

use crate::archive::ArchiveError;
use crate::archive::remote::{self, Address, Choice, Moved, RemoteError, Step};
use crate::metrics::Metrics;

/// Where the archive has its home.
#[derive(clap::Args, Clone, Default)]
pub(super) struct Store {
    /// Home of the archive in an object store (S3), of which the data folder is a cache; once said, the folder remembers it
    ///
    /// The account is taken from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION; AWS_ENDPOINT_URL for
    /// stores that are not Amazon's. Needs a weir built with `--features s3`.
    #[arg(long, value_name = "s3://BUCKET/PREFIX", global = true)]
    store: Option<Address>,
    /// How much of what is in the store may lie in the data folder, too: 10GB [default: all]
    #[arg(long, value_name = "SIZE", value_parser = size, global = true)]
    cache: Option<u64>,
}

/// The same for who writes.
#[derive(clap::Args, Clone, Default)]
pub(super) struct Writing {
    #[command(flatten)]
    store: Store,
    /// Write to the store although another weir has not let it go: its machine is gone for good
    #[arg(long, global = true)]
    take_over: bool,
}

fn size(text: &str) -> Result<u64, String> {
    crate::archive::bytes(text).filter(|bytes| *bytes > 0).ok_or_else(|| "write 10GB or 500MiB".to_owned())
}

impl Store {
    /// Whether a home was named.
    pub(super) fn is_named(&self) -> bool {
        self.store.is_some()
    }

    /// Makes a data folder show what is in its home, if it has one and does not write there itself.
    pub(super) fn read(&self, data: &Path) -> Result<(), ArchiveError> {
        remote::attach(data, &self.choice(false))
    }

    fn choice(&self, take_over: bool) -> Choice {
        Choice { store: self.store.clone(), cache: self.cache, take_over }
    }
}

impl Writing {
    /// Makes a data folder the one writer of its home, if it has one. Says whether it has.
    pub(super) fn claim(&self, data: &Path) -> Result<bool, ArchiveError> {
        remote::claim(data, &self.store.choice(self.take_over))
    }

    /// What only reads of the same.
    pub(super) fn reading(&self) -> &Store {
        &self.store
    }

    /// Whether a home was named.
    pub(super) fn is_named(&self) -> bool {
        self.store.is_named()
    }

    /// Does something to a data folder, and brings what came of it to its home, if it has one.
    pub(super) fn with<T>(&self, data: &Path, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let has_home = self.claim(data)?;
        let done = work();
        // A failure lets the store go as well, and is said before another one.
        match (has_home.then(|| upload(data)), done) {
            (_, Err(error)) => Err(error),
            (Some(Err(error)), Ok(_)) => Err(error),
            (Some(Ok(_)) | None, Ok(done)) => Ok(done),
        }
    }
}

/// Counts what goes to the archive's home.
pub(super) fn told(metrics: Arc<Metrics>) -> Box<dyn Fn(Step) + Send> {
    Box::new(move |step| match step {
        Step::Done(moved) => metrics.uploaded(moved.files, moved.bytes),
        Step::Failed(_, waiting) => metrics.upload_failed(waiting),
    })
}

/// Brings to a folder's home what it has and the home has not.
pub(super) fn upload(data: &Path) -> anyhow::Result<Moved> {
    let waiting = remote::status(data)?.map_or(0, |status| status.waiting_bytes);
    let bar = super::progress::bytes(waiting, "uploading");
    let moved = remote::upload(data, &|bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    match moved {
        Ok(moved) => Ok(moved),
        Err(ArchiveError::Remote(error)) if matches!(*error, RemoteError::Unreachable { .. }) => Err(anyhow::anyhow!(
            "{error}; all is kept in {data}, and `weir archive upload --data {data}` tries again",
            data = data.display()
        )),
        Err(error) => Err(error.into()),
    }
}
