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
        let mut whole = Vec::with_capacity(32 + rule.len() + key.len());
        for part in [rule.as_bytes(), key.as_bytes()] {
            whole.extend_from_slice(&(part.len() as u64).to_le_bytes());
            whole.extend_from_slice(part);
        }
        whole.extend_from_slice(&first.to_bytes());
        AlertId(xxhash_rust::xxh3::xxh3_128(&whole))
    }

    /// The id of the event that this alert is to rules over alerts, and by which their alerts name it as evidence. `first` is
    /// [`Alert::first`].
    ///
    /// It holds the time in milliseconds and 74 bits of the alert's own id, so the alert is found again among those that start
    /// at that time: it is the one of which this function gives the same.
    pub fn event_id(self, first: i64) -> EventId {
        EventId::from_hash(first, self.0)
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
        s.serialize_str(std::str::from_utf8(&crate::event::id::hex(self.0)).expect("hexadecimal digits are ASCII"))
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
    /// The events that prove it: the first match's, then the latest ones, in (time, id) order without repeats. Of a rule
    /// over alerts they are alerts: see [`AlertId::event_id`].
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

impl Alert {
    /// Appends what serde makes of it as JSON, in half the time: a batch run writes hundreds of thousands, and most of an
    /// alert is ids, which need no escaping.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_head(out);
        write_evidence(self.evidence.iter().copied(), out);
        self.write_tail(out);
    }

    /// What of [`Alert::write_json`] comes before the evidence.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>) {
        let Alert { id, rule, severity, title, key, first, last, count, .. } = self;
        field(out, "{\"id\":", id);
        field(out, ",\"rule\":", rule);
        field(out, ",\"severity\":", severity);
        field(out, ",\"title\":", title);
        field(out, ",\"key\":", key);
        for (name, micros) in [(",\"first\":\"", first), ("\",\"last\":\"", last)] {
            out.extend_from_slice(name.as_bytes());
            crate::event::time::with_rfc3339(*micros, |text| out.extend_from_slice(text.as_bytes()));
        }
        field(out, "\",\"count\":", count);
    }

    /// What comes behind it.
    pub(crate) fn write_tail(&self, out: &mut Vec<u8>) {
        let Alert { attack, tags, runbook, risk, .. } = self;
        if !attack.is_empty() {
            field(out, ",\"attack\":", attack);
        }
        if !tags.is_empty() {
            field(out, ",\"tags\":", tags);
        }
        if let Some(runbook) = runbook {
            field(out, ",\"runbook\":", runbook);
        }
        if let Some(risk) = risk {
            field(out, ",\"risk\":", risk);
        }
        out.push(b'}');
    }
}

/// What of [`Alert::write_json`] is evidence.
pub(crate) fn write_evidence(ids: impl Iterator<Item = EventId>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"evidence\":[");
    for (n, id) in ids.enumerate() {
        out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(&id.ascii());
        out.push(b'"');
    }
    out.push(b']');
}

fn field(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    out.extend_from_slice(name.as_bytes());
    serde_json::to_writer(out, value).expect("texts and numbers are written to memory");
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
    /// The rule, or one whose alerts it looks at, says something else than it did.
    RuleChanged,
    /// A list was changed that the rule follows, or one whose alerts it looks at.
    ListChanged,
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
        crate::event::time::with_rfc3339(*micros, |text| s.serialize_str(text))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        crate::event::time::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not RFC 3339")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_serde_makes_of_it() {
        let first = EventId::new(1_768_473_045_123_456, b"line", 0);
        let mut alert = Alert {
            id: AlertId::new("rule", "key", first),
            rule: "rule".into(),
            severity: Severity::High,
            title: "a \"title\"\n\u{1}é".into(),
            key: serde_json::Map::from_iter([
                ("source.port".to_owned(), 22.into()),
                ("user.name".to_owned(), "\\".into()),
            ]),
            first: 1_768_473_045_123_456,
            last: -1,
            count: 3,
            evidence: Vec::new(),
            attack: Vec::new(),
            tags: Vec::new(),
            runbook: None,
            risk: None,
        };
        for _ in 0..2 {
            let mut json = Vec::new();
            alert.write_json(&mut json);
            assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&alert).unwrap());
            alert.evidence = vec![first, EventId::default()];
            alert.attack = vec!["T1110".into(), "T1078".into()];
            alert.tags = vec!["a \"tag\"".into()];
            (alert.runbook, alert.risk) = (Some("kb/x.md".into()), Some(-5));
        }
    }
}
