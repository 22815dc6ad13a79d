//! What is new in a data folder goes into the store.
//!
//! First the files that the manifest names, then what lies beside, then the index; what the index no longer names is
//! removed some time after that.

use std::path::Path;

use super::super::lease::Lease;
use super::super::manifest::{Manifest, StoredFile};
use super::attach;
use super::beside;
use super::bucket::Bucket;
use super::cache;
use super::folder::{self, Known, Settings};
use super::index::{self, Gone, Index, Object};
use super::{ArchiveError, RemoteError, layout};
use crate::event::time;

/// What went into the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Parquet files.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// Uploads what a folder has that the store has not, and lets the store go; the folder was [claimed](super::claim) before,
/// and no other process writes to it. `progress` is told how many bytes went.
pub fn upload(dir: &Path, progress: &dyn Fn(u64)) -> Result<Moved, ArchiveError> {
    let Some(settings) = Settings::load(dir)? else { return Ok(Moved::default()) };
    let _lock = layout::lock(dir)?;
    let bucket = Bucket::open(&settings.address)?;
    let moved = sync(dir, &settings, &bucket, false, progress)?;
    folder::note_trouble(dir, None);
    trim(dir, &settings, &bucket)?;
    Ok(moved)
}

/// Brings the store to where the folder is. `open` says whether more may come.
pub(super) fn sync(
    dir: &Path,
    settings: &Settings,
    bucket: &Bucket,
    open: bool,
    progress: &dyn Fn(u64),
) -> Result<Moved, ArchiveError> {
    // What the manifest names stays until it is there.
    let _lease = Lease::take(dir);
    let known = Known::load(dir)?.ok_or_else(|| RemoteError::Missing(settings.address.clone()))?;
    let manifest = Manifest::load(dir)?.unwrap_or_default();
    let (mut index, mut moved) = (known.index.clone(), Moved::default());
    index.objects.clear();
    for file in &manifest.files {
        let object = match known.index.objects.get(&file.path) {
            Some(object) if object.bytes == file.bytes => object.clone(),
            Some(_) | None => {
                let object = put(dir, file, bucket)?;
                moved.files += 1;
                moved.bytes += object.bytes;
                progress(moved.bytes);
                object
            }
        };
        index.objects.insert(file.path.clone(), object);
    }
    index.beside = beside::upload(dir, &mut &*bucket, &known.index.beside)?;
    index.manifest = manifest;
    index.manifest.retired.clear();
    retire(&known.index, &mut index, time::now());
    remove(&mut index, bucket, settings, time::now())?;
    if index.writer.open != open {
        index.writer = index::Writer { id: index.writer.id, open, ..attach::writer(dir) };
    }
    let text = index.text();
    if text == known.index.text() {
        return Ok(moved);
    }
    match bucket.replace(index::NAME, text, Some(&known.version))? {
        Some(version) => Known { version, index }.keep(dir)?,
        None => return Err(overtaken(dir, bucket, &known)?.into()),
    }
    Ok(moved)
}

/// The index is another one than was known. When it is of our own making, its answer was lost: it is known now.
fn overtaken(dir: &Path, bucket: &Bucket, known: &Known) -> Result<RemoteError, ArchiveError> {
    let address = bucket.address();
    if let Some((text, version)) = bucket.get(index::NAME)? {
        let index = Index::parse(&text, address)?;
        if index.writer.id == known.index.writer.id {
            Known { version, index }.keep(dir)?;
            let what = "the answer to what was written last was lost".to_owned();
            return Ok(RemoteError::Unreachable { action: "write", object: address.object(index::NAME), what });
        }
    }
    Ok(attach::lost(dir, bucket))
}

fn put(dir: &Path, file: &StoredFile, bucket: &Bucket) -> Result<Object, ArchiveError> {
    let path = dir.join(&file.path);
    let read = || {
        let mut open = std::fs::File::open(&path)?;
        let mut hash = Hash::default();
        let bytes = std::io::copy(&mut open, &mut hash)?;
        let written = open.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok((bytes, format!("{:032x}", hash.0.digest128()), written))
    };
    let (bytes, hash, written) = read().map_err(ArchiveError::io("read", &path))?;
    if bytes != file.bytes {
        let what = format!("it has {bytes} bytes and should have {}", file.bytes);
        return Err(ArchiveError::Damaged { path, what });
    }
    let key = index::key(&file.path, &hash);
    bucket.put_file(&key, &path, bytes)?;
    Ok(Object { key, bytes, hash, written: i64::try_from(written.as_micros()).unwrap_or(i64::MAX) })
}

#[derive(Default)]
struct Hash(xxhash_rust::xxh3::Xxh3);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Notes what the new index no longer names.
fn retire(old: &Index, new: &mut Index, now: i64) {
    let named = |key: &str| {
        let pieces = || new.beside.values().flatten().any(|piece| piece.key == key);
        new.objects.values().any(|object| object.key == key) || pieces()
    };
    let files = old.objects.iter().map(|(path, object)| (Some(path.clone()), object.clone()));
    let pieces = old.beside.values().flatten().map(|piece| {
        let (key, bytes, hash) = (piece.key.clone(), piece.to - piece.from, piece.hash.clone());
        (None, Object { key, bytes, hash, written: 0 })
    });
    let gone: Vec<Gone> = files
        .chain(pieces)
        .filter(|(_, object)| !named(&object.key))
        .map(|(path, object)| Gone { path, object, since: now })
        .collect();
    // What came back in the same form counts again.
    let back: Vec<Gone> = std::mem::take(&mut new.gone).into_iter().filter(|g| !named(&g.object.key)).collect();
    new.gone = back.into_iter().chain(gone).collect();
}

/// Removes what no longer counts for long enough. What is noted in `index` is so in the store, too, or is not older than now.
fn remove(index: &mut Index, bucket: &Bucket, settings: &Settings, now: i64) -> Result<(), RemoteError> {
    let grace = i64::try_from(settings.grace).unwrap_or(i64::MAX).saturating_mul(time::SECOND);
    let over = |gone: &Gone| gone.since < now.saturating_sub(grace);
    index.gone.iter().filter(|gone| over(gone)).try_for_each(|gone| bucket.delete(&gone.object.key))?;
    index.gone.retain(|gone| !over(gone));
    Ok(())
}

/// Removes local files that are too much, once it is sure that the store has them.
pub(super) fn trim(dir: &Path, settings: &Settings, bucket: &Bucket) -> Result<(), ArchiveError> {
    cache::trim(dir, settings, |known| {
        bucket.version(index::NAME).is_ok_and(|version| version.as_ref() == Some(&known.version))
    })
}

/// Whether something is to be done in the store at a time (µs) although nothing has changed here.
pub(super) fn is_due(dir: &Path, settings: &Settings, now: i64) -> bool {
    let grace = i64::try_from(settings.grace).unwrap_or(i64::MAX).saturating_mul(time::SECOND);
    let known = Known::load(dir).ok().flatten();
    known.is_some_and(|known| known.index.gone.iter().any(|gone| gone.since < now.saturating_sub(grace)))
}
