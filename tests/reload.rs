//! Rules edited under a running `weir run`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::run::{PATIENCE, Server, append, attack};

fn rule(name: &str, least: usize, more: &str) -> String {
    format!(
        "rule {name} {{ when authentication where event.outcome == \"failure\" {more} by source.ip within 5m having count() >= {least} }}\n"
    )
}

/// Last numbers of the addresses that a rule names in alerts that stand.
fn sources(alerts: &[Value], rule: &str) -> BTreeSet<usize> {
    let of = alerts.iter().filter(|a| a["rule"] == rule && a["standing"] == "current");
    of.map(|a| a["key"]["source.ip"].as_str().unwrap().rsplit('.').next().unwrap().parse().unwrap()).collect()
}

fn reload(server: &Server) -> (u16, Value) {
    let request = ureq::post(format!("{}/api/v1/rules/reload", server.address));
    let mut response = request.config().http_status_as_error(false).build().send_empty().expect("it answers");
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap())
}

fn wait_for_state(server: &Server, state: &str) -> Value {
    let started = Instant::now();
    loop {
        let rules = server.get("/api/v1/rules");
        if rules["state"] == state {
            return rules;
        }
        assert!(started.elapsed() < PATIENCE, "waited for {state}: {rules}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn history(data: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(data.join("alerts.ndjson")).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn start(folder: &Path) -> Server {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    Server::start(&["run", "--file", &path("auth.log"), "--data", &path("data"), "--rules", &path("rules")])
}

#[test]
fn edited_rules_take_effect_and_broken_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (log, rules, data) = (folder.path().join("auth.log"), folder.path().join("rules"), folder.path().join("data"));
    std::fs::create_dir(&rules).unwrap();
    let write = |name: &str, text: &str| std::fs::write(rules.join(name), text).unwrap();
    write("a.weir", &rule("a", 3, ""));
    append(&log, &attack(0, 1, 12));
    let server = start(folder.path());
    server.wait_for("the first alert", |alerts| sources(alerts, "a") == [1].into());

    // A new rule finds what is archived; the folder is looked at without being asked.
    write("b.weir", &rule("b", 5, ""));
    let alerts = server.wait_for("an alert from the past", |alerts| sources(alerts, "b") == [1].into());
    let found = alerts.iter().find(|a| a["rule"] == "b").unwrap();
    assert_eq!((&found["count"], alerts.len()), (&12.into(), 2));

    // A broken file changes nothing.
    write("b.weir", "rule b { when authentication where event.outcom == \"failure\" }");
    write("c.weir", &rule("c", 2, ""));
    let state = wait_for_state(&server, "error");
    assert_eq!(state["rules"].as_array().unwrap().len(), 2);
    assert!(state["diagnostics"][0]["message"].as_str().unwrap().contains("outcom"), "{state}");
    let (status, problem) = reload(&server);
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("b.weir:1"), "{problem}");
    assert!(server.get("/health")["rules"].as_str().unwrap().contains("go on"));
    let metrics = ureq::get(format!("{}/metrics", server.address)).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(metrics.contains("weir_rules_errors 1"), "{metrics}");
    append(&log, &attack(60, 2, 12));
    server.wait_for("old rules go on", |alerts| {
        sources(alerts, "a") == [1, 2].into() && sources(alerts, "b") == [1, 2].into()
    });

    // Mended, it asks for more than one of the attacks had.
    append(&log, &attack(120, 3, 30));
    server.wait_for("the longest attack", |alerts| sources(alerts, "b") == [1, 2, 3].into());
    write("b.weir", &rule("b", 20, ""));
    server.signal(Signal::SIGHUP);
    let alerts = server.wait_for("the changed rule", |alerts| {
        sources(alerts, "b") == [3].into() && sources(alerts, "c") == [1, 2, 3].into()
    });
    assert_eq!(sources(&alerts, "a"), [1, 2, 3].into());
    wait_for_state(&server, "ok");
    let withdrawn: Vec<Value> = history(&data).into_iter().filter(|c| c["change"] == "withdrawn").collect();
    assert_eq!(withdrawn.len(), 2, "{withdrawn:?}");
    assert!(withdrawn.iter().all(|c| c["cause"] == "rule_changed" && c["alert"]["rule"] == "b"), "{withdrawn:?}");

    // What a removed rule said stands, now and after a restart.
    std::fs::remove_file(rules.join("a.weir")).unwrap();
    let (status, report) = reload(&server);
    assert_eq!((status, &report["removed"], &report["rules"]), (200, &serde_json::json!(["a"]), &2.into()));
    append(&log, &attack(180, 4, 25));
    let alerts = server.wait_for("the others go on", |alerts| {
        sources(alerts, "b") == [3, 4].into() && sources(alerts, "c") == [1, 2, 3, 4].into()
    });
    assert_eq!(sources(&alerts, "a"), [1, 2, 3].into());
    server.stop();
    let said = history(&data);
    let server = start(folder.path());
    append(&log, &attack(240, 5, 2));
    let alerts = server.wait_for("the restart", |alerts| sources(alerts, "c").contains(&5));
    assert_eq!(sources(&alerts, "a"), [1, 2, 3].into());
    assert_eq!(sources(&alerts, "b"), [3, 4].into());
    assert_eq!(history(&data).len(), said.len() + 1, "nothing is said twice");
    server.stop();
}

#[test]
fn settings_take_effect_when_their_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("rules")).unwrap();
    std::fs::write(path("rules/a.weir"), rule("a", 3, "")).unwrap();
    let write = |rest: &str| {
        let text = format!("data = \"{}\"\nrules = \"{}\"\n{rest}\n", path("data"), path("rules"));
        std::fs::write(path("weir.toml"), text).unwrap();
    };
    let follow = |names: &[&str]| format!("file = {:?}", names.iter().map(|name| path(name)).collect::<Vec<_>>());
    let [one, two] = ["one.log", "two.log"].map(|name| folder.path().join(name));
    write(&follow(&["one.log"]));
    append(&one, &attack(0, 1, 12));
    append(&two, &attack(60, 2, 12));
    let server = Server::start(&["run", "--settings", &path("weir.toml")]);
    server.wait_for("the first alert", |alerts| sources(alerts, "a") == [1].into());
    assert_eq!(server.get("/health")["settings"], Value::Null);

    // Another file, without being asked.
    write(&follow(&["one.log", "two.log"]));
    server.wait_for("the other file", |alerts| sources(alerts, "a") == [1, 2].into());

    // What is wrong is said wherever one looks, and changes nothing.
    write("kep = [\"90d\"]\nkeep = [\"soon\"]");
    let (status, problem) = reload(&server);
    let said = problem["detail"].as_str().unwrap();
    assert_eq!(status, 422, "{problem}");
    assert!(said.contains("weir.toml:3: `kep` is no setting: did you mean `keep`?"), "{said}");
    assert!(said.contains("weir.toml:4: invalid value 'soon'") && said.contains("go on"), "{said}");
    assert_eq!(server.get("/health")["settings"], said);
    assert_eq!(server.get("/api/v1/dashboard/stats")["trouble"], said);
    let metrics = ureq::get(format!("{}/metrics", server.address)).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(metrics.contains("weir_settings_errors 2"), "{metrics}");
    append(&two, &attack(120, 3, 12));
    server.wait_for("files are followed on", |alerts| sources(alerts, "a") == [1, 2, 3].into());

    // One that is not followed any more says nothing; when it is again, it goes on where it was left.
    write(&format!("{}\nkeep = [\"9000d\"]\nworkers = 2", follow(&["two.log"])));
    let (status, report) = reload(&server);
    assert_eq!((status, &report["settings"]), (200, &serde_json::json!(["file", "keep"])), "{report}");
    assert_eq!(server.get("/health")["settings"], Value::Null);
    std::thread::sleep(std::time::Duration::from_millis(500));
    append(&one, &attack(180, 4, 12));
    append(&two, &attack(180, 5, 12));
    server.wait_for("the file that is left", |alerts| sources(alerts, "a") == [1, 2, 3, 5].into());
    write(&follow(&["one.log", "two.log"]));
    let alerts = server.wait_for("the file that is back", |alerts| sources(alerts, "a") == [1, 2, 3, 4, 5].into());
    assert!(alerts.iter().all(|alert| alert["count"] == 12), "nothing is read twice: {alerts:?}");
    server.stop();
}

#[test]
fn a_list_counts_for_the_events_that_come_after_it_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (log, rules) = (folder.path().join("auth.log"), folder.path().join("rules"));
    std::fs::create_dir(&rules).unwrap();
    let list = |text: &str| std::fs::write(rules.join("known.txt"), text).unwrap();
    let outside = rule("outside", 3, "and not source.ip in known");
    std::fs::write(rules.join("a.weir"), format!("list known from \"known.txt\"\n{outside}")).unwrap();
    list("203.0.113.1\n");
    (1..=2).for_each(|n| append(&log, &attack(n * 20, n, 5)));
    let server = start(folder.path());
    server.wait_for("the one that is not known", |alerts| sources(alerts, "outside") == [2].into());

    list("203.0.113.2\n203.0.113.3\n");
    let (_, report) = reload(&server);
    assert_eq!((&report["lists"], &report["changed"]), (&serde_json::json!(["known.txt"]), &serde_json::json!([])));
    (3..=4).for_each(|n| append(&log, &attack(n * 20, n, 5)));
    server.wait_for("another that is not known", |alerts| sources(alerts, "outside") == [2, 4].into());

    // Rules that join and engines that start see events as they were seen.
    let later = outside.replace("rule outside", "rule later");
    append(&rules.join("a.weir"), &later);
    assert_eq!(reload(&server).1["added"], serde_json::json!(["later"]));
    server.wait_for("a rule that joins", |alerts| sources(alerts, "later") == [2, 4].into());
    server.kill();
    list("203.0.113.5\n");
    let server = start(folder.path());
    (5..=6).for_each(|n| append(&log, &attack(n * 20, n, 5)));
    for rule in ["outside", "later"] {
        server.wait_for("the same as before", |alerts| sources(alerts, rule) == [2, 4, 6].into());
    }
    server.stop();
    assert!(history(&folder.path().join("data")).iter().all(|c| c["change"] != "withdrawn"));
}

/// What was said of a rule, each with its cause.
fn said(data: &Path, rule: &str) -> Vec<(String, String)> {
    let of = history(data).into_iter().filter(|c| c["alert"]["rule"] == rule);
    of.map(|c| (c["change"].as_str().unwrap().to_owned(), c["cause"].as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn a_list_that_is_followed_reaches_back_and_a_restart_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, rules, data) = (folder.path().join("auth.log"), folder.path().join("rules"), folder.path().join("data"));
    std::fs::create_dir(&rules).unwrap();
    let list = |text: &str| std::fs::write(rules.join("bad.txt"), text).unwrap();
    let seen = rule("seen", 3, "and source.ip in bad").replace("}", "retro 30d }");
    let above = "rule above { when alert where rule.name == \"seen\" by source.ip within 1h having count() >= 1 }\n";
    let text = format!("list bad from \"bad.txt\"\n{}{seen}{above}", rule("plain", 3, ""));
    std::fs::write(rules.join("a.weir"), text).unwrap();
    list("203.0.113.9\n");
    append(&log, &(1..=2).map(|n| attack(n * 20, n, 5)).collect::<String>());
    let server = start(folder.path());
    server.wait_for("both attacks", |alerts| sources(alerts, "plain") == [1, 2].into());
    assert!(said(&data, "seen").is_empty());

    // What happened before is seen with the list as it is now.
    list("203.0.113.9\n203.0.113.1\n");
    let (status, report) = reload(&server);
    assert_eq!(
        (status, &report["lists"], &report["changed"]),
        (200, &serde_json::json!(["bad.txt"]), &serde_json::json!([]))
    );
    server.wait_for("an earlier attack", |alerts| sources(alerts, "above") == [1].into());
    let added = [("added".to_owned(), "list_changed".to_owned())];
    assert_eq!((said(&data, "seen"), said(&data, "above")), (added.to_vec(), added.to_vec()));

    let known = history(&data).len();
    server.kill();
    let server = start(folder.path());
    append(&log, &attack(60, 3, 5));
    server.wait_for("the restart", |alerts| {
        sources(alerts, "plain") == [1, 2, 3].into() && sources(alerts, "above") == [1].into()
    });
    assert_eq!(history(&data).iter().filter(|c| c["alert"]["rule"] != "plain").count(), 2, "nothing is said twice");
    assert!(history(&data).len() > known);

    // What left the list is taken back.
    list("203.0.113.3\n");
    reload(&server);
    server.wait_for("the other attack", |alerts| sources(alerts, "above") == [3].into());
    for rule in ["seen", "above"] {
        let said = said(&data, rule);
        assert!(said.contains(&("withdrawn".to_owned(), "list_changed".to_owned())), "{rule}: {said:?}");
    }
    server.stop();
    let known = history(&data).len();
    let server = start(folder.path());
    append(&log, &attack(80, 4, 5));
    let alerts = server.wait_for("another restart", |alerts| sources(alerts, "plain").contains(&4));
    assert_eq!((sources(&alerts, "seen"), sources(&alerts, "above")), ([3].into(), [3].into()));
    assert!(history(&data)[known..].iter().all(|c| c["alert"]["rule"] == "plain"));
    server.stop();
}

#[test]
fn rules_over_alerts_come_and_follow_those_below_while_events_flow() {
    let folder = tempfile::tempdir().unwrap();
    let (log, rules, data) = (folder.path().join("auth.log"), folder.path().join("rules"), folder.path().join("data"));
    std::fs::create_dir(&rules).unwrap();
    let write = |name: &str, text: &str| std::fs::write(rules.join(name), text).unwrap();
    write("a.weir", &rule("a", 3, ""));
    append(&log, &(1..=3).map(|n| attack(n * 20, n, 5)).collect::<String>());
    let server = start(folder.path());
    server.wait_for("three attacks", |alerts| sources(alerts, "a") == [1, 2, 3].into());

    // It hears of the alerts there were, and of those that come.
    write(
        "b.weir",
        "rule b { when alert where rule.name == \"a\" by rule.name within 1h having distinct(source.ip) >= 3 }",
    );
    let (status, report) = reload(&server);
    assert_eq!((status, &report["added"]), (200, &serde_json::json!(["b"])));
    let counted = |alerts: &[Value], count: u64| {
        let stands = |a: &&Value| a["rule"] == "b" && a["standing"] == "current";
        alerts.iter().filter(stands).any(|a| a["count"] == count)
    };
    server.wait_for("alerts of before", |alerts| counted(alerts, 3));
    assert_eq!(said(&data, "b"), [("added".to_owned(), "rule_added".to_owned())]);
    append(&log, &attack(120, 4, 30));
    server.wait_for("an alert after", |alerts| counted(alerts, 4));
    let of_a = said(&data, "a").into_iter().filter(|(change, _)| change == "added").count();
    assert_eq!(of_a, 4, "what stood is not said again");

    // What the rule below no longer says, the one above has not heard.
    write("a.weir", &rule("a", 20, ""));
    assert_eq!(reload(&server).1["changed"], serde_json::json!(["a"]));
    let alerts =
        server.wait_for("the changed rule", |alerts| sources(alerts, "a") == [4].into() && !counted(alerts, 4));
    assert_eq!(alerts.iter().filter(|a| a["standing"] == "current").count(), 1, "{alerts:?}");
    assert!(said(&data, "b").contains(&("withdrawn".to_owned(), "rule_changed".to_owned())));
    wait_for_state(&server, "ok");
    let known = history(&data).len();
    server.stop();
    let server = start(folder.path());
    append(&log, &attack(240, 5, 25));
    server.wait_for("the restart", |alerts| sources(alerts, "a") == [4, 5].into());
    assert!(history(&data)[known..].iter().all(|c| c["alert"]["key"]["source.ip"] == "203.0.113.5"));
    server.stop();
}
