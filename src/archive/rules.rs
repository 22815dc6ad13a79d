//! `DIR/rules.ndjson`: the rules that ran last over a data folder, one JSON object a line, for SQL.
//!
//! In come rules as texts, since the archive knows no rule; out comes a file that is replaced as a whole. Nothing of the
//! engine's depends on it: a folder without it is one of before, or of a program that only archives.

use std::path::Path;

use serde::Serialize;

use super::{ArchiveError, layout};
use crate::alert::Severity;

/// A rule that ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredRule {
    /// Its name, as alerts have it.
    pub name: String,
    /// Title of its alerts, with `{field}` where a value stands.
    pub title: String,
    /// Longer text for people.
    pub description: Option<String>,
    /// Severity of its alerts.
    pub severity: Severity,
    /// How it finds matches: single, threshold, sequence …
    pub kind: &'static str,
    /// 0 for rules over events, more for rules over alerts.
    pub level: u32,
    /// ATT&CK techniques.
    pub attack: Vec<String>,
    /// ATT&CK tactics of these.
    pub tactics: Vec<&'static str>,
    /// Tags.
    pub tags: Vec<String>,
    /// Names of the fields whose values make the key.
    pub key: Vec<String>,
    /// Runbook path or address.
    pub runbook: Option<String>,
    /// Risk points.
    pub risk: Option<i64>,
    /// The file it came from.
    pub file: String,
}

/// Notes that these rules run. The caller holds the folder's lock, or is the only one to write there.
pub fn keep_rules(dir: &Path, rules: &[StoredRule]) -> Result<(), ArchiveError> {
    let mut text = Vec::new();
    for rule in rules {
        serde_json::to_writer(&mut text, rule).expect("a rule has text keys only");
        text.push(b'\n');
    }
    let path = layout::rules(dir);
    // A start does not wait for the disk when nothing has changed.
    if std::fs::read(&path).is_ok_and(|kept| kept == text) { Ok(()) } else { layout::replace(&path, &text) }
}
