//! What the parts of a line mean: one file a log source. In: parts from [`crate::parse`]. Out: ECS
//! columns of the builder's current row.
//!
//! Values are Elastic's where Elastic has them, with one rule on top, because rules count: one attempt
//! is one event of its kind. `Failed password …` is the `ssh_login` failure; what PAM and sshd say
//! besides about the same attempt has actions of its own.

pub mod accounts;
pub mod pam;
pub mod ssh;
pub mod sudo;
pub mod switch_user;
pub mod syslog;
pub mod web;
pub mod web_error;

use crate::event::{BatchBuilder, FieldId, field};

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// What kind of event a row is.
struct Class {
    category: &'static [&'static str],
    kind: &'static [&'static str],
    action: &'static str,
    outcome: &'static str,
}

impl Class {
    const fn new(
        category: &'static [&'static str],
        kind: &'static [&'static str],
        action: &'static str,
        outcome: &'static str,
    ) -> Class {
        Class { category, kind, action, outcome }
    }

    /// Sets it; an empty outcome is none.
    fn set(&'static self, out: &mut BatchBuilder) {
        const FIELDS: [FieldId; 4] =
            [field::EVENT_CATEGORY, field::EVENT_TYPE, field::EVENT_ACTION, field::EVENT_OUTCOME];
        out.set_alike(self, &FIELDS[..4 - usize::from(self.outcome.is_empty())], |out| {
            words(out, field::EVENT_CATEGORY, self.category);
            words(out, field::EVENT_TYPE, self.kind);
            out.set_word(field::EVENT_ACTION, self.action);
            if !self.outcome.is_empty() {
                out.set_word(field::EVENT_OUTCOME, self.outcome);
            }
        });
    }
}

fn words(out: &mut BatchBuilder, field: FieldId, words: &'static [&'static str]) {
    match words {
        [word] => out.set_word(field, word),
        _ => out.set_list(field, words),
    }
}

/// The far end: an address, or else a name.
fn set_source(out: &mut BatchBuilder, source: &str) {
    if !source.is_empty() && !out.set_ip(field::SOURCE_IP, source) {
        out.set_text(field::SOURCE_DOMAIN, source);
    }
}

/// A port as text; what is no port is left out.
fn set_port(out: &mut BatchBuilder, port: &str) {
    if let Some(port) = crate::parse::scan::uint(port) {
        out.set_number(field::SOURCE_PORT, port.into());
    }
}

/// A text, unless it is empty.
fn set_given(out: &mut BatchBuilder, field: FieldId, text: &str) {
    if !text.is_empty() {
        out.set_text(field, text);
    }
}
