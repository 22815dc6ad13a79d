//! The head of an RFC 5424 message, after `<PRI>1 `. In: that text. Out: an [`Envelope`].

use std::borrow::Cow;

use super::clock::Clock;
use super::scan::word;
use super::syslog::Envelope;
use super::time_text;

fn nil(text: &str) -> Option<&str> {
    (text != "-").then_some(text)
}

/// `TIME HOST PROGRAM PROCESS MSGID STRUCTURED-DATA [MESSAGE]`; `None` when it is not that.
pub(super) fn parse<'a>(text: &'a str, clock: &mut Clock) -> Option<Envelope<'a>> {
    let (time, rest) = word(text)?;
    let time = match nil(time) {
        Some(written) => Some(time_text::iso(written, clock).filter(|(_, len)| *len == written.len())?.0),
        None => None,
    };
    let (host, rest) = word(rest)?;
    let (program, rest) = word(rest)?;
    let (process, rest) = word(rest)?;
    let (message_id, rest) = word(rest)?;
    let (structured, rest) = match rest.strip_prefix('-') {
        Some(rest) => ("", rest),
        None => {
            let end = structured_end(rest)?;
            rest.split_at_checked(end)?
        }
    };
    let message = match rest.strip_prefix(' ') {
        Some(message) => message.strip_prefix('\u{feff}').unwrap_or(message),
        None if rest.is_empty() => rest,
        None => return None,
    };
    Some(Envelope {
        priority: None,
        time,
        host: nil(host),
        program: nil(program),
        module: None,
        process: nil(process),
        message_id: nil(message_id),
        structured,
        message,
    })
}

/// Where one or more `[id name="value" …]` end.
fn structured_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while bytes.get(at) == Some(&b'[') {
        let mut inside = false;
        loop {
            at += 1;
            match bytes.get(at)? {
                b'\\' if inside => at += 1,
                b'"' => inside = !inside,
                b']' if !inside => break,
                _ => {}
            }
        }
        at += 1;
    }
    (at > 0).then_some(at)
}

/// Calls `each(element, parameter, value)`; stops where the text is not well formed.
pub(super) fn elements<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str, Cow<'a, str>)) {
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let head = inside.find([' ', ']']).unwrap_or(inside.len());
        let (id, mut parameters) = inside.split_at(head);
        while let Some(parameter) = parameters.strip_prefix(' ') {
            let Some((name, value)) = parameter.split_once("=\"") else { return };
            let (value, after) = super::scan::quoted(value);
            each(id, name, unescaped(value));
            parameters = after;
        }
        let Some(after) = parameters.strip_prefix(']') else { return };
        rest = after;
    }
}

/// `\"`, `\\` and `\]` lose their backslash; any other keeps it (RFC 5424, 6.3.3).
fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ ('"' | '\\' | ']')) if c == '\\' => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::super::syslog;
    use super::*;
    use jiff::tz::TimeZone;

    fn parse(line: &str) -> Option<Envelope<'_>> {
        syslog::parse(line, &mut Clock::new(TimeZone::UTC, 1_795_219_200_000_000))
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let e =
            parse("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed").unwrap();
        assert_eq!(
            (e.priority, e.host, e.program, e.process),
            (Some(34), Some("mymachine.example.com"), Some("su"), None)
        );
        assert_eq!((e.message_id, e.structured, e.message), (Some("ID47"), "", "'su root' failed"));
        let e = parse(
            r#"<165>1 2003-10-11T22:14:15.003Z h evntslog 8710 ID47 [a@1 iut="3" s="x \"]\\ y"][b@1 class="high"][c] text"#,
        )
        .unwrap();
        let mut seen = Vec::new();
        e.elements(|id, name, value| seen.push(format!("{id}.{name}={value}")));
        assert_eq!(seen, ["a@1.iut=3", r#"a@1.s=x "]\ y"#, "b@1.class=high"]);
        assert_eq!((e.process, e.message), (Some("8710"), "text"));
        assert_eq!(parse("<165>1 - - - - - -").unwrap(), Envelope { priority: Some(165), ..Envelope::default() });
    }

    #[test]
    fn a_broken_head_is_kept_as_message() {
        let e = parse("<165>1 2003-10-11T22:14:15.003Z h p - - [open").unwrap();
        assert_eq!(e.message, "1 2003-10-11T22:14:15.003Z h p - - [open");
        assert_eq!(e.time, None);
    }
}
