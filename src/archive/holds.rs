//! Legal holds: events that must be kept whatever their age, until the hold is released.

use std::fs::{File, OpenOptions};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArchiveError, layout};
use crate::event::time;

/// Why a damaged file must not be put aside.
const HELD: &str = "it says what must be kept, and until it can be read no event is removed";

/// What must be kept, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it is called: a case number, say.
    pub name: String,
    /// Why, for whoever asks later.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it was made (RFC 3339).
    pub made: String,
    /// Events from this time on (RFC 3339); all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Events before this time (RFC 3339); all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Events of this `event.dataset`; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

/// The holds of a data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds(Vec<Hold>);

impl Hold {
    /// Whether it keeps events of a dataset that lie somewhere in these times (µs, both included). What cannot be read keeps all.
    pub(super) fn keeps(&self, dataset: Option<&str>, least: i64, greatest: i64) -> bool {
        let at = |text: &Option<String>, otherwise| text.as_deref().and_then(time::parse_rfc3339).unwrap_or(otherwise);
        let times = at(&self.from, i64::MIN) <= greatest && least < at(&self.to, i64::MAX);
        times && self.dataset.as_deref().is_none_or(|held| dataset.is_none_or(|d| d == held))
    }
}

impl Holds {
    /// Those of a data folder. A file that cannot be read is an error: nothing must be removed then.
    pub fn load(dir: &Path) -> Result<Holds, ArchiveError> {
        let path = layout::holds(dir);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Holds).map_err(|error| ArchiveError::Needed {
                path,
                what: error.to_string(),
                why: HELD,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Holds::default()),
            Err(error) => Err(ArchiveError::io("read", &path)(error)),
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Hold] {
        &self.0
    }

    /// Adds one to a data folder; false when there is one of that name. Durable once it returns.
    pub fn add(dir: &Path, hold: Hold) -> Result<bool, ArchiveError> {
        let _alone = Holds::alone(dir)?;
        let mut holds = Holds::load(dir)?;
        if holds.0.iter().any(|h| h.name == hold.name) {
            return Ok(false);
        }
        holds.0.push(hold);
        holds.store(dir)?;
        Ok(true)
    }

    /// Takes one from a data folder; false when there is none of that name.
    pub fn release(dir: &Path, name: &str) -> Result<bool, ArchiveError> {
        let _alone = Holds::alone(dir)?;
        let mut holds = Holds::load(dir)?;
        let before = holds.0.len();
        holds.0.retain(|h| h.name != name);
        if holds.0.len() == before {
            return Ok(false);
        }
        holds.store(dir)?;
        Ok(true)
    }

    /// While what this returns is open, nobody else changes them.
    pub(super) fn alone(dir: &Path) -> Result<File, ArchiveError> {
        let path = layout::holds_lock(dir);
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let locked = open.and_then(|file| file.lock().map(|()| file));
        locked.map_err(ArchiveError::io("lock", &path))
    }

    #[cfg(test)]
    pub(super) fn of(hold: Hold) -> Holds {
        Holds(vec![hold])
    }

    fn store(&self, dir: &Path) -> Result<(), ArchiveError> {
        let text = serde_json::to_vec_pretty(&self.0).expect("a hold has text keys only");
        layout::replace(&layout::holds(dir), &text)
    }
}
