//! Syslog lines: RFC 3164 as it is found in the wild, with or without `<PRI>`, with its own or an ISO
//! time; RFC 5424 by way of `syslog5424.rs`. In: a line. Out: an [`Envelope`] around a message.

use super::clock::Clock;
use super::scan::{uint, word};
use super::{syslog5424, time_text};

/// What stands around a syslog message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Facility × 8 + severity, 0 to 191.
    pub priority: Option<u8>,
    /// When it happened, µs UTC.
    pub time: Option<i64>,
    /// The machine that wrote it.
    pub host: Option<&'a str>,
    /// The program, without path brackets or process id.
    pub program: Option<&'a str>,
    /// The PAM module in an old-style tag, `sshd(pam_unix)[1]:`.
    pub module: Option<&'a str>,
    /// The process id, as written.
    pub process: Option<&'a str>,
    /// RFC 5424's message id.
    pub message_id: Option<&'a str>,
    /// RFC 5424's structured data, well formed or empty; see [`Envelope::elements`].
    pub structured: &'a str,
    /// The message: always the tail of the line.
    pub message: &'a str,
}

/// Names of severities 0 to 7, as `log.level` has them.
pub const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

impl<'a> Envelope<'a> {
    /// Calls `each(element, parameter, value)` for RFC 5424's structured data.
    pub fn elements(&self, each: impl FnMut(&'a str, &'a str, std::borrow::Cow<'a, str>)) {
        syslog5424::elements(self.structured, each);
    }
}

/// Takes a line apart; `None` when it is not syslog: neither a priority nor a time at its head.
pub fn parse<'a>(line: &'a str, clock: &mut Clock) -> Option<Envelope<'a>> {
    let (priority, rest) = match line.as_bytes().first()? {
        b'<' => {
            let (priority, rest) = priority(line)?;
            if let Some(version) = rest.strip_prefix("1 ")
                && let Some(envelope) = syslog5424::parse(version, clock)
            {
                return Some(Envelope { priority: Some(priority), ..envelope });
            }
            (Some(priority), rest)
        }
        _ => (None, line),
    };
    let read = match rest.as_bytes().first() {
        Some(b'A'..=b'Z') => time_text::bsd(rest, clock),
        Some(b'0'..=b'9') if rest.as_bytes().get(10) == Some(&b'T') => time_text::iso(rest, clock),
        _ => None,
    };
    let Some((time, len)) = read else {
        // Small devices send a priority and nothing else.
        let priority = Some(priority?);
        let mut envelope = Envelope { priority, message: rest, ..Envelope::default() };
        tag(&mut envelope);
        return Some(envelope);
    };
    let rest = rest.get(len..)?;
    let rest = match rest.strip_prefix(':').unwrap_or(rest).strip_prefix(' ') {
        Some(rest) => rest,
        None if rest.is_empty() => rest,
        None => return None,
    };
    let mut envelope = Envelope { priority, time: Some(time), message: rest, ..Envelope::default() };
    // A first word that ends like a tag is one: programs that log over the local socket give no host.
    if let Some((host, after)) = word(rest)
        && !host.is_empty()
        && !host.ends_with(':')
    {
        envelope.host = Some(host);
        envelope.message = after;
    }
    tag(&mut envelope);
    Some(envelope)
}

fn priority(line: &str) -> Option<(u8, &str)> {
    let bytes = line.as_bytes();
    let end = bytes.iter().take(5).position(|b| *b == b'>')?;
    let value = uint(line.get(1..end)?)?;
    Some((u8::try_from(value).ok().filter(|p| *p < 192)?, line.get(end + 1..)?))
}

/// Takes `program[pid]:` off the head of the message, if it is there.
fn tag(envelope: &mut Envelope<'_>) {
    let text = envelope.message;
    let bytes = text.as_bytes();
    let ends = |b: &u8| matches!(b, b':' | b'[' | b' ' | b'"' | b'=' | b'{');
    let Some(end) = bytes[..bytes.len().min(128)].iter().position(ends).filter(|end| *end > 0) else { return };
    let (name, mut process, mut after) = (&text[..end], None, end);
    if bytes[end] == b'[' {
        let rest = &bytes[end..bytes.len().min(end + 32)];
        let Some(close) = rest.iter().position(|b| *b == b']') else { return };
        process = Some(&text[end + 1..end + close]);
        after = end + close + 1;
    }
    match bytes.get(after) {
        Some(b':') => after += 1,
        // `prog[pid] message` and `prog[pid]` without a colon are seen too; a bare word is message.
        Some(b' ') | None if process.is_some() => {}
        _ => return,
    }
    (envelope.program, envelope.module) = (Some(name), None);
    if name.ends_with(')')
        && let Some((name, module)) = name[..name.len() - 1].split_once('(')
        && !name.is_empty()
    {
        (envelope.program, envelope.module) = (Some(name), Some(module));
    }
    envelope.process = process.filter(|p| !p.is_empty());
    after += usize::from(bytes.get(after) == Some(&b' '));
    envelope.message = &text[after..];
}

/// `message repeated N times: [ x ]` is N times x.
pub fn repeated(message: &str) -> Option<(u64, &str)> {
    let (count, rest) = word(message.strip_prefix("message repeated ")?)?;
    let inner = rest.strip_prefix("times: [")?.strip_suffix(']')?;
    Some((uint(count).filter(|n| *n > 0)?, inner.strip_prefix(' ').unwrap_or(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn parse(line: &str) -> Option<Envelope<'_>> {
        super::parse(line, &mut Clock::new(TimeZone::UTC, 1_795_219_200_000_000))
    }

    type Parts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a str);

    fn parts(line: &str) -> Option<Parts<'_>> {
        parse(line).map(|e| (e.host, e.program, e.process, e.message))
    }

    #[test]
    fn plain_lines() {
        assert_eq!(
            parts("Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user x from 1.2.3.4"),
            Some((Some("LabSZ"), Some("sshd"), Some("24200"), "Invalid user x from 1.2.3.4"))
        );
        let old = parse("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: check pass; user unknown").unwrap();
        assert_eq!((old.program, old.module, old.process), (Some("sshd"), Some("pam_unix"), Some("19939")));
        assert_eq!(
            parts("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"),
            Some((Some("mymachine"), Some("su"), None, "'su root' failed for lonvick on /dev/pts/8"))
        );
        assert_eq!(
            parts("2024-05-01T10:00:00.123456+02:00 web-01 systemd-logind[1]: New session"),
            Some((Some("web-01"), Some("systemd-logind"), Some("1"), "New session"))
        );
        assert_eq!(
            parts("Jul  1 00:21:28 combo  -- root[2421]: ROOT LOGIN ON tty2"),
            Some((Some("combo"), None, None, " -- root[2421]: ROOT LOGIN ON tty2"))
        );
        assert_eq!(
            parts("Jul  1 00:21:28 combo syslogd 1.4.1: restart."),
            Some((Some("combo"), None, None, "syslogd 1.4.1: restart."))
        );
        assert_eq!(parts("<13>Oct 11 22:14:15 su: hi"), Some((None, Some("su"), None, "hi")));
        assert_eq!(parts("<13>link up"), Some((None, None, None, "link up")));
        assert_eq!(parts("<13>fw: link up"), Some((None, Some("fw"), None, "link up")));
    }

    #[test]
    fn what_is_not_syslog() {
        for line in
            ["", "hello", "<192>x", "<x>y", "<", "Dec 10 06:55:46LabSZ x", "2024-05-01", "Dec 10 06:55:4é h p: m"]
        {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn repetitions() {
        assert_eq!(repeated("message repeated 5 times: [ Failed x]"), Some((5, "Failed x")));
        assert_eq!(repeated("message repeated 0 times: [ x]"), None);
        assert_eq!(repeated("last message repeated 5 times"), None);
    }
}
