//! Saved queries: SQL files whose first lines say what they are and what they take.
//!
//! ```sql
//! -- title: Top sources
//! -- description: Who sends most.
//! -- param since: timestamp = all    Only events from this time on
//! -- param limit: int = 20           How many rows
//! SELECT … WHERE ts >= $since … LIMIT $limit
//! ```
//!
//! A parameter without `=` must be given. Values are bound, never spliced into the text.

use std::collections::BTreeMap;
use std::path::Path;

use super::QueryError;
use super::value::{Argument, bad, parse};

/// A saved query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuery {
    /// Name: that of its file.
    pub name: String,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub description: String,
    /// What it takes, in the order of its head.
    pub parameters: Vec<Parameter>,
    /// The statement.
    pub sql: String,
}

/// What a saved query takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `$name` in the statement.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Its value when none is given.
    pub default: Option<String>,
    /// What it is for.
    pub description: String,
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// A length of time: 15m.
    Duration,
    /// A time, how long ago it was, or `all` for the beginning of time.
    Timestamp,
    /// An IP address, canonical when bound.
    Ip,
}

impl Kind {
    /// The word used in heads and lists.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Int => "int",
            Kind::Duration => "duration",
            Kind::Timestamp => "timestamp",
            Kind::Ip => "ip",
        }
    }

    fn read(word: &str) -> Option<Kind> {
        [Kind::Text, Kind::Int, Kind::Duration, Kind::Timestamp, Kind::Ip].into_iter().find(|k| k.word() == word)
    }
}

macro_rules! pack {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../queries/", $name, ".sql")))),*] };
}

static PACK: &[(&str, &str)] = pack! {
    "alerts-by-rule" "alerts-timeline" "event-by-id" "events-per-minute" "failed-logins" "parse-failures"
    "top-paths" "top-sources" "top-users" "web-errors"
};

/// The queries that come with weir, by name.
pub fn pack() -> BTreeMap<String, SavedQuery> {
    let read = |(name, text): &(&str, &str)| SavedQuery::read(name, text).expect("a test reads the whole pack");
    PACK.iter().map(|entry| (entry.0.to_owned(), read(entry))).collect()
}

/// The pack, and over it the `*.sql` files of a folder.
pub fn load(folder: Option<&Path>) -> Result<BTreeMap<String, SavedQuery>, QueryError> {
    let mut queries = pack();
    let Some(folder) = folder else { return Ok(queries) };
    let unreadable = |path: &Path, e: std::io::Error| QueryError::Saved(format!("cannot read {}: {e}", path.display()));
    for entry in std::fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
        let path = entry.map_err(|e| unreadable(folder, e))?.path();
        let Some(name) = path.file_stem().and_then(|n| n.to_str()) else { continue };
        if path.extension().is_some_and(|e| e == "sql") {
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
            let query =
                SavedQuery::read(name, &text).map_err(|why| QueryError::Saved(format!("{}: {why}", path.display())))?;
            queries.insert(name.to_owned(), query);
        }
    }
    Ok(queries)
}

impl SavedQuery {
    /// Reads a query's text.
    pub fn read(name: &str, text: &str) -> Result<SavedQuery, String> {
        let (mut title, mut description, mut parameters) = (None, Vec::new(), Vec::new());
        let mut lines = text.lines().enumerate().peekable();
        while let Some((at, line)) = lines.next_if(|(_, l)| l.trim_start().starts_with("--") || l.trim().is_empty()) {
            let line = line.trim_start().trim_start_matches('-').trim();
            if let Some(rest) = line.strip_prefix("title:") {
                title = Some(rest.trim().to_owned());
            } else if let Some(rest) = line.strip_prefix("description:") {
                description.push(rest.trim());
            } else if let Some(rest) = line.strip_prefix("param ") {
                parameters.push(parameter(rest).map_err(|why| format!("line {}: {why}", at + 1))?);
            }
        }
        let sql: Vec<&str> = lines.map(|(_, l)| l).collect();
        let title = title.ok_or("the first lines lack `-- title: …`")?;
        Ok(SavedQuery {
            name: name.to_owned(),
            title,
            description: description.join(" "),
            parameters,
            sql: sql.join("\n"),
        })
    }

    /// The values of its parameters, by name: those given, and the defaults of the others.
    pub fn arguments(&self, given: &[(String, String)], now: i64) -> Result<BTreeMap<String, Argument>, QueryError> {
        for (name, _) in given {
            if !self.parameters.iter().any(|p| p.name == *name) {
                let known: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(bad(name, &format!("{} has no such parameter; it takes {known}", self.name)));
            }
        }
        let value = |p: &Parameter| {
            let given = given.iter().rev().find(|(name, _)| *name == p.name).map(|(_, value)| value.as_str());
            let text = given.or(p.default.as_deref()).ok_or_else(|| {
                bad(&p.name, &format!("must be given: --param {}=… ({}; {})", p.name, p.kind.word(), p.description))
            })?;
            parse(p.kind, text, now).map_err(|why| bad(&p.name, &why))
        };
        self.parameters.iter().map(|p| Ok((p.name.clone(), value(p)?))).collect()
    }
}

/// `since: timestamp = all   Only events from this time on`
fn parameter(text: &str) -> Result<Parameter, String> {
    let (name, rest) =
        text.split_once(':').ok_or("a parameter is written `-- param NAME: TYPE = DEFAULT  what for`")?;
    let rest = rest.trim_start();
    let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let kind = Kind::read(word)
        .ok_or_else(|| format!("`{word}` is no type of parameter: use text, int, duration, timestamp or ip"))?;
    let rest = rest.trim_start();
    let (default, description) = match rest.strip_prefix('=') {
        Some(rest) => {
            let rest = rest.trim_start();
            let (value, description) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (Some(value.to_owned()), description)
        }
        None => (None, rest),
    };
    Ok(Parameter { name: name.trim().to_owned(), kind, default, description: description.trim().to_owned() })
}
