//! Rule folders on disk. In: a path. Out: its files, compiled.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Compiled, SourceFile, compile};

/// Bytes of the largest file that is read.
const GREATEST: u64 = 1 << 30;

/// Why a folder could not be read at all. What is wrong inside its files are diagnostics.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is nothing at this path.
    #[error("there is no rules folder {}: give another with --rules, or create it", .0.display())]
    Missing(PathBuf),
    /// The system refused.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// What was read.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
    /// There is no rule file in this folder.
    #[error("there is no *.weir file in {}: put rules there, or give another folder with --rules", .0.display())]
    Empty(PathBuf),
}

/// Reads and compiles the `*.weir` files of a folder and its subfolders, in the order of their paths;
/// or one file, whose lists are then looked for beside it.
pub fn load(path: &Path) -> Result<Compiled, LoadError> {
    let folder = lists_folder(path);
    let mut compiled = compile(&sources(path)?, &|list| list_text(&folder.join(list)));
    for file in compiled.program.lists.iter_mut().filter_map(|list| list.file.as_mut()) {
        *file = folder.join(&file);
    }
    Ok(compiled)
}

/// The files that [`load`] compiles.
pub fn sources(path: &Path) -> Result<Vec<SourceFile>, LoadError> {
    let paths = paths(path)?;
    if paths.is_empty() {
        return Err(LoadError::Empty(path.to_owned()));
    }
    paths.iter().map(|p| read(p)).collect()
}

/// What stands in the file of a list.
pub fn list_text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// The bytes of a regular file: to open any other may wait for ever, and to read it need not end.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if meta.len() > GREATEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 GiB"));
    }
    fs::read(path)
}

/// Paths of the files that [`load`] compiles.
pub fn paths(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
        _ => unreadable(e),
    })?;
    let mut paths = Vec::new();
    match meta.is_dir() {
        true => walk(path, &mut paths)?,
        false => paths.push(path.to_owned()),
    }
    paths.sort();
    Ok(paths)
}

/// Where the lists of rules at this path are looked for.
pub fn lists_folder(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) }
}

fn read(path: &Path) -> Result<SourceFile, LoadError> {
    let bytes = bytes(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    // What is not UTF-8 is said when it is compiled, beside what is wrong in other files.
    let text = String::from_utf8_lossy(&bytes).into();
    Ok(SourceFile { name: path.to_string_lossy().into(), text })
}

/// Collects rule files. Hidden entries are left out; links to files are followed, links to folders are not.
fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            walk(&path, paths)?;
        } else if path.extension().is_some_and(|e| e == "weir") && !path.is_dir() {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("b.weir", "rule b { when bad }");
        write("sub/a.weir", "list scanners from \"lists/s.txt\"\nlet bad = any where source.ip in scanners");
        write("lists/s.txt", "# known\n198.51.100.7\n\n10.0.0.0/8 # lab\n");
        write("note.txt", "not a rule");
        write("sigma.yml", "title: x");
        let loaded = load(dir.path()).unwrap();
        assert_eq!(loaded.diagnostics, vec![]);
        assert_eq!(loaded.sources.len(), 2);
        assert!(loaded.sources[0].name.ends_with("b.weir"));
        assert_eq!(loaded.program.rules.len(), 1);
        assert_eq!(loaded.program.lists, vec![]);
        write("c.weir", "rule c { when bad retro 1d }");
        let followed = load(dir.path()).unwrap().program.lists;
        assert_eq!(followed[0].file.as_deref(), Some(dir.path().join("lists/s.txt").as_path()));
        assert_eq!((followed.len(), followed[0].networks.len()), (1, 2));
        let one = load(&dir.path().join("b.weir")).unwrap();
        assert!(one.has_errors() && one.rejected == ["b"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let missing = load(&dir.path().join("nope")).unwrap_err().to_string();
        assert!(missing.contains("nope") && missing.contains("--rules"), "{missing}");
        assert!(load(dir.path()).unwrap_err().to_string().contains("no *.weir file"));
        fs::write(dir.path().join("x.weir"), b"let l = any\n# \xfc\nlist m from \"m\"").unwrap();
        fs::write(dir.path().join("y.weir"), "rule y { when l where host.name in m and no.field == 1 }").unwrap();
        let found = load(dir.path()).unwrap().diagnostics;
        let found: Vec<_> = found.iter().map(|d| (d.code.number(), d.place.line, d.place.column)).collect();
        assert_eq!(found, [("W0009", 2, 3), ("W0101", 1, 42)]);
        fs::remove_file(dir.path().join("y.weir")).unwrap();
        fs::write(dir.path().join("x.weir"), "list l from \"pipe\"\nrule a { when any where source.ip in l }").unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status();
        if made.is_ok_and(|made| made.success()) {
            let found = load(dir.path()).unwrap().diagnostics;
            assert!(found.iter().any(|d| d.message.contains("not a regular file")), "{found:?}");
        }
    }
}
