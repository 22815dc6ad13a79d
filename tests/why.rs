//! `weir why` and `weir why-not` on real logs: every alert is explained, every other source has its nearest miss.

use std::collections::BTreeSet;

use crate::program::{json, real, run, stderr, stdout};

#[test]
fn alerts_and_their_absence_are_explained() {
    let Some(path) = real("auth/openssh_2k.log") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let scanned = run(["scan", path.to_str().unwrap(), "--timezone", "UTC", "--data", data, "--output", "json"]);
    let alerts = json(&scanned);
    assert!(alerts.len() > 3, "{}", stderr(&scanned));
    for alert in &alerts {
        let id = alert["id"].as_str().unwrap();
        let told = run(["why", id, "--data", data, "--output", "json"]);
        assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
        let told = &json(&told)[0];
        assert_eq!(told["rule"]["state"]["is"], "same", "{alert}\n{told}");
        let shown: Vec<&str> =
            told["first_match"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(shown[0], alert["evidence"][0].as_str().unwrap(), "{told}");
        assert!(told["first_match"].as_array().unwrap().iter().all(|e| e["because"]["holds"] == true), "{told}");
        let text = stdout(&run(["why", &id[..16], "--data", data]));
        assert!(text.contains("sshd[") && text.contains("the first match"), "{text}");
    }
    let fired: BTreeSet<&str> = alerts
        .iter()
        .filter(|a| a["rule"] == "ssh_bruteforce")
        .filter_map(|a| a["key"]["source.ip"].as_str())
        .collect();
    let sources = run([
        "sql",
        "--data",
        data,
        "--output",
        "json",
        "SELECT DISTINCT source.ip AS ip FROM events WHERE source.ip IS NOT NULL",
    ]);
    let sources = json(&sources);
    assert!(sources.len() > fired.len(), "some sources raised nothing");
    for ip in sources.iter().map(|row| row["ip"].as_str().unwrap()) {
        let key = format!("source.ip={ip}");
        let told = run(["why-not", "ssh_bruteforce", &key, "--data", data, "--output", "json"]);
        assert_eq!(told.status.code(), Some(i32::from(fired.contains(ip))), "{ip}: {}", stderr(&told));
        let told = &json(&told)[0];
        match fired.contains(ip) {
            true => assert!(!told["fired"][0]["alert"].is_null(), "{told}"),
            false => assert!(!told["findings"][0]["text"].as_str().unwrap().is_empty(), "{told}"),
        }
    }
    let slip = stdout(&run(["why-not", "ssh_bruteforce", "source.ip=183.62.140.25", "--data", data]));
    assert!(slip.contains("183.62.140.253"), "{slip}");
    assert!(slip.contains("the archive covers"), "{slip}");
}

#[test]
fn questions_without_an_answer_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nowhere");
    let nowhere = run(["why", "abc", "--data", data.to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("nowhere"), "{}", stderr(&nowhere));
    let slip = run(["why-not", "ssh_brutforce", "source.ip=1.1.1.1", "--data", data.to_str().unwrap()]);
    assert_eq!(slip.status.code(), Some(2));
    assert!(stderr(&slip).contains("did you mean `ssh_bruteforce`"), "{}", stderr(&slip));
    for command in ["why", "why-not"] {
        let help = stdout(&run([command, "--help"]));
        assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    }
}
