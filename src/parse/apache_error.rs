//! Apache's error log, 2.2 and 2.4. In: a line. Out: an [`Error`].

use super::clock::Clock;
use super::scan::{cut, uint};
use super::time_text;

/// One line of the error log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Error<'a> {
    /// When, µs UTC.
    pub time: i64,
    /// The module that wrote it (2.4).
    pub module: Option<&'a str>,
    /// `error`, `notice` …, as written.
    pub level: &'a str,
    /// The process id (2.4).
    pub process: Option<u64>,
    /// Address of the client.
    pub client: Option<&'a str>,
    /// Its port (2.4).
    pub port: Option<u64>,
    /// `AH00135` (2.4).
    pub code: Option<&'a str>,
    /// The tail of the line after the brackets.
    pub message: &'a str,
    /// The Referer header.
    pub referrer: Option<&'a str>,
}

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

fn is_level(word: &str) -> bool {
    LEVELS.contains(&word) || word.strip_prefix("trace").is_some_and(|n| n.len() == 1 && uint(n).is_some())
}

/// Takes `[time] [level] …` and `[time] [module:level] [pid …] [client …] …` apart; `None` when it is not that.
pub fn parse<'a>(line: &'a str, clock: &mut Clock) -> Option<Error<'a>> {
    let rest = line.strip_prefix('[')?;
    let (time, len) = time_text::apache_error(rest, clock)?;
    let rest = rest.get(len..)?.strip_prefix("] [")?;
    let (level, mut rest) = cut(rest, b']')?;
    let (module, level) = match level.split_once(':') {
        Some((module, level)) => (Some(module).filter(|m| !m.is_empty() && *m != "-"), level),
        None => (None, level),
    };
    if !is_level(level) {
        return None;
    }
    let mut error = Error { time, module, level, ..Error::default() };
    while let Some((inside, after)) = rest.strip_prefix(" [").and_then(|r| cut(r, b']')) {
        if !bracket(inside, &mut error) {
            break;
        }
        rest = after;
    }
    error.message = rest.strip_prefix(' ').unwrap_or(rest);
    if let Some(at) = error.message.rfind(", referer: ") {
        error.referrer = Some(&error.message[at + ", referer: ".len()..]);
    }
    // `(13)Permission denied: AH00035: …` has the system's error first.
    let mut parts = error.message.splitn(3, ": ");
    error.code = parts.by_ref().take(2).find(|p| p.starts_with("AH") && p.len() == 7 && uint(&p[2..]).is_some());
    Some(error)
}

/// `pid 1:tid 2`, `client 1.2.3.4:5678`; false for what belongs to the message.
fn bracket<'a>(inside: &'a str, error: &mut Error<'a>) -> bool {
    let Some((name, value)) = inside.split_once(' ') else { return false };
    match name {
        "pid" => error.process = uint(value.split(':').next().unwrap_or(value)),
        "tid" => {}
        "client" | "remote" => {
            (error.client, error.port) = (Some(value), None);
            // `1.2.3.4:5678`, `2001:db8::1:5678`. Generation 2.2, which names no module, has no port.
            let is_address = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
            if let Some((address, port)) = value.rsplit_once(':')
                && let Some(port) = uint(port)
                && (error.module.is_some() && is_address(address) || !is_address(value))
            {
                (error.client, error.port) = (Some(address), Some(port));
            }
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn parse(line: &str) -> Option<Error<'_>> {
        super::parse(line, &mut Clock::new(TimeZone::UTC, 0))
    }

    #[test]
    fn both_generations() {
        let e = parse("[Sun Dec 04 05:15:09 2005] [error] [client 222.166.160.184] Directory index forbidden by rule: /var/www/html/").unwrap();
        assert_eq!((e.level, e.client, e.port, e.module), ("error", Some("222.166.160.184"), None, None));
        assert_eq!(e.message, "Directory index forbidden by rule: /var/www/html/");
        let e = parse("[Wed Oct 11 14:32:52.123456 2023] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:1234] (13)Permission denied: AH00035: access to / denied, referer: http://r/").unwrap();
        assert_eq!(
            (e.module, e.process, e.client, e.port),
            (Some("core"), Some(35708), Some("72.15.99.187"), Some(1234))
        );
        assert_eq!((e.code, e.referrer), (Some("AH00035"), Some("http://r/")));
        let e =
            parse("[Wed Oct 11 14:32:52 2023] [mpm_event:notice] [pid 1:tid 2] AH00489: Apache configured").unwrap();
        assert_eq!((e.code, e.message), (Some("AH00489"), "AH00489: Apache configured"));
        let e = parse("[Sun Dec 04 04:47:44 2005] [notice] [x y] z").unwrap();
        assert_eq!(e.message, "[x y] z");
    }

    #[test]
    fn what_is_not() {
        for line in ["", "[", "[Sun Dec 04 04:47:44 2005]", "[Sun Dec 04 04:47:44 2005] [hello] x", "[x] [error] y"] {
            assert_eq!(parse(line), None);
        }
    }
}
