//! The rules that come with weir, inside the binary, so that it works without a rules folder.

use std::io;

use super::{Compiled, SourceFile, compile};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/", $name))),)*]
    };
}

/// The files of `rules/`, by their path in it.
const FILES: &[(&str, &str)] = embedded![
    "accounts.weir",
    "cloud.weir",
    "decoys.weir",
    "logs.weir",
    "network.weir",
    "ot.weir",
    "persistence.weir",
    "risk.weir",
    "ssh.weir",
    "sudo.weir",
    "web.weir",
    "windows.weir",
];

/// The built-in rules, compiled.
pub fn pack() -> Compiled {
    let is_rule = |name: &str| name.ends_with(".weir");
    let files: Vec<SourceFile> = FILES
        .iter()
        .filter(|(name, _)| is_rule(name))
        .map(|(name, text)| SourceFile { name: format!("rules/{name}").into(), text: (*text).to_owned() })
        .collect();
    compile(&files, &|path| {
        let found = FILES.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::ast::{ClauseKind, Item, TestLine};
    use crate::rule::diagnostic::render;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
        let mut on_disk: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.ends_with(".weir"))
            .collect();
        on_disk.sort();
        assert_eq!(on_disk, FILES.iter().map(|(n, _)| *n).collect::<Vec<_>>());
    }

    #[test]
    fn the_pack_is_without_fault() {
        let compiled = pack();
        assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
        for rule in &compiled.program.rules {
            let told = rule.description.is_some() && rule.runbook.is_some() && !rule.attack.is_empty();
            assert!(told, "{} lacks a description, a runbook or a technique", rule.name);
        }
        assert!(compiled.program.rules.len() >= 65, "{} rules", compiled.program.rules.len());
    }

    #[test]
    fn every_rule_says_what_else_raises_it_and_has_a_test_that_fires_and_one_that_does_not() {
        for rule in pack().trees.iter().flat_map(|file| &file.items).filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Let(_) | Item::List(_) => None,
        }) {
            let name = &rule.name.text;
            let benign = rule.clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::FalsePositives(_)));
            assert!(benign, "{name}: no falsepositives");
            let fires: Vec<bool> = rule
                .test_lines()
                .filter_map(|line| if let TestLine::Expect(outcomes, _) = line { outcomes.last() } else { None })
                .map(|outcome| outcome.count.text != "0")
                .collect();
            assert!(fires.contains(&true) && fires.contains(&false), "{name}: a test that fires and one that does not");
        }
    }
}
