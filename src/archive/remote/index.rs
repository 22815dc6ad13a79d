//! The index: what of an archive is in the store, and who writes it there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::manifest::Manifest;
use super::{Address, RemoteError};

/// Name of its object.
pub(super) const NAME: &str = "index.json";

const FORMAT: u32 = 1;

/// All that counts there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Index {
    format: u32,
    pub(super) writer: Writer,
    /// As in the writer's folder when all its files were there.
    pub(super) manifest: Manifest,
    /// Where each of its files is, by its path in a data folder.
    pub(super) objects: BTreeMap<String, Object>,
    /// What lies beside the events, by its name in a data folder.
    pub(super) beside: BTreeMap<String, Vec<Piece>>,
    /// What no longer counts, and goes after a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gone: Vec<Gone>,
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Writer {
    /// Made up when the store was claimed.
    pub(super) id: String,
    pub(super) host: String,
    pub(super) folder: String,
    /// When it began, or ended, to write (RFC 3339).
    pub(super) since: String,
    /// Whether it may still write.
    pub(super) open: bool,
}

/// A Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) bytes: u64,
    /// xxh3 of its content, 128 bits.
    pub(super) hash: String,
    /// When the file was written, µs.
    pub(super) written: i64,
}

/// Some bytes of a file that lies beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) key: String,
    /// Its first byte …
    pub(super) from: u64,
    /// … and the one after its last.
    pub(super) to: u64,
    /// xxh3 of its content, 128 bits.
    pub(super) hash: String,
}

/// An object that no longer counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// Of a Parquet file its path in a data folder: somebody may be reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    pub(super) object: Object,
    /// Since when, µs.
    pub(super) since: i64,
}

impl Index {
    /// One without anything.
    pub(super) fn new(writer: Writer) -> Index {
        Index {
            format: FORMAT,
            writer,
            manifest: Manifest::default(),
            objects: BTreeMap::new(),
            beside: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn parse(text: &[u8], address: &Address) -> Result<Index, RemoteError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let object = || address.object(NAME);
        let damaged = |e: serde_json::Error| RemoteError::Damaged { object: object(), what: e.to_string() };
        let Head { format } = serde_json::from_slice(text).map_err(damaged)?;
        if format > FORMAT {
            return Err(RemoteError::Version { object: object(), found: format, known: FORMAT });
        }
        serde_json::from_slice(text).map_err(damaged)
    }

    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an index has text keys only")
    }

    /// Where a file is, even when it no longer counts.
    pub(super) fn find(&self, path: &str) -> Option<&Object> {
        let gone = || self.gone.iter().rev().find(|gone| gone.path.as_deref() == Some(path)).map(|gone| &gone.object);
        self.objects.get(path).or_else(gone)
    }
}

/// The hash of a content, as it is written.
pub(super) fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// Whether it is a Parquet file's path in a data folder, which is all that an index may name.
pub(super) fn is_file(path: &str) -> bool {
    let sound = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let parts: Vec<&str> = path.split('/').collect();
    let [events, day, file] = parts[..] else { return false };
    let file = file.strip_prefix("part-").and_then(|file| file.strip_suffix(".parquet"));
    events == "events" && day.strip_prefix("date=").is_some_and(sound) && file.is_some_and(sound)
}

/// The key of a Parquet file's object.
pub(super) fn key(path: &str, hash: &str) -> String {
    let name = path.strip_suffix(".parquet").unwrap_or(path);
    format!("{name}-{}.parquet", &hash[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_files_of_events_only() {
        assert!(is_file("events/date=2026-01-15/part-12.parquet") && is_file("events/date=-001-01-15/part-1.parquet"));
        for wrong in [
            "/etc/passwd",
            "events/date=../part-1.parquet",
            "events/date=1/../x.parquet",
            "events/date=1/part-.parquet",
        ] {
            assert!(!is_file(wrong), "{wrong}");
        }
        let hash = hash(b"x");
        let key = key("events/date=2026-01-15/part-12.parquet", &hash);
        assert_eq!(key, format!("events/date=2026-01-15/part-12-{}.parquet", &hash[..16]));
    }
}
