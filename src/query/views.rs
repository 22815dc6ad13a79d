//! The view `events` over the stored columns, and the texts that a raw line and a message are made of.
//!
//! In comes the table of fields, out come SQL texts. A raw line is stored as it came or in pieces, see
//! [`crate::event::line`]; to put it together costs as much as to search it, and DuckDB does not see that nobody asks
//! for it once it is part of the struct `event`. So there are several views of the name `events`, each in a schema of its
//! own: one that is right for any statement, and others for those that see less of it (see [`super::lean`]).

use arrow::datatypes::DataType;

use crate::event::field::{self, FieldId};
use crate::event::line::{self, END, LINE, SLOTS};
use crate::event::schema;

/// What `events` has in its struct `event`; all else is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything.
    Whole,
    /// Everything, but of raw lines only those that are not in pieces.
    Lean,
    /// Raw lines and nothing else.
    Lines,
}

impl Form {
    /// The schema of the view.
    pub(super) fn schema(self) -> &'static str {
        match self {
            Form::Whole => "main",
            Form::Lean => "lean",
            Form::Lines => "lines",
        }
    }
}

/// A column as SQL names it.
pub(super) fn quoted(id: FieldId) -> String {
    id.name().split('.').map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".")
}

/// The raw line, over the stored columns.
pub(super) fn original() -> String {
    let stored = quoted(field::EVENT_ORIGINAL);
    format!("CASE WHEN {} IS NULL THEN {stored} ELSE {} END", piece(END), from_slot(0))
}

/// The message, over the stored columns: a text of its own or the tail of the raw line.
pub(super) fn message() -> String {
    format!(
        "coalesce({own}, CASE WHEN {end} IS NULL THEN substr({original}, {offset} + 1) \
         WHEN {begins} IS NOT NULL THEN {tail} END)",
        own = quoted(field::MESSAGE),
        end = piece(END),
        original = quoted(field::EVENT_ORIGINAL),
        offset = quoted(field::LOG_MESSAGE_OFFSET),
        begins = piece(SLOTS[line::MESSAGE].name),
        tail = from_slot(line::MESSAGE + 1),
    )
}

/// All columns, with raw lines and messages, over the stored ones.
pub(super) fn columns(form: Form) -> String {
    let event = match form {
        Form::Whole => Some(packed(field::EVENT_ORIGINAL, Some(&original()))),
        Form::Lean => None,
        Form::Lines => Some(format!("struct_pack(original := {}) AS event", original())),
    };
    let log = packed(field::LOG_MESSAGE_OFFSET, None);
    let others: Vec<String> = [log].into_iter().chain(event).collect();
    let name = quoted(field::MESSAGE);
    format!("* EXCLUDE (\"{LINE}\") REPLACE ({} AS {name}, {})", message(), others.join(", "))
}

/// The statement that makes the view.
pub(super) fn events(form: Form) -> String {
    let (schema, time) = (form.schema(), quoted(field::TIMESTAMP));
    format!("CREATE VIEW {schema}.events AS SELECT {time} AS ts, {} FROM main.stored_events", columns(form))
}

fn piece(name: &str) -> String {
    format!("\"{LINE}\".\"{name}\"")
}

/// All from a slot on. `concat` passes over what is missing, and leaves texts that are coded in a dictionary so.
fn from_slot(from: usize) -> String {
    let mut parts = Vec::new();
    for slot in &SLOTS[from..] {
        let before = piece(slot.name);
        if let Some(id) = slot.field {
            let value = value(id, &before);
            parts.extend([before, value]);
        } else {
            parts.push(before);
        }
    }
    parts.push(piece(END));
    format!("concat({})", parts.join(", "))
}

/// A slot's value as text where there is the piece before it. DuckDB 2.0 fails where a file has a struct but not the field
/// in it that a cast or a field of a field is taken of; it does not look through a condition.
fn value(id: FieldId, before: &str) -> String {
    let name = quoted(id);
    // Of a field of a field the outer struct is taken first.
    let outer = if name.matches('.').count() > 1 { name.find('.') } else { None };
    let (first, rest) = name.split_at(outer.unwrap_or(name.len()));
    format!("if({before} IS NULL, NULL, {first}){rest}::VARCHAR")
}

/// The struct that holds a field, with something else in the field's place, or without it.
fn packed(id: FieldId, other: Option<&str>) -> String {
    let (parent, name) = id.name().split_once('.').expect("the field is part of a struct");
    let schema = schema::schema();
    let DataType::Struct(children) = schema.field_with_name(parent).expect("it is stored").data_type() else {
        unreachable!("a name with a dot is stored in a struct");
    };
    let child = |child: &str| match other {
        Some(other) if child == name => Some(format!("\"{child}\" := {other}")),
        None if child == name => None,
        Some(_) | None => Some(format!("\"{child}\" := \"{parent}\".\"{child}\"")),
    };
    let children: Vec<String> = children.iter().filter_map(|c| child(c.name())).collect();
    format!("struct_pack({}) AS \"{parent}\"", children.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with these pieces, and every slot's value; the first text is a message of its own.
    fn made(own: &str, stored: &str, offset: &str, pieces: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let piece = |name: &str| match pieces.iter().find(|(n, _)| *n == name) {
            Some((_, text)) => format!("\"{name}\" := '{text}'"),
            None => format!("\"{name}\" := NULL::VARCHAR"),
        };
        let line: Vec<String> = line::pieces().map(piece).collect();
        let sql = format!(
            "SELECT {}, {} FROM (SELECT {own} AS message, {{'original': {stored}}} AS event, \
             {{'message_offset': {offset}}} AS log, struct_pack({}) AS line, {{'name': 'web'}} AS host, \
             {{'pid': 7::UINTEGER}} AS process, {{'name': 'eve'}} AS user, {{'ip': '::1', 'port': 22::USMALLINT}} AS source, \
             {{'original': '/a'}} AS url, {{'response': {{'body': {{'bytes': 5::UBIGINT}}}}, \
             'request': {{'referrer': 'r'}}}} AS http, {{'original': NULL::VARCHAR}} AS user_agent)",
            original(),
            message(),
            line.join(", "),
        );
        let connection = duckdb::Connection::open_in_memory().unwrap();
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    fn some(original: &str, message: &str) -> (Option<String>, Option<String>) {
        (Some(original.to_owned()), Some(message.to_owned()))
    }

    #[test]
    fn a_line_is_its_pieces_and_values() {
        let all = [
            ("host", "<1>"),
            ("pid", " a["),
            ("message", "]: "),
            ("user", "for "),
            ("ip", " from "),
            ("port", " port "),
            ("url", " GET "),
            ("bytes", " "),
            ("referrer", " \""),
            ("agent", "\" -"),
            ("end", " é"),
        ];
        let line = "<1>web a[7]: for eve from ::1 port 22 GET /a 5 \"r\" - é";
        assert_eq!(made("NULL", "NULL", "NULL", &all), some(line, &line[13..]));
        assert_eq!(made("'own'", "NULL", "NULL", &all), some(line, "own"));
    }

    #[test]
    fn a_missing_piece_takes_its_value_with_it() {
        let (none, pieces) = ("NULL", [("ip", "x "), ("end", "")]);
        assert_eq!(made(none, none, none, &pieces), (Some("x ::1".to_owned()), None));
        assert_eq!(made(none, none, none, &[("message", "at "), ("end", "all")]), some("at all", "all"));
        assert_eq!(made(none, none, none, &[("message", ""), ("end", "")]), some("", ""));
        assert_eq!(made("'m'", none, none, &[("end", "e")]), some("e", "m"));
    }

    #[test]
    fn a_line_that_is_not_in_pieces_is_as_stored() {
        assert_eq!(made("NULL", "'é a line'", "2", &[("ip", "x")]), some("é a line", "a line"));
        assert_eq!(made("'m'", "'a line'", "2", &[]), some("a line", "m"));
        assert_eq!(made("'m'", "NULL", "NULL", &[]), (None, Some("m".to_owned())));
        assert_eq!(made("NULL", "'a line'", "NULL", &[]), (Some("a line".to_owned()), None));
    }
}
