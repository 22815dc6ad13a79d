//! A shop's web server: access lines in nginx's combined format. In: chance. Out: lines on the stage.

use std::collections::HashMap;

use super::Origin::Web;
use super::stage::{Stage, number};
use crate::event::time::SECOND;

/// A visitor follows a dead link at most this often, so that no count takes one for a scanner.
const DEAD_LINK: i64 = 60 * SECOND;
/// The server itself fails at most this often in ordinary times.
const HICCUP: i64 = 60 * SECOND;

const VISITORS: u64 = 3000;

pub(super) const BROWSERS: [&str; 7] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

const PAGES: [&str; 12] = [
    "/",
    "/",
    "/products",
    "/products/42",
    "/products/107?color=blue",
    "/cart",
    "/search?q=garden+chair",
    "/about",
    "/blog",
    "/blog/2026/spring-offers",
    "/contact",
    "/account/orders?page=2",
];

const ASSETS: [&str; 8] = [
    "/static/css/main.4f2a.css",
    "/static/js/app.81cd.js",
    "/static/js/vendor.77ab.js",
    "/static/img/logo.svg",
    "/static/img/hero.webp",
    "/static/fonts/inter.woff2",
    "/favicon.ico",
    "/api/recommendations",
];

/// One request and its answer.
pub(super) struct Hit<'a> {
    pub(super) address: &'a str,
    pub(super) request: [&'a str; 2],
    pub(super) status: u64,
    pub(super) bytes: u64,
    pub(super) referrer: &'a str,
    pub(super) agent: &'a str,
}

/// Writes an access line.
pub(super) fn hit(stage: &mut Stage, time: i64, hit: &Hit<'_>) -> (i64, u64) {
    let mut line = String::with_capacity(256);
    line.push_str(hit.address);
    line.push_str(" - - [");
    stage.common(&mut line, time);
    for part in ["] \"", hit.request[0], " ", hit.request[1], " HTTP/1.1\" "] {
        line.push_str(part);
    }
    number(&mut line, hit.status);
    line.push(' ');
    number(&mut line, hit.bytes);
    for part in [" \"", hit.referrer, "\" \"", hit.agent, "\""] {
        line.push_str(part);
    }
    stage.write(time, Web, line)
}

/// Who followed a dead link when, and when the server last failed.
pub(super) struct Author {
    dead_links: HashMap<u64, i64>,
    hiccup: i64,
}

impl Author {
    pub(super) fn new() -> Author {
        Author { dead_links: HashMap::new(), hiccup: i64::MIN / 2 }
    }

    /// Something ordinary happens at `time`.
    pub(super) fn act(&mut self, stage: &mut Stage, time: i64) {
        if stage.random.permille(30) {
            let probe = Hit {
                address: "10.20.0.5",
                request: ["GET", "/health"],
                status: 200,
                bytes: 15,
                referrer: "-",
                agent: "kube-probe/1.31",
            };
            hit(stage, time, &probe);
            return;
        }
        // The lowest of two: few visitors come often, many seldom.
        let visitor = stage.random.below(VISITORS).min(stage.random.below(VISITORS));
        let address = format!("100.{}.{}.{}", 64 + visitor % 50, visitor / 50, 1 + visitor * 7 % 254);
        let agent = BROWSERS[(visitor % BROWSERS.len() as u64) as usize];
        if stage.random.permille(30) {
            return self.sign_in(stage, time, &address, agent);
        }
        let page = stage.random.pick(&PAGES);
        let (status, bytes) = self.outcome(stage, time, visitor);
        let path = if status == 404 { "/products/old-catalogue" } else { page };
        let referrer = stage.random.pick(&["-", "-", "https://shop.example/", "https://www.google.com/"]);
        hit(stage, time, &Hit { address: &address, request: ["GET", path], status, bytes, referrer, agent });
        let mut at = time;
        for _ in 0..stage.random.below(4) {
            at += stage.random.between(20_000, 400_000);
            let asset = stage.random.pick(&ASSETS);
            let (status, bytes) =
                if stage.random.permille(300) { (304, 0) } else { (200, 800 + stage.random.below(90_000)) };
            let referrer = "https://shop.example/";
            hit(stage, at, &Hit { address: &address, request: ["GET", asset], status, bytes, referrer, agent });
        }
    }

    fn sign_in(&mut self, stage: &mut Stage, time: i64, address: &str, agent: &str) {
        let referrer = "https://shop.example/login";
        let form = Hit { address, request: ["GET", "/login"], status: 200, bytes: 4312, referrer: "-", agent };
        hit(stage, time, &form);
        let sent = Hit { address, request: ["POST", "/login"], status: 302, bytes: 0, referrer, agent };
        hit(stage, time + 7 * SECOND, &sent);
        let orders = Hit { request: ["GET", "/account/orders"], status: 200, bytes: 9120, ..sent };
        hit(stage, time + 7 * SECOND + 300_000, &orders);
    }

    fn outcome(&mut self, stage: &mut Stage, time: i64, visitor: u64) -> (u64, u64) {
        let size = 2000 + stage.random.below(60_000);
        match stage.random.below(1000) {
            0..15 => {
                let last = self.dead_links.entry(visitor).or_insert(i64::MIN / 2);
                if time - *last < DEAD_LINK {
                    return (200, size);
                }
                *last = time;
                (404, 1245)
            }
            15..18 if time - self.hiccup > HICCUP => {
                self.hiccup = time;
                (502, 157)
            }
            18..40 => (301, 169),
            _ => (200, size),
        }
    }
}
