//! Completion at the prompt: keywords, views, columns, functions, saved queries and commands.
//!
//! Columns of `events` are completed a part at a time: `sou` to `source.`, `source.i` to `source.ip`.

use std::collections::{BTreeMap, BTreeSet};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::command;
use crate::query::{SavedQuery, tables};

const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE",
    "CROSS",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXCLUDE",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FILTER",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MACRO",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "PIVOT",
    "QUALIFY",
    "RECURSIVE",
    "RIGHT",
    "SELECT",
    "SEMI",
    "SUMMARIZE",
    "TABLE",
    "TEMP",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// What can be completed.
#[derive(Default)]
pub(super) struct Words {
    /// Columns with their dots, and views.
    names: BTreeSet<String>,
    functions: Vec<String>,
    /// Names of saved queries, and what they take.
    saved: BTreeMap<String, Vec<String>>,
    files: FilenameCompleter,
}

impl Words {
    /// Of the views, these functions and these saved queries.
    pub(super) fn new(functions: Vec<String>, saved: &BTreeMap<String, SavedQuery>) -> Words {
        let columns = tables::VIEWS.iter().flat_map(|view| tables::columns(view.name).unwrap_or_default());
        let names = columns.map(|column| column.name).chain(tables::VIEWS.iter().map(|view| view.name.to_owned()));
        let takes = |query: &SavedQuery| query.parameters.iter().map(|p| format!("{}=", p.name)).collect();
        Words {
            names: names.collect(),
            functions,
            saved: saved.iter().map(|(name, query)| (name.clone(), takes(query))).collect(),
            files: FilenameCompleter::new(),
        }
    }

    /// What the word before the cursor may become, and where that word begins.
    fn words(&self, line: &str) -> (usize, Vec<String>) {
        if line.starts_with('.') {
            return self.of_command(line);
        }
        let start = line
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@')))
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let word = &line[start..];
        // Inside a text there is nothing to complete; an empty word could be anything.
        if word.is_empty() || line[..start].matches('\'').count() % 2 == 1 {
            return (start, Vec::new());
        }
        let found = self.parts(word);
        // `e.source.i`: what stands before the first dot may be an alias.
        if let (true, Some(dot)) = (found.is_empty(), word.find('.')) {
            return (start + dot + 1, self.parts(&word[dot + 1..]));
        }
        let mut words: Vec<String> = found.into_iter().collect();
        if !word.contains('.') {
            let lower = word.to_lowercase();
            words.extend(self.functions.iter().filter(|name| name.starts_with(&lower)).map(|name| format!("{name}(")));
            let upper = word.to_uppercase();
            let keyword = |keyword: &&str| if word == lower { keyword.to_lowercase() } else { (**keyword).to_owned() };
            words.extend(KEYWORDS.iter().filter(|keyword| keyword.starts_with(&upper)).map(keyword));
        }
        (start, words)
    }

    /// Names that begin so, up to their next dot.
    fn parts(&self, word: &str) -> Vec<String> {
        let begins = self.names.iter().filter(|name| name.starts_with(word));
        let part = |name: &String| match name[word.len()..].find('.') {
            Some(dot) => name[..word.len() + dot + 1].to_owned(),
            None => name.clone(),
        };
        begins.map(part).collect::<BTreeSet<String>>().into_iter().collect()
    }

    fn of_command(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind(' ').map_or(0, |at| at + 1);
        let (before, word) = line.split_at(start);
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let words = match before.split_whitespace().collect::<Vec<_>>()[..] {
            [] => texts(&command::NAMES),
            [".run"] => self.saved.keys().cloned().collect(),
            [".run", name, ..] => self.saved.get(name).cloned().unwrap_or_default(),
            [".schema"] => tables::VIEWS.iter().map(|view| view.name.to_owned()).collect(),
            [".mode"] => texts(&["table", "csv", "json"]),
            [".timing"] => texts(&["on", "off"]),
            _ => Vec::new(),
        };
        (start, words.into_iter().filter(|w| w.starts_with(word)).collect())
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if line.starts_with(".output ") {
            return self.files.complete(line, position, context);
        }
        let (start, words) = self.words(&line[..position]);
        Ok((start, words.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query;

    #[test]
    fn what_is_completed() {
        let words = Words::new(vec!["count".into(), "count_if".into()], &query::pack());
        for (line, start, expected) in [
            ("SELECT sour", 7, &["source.", "sources"][..]),
            (
                "SELECT source.",
                7,
                &[
                    "source.as.",
                    "source.bytes",
                    "source.domain",
                    "source.geo.",
                    "source.ip",
                    "source.packets",
                    "source.port",
                ],
            ),
            ("SELECT source.geo.ci", 7, &["source.geo.city_name"]),
            ("SELECT e.source.po", 9, &["source.port"]),
            ("SELECT max(sou", 11, &["source.", "sources"]),
            ("FROM alert_", 5, &["alert_changes"]),
            ("sel", 0, &["select"]),
            ("SEL", 0, &["SELECT"]),
            ("SELECT coun", 7, &["count", "count(", "count_if("]),
            ("SELECT 'sour", 8, &[]),
            ("SELECT é, sour", 11, &["source.", "sources"]),
            ("SELECT ", 7, &[]),
            (".ta", 0, &[".tables"]),
            (".run top-", 5, &["top-paths", "top-sources", "top-users"]),
            (".run top-paths l", 15, &["limit="]),
            (".schema so", 8, &["sources"]),
            (".mode ", 6, &["table", "csv", "json"]),
        ] {
            let (found, completed) = words.words(line);
            assert_eq!(
                (found, completed.iter().map(String::as_str).collect::<Vec<_>>()),
                (start, expected.to_vec()),
                "{line}"
            );
        }
    }
}
