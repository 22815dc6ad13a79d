//! Tests of one field compared: what one says of another. In: tests of a plan. Out: what is certain; `false` or `None`
//! where nothing is.

use std::net::IpAddr;

pub(super) use crate::rule::level::Patterns;
use crate::rule::plan::{Network, Test};

/// Sets with more values are not looked through.
const MOST: usize = 2_000;

/// Whether every value that passes `a` passes `b`.
pub(super) fn within(a: &Test, b: &Test, patterns: &mut Patterns) -> bool {
    match (a, b) {
        (_, Test::Exists) => true,
        (Test::OneOf { values, fold }, _) if values.len() <= MOST => {
            values.iter().all(|v| passes(v, *fold, b, patterns) == Some(true))
        }
        (Test::Numbers(numbers), _) => numbers.iter().all(|n| holds(*n, b) == Some(true)),
        (Test::Range(low, high), Test::Range(least, most)) => least <= low && high <= most,
        (Test::Network(inner), Test::Network(outer)) => inner.iter().all(|i| outer.iter().any(|o| contains(*o, *i))),
        (Test::Like { pattern, fold }, Test::Like { pattern: other, fold: folds }) => match (fold, folds) {
            (true, false) => false,
            (false, true) => like_within(&pattern.to_lowercase(), other),
            (true, true) | (false, false) => like_within(pattern, other),
        },
        (a, b) => a == b,
    }
}

/// Whether no single value passes all tests of `hold` and none of `fail`.
pub(super) fn none(hold: &[&Test], fail: &[&Test], patterns: &mut Patterns) -> bool {
    for test in hold {
        let (exhausted, known) = match test {
            Test::OneOf { values, fold } if values.len() <= MOST => {
                let mut left = values.iter().filter(|v| {
                    let mut says = |t: &Test| passes(v, *fold, t, patterns);
                    hold.iter().all(|t| says(t) != Some(false)) && fail.iter().all(|t| says(t) != Some(true))
                });
                (left.next().is_none(), true)
            }
            Test::Numbers(numbers) => {
                let left = |n: &&i128| {
                    hold.iter().all(|t| holds(**n, t) != Some(false))
                        && fail.iter().all(|t| holds(**n, t) != Some(true))
                };
                (!numbers.iter().any(|n| left(&n)), true)
            }
            Test::Network(networks) => {
                let meets = |n: &Network, o: &Network| contains(*n, *o) || contains(*o, *n);
                let apart = |other: &Test| {
                    let Test::Network(others) = other else { return false };
                    !networks.iter().any(|n| others.iter().any(|o| meets(n, o)))
                };
                (hold.iter().any(|t| apart(t)), false)
            }
            Test::Like { pattern, fold } => {
                let apart = |other: &Test| matches!(other, Test::Like { pattern: other, fold: folds } if fold == folds && ends_differ(pattern, other));
                (hold.iter().any(|t| apart(t)), false)
            }
            Test::Exists | Test::OneOf { .. } | Test::Regex(_) | Test::Range(..) | Test::Listed(_) => (false, false),
        };
        if exhausted {
            return true;
        }
        if known {
            return false;
        }
    }
    empty_range(hold, fail)
}

/// Whether ranges leave no number.
fn empty_range(hold: &[&Test], fail: &[&Test]) -> bool {
    let ranges = hold.iter().filter_map(|t| if let Test::Range(low, high) = t { Some((*low, *high)) } else { None });
    let Some((mut low, mut high)) = ranges.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1))) else { return false };
    // What is taken away at an end moves it; a range that takes both moves them past one another.
    loop {
        let before = (low, high);
        for test in fail {
            if let Test::Range(from, to) = test {
                low = if from <= &low && &low <= to { to.saturating_add(1) } else { low };
                high = if from <= &high && &high <= to { from.saturating_sub(1) } else { high };
            } else if let Test::Numbers(numbers) = test {
                low = if numbers.contains(&low) { low.saturating_add(1) } else { low };
                high = if numbers.contains(&high) { high.saturating_sub(1) } else { high };
            }
        }
        if low > high {
            return true;
        }
        if before == (low, high) {
            return false;
        }
    }
}

/// Whether a text passes a test; one that `fold`s is known in lower case only.
fn passes(value: &str, fold: bool, test: &Test, patterns: &mut Patterns) -> Option<bool> {
    let lower = value.to_lowercase();
    // Without letters there is only one way to write it.
    let open = fold && value.to_uppercase() != lower;
    let cased = |answer: bool, no: bool| if open && (answer || !no) { None } else { Some(answer) };
    match test {
        Test::Exists => Some(true),
        Test::OneOf { values, fold: true } => Some(values.contains(&lower)),
        Test::OneOf { values, fold: false } => {
            cased(values.contains(value), !values.iter().any(|v| v.to_lowercase() == lower))
        }
        Test::Like { pattern, fold: true } => Some(patterns.like(pattern).is_match(&lower)),
        Test::Like { pattern, fold: false } => {
            let loose = patterns.like(&pattern.to_lowercase()).is_match(&lower);
            cased(patterns.like(pattern).is_match(value), !loose)
        }
        Test::Regex(pattern) if !open || pattern.starts_with("(?i)") => Some(patterns.regex(pattern).is_match(value)),
        Test::Network(networks) => {
            value.parse::<IpAddr>().ok().map(|address| networks.iter().any(|n| n.contains(address)))
        }
        Test::Regex(_) | Test::Range(..) | Test::Numbers(_) | Test::Listed(_) => None,
    }
}

fn holds(number: i128, test: &Test) -> Option<bool> {
    match test {
        Test::Exists => Some(true),
        Test::Range(low, high) => Some((*low..=*high).contains(&number)),
        Test::Numbers(numbers) => Some(numbers.contains(&number)),
        Test::OneOf { .. } | Test::Like { .. } | Test::Regex(_) | Test::Network(_) | Test::Listed(_) => None,
    }
}

fn contains(outer: Network, inner: Network) -> bool {
    let shift = 128 - u32::from(outer.prefix);
    outer.prefix <= inner.prefix && (outer.prefix == 0 || (outer.base ^ inner.base) >> shift == 0)
}

/// The literal pieces of a `like` pattern, between its wildcards; `None` when it has a `?`.
fn pieces(pattern: &str) -> Option<Vec<String>> {
    let mut out = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '?' => return None,
            '*' => out.push(String::new()),
            c => {
                let literal = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                out.last_mut().expect("it starts with one").push(literal);
            }
        }
    }
    Some(out)
}

/// Whether every text that fits `a` fits `b`, for a `b` with at most two stars.
fn like_within(a: &str, b: &str) -> bool {
    let (Some(inner), Some(outer)) = (pieces(a), pieces(b)) else { return a == b };
    let (first, last) = (&inner[0], &inner[inner.len() - 1]);
    match outer.as_slice() {
        [start, end] if inner.len() > 1 => first.starts_with(start.as_str()) && last.ends_with(end.as_str()),
        [start, middle, end] if start.is_empty() && end.is_empty() => inner.iter().any(|i| i.contains(middle.as_str())),
        _ => a == b,
    }
}

/// Whether the patterns ask for different beginnings, or different ends.
fn ends_differ(a: &str, b: &str) -> bool {
    let (Some(a), Some(b)) = (pieces(a), pieces(b)) else { return false };
    let starts = |x: &str, y: &str| !x.starts_with(y) && !y.starts_with(x);
    let ends = |x: &str, y: &str| !x.ends_with(y) && !y.ends_with(x);
    starts(&a[0], &b[0]) || ends(&a[a.len() - 1], &b[b.len() - 1])
}
