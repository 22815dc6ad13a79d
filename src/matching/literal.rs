//! Required literals of a regular expression.
//!
//! In: the pattern. Out: folded literals of which every matching text, folded, contains at least
//! one; nothing when there are none worth looking for. The automaton of a field looks for them,
//! and only then is the expression itself tried.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::text::fold;

/// Shorter literals hit nearly every text: trying the expression itself is as cheap.
const SHORTEST: usize = 2;
/// More alternatives than this weigh down the automaton for little.
const MOST: usize = 64;
/// A class with more characters than this is no single letter in its cases.
const CASES: u32 = 8;
/// Repeated literals are unrolled to at most this many.
const REPEATS: u32 = 8;

/// What is known of a part of an expression.
struct Known {
    /// All it can match, folded, when that is one text.
    exact: Option<String>,
    /// Every match contains one of these.
    one_of: Option<Vec<String>>,
}

const NOTHING: Known = Known { exact: None, one_of: None };

/// The literals, or `None` when the expression has to be tried on every text.
pub(super) fn required(pattern: &str) -> Option<Vec<String>> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let known = walk(&hir);
    known.one_of().filter(|set| worth(set) >= SHORTEST)
}

impl Known {
    fn exactly(text: String) -> Known {
        Known { exact: Some(text), one_of: None }
    }

    fn one_of(self) -> Option<Vec<String>> {
        self.exact.map(|e| vec![e]).or(self.one_of)
    }
}

fn worth(set: &[String]) -> usize {
    set.iter().map(String::len).min().unwrap_or(0)
}

fn walk(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::exactly(String::new()),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Known::exactly(fold(text)),
            Err(_) => NOTHING,
        },
        HirKind::Class(class) => letter(class).map_or(NOTHING, Known::exactly),
        HirKind::Repetition(r) => {
            let inner = walk(&r.sub);
            match inner {
                _ if r.min == 0 => NOTHING,
                Known { exact: Some(text), .. } if r.max == Some(r.min) && r.min <= REPEATS => {
                    Known::exactly(text.repeat(r.min as usize))
                }
                inner => Known { exact: None, one_of: inner.one_of() },
            }
        }
        HirKind::Capture(c) => walk(&c.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternation(parts),
    }
}

/// The one letter whose cases a class holds.
fn letter(class: &Class) -> Option<String> {
    let Class::Unicode(class) = class else { return None };
    let count = class.iter().map(|r| u32::from(r.end()) - u32::from(r.start()) + 1).fold(0, u32::saturating_add);
    if count > CASES {
        return None;
    }
    let mut letters = class.iter().flat_map(|r| r.start()..=r.end()).map(|c| fold(c.encode_utf8(&mut [0; 4])));
    let first = letters.next()?;
    letters.all(|l| l == first).then_some(first)
}

fn concat(parts: &[Hir]) -> Known {
    let mut best: Option<Vec<String>> = None;
    let mut consider = |set: Vec<String>| {
        if set.len() <= MOST && best.as_deref().is_none_or(|b| (worth(&set), b.len()) > (worth(b), set.len())) {
            best = Some(set);
        }
    };
    let (mut run, mut whole) = (String::new(), true);
    for part in parts {
        match walk(part) {
            Known { exact: Some(text), .. } => run.push_str(&text),
            other => {
                whole = false;
                consider(vec![std::mem::take(&mut run)]);
                if let Some(set) = other.one_of() {
                    consider(set);
                }
            }
        }
    }
    if whole {
        return Known::exactly(run);
    }
    consider(vec![run]);
    Known { exact: None, one_of: best }
}

fn alternation(parts: &[Hir]) -> Known {
    let mut all = Vec::new();
    for part in parts {
        match walk(part).one_of() {
            Some(set) => all.extend(set),
            None => return NOTHING,
        }
    }
    all.sort_unstable();
    all.dedup();
    match all.len() {
        0..=MOST => Known { exact: None, one_of: Some(all) },
        _ => NOTHING,
    }
}

#[cfg(test)]
mod tests {
    use super::required;

    #[test]
    fn literals_every_match_contains() {
        let of = |p: &str| required(p).map(|v| v.join("|"));
        assert_eq!(of("a.*powershell[0-9]+x").as_deref(), Some("powershell"));
        assert_eq!(of(r"(?i)CMD\.exe").as_deref(), Some("cmd.exe"));
        assert_eq!(of("(foo|BAR)baz?").as_deref(), Some("bar|foo"));
        assert_eq!(of(r"\bsudo\b").as_deref(), Some("sudo"));
        assert_eq!(of("(ab){3}").as_deref(), Some("ababab"));
        assert_eq!(of("x*|foo"), None);
        assert_eq!(of(r"^\d+$"), None);
        assert_eq!(of("foo?").as_deref(), Some("fo"));
    }
}
