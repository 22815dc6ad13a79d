//! Which columns of other people's files are which fields of events: what `--map` and `--set` say.

use std::sync::Arc;

use arrow::array::Array;
use jiff::tz::TimeZone;

use super::times::Unit;
use super::{constant, convert};
use crate::event::field::{self, EXTRA_PREFIX, FieldRef};
use crate::event::nearest::nearest;

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is not `FIELD=COLUMN` or `FIELD=VALUE`.
    #[error("`{text}` is not {wanted}")]
    Form {
        /// What was written.
        text: String,
        /// What it should look like.
        wanted: &'static str,
    },
    /// There is no such field.
    #[error("there is no field `{name}`{}; a value without a field of its own is `fields.{name}`", did_you_mean(near))]
    Field {
        /// What was written.
        name: String,
        /// The nearest name of a field.
        near: Option<&'static str>,
    },
    /// A value that the field cannot have.
    #[error("`{value}` is no value of {name}, which is a {ty}")]
    Value {
        /// The field.
        name: String,
        /// What was written.
        value: String,
        /// The word for its type.
        ty: &'static str,
    },
    /// A field is given twice.
    #[error("`{0}` is given twice: a field has one column, or one value")]
    Twice(String),
}

fn did_you_mean(near: &Option<&str>) -> String {
    near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"))
}

/// What other people's columns are.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) pairs: Vec<Pair>,
    /// Fields that have one value in all events.
    pub(super) values: Vec<(FieldRef, String)>,
    /// The zone of times that name none.
    pub(super) zone: TimeZone,
}

/// A field and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) field: FieldRef,
    pub(super) column: String,
    /// What numbers count since 1970, where it was said.
    pub(super) unit: Option<Unit>,
}

impl Default for Mapping {
    fn default() -> Mapping {
        Mapping { pairs: Vec::new(), values: Vec::new(), zone: TimeZone::UTC }
    }
}

impl Mapping {
    /// Reads `FIELD=COLUMN`, several between commas, and `FIELD=VALUE`, one a text. A column with a comma in its name stands in
    /// double quotes. Times that name no zone are of `zone`.
    pub fn parse(maps: &[String], values: &[String], zone: TimeZone) -> Result<Mapping, MappingError> {
        let mut mapping = Mapping { zone, ..Mapping::default() };
        for text in maps.iter().flat_map(|maps| pieces(maps)) {
            let wanted = "FIELD=COLUMN, as in @timestamp=EventTime";
            let (field, column) = halves(&text, wanted)?;
            let column = column.trim();
            let (column, unit) = match column.rsplit_once(':').and_then(|(c, unit)| Some((c, Unit::named(unit)?))) {
                Some((column, unit)) => (column, Some(unit)),
                None => (column, None),
            };
            if column.is_empty() {
                return Err(MappingError::Form { text: text.clone(), wanted });
            }
            mapping.once(&field)?;
            mapping.pairs.push(Pair { field, column: column.to_owned(), unit });
        }
        for text in values {
            let (field, value) = halves(text, "FIELD=VALUE, as in event.category=network")?;
            mapping.once(&field)?;
            let read = convert::column(&constant(value, 1), field.ty(), None, &mapping.zone);
            if read.map_or(true, |read| read.is_null(0)) {
                let (name, ty) = (field.name(), field.ty().word());
                return Err(MappingError::Value { name, value: value.to_owned(), ty });
            }
            mapping.values.push((field, value.to_owned()));
        }
        Ok(mapping)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.values.is_empty()
    }

    fn once(&self, field: &FieldRef) -> Result<(), MappingError> {
        let given = self.pairs.iter().map(|pair| &pair.field).chain(self.values.iter().map(|(field, _)| field));
        if given.into_iter().any(|given| given == field) {
            return Err(MappingError::Twice(field.name()));
        }
        Ok(())
    }
}

/// What stands between commas that are not in double quotes; the quotes go.
fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match (c, quoted, pieces.last_mut()) {
            ('"', ..) => quoted = !quoted,
            (',', false, _) => pieces.push(String::new()),
            (c, _, Some(last)) => last.push(c),
            (_, _, None) => {}
        }
    }
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

fn halves<'t>(text: &'t str, wanted: &'static str) -> Result<(FieldRef, &'t str), MappingError> {
    let bad = || MappingError::Form { text: text.to_owned(), wanted };
    let (name, rest) = text.split_once('=').ok_or_else(bad)?;
    let name = name.trim();
    if let Some(extra) = name.strip_prefix(EXTRA_PREFIX).filter(|extra| !extra.is_empty()) {
        return Ok((FieldRef::Extra(Arc::from(extra)), rest));
    }
    match field::by_name(name) {
        Some(id) => Ok((FieldRef::Column(id), rest)),
        None if name.is_empty() => Err(bad()),
        None => {
            let near = nearest(name, field::TABLE.iter().map(|f| f.name));
            Err(MappingError::Field { name: name.to_owned(), near })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(maps: &[&str], values: &[&str]) -> Result<Mapping, String> {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        Mapping::parse(&owned(maps), &owned(values), TimeZone::UTC).map_err(|e| e.to_string())
    }

    #[test]
    fn pairs_are_read() {
        let mapping = parse(&["ts=When:ms, source.ip=src", "fields.X=\"a,b\"", "user.name=a:b"], &["event.code= 1,2"]);
        let mapping = mapping.unwrap();
        let said: Vec<_> = mapping.pairs.iter().map(|p| (p.field.name(), p.column.as_str(), p.unit)).collect();
        let expected = [
            ("@timestamp".to_owned(), "When", Some(Unit::Milli)),
            ("source.ip".to_owned(), "src", None),
            ("fields.X".to_owned(), "a,b", None),
            ("user.name".to_owned(), "a:b", None),
        ];
        assert_eq!(said, expected);
        assert_eq!(mapping.values[0].1, " 1,2");
        assert!(parse(&[], &[]).unwrap().is_empty());
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (maps, values, says) in [
            (&["source.ipp=x"][..], &[][..], "did you mean `source.ip`"),
            (&["zzzzzzzz=x"], &[], "`fields.zzzzzzzz`"),
            (&["x"], &[], "as in @timestamp=EventTime"),
            (&["source.ip="], &[], "FIELD=COLUMN"),
            (&["source.ip=a,source.ip=b"], &[], "twice"),
            (&["source.ip=a"], &["source.ip=b"], "twice"),
            (&[], &["source.port=99999"], "`99999` is no value of source.port"),
            (&[], &["source.ip=nowhere"], "`nowhere` is no value of source.ip"),
            (&[], &["=x"], "event.category=network"),
        ] {
            let error = parse(maps, values).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
