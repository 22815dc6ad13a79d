//! A bucket over S3: objects in and out, each call waited for.
//!
//! The account comes from the environment as everywhere: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
//! AWS_REGION, AWS_ENDPOINT_URL and what else the library reads there; on machines of AWS from the machine's role.

use std::error::Error as _;
use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig, UpdateVersion,
    WriteMultipart,
};
use tokio::runtime::{self, Runtime};
use xxhash_rust::xxh3::Xxh3;

use super::{Address, RemoteError};

/// Files above this are sent in pieces of this, and fetched so, bytes.
const PIECE: usize = 8 << 20;
/// Pieces under way at a time.
const AT_A_TIME: usize = 4;
/// A request that gets no byte for so long has failed.
const SILENCE: Duration = Duration::from_secs(30);
/// A request that takes so long has failed: a piece of 8 MiB at 100 kB/s.
const REQUEST: Duration = Duration::from_secs(90);
const CONNECT: Duration = Duration::from_secs(5);

/// Which version of an object it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Version {
    e_tag: Option<String>,
    version: Option<String>,
}

/// A connection to a bucket.
pub(super) struct Bucket {
    address: Address,
    store: AmazonS3,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Bucket {
    /// Reads the account from the environment. Nothing is asked of the store yet.
    pub(super) fn open(address: &Address) -> Result<Bucket, RemoteError> {
        // One of them must be chosen, and is by whoever comes first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let refused = |what: String| RemoteError::Refused { action: "open", object: address.to_string(), what };
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(address.bucket());
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
        let mut client = ClientOptions::new();
        if endpoint.starts_with("http://") {
            client = client.with_allow_http(true);
        }
        client = client.with_connect_timeout(CONNECT).with_read_timeout(SILENCE).with_timeout(REQUEST);
        if builder.get_config_value(&AmazonS3ConfigKey::Checksum).is_none() {
            // The store checks that what it got is what was sent.
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
        // Whoever uploads tries again later; whoever waits for a file should not wait for long.
        let retry = RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(20) };
        let store =
            builder.with_client_options(client).with_retry(retry).build().map_err(|e| refused(e.to_string()))?;
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|e| refused(e.to_string()))?;
        Ok(Bucket { address: address.clone(), store, runtime: Some(runtime) })
    }

    /// What it is a connection to.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// An object, and which version of it that is; `None` when there is none.
    pub(super) fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, RemoteError> {
        let got = self.wait(async {
            let got = self.store.get(&self.key(name)).await?;
            let version = Version { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
            Ok((got.bytes().await?.to_vec(), version))
        });
        self.found("read", name, got)
    }

    /// Which version of an object there is; `None` when there is none.
    pub(super) fn version(&self, name: &str) -> Result<Option<Version>, RemoteError> {
        let meta = self.wait(self.head(name));
        let version = |meta: object_store::ObjectMeta| Version { e_tag: meta.e_tag, version: meta.version };
        Ok(self.found("look at", name, meta)?.map(version))
    }

    /// Writes an object of this length to a file, durably. Returns the hash of what came. `progress` is told of bytes.
    pub(super) fn get_file(
        &self,
        name: &str,
        bytes: u64,
        path: &Path,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<String, RemoteError> {
        let key = self.key(name);
        let local = |error: std::io::Error| self.unreachable("fetch", name, format!("{}: {error}", path.display()));
        let mut file = File::create(path).map_err(local)?;
        let mut hash = Xxh3::new();
        let mut at = 0;
        while at < bytes {
            let end = bytes.min(at + PIECE as u64);
            let piece = self.wait(self.store.get_range(&key, at..end)).map_err(|e| self.failed("fetch", name, &e))?;
            if piece.len() as u64 != end - at {
                let what = format!("{} bytes came where {} should have", piece.len(), end - at);
                return Err(RemoteError::Damaged { object: self.address.object(name), what });
            }
            hash.update(&piece);
            file.write_all(&piece).map_err(local)?;
            progress(end - at);
            at = end;
        }
        file.sync_all().map_err(local)?;
        Ok(format!("{:032x}", hash.digest128()))
    }

    /// Puts an object there, in the place of one that may be there.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let put = self.wait(self.store.put(&self.key(name), bytes.into()));
        put.map(drop).map_err(|e| self.failed("write", name, &e))
    }

    /// Puts a file there, unless it is there already: names tell contents.
    pub(super) fn put_file(&self, name: &str, path: &Path, bytes: u64) -> Result<(), RemoteError> {
        let there = |found: &Option<object_store::ObjectMeta>| found.as_ref().is_some_and(|meta| meta.size == bytes);
        if there(&self.found("look at", name, self.wait(self.head(name)))?) {
            return Ok(());
        }
        let local = |error: std::io::Error| self.unreachable("write", name, format!("{}: {error}", path.display()));
        let mut file = File::open(path).map_err(local)?;
        let mut piece = Vec::new();
        if bytes <= PIECE as u64 {
            file.read_to_end(&mut piece).map_err(local)?;
            self.put(name, piece)?;
        } else {
            let failed = |e: Error| self.failed("write", name, &e);
            let upload = self.wait(self.store.put_multipart(&self.key(name))).map_err(failed)?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
            let mut send = || loop {
                piece.clear();
                (&mut file).take(PIECE as u64).read_to_end(&mut piece).map_err(local)?;
                if piece.is_empty() {
                    return Ok(());
                }
                let sent = self.wait(async {
                    upload.wait_for_capacity(AT_A_TIME).await?;
                    upload.write(&piece);
                    Ok(())
                });
                sent.map_err(failed)?;
            };
            if let Err(error) = send() {
                // The pieces that are there cost money until somebody says that they are not wanted.
                drop(self.wait(upload.abort()));
                return Err(error);
            }
            self.wait(upload.finish()).map_err(failed)?;
        }
        match self.found("look at", name, self.wait(self.head(name)))? {
            found if there(&found) => Ok(()),
            found => Err(RemoteError::Damaged {
                object: self.address.object(name),
                what: format!("it has {:?} bytes after {bytes} were written", found.map(|meta| meta.size)),
            }),
        }
    }

    /// Replaces an object of which this version is known (`None`: that there is none). Returns the new version, or nothing
    /// when there is another one.
    pub(super) fn replace(
        &self,
        name: &str,
        bytes: Vec<u8>,
        known: Option<&Version>,
    ) -> Result<Option<Version>, RemoteError> {
        let mode = match known {
            None => PutMode::Create,
            Some(known) => {
                PutMode::Update(UpdateVersion { e_tag: known.e_tag.clone(), version: known.version.clone() })
            }
        };
        let (key, payload) = (self.key(name), PutPayload::from(bytes));
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.wait(object_store::ObjectStore::put_opts(&self.store, &key, payload, options)) {
            Ok(put) => Ok(Some(Version { e_tag: put.e_tag, version: put.version })),
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. } | Error::NotModified { .. }) => Ok(None),
            // That there is none to be replaced is another version, too; but there may be no bucket either.
            Err(error @ Error::NotFound { .. }) if known.is_none() => Err(self.failed("write", name, &error)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("write", name, &error)),
        }
    }

    /// Removes an object that may be gone already.
    pub(super) fn delete(&self, name: &str) -> Result<(), RemoteError> {
        match self.wait(self.store.delete(&self.key(name))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", name, &error)),
        }
    }

    async fn head(&self, name: &str) -> Result<object_store::ObjectMeta, Error> {
        self.store.head(&self.key(name)).await
    }

    fn key(&self, name: &str) -> Key {
        Key::from(self.address.key(name))
    }

    /// Waits on a thread of its own: the caller may be a task of another runtime.
    fn wait<T: Send>(&self, work: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        let runtime = self.runtime.as_ref().expect("it is there until it is dropped");
        let done = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn found<T>(&self, action: &'static str, name: &str, got: Result<T, Error>) -> Result<Option<T>, RemoteError> {
        match got {
            Ok(got) => Ok(Some(got)),
            Err(error @ Error::NotFound { .. }) if is_about_bucket(&error) => Err(self.failed(action, name, &error)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(action, name, &error)),
        }
    }

    fn unreachable(&self, action: &'static str, name: &str, what: String) -> RemoteError {
        RemoteError::Unreachable { action, object: self.address.object(name), what }
    }

    fn failed(&self, action: &'static str, name: &str, error: &Error) -> RemoteError {
        let refused = |what: String| RemoteError::Refused { action, object: self.address.object(name), what };
        let text = causes(error);
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => refused(format!(
                "the store does not let this account in: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's \
                 policy ({})",
                said(&text)
            )),
            Error::NotFound { .. } if is_about_bucket(error) => {
                refused(format!("there is no bucket `{}`: make it, or check AWS_ENDPOINT_URL", self.address.bucket()))
            }
            Error::NotFound { .. } => refused("it is no longer in the store: run it again".to_owned()),
            Error::Generic { .. } if text.contains("169.254.169.254") => {
                refused("there is no account to write with: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned())
            }
            _ => self.unreachable(action, name, said(&text)),
        }
    }
}

impl Drop for Bucket {
    /// Waits for nothing, since it may be a task of another runtime that drops it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn is_about_bucket(error: &Error) -> bool {
    causes(error).contains("NoSuchBucket")
}

/// An error and what it came from, each said once.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// What of it is for people: the store's own message where it sent one, in one line.
fn said(text: &str) -> String {
    let message = text.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    let text = message.map_or(text, |(message, _)| message);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(400).collect()
}
