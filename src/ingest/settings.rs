//! What can be set about reading logs. In: configuration. Out: checked values, or a message that helps.

use jiff::tz::TimeZone;

use crate::event::raw::Source;
use crate::parse::{Format, formats};

/// Raw settings, as the configuration has them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Rows of a full batch. Larger ones compress better and wait longer.
    pub batch_rows: usize,
    /// Zone of times that name none: an IANA name, `UTC`, or an offset such as `+02:00`. Unset: the machine's.
    pub zone: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { batch_rows: 16_384, zone: None }
    }
}

/// Why a source cannot be read as its settings have it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The source names a format that does not exist.
    #[error("unknown format {name:?} for {source_name}: use one of {}, or name none and let weir find it", formats().join(", "))]
    UnknownFormat {
        /// The name asked for.
        name: String,
        /// The source's name.
        source_name: String,
    },
    /// The settings name a zone that does not exist.
    #[error("unknown time zone {0:?}: use a name such as Europe/Berlin, UTC, or an offset such as +02:00")]
    UnknownZone(String),
}

impl Settings {
    /// The zone that local times are in.
    pub(super) fn time_zone(&self) -> Result<TimeZone, IngestError> {
        let Some(name) = &self.zone else { return Ok(TimeZone::system()) };
        if name.eq_ignore_ascii_case("utc") || name == "Z" {
            return Ok(TimeZone::UTC);
        }
        TimeZone::get(name)
            .ok()
            .or_else(|| offset(name).map(TimeZone::fixed))
            .ok_or_else(|| IngestError::UnknownZone(name.clone()))
    }
}

/// `+02:00`, `-0330`.
fn offset(text: &str) -> Option<jiff::tz::Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 {
        return None;
    }
    let (hours, minutes) = (digits.get(..2)?.parse::<i32>().ok()?, digits.get(2..)?.parse::<i32>().ok()?);
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// The format a source names.
pub(super) fn format(source: &Source, name: &str) -> Result<Format, IngestError> {
    Format::from_name(name)
        .ok_or_else(|| IngestError::UnknownFormat { name: name.to_owned(), source_name: source.name.to_string() })
}
