//! PAM modules, whatever program they run in → ECS. In: the message after the module's name.

use super::{Class, FAILURE, SUCCESS, set_given, set_source};
use crate::event::{BatchBuilder, field};

const AUTH: &[&str] = &["authentication"];

static FAILED: Class = Class::new(AUTH, &["info"], "pam_authentication", FAILURE);
static UNKNOWN: Class = Class::new(AUTH, &["info"], "pam_user_unknown", FAILURE);
static MORE: Class = Class::new(AUTH, &["info"], "pam_more_failures", FAILURE);
static RETRIES: Class = Class::new(AUTH, &["info"], "pam_max_retries", FAILURE);
static OPENED: Class = Class::new(&["session"], &["start"], "session_opened", SUCCESS);
static CLOSED: Class = Class::new(&["session"], &["end"], "session_closed", SUCCESS);
static PASSWORD: Class = Class::new(&["iam"], &["user", "change"], "password-changed", SUCCESS);
static LOCKED: Class = Class::new(AUTH, &["denied"], "pam_account_locked", FAILURE);

/// `pam_unix(sshd:auth): …`; false when that is not what the message is.
pub(super) fn with_module(message: &str, out: &mut BatchBuilder) -> bool {
    let Some((head, rest)) = message.split_once("): ") else { return false };
    let Some((module, service)) = head.split_once('(') else { return false };
    if module.contains(' ') {
        return false;
    }
    normalise(service.split(':').next().unwrap_or(service), rest, out);
    true
}

/// What a module says, in a service: `sshd`, `su`, `sudo` …
pub fn normalise(service: &str, text: &str, out: &mut BatchBuilder) {
    // In these one account acts with the rights of another.
    let switches = matches!(service, "su" | "su-l" | "sudo" | "sudo-i" | "runuser" | "runuser-l");
    if let Some(rest) = text.strip_prefix("authentication failure; ") {
        FAILED.set(out);
        // sudo asks for the actor's own password, su for the other account's.
        failure(rest, switches && !service.starts_with("sudo"), out);
    } else if let Some(rest) = text.strip_prefix("session opened for user ") {
        OPENED.set(out);
        let (user, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
        session(without_id(user), without_id(by), switches, out);
    } else if let Some(user) = text.strip_prefix("session closed for user ") {
        CLOSED.set(out);
        session(without_id(user), "", switches, out);
    } else if text.starts_with("check pass; user unknown") {
        UNKNOWN.set(out);
    } else if let Some(user) = text.strip_prefix("password changed for ") {
        PASSWORD.set(out);
        set_given(out, field::USER_TARGET_NAME, user.trim_end());
    } else if let Some(rest) =
        text.strip_prefix("user ").or_else(|| text.strip_prefix("Consecutive login failures for user "))
        && (rest.contains(" temporary locked")
            || rest.contains(" account temporarily locked")
            || rest.contains("tally "))
    {
        LOCKED.set(out);
        set_given(out, field::USER_NAME, rest.split([' ', '(']).next().unwrap_or(rest));
    }
}

/// `bob(uid=1000)`, `(uid=0)`.
fn without_id(text: &str) -> &str {
    text.split_once("(uid=").map_or(text, |(name, _)| name).trim_end()
}

fn session(user: &str, by: &str, switches: bool, out: &mut BatchBuilder) {
    if switches {
        set_given(out, field::USER_EFFECTIVE_NAME, user);
    }
    set_given(out, field::USER_NAME, if switches && !by.is_empty() { by } else { user });
}

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root`, in this order; a value may be empty.
fn failure(text: &str, switches: bool, out: &mut BatchBuilder) {
    let value = |name: &str| {
        let at = memchr::memmem::find(text.as_bytes(), name.as_bytes())?;
        let rest = &text[at + name.len()..];
        let end = rest.bytes().position(|b| b == b' ').unwrap_or(rest.len());
        Some(&rest[..end]).filter(|v| !v.is_empty())
    };
    let Some(at) = memchr::memmem::find(text.as_bytes(), b" rhost=") else { return };
    let far = &text[at + 7..];
    let (far, user) = match far.find(' ') {
        Some(end) => (&far[..end], far[end..].trim_start().strip_prefix("user=").map(str::trim_end)),
        None => (far, None),
    };
    set_source(out, far);
    let user = user.filter(|u| !u.is_empty());
    let actor = if switches { value(" ruser=").or_else(|| value("logname=")) } else { None };
    if let Some(user) = user.filter(|_| switches) {
        out.set_text(field::USER_EFFECTIVE_NAME, user);
    }
    set_given(out, field::USER_NAME, actor.or(user).unwrap_or(""));
}

/// What sshd itself says of PAM; false when it is none of it.
pub(super) fn of_ssh(text: &str, out: &mut BatchBuilder) -> bool {
    if let Some(rest) = text.strip_prefix("PAM: ") {
        let rest = rest
            .strip_prefix("Authentication failure for ")
            .or_else(|| rest.strip_prefix("User not known to the underlying authentication module for "));
        let Some((user, far)) = rest.and_then(|r| r.rsplit_once(" from ")) else { return false };
        FAILED.set(out);
        let user = user.strip_prefix("illegal user ").or_else(|| user.strip_prefix("invalid user ")).unwrap_or(user);
        set_given(out, field::USER_NAME, user);
        set_source(out, far.trim_end());
    } else if text.starts_with("PAM service(") {
        RETRIES.set(out);
    } else if let Some((_, rest)) = text.split_once(" more authentication failure") {
        // They were told one by one before; this line only sums them up.
        MORE.set(out);
        failure(rest.trim_start_matches(['s', ';']), false, out);
    } else {
        return false;
    }
    true
}
