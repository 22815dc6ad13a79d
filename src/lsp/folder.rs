//! Which files make a program together, and what stands in them. In: the path of a file that is edited. Out: its rules
//! folder, and the texts of its files, each read again only when it changed on disk.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::rule::load;

/// The name by which a rules folder is known when nobody says which one it is.
const USUAL: &str = "rules";
/// Deeper folders are not looked into: links may lead in circles.
const DEEPEST: usize = 16;

/// Files that are one program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Folder {
    /// All rule files of this folder and below, as `weir run --rules` reads them.
    Whole(PathBuf),
    /// The rule files of this folder, and of those below that have some all the way down: nothing says that it is a
    /// rules folder, and it may be somebody's home.
    Near(PathBuf),
    /// One text that is in no folder.
    Alone(PathBuf),
}

impl Folder {
    /// The rules folder of a file: one of those that are `known`, else the nearest above it that is called `rules`, else
    /// the highest above it that has rule files all the way down.
    pub(crate) fn of(file: &Path, known: &[PathBuf]) -> Folder {
        if !file.is_absolute() {
            return Folder::Alone(file.to_owned());
        }
        if let Some(folder) = known.iter().filter(|folder| file.starts_with(folder)).max_by_key(|f| f.as_os_str().len())
        {
            return Folder::Whole(folder.clone());
        }
        let above = || file.ancestors().skip(1);
        if let Some(folder) = above().find(|folder| folder.file_name().is_some_and(|name| name == USUAL)) {
            return Folder::Whole(folder.to_owned());
        }
        let mut top = file.parent().unwrap_or(file);
        for folder in above().skip(1).take_while(|folder| has_rules(folder)) {
            top = folder;
        }
        Folder::Near(top.to_owned())
    }

    /// Where it is; lists are looked for below.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Folder::Whole(path) | Folder::Near(path) => path,
            Folder::Alone(file) => file.parent().unwrap_or(file),
        }
    }

    /// The rule files on disk.
    fn files(&self) -> BTreeSet<PathBuf> {
        match self {
            Folder::Whole(path) => load::paths(path).unwrap_or_default().into_iter().collect(),
            Folder::Near(path) => {
                let mut files = BTreeSet::new();
                near(path, DEEPEST, &mut files);
                files
            }
            Folder::Alone(_) => BTreeSet::new(),
        }
    }
}

fn has_rules(folder: &Path) -> bool {
    entries(folder).iter().any(|path| is_rules(path))
}

fn is_rules(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "weir")
}

/// What is in a folder, less what is hidden.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let shown = |path: &PathBuf| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(shown).collect()
}

fn near(folder: &Path, deepest: usize, files: &mut BTreeSet<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            if deepest > 0 && !path.is_symlink() && has_rules(&path) {
                near(&path, deepest - 1, files);
            }
        } else if is_rules(&path) {
            files.insert(path);
        }
    }
}

/// What stands in files, as last read.
#[derive(Default)]
pub(crate) struct Disk {
    texts: HashMap<PathBuf, (Option<Stamp>, Text)>,
    /// The rule files of each folder.
    folders: HashMap<Folder, BTreeSet<PathBuf>>,
}

/// What stands in a file, or why it cannot be read.
type Text = Result<Arc<str>, String>;
/// What tells whether a file changed.
type Stamp = (SystemTime, u64);

impl Disk {
    /// The rule files of a folder; `look` asks the disk even if it was asked before.
    pub(crate) fn files(&mut self, folder: &Folder, look: bool) -> &BTreeSet<PathBuf> {
        if look {
            self.folders.remove(folder);
        }
        self.folders.entry(folder.clone()).or_insert_with(|| folder.files())
    }

    /// The text of a file, or why it cannot be read; `look` asks the disk even if it was asked before.
    pub(crate) fn text(&mut self, path: &Path, look: bool) -> Text {
        if let Some((stamp, text)) = self.texts.get(path)
            && (!look || (stamp.is_some() && *stamp == self::stamp(path)))
        {
            return text.clone();
        }
        let stamp = stamp(path);
        let text = load::list_text(path).map(Arc::from).map_err(|error| error.to_string());
        self.texts.insert(path.to_owned(), (stamp, text.clone()));
        text
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["rules/linux/a.weir", "mine/b.weir", "mine/sub/c.weir", "mine/other/deep/d.weir", "e.txt"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
        let of = |name: &str, known: &[PathBuf]| Folder::of(&root.join(name), known);
        assert_eq!(of("rules/linux/a.weir", &[]), Folder::Whole(root.join("rules")));
        assert_eq!(of("mine/sub/c.weir", &[]), Folder::Near(root.join("mine")));
        assert_eq!(of("mine/other/deep/d.weir", &[]), Folder::Near(root.join("mine/other/deep")));
        assert_eq!(
            of("mine/sub/c.weir", &[root.join("mine/sub"), root.to_owned()]),
            Folder::Whole(root.join("mine/sub"))
        );
        assert_eq!(Folder::of(Path::new("untitled:1"), &[]), Folder::Alone("untitled:1".into()));
        let mut disk = Disk::default();
        let files: Vec<&Path> = disk.files(&of("mine/b.weir", &[]), false).iter().map(PathBuf::as_path).collect();
        assert_eq!(files, [root.join("mine/b.weir"), root.join("mine/sub/c.weir")]);
    }

    #[test]
    fn files_are_read_again_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.weir");
        let mut disk = Disk::default();
        assert!(disk.text(&path, false).is_err());
        fs::write(&path, "let a = any").unwrap();
        assert!(disk.text(&path, false).is_err(), "as it was");
        assert_eq!(&*disk.text(&path, true).unwrap(), "let a = any");
        fs::write(&path, "let ab = any").unwrap();
        assert_eq!(&*disk.text(&path, true).unwrap(), "let ab = any");
    }
}
