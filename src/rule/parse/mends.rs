//! Mends of a text that is read as it was meant. In: what stands there, and what to read instead. Out: the text, and where
//! each byte of it stands in the one that was written.

use std::ops::Range;

use crate::rule::diagnostic::Diagnostic;

/// What was put in the place of something else, by where it stands now.
#[derive(Debug, Default)]
pub(super) struct Mends(Vec<Mend>);

#[derive(Debug)]
struct Mend {
    start: usize,
    /// Bytes now, and as it was written.
    now: usize,
    written: usize,
}

impl Mends {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `fix` in the place of `range`; false where something was mended already, or nothing stands.
    pub(super) fn mend(&mut self, text: &mut String, range: Range<usize>, fix: &str) -> bool {
        let meets = |mend: &Mend| range.start < mend.start + mend.now && mend.start < range.end;
        if range.is_empty() || text.get(range.clone()).is_none_or(|there| there == fix) || self.0.iter().any(meets) {
            return false;
        }
        for mend in self.0.iter_mut().filter(|mend| mend.start >= range.end) {
            mend.start = mend.start - range.len() + fix.len();
        }
        text.replace_range(range.clone(), fix);
        self.0.push(Mend { start: range.start, now: fix.len(), written: range.len() });
        self.0.sort_by_key(|mend| mend.start);
        true
    }

    /// Where a byte of the mended text stands in the one that was written.
    pub(super) fn written(&self, at: usize) -> usize {
        let (mut now, mut written) = (0, 0);
        for mend in self.0.iter().take_while(|mend| mend.start < at) {
            let before = (at - mend.start).min(mend.now);
            now += before;
            written += if before == mend.now { mend.written } else { before.min(mend.written) };
        }
        at - now + written
    }

    /// What was found in the mended text, said of the file, in which that begins at `base`.
    pub(super) fn moved(&self, mut found: Diagnostic, base: usize) -> Diagnostic {
        for place in std::iter::once(&mut found.place).chain(&mut found.related) {
            (place.start, place.end) = (base + self.written(place.start), base + self.written(place.end));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_what_was_written() {
        let (mut mends, mut text) = (Mends::default(), "a = b severty c".to_owned());
        assert!(mends.mend(&mut text, 6..13, "severity") && mends.mend(&mut text, 2..3, "=="));
        assert_eq!(text, "a == b severity c");
        let written = |word: &str| mends.written(text.find(word).unwrap());
        assert_eq!((written("=="), written("b"), written("severity"), written(" c")), (2, 4, 6, 13));
        assert_eq!((mends.written(4), mends.written(text.len())), (3, 15));
        assert!(!mends.mend(&mut text, 2..4, "!="), "once");
    }
}
