//! A cursor over JSON text. In: a line. Out: its tokens, borrowed from it. No tree is built.

use memchr::memchr2;

/// What keeps a text from being one JSON object. The line is kept all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A value, or where a nested one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text between quotes, and whether it has escapes.
    Text(&'a str, bool),
    /// A number, `true` or `false`, as written.
    Plain(&'a str),
    Null,
    /// `{`, consumed.
    Object,
    /// `[`, consumed.
    Array,
}

/// Reads from the front of a text.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// The next byte that is not blank, not consumed.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Consumes this byte if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(Malformed) }
    }

    /// Position, for [`Cursor::since`].
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The text from a position to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// A string and whether it has escapes; the opening quote is next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<(&'a str, bool), Malformed> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            let found = memchr2(b'"', b'\\', &bytes[self.at..]).ok_or(Malformed)?;
            self.at += found;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Ok((&self.text[start..self.at - 1], escaped));
            }
            escaped = true;
            self.at += 2;
            if self.at > bytes.len() {
                return Err(Malformed);
            }
        }
    }

    /// The next value.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Token<'a>, Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'"' => self.string().map(|(text, escaped)| Token::Text(text, escaped)),
            b'{' => {
                self.at += 1;
                Ok(Token::Object)
            }
            b'[' => {
                self.at += 1;
                Ok(Token::Array)
            }
            b'-' | b'0'..=b'9' => self.number().map(Token::Plain),
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let (token, len) = match rest {
                    [b't', b'r', b'u', b'e', ..] => (Token::Plain("true"), 4),
                    [b'f', b'a', b'l', b's', b'e', ..] => (Token::Plain("false"), 5),
                    [b'n', b'u', b'l', b'l', ..] => (Token::Null, 4),
                    _ => return Err(Malformed),
                };
                self.at += len;
                Ok(token)
            }
        }
    }

    fn number(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            if *at > from { Ok(()) } else { Err(Malformed) }
        };
        let mut at = start + usize::from(bytes[start] == b'-');
        digits(&mut at)?;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            digits(&mut at)?;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            digits(&mut at)?;
        }
        self.at = at;
        Ok(&self.text[start..at])
    }

    /// Passes over the rest of an object or array whose opening bracket was consumed. Only strings and brackets
    /// are looked at, so that depth costs a bit each and no stack.
    pub(super) fn skip_nested(&mut self, opened: u8) -> Result<(), Malformed> {
        let bytes = self.text.as_bytes();
        let mut open = vec![opened];
        while let Some(last) = open.last().copied() {
            match *bytes.get(self.at).ok_or(Malformed)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                bracket @ (b'{' | b'[') => open.push(bracket),
                b'}' if last == b'{' => drop(open.pop()),
                b']' if last == b'[' => drop(open.pop()),
                b'}' | b']' => return Err(Malformed),
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }
}

/// Appends a string's content with its escapes resolved.
pub(super) fn unescape(text: &str, out: &mut String) -> Result<(), Malformed> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let code = *rest.as_bytes().get(at + 1).ok_or(Malformed)?;
        let mut used = 2;
        out.push(match code {
            b'"' | b'\\' | b'/' => char::from(code),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (c, len) = unicode(&rest[at..])?;
                used = len;
                c
            }
            _ => return Err(Malformed),
        });
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    Ok(())
}

/// `\uXXXX` or a pair of them; a lone surrogate becomes U+FFFD.
fn unicode(text: &str) -> Result<(char, usize), Malformed> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 4).ok_or(Malformed)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Malformed);
        }
        u32::from_str_radix(digits, 16).map_err(|_| Malformed)
    };
    let first = unit(2)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, 6));
    }
    if first < 0xdc00 && text.get(6..8) == Some("\\u") {
        let second = unit(8)?;
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
        }
    }
    Ok((char::REPLACEMENT_CHARACTER, 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> Result<String, Malformed> {
        let mut out = String::new();
        unescape(text, &mut out).map(|()| out)
    }

    #[test]
    fn escapes() {
        assert_eq!(unescaped(r#"a\"\\\/\b\f\n\r\té"#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té");
        assert_eq!(unescaped(r"\u00e9\ud83d\ude00\ud83dx").unwrap(), "é😀\u{fffd}x");
        for bad in [r"\x", r"\u12", r"\u+123", "\\", r"\ué123"] {
            assert_eq!(unescaped(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn tokens() {
        let mut c = Cursor::new(r#" "a\"b" -1.5e+3 true null [1, {"x]": 2}] "#);
        assert_eq!(c.value(), Ok(Token::Text(r#"a\"b"#, true)));
        assert_eq!(c.value(), Ok(Token::Plain("-1.5e+3")));
        assert_eq!(c.value(), Ok(Token::Plain("true")));
        assert_eq!(c.value(), Ok(Token::Null));
        assert_eq!(c.value(), Ok(Token::Array));
        let start = c.position();
        assert_eq!(c.skip_nested(b'['), Ok(()));
        assert_eq!(c.since(start), r#"1, {"x]": 2}]"#);
        assert_eq!(c.value(), Err(Malformed));
        for bad in ["\"abc", "\"a\\", "-", "1.", "1e", "tru", "é"] {
            assert_eq!(Cursor::new(bad).value(), Err(Malformed), "{bad}");
        }
        assert_eq!(Cursor::new("1}").skip_nested(b'['), Err(Malformed));
    }
}
