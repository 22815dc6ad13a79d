//! `examples/cookbook`: its recipes compile as one folder, each with tests of both kinds, and the index names them all.

use std::fs;
use std::path::Path;

use super::ast::{ClauseKind, Item, TestLine};
use super::{load, render};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

#[test]
fn recipes_compile_and_have_tests_of_both_kinds() {
    let compiled = load(&Path::new(EXAMPLES).join("cookbook")).unwrap();
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
    assert!(compiled.program.rules.len() >= 30);
    for item in compiled.trees.iter().flat_map(|tree| &tree.items) {
        let Item::Rule(rule) = item else { continue };
        let counts = rule.clauses.iter().filter_map(|clause| match &clause.kind {
            ClauseKind::Test(test) => Some(test),
            _ => None,
        });
        let first = |line: &TestLine| match line {
            TestLine::Expect(outcomes, _) => Some(outcomes[0].count.text != "0"),
            TestLine::Given(_) => None,
        };
        let fires: Vec<bool> = counts.filter_map(|test| test.lines.iter().find_map(first)).collect();
        assert!(fires.contains(&true), "no test of {} fires", rule.name.text);
        let withdrawn = rule.name.text == "not_when_blocked";
        assert!(fires.contains(&false) || withdrawn, "no test of {} is silent", rule.name.text);
    }
}

#[test]
fn the_index_names_every_recipe_by_its_question() {
    let index = fs::read_to_string(format!("{EXAMPLES}/cookbook.md")).unwrap();
    let mut recipes = 0;
    for entry in fs::read_dir(format!("{EXAMPLES}/cookbook")).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|e| e == "weir")) else { continue };
        let (name, text) = (name.to_str().unwrap(), fs::read_to_string(&path).unwrap());
        let question = text.lines().next().unwrap().trim_start_matches("# ");
        assert!(question.ends_with('?'), "{name} begins with no question");
        assert!(text.contains(&format!("\nrule {name} {{")), "the rule of {name}.weir has another name");
        let line = format!("- [{question}](cookbook/{name}.weir)\n");
        assert!(index.contains(&line), "examples/cookbook.md lacks: {line}");
        recipes += 1;
    }
    assert_eq!(index.matches("(cookbook/").count(), recipes);
}
