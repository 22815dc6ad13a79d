//! A posted body of JSON in, one line an event out.
//!
//! The body may be an object, an array of them, or objects one after the other (NDJSON, or printed over
//! several lines). Values are passed on as they were written, only line ends between their tokens become
//! spaces. In NDJSON a broken line is kept as it is, so that it is counted as a parse failure and not
//! lost; a broken array is refused as a whole, since where its elements end cannot be known.

use serde::de::IgnoredAny;

/// Why a body is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum NotEvents {
    /// There is nothing in it.
    #[error("the body is empty: send a JSON object, an array of them, or one a line")]
    Empty,
    /// It is not text.
    #[error("the body is not UTF-8 (at byte {0}): send JSON, or post log files to /ingest")]
    NotText(usize),
    /// An array that cannot be read.
    #[error("the JSON array cannot be read: {0}")]
    BrokenArray(String),
    /// No line of it is an object.
    #[error("the body holds no JSON object: send one, an array of them, or one a line; post log files to /ingest")]
    NoObject,
}

/// The events of a body, one a line.
pub(super) fn split(body: &[u8]) -> Result<Vec<u8>, NotEvents> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|e| NotEvents::NotText(e.valid_up_to()))?;
    let start = skip_space(body, 0);
    let mut lines = Lines { text: Vec::with_capacity(body.len() - start + 1), objects: 0 };
    match body.get(start) {
        None => return Err(NotEvents::Empty),
        Some(b'[') => array(body, start, &mut lines)?,
        Some(_) => sequence(body, start, &mut lines),
    }
    if lines.objects == 0 {
        return Err(if lines.text.is_empty() { NotEvents::Empty } else { NotEvents::NoObject });
    }
    Ok(lines.text)
}

struct Lines {
    text: Vec<u8>,
    objects: usize,
}

impl Lines {
    /// Raw line ends cannot stand inside a JSON string, so they only ever separate tokens.
    fn value(&mut self, value: &[u8]) {
        self.objects += usize::from(value.first() == Some(&b'{'));
        self.text.extend(value.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
        self.text.push(b'\n');
    }

    fn broken(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line.trim_ascii());
        self.text.push(b'\n');
    }
}

fn skip_space(body: &[u8], from: usize) -> usize {
    body[from..].iter().position(|b| !b.is_ascii_whitespace()).map_or(body.len(), |n| from + n)
}

/// Where the value that starts at `at` ends.
fn value_end(body: &[u8], at: usize) -> Result<usize, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_slice(&body[at..]).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(at + values.byte_offset()),
        Some(Err(error)) => Err(error),
        None => Ok(at),
    }
}

fn array(body: &[u8], start: usize, lines: &mut Lines) -> Result<(), NotEvents> {
    // Read as a whole first: the error then has the line and column of the body.
    serde_json::from_slice::<IgnoredAny>(body).map_err(|e| NotEvents::BrokenArray(e.to_string()))?;
    let mut at = skip_space(body, start + 1);
    while body.get(at).is_some_and(|b| *b != b']') {
        let end = value_end(body, at).map_err(|e| NotEvents::BrokenArray(e.to_string()))?;
        lines.value(&body[at..end]);
        at = skip_space(body, end);
        if body.get(at) == Some(&b',') {
            at = skip_space(body, at + 1);
        }
    }
    Ok(())
}

fn sequence(body: &[u8], start: usize, lines: &mut Lines) {
    // Once a value has run to the end of the body without ending, the next ones are tried a line at a time:
    // otherwise a body of broken lines would be read as many times as it has lines.
    let (mut at, mut whole) = (start, true);
    while at < body.len() {
        let line_end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |n| at + n);
        let within = if whole { body } else { &body[..line_end] };
        let end = match body[at] {
            b'{' => match value_end(within, at) {
                Ok(end) => Some(end).filter(|end| ends_well(body, *end)),
                Err(error) => {
                    whole &= !(error.is_eof() && within.len() == body.len());
                    None
                }
            },
            _ => None,
        };
        match end {
            Some(end) => {
                lines.value(&body[at..end]);
                at = skip_space(body, end);
            }
            None => {
                lines.broken(&body[at..line_end]);
                at = skip_space(body, line_end);
            }
        }
    }
}

/// Whether nothing but another object, a line end or the end follows.
fn ends_well(body: &[u8], end: usize) -> bool {
    let next = body[end..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r'));
    matches!(next, None | Some(b'\n' | b'{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, lines: &str) {
        let out = split(body.as_bytes()).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(String::from_utf8(out).unwrap(), lines, "{body}");
    }

    #[test]
    fn every_form_becomes_lines() {
        check("{\"a\":1.50}", "{\"a\":1.50}\n");
        check(" {\n  \"a\": 1\r\n}\n", "{   \"a\": 1  }\n");
        check("[{\"a\":1},\n {\"b\":\"],[\\n\"} , 3]", "{\"a\":1}\n{\"b\":\"],[\\n\"}\n3\n");
        check("{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
        check("{\"a\":1}{\"b\":\n2}", "{\"a\":1}\n{\"b\": 2}\n");
        check("\u{feff}{}", "{}\n");
    }

    #[test]
    fn broken_lines_are_kept_between_good_ones() {
        check("{\"a\":1}\n{\"b\":\n{\"c\":3}", "{\"a\":1}\n{\"b\":\n{\"c\":3}\n");
        check("{\"a\":1}\noops\n\"x\"\n{\"c\":3}", "{\"a\":1}\noops\n\"x\"\n{\"c\":3}\n");
        check("{\"a\":1} tail\n{\"c\":3}", "{\"a\":1} tail\n{\"c\":3}\n");
        check("{\"a\":1,\n\"b\":2\n{\"c\":3}\n", "{\"a\":1,\n\"b\":2\n{\"c\":3}\n");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in ["", " \n\t", "[]"] {
            assert_eq!(split(body.as_bytes()), Err(NotEvents::Empty), "{body}");
        }
        for body in ["hello", "12", "\"x\"", "[1,2]", "{\"a\":", "<xml/>\n<xml/>"] {
            assert_eq!(split(body.as_bytes()), Err(NotEvents::NoObject), "{body}");
        }
        assert_eq!(split(b"{}\xff"), Err(NotEvents::NotText(2)));
        for body in ["[{\"a\":1},", "[{\"a\":1}] tail", "[{\"a\":1} {\"b\":2}]", "[,]"] {
            assert!(matches!(split(body.as_bytes()), Err(NotEvents::BrokenArray(_))), "{body}");
        }
    }

    #[test]
    fn a_body_of_broken_lines_is_read_once() {
        let body = "{\"a\":[1,\n2,\n".repeat(100_000);
        assert_eq!(split(body.as_bytes()), Err(NotEvents::NoObject));
        let deep = "{\"a\":".repeat(100_000);
        assert_eq!(split(deep.as_bytes()), Err(NotEvents::NoObject));
        let array = "[".repeat(100_000);
        assert!(matches!(split(array.as_bytes()), Err(NotEvents::BrokenArray(_))));
    }
}
