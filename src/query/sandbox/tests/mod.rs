//! The walls of the sandbox, each by itself.

mod allow;
mod depth;
mod pipe;

use std::path::Path;

/// A case of the files in `tests/sandbox`.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) told: String,
    pub(super) sql: String,
}

/// Reads `-- attack: …` or `-- query: …`, then `-- told: …`, then a statement.
pub(super) fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("-- attack: ").or(line.strip_prefix("-- query: ")) {
            cases.push(Case { name: name.to_owned(), told: String::new(), sql: String::new() });
        } else if let (Some(told), Some(case)) = (line.strip_prefix("-- told: "), cases.last_mut()) {
            case.told = told.to_owned();
        } else if let Some(case) = cases.last_mut() {
            case.sql.push_str(line);
            case.sql.push('\n');
        }
    }
    cases
}

pub(super) fn attacks(data: &Path) -> Vec<Case> {
    let beside = |name: &str| data.parent().expect("it has one").join(name).display().to_string();
    let mut cases = cases(include_str!("../../../../tests/sandbox/attacks.sql"));
    for case in &mut cases {
        case.sql = case
            .sql
            .replace("{data}", &data.display().to_string())
            .replace("{out}", &beside("out"))
            .replace("{secret}", &beside("secret.csv"))
            .replace("{link}", &data.join("link.csv").display().to_string());
    }
    assert!(cases.len() >= 30, "{}", cases.len());
    cases
}
