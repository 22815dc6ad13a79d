//! Warnings have golden files in `tests/rules/warnings`; here stands what they must not tell, and how fast they are.

use super::*;
use crate::rule::{compile_alone, pack, render};

/// 2026-06-01, in µs.
const NOW: i64 = 1_780_272_000_000_000;

fn told(text: &str) -> String {
    let compiled = compile_alone("x", text);
    assert!(!compiled.has_errors(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
    render(&lint(&compiled, NOW), &compiled.sources, false)
}

#[test]
fn the_pack_gives_no_warning() {
    let compiled = pack();
    let found = lint(&compiled, NOW);
    assert!(found.is_empty(), "{}", render(&found, &compiled.sources, false));
}

#[test]
fn a_folder_with_errors_is_looked_at_all_the_same() {
    let text =
        "rule a { attack T9999 when any where user.name == \"x\" }\nrule b { when any where nme == 1 }\nrule c {";
    let compiled = compile_alone("x", text);
    let found = lint(&compiled, NOW);
    assert_eq!(found.iter().map(|d| d.code.number()).collect::<Vec<_>>(), ["W0807"]);
    assert_eq!((found[0].place.line, found[0].place.column, found[0].is_error()), (1, 17, false));
}

#[test]
fn the_day_decides_what_has_expired() {
    let text = "rule a { when any where user.name == \"x\" except \"y\" where source.port == 1 expires 2026-06-01 }";
    assert!(told(text).contains("W0804"), "its first instant is past");
    assert_eq!(told(&text.replace("2026-06-01", "2026-06-02")), "");
}

#[test]
fn thousands_of_rules_are_compared_in_time() {
    let rule = |i: usize| {
        format!(
            "rule r{i} {{ when process where process.command_line contains (\"-enc {i}.\", \"x{i}.\") and process.name != \"a{i}\" and exists process.name }}\n"
        )
    };
    let text: String = (0..2000).map(rule).collect();
    let start = std::time::Instant::now();
    assert_eq!(told(&text), "");
    println!("2000 rules: {:?}", start.elapsed());
}
