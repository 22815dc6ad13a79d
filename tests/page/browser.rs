//! A headless Chromium, driven through chromedriver; gone when dropped.
//!
//! In: an address and scripts. Out: what the page says, its console errors, pictures.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long the page may take for anything: generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Browser {
    driver: Child,
    /// The session's address at the driver.
    session: String,
    client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`, with a word on standard output, where there is no Chromium; CI must have one.
    pub(super) async fn start() -> Option<Browser> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs chromium and chromedriver: {error}");
                println!("skipped: no chromedriver here (apt-get install chromium chromium-driver)");
                return None;
            }
        };
        let lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let port = port(lines).expect("chromedriver names its port");
        let profile = tempfile::tempdir().unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let capabilities = capabilities(&format!("--user-data-dir={}", profile.path().display()));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&address)
            .await
            .expect("chromedriver starts chromium");
        let id = client.session_id().await.unwrap().expect("the session is open");
        Some(Browser { driver, session: format!("{address}/session/{id}"), client, _profile: profile })
    }

    pub(super) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Runs a script's `return`.
    pub(super) async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// Waits until an expression is true.
    pub(super) async fn until(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.eval(&format!("return !!({expression})")).await != Value::Bool(true) {
            if Instant::now() > end {
                let text = self.eval("return document.body.innerText").await;
                panic!("never true: {expression}\nthe page says:\n{}", text.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an element holds this text.
    pub(super) async fn says(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.until(&format!("[...document.querySelectorAll({css})].some(e => e.textContent.includes({text}))")).await;
    }

    pub(super) async fn click(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.unwrap_or_else(|e| panic!("{css}: {e}")).click().await.unwrap();
    }

    /// Types into whatever has the focus; a line end is Enter.
    pub(super) async fn keys(&self, keys: &str) {
        let actions = keys.chars().fold(KeyActions::new("keyboard".into()), |actions, key| {
            let value = if key == '\n' { Key::Enter.into() } else { key };
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Sets the size of the view, as a phone or a desk has it.
    pub(super) async fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// `dark` or `light`, as the system would prefer it.
    pub(super) fn scheme(&self, scheme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media);
    }

    pub(super) async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    fn devtools(&self, command: &str, params: Value) {
        post(&format!("{}/goog/cdp/execute", self.session), &json!({ "cmd": command, "params": params }));
    }

    /// What the console complained about since the last call: errors of scripts, of the policy, of the network.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = post(&format!("{}/se/log", self.session), &json!({ "type": "browser" }));
        let entries = log["value"].as_array().unwrap();
        let bad = entries.iter().filter(|e| matches!(e["level"].as_str(), Some("SEVERE" | "WARNING")));
        bad.map(|e| e["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver alone would leave it behind.
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn post(url: &str, body: &Value) -> Value {
    let mut answer = ureq::post(url).send(body.to_string()).unwrap_or_else(|e| panic!("{url}: {e}"));
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

fn capabilities(profile: &str) -> Value {
    json!({
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--window-size=1440,900", profile,
        ] },
    })
}

fn port(lines: impl Iterator<Item = String>) -> Option<u16> {
    lines.filter_map(|line| line.rsplit_once("on port ")?.1.trim_end_matches('.').parse().ok()).find(|port| *port != 0)
}
