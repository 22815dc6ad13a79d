//! The alert: what a rule raises, and how it changes afterwards.
//!
//! Alerts are a maintained relation. [`Alert`] is one row of it, [`AlertChange`] one difference:
//! what came, what changed, what another alert took the place of, what is no longer true.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::EventId;

/// How bad it is, in Sigma's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, no action.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All, from the least to the most severe.
    pub const ALL: [Severity; 5] =
        [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The word used in rules, JSON and SQL.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Severity, String> {
        Severity::ALL
            .into_iter()
            .find(|s| s.word() == text)
            .ok_or_else(|| format!("`{text}` is not a severity: use informational, low, medium, high or critical"))
    }
}

/// Identity of an alert: a hash of its rule's name, its key and the first event of its episode; never of the rule's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId(pub u128);

impl AlertId {
    /// The id of the alert of `rule` for `key` (its values, unambiguously joined) whose episode starts with `first`.
    pub fn new(rule: &str, key: &str, first: EventId) -> AlertId {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for part in [rule.as_bytes(), key.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.update(&first.to_bytes());
        AlertId(hasher.digest128())
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AlertId {
    type Err = String;

    fn from_str(text: &str) -> Result<AlertId, String> {
        match u128::from_str_radix(text, 16) {
            Ok(id) if text.len() == 32 => Ok(AlertId(id)),
            _ => Err(format!("`{text}` is not an alert id (32 hexadecimal digits)")),
        }
    }
}

impl Serialize for AlertId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AlertId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One alert: one episode of one rule and key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Deterministic identity.
    pub id: AlertId,
    /// The rule's name.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// The rule's title with its values filled in.
    pub title: String,
    /// Key values by field name; empty for a rule without a key.
    pub key: serde_json::Map<String, serde_json::Value>,
    /// Time of the episode's first event, µs UTC (RFC 3339 in JSON).
    #[serde(with = "instant")]
    pub first: i64,
    /// Time of its last event, likewise.
    #[serde(with = "instant")]
    pub last: i64,
    /// How many events of the rule and key lie in the episode.
    pub count: u64,
    /// The events that prove it: the first match's, then the latest ones, in (time, id) order without repeats.
    pub evidence: Vec<EventId>,
    /// ATT&CK technique ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<String>,
    /// The rule's tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where the rule's runbook is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Risk points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<i64>,
}

/// What happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "change")]
pub enum Change {
    /// It is new.
    Added,
    /// Its end, count or evidence moved.
    Changed,
    /// A late event moved its start or merged it: `by` stands in its place, and inherits its triage.
    Superseded {
        /// The alert that took its place.
        by: AlertId,
    },
    /// It is no longer true.
    Withdrawn,
}

/// Why an alert came, changed or went, where it was not just the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An event came after later ones.
    LateEvent,
    /// The rule is new, and was filled from what is archived.
    RuleAdded,
    /// The rule says something else than it did.
    RuleChanged,
}

/// One difference of the alert relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// What happened.
    #[serde(flatten)]
    pub change: Change,
    /// When it was written, µs UTC (RFC 3339 in JSON).
    #[serde(with = "instant")]
    pub at: i64,
    /// Why, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The alert as it is now; for superseded and withdrawn ones as it was last.
    pub alert: Alert,
}

/// Instants as RFC 3339 in JSON.
mod instant {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(micros: &i64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&crate::event::time::rfc3339(*micros))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        crate::event::time::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not RFC 3339")))
    }
}
