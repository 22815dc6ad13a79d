//! sudo → ECS. In: the message after `sudo: `.

use super::{Class, FAILURE, SUCCESS, set_given};
use crate::event::{BatchBuilder, field};
use crate::parse::scan::word;

static RAN: Class = Class::new(&["process"], &["start"], "sudo_command", SUCCESS);
static REFUSED: Class = Class::new(&["process"], &["denied"], "sudo_command", FAILURE);
static WRONG_PASSWORD: Class = Class::new(&["authentication"], &["start"], "sudo_authentication", FAILURE);

/// `bob : [reason ; ]TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls`; anything else stays without an action.
pub fn normalise(message: &str, out: &mut BatchBuilder) {
    let Some((user, rest)) = message.trim_start().split_once(" : ") else { return };
    // A directory or an argument may look like a part of this: the command is last and begins at the first `COMMAND=`.
    let (head, command) = match rest.split_once(" ; COMMAND=") {
        Some((head, command)) => (head, Some(command)),
        None => match rest.strip_prefix("COMMAND=") {
            Some(command) => ("", Some(command)),
            None => (rest, None),
        },
    };
    let mut reason = None;
    let mut directory: Option<(usize, usize)> = None;
    let mut at = 0;
    for part in head.split(" ; ") {
        if let Some(path) = part.strip_prefix("PWD=") {
            directory = Some((at + 4, at + 4 + path.len()));
        } else if let Some(as_user) = part.strip_prefix("USER=") {
            set_given(out, field::USER_EFFECTIVE_NAME, as_user);
        } else if let Some(group) = part.strip_prefix("GROUP=") {
            set_given(out, field::USER_GROUP_NAME, group);
        } else if at == 0 && !part.starts_with("TTY=") && !part.starts_with('(') && !part.is_empty() {
            reason = Some(part);
        }
        at += part.len() + 3;
    }
    if command.is_none() && reason.is_none() {
        return;
    }
    if let Some((from, to)) = directory {
        set_given(out, field::PROCESS_WORKING_DIRECTORY, &head[from..to]);
    }
    let attempts = reason.and_then(|r| word(r)).filter(|(_, rest)| rest.starts_with("incorrect password attempt"));
    match (reason, attempts) {
        (None, _) => RAN.set(out),
        (Some(_), Some((count, _))) => {
            WRONG_PASSWORD.set(out);
            out.set_extra("sudo.attempts", count);
        }
        (Some(_), None) => REFUSED.set(out),
    }
    set_given(out, field::EVENT_REASON, reason.unwrap_or(""));
    set_given(out, field::USER_NAME, user.trim());
    set_given(out, field::PROCESS_COMMAND_LINE, command.unwrap_or(""));
}
