//! Web servers' error logs → ECS. In: an error line's parts. Failed sign-ins among them are marked.

use super::{Class, FAILURE, set_given, set_source, web};
use crate::event::{BatchBuilder, field};
use crate::parse::{apache_error, nginx_error};

static LOGIN_FAILED: Class = Class::new(&["authentication", "web"], &["start"], "http_login", FAILURE);

/// Fills the row from Nginx's error log.
pub fn nginx(error: &nginx_error::Error<'_>, out: &mut BatchBuilder) {
    class(error.level, out);
    if let Some(process) = error.process {
        out.set_number(field::PROCESS_PID, process.into());
    }
    set_source(out, error.client.unwrap_or(""));
    web::request(&error.request, out);
    set_given(out, field::URL_DOMAIN, error.domain.unwrap_or(""));
    set_given(out, field::HTTP_REQUEST_REFERRER, error.referrer.unwrap_or(""));
    login(error.text, out);
}

/// Fills the row from Apache's error log.
pub fn apache(error: &apache_error::Error<'_>, out: &mut BatchBuilder) {
    class(error.level, out);
    if let Some(process) = error.process {
        out.set_number(field::PROCESS_PID, process.into());
    }
    set_source(out, error.client.unwrap_or(""));
    if let Some(port) = error.port {
        out.set_number(field::SOURCE_PORT, port.into());
    }
    set_given(out, field::EVENT_PROVIDER, error.module.unwrap_or(""));
    set_given(out, field::EVENT_CODE, error.code.unwrap_or(""));
    set_given(out, field::HTTP_REQUEST_REFERRER, error.referrer.unwrap_or(""));
    login(error.code.and_then(|code| error.message.split_once(code)).map_or(error.message, |(_, text)| text), out);
}

fn class(level: &str, out: &mut BatchBuilder) {
    out.set_word(field::EVENT_CATEGORY, "web");
    let bad = matches!(level, "emerg" | "alert" | "crit" | "error");
    out.set_word(field::EVENT_TYPE, if bad { "error" } else { "info" });
    out.set_text(field::LOG_LEVEL, level);
}

/// Marks a sign-in that failed: `user "bob": password mismatch`, `user "bob" was not found in …` (Nginx),
/// `user bob: authentication failure for "/x": Password Mismatch`, `user bob not found: /x` (Apache).
fn login(text: &str, out: &mut BatchBuilder) {
    let Some(rest) = text.trim_start_matches([':', ' ']).strip_prefix("user ") else { return };
    let user = match rest.strip_prefix('"') {
        Some(quoted) => {
            quoted.split_once('"').filter(|(_, why)| why.contains("password mismatch") || why.contains("was not found"))
        }
        None => rest.split_once(": authentication failure").or_else(|| rest.split_once(" not found: ")),
    };
    if let Some((user, _)) = user {
        LOGIN_FAILED.set(out);
        set_given(out, field::USER_NAME, user);
    }
}
