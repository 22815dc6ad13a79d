//! Web access logs: common, combined, combined with virtual host; what Nginx and Apache write unless told
//! otherwise. In: a line. Out: an [`Access`].

use std::net::IpAddr;

use super::scan::{cut, quoted, uint, word};
use super::time_text;

/// One request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access<'a> {
    /// When it was answered, µs UTC.
    pub time: i64,
    /// The virtual host, without port.
    pub domain: Option<&'a str>,
    /// Address or name of the client.
    pub client: &'a str,
    /// The user who signed in.
    pub user: Option<&'a str>,
    /// The request line.
    pub request: Request<'a>,
    /// The response's status.
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: Option<u64>,
    /// The Referer header.
    pub referrer: Option<&'a str>,
    /// The User-Agent header.
    pub agent: Option<&'a str>,
}

/// A request line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// `GET` …; `None` when the line is not a request line, as when a scanner speaks another protocol.
    pub method: Option<&'a str>,
    /// The target as it came; the whole line when it is not a request line; `None` when there was none.
    pub target: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Takes `GET /path HTTP/1.1` apart.
    pub fn parse(line: &'a str) -> Request<'a> {
        if line.is_empty() || line == "-" {
            return Request::default();
        }
        let is_method =
            |m: &str| (3..=20).contains(&m.len()) && m.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        match word(line) {
            Some((method, rest)) if is_method(method) && !rest.is_empty() => {
                // The target may hold blanks; what follows the last one is the version (HTTP/0.9 has none).
                let target = match rest.rsplit_once(' ') {
                    Some((target, version)) if version.starts_with("HTTP/") => target,
                    _ => rest,
                };
                Request { method: Some(method), target: Some(target) }
            }
            _ => Request { method: None, target: Some(line) },
        }
    }
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "-").then_some(text)
}

/// Takes a line apart; `None` when it is not an access log's.
pub fn parse(line: &str) -> Option<Access<'_>> {
    let (head, rest) = cut(line, b'[')?;
    let (domain, client, user) = client(head.strip_suffix(' ')?)?;
    let (time, len) = time_text::access(rest)?;
    let rest = rest.get(len..)?.strip_prefix("] \"")?;
    let (request, rest) = quoted(rest);
    let rest = rest.strip_prefix(' ')?;
    let status = rest.get(..3)?;
    let rest = rest.get(3..)?;
    let mut access = Access {
        time,
        domain,
        client,
        user,
        request: Request::parse(request),
        status: u16::try_from(uint(status)?).ok()?,
        ..Access::default()
    };
    let Some(rest) = rest.strip_prefix(' ') else { return rest.is_empty().then_some(access) };
    let (bytes, rest) = word(rest).unwrap_or((rest, ""));
    access.bytes = match bytes {
        "-" => None,
        number => Some(uint(number)?),
    };
    let Some(rest) = rest.strip_prefix('"') else { return Some(access) };
    let (referrer, rest) = quoted(rest);
    access.referrer = given(referrer);
    if let Some(rest) = rest.strip_prefix(" \"") {
        access.agent = given(quoted(rest).0);
    }
    Some(access)
}

/// `[vhost:port] client ident user`: the virtual host, the client and the user.
fn client(head: &str) -> Option<(Option<&str>, &str, Option<&str>)> {
    let (first, rest) = word(head)?;
    let (second, third) = word(rest)?;
    if first.is_empty() || second.is_empty() || third.is_empty() {
        return None;
    }
    // The common case first: the user has no blank, so there are three words.
    if memchr::memchr(b' ', third.as_bytes()).is_some()
        && first.parse::<IpAddr>().is_err()
        && let Some((_, user)) = word(third)
        && (second.parse::<IpAddr>().is_ok() || second.contains('.'))
    {
        let domain = match first.rsplit_once(':') {
            Some((domain, port)) if uint(port).is_some() => domain,
            _ => first,
        };
        return Some((given(domain), second, given(user)));
    }
    Some((None, first, given(third)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_formats() {
        let common = parse(r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326"#).unwrap();
        assert_eq!(
            (common.client, common.user, common.status, common.bytes),
            ("127.0.0.1", Some("frank"), 200, Some(2326))
        );
        assert_eq!(common.request, Request { method: Some("GET"), target: Some("/a.gif") });
        let vhost = parse(
            r#"example.com:443 2001:db8::1 - - [10/Oct/2000:13:55:36 -0700] "POST /x y HTTP/2.0" 404 - "-" "a \"b\" c""#,
        )
        .unwrap();
        assert_eq!((vhost.domain, vhost.client, vhost.bytes), (Some("example.com"), "2001:db8::1", None));
        assert_eq!((vhost.request.target, vhost.referrer, vhost.agent), (Some("/x y"), None, Some(r#"a \"b\" c"#)));
    }

    #[test]
    fn odd_requests() {
        let line = |r: &str| format!(r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "{r}" 400 0 "-" "-""#);
        assert_eq!(parse(&line(r"\x16\x03\x01")).unwrap().request.target, Some(r"\x16\x03\x01"));
        assert_eq!(parse(&line("")).unwrap().request, Request::default());
        assert_eq!(parse(&line("-")).unwrap().request, Request::default());
        assert_eq!(parse(&line("GET /")).unwrap().request.target, Some("/"));
        let cut = parse(r#"1.2.3.4 - - [20/May/2015:12:05:17 +0000] "GET / HTTP/1.1" 200 235 "-" "Mozilla/5.0 (+http"#);
        assert_eq!(cut.unwrap().agent, Some("Mozilla/5.0 (+http"));
    }

    #[test]
    fn what_is_not_an_access_log() {
        for line in [
            "",
            "[",
            "a b c",
            "1.2.3.4 - - [x] \"GET / HTTP/1.1\" 200 1",
            "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET /",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
