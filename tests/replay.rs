//! `weir replay`: other people's Parquet, differences from what was raised live, pace.
//!
//! A case in `tests/replay` is a command, the Parquet files that it reads, and rules; what it must print stands beside it in a file
//! `.out` (`UPDATE_EXPECT=1 cargo test` writes those).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use nix::sys::signal::Signal;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::program::{run, stderr, stdout, weir};
use crate::run::{Server, append, attack};

/// An array of texts as this type has them; `-` is a missing value.
fn array(ty: &str, values: &[&str]) -> ArrayRef {
    let texts: StringArray = values.iter().map(|v| (*v != "-").then_some(*v)).collect();
    let ty = match ty {
        "text" => DataType::Utf8,
        "large" => DataType::LargeUtf8,
        "view" => DataType::Utf8View,
        "dict" => DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)),
        "i32" => DataType::Int32,
        "i64" => DataType::Int64,
        "u16" => DataType::UInt16,
        "f64" => DataType::Float64,
        "bool" => DataType::Boolean,
        "day" => DataType::Date32,
        "binary" => DataType::Binary,
        "s" => DataType::Timestamp(TimeUnit::Second, None),
        "ms" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "us" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "ns" => DataType::Timestamp(TimeUnit::Nanosecond, None),
        "utc" => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        other => panic!("no type {other}"),
    };
    let from: ArrayRef = match ty {
        DataType::Timestamp(..) => cast(&texts, &DataType::Int64).expect("numbers"),
        _ => Arc::new(texts.clone()),
    };
    let array = cast(&from, &ty).expect("the values are of the type");
    assert_eq!(array.null_count(), texts.null_count(), "{values:?} as {ty}");
    array
}

/// Writes a table: names and types in the first line (`source/ip:text` is in a struct), two blanks between values.
fn table(path: &Path, text: &str) {
    let cells =
        |line: &'_ str| line.split("  ").map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect::<Vec<_>>();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let head = cells(lines.next().expect("a line of names"));
    let rows: Vec<Vec<String>> = lines.map(cells).collect();
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let mut structs: BTreeMap<String, Vec<(Arc<Field>, ArrayRef)>> = BTreeMap::new();
    for (at, name) in head.iter().enumerate() {
        let (name, ty) = name.rsplit_once(':').expect("NAME:TYPE");
        let values: Vec<&str> = rows.iter().map(|row| row[at].as_str()).collect();
        let array = array(ty, &values);
        match name.split_once('/') {
            Some((outer, inner)) => {
                let field = Arc::new(Field::new(inner, array.data_type().clone(), true));
                structs.entry(outer.to_owned()).or_default().push((field, array));
            }
            None => columns.push((name.to_owned(), array)),
        }
    }
    columns.extend(structs.into_iter().map(|(name, fields)| (name, Arc::new(StructArray::from(fields)) as ArrayRef)));
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Runs a case in a folder of its own.
fn answer(case: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (command, rest) = case.split_once('\n').expect("a command first");
    for section in rest.split("\n## ").skip(1) {
        let (name, text) = section.split_once('\n').expect("a name, then lines");
        let path = folder.path().join(name.trim());
        if name.trim().ends_with(".parquet") {
            table(&path, text);
        } else {
            std::fs::create_dir_all(path.parent().expect("it is in a folder")).unwrap();
            std::fs::write(&path, text).unwrap();
        }
    }
    let command = command.strip_prefix("$ weir ").expect("a command begins with `$ weir `");
    let output = weir().current_dir(folder.path()).args(command.split_whitespace()).output().expect("it starts");
    let said = stderr(&output).lines().map(|line| untimed(line) + "\n").collect::<String>();
    format!("{}--\n{said}exit code {}\n", stdout(&output), output.status.code().expect("it ends"))
}

/// Without how long it took.
fn untimed(line: &str) -> String {
    match (line.find(" in "), line.find(" s")) {
        (Some(start), Some(end)) if start < end && line[start + 4..end].parse::<f64>().is_ok() => {
            format!("{}{}", &line[..start], &line[end + 2..])
        }
        _ => line.to_owned(),
    }
}

#[test]
fn cases_print_what_they_must() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay");
    let mut count = 0;
    let mut cases: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for path in cases.iter().filter(|path| path.extension().is_some_and(|e| e == "case")) {
        let case = std::fs::read_to_string(path).unwrap();
        expect_test::expect_file![path.with_extension("out")].assert_eq(&answer(&case));
        count += 1;
    }
    assert!(count > 8, "{count}");
}

const RULES: &str =
    "rule few { title \"{count} by {user.name} of {source.ip}\" when any where event.outcome == \"failure\"
    by source.ip within 1m having count() >= 2 }
rule web { title \"{fields.agent}\" when any where fields.agent like \"*curl*\" }\n";

/// The same rows, written otherwise, in other files and another order, raise the same alerts with the same ids.
#[test]
fn ids_are_of_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("rules")).unwrap();
    std::fs::write(path("rules/a.weir"), RULES).unwrap();
    let rows = [
        ["1768473045000", "192.0.2.1", "eve", "failure", "22", "curl"],
        ["1768473045000", "192.0.2.1", "eve", "failure", "22", "curl"],
        ["1768473046000", "192.0.2.1", "bob", "failure", "80", "-"],
        ["1768473047000", "192.0.2.2", "bob", "success", "80", "libcurl/8"],
        ["1768473105000", "192.0.2.2", "-", "failure", "-", "x"],
        ["1768473105000", "192.0.2.2", "eve", "failure", "7", "x"],
    ];
    let names = ["When", "src", "who", "how", "port", "agent"];
    let write = |name: &str, types: [&str; 6], columns: &[usize], rows: &[&[&str; 6]]| {
        let head: Vec<String> = columns.iter().map(|c| format!("{}:{}", names[*c], types[*c])).collect();
        let mut text = head.join("  ") + "\n";
        for row in rows {
            text.push_str(&(columns.iter().map(|c| row[*c]).collect::<Vec<_>>().join("  ") + "\n"));
        }
        table(&path(name), &text);
    };
    let all: Vec<&[&str; 6]> = rows.iter().collect();
    write("one.parquet", ["ms", "text", "text", "text", "i64", "text"], &[0, 1, 2, 3, 4, 5], &all);
    let types = ["utc", "dict", "view", "large", "i32", "dict"];
    write("many/b/1.parquet", types, &[5, 4, 3, 2, 1, 0], &[all[5], all[1], all[3]]);
    write("many/a.parquet", types, &[0, 5, 1, 4, 2, 3], &[all[2], all[4], all[0]]);
    let map = "@timestamp=When,source.ip=src,user.name=who,event.outcome=how";
    let replay = |sources: &[&str], more: &[&str]| {
        let sources: Vec<String> = sources.iter().map(|s| path(s).to_str().unwrap().to_owned()).collect();
        let rules = path("rules");
        let fixed = ["replay", "--rules", rules.to_str().unwrap(), "--map", map, "--output", "json"];
        let arguments = fixed.iter().copied().chain(sources.iter().map(String::as_str)).chain(more.iter().copied());
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stdout(&output)
    };
    let expected = replay(&["one.parquet"], &[]);
    assert_eq!(expected.lines().count(), 5, "{expected}");
    assert_eq!(replay(&["many"], &[]), expected);
    assert_eq!(replay(&["many/b", "many/a.parquet"], &["--workers", "2"]), expected);
    assert_eq!(replay(&["many/a.parquet", "many/b/1.parquet"], &[]), expected);
    // Which rules are loaded changes what is read, and no id.
    std::fs::write(path("rules/a.weir"), RULES.lines().last().unwrap()).unwrap();
    let web: String = expected.lines().filter(|l| l.contains("\"web\"")).map(|l| format!("{l}\n")).collect();
    assert_eq!(replay(&["many"], &[]), web);
}

/// The alerts that stand in a log, as the texts that are there, in their order.
fn standing(data: &Path) -> String {
    let log = std::fs::read_to_string(data.join("alerts.ndjson")).unwrap();
    let mut texts: BTreeMap<String, Option<(String, String, String)>> = BTreeMap::new();
    for line in log.lines() {
        let change: Value = serde_json::from_str(line).unwrap();
        let alert = &change["alert"];
        let word = |name: &str| alert[name].as_str().unwrap().to_owned();
        let at = line.find("\"alert\":").unwrap() + 8;
        let stands = matches!(change["change"].as_str(), Some("added" | "changed"));
        texts.insert(word("id"), stands.then(|| (word("first"), word("rule"), line[at..line.len() - 1].to_owned())));
    }
    let mut all: Vec<_> = texts.into_iter().filter_map(|(id, text)| text.map(|(f, r, t)| (f, r, id, t))).collect();
    all.sort();
    all.into_iter().map(|(.., text)| text + "\n").collect()
}

const LIVE: &str = "list bad from \"bad.txt\"
list ok from \"ok.txt\"
rule few { title \"{count} of {source.ip} as {user.name}\" when authentication where event.outcome == \"failure\"
    by source.ip within 1m having count() >= 3 cooldown 20s }
rule listed { title \"{source.ip}\" when authentication where source.ip in bad retro 1h }
rule strange { when authentication where event.outcome == \"failure\" and not source.ip in ok
    by source.ip within 30s having count() >= 4 }
rule gave_up { when sequence by source.ip within 1m { authentication where event.outcome == \"failure\"
    not authentication where event.outcome == \"success\" } }
rule above { when alert where rule.name in (\"few\", \"listed\") by source.ip within 5m having count() >= 3 }\n";

#[test]
fn what_was_raised_live_is_what_a_replay_finds() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("rules")).unwrap();
    std::fs::write(path("rules/a.weir"), LIVE).unwrap();
    let list = |name: &str, text: &str| std::fs::write(path(&format!("rules/{name}.txt")), text).unwrap();
    list("bad", "203.0.113.9\n");
    list("ok", "203.0.113.2\n");
    let log = folder.path().join("auth.log");
    let data = folder.path().join("data");
    let arguments =
        ["run", "--file", &path("auth.log"), "--data", &path("data"), "--rules", &path("rules"), "--lateness", "60"];
    append(&log, &(attack(30, 1, 4) + &attack(10, 2, 5) + &attack(40, 3, 6)));
    let server = Server::start(&arguments);
    server.wait_for("the first alerts", |all| all.iter().filter(|a| a["rule"] == "few").count() == 3);
    // Behind what came, and what no longer counts for windows.
    append(&log, &(attack(120, 1, 4) + &attack(100, 3, 3) + &attack(240, 4, 6) + &attack(5, 9, 3)));
    server.wait_for("the next ones", |all| {
        all.iter().any(|a| a["key"]["source.ip"] == "203.0.113.4") && all.iter().any(|a| a["rule"] == "listed")
    });
    list("bad", "203.0.113.3\n");
    list("ok", "203.0.113.1\n");
    server.signal(Signal::SIGHUP);
    server.wait_for("what the list reaches back to", |all| all.iter().any(|a| a["title"] == "203.0.113.3"));
    append(&log, &(attack(300, 2, 5) + &attack(310, 1, 5) + &attack(10, 3, 2)));
    server.wait_for("the alerts after it", |all| {
        let later = |a: &Value| a["first"].as_str().is_some_and(|first| first.starts_with("2026-01-15T10:05:10"));
        all.iter().any(|a| a["rule"] == "few" && later(a))
    });
    server.kill();
    list("bad", "203.0.113.3\n203.0.113.4\n");
    let server = Server::start(&arguments);
    append(&log, &(attack(400, 4, 4) + &attack(420, 3, 4) + &attack(700, 5, 1)));
    server.wait_for("the last ones", |all| all.iter().filter(|a| a["title"] == "203.0.113.4").count() == 10);
    server.stop();

    let live = standing(&data);
    assert!(live.lines().count() > 30, "{live}");
    let replay = |more: &[&str]| run([&["replay", &path("data"), "--rules", &path("rules")], more].concat());
    assert_eq!(stdout(&replay(&["--output", "json"])), live);
    assert_eq!(stdout(&replay(&["--output", "json", "--workers", "2"])), live);
    let diff = replay(&["--output", "diff"]);
    assert_eq!(diff.status.code(), Some(0), "{}{}", stdout(&diff), stderr(&diff));
    // Part of it, though what leads to it lies before.
    let part = replay(&["--output", "diff", "--from", "2026-01-15T10:04:00Z", "--to", "2026-01-15T10:06:00Z"]);
    assert_eq!(part.status.code(), Some(0), "{}{}", stdout(&part), stderr(&part));
    assert!(stderr(&part).contains("outside --from and --to"), "{}", stderr(&part));
    let none = replay(&["--from", "2026-01-15T10:06:00Z", "--to", "2026-01-15T10:04:00Z"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("nothing is from 2026-01-15T10:06:00"), "{}", stderr(&none));
    // By other lists it is something else.
    let now = replay(&["--output", "diff", "--as-of", "now"]);
    assert_eq!(now.status.code(), Some(1), "{}", stdout(&now));
    let before = replay(&["--output", "json", "--as-of", "2026-01-01"]);
    assert!(!stdout(&before).contains("\"title\":\"203.0.113.3\""), "{}", stdout(&before));
    // Faster than it was, change by change.
    let paced = replay(&["--output", "json", "--speed", "100000x"]);
    let mut texts: BTreeMap<String, Value> = BTreeMap::new();
    for line in stdout(&paced).lines() {
        let change: Value = serde_json::from_str(line).unwrap();
        let id = change["alert"]["id"].to_string();
        match change["change"].as_str() {
            Some("added" | "changed") => texts.insert(id, change["alert"].clone()),
            _ => texts.remove(&id),
        };
    }
    let stands: BTreeMap<String, Value> = live
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap())
        .map(|alert| (alert["id"].to_string(), alert))
        .collect();
    assert_eq!(texts, stands);

    // Other rules: what differs is said.
    let other = LIVE.replace(">= 3 cooldown", ">= 5 cooldown").replace("rule strange", "rule odd");
    std::fs::write(path("rules/a.weir"), other.replace("title \"{source.ip}\"", "title \"from {source.ip}\"")).unwrap();
    let diff = replay(&["--output", "diff"]);
    assert_eq!(diff.status.code(), Some(1));
    let (text, said) = (stdout(&diff), stderr(&diff));
    assert!(text.contains("\n- ") && text.contains("\n+ ") && text.contains("\n~ "), "{text}");
    assert!(
        text.contains("    title: 203.0.113.3 live, from 203.0.113.3 now\n") && said.contains("not loaded: strange ("),
        "{text}{said}"
    );

    // As a table.
    let file = path("alerts.parquet");
    let written = replay(&["--out", &file]);
    assert_eq!(written.status.code(), Some(1), "{}", stderr(&written));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap());
    let rows: usize = reader.unwrap().build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, stdout(&replay(&["--output", "json"])).lines().count());
}

#[test]
fn a_slow_replay_is_stopped_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    table(
        &folder.path().join("a.parquet"),
        "@timestamp:ms  event.code:text\n1768473045000  1\n1768473045100  1\n1768476645000  1\n",
    );
    std::fs::write(path("a.weir"), "rule one { when any where event.code == \"1\" }").unwrap();
    let mut child = weir()
        .args(["replay", &path("a.parquet"), "--rules", &path("a.weir"), "--speed", "1x"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next().expect("an alert").unwrap();
        assert!(line.starts_with("+ 2026-01-15 10:30:45") && line.contains("[one]"), "{line}");
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(lines.next().is_none(), "the next event is an hour away");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("3 events, stopped at 2026-01-15 10:30:4"), "{}", stderr(&output));
}
