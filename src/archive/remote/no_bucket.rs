//! What there is of a bucket in a weir that was built without object stores: nothing.

use std::path::Path;

use super::{Address, RemoteError};

/// Which version of an object it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Version {
    e_tag: Option<String>,
    version: Option<String>,
}

/// There is none.
pub(super) enum Bucket {}

impl Bucket {
    pub(super) fn open(address: &Address) -> Result<Bucket, RemoteError> {
        Err(RemoteError::Unbuilt(address.clone()))
    }

    pub(super) fn address(&self) -> &Address {
        match *self {}
    }

    pub(super) fn get(&self, _: &str) -> Result<Option<(Vec<u8>, Version)>, RemoteError> {
        match *self {}
    }

    pub(super) fn version(&self, _: &str) -> Result<Option<Version>, RemoteError> {
        match *self {}
    }

    pub(super) fn get_file(&self, _: &str, _: u64, _: &Path, _: &(dyn Fn(u64) + Sync)) -> Result<String, RemoteError> {
        match *self {}
    }

    pub(super) fn put(&self, _: &str, _: Vec<u8>) -> Result<(), RemoteError> {
        match *self {}
    }

    pub(super) fn put_file(&self, _: &str, _: &Path, _: u64) -> Result<(), RemoteError> {
        match *self {}
    }

    pub(super) fn replace(&self, _: &str, _: Vec<u8>, _: Option<&Version>) -> Result<Option<Version>, RemoteError> {
        match *self {}
    }

    pub(super) fn delete(&self, _: &str) -> Result<(), RemoteError> {
        match *self {}
    }
}
