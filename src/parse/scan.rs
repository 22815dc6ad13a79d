//! Small scanning steps that the parsers share. In: text. Out: pieces of it, never a copy.

/// What stands before and after the first `byte`, which must be ASCII and is dropped.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The same for words, which are short: a plain loop is faster there than setting up a vector search.
#[inline]
pub(crate) fn word(text: &str) -> Option<(&str, &str)> {
    let at = text.as_bytes().iter().position(|b| *b == b' ')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// An unsigned whole number without sign or blanks.
#[inline]
pub(crate) fn uint(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for b in text.bytes() {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Two digits at a place.
#[inline]
pub(crate) fn two(bytes: &[u8], at: usize) -> Option<u32> {
    let (a, b) = (bytes.get(at)?.wrapping_sub(b'0'), bytes.get(at + 1)?.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then(|| u32::from(a) * 10 + u32::from(b))
}

/// Four digits at a place.
#[inline]
pub(crate) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(two(bytes, at)? * 100 + two(bytes, at + 2)?)
}

/// Whether the byte at a place is this one.
#[inline]
pub(crate) fn is(bytes: &[u8], at: usize, byte: u8) -> bool {
    bytes.get(at) == Some(&byte)
}

/// Reads text up to a closing quote; a backslash keeps the next byte from closing. Gives what stands inside and
/// after; a line that was cut off inside the quotes gives all of it and nothing after.
pub(crate) fn quoted(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[from..]) {
        let at = from + found;
        if bytes[at] == b'"' {
            return (&text[..at], &text[at + 1..]);
        }
        from = (at + 2).min(bytes.len());
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found() {
        assert_eq!(cut("a:b:c", b':'), Some(("a", "b:c")));
        assert_eq!(word("x y"), Some(("x", "y")));
        assert_eq!(uint("18446744073709551615"), Some(u64::MAX));
        assert_eq!((uint("18446744073709551616"), uint("+1"), uint("")), (None, None, None));
        assert_eq!(quoted(r#"a\"b" c"#), (r#"a\"b"#, " c"));
        assert_eq!(quoted(r"cut off \"), (r"cut off \", ""));
    }
}
