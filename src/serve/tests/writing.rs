//! What is posted: JSON events, files.

use super::*;
use std::io::Write;

async fn post(address: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> client::Answer {
    request(address, "POST", "/api/v1/events", headers, body).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn events_are_acknowledged_once_durable() {
    let (address, _context, taken) = server().await;
    let ndjson = b"{\"a\":1}\n{\"broken\n{\"c\":3}\n";
    assert_eq!(post(address, &[], ndjson).await.json(), json!({ "events": 3, "parse_failures": 1, "duplicates": 0 }));
    assert_eq!(post(address, &[], b"[{\"a\":1},{\"b\":2}]").await.json()["events"], 2);
    let packed = gzip(b"{\"a\":1}");
    assert_eq!(post(address, &[("Content-Encoding", "gzip")], &packed).await.json()["events"], 1);
    let packed = zstd::encode_all(&b"{\"a\":1}\n{\"a\":2}"[..], 1).unwrap();
    assert_eq!(post(address, &[("Content-Encoding", "zstd")], &packed).await.json()["events"], 2);
    let named = request(address, "POST", "/api/v1/events?source=web%201", &[], b"{\"a\":1}").await;
    assert_eq!(named.status, 200);
    let taken = taken.0.lock().unwrap();
    assert_eq!(taken[0], ("http".to_owned(), Some("json".to_owned()), String::from_utf8_lossy(ndjson).into_owned()));
    assert_eq!(taken[4].0, "web 1");
}

#[tokio::test]
async fn bodies_that_are_no_events_are_refused() {
    let (address, _context, taken) = server().await;
    let zeros = gzip(&vec![b' '; 40 << 20]);
    for (headers, body, status) in [
        (vec![], &b""[..], 400),
        (vec![], b"hello", 400),
        (vec![], b"{}\xff", 400),
        (vec![], b"[{\"a\":1},", 400),
        (vec![("Content-Encoding", "gzip")], b"{\"a\":1}", 400),
        (vec![("Content-Encoding", "br")], b"{\"a\":1}", 415),
        (vec![("Content-Encoding", "gzip")], &zeros, 413),
        (vec![("Content-Length", "99999999")], b"{", 413),
    ] {
        let answer = post(address, &headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let long = format!("/api/v1/events?source={}", "x".repeat(201));
    assert_eq!(request(address, "POST", &long, &[], b"{}").await.status, 400);
    assert_eq!(request(address, "POST", "/api/v1/events?colour=red", &[], b"{}").await.status, 400);
    assert!(taken.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_or_failing_engine_says_when_to_come_back() {
    let limits =
        Limits { patience: Duration::from_millis(20), durable: Duration::from_millis(50), ..Limits::default() };
    let (context, mut blocks) = context(limits);
    let address = listen(context.clone()).await;
    // The queue holds one block, and nobody takes it.
    let late = post(address, &[], b"{}").await;
    assert_eq!((late.status, late.header("retry-after")), (503, Some("5")));
    let full = post(address, &[], b"{}").await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")));
    assert!(blocks.recv().await.is_some());
    tokio::spawn(async move {
        let refused = blocks.recv().await.unwrap();
        refused.acknowledge.unwrap().send(Err("the disk is full".to_owned())).unwrap();
        drop(blocks.recv().await);
    });
    let failed = post(address, &[], b"{}").await;
    assert!(failed.status == 503 && failed.text().contains("the disk is full"), "{}", failed.text());
    for _ in 0..2 {
        let gone = post(address, &[], b"{}").await;
        assert_eq!((gone.status, gone.header("retry-after")), (503, Some("10")));
    }
    assert_eq!(get(address, "/health").await.status, 503);
}

#[tokio::test]
async fn a_request_with_an_id_is_known_by_it_and_by_what_it_holds() {
    let (context, mut blocks) = context(Limits::default());
    let address = listen(context).await;
    let (send, ids) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        while let Some(block) = blocks.recv().await {
            let waiting = block.acknowledge.unwrap();
            send.send(waiting.id).unwrap();
            waiting.send(Ok(Receipt { duplicates: 1, ..Receipt::default() })).unwrap();
        }
    });
    let mut known = Vec::new();
    for (key, query, body) in [
        ("", "", "{}"),
        ("a", "", "{}"),
        (" a ", "", "{}"),
        ("b", "", "{}"),
        ("a", "", "{\"a\":1}"),
        ("a", "?source=x", "{}"),
    ] {
        let headers = [("Idempotency-Key", key)];
        let headers = if key.is_empty() { &[][..] } else { &headers[..] };
        let path = format!("/api/v1/events{query}");
        let answer = request(address, "POST", &path, headers, body.as_bytes()).await;
        assert_eq!(answer.json()["duplicates"], 1);
        known.push(ids.recv().unwrap());
    }
    assert!(known[0].is_none() && known[1].is_some() && known[1] == known[2]);
    let different: std::collections::BTreeSet<_> = known.iter().collect();
    assert_eq!(different.len(), 5);
    for key in [" ", &"x".repeat(201)] {
        let answer = post(address, &[("Idempotency-Key", key)], b"{}").await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
}

#[tokio::test]
async fn while_the_disk_refuses_nothing_is_taken() {
    let (address, context, taken) = server().await;
    context.hub.trouble(live::Stage::Log, Some("the disk is full".to_owned()));
    for answer in [post(address, &[], b"{}").await, upload(address, "", &[(FILE, b"one")]).await] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        assert!(answer.text().contains("the disk is full"), "{}", answer.text());
    }
    context.hub.trouble(live::Stage::Log, None);
    context.hub.trouble(live::Stage::Parquet, Some("no room".to_owned()));
    assert_eq!(post(address, &[], b"{}").await.status, 200, "what is in the log is safe");
    assert_eq!(get(address, "/health").await.json()["trouble"], "no room");
    assert_eq!(taken.0.lock().unwrap().len(), 1);
}

async fn upload(address: SocketAddr, query: &str, parts: &[(&str, &[u8])]) -> client::Answer {
    let mut body = Vec::new();
    for (head, content) in parts {
        write!(body, "--cut\r\nContent-Disposition: form-data; {head}\r\n\r\n").unwrap();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--cut--\r\n");
    let headers = [("Content-Type", "multipart/form-data; boundary=cut")];
    request(address, "POST", &format!("/ingest{query}"), &headers, &body).await
}

const FILE: &str = "name=\"file\"; filename=\"auth.log\"";
const SOURCE: &str = "name=\"source\"";

#[tokio::test]
async fn files_are_taken_in_under_their_source() {
    let (address, _context, taken) = server().await;
    let lines = b"Dec 10 06:55:46 web1 sshd[1]: a\nDec 10 06:55:47 web1 sshd[1]: b";
    let (packed, zst) = (gzip(lines), zstd::encode_all(&lines[..], 1).unwrap());
    for (query, parts, source) in [
        ("", vec![(FILE, &lines[..])], "auth.log"),
        ("", vec![(FILE, &packed[..]), (SOURCE, b"web1")], "web1"),
        ("", vec![(SOURCE, b"web2"), (FILE, &zst[..])], "web2"),
        ("?source=web3", vec![("name=\"file\"", &lines[..])], "web3"),
        ("", vec![("name=\"file\"", &lines[..])], "upload"),
    ] {
        let answer = upload(address, query, &parts).await;
        assert_eq!(
            answer.json(),
            json!({ "events": 2, "parse_failures": 2, "duplicates": 0, "source": source }),
            "{source}"
        );
        let text = String::from_utf8_lossy(lines).into_owned();
        assert_eq!(taken.0.lock().unwrap().pop().unwrap(), (source.to_owned(), None, text));
    }
    let two = [(FILE, &b"one"[..]), ("name=\"file\"; filename=\"web.log\"", b"two\nthree")];
    assert_eq!(upload(address, "", &two).await.json()["events"], 3);
    let names: Vec<String> = taken.0.lock().unwrap().drain(..).map(|block| block.0).collect();
    assert_eq!(names, ["auth.log", "web.log"]);
    let empty = upload(address, "?format=json", &[(FILE, b"")]).await;
    assert_eq!(empty.json()["events"], 0);
}

#[tokio::test]
async fn large_files_stream_through_in_order() {
    let (address, _context, taken) = server().await;
    let line = "{\"message\":\"a line of a large file, long enough to fill some blocks\"}\n";
    let file = line.repeat(100_000);
    let answer = upload(address, "?source=big", &[(FILE, gzip(file.as_bytes()).as_slice())]).await;
    assert_eq!(answer.json()["events"], 100_000, "{}", answer.text());
    let blocks = taken.0.lock().unwrap();
    assert!(blocks.len() > 3);
    assert!(blocks.iter().map(|b| b.2.as_str()).collect::<String>() == file);
}

#[tokio::test]
async fn broken_forms_are_refused() {
    let (address, _context, _) = server().await;
    assert_eq!(upload(address, "", &[(SOURCE, b"web1")]).await.status, 400);
    assert_eq!(upload(address, "", &[(SOURCE, b"a\nb"), (FILE, b"x")]).await.status, 400);
    assert_eq!(upload(address, "", &[(SOURCE, &[b'x'; 2000]), (FILE, b"x")]).await.status, 400);
    assert_eq!(upload(address, "", &[(FILE, b"\x1f\x8b\x08 no gzip")]).await.status, 400);
    let headers = [("Content-Type", "multipart/form-data; boundary=cut")];
    let cut = b"--cut\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nDec 10 x\nDec";
    assert_eq!(request(address, "POST", "/ingest", &headers, cut).await.status, 400);
    assert_eq!(request(address, "POST", "/ingest", &[], b"x").await.status, 400);
    assert_eq!(request(address, "POST", "/ingest", &[("Content-Type", "text/plain")], b"x").await.status, 400);
}

#[tokio::test]
async fn rules_are_read_again_on_request() {
    let (address, context, _taken) = server().await;
    let answer = request(address, "POST", "/api/v1/rules/reload", &[], b"").await;
    assert_eq!((answer.status, &answer.json()["added"]), (200, &json!(["new"])));
    assert_eq!(answer.json()["rules"], 0);
    assert!(context.rules.read().unwrap().is_empty(), "those that run are shown");
    let foreign = [("Origin", "https://example.com")];
    assert_eq!(request(address, "POST", "/api/v1/rules/reload", &foreign, b"").await.status, 403);
    let answer = get(address, "/api/v1/rules/reload").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_broken_rules_folder_is_shown() {
    let (address, context, _taken) = server().await;
    assert_eq!(get(address, "/api/v1/rules").await.json()["state"], "ok");
    context.hub.rule_trouble(Some("rules has an error".to_owned()));
    context.hub.filling(["ssh-brute-force".to_owned()].into());
    let rules = get(address, "/api/v1/rules").await.json();
    assert_eq!((&rules["state"], &rules["rules"][0]["state"]), (&json!("error"), &json!("filling")));
    let health = get(address, "/health").await;
    assert_eq!((health.status, &health.json()["rules"]), (200, &json!("rules has an error")));
    context.hub.trouble(live::Stage::Log, None);
    let stats = get(address, "/api/v1/dashboard/stats").await.json();
    assert_eq!(stats["trouble"], "rules has an error", "the disk being well does not hide it");
}

#[tokio::test]
async fn statements_are_answered_or_told_why_not() {
    let (address, _context, _) = server().await;
    for (sql, status) in [
        ("bad", 400),
        ("large", 422),
        ("slow", 504),
        ("busy", 503),
        ("nowhere", 501),
        ("broken", 500),
        ("SELECT 1", 200),
    ] {
        let body = json!({ "sql": sql, "max_rows": 3 }).to_string();
        let answer = request(address, "POST", "/api/v1/sql", &[], body.as_bytes()).await;
        assert_eq!(answer.status, status, "{sql}");
        let expected = if status == 200 { "application/json" } else { "application/problem+json" };
        assert_eq!(answer.header("content-type"), Some(expected), "{sql}");
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("2"), "{sql}");
    }
    let wrong = [
        (&b"{}"[..], "/api/v1/sql", 400),
        (b"", "/api/v1/sql", 400),
        (br#"{"sql": "SELECT 1"}"#, "/api/v1/sql?x=1", 400),
        (&[b' '; 600 << 10], "/api/v1/sql", 413),
    ];
    for (body, path, status) in wrong {
        assert_eq!(request(address, "POST", path, &[], body).await.status, status, "{path}");
    }
}
