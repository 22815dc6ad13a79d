//! Whether a test can hold for a value that is only known to lie in a range.

use super::text::fold;
use crate::event::summary::Values;
use crate::rule::plan::Test;

/// What a test can give on some events, as far as is known: both when nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    /// It may hold on one.
    pub(super) holds: bool,
    /// It may not hold on one.
    pub(super) fails: bool,
}

/// What a test can give on values in a range.
pub(super) fn possible(test: &Test, values: &Values) -> Possible {
    match values {
        Values::Any => Possible { holds: true, fails: true },
        Values::Texts(least, greatest) => Possible { holds: on_texts(test, least, greatest), fails: true },
        Values::Numbers(least, greatest) => on_numbers(test, *least, *greatest),
    }
}

fn on_numbers(test: &Test, least: i128, greatest: i128) -> Possible {
    match test {
        Test::Range(low, high) => {
            Possible { holds: *low <= greatest && *high >= least, fails: *low > least || *high < greatest }
        }
        Test::Numbers(numbers) => {
            let holds = numbers.iter().any(|n| (least..=greatest).contains(n));
            Possible { holds, fails: !(least == greatest && holds) }
        }
        Test::Exists | Test::OneOf { .. } | Test::Like { .. } | Test::Regex(_) | Test::Network(_) | Test::Listed(_) => {
            Possible { holds: true, fails: true }
        }
    }
}

fn on_texts(test: &Test, least: &[u8], greatest: &[u8]) -> bool {
    match test {
        Test::OneOf { values, fold: false } => values.iter().any(|v| least <= v.as_bytes() && v.as_bytes() <= greatest),
        Test::OneOf { values, fold: true } => values.iter().any(|v| folded(v, true, least, greatest)),
        Test::Like { pattern, fold: ignore_case } => {
            let start = literal_start(pattern);
            match ignore_case {
                true => folded(&start, false, least, greatest),
                false => least <= [start.as_bytes(), &[0xff]].concat().as_slice() && start.as_bytes() <= greatest,
            }
        }
        Test::Exists | Test::Regex(_) | Test::Range(..) | Test::Numbers(_) | Test::Network(_) | Test::Listed(_) => true,
    }
}

/// What every text that fits a pattern starts with.
fn literal_start(pattern: &str) -> String {
    let mut start = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' => break,
            '\\' => start.push(chars.next().unwrap_or('\\')),
            c => start.push(c),
        }
    }
    start
}

/// Whether a text in the range folds to this one (or, unless `whole`, to one that starts with it).
fn folded(text: &str, whole: bool, least: &[u8], greatest: &[u8]) -> bool {
    let text = if text.bytes().any(|b| b.is_ascii_uppercase()) { fold(text) } else { text.to_owned() };
    // Texts outside ASCII have forms of other lengths; nothing is said of them.
    !text.is_ascii() || spelled(text.as_bytes(), whole, Some(least), Some(greatest))
}

/// Whether a spelling of an ASCII text in any case lies in the range. A bound is what is left of it as long as the
/// spelling so far equals its beginning, and gone once the spelling has left it for the inside.
fn spelled(text: &[u8], whole: bool, least: Option<&[u8]>, greatest: Option<&[u8]>) -> bool {
    if least.is_none() && greatest.is_none() {
        return true;
    }
    let Some((letter, rest)) = text.split_first() else {
        // Longer texts follow it, so a lower bound can be met unless it is the whole.
        return !whole || least.is_none_or(<[u8]>::is_empty);
    };
    let upper = letter.to_ascii_uppercase();
    let same = [*letter];
    // The characters outside ASCII that fold into it: the long s, the kelvin sign and the dotted I.
    let odd = match letter {
        b's' => "\u{17f}",
        b'k' => "\u{212a}",
        // It folds into an i and a dot above, so it can be where a pattern goes on.
        b'i' if !whole && rest.is_empty() => "\u{130}",
        _ => "",
    };
    let forms = [&same[..], if upper == *letter { &[] } else { std::slice::from_ref(&upper) }, odd.as_bytes()];
    forms.into_iter().filter(|form| !form.is_empty()).any(|form| {
        let (Some(least), Some(greatest)) = (above(least, form), below(greatest, form)) else { return false };
        spelled(rest, whole, least, greatest)
    })
}

/// The lower bound behind a part of a spelling; `None` when the part is below it.
fn above<'a>(least: Option<&'a [u8]>, part: &[u8]) -> Option<Option<&'a [u8]>> {
    let Some(least) = least else { return Some(None) };
    match least.strip_prefix(part) {
        Some(rest) => Some(Some(rest)),
        None => (part > least).then_some(None),
    }
}

/// The upper bound behind a part of a spelling; `None` when the part is above it.
fn below<'a>(greatest: Option<&'a [u8]>, part: &[u8]) -> Option<Option<&'a [u8]>> {
    let Some(greatest) = greatest else { return Some(None) };
    match greatest.strip_prefix(part) {
        Some(rest) => Some(Some(rest)),
        None => (part < greatest).then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_range(pattern: &str, like: bool, least: &str, greatest: &str) -> bool {
        let test = match like {
            true => Test::Like { pattern: pattern.to_owned(), fold: true },
            false => {
                Test::OneOf { values: std::sync::Arc::new([pattern.to_owned()].into_iter().collect()), fold: true }
            }
        };
        possible(&test, &Values::Texts(least.into(), greatest.into())).holds
    }

    #[test]
    fn no_other_character_folds_into_ascii() {
        let odd = ['\u{17f}', '\u{212a}', '\u{130}'];
        let folds = |c: &char| !c.is_ascii() && fold(c.encode_utf8(&mut [0; 4])).starts_with(|f: char| f.is_ascii());
        assert_eq!(('\0'..=char::MAX).filter(folds).collect::<Vec<_>>(), ['\u{130}', '\u{17f}', '\u{212a}']);
        assert_eq!(odd.map(|c| fold(&c.to_string())), ["s", "k", "i\u{307}"]);
        assert!(in_range("i*", true, "\u{130}x", "\u{130}x") && !in_range("i", false, "\u{130}", "\u{130}"));
    }

    #[test]
    fn every_spelling_counts_and_nothing_else() {
        assert!(in_range("ssh_login", false, "ssh_login", "ssh_login"));
        assert!(in_range("ssh_login", false, "SSH_login", "SSH_login"));
        assert!(!in_range("ssh_login", false, "http_get", "http_post"));
        assert!(!in_range("ssh_login", false, "ssh_logins", "ssh_logout"));
        assert!(in_range("kilo", false, "\u{212a}ilo", "\u{212a}ilo") && in_range("es", false, "e\u{17f}", "e\u{17f}"));
        assert!(!in_range("alert", false, "info", "metric") && in_range("alert", false, "Z", "info"));
        assert!(in_range("ssh*", true, "ssh_login", "ssh_login") && !in_range("ssh*", true, "sudo", "sudo"));
        assert!(in_range("*x", true, "a", "b") && in_range("ærlig", false, "a", "b"));
    }
}
