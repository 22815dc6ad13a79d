//! A server with a made-up engine behind it: events and alerts as a small company under attack has them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};

use futures::FutureExt;
use serde_json::{Value, json};
use weir::alert::{Alert, AlertChange, AlertId, Change, Severity};
use weir::event::field::{self, FieldId};
use weir::event::time::now;
use weir::event::{BatchBuilder, EventBatch, EventId};
use weir::metrics::Metrics;
use weir::serve::{self, Context, Hub, Limits, RuleInfo, live};

pub(super) struct Stage {
    pub(super) address: SocketAddr,
    pub(super) hub: Arc<Hub>,
    archived: Arc<Mutex<Vec<Value>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

impl Stage {
    pub(super) async fn start(rules: Vec<RuleInfo>) -> Stage {
        Stage::at("127.0.0.1:0".parse().unwrap(), rules).await
    }

    pub(super) async fn at(address: SocketAddr, rules: Vec<RuleInfo>) -> Stage {
        let hub = Hub::new(live::Settings::default());
        let archived = Arc::<Mutex<Vec<Value>>>::default();
        let (searched, looked_up) = (archived.clone(), archived.clone());
        let latest = hub.clone();
        let context = Context {
            hub: hub.clone(),
            ingest: tokio::sync::mpsc::channel(1).0,
            metrics: Arc::new(Metrics::new()),
            search: Arc::new(move |request| {
                let mut found = latest.latest(500);
                found.extend(searched.lock().unwrap().iter().cloned());
                found.retain(|event| {
                    let message = event["message"].as_str().unwrap_or_default();
                    request.filters.iter().all(|(name, value)| event[name] == value.as_str())
                        && request.text.as_ref().is_none_or(|text| message.contains(text.as_str()))
                });
                async move { Ok(found) }.boxed()
            }),
            evidence: Arc::new(move |ids| {
                let wanted: Vec<Value> = ids.iter().map(|id| id.to_string().into()).collect();
                let archived = looked_up.lock().unwrap();
                let found = archived.iter().filter(|event| wanted.contains(&event["event.id"])).cloned().collect();
                async move { Ok(found) }.boxed()
            }),
            sql: Arc::new(|_| async { Err(weir::query::sandbox::SandboxError::Busy) }.boxed()),
            rules: RwLock::new(rules),
            reload: Arc::new(|| Box::pin(async { Ok(Default::default()) })),
            limits: Limits::default(),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let (address, run) = serve::bind(address, Arc::new(context), shutdown).await.unwrap();
        Stage { address, hub, archived, stop: Some(stop), served: tokio::spawn(run) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(super) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.served.await.unwrap();
    }

    /// Puts events where searches and evidence look, but not among the latest.
    pub(super) fn archive(&self, batches: &[EventBatch]) {
        let mut archived = self.archived.lock().unwrap();
        for batch in batches {
            archived.extend((0..batch.len()).map(|row| Value::Object(batch.to_json(row))));
        }
    }

    pub(super) fn raise(&self, alert: &Alert) {
        self.tell(Change::Added, alert);
    }

    pub(super) fn tell(&self, change: Change, alert: &Alert) {
        self.hub.alert(&AlertChange { change, at: now(), cause: None, alert: alert.clone() });
    }
}

/// One event: its age in milliseconds and its fields.
pub(super) type Line<'a> = (i64, &'a [(FieldId, &'a str)]);

/// Events of these fields.
pub(super) fn batch(lines: &[Line]) -> EventBatch {
    let mut builder = BatchBuilder::new();
    for (n, (age, fields)) in lines.iter().enumerate() {
        let time = now() - age * 1_000;
        builder.set_time(field::TIMESTAMP, time);
        for (id, value) in *fields {
            match id.ty() {
                weir::event::Type::Ip => assert!(builder.set_ip(*id, value)),
                ty if ty.is_number() => assert!(builder.set_number(*id, value.parse().unwrap())),
                _ => builder.set_text(*id, value),
            }
        }
        builder.set_id(EventId::new(time, format!("{n} {fields:?}").as_bytes(), 0));
        builder.end_row();
    }
    builder.finish()
}

/// A failed or successful SSH login.
pub(super) fn login(host: &str, user: &str, source: &str, outcome: &str, age: i64) -> EventBatch {
    let word = if outcome == "success" { "Accepted" } else { "Failed" };
    let message = format!("{word} password for {user} from {source} port {} ssh2", 40_000 + age % 20_000);
    batch(&[(
        age,
        &[
            (field::HOST_NAME, host),
            (field::EVENT_CATEGORY, "authentication"),
            (field::EVENT_ACTION, "ssh_login"),
            (field::EVENT_OUTCOME, outcome),
            (field::EVENT_MODULE, "system"),
            (field::EVENT_DATASET, "system.auth"),
            (field::PROCESS_NAME, "sshd"),
            (field::PROCESS_PID, "24200"),
            (field::USER_NAME, user),
            (field::SOURCE_IP, source),
            (field::SOURCE_PORT, "50114"),
            (field::NETWORK_PROTOCOL, "ssh"),
            (field::MESSAGE, &message),
            (field::LOG_FILE_PATH, "/var/log/auth.log"),
        ],
    )])
}

/// A request as a web server logs it.
pub(super) fn web(method: &str, path: &str, status: &str, source: &str, age: i64) -> EventBatch {
    let message = format!("\"{method} {path} HTTP/1.1\" {status} 1532 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"");
    batch(&[(
        age,
        &[
            (field::HOST_NAME, "edge-1"),
            (field::EVENT_CATEGORY, "web"),
            (field::HTTP_REQUEST_METHOD, method),
            (field::HTTP_RESPONSE_STATUS, status),
            (field::URL_ORIGINAL, path),
            (field::SOURCE_IP, source),
            (field::MESSAGE, &message),
        ],
    )])
}

/// An alert of a rule, proved by these events.
pub(super) fn alert(n: u128, rule: &RuleInfo, title: &str, key: Value, count: u64, proof: &[EventBatch]) -> Alert {
    let times = || proof.iter().flat_map(|b| b.times().iter().copied());
    Alert {
        id: AlertId(n << 64 | n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & u128::from(u64::MAX)),
        rule: rule.name.clone(),
        severity: rule.severity,
        title: title.to_owned(),
        key: key.as_object().unwrap().clone(),
        first: times().min().unwrap_or_else(now),
        last: times().max().unwrap_or_else(now),
        count,
        evidence: proof.iter().flat_map(|b| (0..b.len()).map(|row| b.id(row))).collect(),
        attack: rule.attack.clone(),
        tags: rule.tags.clone(),
        runbook: None,
        risk: Some(60),
    }
}

/// The rules that watch.
pub(super) fn rules() -> Vec<RuleInfo> {
    use Severity::{Critical, High, Informational, Low, Medium};
    [
        ("ssh-brute-force", "SSH brute force from {source.ip}", High, "T1110.001", "ssh"),
        ("ssh-brute-force-success", "{source.ip} guessed the password of {user.name}", Critical, "T1110.001", "ssh"),
        ("ssh-password-spray", "Password spraying from {source.ip}", High, "T1110.003", "ssh"),
        ("root-login", "root logged in on {host.name}", Medium, "T1078.003", "ssh"),
        ("new-user-login", "New account {user.name} logged in at once", High, "T1136.001", "accounts"),
        ("sudo-shell", "{user.name} opened a root shell with sudo", Low, "T1548.003", "sudo"),
        ("web-scanner", "Web scan from {source.ip}", Medium, "T1595.002", "web"),
        ("web-path-traversal", "Path traversal attempt from {source.ip}", High, "T1190", "web"),
        ("web-5xx-burst", "{count} server errors on {host.name}", Low, "T1499", "web"),
        ("log-cleared", "A log was cleared on {host.name}", Critical, "T1070.002", "defense"),
        ("cron-changed", "A cron job changed on {host.name}", Informational, "T1053.003", "persistence"),
    ]
    .into_iter()
    .map(|(name, title, severity, attack, file)| RuleInfo {
        name: name.to_owned(),
        title: title.to_owned(),
        description: Some("Tuned on the public LogHub servers; internal scanners belong in an exception.".to_owned()),
        severity,
        attack: vec![attack.to_owned()],
        tags: vec![file.to_owned()],
        file: format!("rules/{file}.weir"),
    })
    .collect()
}

/// The rule of this name.
pub(super) fn rule(name: &str) -> RuleInfo {
    rules().into_iter().find(|r| r.name == name).unwrap()
}

/// One second of an ordinary morning: so many events, the newest now.
fn crowd(count: usize, age: i64) -> EventBatch {
    const LOGINS: [(&str, &str, &str); 5] = [
        ("mail-1", "svc-backup", "10.20.4.9"),
        ("build-3", "jenkins", "10.20.6.40"),
        ("web-2", "maria", "10.20.9.112"),
        ("vpn-2", "tomasz", "198.51.100.8"),
        ("db-1", "postgres", "10.20.4.30"),
    ];
    const REQUESTS: [(&str, &str, &str); 4] = [
        ("GET", "/products/4711", "200"),
        ("POST", "/api/orders", "201"),
        ("GET", "/login", "200"),
        ("GET", "/favicon.ico", "404"),
    ];
    // A few dozen distinct ones, over and over: the hub only counts the rest.
    let distinct: Vec<EventBatch> = (0..60)
        .map(|i: usize| {
            let at = age + (60 - i as i64) * 37;
            match i % 3 {
                0 => {
                    let (host, user, source) = LOGINS[i / 3 % LOGINS.len()];
                    login(host, user, source, if i % 12 == 9 { "failure" } else { "success" }, at)
                }
                _ => {
                    let (method, path, status) = REQUESTS[i % 7 % REQUESTS.len()];
                    web(method, path, status, ["10.20.7.3", "203.0.113.190", "198.51.100.61"][i % 5 % 3], at)
                }
            }
        })
        .collect();
    let records: Vec<_> = distinct.iter().map(weir::event::schema::to_record_batch).collect();
    let all = arrow::compute::concat_batches(&weir::event::schema::schema(), &records).unwrap();
    let all = weir::event::schema::from_record_batch(&all).unwrap();
    all.take(&(0..count as u32).map(|i| (i + 60 - count as u32 % 60) % 60).collect::<Vec<_>>())
}

/// Five minutes of that morning, with an attack in it.
pub(super) fn play(stage: &Stage) {
    let mut alerts = attack(stage);
    alerts.sort_by_key(|alert| alert.last);
    let mut alerts = alerts.into_iter().peekable();
    let start = now() - 300_000_000;
    let quiet = crowd(3_000, 60_000);
    for second in 0..300i64 {
        let wave = 1_180.0 + 260.0 * (second as f64 / 23.0).sin() + 90.0 * (second as f64 / 5.0).cos();
        let burst = if (236..282).contains(&second) { 1_250 - (second - 259).abs() * 45 } else { 0 };
        let count = wave as i64 + burst + second * 7919 % 97;
        stage.hub.events(&quiet.take(&(0..count as u32).collect::<Vec<_>>()));
        let at = start + second * 1_000_000;
        while let Some(alert) = alerts.next_if(|alert| alert.last < at) {
            stage.raise(&alert);
        }
        stage.hub.tick(at);
    }
    alerts.for_each(|alert| stage.raise(&alert));
    stage.hub.events(&crowd(1_284, 0));
    stage.hub.tick(start + 300_000_000);
}

/// The attack's alerts; its events are in the archive.
pub(super) fn attack(stage: &Stage) -> Vec<Alert> {
    let guesses: Vec<_> =
        (0..9).map(|i| login("bastion-1", "root", "203.0.113.77", "failure", 42_000 - i * 3_100)).collect();
    let broke_in = [&guesses[5..], &[login("bastion-1", "deploy", "203.0.113.77", "success", 11_000)]].concat();
    let spray = series(["anna", "ben", "carla", "deniz", "emil"], |user, i| {
        login("vpn-2", user, "198.51.100.23", "failure", 190_000 - i * 9_000)
    });
    let scan = series(["/wp-login.php", "/.env", "/phpmyadmin/", "/server-status", "/.git/config"], |path, i| {
        web("GET", path, "404", "192.0.2.145", 88_000 - i * 700)
    });
    let traversal = series(["/static/../../../../etc/passwd", "/cgi-bin/%2e%2e/%2e%2e/etc/shadow"], |path, i| {
        web("GET", path, "400", "192.0.2.145", 84_000 - i * 900)
    });
    let root = [login("db-1", "root", "10.20.4.11", "success", 255_000)];
    let errors: Vec<_> = (0..12).map(|i| web("POST", "/api/orders", "502", "10.20.7.3", 130_000 - i * 400)).collect();
    let shell = [login("web-2", "maria", "10.20.9.112", "success", 61_000)];
    let newcomer = [login("bastion-1", "helpdesk7", "203.0.113.77", "success", 52_000)];
    for proof in [&guesses, &broke_in, &spray, &scan, &traversal, &errors] {
        stage.archive(proof);
    }
    for proof in [&root, &shell, &newcomer] {
        stage.archive(proof);
    }
    let by = |name: &str, value: &str| json!({ name: value });
    let raised = |n, name, title, key, count, proof: &[EventBatch]| alert(n, &rule(name), title, key, count, proof);
    vec![
        raised(1, "root-login", "root logged in on db-1", by("host.name", "db-1"), 1, &root),
        raised(
            2,
            "ssh-password-spray",
            "Password spraying from 198.51.100.23",
            by("source.ip", "198.51.100.23"),
            5,
            &spray,
        ),
        raised(3, "web-5xx-burst", "38 server errors on edge-1", by("host.name", "edge-1"), 38, &errors),
        raised(4, "web-scanner", "Web scan from 192.0.2.145", by("source.ip", "192.0.2.145"), 164, &scan),
        raised(
            5,
            "web-path-traversal",
            "Path traversal attempt from 192.0.2.145",
            by("source.ip", "192.0.2.145"),
            2,
            &traversal,
        ),
        raised(
            6,
            "sudo-shell",
            "maria opened a root shell with sudo",
            json!({ "user.name": "maria", "host.name": "web-2" }),
            1,
            &shell,
        ),
        raised(
            7,
            "new-user-login",
            "New account helpdesk7 logged in at once",
            by("user.name", "helpdesk7"),
            2,
            &newcomer,
        ),
        raised(
            8,
            "ssh-brute-force",
            "SSH brute force from 203.0.113.77",
            by("source.ip", "203.0.113.77"),
            214,
            &guesses,
        ),
        raised(
            9,
            "ssh-brute-force-success",
            "203.0.113.77 guessed the password of deploy",
            json!({ "source.ip": "203.0.113.77", "host.name": "bastion-1" }),
            10,
            &broke_in,
        ),
    ]
}

fn series<const N: usize>(values: [&str; N], event: impl Fn(&str, i64) -> EventBatch) -> Vec<EventBatch> {
    values.iter().zip(0..).map(|(value, i)| event(value, i)).collect()
}
