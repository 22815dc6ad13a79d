//! Files read once, from start to end: plain, gzip, zstd, pipes, and `-` for standard input.
//! In: a path. Out: [`RawLog`] blocks, as an iterator ([`blocks`]) or into a channel ([`read`]).

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::Sender;

use super::CollectError;
use super::discover::{self, Purpose};
use super::lines::Splitter;
use super::open::{self, Compression};
use crate::event::raw::{Fingerprint, RawLog, Source};
use crate::event::time;

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// How to read a file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The format, if the user named one.
    pub format: Option<Arc<str>>,
    /// Bytes a block, about; a block is longer where a single line is.
    pub block: usize,
    /// Bytes of text to skip: what a [`Checkpoint`](super::Checkpoint) says is durable.
    pub from: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { format: None, block: 2 << 20, from: 0 }
    }
}

/// The blocks of one file. After an error there is no more.
pub struct Blocks {
    path: PathBuf,
    splitter: Splitter<Box<dyn Read + Send>>,
    source: Source,
    compression: Compression,
    bytes_total: Option<u64>,
    consumed: Option<Arc<AtomicU64>>,
    cuts: u64,
    left: Left,
}

enum Left {
    Blocks,
    Error(io::Error),
    Nothing,
}

/// The files behind paths, in the order given, each once, and what is wrong with the others. Folders and patterns are
/// looked into as [`super::expand`] does; `-` stays.
pub fn expand(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut failed): (Vec<PathBuf>, Vec<String>) = (Vec::new(), Vec::new());
    let (mut seen, mut known) = (HashSet::new(), HashSet::new());
    // Another name of a file is not another file; a path that leads nowhere is for reading to complain of.
    let mut is_new = |path: &PathBuf| {
        let file = std::fs::metadata(path).ok().filter(Metadata::is_file);
        seen.insert(path.clone()) && file.is_none_or(|meta| known.insert((meta.dev(), meta.ino())))
    };
    for path in paths {
        let (found, errors) = discover::expand(path, Purpose::Once);
        files.extend(found.into_iter().map(|found| found.path).filter(&mut is_new));
        failed.extend(errors.iter().map(CollectError::to_string));
    }
    (files, failed)
}

/// Opens a file (or `-`) for reading once, from its start. A last line without a newline counts as a line.
pub fn blocks(path: &Path, format: Option<&str>) -> Result<Blocks, CollectError> {
    blocks_with(path, &Options { format: format.map(Into::into), ..Options::default() })
}

/// The same, with more to say about how.
pub fn blocks_with(path: &Path, options: &Options) -> Result<Blocks, CollectError> {
    if path.as_os_str() == STDIN {
        let stdin: Box<dyn Read + Send> = Box::new(io::stdin());
        return Ok(Blocks {
            path: path.to_owned(),
            splitter: Splitter::new(stdin, 0, options.block).reusing(),
            source: Source { format: options.format.clone(), ..Source::stream("stdin") },
            compression: Compression::Plain,
            bytes_total: None,
            consumed: None,
            cuts: 0,
            left: Left::Blocks,
        });
    }
    let mut opened = open::open(path)?;
    let mut head = Vec::new();
    if options.from > 0 {
        let failed = |source| CollectError::Read { path: path.to_owned(), source };
        (&mut opened.reader).take(options.from.min(1024)).read_to_end(&mut head).map_err(failed)?;
        let more = options.from - head.len() as u64;
        io::copy(&mut (&mut opened.reader).take(more), &mut io::sink()).map_err(failed)?;
    }
    let source = match &opened.meta {
        Some(meta) => open::source(path, options.format.clone(), meta, Fingerprint::of(&head)),
        None => Source { format: options.format.clone(), ..Source::stream(path.to_string_lossy()) },
    };
    Ok(Blocks {
        path: path.to_owned(),
        splitter: Splitter::new(opened.reader, options.from, options.block).reusing(),
        source,
        compression: opened.compression,
        bytes_total: opened.meta.map(|meta| meta.len()),
        consumed: opened.consumed,
        cuts: 0,
        left: Left::Blocks,
    })
}

impl Blocks {
    /// The file's size in bytes as it lies there, for progress; `None` for a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// How many of them were read.
    pub fn bytes_read(&self) -> u64 {
        self.consumed.as_ref().map_or(self.splitter.position(), |count| count.load(Ordering::Relaxed))
    }

    /// How many cuts were made in lines longer than [`MAX_LINE`](super::MAX_LINE).
    pub fn split_lines(&self) -> u64 {
        self.cuts
    }

    /// The source all its blocks carry.
    pub fn source(&self) -> &Source {
        &self.source
    }

    fn next_block(&mut self) -> Option<super::lines::Block> {
        if !matches!(self.left, Left::Blocks) {
            return None;
        }
        let expected = self.bytes_total.map_or(usize::MAX, |total| {
            usize::try_from(total.saturating_sub(self.splitter.position())).unwrap_or(usize::MAX).saturating_add(1)
        });
        let expected = if self.compression == Compression::Plain { expected } else { usize::MAX };
        match self.splitter.next(expected) {
            Ok(Some(block)) => return Some(block),
            Ok(None) => self.left = Left::Nothing,
            Err(error) => self.left = Left::Error(error),
        }
        self.splitter.rest()
    }
}

impl Iterator for Blocks {
    type Item = Result<RawLog, CollectError>;

    fn next(&mut self) -> Option<Result<RawLog, CollectError>> {
        if let Some(block) = self.next_block() {
            self.cuts += self.splitter.take_cuts();
            if let Some(file) = self.source.file.as_mut().filter(|file| file.fingerprint.length == 0) {
                file.fingerprint = Fingerprint::of(&block.lines);
            }
            return Some(Ok(RawLog {
                source: self.source.clone(),
                lines: block.lines,
                offset: block.offset,
                received: time::now(),
                acknowledge: None,
            }));
        }
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Blocks | Left::Nothing => None,
            Left::Error(source) => Some(Err(match self.compression {
                Compression::Plain => CollectError::Read { path: self.path.clone(), source },
                Compression::Gzip | Compression::Zstd => {
                    CollectError::Damaged { path: self.path.clone(), offset: self.splitter.offset(), source }
                }
            })),
        }
    }
}

/// Sends a whole file into the channel, from a thread that may block; `progress` hears the bytes read after each block.
/// What precedes an error was sent.
pub fn read(
    path: &Path,
    options: &Options,
    sender: &Sender<RawLog>,
    mut progress: impl FnMut(&Blocks),
) -> Result<(), CollectError> {
    let mut blocks = blocks_with(path, options)?;
    while let Some(block) = blocks.next() {
        sender.blocking_send(block?).map_err(|_| CollectError::Stopped)?;
        progress(&blocks);
    }
    Ok(())
}
#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_several_names_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.log"), "line\n").unwrap();
        fs::hard_link(path("a.log"), path("b.log")).unwrap();
        std::os::unix::fs::symlink(path("a.log"), path("c.log")).unwrap();
        let (files, failed) = expand(&[path("./a.log"), path("c.log"), folder.path().to_owned(), path("none")]);
        assert_eq!((files, failed), (vec![path("./a.log"), path("none")], vec![]));
    }

    fn text_of(path: &Path, options: &Options) -> (Vec<u8>, Vec<CollectError>) {
        let (mut text, mut errors) = (Vec::new(), Vec::new());
        for block in blocks_with(path, options).unwrap() {
            match block {
                Ok(block) => {
                    assert_eq!(block.offset, options.from + text.len() as u64);
                    text.extend_from_slice(&block.lines);
                }
                Err(error) => errors.push(error),
            }
        }
        (text, errors)
    }

    fn sample() -> Vec<u8> {
        (0..50_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn plain_gzip_and_zstd_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let text = sample();
        let halves = text.split_at(1000);
        let forms = [
            text.clone(),
            gzip(&text),
            [gzip(halves.0), gzip(halves.1)].concat(),
            zstd::encode_all(&text[..], 1).unwrap(),
            [zstd::encode_all(halves.0, 1).unwrap(), zstd::encode_all(halves.1, 1).unwrap()].concat(),
        ];
        for (n, form) in forms.iter().enumerate() {
            let path = folder.path().join(format!("{n}.log"));
            fs::write(&path, form).unwrap();
            for block in [1, 1000, 1 << 20] {
                assert_eq!(text_of(&path, &Options { block, ..Options::default() }).0, text);
            }
            let from = 2 * 7 + 5;
            assert_eq!(text_of(&path, &Options { from, ..Options::default() }).0, text[from as usize..]);
            let mut all = blocks(&path, None).unwrap();
            assert_eq!(all.bytes_total(), Some(form.len() as u64));
            let first = all.next().unwrap().unwrap();
            let file = first.source.file.unwrap();
            assert!(file.fingerprint.fits(&text) && file.fingerprint.length == 1024);
            assert!(first.source.reference_time.is_some());
            assert!(all.by_ref().all(|block| block.is_ok()));
            assert_eq!(all.bytes_read(), form.len() as u64);
        }
    }

    #[test]
    fn a_torn_compressed_file_gives_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let text = sample();
        for (name, form) in [("gz", gzip(&text)), ("zst", zstd::encode_all(&text[..], 1).unwrap())] {
            let path = folder.path().join(name);
            fs::write(&path, &form[..form.len() / 2]).unwrap();
            let (got, errors) = text_of(&path, &Options::default());
            assert!(text.starts_with(&got));
            assert!(errors.len() == 1 && errors[0].to_string().contains("damaged after"), "{errors:?}");
        }
    }

    #[test]
    fn odd_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        for content in [&b""[..], b"\n", b"no newline", b"\n\n\n", b"\x1f", b"\0\xff\0\n\xfe"] {
            fs::write(&path, content).unwrap();
            assert_eq!(text_of(&path, &Options::default()).0, content);
        }
        let message = |path: &Path| blocks(path, None).err().unwrap().to_string();
        assert!(message(&folder.path().join("none")).contains("does not exist"));
        assert!(message(&path.join("below")).contains("a part of the path is a file"));
        assert!(message(folder.path()).contains("is a folder"));
        fs::write(&path, b"PAR1....").unwrap();
        assert!(message(&path).contains("weir replay"));
        std::os::unix::fs::symlink("circle", folder.path().join("circle")).unwrap();
        assert!(message(&folder.path().join("circle")).contains("circle"));
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        use std::os::fd::AsRawFd;
        for form in [sample(), gzip(&sample())] {
            let (reader, mut writer) = io::pipe().unwrap();
            let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
            let thread = std::thread::spawn(move || writer.write_all(&form).unwrap());
            let all = blocks(&path, None).unwrap();
            assert!(all.bytes_total().is_none() && all.source().file.is_none());
            assert_eq!(all.map(|block| block.unwrap().lines.len()).sum::<usize>(), sample().len());
            thread.join().unwrap();
        }
    }

    #[test]
    fn the_channel_gets_it_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        fs::write(&path, sample()).unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let thread = std::thread::spawn(move || {
            let mut seen = 0;
            let options = Options { block: 1000, ..Options::default() };
            read(&path, &options, &sender, |blocks| seen = blocks.bytes_read()).unwrap();
            seen
        });
        let mut text = Vec::new();
        while let Some(block) = receiver.blocking_recv() {
            text.extend_from_slice(&block.lines);
        }
        assert_eq!(text, sample());
        assert_eq!(thread.join().unwrap(), text.len() as u64);
    }

    #[test]
    fn each_file_once_in_the_order_given() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("b.log"), "b\n").unwrap();
        fs::write(at("a.log"), "a\n").unwrap();
        let (files, failed) = expand(&[PathBuf::from("-"), at("b.log"), folder.path().into(), at("none*"), at("x")]);
        assert_eq!(files, [PathBuf::from("-"), at("b.log"), at("a.log"), at("x")]);
        assert!(failed.len() == 1 && failed[0].contains("no file matches"), "{failed:?}");
    }
}
