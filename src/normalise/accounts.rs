//! useradd, usermod, groupadd, passwd and their kin → ECS. In: the message after the program's tag.
//!
//! These programs log every file they touch; only the line that says what was done to the account is
//! the event of its kind, and the shadow files' lines have actions of their own.

use super::{Class, FAILURE, SUCCESS, set_given};
use crate::event::{BatchBuilder, field};

const IAM: &[&str] = &["iam"];

static USER_CREATED: Class = Class::new(IAM, &["user", "creation"], "user-created", SUCCESS);
static USER_NOT_CREATED: Class = Class::new(IAM, &["user", "creation"], "user-created", FAILURE);
static USER_MODIFIED: Class = Class::new(IAM, &["user", "change"], "user-modified", SUCCESS);
static USER_DELETED: Class = Class::new(IAM, &["user", "deletion"], "user-deleted", SUCCESS);
static PASSWORD_CHANGED: Class = Class::new(IAM, &["user", "change"], "password-changed", SUCCESS);
static GROUP_CREATED: Class = Class::new(IAM, &["group", "creation"], "group-created", SUCCESS);
static GROUP_MODIFIED: Class = Class::new(IAM, &["group", "change"], "group-modified", SUCCESS);
static GROUP_DELETED: Class = Class::new(IAM, &["group", "deletion"], "group-deleted", SUCCESS);
static ADDED: Class = Class::new(IAM, &["group", "change"], "user-added-to-group", SUCCESS);
static REMOVED: Class = Class::new(IAM, &["group", "change"], "user-removed-from-group", SUCCESS);
static FILE_CHANGED: Class = Class::new(IAM, &["group", "info"], "group-file-changed", SUCCESS);

/// Fills the row; a message it does not know stays without an action.
pub fn normalise(program: &str, message: &str, out: &mut BatchBuilder) {
    let text = message.trim_end();
    let known = created(text, out)
        || membership(text, out)
        || removed(text, out)
        || changed(text, out)
        || (program == "chage" && expiry(text, out));
    debug_assert!(known || out.row_text(field::EVENT_ACTION).is_none(), "only what is known has an action");
}

/// The text between the first pair of quotes after a prefix, and what follows it.
fn named<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(prefix)?.strip_prefix('\'')?.split_once('\'')
}

/// `name=bob, UID=1001, …`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(", ").find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

fn user(class: &'static Class, name: &str, out: &mut BatchBuilder) -> bool {
    class.set(out);
    set_given(out, field::USER_TARGET_NAME, name);
    true
}

fn group(class: &'static Class, name: &str, out: &mut BatchBuilder) -> bool {
    class.set(out);
    set_given(out, field::USER_GROUP_NAME, name);
    true
}

fn created(text: &str, out: &mut BatchBuilder) -> bool {
    if let Some(rest) = text.strip_prefix("new user: ").or_else(|| text.strip_prefix("new account: ")) {
        if let Some(id) = value(rest, "UID").or_else(|| value(rest, "uid")) {
            out.set_extra("user.target.id", id);
        }
        return user(&USER_CREATED, value(rest, "name").or_else(|| value(rest, "account")).unwrap_or(""), out);
    }
    if let Some(rest) = text.strip_prefix("new group: ") {
        return group(&GROUP_CREATED, value(rest, "name").unwrap_or(""), out);
    }
    if let Some(rest) = text.strip_prefix("group added to ") {
        let name = rest.split_once("name=").map_or("", |(_, n)| n.split(',').next().unwrap_or(n));
        return group(&FILE_CHANGED, name, out);
    }
    match named(text, "failed adding user ") {
        Some((name, reason)) => {
            set_given(out, field::EVENT_REASON, reason.trim_start_matches([',', ' ']));
            user(&USER_NOT_CREATED, name, out)
        }
        None => false,
    }
}

/// `add 'bob' to group 'sudo'`, `user bob added by root to group sudo`, and the way back.
fn membership(text: &str, out: &mut BatchBuilder) -> bool {
    for (prefix, word, class) in [("add ", " to ", &ADDED), ("delete ", " from ", &REMOVED)] {
        let Some((name, rest)) = named(text, prefix) else { continue };
        let Some(rest) = rest.strip_prefix(word) else { continue };
        let (class, rest) = match rest.strip_prefix("shadow ") {
            Some(rest) => (&FILE_CHANGED, rest),
            None => (class, rest),
        };
        let Some((of, _)) = named(rest, "group ") else { continue };
        set_given(out, field::USER_GROUP_NAME, of);
        return user(class, name, out);
    }
    let Some(rest) = text.strip_prefix("user ") else { return false };
    for (word, to, class) in [(" added by ", " to group ", &ADDED), (" removed by ", " from group ", &REMOVED)] {
        if let Some((name, rest)) = rest.split_once(word)
            && let Some((by, of)) = rest.split_once(to)
        {
            set_given(out, field::USER_NAME, by);
            set_given(out, field::USER_GROUP_NAME, of);
            return user(class, name, out);
        }
    }
    false
}

fn removed(text: &str, out: &mut BatchBuilder) -> bool {
    if let Some((name, _)) = named(text, "delete user ") {
        return user(&USER_DELETED, name, out);
    }
    if let Some((name, _)) = named(text, "removed group ") {
        return group(&GROUP_DELETED, name, out);
    }
    if let Some((name, _)) = named(text, "removed shadow group ") {
        return group(&FILE_CHANGED, name, out);
    }
    match named(text, "group ") {
        Some((name, " removed")) => group(&GROUP_DELETED, name, out),
        Some((name, rest)) if rest.starts_with(" removed from ") => group(&FILE_CHANGED, name, out),
        _ => false,
    }
}

fn changed(text: &str, out: &mut BatchBuilder) -> bool {
    if let Some((name, rest)) = named(text, "change user ") {
        let class = if rest == " password" { &PASSWORD_CHANGED } else { &USER_MODIFIED };
        set_given(out, field::EVENT_REASON, rest.trim_start());
        return user(class, name, out);
    }
    if let Some((name, _)) = named(text, "change user name ") {
        return user(&USER_MODIFIED, name, out);
    }
    for (prefix, reason) in [("lock user ", "locked"), ("unlock user ", "unlocked")] {
        if let Some((name, _)) = named(text, prefix) {
            out.set_text(field::EVENT_REASON, reason);
            return user(&USER_MODIFIED, name, out);
        }
    }
    if let Some((name, rest)) = named(text, "password for ")
        && let Some((by, _)) = named(rest, " changed by ")
    {
        set_given(out, field::USER_NAME, by);
        return user(&PASSWORD_CHANGED, name, out);
    }
    if text.starts_with("group changed in ") {
        let name = text.split_once("(group ").map_or("", |(_, n)| n.split(['/', ',', ')']).next().unwrap_or(n));
        return group(if text.contains("gshadow") { &FILE_CHANGED } else { &GROUP_MODIFIED }, name, out);
    }
    if let Some((name, by)) = text.strip_prefix("members of group ").and_then(|r| r.split_once(" set by ")) {
        set_given(out, field::USER_NAME, by.split(' ').next().unwrap_or(by));
        return group(&GROUP_MODIFIED, name, out);
    }
    false
}

fn expiry(text: &str, out: &mut BatchBuilder) -> bool {
    match text.strip_prefix("changed password expiry for ") {
        Some(name) => {
            out.set_text(field::EVENT_REASON, "password expiry");
            user(&USER_MODIFIED, name, out)
        }
        None => false,
    }
}
