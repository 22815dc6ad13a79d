//! Alerts of lower levels as rows for the rules over alerts.
//!
//! In: alerts that opened (+) and went again (−). Out: the match rows of a level's rules on them,
//! with the same sign. An alert is an event at the time of its episode's first event; what
//! changes while the episode grows is no part of it, so growth is not heard of here. No state.

use std::sync::Arc;

use crate::alert::AlertId;
use crate::event::field;
use crate::event::{BatchBuilder, EventBatch, FieldId, Type, time};
use crate::matching::{MatchRow, Matcher, Scratch};
use crate::rule::plan::{FieldRef, Program, Tuple};
use crate::rule::tactic;

use super::changes::title;
use super::episode::{Place, Record};

/// Alerts of a batch at most.
const BATCH: usize = 8 << 10;

/// The value of `fields.alert.id` of an alert as an event: its id as it is written.
const ALERT_ID: &str = "alert.id";

/// Fields that say something about the alert itself, not about its key.
const OWN: [FieldId; 11] = [
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

/// What of an alert is known when it opens, and stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Opened {
    rule: u32,
    key: Tuple,
    first: Place,
    values: Vec<Option<Tuple>>,
}

impl Opened {
    /// Of the alert of this record.
    pub(super) fn of(record: &Record) -> Opened {
        let Record { rule, key, first, values, .. } = record;
        Opened { rule: *rule, key: key.clone(), first: *first, values: values.clone() }
    }
}

/// Matches alerts against the rules of one level.
pub(super) struct Climb {
    program: Arc<Program>,
    matcher: Matcher,
    scratch: Scratch,
    builder: BatchBuilder,
    rows: Vec<MatchRow>,
}

impl Climb {
    /// For the rules of this level.
    pub(super) fn new(program: Arc<Program>, level: u32) -> Climb {
        let (matcher, scratch) = (Matcher::of_level(&program, level), Scratch::default());
        Climb { program, matcher, scratch, builder: BatchBuilder::new(), rows: Vec::new() }
    }

    /// Appends the rows that come and go with these alerts.
    pub(super) fn rows(&mut self, alerts: &[(Opened, isize)], out: &mut Vec<(MatchRow, isize)>) {
        for sign in [1, -1] {
            for (alert, diff) in alerts.iter().filter(|(_, diff)| diff.signum() == sign) {
                for _ in 0..diff.unsigned_abs() {
                    self.event(alert);
                }
                if self.builder.len() >= BATCH {
                    self.matches(sign, out);
                }
            }
            self.matches(sign, out);
        }
    }

    fn matches(&mut self, sign: isize, out: &mut Vec<(MatchRow, isize)>) {
        let batch: EventBatch = self.builder.finish();
        self.matcher.matches(&batch, &mut self.scratch, &mut self.rows);
        out.extend(self.rows.drain(..).map(|row| (row, sign)));
    }

    /// Adds an alert to the batch, with those fields that the rules read.
    fn event(&mut self, alert: &Opened) {
        let Climb { program, matcher, builder, .. } = self;
        let Some(rule) = program.rules.get(alert.rule as usize) else { return };
        let wanted = |field: FieldId| matcher.fields().contains(&FieldRef::Column(field));
        let id = AlertId::new(&rule.name, &alert.key.0, alert.first.id);
        builder.set_time(field::TIMESTAMP, alert.first.time);
        builder.set_id(id.event_id(alert.first.time));
        builder.set_word(field::EVENT_KIND, "alert");
        builder.set_text(field::RULE_ID, &rule.name);
        builder.set_text(field::RULE_NAME, &rule.name);
        builder.set_word(field::RULE_SEVERITY, rule.severity.word());
        set_list(builder, field::TAGS, &rule.tags);
        set_list(builder, field::THREAT_TECHNIQUE_ID, &rule.attack);
        if wanted(field::RULE_TACTIC) {
            builder.set_list(field::RULE_TACTIC, &tactic::of_all(&rule.attack));
        }
        if let Some(risk) = rule.risk {
            builder.set_number(field::RISK_SCORE, risk.into());
        }
        if wanted(field::MESSAGE) {
            builder.set_text(field::MESSAGE, &title(rule, &alert.key, &alert.values, None));
        }
        if matcher.fields().contains(&FieldRef::Extra(ALERT_ID.into())) {
            builder.set_extra(ALERT_ID, &id.to_string());
        }
        for (position, field) in rule.key.iter().enumerate() {
            if let Some(value) = alert.key.get(position).filter(|_| matcher.fields().contains(field)) {
                set_key(builder, field, &value);
            }
        }
        builder.end_row();
    }
}

/// Sets a key field to its value, as [`MatchRow::key`] writes it.
fn set_key(builder: &mut BatchBuilder, field: &FieldRef, value: &str) {
    let id = match field {
        FieldRef::Extra(name) => return builder.set_extra(name, value),
        FieldRef::Column(id) if OWN.contains(id) => return,
        FieldRef::Column(id) => *id,
    };
    match id.ty() {
        Type::Text | Type::LongText => builder.set_text(id, value),
        Type::TextList => builder.set_list(id, &value.split(", ").collect::<Vec<_>>()),
        Type::Ip => {
            builder.set_ip(id, value);
        }
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => {
            if let Ok(number) = value.parse() {
                builder.set_number(id, number);
            }
        }
        Type::Timestamp => {
            if let Some(micros) = time::parse_rfc3339(value) {
                builder.set_time(id, micros);
            }
        }
        Type::Id => {}
    }
}

fn set_list(builder: &mut BatchBuilder, field: FieldId, values: &[String]) {
    builder.set_list(field, &values.iter().map(String::as_str).collect::<Vec<_>>());
}
