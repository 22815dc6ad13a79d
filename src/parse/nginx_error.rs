//! Nginx's error log. In: a line. Out: an [`Error`].

use super::access::Request;
use super::clock::Clock;
use super::scan::{cut, quoted, uint};
use super::time_text;

/// One line of the error log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Error<'a> {
    /// When, µs UTC.
    pub time: i64,
    /// `error`, `warn` …, as written.
    pub level: &'a str,
    /// The worker process.
    pub process: Option<u64>,
    /// What happened and all that follows: the tail of the line.
    pub message: &'a str,
    /// Only what happened.
    pub text: &'a str,
    /// Address of the client.
    pub client: Option<&'a str>,
    /// The host asked for, or else the server's name.
    pub domain: Option<&'a str>,
    /// The request line.
    pub request: Request<'a>,
    /// The Referer header.
    pub referrer: Option<&'a str>,
}

/// Takes `2024/05/01 10:00:00 [error] 12#34: *56 what, client: …` apart; `None` when it is not that.
pub fn parse<'a>(line: &'a str, clock: &mut Clock) -> Option<Error<'a>> {
    let (time, len) = time_text::nginx_error(line, clock)?;
    let rest = line.get(len..)?.strip_prefix(" [")?;
    let (level, rest) = cut(rest, b']')?;
    let (ids, rest) = cut(rest.strip_prefix(' ')?, b':')?;
    let (process, thread) = ids.split_once('#')?;
    uint(thread)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let message = match rest.strip_prefix('*').and_then(|r| r.split_once(' ')) {
        Some((connection, message)) if uint(connection).is_some() => message,
        _ => rest,
    };
    let mut error = Error { time, level, process: uint(process), message, text: message, ..Error::default() };
    // What clients send stands in what happened too, so the last place counts.
    if let Some(at) = message.rfind(", client: ") {
        error.text = &message[..at];
        connection(&message[at + 2..], &mut error);
    }
    Some(error)
}

/// `client: 1.2.3.4, server: x, request: "GET / HTTP/1.1", host: "y"`.
fn connection<'a>(mut text: &'a str, error: &mut Error<'a>) {
    let (mut server, mut host) = (None, None);
    while let Some((name, value)) = text.split_once(": ") {
        let (value, rest) = match value.strip_prefix('"') {
            Some(value) => quoted(value),
            None => value.find(", ").map_or((value, ""), |at| value.split_at(at)),
        };
        match name {
            "client" => error.client = Some(value),
            "server" => server = Some(value).filter(|s| !s.is_empty() && *s != "_"),
            "request" => error.request = Request::parse(value),
            "host" => host = Some(value).filter(|h| !h.is_empty()),
            "referrer" => error.referrer = Some(value),
            _ => {}
        }
        text = rest.strip_prefix(", ").unwrap_or("");
    }
    error.domain = host.or(server);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn a_failed_request() {
        let mut clock = Clock::new(TimeZone::UTC, 0);
        let line = r#"2024/05/01 10:00:00 [error] 12#34: *56 open() "/var/www/x" failed (2: No such file), client: 192.0.2.7, server: _, request: "GET /x?a=b HTTP/1.1", host: "example.com", referrer: "http://r/""#;
        let e = parse(line, &mut clock).unwrap();
        assert_eq!(
            (e.level, e.process, e.client, e.domain),
            ("error", Some(12), Some("192.0.2.7"), Some("example.com"))
        );
        assert_eq!((e.request.target, e.referrer), (Some("/x?a=b"), Some("http://r/")));
        assert_eq!(e.text, r#"open() "/var/www/x" failed (2: No such file)"#);
        let e = parse("2024/05/01 10:00:00 [notice] 1#1: signal process started", &mut clock).unwrap();
        assert_eq!((e.message, e.client), ("signal process started", None));
        for bad in ["", "2024/05/01 10:00:00", "2024/05/01 10:00:00 [x] y", "2024/05/01 10:00:00 [x] 1#y: z"] {
            assert_eq!(parse(bad, &mut clock), None);
        }
    }
}
