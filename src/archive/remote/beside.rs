//! What lies beside the events: alerts, lists, rules, holds, the role in a cluster.
//!
//! Objects cannot be appended to. A file that grows goes up in pieces of whole lines; the last piece is replaced by a
//! longer one until it is large enough to be left alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::bucket::Bucket;
use super::index::{Piece, hash};
use super::{ArchiveError, RemoteError, layout};

/// Files that grow at their end.
const GROWING: [&str; 2] = ["alerts.ndjson", "lists.ndjson"];
/// Files that are replaced.
const REPLACED: [&str; 3] = ["rules.ndjson", "holds.json", "cluster.json"];
/// A piece of so many bytes is left alone.
const FULL: u64 = 1 << 20;
/// No piece is larger, unless one line is.
const MOST: u64 = 8 << 20;

/// Where pieces go.
pub(super) trait Pieces {
    /// Puts one there.
    fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError>;
}

impl Pieces for &Bucket {
    fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        Bucket::put(self, key, bytes)
    }
}

/// Names of all that there may be.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GROWING.into_iter().chain(REPLACED)
}

/// Puts there what is new, given what is there. Returns what is there then.
pub(super) fn upload(
    dir: &Path,
    store: &mut impl Pieces,
    old: &BTreeMap<String, Vec<Piece>>,
) -> Result<BTreeMap<String, Vec<Piece>>, ArchiveError> {
    let mut new = BTreeMap::new();
    for name in names() {
        let path = dir.join(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(ArchiveError::io("open", &path)(error)),
        };
        let old = old.get(name).map_or(&[][..], Vec::as_slice);
        let mut source = |from, most| bytes(&mut file, from, most).map_err(ArchiveError::io("read", &path));
        let pieces = if GROWING.contains(&name) {
            grown(name, &mut source, store, old)?
        } else {
            replaced(name, source(0, u64::MAX)?, store, old)?
        };
        new.insert(name.to_owned(), pieces);
    }
    Ok(new)
}

fn replaced(name: &str, bytes: Vec<u8>, store: &mut impl Pieces, old: &[Piece]) -> Result<Vec<Piece>, ArchiveError> {
    let piece = piece(name, 0, &bytes);
    if old != [piece.clone()] {
        store.put(&piece.key, bytes)?;
    }
    Ok(vec![piece])
}

fn grown(
    name: &str,
    source: &mut impl FnMut(u64, u64) -> Result<Vec<u8>, ArchiveError>,
    store: &mut impl Pieces,
    old: &[Piece],
) -> Result<Vec<Piece>, ArchiveError> {
    let mut pieces = old.to_vec();
    // What was cut back and written anew, or is another file altogether, is not a longer form of what is there.
    if let Some(last) = pieces.last()
        && hash(&source(last.from, last.to - last.from)?) != last.hash
    {
        pieces.clear();
    }
    let mut replaced = pieces.pop_if(|last| last.to - last.from < FULL);
    let mut from = pieces.last().map_or(0, |last| last.to);
    loop {
        let mut most = MOST;
        let line_end = loop {
            let bytes = source(from, most)?;
            let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            if end > 0 || (bytes.len() as u64) < most {
                break bytes[..end].to_vec();
            }
            most = most.saturating_mul(2);
        };
        if line_end.is_empty() {
            return Ok(pieces);
        }
        let piece = piece(name, from, &line_end);
        if replaced.take().as_ref() != Some(&piece) {
            store.put(&piece.key, line_end)?;
        }
        from = piece.to;
        pieces.push(piece);
    }
}

/// Brings a folder's files to what is there; what they have of it already is not fetched.
pub(super) fn download(
    dir: &Path,
    fetch: impl Fn(&Piece) -> Result<Vec<u8>, RemoteError>,
    beside: &BTreeMap<String, Vec<Piece>>,
) -> Result<(), ArchiveError> {
    for name in names() {
        let path = dir.join(name);
        let Some(pieces) = beside.get(name) else {
            layout::remove(&path)?;
            continue;
        };
        let mut content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(ArchiveError::io("read", &path)(error)),
        };
        let had = |piece: &&Piece| {
            let bytes = usize::try_from(piece.from).ok().zip(usize::try_from(piece.to).ok());
            bytes.and_then(|(from, to)| content.get(from..to)).is_some_and(|bytes| hash(bytes) == piece.hash)
        };
        let kept = pieces.iter().take_while(had).count();
        let length = if kept == 0 { 0 } else { pieces[kept - 1].to as usize };
        if kept == pieces.len() && length == content.len() && path.exists() {
            continue;
        }
        content.truncate(length);
        for piece in &pieces[kept..] {
            content.extend(fetch(piece)?);
        }
        layout::replace(&path, &content)?;
    }
    Ok(())
}

fn piece(name: &str, from: u64, bytes: &[u8]) -> Piece {
    let hash = hash(bytes);
    Piece { key: format!("beside/{name}/{from}-{}", &hash[..16]), from, to: from + bytes.len() as u64, hash }
}

fn bytes(file: &mut File, from: u64, most: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(BTreeMap<String, Vec<u8>>, usize);

    impl Pieces for Kept {
        fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
            self.1 += 1;
            self.0.insert(key.to_owned(), bytes);
            Ok(())
        }
    }

    #[test]
    fn files_go_up_in_pieces_and_come_down_whole() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut kept, mut pieces) = (Kept::default(), BTreeMap::new());
        let mut round = |alerts: &str, rules: &str, puts: usize, whole: &str| {
            std::fs::write(here.path().join("alerts.ndjson"), alerts).unwrap();
            std::fs::write(here.path().join("rules.ndjson"), rules).unwrap();
            kept.1 = 0;
            pieces = upload(here.path(), &mut kept, &pieces).unwrap();
            assert_eq!(kept.1, puts, "{pieces:?}");
            download(there.path(), |piece| Ok(kept.0[&piece.key].clone()), &pieces).unwrap();
            let read = |name: &str| std::fs::read_to_string(there.path().join(name)).unwrap();
            assert_eq!((read("alerts.ndjson").as_str(), read("rules.ndjson").as_str()), (whole, rules));
            pieces["alerts.ndjson"].len()
        };
        assert_eq!(round("a\nb\n", "r", 2, "a\nb\n"), 1);
        assert_eq!(round("a\nb\n", "r", 0, "a\nb\n"), 1);
        assert_eq!(round("a\nb\nc\nhalf", "r", 1, "a\nb\nc\n"), 1);
        let line = "x".repeat(999) + "\n";
        let long = line.repeat(3000);
        assert_eq!(round(&long, "s", 2, &long), 1);
        let longer = long.clone() + "y\n";
        assert_eq!(round(&longer, "s", 1, &longer), 2, "a large piece is left alone");
        let most = line.repeat(20_000);
        assert_eq!(round(&(long + "z\n"), "s", 1, &(line.repeat(3000) + "z\n")), 1, "cut back and written anew");
        assert_eq!(round(&most, "s", 3, &most), 3);
        assert_eq!(round("", "s", 0, ""), 0);
    }
}
