//! The canonical form of a file. In: its text. Out: what to replace by what, so that lines which are right stay untouched
//! and the cursor with them; nothing when it has the form already, or when it does not parse.

use crate::rule::ast::Span;
use crate::rule::format;

/// The lines to replace, and their new text.
pub(crate) fn reformat(text: &str) -> Option<(Span, String)> {
    let formatted = format::format(text).ok()?;
    difference(text, &formatted)
}

/// What lies between the first and the last lines that both texts have.
fn difference(old: &str, new: &str) -> Option<(Span, String)> {
    if old == new {
        return None;
    }
    let same = |pair: &(&str, &str)| pair.0 == pair.1;
    let lines = |text| str::split_inclusive(text, '\n');
    let head: usize = lines(old).zip(lines(new)).take_while(same).map(|(line, _)| line.len()).sum();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail =
        lines(old_rest).rev().zip(lines(new_rest).rev()).take_while(same).map(|(line, _)| line.len()).sum::<usize>();
    let span = Span { start: head, end: old.len() - tail };
    Some((span, new_rest[..new_rest.len() - tail].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_right_stay() {
        let check = |old: &str, new: &str| {
            let mut text = old.to_owned();
            let found = difference(old, new);
            if let Some((span, by)) = &found {
                text.replace_range(span.start..span.end, by);
            }
            assert_eq!(text, new);
            found.map(|(span, by)| (old[span.start..span.end].to_owned(), by))
        };
        let some = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        assert_eq!(check("a\n b\nc\n", "a\nb\nc\n"), some(" b\n", "b\n"));
        assert_eq!(check("a\nb", "a\nb\n"), some("b", "b\n"));
        assert_eq!(check("a\na\n", "a\n"), some("a\n", ""));
        assert_eq!(check("a\n", "a\na\n"), some("", "a\n"));
        assert_eq!(check("", "a\n"), some("", "a\n"));
        assert_eq!(check("a\n", "a\n"), None);
    }
}
