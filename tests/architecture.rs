//! Who may import whom. A new edge fails here: think twice, then add it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Module and what it may import of ours. No stage imports a later one.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("alert", &["event"]),
    ("collect", &["event"]),
    ("parse", &["event"]),
    ("normalise", &["event", "parse"]),
    ("ingest", &["event", "parse", "normalise"]),
    ("rule", &["event", "alert"]),
    ("matching", &["rule", "event"]),
    ("correlate", &["rule", "matching", "event", "alert"]),
    ("archive", &["event", "alert"]),
    ("query", &["archive", "event", "alert"]),
    ("why", &["rule", "matching", "archive", "event", "alert"]),
    ("trial", &["rule", "matching", "correlate", "archive", "why", "event", "alert"]),
    ("metrics", &["event", "alert"]),
    ("lsp", &["rule", "event", "alert"]),
    ("serve", &["query", "rule", "alert", "archive", "event", "metrics"]),
    (
        "engine",
        &[
            "event",
            "alert",
            "collect",
            "ingest",
            "rule",
            "matching",
            "correlate",
            "archive",
            "query",
            "metrics",
            "serve",
        ],
    ),
    (
        "cli",
        &[
            "event", "alert", "collect", "parse", "ingest", "rule", "archive", "query", "metrics", "serve", "engine",
            "why", "trial", "lsp",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

#[test]
fn imports_go_down() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_IMPORT.iter().map(|(m, uses)| (*m, uses.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    visit(&source, &mut |path| {
        let inside = path.strip_prefix(&source).expect("files lie in src");
        // Unit tests may build what they need.
        if inside.iter().any(|p| p == "tests" || p == "tests.rs") {
            return;
        }
        let module = inside.iter().next().and_then(|p| p.to_str()).expect("names are UTF-8").trim_end_matches(".rs");
        let Some(uses) = allowed.get(module) else {
            wrong.push(format!("{}: `{module}` is not in the table", inside.display()));
            return;
        };
        let text = std::fs::read_to_string(path).expect("sources are readable");
        for used in imports(&text) {
            if used != module && !uses.contains(used.as_str()) {
                wrong.push(format!("{}: {module} may not import {used}", inside.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names that follow `crate::` (or `weir::` in the binary), one level of braces included.
fn imports(text: &str) -> BTreeSet<String> {
    let name = |s: &str| s.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut out = BTreeSet::new();
    for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
        for part in line.split("crate::").skip(1).chain(line.split("weir::").skip(1)) {
            match part.strip_prefix('{') {
                Some(list) => out.extend(list.split(',').map(name).filter(|n| !n.is_empty())),
                None => {
                    out.insert(name(part));
                }
            }
        }
    }
    out
}

fn visit(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            visit(&path, each);
        } else if path.extension().is_some_and(|e| e == "rs") {
            each(&path);
        }
    }
}
