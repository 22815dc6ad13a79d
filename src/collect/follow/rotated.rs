//! Finds where a file went: renamed, copied or packed away beside its old place. In: a checkpoint. Out: a path.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::collect::Checkpoint;
use crate::collect::open::{self, Compression};

/// A file that holds what a checkpoint was taken of.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    pub(super) packed: bool,
}

/// The file of this checkpoint, if it lies beside its old path under another name: the file itself, else a copy of it
/// with more than was read, else a compressed copy. A copy that was read to its end is not found.
pub(super) fn find(checkpoint: &Checkpoint) -> Option<Place> {
    let mut best: Option<(u8, std::time::SystemTime, Place)> = None;
    for path in relatives(&checkpoint.path) {
        let Ok(meta) = fs::metadata(&path) else { continue };
        let Some((rank, packed)) = rank(checkpoint, &path, &meta) else { continue };
        let modified = meta.modified().unwrap_or(std::time::UNIX_EPOCH);
        if best.as_ref().is_none_or(|(r, m, _)| (rank, modified) > (*r, *m)) {
            best = Some((rank, modified, Place { path, meta, packed }));
        }
    }
    best.map(|(_, _, place)| place)
}

/// All uncompressed files beside a checkpoint's that begin as it did, the newest first: copies of it, whole or not.
pub(super) fn copies(checkpoint: &Checkpoint) -> Vec<Place> {
    let whole = Checkpoint { offset: 0, ..checkpoint.clone() };
    let place = |path: PathBuf| {
        let meta = fs::metadata(&path).ok()?;
        let (_, packed) = rank(&whole, &path, &meta).filter(|(_, packed)| !packed)?;
        ((meta.dev(), meta.ino()) != checkpoint.id()).then_some(Place { path, meta, packed })
    };
    let mut found: Vec<Place> = relatives(&checkpoint.path).into_iter().filter_map(place).collect();
    found.sort_by_key(|place| std::cmp::Reverse(place.meta.modified().ok()));
    found
}

/// How well a file answers to a checkpoint; `None` when it does not.
fn rank(checkpoint: &Checkpoint, path: &Path, meta: &Metadata) -> Option<(u8, bool)> {
    if !meta.is_file() {
        return None;
    }
    let head = open::text_head(path).ok()?;
    if !checkpoint.print().fits(&head) {
        return None;
    }
    let mut start = [0; 16];
    let file = File::open(path).ok()?;
    let length = open::read_head(&file, &mut start).ok()?;
    match open::compression(path, &start[..length]).ok()? {
        Compression::Plain if meta.len() < checkpoint.offset => None,
        Compression::Plain if (meta.dev(), meta.ino()) == checkpoint.id() => Some((3, false)),
        Compression::Plain => Some((2, false)),
        Compression::Gzip if gzip_holds(&file, meta)? == checkpoint.offset as u32 => None,
        Compression::Gzip | Compression::Zstd => Some((1, true)),
    }
}

/// The size of a gzip file's last member, modulo 2^32, as its trailer says (RFC 1952, 2.3.1).
fn gzip_holds(file: &File, meta: &Metadata) -> Option<u32> {
    let mut trailer = [0; 4];
    file.read_exact_at(&mut trailer, meta.len().checked_sub(4)?).ok()?;
    Some(u32::from_le_bytes(trailer))
}

/// The files beside `path` whose names begin as its name does: `auth.log.1`, `auth.log-20260115.gz`, `auth-1.log`.
fn relatives(path: &Path) -> Vec<PathBuf> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let found = entries.flatten().map(|entry| folder.join(entry.file_name()));
    found.filter(|other| other.file_name() != path.file_name() && is_relative(path, other)).collect()
}

/// Whether `other` has a name that rotation could have made from `path`'s.
pub(super) fn is_relative(path: &Path, other: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    !stem.is_empty() && other.file_name().is_some_and(|other| other.to_string_lossy().starts_with(stem))
}
