//! Which statements of a stranger are run.
//!
//! In comes the tree of a statement as DuckDB's own parser gives it, out comes what is not allowed in it. It is one SELECT;
//! it reads the views and the names that it defines itself; and every kind of node, every table function and every function
//! in it is known to touch no file, setting, environment or network. What is not known here is refused.

use serde_json::{Map, Value};

use super::super::lean::{path, same, word};
use super::functions;

/// Of a parser's message so much is told, characters: it may have the whole rest of the statement in it.
const LONGEST_MESSAGE: usize = 300;

/// What a stranger may read.
const VIEWS: [&str; 5] = ["events", "alerts", "alert_changes", "rules", "sources"];

/// Beginnings of names that DuckDB's own tables have.
const TAKEN: [&str; 6] = ["duckdb_", "pg_", "pragma_", "sqlite_", "stored_", "information_schema"];

const EXPRESSIONS: [&str; 19] = [
    "BETWEEN",
    "CASE",
    "CAST",
    "COLLATE",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "CONSTANT",
    "DEFAULT",
    "FUNCTION",
    "LAMBDA",
    "LAMBDA_REF",
    "OPERATOR",
    "PARAMETER",
    "POSITIONAL_REFERENCE",
    "STAR",
    "SUBQUERY",
    "TYPE",
    "WINDOW",
];

/// Whatever has a kind and is no expression, but for the tables and queries that are looked at one by one.
const NODES: [&str; 11] = [
    "JOIN",
    "SUBQUERY",
    "EMPTY",
    "EXPRESSION_LIST",
    "ORDER_MODIFIER",
    "LIMIT_MODIFIER",
    "LIMIT_PERCENT_MODIFIER",
    "DISTINCT_MODIFIER",
    "ORDER_DEFAULT",
    "ASCENDING",
    "DESCENDING",
];

/// Why a statement is not run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Wrong(String),
    #[error("there is no statement")]
    Nothing,
    #[error("only a SELECT is run here, one, over events, alerts, alert_changes, rules and sources")]
    NoSelect,
    #[error("there are {0} statements, and one SELECT is run here: send them one by one")]
    Several(usize),
    #[error("the statement is nested too deeply: write it with fewer levels, or with WITH")]
    Deep,
    #[error("{0} is not allowed here: only SELECT is")]
    Kind(String),
    #[error("the function `{0}` is not allowed here")]
    Function(String),
    #[error("the table function `{0}` is not allowed here: read from events, alerts, alert_changes, rules, sources, or of {known}", known = functions::TABLES.join(", "))]
    TableFunction(String),
    #[error(
        "there is no table `{0}` here: there are events, alerts, alert_changes, rules, sources, and what WITH defines before"
    )]
    Table(String),
    #[error(
        "`{0}` cannot be defined by WITH here: choose a name of letters, digits and _ that is none of DuckDB's own"
    )]
    Name(String),
}

/// Looks at a statement's tree.
pub(super) fn check(tree: &str) -> Result<(), Refusal> {
    // DuckDB wrote it, so it can only be too deep.
    let Ok(tree) = serde_json::from_str::<Value>(tree) else { return Err(Refusal::Deep) };
    if tree["error"] != Value::Bool(false) {
        return Err(match (tree["error_type"].as_str(), tree["error_message"].as_str()) {
            (_, Some(text)) if text.starts_with("Max expression depth") => Refusal::Deep,
            (Some("parser" | "syntax"), Some(text)) => Refusal::Wrong(text.chars().take(LONGEST_MESSAGE).collect()),
            _ => Refusal::NoSelect,
        });
    }
    match tree["statements"].as_array().map(Vec::as_slice) {
        Some([Value::Object(statement)]) => Walk::default().object(statement),
        Some([]) => Err(Refusal::Nothing),
        Some(several) => Err(Refusal::Several(several.len())),
        None => Err(Refusal::NoSelect),
    }
}

#[derive(Default)]
struct Walk<'tree> {
    /// Names that WITH has defined where the walk is.
    names: Vec<&'tree str>,
}

impl<'tree> Walk<'tree> {
    fn visit(&mut self, value: &'tree Value) -> Result<(), Refusal> {
        match value {
            Value::Array(values) => values.iter().try_for_each(|value| self.visit(value)),
            Value::Object(object) => self.object(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn object(&mut self, object: &'tree Map<String, Value>) -> Result<(), Refusal> {
        match (object.get("class"), object.get("type")) {
            (Some(class), _) => self.expression(class.as_str().unwrap_or_default(), object),
            (None, Some(Value::String(kind))) => self.node(kind, object),
            (None, _) => self.members(object, &[]),
        }
    }

    /// All that an object has, but for some.
    fn members(&mut self, object: &'tree Map<String, Value>, without: &[&str]) -> Result<(), Refusal> {
        let others = object.iter().filter(|(key, _)| !without.contains(&key.as_str()));
        others.map(|(_, value)| value).try_for_each(|value| self.visit(value))
    }

    fn expression(&mut self, class: &str, object: &'tree Map<String, Value>) -> Result<(), Refusal> {
        if !EXPRESSIONS.contains(&class) {
            return Err(Refusal::Kind(format!("`{}`", class.to_lowercase())));
        }
        if class == "FUNCTION" || class == "WINDOW" {
            // `text.upper()` has the name of a column before that of the function.
            match path(object).last() {
                Some(name) if functions::is_allowed(name) => {}
                other => return Err(Refusal::Function(other.copied().unwrap_or_default().to_owned())),
            }
        }
        self.members(object, &[])
    }

    fn node(&mut self, kind: &str, object: &'tree Map<String, Value>) -> Result<(), Refusal> {
        match kind {
            "SELECT_NODE" | "SET_OPERATION_NODE" | "RECURSIVE_CTE_NODE" => self.query(object),
            "BASE_TABLE" => {
                self.table(object)?;
                self.members(object, &[])
            }
            "TABLE_FUNCTION" => self.table_function(object),
            // `DESCRIBE SELECT …` has a query, `SHOW TABLES` a name.
            "SHOW_REF" => match (word(object, "show_type"), object.get("query")) {
                ("DESCRIBE" | "SUMMARY", Some(query)) if path(object).is_empty() => self.visit(query),
                _ => Err(Refusal::Kind("SHOW".to_owned())),
            },
            "PIVOT" => {
                let pivots = object.get("pivots").and_then(Value::as_array).into_iter().flatten();
                match pivots.clone().any(|pivot| pivot.get("pivot_enum").is_some()) {
                    true => Err(Refusal::Kind("PIVOT over a type".to_owned())),
                    false => self.members(object, &[]),
                }
            }
            kind if NODES.contains(&kind) => self.members(object, &[]),
            kind => Err(Refusal::Kind(kind.trim_end_matches("_NODE").trim_end_matches("_QUERY").replace('_', " "))),
        }
    }

    /// A query and what it defines. A definition sees those before it; one that is recursive sees itself in its second part.
    fn query(&mut self, object: &'tree Map<String, Value>) -> Result<(), Refusal> {
        let outside = self.names.len();
        let definitions = object.get("cte_map").and_then(|map| map.get("map")).and_then(Value::as_array);
        for definition in definitions.into_iter().flatten() {
            let name = definition["key"].as_str().unwrap_or_default();
            if !is_plain(name) {
                return Err(Refusal::Name(name.to_owned()));
            }
            self.visit(&definition["value"])?;
            self.names.push(name);
        }
        let recursive = object.get("type").is_some_and(|kind| kind == "RECURSIVE_CTE_NODE");
        if recursive {
            let name = word(object, "cte_name");
            if !is_plain(name) {
                return Err(Refusal::Name(name.to_owned()));
            }
            self.members(object, &["cte_map", "right"])?;
            self.names.push(name);
            object.get("right").map_or(Ok(()), |right| self.visit(right))?;
        } else {
            self.members(object, &["cte_map"])?;
        }
        self.names.truncate(outside);
        Ok(())
    }

    fn table(&self, object: &Map<String, Value>) -> Result<(), Refusal> {
        let path = path(object);
        let known = |name: &str| VIEWS.iter().chain(&self.names).any(|known| known.eq_ignore_ascii_case(name));
        if object.contains_key("at_clause") {
            return Err(Refusal::Kind("AT".to_owned()));
        }
        match path[..] {
            [name] if known(name) && same(name, word(object, "table_name")) => Ok(()),
            _ => Err(Refusal::Table(path.join("."))),
        }
    }

    fn table_function(&mut self, object: &'tree Map<String, Value>) -> Result<(), Refusal> {
        let function = object.get("function").and_then(Value::as_object);
        let name = function.map(path).unwrap_or_default();
        match (function, &name[..]) {
            (Some(function), [name]) if functions::is_allowed_table(name) => {
                self.members(function, &[])?;
                self.members(object, &["function"])
            }
            _ => Err(Refusal::TableFunction(name.join("."))),
        }
    }
}

/// Letters, digits and `_`, so that it is no file's name, and none of DuckDB's own.
fn is_plain(name: &str) -> bool {
    let lower = name.to_lowercase();
    !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !TAKEN.iter().any(|taken| lower.starts_with(taken))
}
