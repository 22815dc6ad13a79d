//! `weir diff`: what an edit of rules changes in the alerts over an archive.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::program::{json, run, stderr, stdout};
use crate::run::attack;

const RULES: &str = "list known from \"known.txt\"
rule guess { title \"{count} failures from {source.ip}\" severity medium when authentication where event.outcome == \"failure\"
    by source.ip within 1m having count() >= 10 }
rule root { title \"root tried\" when authentication where user.name == \"root\" and not source.ip in known by host.name cooldown 1h }
rule over { title \"guesses\" when alert where rule.name == \"guess\" by source.ip }
rule idle { title \"never\" when authentication where user.name == \"nobody\" }
";

fn rules(folder: &Path, name: &str, text: &str) -> String {
    let rules = folder.join(name);
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("a.weir"), text).unwrap();
    std::fs::write(rules.join("known.txt"), "203.0.113.7\n").unwrap();
    rules.to_str().unwrap().to_owned()
}

fn summary(output: &Output) -> Value {
    json(output).pop().expect("the last line")["summary"].take()
}

#[test]
fn an_edit_is_what_its_alerts_say() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let log = attack(0, 1, 12) + &attack(20, 2, 6) + &attack(120, 3, 12) + &attack(200, 7, 2);
    std::fs::write(at("auth.log"), log).unwrap();
    let old = rules(folder.path(), "old", RULES);
    let scanned = run(["scan", &at("auth.log"), "--data", &at("data"), "--rules", &old]);
    assert_eq!(scanned.status.code(), Some(1), "{}", stderr(&scanned));
    let diff = |name: &str, text: &str, more: &[&str]| {
        let new = rules(folder.path(), name, text);
        run([&["diff", &old, &new, "--over", &at("data")], more].concat())
    };

    let same = diff("same", &format!("# nothing\n{RULES}"), &[]);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    assert_eq!(stdout(&same), "all: no alerts\n");
    assert!(stderr(&same).contains("4 rules the same in both, not compared"), "{}", stderr(&same));

    // A lower threshold is met by one more, and says the same of the others.
    let lower = diff("lower", &RULES.replace(">= 10", ">= 5"), &[]);
    assert_eq!(lower.status.code(), Some(1), "{}", stderr(&lower));
    let text = stdout(&lower);
    assert!(text.starts_with("guess: 1 added, 2 the same\n    + 2026-01-15 10:00:20"), "{text}");
    assert!(text.contains("6 failures from 203.0.113.2"), "{text}");
    assert!(text.contains("over (the same, over alerts that differ): 1 added, 2 the same\n"), "{text}");
    assert!(text.ends_with("all: 2 added, 4 the same\n"), "{text}");
    let part = ["diff", &old, &at("lower"), "--over", &at("data"), "--from", "2026-01-15T10:01:00Z"];
    assert_eq!(run(part).status.code(), Some(0), "it begins before");
    let part = ["diff", &at("lower"), &old, "--over", &at("data"), "--to", "2026-01-15T10:01:00Z", "--examples", "0"];
    assert!(stdout(&run(part)).contains("guess: 1 removed, 1 the same\n"));

    let title = diff("title", &RULES.replace("failures from", "guesses by"), &["--examples", "1"]);
    let text = stdout(&title);
    assert!(text.contains("title: 12 failures from 203.0.113.1 → 12 guesses by 203.0.113.1\n"), "{text}");
    assert!(text.contains("guess: 2 changed; title 2×\n") && text.contains("and 1 more"), "{text}");

    let other = RULES.replace("rule root", "rule most").replace("rule idle", "rule web");
    let other =
        other.replace("\"nobody\"", "\"root\"").replace("not source.ip in known", "not source.ip in (203.0.113.1)");
    let found = summary(&diff("other", &other, &["--output", "json"]));
    let edits: Vec<(&str, &str)> = found["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap(), rule["edit"].as_str().unwrap()))
        .collect();
    assert_eq!(edits, [("idle", "removed"), ("most", "added"), ("root", "removed"), ("web", "added")]);
    assert_eq!((&found["alerts"]["added"], &found["alerts"]["removed"]), (&33.into(), &1.into()), "{found}");

    // The name is part of every id.
    let named = diff("named", &RULES.replace("rule root", "rule most"), &["--output", "json"]);
    let first = json(&named).remove(0);
    assert_eq!(
        (&first["difference"], &first["rule"], &first["fields"]),
        (&"moved".into(), &"most".into(), &Value::Array(Vec::new()))
    );
    assert_eq!(summary(&named)["rules"][0]["was"], "root");

    // Another list: the alert begins at another event.
    let new = rules(folder.path(), "list", RULES);
    std::fs::write(Path::new(&new).join("known.txt"), "203.0.113.1\n").unwrap();
    let listed = run(["diff", &old, &new, "--over", &at("data")]);
    let text = stdout(&listed);
    assert!(text.starts_with("root: 1 moved; ") && text.contains("first: 2026-01-15T10:00:00"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let good = rules(folder.path(), "good", RULES);
    let broken = rules(folder.path(), "broken", &RULES.replace("user.name", "user.nam"));
    std::fs::create_dir(at("empty")).unwrap();
    std::fs::create_dir(at("garbage")).unwrap();
    std::fs::write(folder.path().join("garbage/a.weir"), [0xff, 0xfe, 0, 1]).unwrap();
    let fails = |old: &str, new: &str, over: &str, said: &str| {
        let output = run(["diff", old, new, "--over", over]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    };
    fails(&good, &at("nowhere"), &at("data"), "give a folder of *.weir files, or one file, as NEW");
    fails(&at("empty"), &good, &at("data"), "there is no *.weir file in");
    fails(&good, &at("garbage"), &at("data"), "this is not UTF-8 text");
    fails(&good, &broken, &at("data"), "mend them (`weir check --rules");
    fails(&good, &good, &at("nothing"), "nothing");
}
