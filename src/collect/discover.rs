//! Finds the files that the user meant. In: files, folders and patterns. Out: files, sorted.
//!
//! In a folder every file counts, at any depth, but hidden ones, editors' backups, and what is not a log by its name
//! or its first bytes. A file that is named itself is always taken.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::CollectError;
use super::open::{self, Compression};

/// What the files are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading once: compressed files in folders count.
    Once,
    /// Following: compressed files in folders are old logs packed away and were read before.
    Follow,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the user named it, rather than its folder or a pattern.
    pub named: bool,
}

/// Folders nested deeper than this are not looked into.
const DEPTH: usize = 32;

/// Names that are never logs of lines.
const NOT_LOGS: [&str; 16] = [
    "parquet", "journal", "evtx", "pcap", "pcapng", "db", "sqlite", "duckdb", "zip", "xz", "bz2", "7z", "tar", "swp",
    "tmp", "lock",
];

/// The files behind one path: itself, the files of a folder, or those that match a pattern with `*`, `?` or `**`.
/// Each thing that cannot be read gives an error of its own, beside the files that can.
pub fn expand(path: &Path, purpose: Purpose) -> (Vec<Found>, Vec<CollectError>) {
    let mut walk = Walk { purpose, files: Vec::new(), errors: Vec::new(), folders: HashSet::new() };
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => walk.folder(path, 0),
        Ok(_) => walk.files.push(Found { path: path.to_owned(), named: true }),
        Err(_) if is_pattern(path) => {
            let parts: Vec<_> = path.components().collect();
            walk.pattern(PathBuf::new(), &parts);
        }
        // Reading it says what is wrong with it, and following waits for it.
        Err(_) => walk.files.push(Found { path: path.to_owned(), named: true }),
    }
    walk.files.sort();
    walk.files.dedup_by(|a, b| a.path == b.path);
    if walk.files.is_empty() && walk.errors.is_empty() && purpose == Purpose::Once {
        let path = path.to_owned();
        let folder = path.is_dir();
        walk.errors.push(if folder { CollectError::NoLog { path } } else { CollectError::NoMatch { path } });
    }
    (walk.files, walk.errors)
}

/// Whether a path has wildcards.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|b| matches!(b, b'*' | b'?'))
}

struct Walk {
    purpose: Purpose,
    files: Vec<Found>,
    errors: Vec<CollectError>,
    /// Folders that were entered, by device and inode, so that a circle of links ends.
    folders: HashSet<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, path: &Path, depth: usize) {
        for child in self.children(path) {
            self.child(child, depth);
        }
    }

    /// The folder's entries by name; none when it was entered before or cannot be.
    fn children(&mut self, path: &Path) -> Vec<PathBuf> {
        let listed = fs::metadata(path).and_then(|meta| {
            if !self.folders.insert((meta.dev(), meta.ino())) {
                return Ok(Vec::new());
            }
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
        });
        let mut children = listed.unwrap_or_else(|source| {
            self.errors.push(CollectError::Folder { path: path.to_owned(), source });
            Vec::new()
        });
        children.sort();
        children
    }

    fn child(&mut self, path: PathBuf, depth: usize) {
        let name = name(&path);
        if name.starts_with('.') || name.ends_with('~') {
            return;
        }
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() && depth < DEPTH => self.folder(&path, depth + 1),
            Ok(meta) if meta.is_file() && !not_a_log(&path, self.purpose) => {
                self.files.push(Found { path, named: false });
            }
            Ok(_) => tracing::debug!("{} is not a log file: left out", path.display()),
            // It went away between the listing and now, or is a link to nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => self.errors.push(CollectError::Read { path, source }),
        }
    }

    fn pattern(&mut self, base: PathBuf, parts: &[Component<'_>]) {
        let Some((part, rest)) = parts.split_first() else {
            return match fs::metadata(&base) {
                Ok(meta) if meta.is_dir() => self.folder(&base, 0),
                Ok(meta) if meta.is_file() => self.files.push(Found { path: base, named: false }),
                Ok(_) | Err(_) => {}
            };
        };
        let text = part.as_os_str().to_string_lossy();
        if !text.contains(['*', '?']) {
            return self.pattern(base.join(part), rest);
        }
        let here = if base.as_os_str().is_empty() { Path::new(".") } else { &base };
        if text == "**" {
            self.pattern(base.clone(), rest);
        }
        let Ok(entries) = fs::read_dir(here) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && !text.starts_with('.') {
                continue;
            }
            let next = base.join(entry.file_name());
            if text == "**" {
                // Real folders only: a circle of links has no end here.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    self.pattern(next, parts);
                }
            } else if matches(text.as_bytes(), name.as_bytes()) {
                self.pattern(next, rest);
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether a file of a folder is something else than a log: by its name, then by its first bytes.
fn not_a_log(path: &Path, purpose: Purpose) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if NOT_LOGS.contains(&extension.as_str()) {
        return true;
    }
    let mut head = [0; 512];
    // One that cannot be opened stays in, so that the reader says why.
    let Ok(length) = File::open(path).and_then(|file| open::read_head(&file, &mut head)) else { return false };
    match open::compression(path, &head[..length]) {
        Ok(Compression::Plain) => head[..length].contains(&0),
        Ok(Compression::Gzip | Compression::Zstd) => purpose == Purpose::Follow,
        Err(_) => true,
    }
}

/// `*` stands for any run of characters, `?` for one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            p = star + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, name, yes) in [
            ("*.log", "auth.log", true),
            ("*.log", "auth.log.1", false),
            ("a*h?log*", "auth.log", true),
            ("*", "", true),
            ("?", "", false),
            ("*a*b", "xaxxbab", true),
            ("*a*b", "xaxxba", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), yes, "{pattern} {name}");
        }
    }

    #[test]
    fn files_folders_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        for name in ["x.log", "a/y.log", "a/b/z.log", "a/.hidden", "a/w.txt", "a/x.log~", "a/t.parquet"] {
            fs::write(at(name), "line\n").unwrap();
        }
        fs::write(at("a/p.gz"), [0x1f, 0x8b]).unwrap();
        fs::write(at("a/binary"), [1, 0, 2]).unwrap();
        std::os::unix::fs::symlink("..", at("a/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("a/dangling")).unwrap();
        let names = |path: &str, purpose| {
            let (found, errors) = expand(&at(path), purpose);
            assert!(errors.is_empty(), "{errors:?}");
            let strip = |f: Found| f.path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
            found.into_iter().map(strip).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("", Purpose::Once), "a/b/z.log a/p.gz a/w.txt a/y.log x.log");
        assert_eq!(names("", Purpose::Follow), "a/b/z.log a/w.txt a/y.log x.log");
        assert_eq!(names("a/*.log", Purpose::Once), "a/y.log");
        assert_eq!(names("**/*.log", Purpose::Once), "a/b/z.log a/y.log x.log");
        assert_eq!(names("?/b", Purpose::Once), "a/b/z.log");
        assert_eq!(names("a/binary", Purpose::Once), "a/binary");
        assert_eq!(names("missing", Purpose::Follow), "missing");
        std::fs::create_dir(at("empty")).unwrap();
        let (found, errors) = expand(&at("empty"), Purpose::Once);
        assert!(found.is_empty() && matches!(errors[..], [CollectError::NoLog { .. }]));
        let (found, errors) = expand(&at("*.none"), Purpose::Once);
        assert!(found.is_empty() && matches!(errors[..], [CollectError::NoMatch { .. }]));
    }
}
