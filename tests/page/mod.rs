//! The live page, in a real browser, over a made-up engine.
//!
//! Each function is one test. Where there is no Chromium they say so and pass; with `CI=true` they fail.
//! `WEIR_SHOTS=DIR` makes [`screenshots`] write its pictures there.

mod browser;
mod stage;

use serde_json::json;
use weir::alert::Change;
use weir::event::field;

use browser::Browser;
use stage::{Stage, alert, batch, login, play, rule, rules, web};

fn run(test: impl AsyncFnOnce(Browser)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if let Some(browser) = Browser::start().await {
            test(browser).await;
        }
    });
}

/// The console is clean: no error of a script, of the policy, of a request.
fn assert_content(browser: &Browser) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// The page loads, says what to do, shows what comes, and opens an alert with its evidence.
pub(crate) fn is_live() {
    run(async |browser| {
        let stage = Stage::start(vec![]).await;
        browser.open(&stage.url()).await;
        browser.says("#link-text", "Live").await;
        browser.says("#events-empty", "weir run --file /var/log/auth.log").await;
        browser.says("#alerts-more", "No rules are loaded").await;

        let proof: Vec<_> = (0..3).map(|i| login("web-1", "root", "203.0.113.7", "failure", 5_000 - i * 900)).collect();
        proof.iter().for_each(|event| stage.hub.events(event));
        browser.says("#event-rows tr .message", "Failed password for root from 203.0.113.7").await;
        let ssh = rule("ssh-brute-force");
        let key = json!({ "source.ip": "203.0.113.7" });
        let mut raised = alert(7, &ssh, "SSH brute force from 203.0.113.7", key, 3, &proof);
        stage.raise(&raised);
        browser.says("#alert-list .title", "SSH brute force from 203.0.113.7").await;
        browser.says("#announce", "New high alert").await;
        raised.count = 1_250;
        stage.tell(Change::Changed, &raised);
        browser.says("#alert-list .count", "1,250 events").await;
        assert_eq!(browser.eval("return document.querySelectorAll('#alert-list li').length").await, 1);
        stage.hub.tick(weir::event::time::now());
        browser.until("document.querySelector('.tile.sev-high .count').textContent === '1'").await;
        browser.says("#total", "3 events").await;

        browser.click("#alert-list a").await;
        browser.says("#drawer-title", "SSH brute force from 203.0.113.7").await;
        browser.says("#drawer .why", "1,250 events of source.ip 203.0.113.7 fit the rule").await;
        browser.until("document.querySelectorAll('#drawer .evidence li').length === 3").await;
        browser.click("#drawer .evidence summary").await;
        browser
            .until("document.querySelector('#drawer .evidence details[open] .fields').innerText.includes('source.ip')")
            .await;
        let address = browser.eval("return location.hash").await;
        assert_eq!(address, format!("#alert/{}", raised.id));

        stage.tell(Change::Withdrawn, &raised);
        browser.says("#alert-list .standing", "withdrawn").await;
        browser.says("#drawer .note", "Withdrawn").await;
        browser.until("document.querySelector('#drawer .evidence details').open").await;
        browser.keys("\u{e00c}").await;
        browser.until("document.querySelector('#drawer').hidden && location.hash === '#overview'").await;

        // The address alone opens it too.
        browser.open(&format!("{}#alert/{}", stage.url(), raised.id)).await;
        browser.eval("location.reload()").await;
        browser.says("#drawer-title", "SSH brute force from 203.0.113.7").await;

        // What the stream says while a snapshot is on its way stands, although that one knows nothing of it.
        browser
            .eval(
                "const real = window.fetch;
                window.fetch = async (url, options) => {
                  const answer = await real(url, options);
                  if (!String(url).includes('/stats')) return answer;
                  window.held = true;
                  await new Promise((go) => { window.release = go; });
                  setTimeout(() => { window.read = true; }, 200);
                  return answer;
                };
                window.dispatchEvent(new Event('online'));",
            )
            .await;
        browser.until("window.held").await;
        stage.hub.trouble(weir::serve::live::Stage::Parquet, Some("the disk is full: free some space".to_owned()));
        browser.says("#trouble", "the disk is full").await;
        browser.eval("window.release()").await;
        browser.until("window.read").await;
        browser.says("#trouble", "the disk is full").await;
        assert_content(&browser);
        stage.stop().await;
    });
}

/// Whatever a log or a rule says is shown, letter by letter, and runs nothing.
pub(crate) fn shows_hostile_text_as_text() {
    const HOSTILE: [&str; 5] = [
        "<script>window.hit=1</script>",
        "<img src=x onerror=\"window.hit=1\">",
        "\"><svg onload=window.hit=1>",
        "javascript:window.hit=1",
        "</td></tr></table><iframe srcdoc='<script>parent.hit=1</script>'>",
    ];
    run(async |browser| {
        let stage = Stage::start(rules()).await;
        browser.open(&stage.url()).await;
        browser.says("#link-text", "Live").await;
        let mut titles = Vec::new();
        for (n, text) in HOSTILE.iter().enumerate() {
            let fields =
                [field::MESSAGE, field::USER_NAME, field::HOST_NAME, field::EVENT_ACTION, field::EVENT_OUTCOME];
            let event = batch(&[(1_000 + n as i64, &fields.map(|id| (id, *text))[..])]);
            stage.hub.events(&event);
            let mut raised = alert(n as u128 + 1, &rule("log-cleared"), text, json!({ *text: text }), 1, &[event]);
            raised.runbook = Some((*text).to_owned());
            raised.attack = vec![(*text).to_owned()];
            raised.tags = vec![(*text).to_owned()];
            stage.raise(&raised);
            titles.push(raised.id);
        }
        for (text, id) in HOSTILE.iter().zip(titles) {
            for place in [
                "#event-rows .message",
                "#event-rows .user",
                "#event-rows .what",
                "#alert-list .title",
                "#alert-list .key b",
                "#alert-list .attack",
            ] {
                browser.says(place, text).await;
            }
            browser.eval(&format!("location.hash = '#alert/{id}'")).await;
            browser.says("#drawer-title", text).await;
            for place in [".facts dd", ".why", ".evidence .message", ".fields td"] {
                browser.says(&format!("#drawer {place}"), text).await;
            }
        }
        let hash = json!(format!("#search/{}", HOSTILE[1].replace('%', "%25")));
        browser.eval(&format!("location.hash = {hash}")).await;
        browser.says("#events-title", "Search results").await;
        browser.until("document.querySelector('#event-rows a')").await;
        browser.click("#event-rows a").await;
        browser.says("#drawer-title", HOSTILE[1]).await;
        assert_eq!(browser.eval("return window.hit ?? null").await, json!(null));
        let made = "return document.querySelectorAll('script:not([src]), iframe, img:not([src^=\"/assets/\"]), [onload], [onerror], a[href^=\"javascript:\"]').length";
        assert_eq!(browser.eval(made).await, 0);
        assert_content(&browser);
    });
}

/// Search, pages and lists work by mouse and by keyboard alone.
pub(crate) fn searches_and_obeys_keys() {
    run(async |browser| {
        let stage = Stage::start(rules()).await;
        play(&stage);
        browser.open(&stage.url()).await;
        browser.says("#alert-list .title", "guessed the password").await;
        browser.keys("/").await;
        browser.keys("source.ip:192.0.2.145 etc/passwd\n").await;
        browser.says("#events-note", "1 event").await;
        browser.says("#event-rows .message", "/etc/passwd").await;
        browser.keys("j").await;
        browser.keys("\n").await;
        browser.says("#drawer .fields", "url.original").await;
        browser
            .eval("[...document.querySelectorAll('#drawer .fields a')].find(a => a.textContent === 'edge-1').click()")
            .await;
        browser.until("document.querySelector('#query').value === 'host.name:edge-1'").await;
        browser.until("document.querySelectorAll('#event-rows tr').length > 10").await;
        browser.eval("document.querySelector('#query').focus()").await;
        browser.eval("document.querySelector('#query').value = ''").await;
        browser.keys("nope.field:1\n").await;
        browser.says("#events-empty", "neither a parameter nor a field").await;
        browser.complaints();

        browser.keys("2").await;
        browser
            .until(
                "document.body.dataset.view === 'alerts' && !document.querySelector('.event-table').checkVisibility()",
            )
            .await;
        browser.keys("j").await;
        browser.keys("j").await;
        browser.keys("\n").await;
        browser.says("#drawer-title", "SSH brute force from 203.0.113.77").await;
        browser.keys("k").await;
        browser.says("#drawer-title", "guessed the password of deploy").await;
        browser.keys("\u{e00c}").await;
        browser
            .until("document.querySelector('#drawer').hidden && document.activeElement.closest('#alert-list')")
            .await;

        browser.click(".tile.sev-low").await;
        browser.until("[...document.querySelectorAll('#alert-list .badge')].every(b => b.textContent === 'low')").await;
        browser.click("#alert-filters .chip").await;
        browser.keys("4").await;
        browser.says("#rule-rows", "web-path-traversal").await;
        browser
            .eval("[...document.querySelectorAll('#rule-rows a')].find(a => a.textContent === 'web-scanner').click()")
            .await;
        browser.until("document.querySelectorAll('#alert-list li').length === 1").await;
        browser.says("#alert-filters", "web-scanner").await;
        browser.keys("?").await;
        browser.until("document.querySelector('#help').open").await;
        browser.click("#help button").await;
        browser.until("!document.querySelector('#help').open").await;
        browser.keys("3").await;
        browser.keys("p").await;
        browser.says("#events-note", "paused").await;
        stage.hub.events(&web("GET", "/while-paused", "200", "10.0.0.1", 0));
        stage.hub.tick(weir::event::time::now());
        browser.says("#total", "events since start").await;
        assert_eq!(
            browser.eval("return document.querySelector('#event-rows').innerText.includes('while-paused')").await,
            false
        );
        browser.keys("p").await;
        browser.says("#event-rows .message", "/while-paused").await;
        assert_content(&browser);
    });
}

/// At a phone's width nothing is cut off and nothing scrolls sideways.
pub(crate) fn fits_a_phone() {
    run(async |browser| {
        let stage = Stage::start(rules()).await;
        play(&stage);
        browser.size(390, 844).await;
        browser.open(&stage.url()).await;
        browser.says("#alert-list .title", "guessed the password").await;
        let id = browser.eval("return document.querySelector('#alert-list a').hash").await;
        for page in ["#overview", "#alerts", "#events", "#rules", "#search/source.ip:192.0.2.145", id.as_str().unwrap()]
        {
            browser.eval(&format!("location.hash = '{page}'")).await;
            browser.until("document.querySelector('#link-text').textContent === 'Live'").await;
            if page.starts_with("#alert/") {
                browser.until("document.querySelector('#drawer .evidence li')").await;
            }
            let width = browser.eval("return document.documentElement.scrollWidth").await;
            assert!(width.as_u64().unwrap() <= 390, "{page} is {width} wide");
            let inner = "return [...document.querySelectorAll('.scroll, .drawer-body')].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth).length";
            assert_eq!(browser.eval(inner).await, 0, "{page} scrolls sideways inside");
        }
        assert_content(&browser);
    });
}

/// A server that goes away and comes back, as another run, is followed.
pub(crate) fn comes_back() {
    run(async |browser| {
        let stage = Stage::start(rules()).await;
        play(&stage);
        browser.open(&stage.url()).await;
        browser.says("#alert-list .title", "guessed the password").await;
        let address = stage.address;
        stage.stop().await;
        browser.says("#link-text", "Reconnecting").await;
        let stage = Stage::at(address, rules()).await;
        browser.says("#link-text", "Live").await;
        browser.says("#alerts-more", "All quiet").await;
        let traversal = rule("web-path-traversal");
        stage.raise(&alert(5, &traversal, "Raised after the restart", json!({}), 1, &[]));
        browser.says("#alert-list .title", "Raised after the restart").await;
        assert_eq!(browser.eval("return document.querySelectorAll('#alert-list li').length").await, 1);
        stage.stop().await;
    });
}

/// Pictures of the pages, dark and light, at a desk and on a phone, when `WEIR_SHOTS` names a folder.
pub(crate) fn screenshots() {
    let Some(folder) = std::env::var_os("WEIR_SHOTS").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    run(async |browser| {
        let stage = Stage::start(rules()).await;
        let bare = Stage::start(rules()).await;
        play(&stage);
        stage.tell(Change::Withdrawn, &stage::attack(&stage)[6]);
        let pages = [
            ("overview", "#overview"),
            ("alert", ""),
            ("alerts", "#alerts"),
            ("events", "#events"),
            ("rules", "#rules"),
            ("empty", "#overview"),
        ];
        for (kind, scheme, width, height) in [
            ("dark", "dark", 1440, 900),
            ("light", "light", 1440, 900),
            ("wide", "dark", 1920, 1080),
            ("tablet", "light", 900, 1100),
            ("phone", "dark", 390, 844),
        ] {
            browser.scheme(scheme);
            browser.size(width, height).await;
            for (name, hash) in pages {
                browser.open("about:blank").await;
                browser.open(&format!("{}{hash}", if name == "empty" { bare.url() } else { stage.url() })).await;
                browser.says("#link-text", "Live").await;
                if name != "empty" {
                    browser.says("#alert-list .title", "guessed the password").await;
                }
                if name == "alert" {
                    browser.eval("location.hash = document.querySelector('#alert-list a').hash").await;
                    browser.until("document.querySelector('#drawer .evidence li')").await;
                }
                browser.until("document.querySelector('#rate').textContent !== '–'").await;
                browser.eval("document.getAnimations().forEach(a => a.finish()); document.activeElement.blur()").await;
                std::fs::write(folder.join(format!("{name}-{kind}.png")), browser.picture().await).unwrap();
            }
        }
        assert_content(&browser);
    });
}
