//! JSON lines. In: a line with one object. Out: its values, straight into a [`BatchBuilder`].
//!
//! ECS names (dotted or nested) fill their columns; every other value goes to `fields.<dotted path>`,
//! and so does one that does not fit its column. An array of scalars is a list, or is joined by `, `
//! where there is no list column; an array with objects in it is kept as its JSON text.

use super::clock::Clock;
use super::json_text::{Cursor, Malformed, Token, unescape};
use super::time_text;
use crate::event::batch::LIST_SEPARATOR;
use crate::event::field::{self, FieldId, Type};
use crate::event::{BatchBuilder, EventBatch};

/// Where a line may say its time, best first; the last two as exporters of Windows events write it.
const TIMES: [&str; 6] = ["@timestamp", "timestamp", "ts", "time", "EventTime", "TimeCreated"];

/// The sender's id of an event; ours is another.
const ID: &str = "event.id";

/// Objects nested deeper than this are kept as their JSON text.
const DEPTH: usize = 32;

/// A line may fill this many `fields.*`, so that one with a million names cannot make a million columns; the rest of
/// them are found in `event.original` only, and the event says so by a tag.
const EXTRAS: usize = 2_000;

/// Columns that are ours alone to fill: a value of this name goes to `fields.*`.
const OURS: [FieldId; 6] = [
    field::TIMESTAMP,
    field::EVENT_ID,
    field::EVENT_INGESTED,
    field::EVENT_ORIGINAL,
    field::LOG_OFFSET,
    field::LOG_MESSAGE_OFFSET,
];

/// Reads lines into batches; holds the scratch space that this takes.
#[derive(Default)]
pub struct Reader {
    path: String,
    text: String,
    joined: String,
    has_id: bool,
}

/// The best time seen so far.
#[derive(Clone, Copy)]
struct Seen {
    rank: usize,
    time: i64,
}

impl Reader {
    /// Sets what the line says in the builder's current row; `Some(time)` with the event's own time, if it has one.
    /// `None` when the line is not one JSON object: the row may then be half filled and wants
    /// [`BatchBuilder::clear_row`].
    pub fn read(&mut self, line: &str, clock: &mut Clock, out: &mut BatchBuilder) -> Option<Option<i64>> {
        self.path.clear();
        self.has_id = false;
        let mut walk = Walk { cursor: Cursor::new(line), clock, out, reader: self, seen: None, extras: 0 };
        walk.cursor.expect(b'{').ok()?;
        walk.object(0).ok()?;
        if walk.cursor.peek().is_some() {
            return None;
        }
        if walk.extras > EXTRAS {
            walk.out.push_list(field::TAGS, "fields_truncated");
        }
        Some(walk.seen.map(|s| s.time))
    }

    /// Whether the line that was read last has an `event.id`, given by whoever wrote it.
    pub fn has_id(&self) -> bool {
        self.has_id
    }
}

struct Walk<'a, 'w> {
    cursor: Cursor<'a>,
    clock: &'w mut Clock,
    out: &'w mut BatchBuilder,
    reader: &'w mut Reader,
    seen: Option<Seen>,
    extras: usize,
}

impl<'a> Walk<'a, '_> {
    fn object(&mut self, depth: usize) -> Result<(), Malformed> {
        if self.cursor.take(b'}') {
            return Ok(());
        }
        let parent = self.reader.path.len();
        loop {
            let (key, escaped) = self.key()?;
            self.cursor.expect(b':')?;
            // Most objects are flat: their keys need no path.
            if parent == 0 && !escaped {
                match self.cursor.value()? {
                    Token::Text(text, false) => self.scalar(key, text, depth, true),
                    Token::Plain(text) => self.scalar(key, text, depth, false),
                    token => {
                        self.reader.path.push_str(key);
                        self.value(token, depth)?;
                    }
                }
            } else {
                if parent > 0 {
                    self.reader.path.push('.');
                }
                if escaped {
                    unescape(key, &mut self.reader.path)?;
                } else {
                    self.reader.path.push_str(key);
                }
                let token = self.cursor.value()?;
                self.value(token, depth)?;
            }
            self.reader.path.truncate(parent);
            if !self.cursor.take(b',') {
                return self.cursor.expect(b'}');
            }
        }
    }

    fn key(&mut self) -> Result<(&'a str, bool), Malformed> {
        if self.cursor.peek() != Some(b'"') {
            return Err(Malformed);
        }
        self.cursor.string()
    }

    /// A value whose name is the path.
    fn value(&mut self, token: Token<'a>, depth: usize) -> Result<(), Malformed> {
        match token {
            Token::Null => {}
            Token::Object if depth < DEPTH => return self.object(depth + 1),
            Token::Object => {
                let start = self.cursor.position() - 1;
                self.cursor.skip_nested(b'{')?;
                self.keep(self.cursor.since(start), depth);
            }
            Token::Array => return self.array(depth),
            Token::Text(text, false) => self.keep(text, depth),
            Token::Text(text, true) => {
                let mut plain = std::mem::take(&mut self.reader.text);
                plain.clear();
                let read = unescape(text, &mut plain);
                if read.is_ok() {
                    self.keep(&plain, depth);
                }
                self.reader.text = plain;
                return read;
            }
            Token::Plain(text) => {
                let path = std::mem::take(&mut self.reader.path);
                self.scalar(&path, text, depth, false);
                self.reader.path = path;
            }
        }
        Ok(())
    }

    fn extra(&mut self, name: &str, text: &str) {
        self.extras += 1;
        if self.extras <= EXTRAS {
            self.out.set_extra(name, text);
        }
    }

    fn keep(&mut self, text: &str, depth: usize) {
        let path = std::mem::take(&mut self.reader.path);
        self.scalar(&path, text, depth, true);
        self.reader.path = path;
    }

    fn scalar(&mut self, name: &str, text: &str, depth: usize, quoted: bool) {
        if depth == 0
            && let Some(rank) = TIMES.iter().position(|t| *t == name)
            && self.seen.is_none_or(|s| rank <= s.rank)
            && let Some(time) = self.time(text, quoted)
        {
            // Two different times: the lesser one keeps its own name.
            if let Some(lesser) = self.seen.filter(|s| s.rank > rank) {
                self.extra(TIMES[lesser.rank], &crate::event::time::rfc3339(lesser.time));
            }
            self.seen = Some(Seen { rank, time });
            return;
        }
        let fits = field::by_name(name).filter(|id| !OURS.contains(id)).is_some_and(|id| set(self.out, id, text));
        if !fits {
            self.reader.has_id |= name == ID && !text.is_empty();
            self.extra(name, text);
        }
    }

    fn time(&mut self, text: &str, quoted: bool) -> Option<i64> {
        if quoted && let Some((time, len)) = time_text::iso(text, self.clock) {
            return (len == text.len()).then_some(time);
        }
        time_text::epoch(text)
    }

    /// An array, its bracket consumed, whose name is the path.
    fn array(&mut self, depth: usize) -> Result<(), Malformed> {
        let start = self.cursor.position() - 1;
        let mut joined = std::mem::take(&mut self.reader.joined);
        joined.clear();
        let read = self.elements(&mut joined);
        match read {
            Ok(Elements::Nested) => self.keep(self.cursor.since(start), depth),
            Ok(Elements::Scalars) => self.list(&joined),
            Ok(Elements::None) | Err(Malformed) => {}
        }
        self.reader.joined = joined;
        read.map(|_| ())
    }

    /// Appends the scalars of an array, separated; passes over what is nested.
    fn elements(&mut self, joined: &mut String) -> Result<Elements, Malformed> {
        let mut found = Elements::None;
        if self.cursor.take(b']') {
            return Ok(found);
        }
        loop {
            let token = self.cursor.value()?;
            if found != Elements::Nested && !matches!(token, Token::Null) {
                if found == Elements::Scalars {
                    joined.push(LIST_SEPARATOR);
                }
                found = Elements::Scalars;
            }
            let before = joined.len();
            match token {
                Token::Text(text, false) | Token::Plain(text) => joined.push_str(text),
                Token::Text(text, true) => unescape(text, joined)?,
                Token::Null => {}
                Token::Object => {
                    self.cursor.skip_nested(b'{')?;
                    found = Elements::Nested;
                }
                Token::Array => {
                    self.cursor.skip_nested(b'[')?;
                    found = Elements::Nested;
                }
            }
            if joined[before..].contains(LIST_SEPARATOR) {
                let clean = joined[before..].replace(LIST_SEPARATOR, " ");
                joined.truncate(before);
                joined.push_str(&clean);
            }
            if !self.cursor.take(b',') {
                self.cursor.expect(b']')?;
                return Ok(found);
            }
        }
    }

    fn list(&mut self, joined: &str) {
        let path = std::mem::take(&mut self.reader.path);
        let id = field::by_name(&path).filter(|id| !OURS.contains(id));
        match id.map(FieldId::ty) {
            Some(Type::TextList) => {
                if let Some(id) = id {
                    self.out.set_text(id, joined);
                }
            }
            Some(Type::Text | Type::LongText | Type::Ip) | None if !joined.contains(LIST_SEPARATOR) => {
                if !id.is_some_and(|id| set(self.out, id, joined)) {
                    self.extra(&path, joined);
                }
            }
            _ => self.extra(&path, &joined.replace(LIST_SEPARATOR, ", ")),
        }
        self.reader.path = path;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Elements {
    None,
    Scalars,
    Nested,
}

/// Sets a column from text; false when it does not fit.
fn set(out: &mut BatchBuilder, id: FieldId, text: &str) -> bool {
    match id.ty() {
        Type::Text | Type::LongText => out.set_text(id, text),
        Type::TextList => out.set_list(id, &[text]),
        Type::Ip => return out.set_ip(id, text),
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => {
            return text.parse().is_ok_and(|n: i128| out.set_number(id, n));
        }
        Type::Timestamp | Type::Id => return false,
    }
    true
}

/// The events of some lines, for tests and tools: a line that is no JSON object is left out.
pub fn read_all(lines: &str, clock: &mut Clock) -> EventBatch {
    let (mut reader, mut out) = (Reader::default(), BatchBuilder::new());
    for line in lines.lines() {
        match reader.read(line, clock, &mut out) {
            Some(time) => {
                if let Some(time) = time {
                    out.set_time(field::TIMESTAMP, time);
                }
                out.end_row();
            }
            None => out.clear_row(),
        }
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use serde_json::json;

    fn read(line: &str) -> serde_json::Value {
        let batch = read_all(line, &mut Clock::new(TimeZone::UTC, 0));
        if batch.is_empty() {
            return serde_json::Value::Null;
        }
        let mut object = batch.to_json(0);
        object.remove("event.id");
        object.into()
    }

    #[test]
    fn names_dotted_and_nested() {
        assert_eq!(
            read(
                r#"{"@timestamp":"2024-05-01T10:00:00Z","source.ip":"::ffff:1.2.3.4","source":{"port":22,"x":true},"event":{"category":["iam","web"],"code":4625}}"#
            ),
            json!({"@timestamp":"2024-05-01T10:00:00.000000Z","source.ip":"1.2.3.4","source.port":22,"fields.source.x":"true",
                "event.category":["iam","web"],"event.code":"4625"})
        );
    }

    #[test]
    fn what_has_no_column_or_does_not_fit_goes_to_fields() {
        assert_eq!(
            read(
                r#"{"source.ip":"nope","source.port":70000,"a":{"b":[1,2.50,null,"x"]},"o":[{"k":"]"},1],"e":[],"n":null,"s":"","event.id":"7","user.name":["a","b"]}"#
            ),
            json!({"fields.source.ip":"nope","fields.source.port":"70000","fields.a.b":"1, 2.50, x","fields.o":"[{\"k\":\"]\"},1]",
                "fields.s":"","fields.event.id":"7","fields.user.name":"a, b"})
        );
    }

    #[test]
    fn times_by_rank() {
        assert_eq!(read(r#"{"ts":1768473045000}"#), json!({"@timestamp":"2026-01-15T10:30:45.000000Z"}));
        assert_eq!(
            read(r#"{"ts":1768473045,"timestamp":"2024-05-01T10:00:00+02:00","time":"soon"}"#),
            json!({"@timestamp":"2024-05-01T08:00:00.000000Z","fields.ts":"2026-01-15T10:30:45.000000Z","fields.time":"soon"})
        );
        assert_eq!(read(r#"{"x":{"ts":5}}"#), json!({"fields.x.ts":"5"}));
    }

    #[test]
    fn escapes_and_depth() {
        assert_eq!(read(r#"{"a\nb":"c\u0041","message":"x\ty"}"#), json!({"fields.a\nb":"cA","message":"x\ty"}));
        let deep = format!("{}1{}", r#"{"a":"#.repeat(2000), "}".repeat(2000));
        let kept = read(&deep);
        assert_eq!(kept.as_object().unwrap().len(), 1);
        for bad in
            ["{", "{}x", "[]", r#"{"a"}"#, r#"{"a":1,}"#, r#"{"a":"\x"}"#, r#"{a:1}"#, r#"{"a":[1,]}"#, "{\"a\":[[[}"]
        {
            assert_eq!(read(bad), serde_json::Value::Null, "{bad}");
        }
        assert_eq!(read("{}"), json!({}));
    }
}
