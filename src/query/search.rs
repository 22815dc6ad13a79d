//! Search for the page and the API: a few conditions over known fields, newest events first.
//!
//! Two steps: the narrow columns decide which events it is, then those alone are read whole.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use serde_json::Value;

use super::value::Argument;
use super::views::{self, Form, quoted};
use super::{QueryError, Session, times};
use crate::event::field::{self, EXTRA_PREFIX, Type};
use crate::event::time::DAY;
use crate::event::{EventId, schema};

/// A search that takes longer is stopped.
const LIMIT: Duration = Duration::from_secs(20);
/// At most so many events are given at once.
const MOST: usize = 10_000;

/// What to search for; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Text that the message or the raw line contains, without regard to case.
    pub text: Option<String>,
    /// Field names and the value each must have; on a list one element must have it.
    pub filters: Vec<(String, String)>,
    /// Earliest time, µs UTC.
    pub from: Option<i64>,
    /// Latest time, µs UTC.
    pub to: Option<i64>,
    /// At most so many events.
    pub limit: usize,
    /// Only events before this one in the order of the answer: time in µs and id of the last one of the page before.
    pub before: Option<(i64, EventId)>,
}

#[derive(Clone, Default)]
struct Conditions {
    sql: Vec<String>,
    values: Vec<Argument>,
}

impl Conditions {
    fn add(&mut self, sql: impl Into<String>, values: impl IntoIterator<Item = Argument>) {
        self.sql.push(sql.into());
        self.values.extend(values);
    }
}

/// The events that fit, newest first, as [`crate::event::EventBatch::to_json`] shows them.
pub fn search(session: &Session, search: &Search) -> Result<Vec<Value>, QueryError> {
    let mut conditions = Conditions::default();
    if let Some(from) = search.from {
        conditions.add("\"@timestamp\" >= ?", [Argument::Instant(from)]);
    }
    if let Some(to) = search.to {
        conditions.add("\"@timestamp\" <= ?", [Argument::Instant(to)]);
    }
    if let Some((time, id)) = search.before {
        let before = [Argument::Instant(time), Argument::Instant(time), Argument::Text(id.to_string())];
        let sql = "(\"@timestamp\" < ? OR (\"@timestamp\" = ? AND event.id < ?::UUID))";
        conditions.add(sql, before);
    }
    for (name, value) in &search.filters {
        filter(name, value, &mut conditions)?;
    }
    if let Some(text) = search.text.as_ref().filter(|t| !t.is_empty()) {
        let text = Argument::Text(text.clone());
        // A message that is the tail of the raw line is not stored, and found there.
        let sql = format!(
            "(contains(lower({}), lower(?)) OR contains(lower({}), lower(?)))",
            views::original(),
            quoted(field::MESSAGE)
        );
        conditions.add(sql, [text.clone(), text]);
    }
    let to = search.to.into_iter().chain(search.before.map(|(time, _)| time)).min();
    let asked = search.from.unwrap_or(i64::MIN)..=to.unwrap_or(i64::MAX);
    let limit = search.limit.min(MOST);
    back(session, &asked, |session| session.within(LIMIT, |session| newest(session, conditions.clone(), limit)), limit)
}

/// Looks further and further back in an archive whose files have to be fetched, until enough is found.
fn back(
    session: &Session,
    asked: &RangeInclusive<i64>,
    look: impl Fn(&Session) -> Result<Vec<Value>, QueryError>,
    enough: usize,
) -> Result<Vec<Value>, QueryError> {
    let (started, mut span) = (Instant::now(), DAY);
    while let Some(all) = session.lacks() {
        let (least, greatest) = (*asked.start().max(all.start()), *asked.end().min(all.end()));
        let from = greatest.saturating_sub(span).max(least);
        session.reach(&(from..=*asked.end()))?;
        let found = look(session)?;
        if found.len() >= enough || from <= least {
            return Ok(found);
        }
        if started.elapsed() > LIMIT {
            return Err(QueryError::TimedOut(LIMIT.as_secs()));
        }
        span = span.saturating_mul(4);
    }
    look(session)
}

/// The events of these ids, oldest first; ids that are not found are left out.
pub fn events_by_id(session: &Session, ids: &[EventId]) -> Result<Vec<Value>, QueryError> {
    let wanted: Vec<String> = ids.iter().map(EventId::to_string).collect();
    if session.lacks().is_some() {
        session.reach(&times_of(ids))?;
    }
    let mut found = session.within(LIMIT, |session| whole(session, &wanted, None))?;
    found.reverse();
    Ok(found)
}

/// The times that events of these ids can have: an id of ours begins with its event's, in ms.
fn times_of(ids: &[EventId]) -> RangeInclusive<i64> {
    let is_ours = |id: &EventId| id.bits() >> 76 & 0xf == 8 && id.bits() >> 62 & 0b11 == 0b10;
    let at = |id: &EventId| i64::try_from(id.bits() >> 80).unwrap_or(i64::MAX).saturating_mul(1000);
    match (ids.iter().map(at).min(), ids.iter().map(at).max()) {
        (Some(least), Some(greatest)) if ids.iter().all(is_ours) => least..=greatest.saturating_add(999),
        _ => times::ALL,
    }
}

fn filter(name: &str, value: &str, conditions: &mut Conditions) -> Result<(), QueryError> {
    if let Some(extra) = name.strip_prefix(EXTRA_PREFIX) {
        conditions.add("fields[?] = ?", [extra, value].map(|t| Argument::Text(t.to_owned())));
        return Ok(());
    }
    let id = field::by_name(name)
        .filter(|id| *id != field::LOG_MESSAGE_OFFSET)
        .ok_or_else(|| QueryError::Field(name.to_owned()))?;
    let bad = || QueryError::Value { field: id.name(), ty: id.ty().word(), value: value.to_owned() };
    let column = views::quoted(id);
    let text = || Argument::Text(value.to_owned());
    match id.ty() {
        Type::LongText if id == field::MESSAGE => {
            conditions.add(format!("{} = ?", views::message()), [text()]);
        }
        Type::LongText if id == field::EVENT_ORIGINAL => {
            conditions.add(format!("{} = ?", views::original()), [text()]);
        }
        Type::Text | Type::LongText => conditions.add(format!("{column} = ?"), [text()]),
        Type::TextList => conditions.add(format!("list_contains({column}, ?)"), [text()]),
        Type::Ip => {
            let address: std::net::IpAddr = value.parse().map_err(|_| bad())?;
            conditions.add(format!("{column} = ?"), [Argument::Text(address.to_canonical().to_string())]);
        }
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => {
            let number = value.parse().map_err(|_| bad())?;
            conditions.add(format!("{column} = ?"), [Argument::Integer(number)]);
        }
        Type::Timestamp => {
            let time = crate::event::time::parse_rfc3339(value).ok_or_else(bad)?;
            conditions.add(format!("{column} = ?"), [Argument::Instant(time)]);
        }
        Type::Id => {
            let id: EventId = value.parse().map_err(|_| bad())?;
            conditions.add(format!("{column} = ?::UUID"), [Argument::Text(id.to_string())]);
        }
    }
    Ok(())
}

fn newest(session: &Session, mut conditions: Conditions, limit: usize) -> Result<Vec<Value>, QueryError> {
    let filter = if conditions.sql.is_empty() { "true".to_owned() } else { conditions.sql.join(" AND ") };
    conditions.values.push(Argument::Integer(limit as i64));
    let sql = format!(
        "SELECT epoch_us(\"@timestamp\"), event.id::VARCHAR FROM stored_events WHERE {filter} \
         ORDER BY \"@timestamp\" DESC, event.id DESC LIMIT ?"
    );
    let (mut ids, mut times): (Vec<String>, Vec<i64>) = (Vec::new(), Vec::new());
    for batch in session.prepare_stored(&sql)?.collect(&conditions.values)? {
        times.extend(batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values());
        let texts = batch.column(1).as_string::<i32>();
        ids.extend((0..texts.len()).map(|row| texts.value(row).to_owned()));
    }
    let range = times.iter().min().copied().zip(times.iter().max().copied());
    whole(session, &ids, range)
}

/// Whole events, newest first. A time range saves reading files that cannot have them.
fn whole(session: &Session, ids: &[String], range: Option<(i64, i64)>) -> Result<Vec<Value>, QueryError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = vec!["?::UUID"; ids.len()].join(", ");
    let range_sql = if range.is_some() { " AND \"@timestamp\" BETWEEN ? AND ?" } else { "" };
    let sql = format!(
        "SELECT {} FROM stored_events WHERE event.id IN ({list}){range_sql} ORDER BY \"@timestamp\" DESC, event.id DESC",
        views::columns(Form::Whole)
    );
    let mut values: Vec<Argument> = ids.iter().map(|id| Argument::Text(id.clone())).collect();
    values.extend(range.into_iter().flat_map(|(from, to)| [from, to]).map(Argument::Instant));
    let mut events = Vec::with_capacity(ids.len());
    for record in session.prepare_stored(&sql)?.collect(&values)? {
        let batch = schema::from_record_batch(&record).map_err(|e| QueryError::Setup(e.to_string()))?;
        events.extend((0..batch.len()).map(|row| Value::Object(batch.to_json(row))));
    }
    Ok(events)
}
