//! Text comparison: case folding and `like` patterns.
//!
//! In: the pattern of a rule, once; a value of an event, many times. Out: whether it fits, and for
//! a pattern the longest literal that every fitting text contains.

use memchr::memmem;

/// Writes `text` without case to `out`: Unicode lower case, character by character, with the two
/// lower-case forms of σ and of s (`ς`, `ſ`) made one.
///
/// Character by character, so that a part of a text folds to a part of the folded text: that is
/// what lets one automaton over folded text find the literals of case-sensitive patterns too.
pub(super) fn fold_into(text: &str, out: &mut String) {
    out.clear();
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
        return;
    }
    for c in text.chars() {
        for lower in c.to_lowercase() {
            out.push(match lower {
                'ς' => 'σ',
                'ſ' => 's',
                other => other,
            });
        }
    }
}

/// [`fold_into`] a new string.
pub(crate) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// A parsed `like` pattern: `*` any run, `?` any one character, `\` makes the next one literal.
#[derive(Debug)]
pub(super) struct Like {
    /// What stands between the stars. The first is anchored at the start, the last at the end.
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(Box<memmem::Finder<'static>>),
    /// `None` is any one character.
    Wild(Vec<Option<char>>),
}

impl Like {
    /// Every text is a pattern: a last lone `\` is itself.
    pub(super) fn new(pattern: &str) -> Like {
        let mut parts = vec![Vec::new()];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let last = parts.last_mut().expect("one part is there from the start");
            match c {
                '*' => parts.push(Vec::new()),
                '?' => last.push(None),
                '\\' => last.push(Some(chars.next().unwrap_or('\\'))),
                c => last.push(Some(c)),
            }
        }
        let end = parts.len() - 1;
        let inner_empty = |i: usize, p: &Vec<_>| i != 0 && i != end && p.is_empty();
        let parts = parts.into_iter().enumerate().filter(|(i, p)| !inner_empty(*i, p)).map(|(_, p)| Part::new(p));
        Like { parts: parts.collect() }
    }

    /// Whether the whole text fits.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts[0].prefix(text) == Some(text.len());
        };
        let Some(start) = first.prefix(text) else { return false };
        let Some(end) = last.suffix(&text[start..]) else { return false };
        let mut rest = &text[start..start + end];
        // Each part has a fixed number of characters, so the leftmost place is never a worse choice.
        for part in middle {
            match part.find_end(rest) {
                Some(end) => rest = &rest[end..],
                None => return false,
            }
        }
        true
    }

    /// The text it equals, when it has no wildcard.
    pub(super) fn equal_to(&self) -> Option<String> {
        match self.parts.as_slice() {
            [Part::Literal(l)] => Some(String::from_utf8_lossy(l.needle()).into_owned()),
            _ => None,
        }
    }

    /// Whether it is `*literal*`, so that finding the literal anywhere is all there is to it.
    pub(super) fn is_contains(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Literal(a), Part::Literal(_), Part::Literal(b)]
            if a.needle().is_empty() && b.needle().is_empty())
    }

    /// The longest run of literal characters; empty when there is none.
    pub(super) fn longest_literal(&self) -> String {
        let mut longest = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(l) => {
                    let text = String::from_utf8_lossy(l.needle()).into_owned();
                    if text.len() > longest.len() {
                        longest = text;
                    }
                }
                Part::Wild(chars) => {
                    for run in chars.split(|c| c.is_none()) {
                        let text: String = run.iter().flatten().collect();
                        if text.len() > longest.len() {
                            longest = text;
                        }
                    }
                }
            }
        }
        longest
    }
}

impl Part {
    fn new(chars: Vec<Option<char>>) -> Part {
        match chars.iter().copied().collect::<Option<String>>() {
            Some(literal) => Part::Literal(Box::new(memmem::Finder::new(&literal).into_owned())),
            None => Part::Wild(chars),
        }
    }

    /// How many bytes it takes at the start of the text.
    fn prefix(&self, text: &str) -> Option<usize> {
        match self {
            Part::Literal(l) => text.as_bytes().starts_with(l.needle()).then(|| l.needle().len()),
            Part::Wild(chars) => {
                let mut rest = text.chars();
                for wanted in chars {
                    let c = rest.next()?;
                    if wanted.is_some_and(|w| w != c) {
                        return None;
                    }
                }
                Some(text.len() - rest.as_str().len())
            }
        }
    }

    /// Where it begins when it stands at the end of the text.
    fn suffix(&self, text: &str) -> Option<usize> {
        match self {
            Part::Literal(l) => text.as_bytes().ends_with(l.needle()).then(|| text.len() - l.needle().len()),
            Part::Wild(chars) => {
                let (start, _) = text.char_indices().rev().nth(chars.len() - 1)?;
                self.prefix(&text[start..]).map(|_| start)
            }
        }
    }

    /// Where its leftmost occurrence ends.
    fn find_end(&self, text: &str) -> Option<usize> {
        match self {
            Part::Literal(l) => l.find(text.as_bytes()).map(|at| at + l.needle().len()),
            Part::Wild(_) => text.char_indices().find_map(|(at, _)| self.prefix(&text[at..]).map(|length| at + length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        let fits = [
            ("abc", "abc"),
            ("a*c", "ac"),
            ("a*c", "abcbc"),
            ("*", ""),
            ("**", "x"),
            ("?", "é"),
            ("*b?d*", "xbbcdy"),
            (r"a\*", "a*"),
            (r"a\", r"a\"),
            ("*.exe", "a.exe.exe"),
            ("a?", "aσ"),
            ("*ab*ab", "abxab"),
        ];
        for (pattern, text) in fits {
            assert!(Like::new(pattern).matches(text), "{pattern} on {text}");
        }
        let misses =
            [("abc", "abcd"), ("a*c", "ab"), ("?", ""), (r"a\*", "ab"), ("ab*ab", "ab"), ("a*?", "a"), ("", "a")];
        for (pattern, text) in misses {
            assert!(!Like::new(pattern).matches(text), "{pattern} on {text}");
        }
    }

    #[test]
    fn literals_are_the_longest() {
        assert_eq!(Like::new("*ab?cde*f").longest_literal(), "cde");
        assert_eq!(Like::new("*?").longest_literal(), "");
        assert!(
            Like::new("*ab*").is_contains() && !Like::new("ab*").is_contains() && !Like::new("*a?b*").is_contains()
        );
        assert_eq!(Like::new(r"a\*b").equal_to().as_deref(), Some("a*b"));
        assert_eq!(Like::new("a*").equal_to(), None);
    }

    #[test]
    fn folding_is_case_free_and_stable() {
        assert_eq!(fold("ÀΣΑΣ ſK"), "àσασ sk");
        for text in ["İstanbul", "ΟΔΥΣΣΕΥΣ", "straße", "K"] {
            assert_eq!(fold(&fold(text)), fold(text));
            assert_eq!(fold(&text.to_lowercase()), fold(text));
        }
    }
}
