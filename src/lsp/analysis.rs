//! A rules folder as compiled: what every answer is made of. In: a folder, the texts that are open in the editor. Out: its
//! program, diagnostics and trees, with the texts they are of.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{Disk, Folder};
use super::text::boundary;
use crate::rule::ast::{Item, Let, List, Rule, Span};
use crate::rule::{self, Compiled, Parsed, SourceFile};

/// A compiled folder.
#[derive(Default)]
pub(crate) struct Analysis {
    /// Files, program, diagnostics, trees. Files and trees have the same order.
    pub(crate) compiled: Compiled,
    /// What the files of lists hold, by their paths in the folder.
    pub(crate) lists: HashMap<String, String>,
    /// Rule files that cannot be read, and why.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    /// Where lists are looked for.
    pub(crate) folder: PathBuf,
}

/// Reads and compiles a folder. Texts that are open stand for those on disk; `look` asks the disk for what is
/// new there. Files that are as `parsed` has them are not parsed again.
pub(crate) fn analyse(
    folder: &Folder,
    open: &[(PathBuf, Arc<str>)],
    disk: &mut Disk,
    parsed: &mut Parsed,
    look: bool,
) -> Analysis {
    let mut texts: BTreeMap<PathBuf, Result<Arc<str>, String>> = BTreeMap::new();
    for path in disk.files(folder, look).clone() {
        if !open.iter().any(|(other, _)| *other == path) {
            let text = disk.text(&path, look);
            texts.insert(path, text);
        }
    }
    texts.extend(open.iter().map(|(path, text)| (path.clone(), Ok(text.clone()))));
    let mut out = Analysis { folder: folder.path().to_owned(), ..Analysis::default() };
    let mut files = Vec::with_capacity(texts.len());
    for (path, text) in texts {
        match text {
            Ok(text) => files.push(SourceFile { name: path.to_string_lossy().into(), text: text.to_string() }),
            Err(why) => out.unreadable.push((path, why)),
        }
    }
    let (disk, lists) = (RefCell::new(disk), RefCell::new(HashMap::new()));
    let read = |list: &str| {
        let text = disk.borrow_mut().text(&out.folder.join(list), look).map_err(io::Error::other)?;
        lists.borrow_mut().insert(list.to_owned(), text.to_string());
        Ok(text.to_string())
    };
    out.compiled = rule::compile_again(&files, &read, parsed);
    out.lists = lists.into_inner();
    out
}

impl Analysis {
    /// The position of a file.
    pub(crate) fn file(&self, path: &Path) -> Option<usize> {
        let name = path.to_string_lossy();
        self.compiled.sources.iter().position(|source| *source.name == *name)
    }

    /// The path of the file at a position.
    pub(crate) fn path(&self, file: usize) -> PathBuf {
        PathBuf::from(&*self.compiled.sources[file].name)
    }

    /// The text of the file at a position.
    pub(crate) fn text(&self, file: usize) -> &str {
        &self.compiled.sources[file].text
    }

    /// All items, each with the position of its file.
    fn items(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.compiled.trees.iter().enumerate().flat_map(|(file, tree)| tree.items.iter().map(move |item| (file, item)))
    }

    /// All rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (usize, &Rule)> {
        self.items().filter_map(|(file, item)| match item {
            Item::Rule(rule) => Some((file, rule)),
            Item::Let(_) | Item::List(_) => None,
        })
    }

    /// All `let`s.
    pub(crate) fn lets(&self) -> impl Iterator<Item = (usize, &Let)> {
        self.items().filter_map(|(file, item)| match item {
            Item::Let(define) => Some((file, define)),
            Item::Rule(_) | Item::List(_) => None,
        })
    }

    /// All lists.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (usize, &List)> {
        self.items().filter_map(|(file, item)| match item {
            Item::List(list) => Some((file, list)),
            Item::Rule(_) | Item::Let(_) => None,
        })
    }
}

/// The `let` or list with its name at a place, from its keyword on and cut if it is long, and the comment right above it.
pub(crate) fn defined(text: &str, name: usize) -> (&str, String) {
    const LONGEST: usize = 4_096;
    let before = text[..name].trim_end();
    let start = before.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
    let rest = &text[start..boundary(text, start + LONGEST)];
    let end = rule::place::items(rest).first().map_or(rest.len(), |item| item.end);
    let above = text[..start].trim_end_matches([' ', '\t']).lines().rev();
    let mut comment: Vec<&str> = above.map_while(|line| line.trim_start().strip_prefix('#').map(str::trim)).collect();
    comment.reverse();
    (&rest[..end], comment.join(" "))
}

/// Where the first word of an item stands, behind the comments before it.
pub(crate) fn head(text: &str, chunk: Span) -> usize {
    let mut at = chunk.start;
    for line in text[chunk.start..chunk.end].split_inclusive('\n') {
        let code = line.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if !code.is_empty() && !code.starts_with('#') {
            return at + line.len() - code.len();
        }
        at += line.len();
    }
    at
}
