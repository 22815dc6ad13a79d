//! The cases of `tests/why`: rules, events, questions, answers.

use std::fs;
use std::path::{Path, PathBuf};

use super::forms;
use super::stage::{Stage, events, program, why, why_not};
use crate::event::time::parse_rfc3339;
use crate::why::{Asked, near};

/// A part of a case: the words of its head, its lines.
struct Part {
    head: String,
    body: String,
}

fn parts(text: &str) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("--- "), out.last_mut()) {
            (Some(head), _) => out.push(Part { head: head.to_owned(), body: String::new() }),
            (None, Some(part)) => {
                part.body.push_str(line);
                part.body.push('\n');
            }
            (None, None) => panic!("a case starts with a head: --- rules"),
        }
    }
    out
}

/// `why-not RULE KEY… [from=T] [to=T] [event=N]`
fn asked(words: &[&str], batch: &crate::event::EventBatch) -> Asked {
    let mut asked = Asked { rule: words[0].to_owned(), ..Asked::default() };
    for word in &words[1..] {
        match word.split_once('=') {
            Some(("from", time)) => asked.from = parse_rfc3339(time),
            Some(("to", time)) => asked.to = parse_rfc3339(time),
            Some(("event", row)) => asked.event = Some(batch.id(row.parse().unwrap())),
            _ => asked.key.push((*word).to_owned()),
        }
    }
    asked
}

fn play(text: &str) -> String {
    let mut parts = parts(text);
    let body = |name: &str| parts.iter().find(|p| p.head == name).map(|p| p.body.clone()).unwrap_or_default();
    let batch = events(&body("events"));
    let mut program = program(&body("rules"));
    let form = parts.iter().find_map(|p| p.head.strip_prefix("form ").map(str::to_owned));
    if let Some(name) = &form {
        forms::put(name, &mut program.rules[0]);
    }
    let mut stage = Stage::new(program, &batch, true);
    stage = match &form {
        None => stage.run(&batch),
        Some(_) => stage,
    };
    for part in &mut parts {
        let words: Vec<&str> = part.head.split_whitespace().collect();
        let answer = match words[0] {
            "why" => {
                if form.is_some() {
                    raise(&mut stage, &words[2..]);
                }
                let of_rule = || stage.alerts.iter().position(|a| a.rule == words[1]).unwrap();
                let alert = stage.alerts[words[1].parse().unwrap_or_else(|_| of_rule())].id.to_string();
                why(stage.folder.path(), &stage.program, &alert[..12]).map(|e| e.text())
            }
            "why-not" => why_not(stage.folder.path(), &stage.program, &asked(&words[1..], &batch)).map(|v| v.text()),
            "rules" | "form" | "events" => continue,
            other => panic!("no part {other}"),
        };
        let answer = answer.unwrap_or_else(|e| format!("error: {e}\n"));
        let folder = stage.folder.path().to_str().unwrap();
        part.body = format!("{}\n", answer.replace(folder, "DATA"));
    }
    parts.iter().map(|p| format!("--- {}\n{}", p.head, p.body)).collect()
}

/// The engine of this plan's form comes later than its explanation: the alert is made by hand from the first match.
fn raise(stage: &mut Stage, key: &[&str]) {
    let key: Vec<(&str, &str)> = key.iter().map(|k| k.split_once('=').unwrap()).collect();
    let program = stage.program.clone();
    let rule = &program.rules[0];
    let judge = crate::why::predicate::Judge::new(&program.lists);
    let values: Vec<String> = key.iter().map(|(_, v)| (*v).to_owned()).collect();
    let data = stage.folder.path().to_owned();
    let source = crate::why::source::Source::open(&data, (&*program).into(), Some(rule)).unwrap();
    let wanted = crate::why::evidence::Wanted {
        source: &source,
        key: &values,
        event: None,
        range: i64::MIN..=i64::MAX,
        keep: crate::why::evidence::Keep::Latest,
    };
    let rows = crate::why::evidence::gather(rule, &judge, &wanted).unwrap().rows;
    let found = near::matches(rule, &rows, i64::MAX);
    let evidence: Vec<_> = found[0].events(rule, &rows).iter().map(|(_, r)| (rows[*r].time, rows[*r].id)).collect();
    stage.raise(0, &key, &evidence);
}

#[test]
fn cases_are_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/why");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 9);
    let mut wrong = Vec::new();
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let got = play(&text);
        if update {
            fs::write(&case, &got).unwrap();
        } else if got != text {
            wrong.push(format!("{} gives:\n{got}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 accepts:\n{}", wrong.join("\n"));
}
