//! State that grows for months: a long reach and a key that has ever new values.

use super::Subject;
use crate::event::field::{self, FieldId, FieldRef};
use crate::event::time::DAY;
use crate::rule::code::Code;
use crate::rule::diagnostic::Diagnostic;
use crate::rule::explain;

/// Longer than this, a key that came once is kept, µs.
const LONG: i64 = 90 * DAY;

/// Fields with so few values that keeping something for each costs nothing.
const FEW: &[FieldId] = &[
    field::EVENT_KIND,
    field::EVENT_CATEGORY,
    field::EVENT_TYPE,
    field::EVENT_ACTION,
    field::EVENT_OUTCOME,
    field::EVENT_CODE,
    field::EVENT_PROVIDER,
    field::EVENT_MODULE,
    field::EVENT_DATASET,
    field::EVENT_SEVERITY,
    field::LOG_LEVEL,
    field::LOG_SYSLOG_FACILITY,
    field::LOG_SYSLOG_PRIORITY,
    field::HOST_NAME,
    field::OBSERVER_NAME,
    field::AGENT_ID,
    field::AGENT_NAME,
    field::SOURCE_GEO_COUNTRY,
    field::DESTINATION_GEO_COUNTRY,
    field::NETWORK_TRANSPORT,
    field::NETWORK_PROTOCOL,
    field::NETWORK_DIRECTION,
    field::HTTP_REQUEST_METHOD,
    field::HTTP_RESPONSE_STATUS,
    field::DNS_QUESTION_TYPE,
    field::THREAT_INDICATOR_TYPE,
    field::THREAT_INDICATOR_PROVIDER,
    field::DEVICE_ID,
    field::DEVICE_TYPE,
    field::DEVICE_ZONE,
    field::RULE_ID,
    field::RULE_NAME,
    field::RULE_SEVERITY,
    field::RULE_TACTIC,
    field::RISK_SCORE,
];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let rule = subject.plan;
    let reach = rule.form.within().saturating_add(rule.cooldown);
    // Alerts are few.
    if reach <= LONG || rule.level > 0 {
        return;
    }
    let value = rule.form.required_slot().map(|slot| &rule.payload[slot]);
    let many = |field: &&FieldRef| match field {
        FieldRef::Column(id) => !FEW.contains(id),
        FieldRef::Extra(_) => true,
    };
    if let Some(field) = rule.key.iter().chain(value).find(many) {
        let message = format!(
            "this keeps something for every `{}` of {}: {}",
            field.name(),
            explain::duration(reach),
            explain::keeps(rule)
        );
        found.push(
            Diagnostic::error(Code::LongState, subject.file, subject.when_span(), message)
                .label("grows for more than 90d")
                .help("shorten the time, or choose a key of which there are few")
                .warning(),
        );
    }
}
