//! How a data folder and a store come together.
//!
//! Whoever only reads follows the index, beside a weir that writes it anywhere. Whoever writes claims it: there is one
//! writer at a time, which lets go when it ends in peace. A fresh folder becomes what the store holds; a folder with an
//! archive of its own goes into an empty prefix, and into no other.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use super::super::lists::ListHistory;
use super::super::manifest::Manifest;
use super::beside;
use super::bucket::{Bucket, Version};
use super::cache;
use super::folder::{self, Known, Settings};
use super::index::{self, Index, Writer};
use super::{Address, ArchiveError, RemoteError, layout};
use crate::event::time;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Where the archive has its home; as before without it.
    pub store: Option<Address>,
    /// Bytes that local files may take; as before without it.
    pub cache: Option<u64>,
    /// Whether to write where another weir has not let go.
    pub take_over: bool,
}

/// Makes a data folder ready for reading. One whose home is a store, and which does not write there, then shows what is
/// in the store; when that cannot be reached, what was in it the last time. Nothing is to be done for other folders.
pub fn attach(dir: &Path, choice: &Choice) -> Result<(), ArchiveError> {
    let Some(settings) = chosen(dir, choice)? else { return Ok(()) };
    if settings.writer.is_some() {
        return settings.keep(dir);
    }
    if Settings::load(dir)?.is_none() && has_own(dir)? {
        return Err(RemoteError::Own { folder: shown(dir), asked: settings.address }.into());
    }
    let known = Known::load(dir)?;
    let bucket = Bucket::open(&settings.address)?;
    let followed = bucket.version(index::NAME).and_then(|version| match (version, &known) {
        (Some(version), Some(known)) if version == known.version => Ok(None),
        (Some(_) | None, _) => bucket.get(index::NAME)?.map(Some).ok_or(RemoteError::Missing(settings.address.clone())),
    });
    match followed {
        Ok(None) => {}
        Ok(Some((text, version))) => {
            let index = Index::parse(&text, &settings.address)?;
            let _alone = folder::alone(dir)?;
            settings.keep(dir)?;
            install(dir, &bucket, Known { version, index })?;
        }
        Err(error) if error.passes() && known.is_some() => {
            tracing::warn!("{error}; going on with what was there the last time");
        }
        Err(error) => return Err(error.into()),
    }
    settings.keep(dir)?;
    cache::trim(dir, &settings, |_| true)
}

/// Makes a data folder ready for writing, as the one writer of its home. False where it is its own home. When the store
/// cannot be reached, a folder that claimed it before goes on, and whoever uploads finds out.
pub fn claim(dir: &Path, choice: &Choice) -> Result<bool, ArchiveError> {
    let Some(mut settings) = chosen(dir, choice)? else { return Ok(false) };
    let is_new = Settings::load(dir)?.is_none();
    let bucket = Bucket::open(&settings.address)?;
    let _lock = layout::lock(dir)?;
    let found = match bucket.get(index::NAME) {
        Err(error) if error.passes() && settings.writer.is_some() => {
            tracing::warn!("{error}; what is collected is kept here, and goes there when that works again");
            settings.keep(dir)?;
            return Ok(true);
        }
        found => found?,
    };
    let found = found.map(|(text, version)| Ok((Index::parse(&text, &settings.address)?, version)));
    let found: Option<(Index, Version)> = found.transpose().map_err(|error: RemoteError| error)?;
    let before = found.as_ref().map(|(index, _)| &index.writer);
    let is_ours = before
        .is_some_and(|writer| [&settings.writer, &settings.claiming].into_iter().flatten().any(|id| *id == writer.id));
    match before {
        None => emptied(dir, &settings)?,
        Some(writer) if !is_ours => {
            if settings.writer.is_some() || (is_new && has_own(dir)?) {
                return Err(taken(&settings.address, writer, dir).into());
            }
            if writer.open && !choice.take_over {
                return Err(in_use(&settings.address, writer).into());
            }
        }
        Some(_) => {}
    }
    // What is in the store becomes what is here, unless that was here already.
    let installs = settings.writer.is_none() && found.is_some();
    let id = settings.writer.clone().or(settings.claiming.clone()).unwrap_or_else(made_up);
    settings.claiming = Some(id.clone());
    settings.keep(dir)?;
    let known = match found {
        Some((index, version)) if is_ours && index.writer.open => Known { version, index },
        found => {
            let writer = Writer { id: id.clone(), open: true, ..writer(dir) };
            let (index, version) = match found {
                Some((mut index, version)) => {
                    index.writer = writer;
                    (index, Some(version))
                }
                None => (Index::new(writer), None),
            };
            let put = bucket.replace(index::NAME, index.text(), version.as_ref())?;
            let Some(version) = put else { return Err(lost(dir, &bucket).into()) };
            Known { version, index }
        }
    };
    if installs {
        install(dir, &bucket, known)?;
    } else {
        known.keep(dir)?;
    }
    (settings.writer, settings.claiming) = (Some(id), None);
    settings.keep(dir)?;
    Ok(true)
}

/// What a put that found another version is to be told.
pub(super) fn lost(dir: &Path, bucket: &Bucket) -> RemoteError {
    let address = bucket.address();
    let other = bucket.get(index::NAME).and_then(|got| got.map(|(text, _)| Index::parse(&text, address)).transpose());
    match other {
        Ok(Some(index)) if index.writer.open => in_use(address, &index.writer),
        Ok(Some(index)) => taken(address, &index.writer, dir),
        Ok(None) => RemoteError::Missing(address.clone()),
        Err(error) => error,
    }
}

fn in_use(address: &Address, writer: &Writer) -> RemoteError {
    RemoteError::InUse { address: address.clone(), who: who(writer), since: writer.since.clone() }
}

fn taken(address: &Address, writer: &Writer, dir: &Path) -> RemoteError {
    RemoteError::Taken { address: address.clone(), who: who(writer), folder: shown(dir) }
}

fn who(writer: &Writer) -> String {
    format!("{} with the data folder {}", writer.host, writer.folder)
}

/// The folder's settings as they are to be; `None` where it is its own home.
fn chosen(dir: &Path, choice: &Choice) -> Result<Option<Settings>, ArchiveError> {
    let settings = match (Settings::load(dir)?, &choice.store) {
        (Some(has), Some(asked)) if has.address != *asked => {
            let (folder, asked) = (shown(dir), asked.to_string());
            return Err(RemoteError::Elsewhere { folder, has: has.address, asked }.into());
        }
        (Some(has), _) => has,
        (None, Some(asked)) => Settings::new(asked.clone()),
        (None, None) => return Ok(None),
    };
    Ok(Some(Settings { cache: choice.cache.or(settings.cache), ..settings }))
}

/// Makes a folder what an index says: what lies beside first, the manifest last. Files come when they are read.
fn install(dir: &Path, bucket: &Bucket, known: Known) -> Result<(), ArchiveError> {
    let address = bucket.address();
    let damaged = |what: String| RemoteError::Damaged { object: address.object(index::NAME), what };
    let index = &known.index;
    let mut manifest = index.manifest.clone();
    manifest.retired.clear();
    if let Some(file) = manifest.files.iter().find(|f| !index::is_file(&f.path)) {
        return Err(damaged(format!("it names the file {}", file.path)).into());
    }
    if let Some(file) = manifest.files.iter().find(|f| !index.objects.contains_key(&f.path)) {
        return Err(damaged(format!("it does not say where {} is", file.path)).into());
    }
    let fetch = |piece: &index::Piece| {
        let (object, lost) = (address.object(&piece.key), "it is not there".to_owned());
        let Some((bytes, _)) = bucket.get(&piece.key)? else {
            return Err(RemoteError::Damaged { object, what: lost });
        };
        let same = index::hash(&bytes) == piece.hash;
        same.then_some(bytes)
            .ok_or(RemoteError::Damaged { object, what: "it is not what was written there".to_owned() })
    };
    beside::download(dir, fetch, &index.beside)?;
    // Lists may have changed after events that never came to the store: the numbers of those are not used again.
    let changed = ListHistory::read(dir)?.cuts().last().copied();
    manifest.sequence = manifest.sequence.max(changed.unwrap_or_default());
    known.keep(dir)?;
    manifest.publish(dir)
}

/// The store is empty: then no file may be there only.
fn emptied(dir: &Path, settings: &Settings) -> Result<(), ArchiveError> {
    let manifest = Manifest::load(dir)?.unwrap_or_default();
    match manifest.files.iter().filter(|file| !dir.join(&file.path).exists()).count() {
        0 => Ok(()),
        count => Err(RemoteError::Emptied { address: settings.address.clone(), folder: shown(dir), count }.into()),
    }
}

/// Whether a folder holds events.
fn has_own(dir: &Path) -> Result<bool, ArchiveError> {
    let stored = Manifest::load(dir)?.is_some_and(|m| !m.files.is_empty() || m.sequence > 0);
    Ok(stored || !layout::segments(dir)?.is_empty())
}

pub(super) fn writer(dir: &Path) -> Writer {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("this machine").to_owned();
    Writer { id: String::new(), host, folder: shown(dir), since: time::rfc3339(time::now()), open: false }
}

fn shown(dir: &Path) -> String {
    std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

fn made_up() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
