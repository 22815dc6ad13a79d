//! The page's files, part of the binary.
//!
//! In: a path. Out: the file, with a validator, so that a reload costs a few bytes; outside the API an
//! unknown path gets a small page that leads back.

use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::problem::Problem;

struct Asset {
    path: &'static str,
    mime: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($file:literal $mime:literal),* $(,)?) => {
        &[$(Asset { path: concat!("/assets/", $file), mime: $mime, text: include_str!(concat!("assets/", $file)) }),*]
    };
}

const INDEX: Asset = Asset { path: "/", mime: "text/html; charset=utf-8", text: include_str!("assets/index.html") };
const NOT_FOUND: &str = include_str!("assets/404.html");

static ASSETS: &[Asset] = assets![
    "app.css" "text/css; charset=utf-8",
    "icon.svg" "image/svg+xml",
    "theme.js" "text/javascript; charset=utf-8",
    "main.js" "text/javascript; charset=utf-8",
    "alerts.js" "text/javascript; charset=utf-8",
    "chart.js" "text/javascript; charset=utf-8",
    "connection.js" "text/javascript; charset=utf-8",
    "detail.js" "text/javascript; charset=utf-8",
    "dom.js" "text/javascript; charset=utf-8",
    "events.js" "text/javascript; charset=utf-8",
    "format.js" "text/javascript; charset=utf-8",
    "keys.js" "text/javascript; charset=utf-8",
    "rules.js" "text/javascript; charset=utf-8",
    "store.js" "text/javascript; charset=utf-8",
];

/// The files, and the page for paths that are none.
pub(super) fn routes() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path::full().and(warp::method()).and(warp::header::headers_cloned()).and_then(
        |path: FullPath, method: Method, headers: HeaderMap| {
            let answer = find(path.as_str(), &method, &headers);
            async move { answer }
        },
    )
}

fn find(path: &str, method: &Method, headers: &HeaderMap) -> Result<Response, Rejection> {
    match ASSETS.iter().chain([&INDEX]).find(|asset| asset.path == path) {
        Some(_) if *method != Method::GET && *method != Method::HEAD => {
            Ok(Problem::wrong_method(method, "GET, HEAD").into())
        }
        Some(asset) => Ok(serve(asset, headers)),
        None if super::api::is_api(path) => Err(warp::reject::not_found()),
        None => {
            let mut response = Response::new(NOT_FOUND.into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(INDEX.mime));
            Ok(response)
        }
    }
}

fn serve(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(asset.text.as_bytes()));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|v| v.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { "" } else { asset.text }.into());
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    out.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits are a header value"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_load_is_small() {
        let bytes: usize = ASSETS.iter().chain([&INDEX]).map(|a| a.text.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes");
    }

    #[test]
    fn markup_is_never_written_from_scripts() {
        for asset in ASSETS.iter().filter(|a| a.path.ends_with(".js")) {
            for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!asset.text.contains(sink), "{} uses {sink}", asset.path);
            }
        }
    }

    #[test]
    fn the_page_names_only_files_that_are_there() {
        for part in INDEX.text.split("/assets/").skip(1) {
            let name = part.split(['"', '\'']).next().unwrap();
            assert!(ASSETS.iter().any(|a| a.path == format!("/assets/{name}")), "{name}");
        }
        for asset in ASSETS.iter().filter(|a| a.path.ends_with(".js")) {
            for part in asset.text.split("from './").skip(1) {
                let name = part.split('\'').next().unwrap();
                assert!(ASSETS.iter().any(|a| a.path == format!("/assets/{name}")), "{} imports {name}", asset.path);
            }
        }
        assert!(!INDEX.text.contains("<style") && !INDEX.text.contains(" style=") && !INDEX.text.contains(" onclick"));
    }
}
