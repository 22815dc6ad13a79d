//! An alert as an event to the rules over alerts.
//!
//! In: what of an alert is known when it opens. Out: a row of a batch, with those fields that rules read. Matching and
//! explanations share it: both look at the same events.

use crate::alert::{AlertId, Severity};
use crate::event::{BatchBuilder, FieldId, field};

use super::plan::FieldRef;
use super::tactic;

/// The value of `fields.alert.id` of an alert as an event: its id as it is written.
pub(super) const ALERT_ID: &str = "alert.id";

/// Fields that say something about the alert itself, not about its key.
pub(super) const OWN: [FieldId; 11] = [
    field::TIMESTAMP,
    field::EVENT_ID,
    field::EVENT_KIND,
    field::MESSAGE,
    field::TAGS,
    field::RULE_ID,
    field::RULE_NAME,
    field::RULE_SEVERITY,
    field::RULE_TACTIC,
    field::THREAT_TECHNIQUE_ID,
    field::RISK_SCORE,
];

/// What of an alert is known when it opens, and stays; its key and its title apart.
pub(crate) struct Raised<'a> {
    pub(crate) id: AlertId,
    /// Time of its episode's first event, µs.
    pub(crate) first: i64,
    /// Its rule's name.
    pub(crate) rule: &'a str,
    pub(crate) severity: Severity,
    pub(crate) tags: &'a [String],
    pub(crate) attack: &'a [String],
    pub(crate) risk: Option<i64>,
}

impl Raised<'_> {
    /// Adds the alert as a row, with those fields that are wanted. `title` is its title without a count, which grows.
    pub(crate) fn event<'k>(
        &self,
        builder: &mut BatchBuilder,
        wanted: &dyn Fn(&FieldRef) -> bool,
        title: &dyn Fn() -> String,
        key: impl Iterator<Item = (&'k FieldRef, String)>,
    ) {
        builder.set_time(field::TIMESTAMP, self.first);
        builder.set_id(self.id.event_id(self.first));
        builder.set_word(field::EVENT_KIND, "alert");
        builder.set_text(field::RULE_ID, self.rule);
        builder.set_text(field::RULE_NAME, self.rule);
        builder.set_word(field::RULE_SEVERITY, self.severity.word());
        set_list(builder, field::TAGS, self.tags);
        set_list(builder, field::THREAT_TECHNIQUE_ID, self.attack);
        if wanted(&FieldRef::Column(field::RULE_TACTIC)) {
            builder.set_list(field::RULE_TACTIC, &tactic::of_all(self.attack));
        }
        if let Some(risk) = self.risk {
            builder.set_number(field::RISK_SCORE, risk.into());
        }
        if wanted(&FieldRef::Column(field::MESSAGE)) {
            builder.set_text(field::MESSAGE, &title());
        }
        if wanted(&FieldRef::Extra(ALERT_ID.into())) {
            builder.set_extra(ALERT_ID, &self.id.to_string());
        }
        key.filter(|(field, _)| wanted(field)).for_each(|(field, value)| set_key(builder, field, &value));
        builder.end_row();
    }
}

/// Sets a key field to its value, as match rows write it.
fn set_key(builder: &mut BatchBuilder, field: &FieldRef, value: &str) {
    let id = match field {
        FieldRef::Extra(name) => return builder.set_extra(name, value),
        FieldRef::Column(id) if OWN.contains(id) => return,
        FieldRef::Column(id) => *id,
    };
    if id.ty().is_list() {
        builder.set_written(id, &value.split(", ").collect::<Vec<_>>());
    } else {
        builder.set_written(id, &[value]);
    }
}

fn set_list(builder: &mut BatchBuilder, field: FieldId, values: &[String]) {
    builder.set_list(field, &values.iter().map(String::as_str).collect::<Vec<_>>());
}
