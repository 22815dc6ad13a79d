//! OpenSSH's sshd, from 3.9 to 10 → ECS. In: the message after `sshd[pid]: `.

use super::{Class, FAILURE, SUCCESS, pam, set_given, set_port, set_source};
use crate::event::{BatchBuilder, field};
use crate::parse::scan::{uint, word};

const AUTH: &[&str] = &["authentication"];
const NET: &[&str] = &["network"];
const INFO: &[&str] = &["info"];
const END: &[&str] = &["connection", "end"];

static LOGIN_FAILED: Class = Class::new(AUTH, &["start"], "ssh_login", FAILURE);
static LOGIN: Class = Class::new(AUTH, &["start"], "ssh_login", SUCCESS);
/// Clients ask `none` first to learn what else there is; that is no attempt.
static NONE_ASKED: Class = Class::new(AUTH, INFO, "ssh_auth_none", FAILURE);
static HALFWAY: Class = Class::new(AUTH, INFO, "ssh_auth_partial", "");
static INVALID_USER: Class = Class::new(AUTH, INFO, "ssh_invalid_user", FAILURE);
static REQUEST: Class = Class::new(AUTH, INFO, "ssh_userauth_request", "");
static NOT_ALLOWED: Class = Class::new(AUTH, &["denied"], "ssh_not_allowed", FAILURE);
static MAX_ATTEMPTS: Class = Class::new(AUTH, INFO, "ssh_max_attempts", FAILURE);
static TIMEOUT: Class = Class::new(AUTH, &["end"], "ssh_timeout", FAILURE);
static CONNECT: Class = Class::new(NET, &["connection", "start"], "ssh_connection", "");
static DISCONNECT: Class = Class::new(NET, END, "ssh_disconnect", "");
static NO_BANNER: Class = Class::new(NET, END, "ssh_no_identification", FAILURE);
static BAD_PROTOCOL: Class = Class::new(NET, &["connection", "protocol"], "ssh_bad_protocol", FAILURE);
static NO_MATCH: Class = Class::new(NET, &["connection", "denied"], "ssh_negotiation_failed", FAILURE);
static NAME_MISMATCH: Class = Class::new(NET, INFO, "ssh_reverse_mapping_failed", FAILURE);
static SESSION: Class = Class::new(&["session"], &["start"], "ssh_session_started", SUCCESS);
static SESSION_END: Class = Class::new(&["session"], &["end"], "ssh_session_ended", "");
static SUBSYSTEM: Class = Class::new(&["session"], INFO, "ssh_subsystem", "");
static LISTEN: Class = Class::new(&["process"], &["start"], "ssh_server_started", "");
static STOP: Class = Class::new(&["process"], &["end"], "ssh_server_stopped", "");

/// Fills the row; a message it does not know stays without an action.
pub fn normalise(message: &str, out: &mut BatchBuilder) {
    let text = message.strip_suffix(" [preauth]").unwrap_or(message);
    let text = text.strip_prefix("error: ").or_else(|| text.strip_prefix("fatal: ")).unwrap_or(text);
    // The first byte narrows the search; two of the messages below make up most of any log.
    let known = match text.as_bytes().first() {
        Some(b'F') => text.strip_prefix("Failed ").and_then(|rest| attempt(rest, &LOGIN_FAILED, out)),
        Some(b'A') => accepted(text, out),
        Some(b'I' | b'i') => invalid(text, out),
        Some(b'C') => connection(text, out),
        Some(b'D' | b'R') => disconnect(text, out),
        Some(b'P') => pam_word(text, out),
        _ => rest(text, out),
    };
    if known.is_none() {
        rare(text, out);
    }
}

/// `METHOD for [invalid user ]U from IP port P …`.
fn attempt(rest: &str, class: &'static Class, out: &mut BatchBuilder) -> Option<()> {
    let (method, rest) = word(rest)?;
    let rest = rest.strip_prefix("for ")?;
    let (user, reason) = match rest.strip_prefix("invalid user ").or_else(|| rest.strip_prefix("illegal user ")) {
        Some(user) => (user, "invalid user"),
        None => (rest, ""),
    };
    let (user, far) = from(user)?;
    let class = if method == "none" && class.outcome == FAILURE { &NONE_ASKED } else { class };
    class.set(out);
    set_given(out, field::USER_NAME, user);
    set_given(out, field::EVENT_REASON, reason);
    address(far, out);
    Some(())
}

/// Splits at the last ` from ` that ` ADDRESS port …` or only an address follows: the client chooses its name, and
/// may put a whole such line into it; what comes after the name is sshd's word.
fn from(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut last = None;
    let mut end = bytes.len();
    while let Some(at) = memchr::memrchr(b'm', &bytes[..end]) {
        end = at;
        if at >= 4 && bytes.get(at - 4..at + 2) == Some(b" from ") {
            let split = (&text[..at - 4], &text[at + 2..]);
            match word(split.1) {
                Some((_, rest)) if !rest.starts_with("port ") => last = last.or(Some(split)),
                _ => return Some(split),
            }
        }
    }
    last
}

/// `IP[ port P][…]`; what follows the port.
fn address<'a>(far: &'a str, out: &mut BatchBuilder) -> &'a str {
    let (address, rest) = word(far).unwrap_or((far, ""));
    let end = address.bytes().rposition(|b| !matches!(b, b':' | b',')).map_or(0, |last| last + 1);
    set_source(out, &address[..end]);
    let Some(port) = rest.strip_prefix("port ") else { return rest };
    let digits = port.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(port.len());
    set_port(out, &port[..digits]);
    &port[digits..]
}

fn accepted(text: &str, out: &mut BatchBuilder) -> Option<()> {
    if let Some(rest) = text.strip_prefix("Accepted ") {
        return attempt(rest, &LOGIN, out);
    }
    // `Address IP maps to NAME, but this does not map back to the address`.
    let (ip, rest) = word(text.strip_prefix("Address ")?)?;
    let name = rest.strip_prefix("maps to ")?.split(',').next()?;
    NAME_MISMATCH.set(out);
    set_source(out, ip);
    set_given(out, field::SOURCE_DOMAIN, name);
    Some(())
}

fn invalid(text: &str, out: &mut BatchBuilder) -> Option<()> {
    if let Some(rest) = text.strip_prefix("input_userauth_request: ") {
        REQUEST.set(out);
        set_given(out, field::USER_NAME, rest.strip_prefix("invalid user ").unwrap_or(""));
        return Some(());
    }
    let rest = text.strip_prefix("Invalid user ").or_else(|| text.strip_prefix("Illegal user "))?;
    // An empty name leaves `Invalid user  from …` or, stripped, `Invalid user from …`.
    let (user, far) = from(rest).or_else(|| rest.strip_prefix("from ").map(|far| ("", far)))?;
    INVALID_USER.set(out);
    set_given(out, field::USER_NAME, user);
    address(far, out);
    Some(())
}

fn connection(text: &str, out: &mut BatchBuilder) -> Option<()> {
    if let Some(far) = text.strip_prefix("Connection from ") {
        CONNECT.set(out);
        let rest = address(far, out);
        if let Some((near, rest)) = rest.strip_prefix(" on ").and_then(word) {
            out.set_ip(field::DESTINATION_IP, near);
            let port = rest.strip_prefix("port ").map_or("", |p| p.split(' ').next().unwrap_or(p));
            if let Some(port) = uint(port) {
                out.set_number(field::DESTINATION_PORT, port.into());
            }
        }
        return Some(());
    }
    if let Some(rest) = text.strip_prefix("Close session: user ") {
        let (user, far) = from(rest)?;
        SESSION_END.set(out);
        out.set_text(field::USER_NAME, user);
        address(far, out);
        return Some(());
    }
    let rest = text.strip_prefix("Connection ")?;
    let far = rest.strip_prefix("closed by ").or_else(|| rest.strip_prefix("reset by "))?;
    DISCONNECT.set(out);
    out.set_text(
        field::EVENT_REASON,
        if rest.starts_with("closed") { "connection closed" } else { "connection reset" },
    );
    someone(far, out);
    Some(())
}

/// `[authenticating user U |invalid user U |user U ]IP port P…`; what follows the port.
fn someone<'a>(text: &'a str, out: &mut BatchBuilder) -> &'a str {
    let user = ["authenticating user ", "invalid user ", "user "].iter().find_map(|p| text.strip_prefix(p));
    let Some(named) = user else { return address(text, out) };
    // The name may hold blanks, the address does not: it is the word before ` port `.
    let (head, _) = named.rsplit_once(" port ").unwrap_or((named, ""));
    let (user, _) = head.rsplit_once(' ').unwrap_or(("", head));
    set_given(out, field::USER_NAME, user);
    let far = if user.is_empty() { named.strip_prefix(' ').unwrap_or(named) } else { &named[user.len() + 1..] };
    address(far, out)
}

fn disconnect(text: &str, out: &mut BatchBuilder) -> Option<()> {
    if let Some(far) = text.strip_prefix("Received disconnect from ") {
        DISCONNECT.set(out);
        // `IP: 11: Bye Bye` and `IP port 22:11: Bye Bye`.
        let rest = address(far, out);
        let reason = rest.trim_start_matches(':').trim_start();
        let reason = reason.split_once(": ").map_or(reason, |(code, r)| if uint(code).is_some() { r } else { reason });
        set_given(out, field::EVENT_REASON, reason.trim_end());
    } else if let Some(far) = text.strip_prefix("Disconnected from ") {
        DISCONNECT.set(out);
        someone(far, out);
    } else if let Some(reason) = text.strip_prefix("Disconnecting: ") {
        DISCONNECT.set(out);
        let (reason, user) = reason.rsplit_once(" for ").unwrap_or((reason, ""));
        set_given(out, field::EVENT_REASON, reason);
        set_given(out, field::USER_NAME, user.strip_prefix("invalid user ").unwrap_or(user));
    } else if let Some(far) = text.strip_prefix("Disconnecting ") {
        DISCONNECT.set(out);
        let rest = someone(far, out);
        set_given(out, field::EVENT_REASON, rest.strip_prefix(": ").unwrap_or(""));
    } else if let Some(far) = text.strip_prefix("Did not receive identification string from ") {
        NO_BANNER.set(out);
        address(far, out);
    } else {
        return None;
    }
    Some(())
}

fn pam_word(text: &str, out: &mut BatchBuilder) -> Option<()> {
    if text.starts_with("PAM") {
        return pam::of_ssh(text, out).then_some(());
    }
    let rest = text.strip_prefix("Postponed ").or_else(|| text.strip_prefix("Partial "))?;
    attempt(rest, &HALFWAY, out)
}

fn rest(text: &str, out: &mut BatchBuilder) -> Option<()> {
    if let Some(rest) = text.strip_prefix("reverse mapping checking getaddrinfo for ") {
        let (name, rest) = word(rest)?;
        NAME_MISMATCH.set(out);
        out.set_text(field::SOURCE_DOMAIN, name);
        if let Some((ip, _)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            out.set_ip(field::SOURCE_IP, ip);
        }
        return Some(());
    }
    let rest = text.strip_prefix("maximum authentication attempts exceeded for ")?;
    let (user, far) = from(rest)?;
    MAX_ATTEMPTS.set(out);
    set_given(out, field::USER_NAME, user.strip_prefix("invalid user ").unwrap_or(user));
    address(far, out);
    Some(())
}

/// What is seldom seen, one after the other.
fn rare(text: &str, out: &mut BatchBuilder) {
    if let Some(rest) = text.strip_prefix("User ")
        && let Some((head, reason)) = rest.split_once(" not allowed because ")
    {
        NOT_ALLOWED.set(out);
        let (user, far) = head.rsplit_once(" from ").unwrap_or((head, ""));
        out.set_text(field::USER_NAME, user);
        set_source(out, far);
        set_given(out, field::EVENT_REASON, reason);
    } else if let Some(far) = text.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        NOT_ALLOWED.set(out);
        out.set_text(field::USER_NAME, "root");
        address(far, out);
    } else if text.starts_with("Authentication refused: ") || text.starts_with("Authentication tried for ") {
        NOT_ALLOWED.set(out);
        set_given(out, field::EVENT_REASON, text);
    } else if let Some(rest) = text.strip_prefix("Bad protocol version identification ") {
        BAD_PROTOCOL.set(out);
        address(rest.rsplit_once(" from ").map_or("", |(_, far)| far), out);
    } else if let Some(far) = text.strip_prefix("banner exchange: Connection from ") {
        BAD_PROTOCOL.set(out);
        address(far, out);
    } else if text.starts_with("kex_exchange_identification: ") || text.starts_with("ssh_dispatch_run_fatal: ") {
        NO_BANNER.set(out);
        address(text.split_once("Connection from ").map_or("", |(_, far)| far), out);
    } else if let Some(far) = text.strip_prefix("Unable to negotiate with ") {
        NO_MATCH.set(out);
        let reason = address(far, out);
        set_given(out, field::EVENT_REASON, reason.strip_prefix(": ").unwrap_or(""));
    } else if let Some(rest) = text.strip_prefix("Timeout before authentication for ") {
        TIMEOUT.set(out);
        address(rest.strip_prefix("connection from ").unwrap_or(rest), out);
    } else {
        about_the_server(text, out);
    }
}

fn about_the_server(text: &str, out: &mut BatchBuilder) {
    if let Some((what, far)) = text.strip_prefix("Starting session: ").and_then(|r| r.rsplit_once(" from ")) {
        SESSION.set(out);
        set_given(out, field::USER_NAME, what.rsplit_once(" for ").map_or("", |(_, user)| user));
        address(far, out);
    } else if let Some(rest) = text.strip_prefix("subsystem request for ") {
        SUBSYSTEM.set(out);
        set_given(out, field::USER_NAME, rest.split_once(" by user ").map_or("", |(_, user)| user));
    } else if text.starts_with("Write failed: ") || text.starts_with("Read from socket failed: ") {
        DISCONNECT.set(out);
        set_given(out, field::EVENT_REASON, text);
    } else if text.starts_with("Server listening on ") {
        LISTEN.set(out);
    } else if text.starts_with("Received signal ") || text.starts_with("Exiting on signal ") {
        STOP.set(out);
    }
}
