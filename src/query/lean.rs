//! What a statement can see of raw lines, and which views it needs.
//!
//! In comes the tree of a statement as DuckDB's own parser gives it, out comes whether it is proved that the statement
//! does not see `event.original` or the struct `event` as a whole. Whatever is not known here counts as seeing it, so
//! that a statement is answered slowly rather than wrongly.
//!
//! The proof: only a reference to a table `events` gives the struct, under the name `event`, as part of a star or as
//! part of the whole row, which has the name of the table. Where none of the three is taken up, nothing that is built
//! upon that table has it.
//!
//! A view is needed unless all tables are known to be others: to make one over events reads the end of every file, and those
//! of alerts and rules cost as much as all else that a session begins with.

use serde_json::{Map, Value};

/// Gives the tree of the statement that is bound to it.
pub(super) const PARSE: &str = "SELECT json_serialize_sql(?::VARCHAR, skip_null := true, skip_empty := true)";

const EVENTS: &str = "events";
const EVENT: &str = "event";

/// Views of alerts and rules.
const BESIDE: [&str; 3] = ["alerts", "alert_changes", "rules"];
const ORIGINAL: &str = "original";

/// Table functions that read no table and run no statement.
const PLAIN_TABLES: [&str; 3] = ["range", "generate_series", "unnest"];

/// Functions that change or tell what only one connection knows.
const OF_CONNECTION: [&str; 5] =
    ["setseed", "getvariable", "current_setting", "current_schemas", "json_serialize_plan"];

/// Where a star stands for the columns of the tables of its own SELECT.
const STARRED: [&str; 5] = ["select_list", "where_clause", "group_expressions", "having", "qualify"];

/// What a statement sees of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Neither raw lines nor the struct that holds them.
    Parts,
    /// Raw lines, and nothing else of that struct.
    Lines,
    /// Perhaps everything.
    Everything,
    /// Perhaps everything, and perhaps it leaves something behind that later statements see.
    Lasting,
}

/// Which views a statement may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Those of alerts and rules.
    pub(super) alerts: bool,
    pub(super) events: bool,
    pub(super) sources: bool,
}

impl Wanted {
    pub(super) const NOTHING: Wanted = Wanted { alerts: false, events: false, sources: false };
    pub(super) const ALERTS: Wanted = Wanted { alerts: true, ..Wanted::NOTHING };
    pub(super) const EVENTS: Wanted = Wanted { events: true, ..Wanted::NOTHING };
    pub(super) const ALL: Wanted = Wanted { alerts: true, events: true, sources: true };

    /// Those of both.
    fn and(self, other: Wanted) -> Wanted {
        Wanted {
            alerts: self.alerts || other.alerts,
            events: self.events || other.events,
            sources: self.sources || other.sources,
        }
    }
}

/// What is known of a statement before it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) sight: Sight,
    pub(super) wanted: Wanted,
}

impl Seen {
    /// Of a statement of which nothing is known.
    pub(super) const LASTING: Seen = Seen { sight: Sight::Lasting, wanted: Wanted::ALL };
}

/// The statement that an `EXPLAIN` is about, so that it tells how that would be run; any other statement as it is.
pub(super) fn explained(sql: &str) -> &str {
    let after = |text: &'_ str, word: &str| {
        let (head, rest) = text.split_at_checked(word.len())?;
        (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then(|| text.len() - rest.len())
    };
    let text = sql.trim_start();
    let Some(at) = after(text, "EXPLAIN") else { return sql };
    let text = text[at..].trim_start();
    let text = after(text, "ANALYZE").map_or(text, |at| text[at..].trim_start());
    if text.starts_with('(') { sql } else { text }
}

/// What a statement sees and needs, by its tree.
pub(super) fn seen(tree: &str) -> Seen {
    // A tree that is too deep is no error of the statement's.
    let Ok(tree) = serde_json::from_str::<Value>(tree) else { return Seen::LASTING };
    if tree["error"] != Value::Bool(false) {
        // What the parser refuses is not run at all; what is no SELECT has no tree.
        let refused = tree["error_type"] == "parser";
        return if refused { Seen { sight: Sight::Everything, ..Seen::LASTING } } else { Seen::LASTING };
    }
    let Some([statement]) = tree["statements"].as_array().map(Vec::as_slice) else { return Seen::LASTING };
    let mut walk = Walk::default();
    walk.visit(statement, false);
    Seen { sight: walk.sight(), wanted: walk.wanted() }
}

#[derive(Default)]
struct Walk<'tree> {
    /// Something may see all of the struct.
    everything: bool,
    lasting: bool,
    /// Names under which the whole row of a table `events` is found.
    row_names: Vec<&'tree str>,
    /// Names of all columns that are referred to, each with what stands before it.
    columns: Vec<Vec<&'tree str>>,
    /// Names of tables, views and what `WITH` names, as they are referred to …
    tables: Vec<&'tree str>,
    /// … and what `WITH` names.
    named: Vec<&'tree str>,
    /// There may be other tables.
    unknown: bool,
}

impl<'tree> Walk<'tree> {
    /// `stars`: whether a star here is known to have no table `events` under it.
    fn visit(&mut self, value: &'tree Value, stars: bool) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.visit(value, stars)),
            Value::Object(object) => self.object(object, stars),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn object(&mut self, object: &'tree Map<String, Value>, stars: bool) {
        let mut selects = false;
        let stars = match (object.get("class"), object.get("type")) {
            (Some(class), _) => {
                self.expression(class.as_str().unwrap_or_default(), object, stars);
                stars
            }
            (None, Some(Value::String(kind))) => {
                self.node(kind, object);
                selects = kind == "SELECT_NODE";
                selects && object.get("from_table").is_some_and(|from| !under_star(from))
            }
            (None, _) => stars,
        };
        if let Some(map) = object.get("cte_map").and_then(|ctes| ctes["map"].as_array()) {
            self.named.extend(map.iter().filter_map(|cte| cte["key"].as_str()));
        }
        for (key, value) in object {
            let stars = stars && (!selects || STARRED.contains(&key.as_str()));
            match value {
                Value::Array(modifiers) if key == "modifiers" => {
                    modifiers.iter().filter(|m| !by_all(m)).for_each(|m| self.visit(m, stars));
                }
                value => self.visit(value, stars),
            }
        }
    }

    fn expression(&mut self, class: &str, object: &'tree Map<String, Value>, stars: bool) {
        match class {
            "COLUMN_REF" => self.columns.push(texts(object.get("column_names"))),
            "STAR" => self.everything |= !stars || object.contains_key("relation_name"),
            "FUNCTION" | "WINDOW" => match path(object)[..] {
                [name] => self.lasting |= OF_CONNECTION.iter().any(|known| same(known, name)),
                // `event.original.upper()` is a function `upper` in a schema `original`.
                _ => self.everything = true,
            },
            "BETWEEN" | "CASE" | "CAST" | "COLLATE" | "COMPARISON" | "CONJUNCTION" | "CONSTANT" | "LAMBDA"
            | "OPERATOR" | "PARAMETER" | "SUBQUERY" | "TYPE" => {}
            _ => (self.everything, self.unknown) = (true, true),
        }
    }

    fn node(&mut self, kind: &str, object: &'tree Map<String, Value>) {
        match (kind, &path(object)[..]) {
            ("BASE_TABLE", [name]) => self.tables.push(name),
            ("BASE_TABLE", _) => self.unknown = true,
            (_, _) => {}
        }
        match kind {
            "BASE_TABLE" => match path(object).last() {
                Some(name) if same(name, EVENTS) => {
                    // `main.events` has everything.
                    self.everything |= object.contains_key("column_name_alias") || path(object).len() > 1;
                    self.row_names.extend([name, word(object, "alias")]);
                }
                Some(_) => {}
                None => self.everything = true,
            },
            "JOIN" => {
                let known = ["REGULAR", "CROSS", "POSITIONAL", "ASOF"].contains(&word(object, "ref_type"));
                let shared = texts(object.get("using_columns")).iter().any(|name| same(name, EVENT));
                self.everything |= !known || shared || object.contains_key("alias");
            }
            "TABLE_FUNCTION" => {
                let function = object.get("function").and_then(Value::as_object);
                let name = function.map(path).unwrap_or_default();
                let plain = matches!(name[..], [name] if PLAIN_TABLES.iter().any(|known| same(known, name)));
                self.everything |= !plain;
                self.unknown |= !plain;
            }
            "SELECT_NODE" | "SET_OPERATION_NODE" | "RECURSIVE_CTE_NODE" | "CTE_NODE" | "SUBQUERY" | "EMPTY"
            | "EXPRESSION_LIST" | "ORDER_MODIFIER" | "LIMIT_MODIFIER" | "DISTINCT_MODIFIER" | "ORDER_DEFAULT"
            | "ASCENDING" | "DESCENDING" => {}
            _ => (self.everything, self.unknown) = (true, true),
        }
    }

    fn wanted(&self) -> Wanted {
        let among = |all: &[&str], name: &str| all.iter().any(|known| same(known, name));
        let of = |name: &&str| match () {
            () if same(name, EVENTS) => Wanted::EVENTS,
            () if among(&BESIDE, name) => Wanted::ALERTS,
            () if among(&self.named, name) => Wanted::NOTHING,
            () => Wanted::ALL,
        };
        if self.lasting || self.unknown {
            return Wanted::ALL;
        }
        self.tables.iter().map(of).fold(Wanted::NOTHING, Wanted::and)
    }

    fn sight(&self) -> Sight {
        let whole = |names: &[&str]| match names.last() {
            Some(last) => same(last, EVENT) || self.row_names.iter().any(|row| same(row, last)),
            None => true,
        };
        if self.lasting {
            return Sight::Lasting;
        }
        if self.everything || self.columns.iter().any(|names| whole(names)) {
            return Sight::Everything;
        }
        let pairs = self.columns.iter().flat_map(|names| names.windows(2)).filter(|pair| same(pair[0], EVENT));
        let (lines, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| same(pair[1], ORIGINAL));
        match (lines.is_empty(), others.is_empty()) {
            (true, _) => Sight::Parts,
            (false, true) => Sight::Lines,
            (false, false) => Sight::Everything,
        }
    }
}

/// Names that DuckDB takes for the same are, and perhaps a few more.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

pub(super) fn word<'tree>(object: &'tree Map<String, Value>, key: &str) -> &'tree str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().map(|text| text.as_str().unwrap_or_default()).collect()
}

/// A name with what stands before it; empty when it is not told.
pub(super) fn path(object: &Map<String, Value>) -> Vec<&str> {
    texts(object.get("qualified_name").and_then(|name| name.get("path")))
}

/// Whether a star takes its columns from a table `events`, or from nothing known.
fn under_star(from: &Value) -> bool {
    let Some(object) = from.as_object() else { return true };
    match word(object, "type") {
        "BASE_TABLE" => path(object).last().is_none_or(|name| same(name, EVENTS)),
        "JOIN" => ["left", "right"].iter().any(|side| object.get(*side).is_none_or(under_star)),
        "SUBQUERY" | "EXPRESSION_LIST" | "TABLE_FUNCTION" => false,
        _ => true,
    }
}

/// `ORDER BY ALL`, which is a star over the columns that were selected.
fn by_all(modifier: &Value) -> bool {
    let Some([order]) = modifier["orders"].as_array().map(Vec::as_slice) else { return false };
    let Some(star) = order["expression"].as_object() else { return false };
    let known = ["class", "type", "query_location", "query_location_length", "columns"];
    modifier["type"] == "ORDER_MODIFIER"
        && star.get("class").is_some_and(|class| class == "STAR")
        && star.keys().all(|key| known.contains(&key.as_str()))
}
