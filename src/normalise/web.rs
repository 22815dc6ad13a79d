//! Web requests → ECS. In: an [`Access`] from a log line. Out: url, http, source and user columns.

use std::borrow::Cow;

use super::{FAILURE, SUCCESS, set_source};
use crate::event::{BatchBuilder, field};
use crate::parse::access::{Access, Request};

/// Fills the row.
pub fn normalise(access: &Access<'_>, out: &mut BatchBuilder) {
    out.set_word(field::EVENT_CATEGORY, "web");
    out.set_word(field::EVENT_TYPE, "access");
    out.set_word(field::EVENT_OUTCOME, if access.status < 400 { SUCCESS } else { FAILURE });
    set_source(out, access.client);
    if let Some(user) = access.user {
        out.set_text(field::USER_NAME, user);
    }
    request(&access.request, out);
    // The virtual host is the server's word; a host in the request only the client's.
    if let Some(domain) = access.domain {
        out.set_text(field::URL_DOMAIN, domain);
    }
    out.set_number(field::HTTP_RESPONSE_STATUS, access.status.into());
    if let Some(bytes) = access.bytes {
        out.set_number(field::HTTP_RESPONSE_BYTES, bytes.into());
    }
    if let Some(referrer) = access.referrer {
        out.set_text(field::HTTP_REQUEST_REFERRER, referrer);
    }
    if let Some(agent) = access.agent {
        out.set_text(field::USER_AGENT, agent);
    }
}

/// Method and target: `url.original` as it came, path and query percent-decoded once.
pub(super) fn request(request: &Request<'_>, out: &mut BatchBuilder) {
    if let Some(method) = request.method {
        out.set_text(field::HTTP_REQUEST_METHOD, method);
    }
    let Some(target) = request.target else { return };
    out.set_text(field::URL_ORIGINAL, target);
    if request.method.is_none() {
        return;
    }
    let local = if target.starts_with('/') { target } else { absolute(target, out) };
    let at = memchr::memchr2(b'?', b'#', local.as_bytes());
    let (path, rest) = local.split_at(at.unwrap_or(local.len()));
    if !path.is_empty() {
        out.set_text(field::URL_PATH, &decoded(path));
    }
    if let Some(query) = rest.strip_prefix('?').filter(|q| !q.is_empty()) {
        out.set_text(field::URL_QUERY, &decoded(query));
    }
}

/// `http://host:80/path` → the path, with `url.domain` set; what a proxy is asked for.
fn absolute<'a>(target: &'a str, out: &mut BatchBuilder) -> &'a str {
    let Some((scheme, rest)) = target.split_once("://") else { return target };
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return target;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.rsplit_once('@').map_or(host, |(_, h)| h);
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(n, _)| n);
    if !name.is_empty() {
        out.set_text(field::URL_DOMAIN, name);
    }
    path
}

/// Percent-decoded once. What is no escape stays; bytes that are not UTF-8 become U+FFFD.
fn decoded(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let Some(first) = memchr::memchr(b'%', bytes) else { return Cow::Borrowed(text) };
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut plain = Vec::with_capacity(bytes.len());
    plain.extend_from_slice(&bytes[..first]);
    let mut at = first;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    match String::from_utf8_lossy(&plain) {
        Cow::Borrowed(_) => Cow::Owned(String::from_utf8(plain).unwrap_or_default()),
        Cow::Owned(lossy) => Cow::Owned(lossy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_once() {
        assert_eq!(decoded("/a%2fb%252e%zz%"), "/a/b%2e%zz%");
        assert_eq!(decoded("/%c3%a9%ff"), "/é\u{fffd}");
        assert_eq!(decoded("/plain+x"), "/plain+x");
        assert_eq!(decoded("%00"), "\0");
    }

    #[test]
    fn targets() {
        let fill = |target| {
            let mut out = BatchBuilder::new();
            request(&Request { method: Some("GET"), target: Some(target) }, &mut out);
            out.end_row();
            let batch = out.finish();
            [field::URL_PATH, field::URL_QUERY, field::URL_DOMAIN].map(|f| batch.display(f, 0).unwrap_or_default())
        };
        assert_eq!(fill("/a?b=%20c#d"), ["/a", "b= c#d", ""]);
        assert_eq!(fill("http://u@h:80/x?y"), ["/x", "y", "h"]);
        assert_eq!(fill("*"), ["*", "", ""]);
        assert_eq!(fill("example.com:443"), ["example.com:443", "", ""]);
    }
}
