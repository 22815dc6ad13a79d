//! The built-in rules tried on samples: a naive evaluator of predicates, lines that must match and lines that must not.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::pack;
use super::plan::{Atom, Predicate, Program, Test};

type Event<'a> = HashMap<&'a str, &'a str>;

fn holds(predicate: &Predicate, event: &Event<'_>) -> bool {
    match predicate {
        Predicate::Constant(value) => *value,
        Predicate::And(parts) => parts.iter().all(|p| holds(p, event)),
        Predicate::Or(parts) => parts.iter().any(|p| holds(p, event)),
        Predicate::Not(part) => !holds(part, event),
        Predicate::Atom(atom) => event.get(atom.field.name().as_str()).is_some_and(|value| test(atom, value)),
    }
}

fn test(atom: &Atom, value: &str) -> bool {
    match &atom.test {
        Test::Exists => true,
        Test::OneOf { values, fold } => values.contains(&if *fold { value.to_lowercase() } else { value.to_owned() }),
        Test::Like { pattern, fold } => like(pattern, &if *fold { value.to_lowercase() } else { value.to_owned() }),
        Test::Regex(pattern) => compiled(pattern).is_match(value),
        Test::Range(low, high) => value.parse().is_ok_and(|n: i128| (*low..=*high).contains(&n)),
        Test::Numbers(numbers) => value.parse().is_ok_and(|n: i128| numbers.contains(&n)),
        Test::Listed(_) => false,
        Test::Network(networks) => value.parse().is_ok_and(|a| networks.iter().any(|n| n.contains(a))),
    }
}

fn compiled(pattern: &str) -> Arc<regex::Regex> {
    static SEEN: LazyLock<Mutex<HashMap<String, Arc<regex::Regex>>>> = LazyLock::new(Mutex::default);
    let mut seen = SEEN.lock().unwrap();
    seen.entry(pattern.to_owned()).or_insert_with(|| Arc::new(regex::Regex::new(pattern).unwrap())).clone()
}

fn like(pattern: &str, value: &str) -> bool {
    let mut regex = String::from("(?s)^");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '\\' => regex.push_str(&regex::escape(&chars.next().unwrap().to_string())),
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    compiled(&(regex + "$")).is_match(value)
}

/// Names of the rules one of whose steps takes the event.
fn takers<'a>(program: &'a Program, event: &Event<'_>) -> Vec<&'a str> {
    let takes = |r: &&super::plan::Rule| r.steps.iter().any(|s| holds(&s.predicate, event));
    program.rules.iter().filter(takes).map(|r| r.name.as_str()).collect()
}

/// Names of the rules that a request for this target matches.
fn request(target: &str) -> Vec<String> {
    static PROGRAM: LazyLock<Program> = LazyLock::new(|| pack().program);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            let hex =
                tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
            (bytes, rest) = match (first, hex) {
                (b'%', Some(byte)) => ([bytes, vec![byte]].concat(), &tail[2..]),
                (first, _) => ([bytes, vec![*first]].concat(), tail),
            };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (path, query) = (decoded(path), decoded(query));
    let event = HashMap::from([
        ("event.category", "web"),
        ("source.ip", "198.51.100.7"),
        ("url.original", target),
        ("url.path", path.as_str()),
        ("url.query", query.as_str()),
    ]);
    takers(&PROGRAM, &event).into_iter().map(str::to_owned).collect()
}

#[test]
fn traversal_is_seen_in_every_spelling() {
    for target in [
        "/../../etc/passwd",
        "/img/..%2f..%2fsecret",
        "/%2e%2e/%2e%2e/etc/hosts",
        "/cgi/%252e%252e%252fx",
        "/download?file=../../config.php",
        "/scripts/..%5c..%5cwinnt/system32/cmd.exe",
        "/?page=/etc/passwd",
    ] {
        assert_eq!(request(target), ["path_traversal"], "{target}");
    }
    for target in ["/", "/a.b/c..d", "/versions/1.2...1.3", "/blog/etc/passwords", "/x?y=1..2"] {
        assert!(request(target).is_empty(), "{target}: {:?}", request(target));
    }
}

#[test]
fn injection_is_seen_and_prose_is_not() {
    for target in [
        "/item?id=1+UNION+SELECT+1,2,3",
        "/item?id=1%20union%20all%20select%20null",
        "/item?id=1/**/union/**/select/**/1",
        "/login?user=admin'%20or%20'1'='1",
        "/login?user=x'+OR+1=1--",
        "/item?id=1;DROP+TABLE+users",
        "/item?id=1%20AND%20sleep(5)",
        "/item?id=1+and+(select+1+from+information_schema.tables)",
        "/item/1'%20or%201=1",
    ] {
        assert_eq!(request(target), ["sql_injection"], "{target}");
    }
    for target in [
        "/search?q=credit+union+and+select+committee",
        "/search?q=rock+or+roll&year=1999",
        "/a?title=O'Reilly+and+associates",
        "/a?x=(a)+or+b",
        "/news?cat=insert+coin;update=1",
    ] {
        assert!(request(target).is_empty(), "{target}: {:?}", request(target));
    }
}

#[test]
fn commands_are_told_apart() {
    let program = pack().program;
    let command = |line: &str| {
        let event = HashMap::from([
            ("event.category", "process"),
            ("event.action", "sudo_command"),
            ("event.outcome", "success"),
            ("user.name", "eve"),
            ("user.effective.name", "root"),
            ("process.command_line", line),
        ]);
        takers(&program, &event).join(" ")
    };
    for line in ["/bin/bash", "/usr/bin/zsh -i", "/bin/su", "/bin/su -", "su - root", "/bin/sh -l"] {
        assert_eq!(command(line), "sudo_root_shell", "{line}");
    }
    for line in [
        "/bin/rm -rf /var/log/auth.log",
        "/usr/bin/truncate -s 0 /var/log/syslog",
        "/usr/bin/tee /var/log/auth.log",
        "/bin/sh -c > /var/log/wtmp",
        "/bin/rm /root/.bash_history",
        "/usr/bin/journalctl --rotate --vacuum-time=1s",
    ] {
        assert_eq!(command(line), "log_files_removed", "{line}");
    }
    for line in ["/bin/bash /opt/x.sh", "/usr/bin/apt update", "/usr/bin/tail -f /var/log/syslog", "/bin/su postgres"] {
        assert_eq!(command(line), "", "{line}");
    }
}

#[test]
fn pam_lines_of_newer_sshd_are_not_counted_twice() {
    let program = pack().program;
    let pam = |original: &str, process: &str| {
        let event = HashMap::from([
            ("event.category", "authentication"),
            ("event.action", "pam_authentication"),
            ("event.outcome", "failure"),
            ("source.ip", "198.51.100.7"),
            ("process.name", process),
            ("event.original", original),
        ]);
        takers(&program, &event).join(" ")
    };
    assert_eq!(pam("Dec 10 06:55:46 LabSZ sshd[24200]: pam_unix(sshd:auth): authentication failure", "sshd"), "");
    assert_eq!(pam("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure", "sshd"), "pam_bruteforce");
    assert_eq!(
        pam("Jun 14 15:16:01 web vsftpd: pam_unix(vsftpd:auth): authentication failure", "vsftpd"),
        "pam_bruteforce"
    );
}

/// Ordinary traffic: ten thousand requests to a blog.
#[test]
fn ordinary_requests_raise_nothing() {
    let Ok(log) = std::fs::read("/work/shared/data/web/apache_access_10k.log") else {
        println!("skipped: no /work/shared/data");
        return;
    };
    let mut seen = std::collections::BTreeMap::new();
    for line in String::from_utf8_lossy(&log).lines() {
        let Some(target) = line.split('"').nth(1).and_then(|r| r.split(' ').nth(1)) else { continue };
        for rule in request(target) {
            seen.entry(rule).or_insert_with(Vec::new).push(target.to_owned());
        }
    }
    assert!(seen.is_empty(), "{seen:#?}");
}
