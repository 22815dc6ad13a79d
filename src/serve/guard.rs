//! What stands in for a sign-in on a loopback address: who may ask, and what an answer may do.
//!
//! A foreign web page can make its visitor's browser send requests to 127.0.0.1, directly or through
//! a name of its own that resolves there (DNS rebinding). So a request must name a loopback host, and
//! one that a browser marks as coming from another site is refused. Answers carry a policy under which
//! a page can load nothing but our own files and run no markup from a log.

use std::net::IpAddr;

use warp::host::Authority;
use warp::http::{HeaderMap, HeaderValue, Method, header};
use warp::reject::Reject;
use warp::reply::Response;
use warp::{Filter, Rejection};

/// The request names a host that is not ours.
#[derive(Debug)]
pub(super) struct Misdirected(pub(super) String);
impl Reject for Misdirected {}

/// Another site's page sent the request.
#[derive(Debug)]
pub(super) struct Forbidden;
impl Reject for Forbidden {}

/// `'self'` and nothing inline; a script cannot even try to write markup.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Lets requests through that this machine's own programs and our own page sent.
pub(super) fn guard() -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::host::optional()
        .and(warp::method())
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and_then(|host: Option<Authority>, method: Method, path: warp::path::FullPath, headers: HeaderMap| {
            let verdict = judge(host.as_ref(), &method, path.as_str(), &headers);
            async move { verdict }
        })
        .untuple_one()
}

fn judge(host: Option<&Authority>, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Rejection> {
    // A program that speaks HTTP/1.0 may name no host; a browser always does.
    if let Some(host) = host.filter(|h| !is_loopback(h.host())) {
        return Err(warp::reject::custom(Misdirected(host.to_string())));
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    // Browsers say where a request comes from: reading the page by a link from elsewhere is fine, the API is not.
    let foreign = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
    if foreign && (!reads || path.starts_with("/api/")) {
        return Err(warp::reject::custom(Forbidden));
    }
    let same = |origin: &str| {
        origin.split_once("://").is_some_and(|(_, rest)| host.is_some_and(|h| rest.eq_ignore_ascii_case(h.as_str())))
    };
    if text("origin").is_some_and(|origin| !same(origin)) && (!reads || path.starts_with("/api/")) {
        return Err(warp::reject::custom(Forbidden));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Headers of every answer.
pub(super) fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: &str, path: &str, host: &str, headers: &[(&'static str, &str)]) -> bool {
        let host = (!host.is_empty()).then(|| host.parse::<Authority>().unwrap());
        let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect::<HeaderMap>();
        judge(host.as_ref(), &method.parse().unwrap(), path, &headers).is_ok()
    }

    #[test]
    fn only_loopback_names() {
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.9.9.9", "weir.localhost", ""] {
            assert!(allowed("GET", "/", host, &[]), "{host}");
        }
        for host in ["example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0:8080"] {
            assert!(!allowed("GET", "/", host, &[]), "{host}");
        }
    }

    #[test]
    fn other_sites_are_refused() {
        let host = "127.0.0.1:8080";
        assert!(allowed("POST", "/ingest", host, &[("origin", "http://127.0.0.1:8080")]));
        assert!(!allowed("POST", "/ingest", host, &[("origin", "http://127.0.0.1:9")]));
        assert!(!allowed("POST", "/ingest", host, &[("origin", "https://example.com")]));
        assert!(!allowed("POST", "/ingest", host, &[("origin", "null")]));
        assert!(!allowed("POST", "/ingest", host, &[("sec-fetch-site", "cross-site")]));
        assert!(!allowed("GET", "/api/v1/stream", host, &[("sec-fetch-site", "cross-site")]));
        assert!(allowed("GET", "/", host, &[("sec-fetch-site", "cross-site")]));
        assert!(allowed("GET", "/api/v1/stream", host, &[("sec-fetch-site", "same-origin")]));
    }
}
