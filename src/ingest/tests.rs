//! Golden cases (`tests/parse/*.log` → `*.jsonl`), real logs, properties.
//!
//! `UPDATE_EXPECT=1 cargo test ingest` rewrites the expected files; read them before accepting.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::event::time::parse_rfc3339;
use crate::event::{FieldId, field};

fn utc() -> Settings {
    Settings { zone: jiff::tz::TimeZone::UTC, ..Settings::default() }
}

fn received() -> i64 {
    parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
}

fn ingest_all(block: &RawLog) -> (Vec<EventBatch>, Counts) {
    let mut out = Vec::new();
    let counts = Ingest::new(utc(), block.source.clone()).push(block, &mut out);
    (out, counts)
}

fn events(name: &str, lines: &[u8]) -> (Vec<EventBatch>, Counts) {
    ingest_all(&block_of(name, lines.to_vec(), received()))
}

fn values(batches: &[EventBatch], id: FieldId) -> Vec<String> {
    let rows = |b: &EventBatch| (0..b.len()).map(|r| b.display(id, r).unwrap_or_default()).collect::<Vec<_>>();
    batches.iter().flat_map(rows).collect()
}

fn count(batches: &[EventBatch], wanted: &[(FieldId, &str)]) -> usize {
    let matches = |b: &EventBatch, r: usize| wanted.iter().all(|(f, v)| b.display(*f, r).as_deref() == Some(*v));
    batches.iter().map(|b| (0..b.len()).filter(|r| matches(b, *r)).count()).sum()
}

#[test]
fn golden_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parse");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|p| p.extension().is_some_and(|e| e == "log"));
    cases.sort();
    assert!(!cases.is_empty());
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let (batches, _) = events(name, &std::fs::read(&case).unwrap());
        let mut lines = String::new();
        for (batch, row) in batches.iter().flat_map(|b| (0..b.len()).map(move |r| (b, r))) {
            let mut object = batch.to_json(row);
            for same in ["event.id", "event.ingested", "log.file.path"] {
                object.remove(same);
            }
            let message = batch.message(row).map(str::to_owned);
            if let Some(message) = message {
                object.insert("message".into(), message.into());
            }
            lines.push_str(&serde_json::to_string(&object).unwrap());
            lines.push('\n');
        }
        expect_test::expect_file![case.with_extension("jsonl")].assert_eq(&lines);
    }
}

#[test]
fn an_event_knows_where_it_stood() {
    let mut block = block_of(
        "/var/log/auth.log",
        &b"\xef\xbb\xbfDec 10 06:55:46 h sshd[1]: x\r\n\nnonsense \xff\n"[..],
        received(),
    );
    block.offset = 100;
    let path = PathBuf::from("/var/log/auth.log");
    block.source.file =
        Some(crate::event::raw::FileIdentity { path, device: 1, inode: 2, fingerprint: Default::default() });
    block.source.reference_time = parse_rfc3339("2024-12-24T00:00:00Z");
    let (batches, counts) = ingest_all(&block);
    assert_eq!(
        counts,
        Counts { lines: 3, blank: 1, events: 2, parse_failures: 1, invalid_utf8: 1, ..Counts::default() }
    );
    let b = &batches[0];
    assert_eq!(values(&batches, field::LOG_OFFSET), ["100", "134"]);
    assert_eq!(values(&batches, field::TIMESTAMP), ["2024-12-10T06:55:46.000000Z", "2024-12-24T00:00:00.000000Z"]);
    assert_eq!((b.message(0), b.message(1)), (Some("x"), Some("nonsense \u{fffd}")));
    assert_eq!(values(&batches, field::TAGS), ["", "parse_failure, invalid_utf8"]);
    assert_eq!(b.text(field::EVENT_ORIGINAL, 0), Some("\u{feff}Dec 10 06:55:46 h sshd[1]: x"));
}

#[test]
fn ids_tell_equal_lines_apart_in_any_order() {
    let (a, b) = ("Dec 10 06:55:46 h p: a\n", "Dec 10 06:55:46 h p: b\n");
    let ids = |text: String| {
        let mut ids = values(&events("x", text.as_bytes()).0, field::EVENT_ID);
        ids.sort();
        ids
    };
    let first = ids([a, a, b, a].concat());
    assert_eq!(first, ids([b, a, a, a].concat()));
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[test]
fn what_has_an_id_of_its_sender_is_taken_once() {
    let mut taken = Taken::default();
    let mut ingest = Ingest::new(utc(), block_of("http", "", 0).source);
    let mut push = |lines: &str| {
        let mut out = Vec::new();
        let counts = ingest.push_once(&block_of("http", lines.to_owned(), received()), &mut taken, &mut out);
        assert_eq!(out.iter().map(EventBatch::len).sum::<usize>() as u64, counts.events);
        (counts.events, counts.duplicates)
    };
    let (dotted, nested) = ("{\"event.id\":\"1\",\"a\":\"x\"}\n", "{\"event\":{\"id\":7},\"a\":\"x\"}\n");
    let none = "{\"a\":\"x\",\"id\":\"1\",\"event.id\":\"\"}\n";
    assert_eq!(push(&[dotted, nested, none, none].concat()), (4, 0));
    assert_eq!(push(&[none, dotted, nested, none].concat()), (2, 2), "lines without an id are as many as come");
    assert_eq!(push("{\"event.id\":\"1\",\"a\":\"y\"}\n"), (1, 0), "an id that is not unique loses nothing");
    assert_eq!(push("{\"event.id\":\"1\",\"a\":\"x\" oops\n"), (1, 0));
    let block = block_of("file", dotted.repeat(2), received());
    assert_eq!(ingest_all(&block).1.events, 2, "a file says how often it happened");
    let counts = Counts::of_duplicate(&block_of("http", "a\n\r\n\nb", 0));
    assert_eq!((counts.lines, counts.blank, counts.duplicates), (4, 2, 2));
    assert_eq!(Counts::of_duplicate(&block_of("http", "a\nb\n", 0)).duplicates, 2);
}

#[test]
fn what_was_refused_has_the_same_ids_when_it_comes_again() {
    let block = block_of("http", "Dec 10 06:55:46 h p: a\n".repeat(2), received());
    let mut ingest = Ingest::new(utc(), block.source.clone());
    let mut push = |refused: bool| {
        let mut out = Vec::new();
        ingest.push_once(&block, &mut Taken::default(), &mut out);
        if refused {
            ingest.give_back()
        } else {
            ingest.settle()
        }
        values(&out, field::EVENT_ID)
    };
    let first = push(true);
    assert_eq!(push(true), first);
    assert_eq!(push(false), first);
    assert_ne!(push(true), first);
}

#[test]
fn equal_lines_are_numbered_on_after_a_restart() {
    let line = "Dec 10 06:55:46 h p: a\n";
    let json = "{\"@timestamp\":\"2026-01-15T10:00:00Z\",\"log\":{\"file\":{\"path\":\"/its/own\"}}}\n";
    let lines = [line, json, line, json].concat();
    let (whole, _) = events("x", lines.repeat(2).as_bytes());
    let (first, _) = events("x", lines.as_bytes());
    let mut earlier = Earlier::default();
    for batch in &first {
        for row in 0..batch.len() {
            let path = batch.text(field::LOG_FILE_PATH, row).unwrap();
            earlier.add(batch.times()[row], batch.id(row), path);
        }
    }
    let mut ingest = Ingest::new(utc(), block_of("x", "", 0).source).after(Arc::new(earlier));
    let mut then = first;
    ingest.push(&block_of("x", lines, received()), &mut then);
    assert_eq!(values(&then, field::EVENT_ID), values(&whole, field::EVENT_ID));
}

#[test]
fn repeats_are_events_of_their_own() {
    let line = |n: u64| {
        format!(
            "Dec 10 06:55:46 h sshd[1]: message repeated {n} times: [ Failed password for root from 1.2.3.4 port 5 ssh2]\n"
        )
    };
    let (batches, counts) = events("x", line(5).as_bytes());
    assert_eq!((counts.lines, counts.events, counts.repeated), (1, 5, 4));
    assert_eq!(count(&batches, &[(field::EVENT_ACTION, "ssh_login"), (field::TAGS, "repeated")]), 5);
    assert_eq!(batches[0].message(4), Some("Failed password for root from 1.2.3.4 port 5 ssh2"));
    let mut ids = values(&batches, field::EVENT_ID);
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let (batches, counts) = events("x", line(4_000_000_000).as_bytes());
    assert_eq!(counts.events, 1_000);
    assert_eq!(values(&batches, field::TAGS)[0], "repeated, repeat_capped");
}

#[test]
fn formats_may_be_mixed_or_named() {
    let mixed = "Dec 10 06:55:46 h p: a\n{\"message\":\"b\"}\n1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 5\n??\n2024/05/01 10:00:00 [error] 1#1: c\n";
    let (batches, counts) = events("/var/log/nginx/access.log", mixed.as_bytes());
    assert_eq!(values(&batches, field::EVENT_DATASET), ["system.syslog", "json", "nginx.access", "", "nginx.error"]);
    assert_eq!(counts.parse_failures, 1);
    let mut block = block_of("x", mixed, received());
    block.source.format = Some("json".into());
    assert_eq!(ingest_all(&block).1.parse_failures, 4);
    let zone = Settings { zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(2)), ..utc() };
    let block = block_of("x", "2024/05/01 10:00:00 [error] 1#1: c", received());
    let mut batches = Vec::new();
    Ingest::new(zone, block.source.clone()).push(&block, &mut batches);
    assert_eq!(values(&batches, field::TIMESTAMP), ["2024-05-01T08:00:00.000000Z"]);
}

#[test]
fn clocks_that_run_ahead_are_marked() {
    let lines = "2026-11-22T12:00:00Z h p: a\n2026-11-22T12:00:01Z h p: a\n";
    let (batches, counts) = events("x", lines.as_bytes());
    assert_eq!(values(&batches, field::TAGS), ["", "clock_skew"]);
    assert_eq!(counts.clock_skew, 1);
}

#[test]
fn batches_end_early_when_wide_or_long() {
    let wide: String = (0..400)
        .map(|i| format!("{{{}}}\n", (0..200).map(|k| format!("\"k{}\":1", i * 200 + k)).collect::<Vec<_>>().join(",")))
        .collect();
    let (batches, counts) = events("x", wide.as_bytes());
    assert_eq!(counts.events, 400);
    assert!(batches.len() > 1 && batches.iter().all(|b| b.extras().len() * b.len() < 2 * EXTRA_PLACES));
    let huge = format!("{{{}}}", (0..5_000).map(|k| format!("\"k{k}\":1")).collect::<Vec<_>>().join(","));
    let (batches, _) = events("x", huge.as_bytes());
    assert_eq!(values(&batches, field::TAGS), ["fields_truncated"]);
    let long = vec![b'x'; 30 << 20].into_iter().chain([b'\n']).collect::<Vec<_>>().repeat(5);
    let (batches, counts) = events("x", &long);
    assert_eq!((batches.len(), counts.events), (2, 5));
    let (_, counts) = events("x", &vec![b'x'; LINE_BYTES + 1]);
    assert_eq!((counts.lines, counts.events), (2, 2));
}

/// The folder of real logs, where it is at hand.
fn shared(file: &str) -> Option<Vec<u8>> {
    let roots = [
        std::env::var("WEIR_SHARED").ok(),
        Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into()),
        Some("/work/shared".into()),
    ];
    let read = roots.into_iter().flatten().find_map(|r| std::fs::read(Path::new(&r).join("data").join(file)).ok());
    if read.is_none() {
        println!("skipped: {file} is not here (set WEIR_SHARED to the folder that holds data/)");
    }
    read
}

#[test]
fn real_logs_are_accounted_for() {
    for (file, failures) in [
        ("auth/openssh_2k.log", 0),
        ("auth/linux_2k.log", 0),
        ("web/apache_access_10k.log", 0),
        ("web/apache_error_2k.log", 0),
    ] {
        let Some(bytes) = shared(file) else { continue };
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count() as u64;
        let (batches, counts) = events(file, &bytes);
        assert_eq!(counts.lines, lines, "{file}");
        assert_eq!(counts.events, lines + counts.repeated, "{file}");
        assert_eq!(batches.iter().map(EventBatch::len).sum::<usize>() as u64, counts.events, "{file}");
        assert_eq!((counts.parse_failures, counts.invalid_utf8), (failures, 0), "{file}");
    }
}

#[test]
fn ssh_counts_are_those_of_grep() {
    let Some(bytes) = shared("auth/openssh_2k.log") else { return };
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (batches, _) = events("x", &bytes);
    let grep = |word: &str| -> usize {
        let times = |l: &str| {
            l.split_once("message repeated ").and_then(|(_, r)| r.split(' ').next()?.parse().ok()).unwrap_or(1)
        };
        text.lines().filter(|l| l.contains(word)).map(times).sum()
    };
    for (word, action, outcome) in [
        ("Failed password", "ssh_login", "failure"),
        ("Accepted password", "ssh_login", "success"),
        ("]: Invalid user", "ssh_invalid_user", "failure"),
        ("]: pam_unix(sshd:auth): authentication failure", "pam_authentication", "failure"),
        ("session opened", "session_opened", "success"),
        ("Failed none", "ssh_auth_none", "failure"),
    ] {
        assert!(grep(word) > 0);
        assert_eq!(
            count(&batches, &[(field::EVENT_ACTION, action), (field::EVENT_OUTCOME, outcome)]),
            grep(word),
            "{word}"
        );
    }
    let with_source = values(&batches, field::SOURCE_IP)
        .iter()
        .zip(values(&batches, field::EVENT_ACTION))
        .filter(|(ip, a)| a == "ssh_login" && ip.is_empty())
        .count();
    assert_eq!(with_source, 0);
    let nameless: Vec<_> = (0..batches[0].len())
        .filter(|r| batches[0].text(field::EVENT_ACTION, *r).is_none())
        .map(|r| batches[0].message(r))
        .collect();
    assert_eq!(nameless, Vec::<Option<&str>>::new(), "every message of this file has an action");
}

const SAMPLES: &[&str] = &[
    "<13>1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1",
    "Dec 10 06:55:46 h nginx: 1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1",
    "Dec 10 06:55:46 LabSZ sshd[24200]: Failed password for invalid user x y from 1.2.3.4 port 5 ssh2",
    "Dec 10 06:55:46 LabSZ sshd[24200]: Connection closed by authenticating user root 1.2.3.4 port 5 [preauth]",
    "Dec 10 06:55:46 LabSZ sshd[2]: message repeated 3 times: [ Received disconnect from 1.2.3.4 port 1:11: x]",
    "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=218.188.2.4  user=root",
    "<34>1 2003-10-11T22:14:15.003Z h su 12 ID47 [a@1 b=\"c\\\"d\"][e] 'su root' failed for bob on /dev/pts/8",
    "2024-05-01T10:00:00.123456+02:00 h sudo:   bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls -l",
    "Dec 10 06:55:46 h usermod[1]: add 'bob' to group 'sudo'",
    "example.com:80 1.2.3.4 - bob [10/Oct/2000:13:55:36 -0700] \"GET http://a/%c3%a9?x=%zz HTTP/1.0\" 200 2326 \"-\" \"a \\\"b\"",
    "[Wed Oct 11 14:32:52.123456 2023] [core:error] [pid 1:tid 2] [client 1.2.3.4:5] (13)x: AH00035: y, referer: z",
    "2024/05/01 10:00:00 [error] 12#34: *56 user \"b\": password mismatch, client: 1.2.3.4, request: \"GET / HTTP/1.1\", host: \"e\"",
    "{\"@timestamp\":\"2024-05-01T10:00:00Z\",\"a\":{\"b\":[1,\"x\\u00e9\",{\"c\":null}],\"tags\":[]},\"source.ip\":\"::1\",\"ts\":1.5e3}",
];

fn accounted(bytes: &[u8]) {
    let (batches, counts) = events("x", bytes);
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty() && *l != b"\r").count() as u64;
    assert_eq!(counts.lines - counts.blank, lines);
    assert_eq!(counts.events, lines + counts.repeated);
    for batch in &batches {
        for row in 0..batch.len() {
            assert!(batch.text(field::EVENT_ORIGINAL, row).is_some());
            batch.to_json(row);
            batch.message(row);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_kept(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        accounted(&bytes);
    }

    #[test]
    fn mutated_lines_are_kept(picks in prop::collection::vec((0..SAMPLES.len(), 0usize..200, 0usize..6, "\\PC{0,3}"), 1..12)) {
        let mut bytes = Vec::new();
        for (sample, at, cut, insert) in picks {
            let line = SAMPLES[sample].as_bytes();
            let at = at.min(line.len());
            bytes.extend_from_slice(&line[..at]);
            bytes.extend_from_slice(insert.as_bytes());
            bytes.extend_from_slice(&line[(at + cut).min(line.len())..]);
            bytes.push(b'\n');
        }
        accounted(&bytes);
    }

    #[test]
    fn order_does_not_matter(order in prop::collection::vec(0..SAMPLES.len(), 1..20).prop_shuffle()) {
        let show = |order: &[usize]| {
            let text: String = order.iter().map(|i| format!("{}\n", SAMPLES[*i])).collect();
            let mut events: Vec<String> = events("x", text.as_bytes())
                .0
                .iter()
                .flat_map(|b| (0..b.len()).map(|r| serde_json::to_string(&b.to_json(r)).unwrap()).collect::<Vec<_>>())
                .collect();
            events.sort();
            events
        };
        let mut sorted = order.clone();
        sorted.sort();
        prop_assert_eq!(show(&order), show(&sorted));
    }

    #[test]
    fn blocks_do_not_matter(order in prop::collection::vec(0..SAMPLES.len(), 1..20), cut in 0usize..20) {
        let text: Vec<String> = order.iter().map(|i| format!("{}\n", SAMPLES[*i])).collect();
        let (head, tail) = text.split_at(cut.min(text.len()));
        let mut ingest = Ingest::new(utc(), block_of("x", "", 0).source);
        let mut parts = Vec::new();
        for lines in [head, tail] {
            ingest.push(&block_of("x", lines.concat(), received()), &mut parts);
        }
        let whole = events("x", text.concat().as_bytes()).0;
        let show = |b: &[EventBatch]| b.iter().flat_map(|b| (0..b.len()).map(|r| b.to_json(r)).collect::<Vec<_>>()).collect::<Vec<_>>();
        prop_assert_eq!(show(&parts), show(&whole));
    }
}
