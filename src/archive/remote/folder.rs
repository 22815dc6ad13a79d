//! `DIR/store`: what a data folder knows of its home.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bucket::Version;
use super::index::Index;
use super::{Address, ArchiveError, layout};

/// How long what no longer counts stays in the store, for readers on other machines, seconds.
const GRACE: u64 = 3600;

/// Which home, and what this folder is to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) address: Address,
    /// Local files may take so many bytes; all stay without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache: Option<u64>,
    /// As what it writes there. A folder without it only reads: it follows the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) writer: Option<String>,
    /// As what it is about to write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) claiming: Option<String>,
    /// Seconds.
    #[serde(default = "grace")]
    pub(super) grace: u64,
}

fn grace() -> u64 {
    GRACE
}

/// The index that was last seen in the store.
#[derive(Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) version: Version,
    pub(super) index: Index,
}

impl Settings {
    pub(super) fn new(address: Address) -> Settings {
        Settings { address, cache: None, writer: None, claiming: None, grace: GRACE }
    }

    /// Those of a data folder; `None` where it is its own home.
    pub(super) fn load(dir: &Path) -> Result<Option<Settings>, ArchiveError> {
        load(&folder(dir).join("settings.json"))
    }

    pub(super) fn keep(&self, dir: &Path) -> Result<(), ArchiveError> {
        if Settings::load(dir)?.as_ref() == Some(self) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(self).expect("settings have text keys only");
        keep(dir, "settings.json", &text)
    }
}

impl Known {
    pub(super) fn load(dir: &Path) -> Result<Option<Known>, ArchiveError> {
        load(&folder(dir).join("index.json"))
    }

    pub(super) fn keep(&self, dir: &Path) -> Result<(), ArchiveError> {
        let text = serde_json::to_vec(self).expect("an index has text keys only");
        keep(dir, "index.json", &text)
    }
}

pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join("store")
}

/// Waits until nobody else puts into this folder what is in the store.
pub(super) fn alone(dir: &Path) -> Result<File, ArchiveError> {
    let path = folder(dir).join("lock");
    layout::make_folder(&folder(dir))?;
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.and_then(|file| file.lock().map(|()| file));
    file.map_err(ArchiveError::io("lock", &path))
}

/// What went wrong last, for whoever asks; `None` when all is well.
pub(super) fn note_trouble(dir: &Path, trouble: Option<&str>) {
    let path = folder(dir).join("trouble");
    // It is told in the log, too.
    drop(match trouble {
        Some(text) => std::fs::write(path, text),
        None => std::fs::remove_file(path),
    });
}

/// What went wrong last.
pub(super) fn trouble(dir: &Path) -> Option<String> {
    std::fs::read_to_string(folder(dir).join("trouble")).ok().filter(|text| !text.is_empty())
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ArchiveError> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| ArchiveError::Damaged { path: path.to_owned(), what: e.to_string() }),
        // What is asked about may be a file.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(ArchiveError::io("read", path)(error)),
    }
}

fn keep(dir: &Path, name: &str, text: &[u8]) -> Result<(), ArchiveError> {
    layout::make_folder(&folder(dir))?;
    layout::replace(&folder(dir).join(name), text)
}
