//! What is read: events, alerts, status, the stream.

use super::*;

#[tokio::test]
async fn events_come_newest_first_and_as_text() {
    let (address, context, _) = server().await;
    let events = get(address, "/api/v1/events?limit=3").await.json()["events"].clone();
    let asked = events[0]["message"].as_str().unwrap();
    assert!(
        asked.contains("limit: 3") && events.as_array().unwrap().len() == 1,
        "at first, what is archived: {events}"
    );
    context.hub.events(&batch(&XSS));
    let answer = get(address, "/api/v1/events?limit=3").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let events = answer.json()["events"].clone();
    let messages: Vec<&str> = events.as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect();
    assert_eq!(messages, [XSS[6], XSS[5], XSS[4]]);
    assert_eq!(events[0]["fields.note"], XSS[6]);
    // Only the latest five are kept.
    assert_eq!(get(address, "/api/v1/events").await.json()["events"].as_array().unwrap().len(), 5);
    let id = events[0]["event.id"].as_str().unwrap();
    assert_eq!(get(address, &format!("/api/v1/events/{id}")).await.json(), events[0]);
    let unknown = EventId::default().to_string();
    assert_eq!(get(address, &format!("/api/v1/events/{unknown}")).await.status, 404);
    assert_eq!(get(address, "/api/v1/events/x").await.status, 400);
}

#[tokio::test]
async fn searches_go_to_the_archive() {
    let (address, _context, _) = server().await;
    let path = "/api/v1/search?q=failed%20password&filter=source.ip:192.0.2.1&from=2026-01-15T00:00:00Z&limit=9";
    let answer = get(address, path).await.json();
    let asked = answer["events"][0]["message"].as_str().unwrap();
    for part in ["\"failed password\"", "(\"source.ip\", \"192.0.2.1\")", "from: Some(1768435200000000)", "limit: 9"] {
        assert!(asked.contains(part), "{asked}");
    }
    let asked = get(address, "/api/v1/events?user.name=root").await.json();
    assert!(asked["events"][0]["message"].as_str().unwrap().contains("(\"user.name\", \"root\")"));
    for (query, status) in [
        ("q=slow", 504),
        ("q=busy", 503),
        ("q=bad", 400),
        ("q=broken", 500),
        ("limit=0", 400),
        ("from=soon", 400),
        ("filter=nope:1", 400),
        ("nope=1", 400),
        ("q=%ff", 200),
    ] {
        let answer = get(address, &format!("/api/v1/search?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        if status != 200 {
            assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn alerts_are_paged_and_filtered() {
    let (address, context, _) = server().await;
    for n in 1..=5 {
        let mut alert = alert(n, XSS[n as usize], vec![]);
        alert.severity = if n == 2 { Severity::Low } else { Severity::High };
        context.hub.alert(&change(Change::Added, alert));
    }
    context.hub.alert(&change(Change::Withdrawn, alert(1, "gone", vec![])));
    context.hub.alert(&change(Change::Superseded { by: AlertId(4) }, alert(3, "merged", vec![])));
    let ids = |answer: &Value| -> Vec<u128> {
        let alerts = answer["alerts"].as_array().unwrap();
        alerts.iter().map(|a| u128::from_str_radix(a["id"].as_str().unwrap(), 16).unwrap()).collect()
    };
    let first = get(address, "/api/v1/alerts?limit=2").await.json();
    assert_eq!(ids(&first), [5, 4]);
    assert_eq!(first["alerts"][0]["title"], XSS[5]);
    let next = first["next"].as_str().unwrap();
    let second = get(address, &format!("/api/v1/alerts?limit=2&after={next}")).await.json();
    assert_eq!(ids(&second), [3, 2]);
    assert_eq!(
        (&second["alerts"][0]["standing"], &second["alerts"][0]["superseded_by"]),
        (&json!("superseded"), &json!(AlertId(4).to_string()))
    );
    let last = get(address, &format!("/api/v1/alerts?after={}", second["next"].as_str().unwrap())).await.json();
    assert_eq!((ids(&last), &last["next"]), (vec![1], &Value::Null));
    assert_eq!(ids(&get(address, "/api/v1/alerts?severity=low,critical").await.json()), [2]);
    assert_eq!(ids(&get(address, "/api/v1/alerts?standing=current").await.json()), [5, 4, 2]);
    assert_eq!(ids(&get(address, "/api/v1/alerts?rule=other").await.json()), []);
    for query in ["severity=worst", "after=x", "limit=-1", "colour=red", "standing=up"] {
        assert_eq!(get(address, &format!("/api/v1/alerts?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn an_alert_comes_with_its_evidence() {
    let (address, context, _) = server().await;
    let live = batch(&["just came"]);
    let unknown = EventId::from_hash(1_768_473_045_000_000, 7);
    context.hub.events(&live);
    let evidence = vec![batch(&["from the archive"]).id(0), live.id(0), unknown];
    context.hub.alert(&change(Change::Added, alert(7, "SSH brute force", evidence)));
    let answer = get(address, &format!("/api/v1/alerts/{}", AlertId(7))).await.json();
    let mut messages: Vec<_> = answer["events"].as_array().unwrap().iter().map(|e| &e["message"]).collect();
    messages.sort_by_key(|m| m.as_str());
    assert_eq!(messages, ["from the archive", "just came"]);
    assert_eq!(answer["missing"], json!([unknown]));
    assert_eq!((&answer["count"], &answer["rule_info"]["file"]), (&json!(3), &json!("rules/ssh.weir")));
    assert_eq!(get(address, &format!("/api/v1/alerts/{}", AlertId(8))).await.status, 404);
    assert_eq!(get(address, "/api/v1/alerts/x").await.status, 400);
}

#[tokio::test]
async fn status_is_told() {
    let (address, context, _) = server().await;
    context.hub.load_alerts(&[alert(1, "a", vec![]), alert(2, "b", vec![])]);
    context.hub.events(&batch(&["a", "b"]));
    context.hub.tick(1_768_473_045_000_000);
    context.metrics.received("auth.log", 2, 9);
    let stats = get(address, "/api/v1/dashboard/stats").await.json();
    assert_eq!((&stats["events"], &stats["alerts"]["high"], &stats["rules"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(stats["history"]["events_per_second"], json!([2.0]));
    assert_eq!(stats["sources"][0]["name"], "auth.log");
    let rules = get(address, "/api/v1/rules").await.json();
    assert_eq!((&rules["rules"][0]["name"], &rules["rules"][0]["alerts"]), (&json!("ssh-brute-force"), &json!(2)));
    assert!(get(address, "/metrics").await.text().contains("weir_lines_received_total{source=\"auth.log\"} 2"));
    assert_eq!(get(address, "/health").await.json()["status"], "ok");
    context.hub.trouble(live::Stage::Parquet, Some("the disk is full".to_owned()));
    let health = get(address, "/health").await;
    assert_eq!((health.status, &health.json()["trouble"]), (503, &json!("the disk is full")));
}

#[tokio::test]
async fn the_stream_tells_and_resumes() {
    let (address, context, _) = server().await;
    let mut stream = client::open(address, "/api/v1/stream", &[]).await;
    let head = client::read_until(&mut stream, "\n\n").await;
    assert!(head.contains("text/event-stream") && head.contains("event:stats"), "{head}");
    context.hub.alert(&change(Change::Added, alert(1, "the former", vec![])));
    let told = client::read_until(&mut stream, "\n\n").await;
    assert!(told.contains("event:alert") && told.contains("\"the former\""), "{told}");
    let id = told.lines().find_map(|l| l.strip_prefix("id:")).unwrap_or_else(|| panic!("{told}")).to_owned();
    context.hub.events(&batch(&XSS));
    assert!(client::read_until(&mut stream, "event:event").await.contains("data:{"));
    drop(stream);

    context.hub.alert(&change(Change::Added, alert(2, "the latter", vec![])));
    let mut again = client::open(address, "/api/v1/stream", &[("Last-Event-ID", &id)]).await;
    let missed = client::read_until(&mut again, "\"the latter\"").await;
    assert!(!missed.contains("\"the former\"") && !missed.contains("event:reset"), "{missed}");
    drop(again);

    let mut other = client::open(address, "/api/v1/stream", &[("Last-Event-ID", "other-3")]).await;
    client::read_until(&mut other, "event:reset").await;
}

#[tokio::test]
async fn streams_are_bounded() {
    let (address, _context, _) = server().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = client::open(address, "/api/v1/stream", &[]).await;
        client::read_until(&mut stream, "event:stats").await;
        open.push(stream);
    }
    let refused = get(address, "/api/v1/stream").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
}
