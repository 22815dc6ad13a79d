//! Opens a file for reading its text, whatever it is compressed with. In: a path. Out: a reader and what is known of it.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use super::CollectError;
use crate::event::raw::{FINGERPRINT_BYTES, FileIdentity, Fingerprint, Source};

/// How a file's text is packed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    Plain,
    /// gzip, possibly several members.
    Gzip,
    /// Zstandard, possibly several frames.
    Zstd,
}

/// An opened file.
pub(super) struct Opened {
    /// Its text.
    pub(super) reader: Box<dyn Read + Send>,
    /// `None` for a pipe.
    pub(super) meta: Option<Metadata>,
    /// How it is packed.
    pub(super) compression: Compression,
    /// For compressed files, the bytes of the file read so far.
    pub(super) consumed: Option<Arc<AtomicU64>>,
}

/// Opens `path` and looks at its first bytes.
pub(super) fn open(path: &Path) -> Result<Opened, CollectError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CollectError::Missing { path: path.to_owned() },
        _ => CollectError::Read { path: path.to_owned(), source },
    };
    let mut file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(CollectError::IsFolder { path: path.to_owned() });
    }
    let mut head = [0; 16];
    if meta.is_file() {
        let length = read_head(&file, &mut head).map_err(failed)?;
        let compression = compression(path, &head[..length])?;
        unpack(Box::new(file), compression, Some(meta)).map_err(failed)
    } else {
        let mut start = Vec::new();
        (&mut file).take(head.len() as u64).read_to_end(&mut start).map_err(failed)?;
        let compression = compression(path, &start)?;
        unpack(Box::new(Cursor::new(start).chain(file)), compression, None).map_err(failed)
    }
}

fn unpack(file: Box<dyn Read + Send>, compression: Compression, meta: Option<Metadata>) -> io::Result<Opened> {
    if compression == Compression::Plain {
        return Ok(Opened { reader: file, meta, compression, consumed: None });
    }
    let count = Arc::new(AtomicU64::new(0));
    let buffered = BufReader::with_capacity(256 << 10, Counted { inner: file, count: count.clone() });
    let reader: Box<dyn Read + Send> = match compression {
        Compression::Plain => Box::new(buffered),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?),
    };
    Ok(Opened { reader, meta, compression, consumed: Some(count) })
}

/// How a file is packed, from its first bytes; an error for kinds that hold no lines of text.
pub(super) fn compression(path: &Path, head: &[u8]) -> Result<Compression, CollectError> {
    let unsupported = |kind, advice| Err(CollectError::Unsupported { path: path.to_owned(), kind, advice });
    if head.starts_with(&[0x1f, 0x8b]) {
        Ok(Compression::Gzip)
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Ok(Compression::Zstd)
    } else if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        unsupported("xz-compressed", "unpack it first (`xz -dk`); gzip and zstd are read as they are")
    } else if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        unsupported("bzip2-compressed", "unpack it first (`bzip2 -dk`); gzip and zstd are read as they are")
    } else if head.starts_with(b"PK\x03\x04") {
        unsupported("a zip archive", "unpack it first (`unzip`); gzip and zstd are read as they are")
    } else if head.starts_with(b"ElfFile\0") {
        unsupported(
            "a Windows event log (.evtx)",
            "write its events as JSON lines first, e.g. with `evtx_dump -o jsonl`",
        )
    } else if head.starts_with(b"PAR1") {
        unsupported("a Parquet file", "run rules over it with `weir replay`, or query it with `weir sql`")
    } else {
        Ok(Compression::Plain)
    }
}

/// Fills `head` from the file's start without moving its position; how many bytes there were.
pub(super) fn read_head(file: &File, head: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The first bytes of a file's text (unpacked), as many as a fingerprint takes.
pub(super) fn text_head(path: &Path) -> Result<Vec<u8>, CollectError> {
    let mut head = Vec::new();
    let outcome = open(path)?.reader.take(FINGERPRINT_BYTES as u64).read_to_end(&mut head);
    outcome.map(|_| head).map_err(|source| CollectError::Read { path: path.to_owned(), source })
}

/// A file's modification time, µs since the epoch.
pub(super) fn modified(meta: &Metadata) -> Option<i64> {
    let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

/// The source that stands for a file, named as `path`.
pub(super) fn source(path: &Path, format: Option<Arc<str>>, meta: &Metadata, fingerprint: Fingerprint) -> Source {
    Source {
        name: path.to_string_lossy().into(),
        format,
        reference_time: modified(meta),
        file: Some(FileIdentity { path: path.to_owned(), device: meta.dev(), inode: meta.ino(), fingerprint }),
    }
}

struct Counted {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
