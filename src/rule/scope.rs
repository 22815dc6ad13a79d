//! The names of a folder: its `let`s and lists. In: all parsed files. Out: what every name stands
//! for, so that rules can be checked one by one, and what is wrong with the names themselves.

use std::io;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ast::{self, Item, Span, Word};
use super::code::Code;
use super::condition::Check;
use super::diagnostic::Diagnostic;
use super::plan::Predicate;
pub(crate) use super::words::top::CATEGORIES;
use super::words::top::SOURCE_WORDS;
use crate::event::field;

/// `let`s may build on one another this often.
const DEEPEST: usize = 32;

/// What the names of a folder stand for.
#[derive(Default)]
pub(super) struct Scope {
    /// By name; `None` when the `let` is broken, which is reported already.
    pub(super) lets: FxHashMap<String, Option<Let>>,
    /// By name.
    pub(super) lists: FxHashMap<String, List>,
}

/// What a `let` stands for.
pub(super) struct Let {
    pub(super) predicate: Predicate,
    /// The same in a rule that follows its lists.
    pub(super) followed: Followed,
    /// It is about alerts.
    pub(super) alerts: bool,
}

/// A predicate whose lists are followed.
#[derive(PartialEq)]
pub(super) enum Followed {
    /// It asks no list.
    Same,
    /// It asks some.
    Other(Predicate),
    /// It asks one in a way that cannot be followed.
    Impossible,
}

/// The values of a list.
pub(super) struct List {
    /// Its place among the names of all lists.
    pub(super) number: u32,
    /// The file it is read from, by its path in the rules folder.
    pub(super) file: Option<String>,
    /// It could not be read, which is reported: rules that use it are left out.
    pub(super) broken: bool,
    pub(super) entries: Vec<Entry>,
}

/// One value of a list.
pub(super) struct Entry {
    pub(super) text: String,
    /// `c"…"`
    pub(super) exact: bool,
}

/// The sources that diagnostics and checks look into.
pub(super) struct Input<'a> {
    pub(super) file: &'a ast::File,
    pub(super) text: &'a str,
}

/// Resolves the names of all files.
pub(super) fn resolve(
    inputs: &[Input<'_>],
    read: &dyn Fn(&str) -> io::Result<String>,
    found: &mut Vec<Diagnostic>,
) -> Scope {
    let mut scope = Scope::default();
    let mut seen: FxHashMap<(&str, &str), (&Arc<str>, Span)> = FxHashMap::default();
    let mut lets: Vec<(&Input<'_>, &ast::Let)> = Vec::new();
    for input in inputs {
        for item in &input.file.items {
            let (kind, name) = match item {
                Item::Rule(rule) => ("rule", &rule.name),
                Item::Let(define) => ("let", &define.name),
                Item::List(list) => ("list", &list.name),
            };
            if let Some((file, span)) = seen.get(&(kind, name.text.as_str())) {
                found.push(duplicate(&input.file.name, kind, name).related(file, *span, "first defined here"));
                continue;
            }
            seen.insert((kind, &name.text), (&input.file.name, name.span));
            if let (Item::List(_), Some(_)) = (item, field::by_name(&name.text)) {
                found.push(
                    Diagnostic::error(
                        Code::NameTaken,
                        &input.file.name,
                        name.span,
                        format!("`{}` is a field", name.text),
                    )
                    .label("choose another name"),
                );
            }
            match item {
                Item::Rule(_) => {}
                Item::Let(define) => lets.push((input, define)),
                Item::List(list) => {
                    scope.lists.insert(name.text.clone(), self::list(&input.file.name, list, read, found));
                }
            }
        }
    }
    // Who uses these need not hear of it again.
    for broken in inputs.iter().flat_map(|i| &i.file.broken) {
        let name = broken.name.text.clone();
        if broken.list {
            let unknown = || List { number: 0, file: None, broken: true, entries: Vec::new() };
            scope.lists.entry(name).or_insert_with(unknown);
        } else if !seen.contains_key(&("let", broken.name.text.as_str())) {
            scope.lets.insert(name, None);
        }
    }
    let mut names: Vec<String> = scope.lists.keys().cloned().collect();
    names.sort_unstable();
    for (name, number) in names.iter().zip(0..) {
        scope.lists.entry(name.clone()).and_modify(|list| list.number = number);
    }
    resolve_lets(&lets, &mut scope, found);
    scope
}

fn duplicate(file: &Arc<str>, kind: &str, name: &Word) -> Diagnostic {
    Diagnostic::error(Code::Duplicate, file, name.span, format!("there already is a {kind} `{}`", name.text))
        .label("defined again here")
        .help("give one of them another name")
}

/// The values of a list.
fn list(
    file: &Arc<str>,
    list: &ast::List,
    read: &dyn Fn(&str) -> io::Result<String>,
    found: &mut Vec<Diagnostic>,
) -> List {
    let broken = List { number: 0, file: None, broken: true, entries: Vec::new() };
    let (entries, span) = match &list.origin {
        ast::Origin::Inline(values, span) => {
            let entry = |v: &ast::Value| Entry { text: v.text.clone(), exact: v.kind == ast::ValueKind::Exact };
            (values.iter().map(entry).collect::<Vec<_>>(), *span)
        }
        ast::Origin::File(path) => {
            if let Some(wrong) = leaves_folder(&path.text) {
                found.push(
                    Diagnostic::error(Code::ListPath, file, path.span, format!("`{}` {wrong}", path.text))
                        .label("a relative path in the rules folder")
                        .help("put the list beside the rules, e.g. \"lists/scanners.txt\""),
                );
                return broken;
            }
            match read(&path.text) {
                Ok(text) => (lines(&text), path.span),
                Err(error) => {
                    let message = format!("list `{}` cannot be read: {error}", list.name.text);
                    found.push(
                        Diagnostic::error(Code::ListUnreadable, file, path.span, message)
                            .label("looked for in the rules folder"),
                    );
                    return broken;
                }
            }
        }
    };
    if entries.is_empty() {
        found.push(
            Diagnostic::error(Code::ListEmpty, file, span, format!("list `{}` is empty", list.name.text))
                .label("no values")
                .warning(),
        );
    }
    let file = match &list.origin {
        ast::Origin::File(path) => Some(path.text.clone()),
        ast::Origin::Inline(..) => None,
    };
    List { number: 0, file, broken: false, entries }
}

fn leaves_folder(path: &str) -> Option<&'static str> {
    let path = std::path::Path::new(path);
    if path.as_os_str().is_empty() {
        return Some("is not a path");
    }
    if path.is_absolute() {
        return Some("is an absolute path");
    }
    path.components().any(|c| matches!(c, std::path::Component::ParentDir)).then_some("leaves the rules folder")
}

/// One value a line; blanks around it and what follows a `#` at the start or after a blank do not count.
pub(super) fn lines(text: &str) -> Vec<Entry> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(|line| {
            let comment = line
                .char_indices()
                .find(|(i, c)| *c == '#' && line[..*i].chars().next_back().is_none_or(char::is_whitespace));
            comment.map_or(line, |(i, _)| &line[..i]).trim()
        })
        .filter(|line| !line.is_empty())
        .map(|line| Entry { text: line.to_owned(), exact: false })
        .collect()
}

/// Checks every `let` once, those it builds on first.
fn resolve_lets(lets: &[(&Input<'_>, &ast::Let)], scope: &mut Scope, found: &mut Vec<Diagnostic>) {
    let positions: FxHashMap<&str, usize> =
        lets.iter().enumerate().map(|(i, (_, l))| (l.name.text.as_str(), i)).collect();
    for start in 0..lets.len() {
        // A `let` names one other at most, so its dependencies are a chain.
        let mut chain = vec![start];
        let mut on_chain: FxHashSet<usize> = chain.iter().copied().collect();
        loop {
            let (input, define) = lets[*chain.last().expect("it starts with one")];
            let source = &define.pattern.source;
            if scope.lets.contains_key(&define.name.text) {
                chain.pop();
                break;
            }
            match positions.get(source.text.as_str()).filter(|_| !is_builtin(&source.text)) {
                Some(next) if on_chain.insert(*next) && chain.len() < DEEPEST => chain.push(*next),
                Some(next) => {
                    found.push(circle(input, define, on_chain.contains(next) && chain.len() < DEEPEST));
                    chain.iter().for_each(|i| {
                        scope.lets.insert(lets[*i].1.name.text.clone(), None);
                    });
                    chain.clear();
                    break;
                }
                None => break,
            }
        }
        for position in chain.into_iter().rev() {
            let (input, define) = lets[position];
            let predicate = check_let(input, define, scope, found);
            scope.lets.insert(define.name.text.clone(), predicate);
        }
    }
}

fn circle(input: &Input<'_>, define: &ast::Let, cycle: bool) -> Diagnostic {
    let (name, source) = (&define.name.text, &define.pattern.source);
    let file = &input.file.name;
    if cycle {
        Diagnostic::error(Code::Cycle, file, source.span, format!("`{name}` is defined by itself"))
            .label("this leads back to it")
            .help("start from a category, e.g. `authentication where …`")
    } else {
        Diagnostic::error(Code::Cycle, file, source.span, format!("`{name}` builds on too many other `let`s"))
            .label(format!("more than {DEEPEST}"))
    }
}

fn check_let(input: &Input<'_>, define: &ast::Let, scope: &Scope, found: &mut Vec<Diagnostic>) -> Option<Let> {
    let mut check = Check::new(scope, &input.file.name, input.text);
    if is_builtin(&define.name.text) {
        let message = format!("`{}` is a category", define.name.text);
        check.report(
            Diagnostic::error(Code::NameTaken, &input.file.name, define.name.span, message)
                .label("choose another name")
                .help(format!("for example `let {}_event = …`", define.name.text)),
        );
    }
    let predicate = check.pattern(&define.pattern);
    found.append(&mut check.found);
    let followed = if check.asked_list {
        // What is wrong in itself is reported; a rule with `retro` reports what it cannot follow.
        let mut again = Check { follows: true, ..Check::new(scope, &input.file.name, input.text) };
        again.pattern(&define.pattern).map_or(Followed::Impossible, Followed::Other)
    } else {
        Followed::Same
    };
    Some(Let { predicate: predicate?, followed, alerts: check.alerts.is_some() })
}

/// Whether the word has a meaning of its own before `where`.
pub(crate) fn is_builtin(word: &str) -> bool {
    SOURCE_WORDS.contains(&word) || CATEGORIES.contains(&word)
}
