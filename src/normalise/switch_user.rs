//! su → ECS. In: the message after `su: `. What PAM says about it is in [`super::pam`].

use super::{Class, FAILURE, SUCCESS, set_given};
use crate::event::{BatchBuilder, field};

static SESSION: Class = Class::new(&["session"], &["start"], "su_session", SUCCESS);
static FAILED: Class = Class::new(&["authentication"], &["start"], "su_authentication", FAILURE);

/// Fills the row; a message it does not know stays without an action.
pub fn normalise(message: &str, out: &mut BatchBuilder) {
    let found = util_linux(message).or_else(|| shadow(message)).or_else(|| bsd(message));
    if let Some((class, user, target)) = found {
        class.set(out);
        set_given(out, field::USER_NAME, user);
        set_given(out, field::USER_EFFECTIVE_NAME, target);
    }
}

type Found<'a> = Option<(&'static Class, &'a str, &'a str)>;

/// `(to root) bob on pts/0`, `FAILED SU (to root) bob on pts/0`.
fn util_linux(message: &str) -> Found<'_> {
    let (class, rest) = match message.strip_prefix("FAILED SU ") {
        Some(rest) => (&FAILED, rest),
        None => (&SESSION, message),
    };
    let (target, rest) = rest.strip_prefix("(to ")?.split_once(") ")?;
    let user = rest.rsplit_once(" on ").map_or(rest, |(user, _)| user);
    Some((class, user, target))
}

/// `Successful su for root by bob`, `FAILED su for root by bob`. The `+ pts/0 bob:root` that goes with them is
/// the same attempt told again, and has no action.
fn shadow(message: &str) -> Found<'_> {
    let (class, names) = if let Some(names) = message.strip_prefix("Successful su for ") {
        (&SESSION, names)
    } else if let Some(names) = message.strip_prefix("FAILED su for ") {
        (&FAILED, names)
    } else {
        return None;
    };
    let (target, user) = names.rsplit_once(" by ")?;
    Some((class, user, target))
}

/// `BAD SU bob to root on /dev/pts/0`, `bob to root on /dev/pts/0`, `'su root' failed for bob on /dev/pts/8`.
fn bsd(message: &str) -> Found<'_> {
    if let Some((target, rest)) = message.strip_prefix("'su ").and_then(|r| r.split_once("' ")) {
        let (class, rest) = match rest.strip_prefix("failed for ") {
            Some(rest) => (&FAILED, rest),
            None => (&SESSION, rest.strip_prefix("succeeded for ")?),
        };
        return Some((class, rest.split_once(" on ")?.0, target));
    }
    let (class, rest) = match message.strip_prefix("BAD SU ") {
        Some(rest) => (&FAILED, rest),
        None => (&SESSION, message),
    };
    let (names, _) = rest.split_once(" on /dev/")?;
    let (user, target) = names.split_once(" to ")?;
    (!user.contains(' ') && !target.contains(' ')).then_some((class, user, target))
}
