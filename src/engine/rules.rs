//! The rules of a running engine: a folder read and compiled, and how it differs from what runs.
//!
//! In: a rules folder, or the pack. Out: [`Rules`], with the texts they were made of: what lists held
//! before is compiled again for events of that time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::archive::Lists;
use crate::correlate::ListChange;
use crate::rule::plan::{List, Program};
use crate::rule::{self, Compiled, Diagnostic, LoadError, SourceFile};

/// Where rules come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The built-in ones.
    Pack,
    /// A folder, or one file.
    Folder(PathBuf),
}

/// Compiled rules and their texts.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The rules that are right.
    pub program: Arc<Program>,
    /// Everything found.
    pub diagnostics: Vec<Diagnostic>,
    /// The rule files.
    pub files: Vec<SourceFile>,
    /// The lists that they read and that could be read.
    pub lists: Lists,
    /// The lists that could not.
    pub unread: BTreeSet<String>,
}

impl Origin {
    /// Reads and compiles the rules.
    pub fn load(&self) -> Result<Rules, LoadError> {
        match self {
            Origin::Pack => {
                let Compiled { program, diagnostics, sources, .. } = rule::pack();
                Ok(Rules { program: Arc::new(program), diagnostics, files: sources, ..Rules::default() })
            }
            Origin::Folder(path) => {
                let (files, folder) = (rule::load::sources(path)?, rule::load::lists_folder(path));
                Ok(Rules::compile(files, &|list| rule::load::list_text(&folder.join(list))))
            }
        }
    }

    /// What tells whether files were changed: each with the time and size it had, those of these lists included.
    pub(super) fn stamp(&self, lists: &BTreeSet<String>) -> Stamp {
        let Origin::Folder(path) = self else { return Stamp::default() };
        // What cannot be read now is seen when it is loaded.
        let files = rule::load::paths(path).unwrap_or_default();
        let lists = lists.iter().map(|list| rule::load::lists_folder(path).join(list));
        let seen = |path: PathBuf| {
            let meta = std::fs::metadata(&path).ok();
            let meta = meta.map(|m| (m.modified().unwrap_or(SystemTime::UNIX_EPOCH), m.len()));
            (path, meta)
        };
        Stamp(files.into_iter().chain(lists).map(seen).collect())
    }
}

/// The files of a folder as they were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stamp(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl Rules {
    /// Compiles files; `read` reads a list.
    fn compile(files: Vec<SourceFile>, read: &dyn Fn(&str) -> io::Result<String>) -> Rules {
        let (lists, unread) = (RefCell::new(Lists::new()), RefCell::new(BTreeSet::new()));
        let noted = |path: &str| {
            let text = read(path).inspect_err(|_| {
                unread.borrow_mut().insert(path.to_owned());
            })?;
            lists.borrow_mut().insert(path.to_owned(), Arc::from(text.as_str()));
            Ok(text)
        };
        let Compiled { program, diagnostics, .. } = rule::compile(&files, &noted);
        Rules { program: Arc::new(program), diagnostics, files, lists: lists.into_inner(), unread: unread.into_inner() }
    }

    /// The paths of all lists, in the folder.
    pub(super) fn list_paths(&self) -> BTreeSet<String> {
        self.lists.keys().chain(&self.unread).cloned().collect()
    }

    /// The same files with other contents of lists; a list that is not among them is as it is here.
    pub fn with_lists(&self, lists: &Lists) -> Rules {
        let read = |path: &str| match lists.get(path).or_else(|| self.lists.get(path)) {
            Some(text) => Ok(text.to_string()),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        Rules::compile(self.files.clone(), &read)
    }

    /// Whether something is wrong enough to leave a rule out.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// For each rule, which rule of `old` it is, if any. What stands in files of lists makes no difference: rules are compared
    /// over the lists of `old`. But it does to rules over alerts, which are judged by the lists as they are.
    pub(super) fn continues(&self, old: &Rules) -> Vec<Option<u32>> {
        let common = self.lists.iter().all(|(path, text)| old.lists.get(path).is_none_or(|before| before == text));
        let other = if common { None } else { Some(self.with_lists(&old.lists)) };
        let over_old_lists = other.as_ref().map_or(&self.program, |rules| &rules.program);
        // Values written in a rule file are part of the rules.
        let is_edited = |list: &List| {
            let before = old.program.lists.iter().find(|before| before.name == list.name);
            list.file.is_none() && before.is_some_and(|before| before.values != list.values)
        };
        let continued = |rule: &rule::plan::Rule| {
            let (was, is) = (old.program.position(&rule.name)?, over_old_lists.position(&rule.name)?);
            let same = over_old_lists.same(is, &old.program, was)
                && (rule.level == 0 || self.program.same(self.program.position(&rule.name)?, &old.program, was))
                && !over_old_lists.lists.iter().any(|list| is_edited(list) && follows(rule, over_old_lists, list));
            same.then_some(was)
        };
        self.program.rules.iter().map(continued).collect()
    }

    /// Whether it is compiled from the same texts.
    pub(super) fn is_read_from(&self, other: &Rules) -> bool {
        let texts = |rules: &Rules| -> Vec<(Arc<str>, String)> {
            rules.files.iter().map(|f| (f.name.clone(), f.text.clone())).collect()
        };
        self.lists == other.lists && texts(self) == texts(other)
    }

    /// Where the rules of these names stand, as paths for messages.
    pub(super) fn folder(origin: &Origin) -> String {
        match origin {
            Origin::Pack => "the built-in rules".to_owned(),
            Origin::Folder(path) => path.display().to_string(),
        }
    }
}

/// Whether this rule of the program follows a list of it.
fn follows(rule: &rule::plan::Rule, program: &Program, list: &List) -> bool {
    let mut found = false;
    let mut see = |_, number: u32| found |= program.lists.get(number as usize).is_some_and(|l| l.name == list.name);
    if let Some(rule) = program.position(&rule.name).and_then(|at| program.rules[at as usize].retroactive()) {
        rule.steps.iter().for_each(|step| step.lists(&mut see));
    }
    found
}

/// What leads from the lists of a program as they were to what they are, by list and value.
pub(super) fn list_changes(old: &[List], new: &[List]) -> Vec<ListChange> {
    let mut changes = Vec::new();
    for (number, (before, list)) in old.iter().zip(new).enumerate() {
        let of = |value: &String, present| ListChange { list: number as u32, value: value.clone(), present };
        changes.extend(before.values.difference(&list.values).map(|value| of(value, false)));
        changes.extend(list.values.difference(&before.values).map(|value| of(value, true)));
    }
    changes.sort_by(|a, b| (a.list, &a.value).cmp(&(b.list, &b.value)));
    changes
}

/// The path of a rules folder as an origin; none is the pack.
impl From<Option<&Path>> for Origin {
    fn from(folder: Option<&Path>) -> Origin {
        folder.map_or(Origin::Pack, |path| Origin::Folder(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str, list: &'static str) -> Rules {
        let file = SourceFile { name: "a.weir".into(), text: text.to_owned() };
        let rules = Rules::compile(vec![file], &|_| Ok(list.to_owned()));
        assert!(!rules.has_errors(), "{:?}", rules.diagnostics);
        rules
    }

    const TEXT: &str = "list bad from \"bad.txt\"
        rule a { when any where source.ip in bad }
        rule b { when any where event.code == \"1\" }";

    #[test]
    fn a_changed_list_is_no_changed_rule() {
        let old = rules(TEXT, "192.0.2.1");
        let new = rules(TEXT, "192.0.2.1\n192.0.2.2");
        assert_eq!(new.continues(&old), [Some(0), Some(1)]);
        assert!(!new.program.same(0, &old.program, 0), "though it is compiled into the rule");
        let edited = rules(&TEXT.replace("rule a { when any", "rule a { when network"), "192.0.2.3");
        assert_eq!(edited.continues(&old), [None, Some(1)]);
        let more = rules(&format!("rule aa {{ when any where event.code == \"2\" }} {TEXT}"), "192.0.2.3");
        assert_eq!(more.continues(&old), [Some(0), None, Some(1)]);
        assert!(new.is_read_from(&rules(TEXT, "192.0.2.1\n192.0.2.2")) && !new.is_read_from(&old));
    }

    #[test]
    fn lists_of_before_can_be_compiled_again() {
        let new = rules(TEXT, "192.0.2.2");
        let then = new.with_lists(&[("bad.txt".to_owned(), Arc::from("192.0.2.1"))].into());
        assert!(then.program.same(0, &rules(TEXT, "192.0.2.1").program, 0));
        assert!(new.with_lists(&Lists::new()).program.same(0, &new.program, 0));
    }

    #[test]
    fn a_changed_list_is_what_came_and_went() {
        let list = |name: &str, values: &[&str]| List {
            name: name.into(),
            values: Arc::new(values.iter().map(|v| (*v).to_owned()).collect()),
            ..List::default()
        };
        let change = |value: &str, present| ListChange { list: 1, value: value.into(), present };
        let (old, new) = ([list("a", &["x"]), list("b", &["1", "2"])], [list("a", &["x"]), list("b", &["2", "3"])]);
        assert_eq!(list_changes(&old, &new), [change("1", false), change("3", true)]);
    }

    #[test]
    fn rules_over_alerts_are_changed_by_their_lists_and_others_by_values_in_rule_files() {
        let text = "list bad from \"bad.txt\"
            list worse = (192.0.2.9)
            rule a { when any where source.ip in bad retro 1h }
            rule b { when any where source.ip in worse retro 1h }
            rule c { when alert where source.ip in bad }";
        let old = rules(text, "192.0.2.1");
        assert_eq!(rules(text, "192.0.2.2").continues(&old), [Some(0), Some(1), None]);
        assert_eq!(rules(&text.replace(".9", ".8"), "192.0.2.1").continues(&old), [Some(0), None, Some(2)]);
    }
}
