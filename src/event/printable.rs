//! Text of logs, rules and other files, for a terminal: it may hold escape sequences, and none of them must be obeyed.

use std::borrow::Cow;

/// The text without control characters: U+FFFD stands for each.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    printable_but(text, &[])
}

/// The same, in which some may stay.
pub(crate) fn printable_but<'a>(text: &'a str, stays: &[char]) -> Cow<'a, str> {
    let obeyed = |c: char| c.is_control() && !stays.contains(&c);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(obeyed) {
        return text.into();
    }
    text.chars().map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{9b}ü"), "a\u{fffd}[31mb\u{fffd}\u{fffd}ü");
        assert_eq!(printable_but("a\u{1b}\tb\r\n", &['\n', '\t']), "a\u{fffd}\tb\u{fffd}\n");
        assert!(matches!(printable("as it is, ü"), Cow::Borrowed(_)));
    }
}
