//! Every route over a real socket: each status, each form of a body, what a browser may be made to send.

mod client;
mod reading;
mod writing;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};

use super::live::Settings;
use super::*;
use crate::alert::{Alert, AlertChange, AlertId, Change};
use crate::event::raw::Receipt;
use crate::event::{BatchBuilder, EventBatch, field};
use client::{get, request};

/// Text that becomes code or markup where somebody forgets to escape it.
const XSS: [&str; 7] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "\u{202e}\u{0}\u{7f}'`;--",
];

/// What came to the engine: the source's name, its format, the lines.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<Block>>>);
type Block = (String, Option<String>, String);

/// A server with an engine that counts lines; lines that are no JSON count as parse failures.
async fn server() -> (SocketAddr, Arc<Context>, Taken) {
    let (context, mut blocks) = context(Limits { patience: Duration::from_millis(50), ..Limits::default() });
    let taken = Taken::default();
    let list = taken.clone();
    tokio::spawn(async move {
        while let Some(block) = blocks.recv().await {
            let text = String::from_utf8_lossy(&block.lines).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let bad = lines.iter().filter(|l| serde_json::from_str::<Value>(l).is_err()).count();
            let receipt = Receipt { events: lines.len() as u64, parse_failures: bad as u64, duplicates: 0 };
            let format = block.source.format.as_deref().map(str::to_owned);
            list.0.lock().unwrap().push((block.source.name.to_string(), format, text.clone()));
            let _ = block.acknowledge.unwrap().send(Ok(receipt));
        }
    });
    (listen(context.clone()).await, context, taken)
}

fn context(limits: Limits) -> (Arc<Context>, tokio::sync::mpsc::Receiver<RawLog>) {
    let (ingest, blocks) = tokio::sync::mpsc::channel(1);
    let archived = batch(&["from the archive"]);
    let event = archived.to_json(0);
    let id = archived.id(0);
    let context = Context {
        hub: Hub::new(Settings { events: 5, streams: 2, backlog: 16, ..Settings::default() }),
        ingest,
        metrics: Arc::new(Metrics::new()),
        search: Arc::new(|request| {
            async move {
                match request.text.as_deref() {
                    Some("slow") => Err(SearchError::TimedOut),
                    Some("busy") => Err(SearchError::Busy),
                    Some("bad") => Err(SearchError::Refused("not like that".to_owned())),
                    Some("broken") => Err(SearchError::Failed("a file is damaged".to_owned())),
                    _ => Ok(vec![json!({ "message": format!("{request:?}") })]),
                }
            }
            .boxed()
        }),
        evidence: Arc::new(move |ids| {
            let found = ids.iter().filter(|i| **i == id).map(|_| Value::Object(event.clone())).collect();
            async move { Ok(found) }.boxed()
        }),
        sql: Arc::new(|request| {
            async move {
                match request.sql.as_str() {
                    "busy" => Err(SandboxError::Busy),
                    "slow" => Err(SandboxError::TimedOut(Duration::from_secs(20))),
                    "large" => Err(SandboxError::Memory(1 << 30)),
                    "bad" => Err(SandboxError::Refused("COPY is not allowed here".to_owned())),
                    "nowhere" => Err(SandboxError::Unconfined("no Landlock".to_owned())),
                    "broken" => Err(SandboxError::Worker("it does not start".to_owned())),
                    _ => Ok(json!({ "asked": format!("{request:?}") })),
                }
            }
            .boxed()
        }),
        rules: RwLock::new(vec![RuleInfo {
            name: "ssh-brute-force".to_owned(),
            title: "SSH brute force from {source.ip}".to_owned(),
            description: None,
            severity: Severity::High,
            attack: vec!["T1110".to_owned()],
            tags: vec![],
            file: "rules/ssh.weir".to_owned(),
        }]),
        reload: Arc::new(|| async { Ok(Reloaded { added: vec!["new".to_owned()], ..Reloaded::default() }) }.boxed()),
        limits,
    };
    (Arc::new(context), blocks)
}

async fn listen(context: Arc<Context>) -> SocketAddr {
    let (address, run) = bind("127.0.0.1:0".parse().unwrap(), context, std::future::pending()).await.unwrap();
    tokio::spawn(run);
    address
}

fn batch(messages: &[&str]) -> EventBatch {
    let mut builder = BatchBuilder::new();
    for (i, message) in messages.iter().enumerate() {
        let time = 1_768_473_045_000_000 + i as i64;
        builder.set_time(field::TIMESTAMP, time);
        builder.set_text(field::MESSAGE, message);
        builder.set_id(EventId::new(time, message.as_bytes(), 0));
        builder.set_extra("note", message);
        builder.end_row();
    }
    builder.finish()
}

fn alert(n: u128, title: &str, evidence: Vec<EventId>) -> Alert {
    Alert {
        id: AlertId(n),
        rule: "ssh-brute-force".to_owned(),
        severity: Severity::High,
        title: title.to_owned(),
        key: json!({ "source.ip": "192.0.2.1" }).as_object().unwrap().clone(),
        first: 1_768_473_045_000_000,
        last: 1_768_473_046_000_000,
        count: 3,
        evidence,
        attack: vec!["T1110".to_owned()],
        tags: vec![],
        runbook: None,
        risk: None,
    }
}

fn change(change: Change, alert: Alert) -> AlertChange {
    AlertChange { change, at: alert.last, cause: None, alert }
}

#[tokio::test]
async fn only_loopback_and_a_free_port() {
    let (context, _blocks) = context(Limits::default());
    let never = std::future::pending::<()>;
    for address in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        let error = bind(address.parse().unwrap(), context.clone(), never()).await.err().unwrap();
        assert!(matches!(error, ServeError::NotLoopback(_)), "{error}");
    }
    let (address, _run) = bind("127.0.0.1:0".parse().unwrap(), context.clone(), never()).await.unwrap();
    let error = bind(address, context, never()).await.err().unwrap().to_string();
    assert!(error.contains(&address.port().to_string()) && error.contains("--listen 127.0.0.1:0"), "{error}");
}

#[tokio::test]
async fn going_down_ends_streams() {
    let (context, _blocks) = context(Limits::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let (address, run) = bind("127.0.0.1:0".parse().unwrap(), context.clone(), shutdown).await.unwrap();
    let run = tokio::spawn(run);
    let stream = client::open(address, "/api/v1/stream", &[]).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(4), run).await.expect("it ends before the deadline").unwrap();
    drop(stream);
}

#[tokio::test]
async fn foreign_pages_and_names_are_refused() {
    let (address, _context, taken) = server().await;
    assert_eq!(request(address, "GET", "/", &[("Host", "evil.example")], b"").await.status, 421);
    let body = b"{\"a\":1}";
    for header in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(request(address, "POST", "/api/v1/events", &[header], body).await.status, 403, "{header:?}");
        assert_eq!(request(address, "POST", "/ingest", &[header], body).await.status, 403, "{header:?}");
        let sql = br#"{"sql": "SELECT 1"}"#;
        assert_eq!(request(address, "POST", "/api/v1/sql", &[header], sql).await.status, 403, "{header:?}");
    }
    assert!(taken.0.lock().unwrap().is_empty());
    let own = format!("http://{address}");
    assert_eq!(request(address, "POST", "/api/v1/events", &[("Origin", &own)], body).await.status, 200);
}

#[tokio::test]
async fn every_answer_carries_the_policy() {
    let (address, _context, _) = server().await;
    for path in ["/", "/assets/main.js", "/nowhere", "/api/v1/alerts", "/api/v1/nowhere", "/metrics"] {
        let answer = get(address, path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test]
async fn unknown_addresses_and_methods() {
    let (address, _context, _) = server().await;
    let page = get(address, "/nowhere").await;
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    for path in ["/api", "/api/v1/nowhere", "/api/v1/alerts/x/y"] {
        let answer = get(address, path).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")), "{path}");
        assert_eq!(answer.json()["status"], 404);
    }
    assert_eq!(request(address, "POST", "/api/v1/nowhere", &[], b"").await.status, 404);
    for (method, path, allow) in [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/api/v1/events", "GET, HEAD, POST"),
        ("POST", "/api/v1/alerts", "GET, HEAD"),
        ("PUT", "/api/v1/alerts/0", "GET, HEAD"),
        ("GET", "/ingest", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("GET", "/api/v1/sql", "POST"),
    ] {
        let answer = request(address, method, path, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[tokio::test]
async fn files_are_served_once() {
    let (address, _context, _) = server().await;
    let first = get(address, "/assets/app.css").await;
    let tag = first.header("etag").unwrap();
    assert_eq!((first.status, first.header("content-type")), (200, Some("text/css; charset=utf-8")));
    let again = request(address, "GET", "/assets/app.css", &[("If-None-Match", tag)], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = request(address, "HEAD", "/", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}
