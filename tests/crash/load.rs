//! What comes in while it is killed again and again: files that grow, a client that sends until it is answered.
//!
//! Everything is a function of the step's number, so that an uninterrupted run can be given the same.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::{PATIENCE, append};

/// Rules of most forms, and one over alerts.
pub(crate) const RULES: &str = r#"
rule guesses { severity medium when authentication where event.outcome == "failure" by source.ip within 30s having count() >= 8 }
rule spread { when authentication where event.outcome == "failure" by user.name within 60s having distinct(source.ip) >= 3 }
rule taken_over { severity high when sequence by source.ip within 2m {
    authentication where event.outcome == "failure" having count() >= 5
    authentication where event.outcome == "success"
} }
rule gave_up { when sequence by source.ip within 1m {
    authentication where event.outcome == "failure"
    not authentication where event.outcome == "success"
} }
rule paid { when any where event.action == "pay" by user.name within 20s having sum(n) >= 60 }
rule twice { when all by source.ip within 2m { alert where rule.name == "guesses" alert where rule.name == "taken_over" } }
"#;

/// One request of a step.
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// A number that is made of others: the same on every machine.
pub(crate) fn mixed(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 31;
    x = x.wrapping_mul(0x7fb5_d329_728e_a185);
    x ^ x >> 29
}

fn clock(second: u64) -> String {
    // A day and more of steps would need another date.
    assert!(second < 86_400, "too many steps for a day");
    format!("2026-01-15T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The lines of a step in `auth.log`, two of which are the same.
pub(crate) fn auth(step: u64) -> String {
    let line = |n: u64| {
        let roll = mixed(step, n);
        let (what, source) = (if roll.is_multiple_of(9) { "Accepted" } else { "Failed" }, 1 + (roll >> 8) % 6);
        let (user, port) = (["root", "ada", "bob"][(roll >> 16) as usize % 3], 40_000 + (roll >> 24) % 9);
        let at = clock(step);
        format!("{at}Z web-01 sshd[{n}]: {what} password for {user} from 203.0.113.{source} port {port} ssh2\n")
    };
    let count = 2 + mixed(step, 99) % 4;
    (0..count).chain([0]).map(line).collect()
}

fn event(step: u64, n: u64, more: &str) -> String {
    let roll = mixed(step, 1000 + n);
    let (at, user) = (clock(step), ["ada", "bob", "eve"][roll as usize % 3]);
    format!(
        "{{\"@timestamp\":\"{at}.{:03}Z\",\"event.action\":\"pay\",\"user.name\":\"{user}\",\"n\":{},\"made\":\"{more}\"}}",
        roll % 1000,
        roll % 17
    )
}

/// The lines of a step in `app.json`, some of which are the same.
pub(crate) fn app(step: u64) -> String {
    (0..1 + step % 3).flat_map(|n| [event(step, n, "file"), event(step, n, "file")]).map(|e| e + "\n").collect()
}

/// The requests of a step.
pub(crate) fn posts(step: u64) -> Vec<Post> {
    let with_ids = (0..2 + step % 2)
        .map(|n| {
            let event = event(step, 10 + n, "id");
            format!("{},\"event\":{{\"id\":\"{step}-{n}\"}}}}\n", &event[..event.len() - 1])
        })
        .collect();
    let events = "/api/v1/events".to_owned();
    let mut posts = vec![Post { path: events, key: None, kind: "application/x-ndjson", body: with_ids }];
    if step.is_multiple_of(2) {
        // No event has an id, and two are the same: the request has one.
        let body = format!("[{0},{0},{1}]", event(step, 20, "key"), event(step, 21, "key"));
        let (path, key) = ("/api/v1/events?source=keyed".to_owned(), Some(format!("\"{step}\"")));
        posts.push(Post { path, key, kind: "application/json", body });
    }
    if step.is_multiple_of(5) {
        let lines = format!("{}{}", event(step, 30, "file") + "\n", event(step, 31, "upload"));
        let body = format!(
            "--b\r\ncontent-disposition: form-data; name=\"source\"\r\n\r\nup\r\n--b\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"up.json\"\r\n\r\n{lines}\r\n--b--\r\n"
        );
        let (path, key) = ("/ingest".to_owned(), Some(format!("upload {step}")));
        posts.push(Post { path, key, kind: "multipart/form-data; boundary=b", body });
    }
    posts
}

/// What ends everything: long after the last step, so that what did not happen is decided.
pub(crate) const TIDE: &str = "2026-01-20T00:00:00Z";

/// Where files lie, and how far their writer is.
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn new(folder: &Path) -> Files {
        let files = Files { folder: folder.to_owned() };
        append(&files.auth(), "");
        append(&files.app(), "");
        files
    }

    pub(crate) fn auth(&self) -> PathBuf {
        self.folder.join("auth.log")
    }

    pub(crate) fn app(&self) -> PathBuf {
        self.folder.join("app.json")
    }

    /// Writes a step; a line may be seen half written.
    pub(crate) fn write(&self, step: u64) {
        for (path, text) in [(self.auth(), auth(step)), (self.app(), app(step))] {
            let half = mixed(step, 7) as usize % text.len();
            append(&path, &text[..half]);
            append(&path, &text[half..]);
        }
    }

    /// Writes what comes last.
    pub(crate) fn end(&self) {
        append(
            &self.auth(),
            &format!("{TIDE} web-01 sshd[1]: Accepted password for zoe from 203.0.113.99 port 1 ssh2\n"),
        );
        append(&self.app(), &format!("{{\"@timestamp\":\"{TIDE}\",\"made\":\"last\"}}\n"));
    }
}

/// Where the server of the moment is.
#[derive(Default)]
pub(crate) struct Place {
    address: Mutex<(u64, Option<String>)>,
    changed: Condvar,
}

impl Place {
    /// Says where it is, or that it is not.
    pub(crate) fn set(&self, address: Option<String>) {
        let mut place = self.address.lock().unwrap();
        *place = (place.0 + 1, address);
        self.changed.notify_all();
    }

    /// Which one is known; it grows.
    pub(crate) fn number(&self) -> u64 {
        self.address.lock().unwrap().0
    }

    /// Waits for another place than the one that was last tried.
    pub(crate) fn after(&self, tried: u64) -> (u64, String) {
        let until = Instant::now() + PATIENCE;
        let mut place = self.address.lock().unwrap();
        loop {
            match &*place {
                (number, Some(address)) if *number > tried => return (*number, address.clone()),
                _ => {}
            }
            let left = until.checked_duration_since(Instant::now()).expect("a server comes");
            place = self.changed.wait_timeout(place, left).unwrap().0;
        }
    }
}

/// What a client saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Events that were taken, as answers said.
    pub(crate) events: u64,
    /// Lines that had been taken before an answer was lost.
    pub(crate) duplicates: u64,
    /// Requests that had to be sent again.
    pub(crate) again: u64,
}

impl Seen {
    pub(crate) fn and(self, other: Seen) -> Seen {
        Seen {
            events: self.events + other.events,
            duplicates: self.duplicates + other.duplicates,
            again: self.again + other.again,
        }
    }
}

/// Sends a request until it is answered with 200. `careless`: the first answer is not waited for.
pub(crate) fn send(place: &Place, post: &Post, careless: bool, seen: &mut Seen) {
    let mut tried = 0;
    let mut careless = careless;
    loop {
        let (number, address) = place.after(tried);
        // So short that an answer is hardly ever waited for, which takes longer than a sync.
        let patience = if careless { Duration::from_millis(3) } else { PATIENCE };
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(patience)).http_status_as_error(false).build().into();
        let mut request = agent.post(format!("{address}{}", post.path)).header("content-type", post.kind);
        if let Some(key) = &post.key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send(&post.body).ok();
        let status = answer.as_ref().map(|a| a.status().as_u16());
        let body = answer.and_then(|mut a| a.body_mut().read_to_string().ok());
        match (status, body) {
            (Some(200), Some(body)) => {
                let receipt: Value = serde_json::from_str(&body).expect("a receipt");
                seen.events += receipt["events"].as_u64().unwrap();
                seen.duplicates += receipt["duplicates"].as_u64().unwrap();
                return;
            }
            // It is going down, or has much to do.
            (Some(503), _) => std::thread::sleep(Duration::from_millis(20)),
            (Some(status), body) => panic!("{status}: {body:?}"),
            // Its answer was lost. The same server may still be there when nobody waited.
            (None, _) if careless => {}
            (None, _) => tried = number,
        }
        careless = false;
        seen.again += 1;
    }
}
