//! Values that fields are known to have: a small table, and what the folder's own rules compare them with.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use crate::alert::Severity;
use crate::event::field::{self, FieldId};
use crate::rule::CATEGORIES;
use crate::rule::ast::{ClauseKind, Comparison, Item, Operand, TestLine, Value, ValueKind, When, Word};
use crate::rule::tactic;

/// `event.action` of the lines that the built-in parsers understand.
const ACTIONS: &[&str] = &[
    "group-created",
    "group-deleted",
    "group-file-changed",
    "group-modified",
    "http_login",
    "pam_account_locked",
    "pam_authentication",
    "pam_max_retries",
    "pam_more_failures",
    "pam_user_unknown",
    "password-changed",
    "session_closed",
    "session_opened",
    "ssh_auth_none",
    "ssh_auth_partial",
    "ssh_bad_protocol",
    "ssh_connection",
    "ssh_disconnect",
    "ssh_invalid_user",
    "ssh_login",
    "ssh_max_attempts",
    "ssh_negotiation_failed",
    "ssh_no_identification",
    "ssh_not_allowed",
    "ssh_reverse_mapping_failed",
    "ssh_server_started",
    "ssh_server_stopped",
    "ssh_session_ended",
    "ssh_session_started",
    "ssh_subsystem",
    "ssh_timeout",
    "ssh_userauth_request",
    "su_authentication",
    "su_session",
    "sudo_authentication",
    "sudo_command",
    "user-added-to-group",
    "user-created",
    "user-deleted",
    "user-modified",
    "user-removed-from-group",
];
const TYPES: &[&str] = &[
    "access",
    "admin",
    "allowed",
    "change",
    "connection",
    "creation",
    "deletion",
    "denied",
    "end",
    "error",
    "group",
    "info",
    "installation",
    "protocol",
    "start",
    "user",
];

/// The values that a field usually has; empty where anything may stand.
fn usual(id: FieldId) -> Vec<&'static str> {
    match id {
        field::EVENT_CATEGORY => CATEGORIES.to_vec(),
        field::EVENT_OUTCOME => vec!["success", "failure", "unknown"],
        field::EVENT_KIND => vec!["event", "alert", "metric"],
        field::EVENT_ACTION => ACTIONS.to_vec(),
        field::EVENT_TYPE => TYPES.to_vec(),
        field::TAGS => vec!["parse_failure", "repeated", "clock_skew", "late"],
        field::NETWORK_TRANSPORT => vec!["tcp", "udp", "icmp"],
        field::NETWORK_DIRECTION => vec!["ingress", "egress", "inbound", "outbound", "internal", "external"],
        field::HTTP_REQUEST_METHOD => {
            vec!["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"]
        }
        field::DNS_QUESTION_TYPE => vec!["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "ANY"],
        field::DEVICE_TYPE => vec!["plc", "scada", "sensor", "ecu"],
        field::RULE_SEVERITY => Severity::ALL.iter().map(|severity| severity.word()).collect(),
        field::RULE_TACTIC => tactic::of_all(&tactic::techniques()),
        _ => Vec::new(),
    }
}

/// The values of a field: those it usually has, then those that rules of the folder ask for, each once.
pub(crate) fn of(analysis: &Analysis, name: &str) -> Vec<String> {
    let id = field::by_name(name);
    let mut out: Vec<String> = id.map(usual).unwrap_or_default().into_iter().map(str::to_owned).collect();
    if id == Some(field::RULE_NAME) {
        out.extend(analysis.rules().map(|(_, rule)| rule.name.text.clone()));
    }
    let mut asked = BTreeSet::new();
    for tree in &analysis.compiled.trees {
        tree.items.iter().for_each(|item| in_item(item, name, &mut asked));
    }
    let known: BTreeSet<String> = out.iter().cloned().collect();
    out.extend(asked.into_iter().filter(|value| !known.contains(value)));
    out
}

/// The tags and techniques that rules of the folder have.
pub(crate) fn marks(analysis: &Analysis, clause: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (_, rule) in analysis.rules() {
        for kind in rule.clauses.iter().map(|c| &c.kind).filter(|kind| kind.keyword() == clause) {
            if let ClauseKind::Tags(words) | ClauseKind::Attack(words) = kind {
                out.extend(words.iter().map(|word| word.text.clone()));
            }
        }
    }
    out
}

fn in_item<'a>(item: &'a Item, name: &str, out: &mut BTreeSet<String>) {
    let mut compared = |_: &Word, comparison: Option<&'a Comparison>| {
        let asked = comparison.filter(|c| c.field.text == name && matches!(&*c.operator.text, "==" | "!=" | "in"));
        match asked.map(|comparison| &comparison.operand) {
            Some(Operand::One(value)) => texts(std::slice::from_ref(value), out),
            Some(Operand::Many(values, _)) => texts(values, out),
            Some(Operand::List(..) | Operand::Regex(_)) | None => {}
        }
    };
    match item {
        Item::Rule(rule) => {
            let patterns = rule.whens().flat_map(When::patterns).filter_map(|(pattern, _)| pattern.condition.as_ref());
            let excepts = rule.excepts().map(|except| &except.condition);
            patterns.chain(excepts).for_each(|condition| condition.fields(&mut compared));
            for line in rule.test_lines() {
                let TestLine::Given(given) = line else { continue };
                given.pairs.iter().filter(|p| p.field.text == name).for_each(|pair| texts(&pair.values, out));
            }
        }
        Item::Let(define) => define.pattern.condition.iter().for_each(|condition| condition.fields(&mut compared)),
        Item::List(_) => {}
    }
}

fn texts(values: &[Value], out: &mut BTreeSet<String>) {
    let text = |value: &&Value| matches!(value.kind, ValueKind::Text | ValueKind::Exact) && value.text.len() <= 60;
    out.extend(values.iter().filter(text).map(|value| value.text.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the sources of the parsers: what they call an action is in the table, and nothing else is.
    #[test]
    fn the_actions_are_those_of_the_parsers() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/normalise");
        let mut said = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            for class in text.split("Class::new(").skip(1) {
                // The first text behind the brackets of its categories and types.
                let end = class.find(')').unwrap();
                let plain = class[..end].split('[').map(|part| part.rsplit(']').next().unwrap()).collect::<String>();
                said.extend(plain.split('"').nth(1).filter(|action| !action.is_empty()).map(str::to_owned));
            }
        }
        let known: BTreeSet<String> = ACTIONS.iter().map(|action| (*action).to_owned()).collect();
        assert_eq!(known, said);
    }
}
