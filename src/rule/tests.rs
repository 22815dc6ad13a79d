//! Golden cases (`tests/rules`), what must hold for any text, and speed. `UPDATE_EXPECT=1` rewrites the golden files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::code::Code;
use super::plan::Form;
use super::{Compiled, Diagnostic, SourceFile, compile, explain, lint, plan, render};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(name)
}

/// Lists of the cases lie in `tests/rules/lists`.
fn read_list(path: &str) -> io::Result<String> {
    match path {
        "lists/scanners.txt" => Ok("# known scanners\n198.51.100.7\n10.0.0.0/8   # the lab\nnot-an-address\n".into()),
        "lists/empty.txt" => Ok("# nothing yet\n".into()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    }
}

fn compile_text(name: &str, text: &str) -> Compiled {
    compile(&[SourceFile { name: name.into(), text: text.into() }], &read_list)
}

/// Compares every `*.weir` of a folder with the `*.txt` beside it.
fn golden(name: &str, show: impl Fn(&str, &Compiled) -> String) -> usize {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder(name)).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|p| p.extension().is_some_and(|e| e == "weir"));
    cases.sort();
    let mut wrong = Vec::new();
    for case in &cases {
        let file = case.file_name().unwrap().to_str().unwrap();
        let got = show(file, &compile_text(file, &fs::read_to_string(case).unwrap()));
        let expected = case.with_extension("txt");
        if update {
            fs::write(&expected, &got).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != got {
            wrong.push(format!("{file} gives:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 accepts:\n{}", wrong.join("\n"));
    cases.len()
}

/// The values of a list, and how many networks.
fn sorted(list: &plan::List) -> (Vec<&String>, usize) {
    let mut values: Vec<&String> = list.values.iter().collect();
    values.sort();
    (values, list.networks.len())
}

#[test]
fn wrong_rules_are_explained() {
    let cases = golden("errors", |file, compiled| {
        assert!(!compiled.diagnostics.is_empty(), "{file} is not wrong");
        render(&compiled.diagnostics, &compiled.sources, false)
    });
    assert!(cases >= 40, "{cases}");
}

#[test]
fn good_rules_have_their_plan() {
    golden("good", |file, compiled| {
        let errors: Vec<_> = compiled.diagnostics.iter().filter(|d| d.is_error()).collect();
        assert!(compiled.rejected.is_empty(), "{file}: {:?}", compiled.rejected);
        assert!(errors.is_empty(), "{file}: {}", render(&compiled.diagnostics, &compiled.sources, false));
        let told = |rule| explain::explain(rule, &compiled.program.lists);
        let lists = compiled.program.lists.iter().map(|l| format!("\nlist {} {:?} {:?}\n", l.name, l.file, sorted(l)));
        compiled.program.rules.iter().map(told).collect::<Vec<_>>().join("\n") + &lists.collect::<String>()
    });
}

#[test]
fn a_broken_rule_hides_no_other() {
    let text = "rule a { when any where }\nrule b { when process where user.nme == 1 }\nrule c { when file }";
    let compiled = compile_text("x.weir", text);
    assert_eq!(compiled.diagnostics.len(), 2, "{}", render(&compiled.diagnostics, &compiled.sources, false));
    assert_eq!(compiled.program.rules.len(), 1);
    assert_eq!(compiled.program.rules[0].name, "c");
    assert_eq!(compiled.program.rules[0].form, Form::Single);
    assert_eq!(compiled.rejected, ["a", "b"]);
    assert!(compiled.has_errors());
}

/// What the text of a plan does not tell.
#[test]
fn plans_know_signs_and_numbers() {
    let text = "rule base { risk 1 when process by user.name }
        rule over { when alert where risk > 0 by user.name within 1h having sum(risk) >= 3 }
        rule raw { when process by user.name within 1h having sum(risk) >= 3 }
        rule steps { when sequence by user.name within 1h {
            a: process
            b: process where process.pid >= a.process.parent.pid and host.name != a.host.name and not user.id not == a.user.id } }";
    let compiled = compile_text("x.weir", text);
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
    let form = |name: &str| &compiled.program.rules[compiled.program.position(name).unwrap() as usize].form;
    for (name, never_negative) in [("over", true), ("raw", false)] {
        let Form::Aggregate { having, .. } = form(name) else { panic!("{name}") };
        assert_eq!(having.is_monotone(), never_negative, "{name}");
    }
    let Form::Sequence { residuals, .. } = form("steps") else { panic!() };
    let told: Vec<_> =
        residuals.iter().map(|r| (r.step, r.slot, r.other, r.other_slot, r.numbers, r.negated)).collect();
    assert_eq!(told, [(1, 0, 0, 1, true, false), (1, 2, 0, 2, false, true), (1, 3, 0, 3, false, false)]);
}

#[test]
fn names_are_shared_and_unique_over_files() {
    let file = |name: &str, text: &str| SourceFile { name: name.into(), text: text.into() };
    let files = [
        file("a.weir", "rule x { when bad }"),
        file("b.weir", "let bad = process where process.name == \"nc\"\nrule x { when bad where exists user.name }"),
        file("c.weir", "rule broken {"),
    ];
    let compiled = compile(&files, &read_list);
    let codes: Vec<&str> = compiled.diagnostics.iter().map(|d| d.code.number()).collect();
    assert_eq!(codes, ["W0104", "W0003"]);
    assert_eq!(&*compiled.diagnostics[0].place.file, "b.weir");
    assert_eq!(&*compiled.diagnostics[0].related[0].file, "a.weir");
    assert_eq!(compiled.program.rules.len(), 1);
    assert!(render(&compiled.diagnostics, &files, true).contains('\u{1b}'));
}

#[test]
fn diagnostics_are_json_too() {
    let compiled = compile_text("x.weir", "\nrule ä { }\nrule a {\n  when process where usr.name == \"é\" }");
    let json = serde_json::to_value(&compiled.diagnostics[1]).unwrap();
    assert_eq!(json["code"], "W0101");
    assert_eq!(json["level"], "error");
    assert_eq!((json["place"]["line"].as_u64(), json["place"]["column"].as_u64()), (Some(4), Some(22)));
    assert_eq!(json["fix"], "user.name");
}

/// What `weir check` tells on 2026-06-01.
fn found(compiled: &Compiled) -> Vec<Diagnostic> {
    compiled.findings(1_780_272_000_000_000)
}

#[test]
fn what_is_likely_not_meant_is_told() {
    let cases = golden("warnings", |file, compiled| {
        assert!(!compiled.has_errors(), "{file}: {}", render(&compiled.diagnostics, &compiled.sources, false));
        render(&found(compiled), &compiled.sources, false)
    });
    assert!(cases >= 10, "{cases}");
}

/// The page of each code shows what gives it, and what does not.
#[test]
fn every_code_has_a_page() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let (number, page) = (code.number(), code.page());
        assert!(page.text.len() > 60 && !page.wrong.is_empty() && !page.right.is_empty(), "{number}");
        let [bad, good] = [page.wrong, page.right].map(|text| compile_text(number, text));
        let told = |c: &Compiled| render(&found(c), &c.sources, false);
        if !found(&bad).iter().any(|d| d.code == *code) {
            wrong.push(format!("{number} is not given:\n{}", told(&bad)));
        }
        if !found(&good).is_empty() {
            wrong.push(format!("{number} is not mended:\n{}", told(&good)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The examples of `rules/README.md` are one folder, and without fault.
#[test]
fn the_reference_tells_the_truth() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/README.md")).unwrap();
    let blocks = text.split("```weir\n").skip(1).map(|b| b.split("```").next().unwrap());
    let files: Vec<SourceFile> =
        blocks.enumerate().map(|(i, b)| SourceFile { name: format!("{i}").into(), text: b.into() }).collect();
    let compiled = compile(&files, &read_list);
    // They show forms, and some of them find the same.
    let found: Vec<_> = found(&compiled).into_iter().filter(|d| d.code != Code::Shadowed).collect();
    assert!(files.len() > 3 && found.is_empty(), "{}", render(&found, &files, false));
}

#[test]
fn thousands_of_rules_compile_at_once() {
    let rule = |i: usize| {
        format!(
            "rule r{i} {{ title \"{{count}} of {{user.name}}\" severity high attack T1059.00{}\n  when process where \
             process.command_line contains (\"-enc {i}\", \"x{i}\") and not process.name in (\"a{i}\", \"b\") and \
             process.executable ~ /\\\\temp{i}\\\\.*\\.exe$/i by host.name within 5m having count() >= 3 cooldown 1h }}\n",
            i % 9
        )
    };
    let mut text: String = (0..3000).map(rule).collect();
    text += "rule z { when alert where rule.name ~ /^r1/ or rule.tactic like \"exec*\" by host.name cooldown 1d }";
    let start = std::time::Instant::now();
    let compiled = compile_text("many.weir", &text);
    println!("3000 rules: {:?}", start.elapsed());
    // Without tactics or a name that fits, it does not see itself.
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
    assert_eq!(compiled.program.rules.len(), 3001);
    assert_eq!(compiled.program.rules[3000].level, 1);
}

/// Texts to mutate: all that is at hand.
fn seeds() -> Vec<String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for dir in
        [folder("errors"), folder("good"), folder("warnings"), Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")]
    {
        paths.extend(fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()));
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "weir"));
    paths.sort();
    paths.iter().map(|p| fs::read_to_string(p).unwrap()).collect()
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "\"",
    "/",
    "\\",
    "#",
    "\n",
    "rule x {",
    "let y =",
    "list z",
    "where",
    "by",
    "having count()",
    "ä",
    "\u{1f600}",
    "not ",
    "99999999999999999999999d",
    "1e9",
    "::",
    "-",
    "c\"",
    "~ /(/",
    "in",
    "@0s",
    "{{",
    "}}",
    "\u{0}",
    "fields.\"",
    "T1",
    "within",
    "until",
    "expires 9999-99-99",
    "\r",
    "\u{feff}",
    "\u{2028}",
];

#[derive(Clone, Debug)]
struct Edit {
    at: prop::sample::Index,
    remove: usize,
    insert: Option<prop::sample::Index>,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<prop::sample::Index>(), 0..20usize, proptest::option::of(any::<prop::sample::Index>()));
    proptest::collection::vec(edit.prop_map(|(at, remove, insert)| Edit { at, remove, insert }), 1..8)
}

fn mutated(seed: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = seed.chars().collect();
    for edit in edits {
        let at = edit.at.index(chars.len() + 1);
        let end = (at + edit.remove).min(chars.len());
        let insert = edit.insert.map_or("", |i| PIECES[i.index(PIECES.len())]);
        chars.splice(at..end, insert.chars());
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the text, compiling and rendering end, and places lie in the text.
    #[test]
    fn no_text_breaks_the_compiler(seed in any::<prop::sample::Index>(), edits in edits()) {
        let seeds = seeds();
        let text = mutated(&seeds[seed.index(seeds.len())], &edits);
        let compiled = compile_text("x.weir", &text);
        for diagnostic in &compiled.diagnostics {
            let place = &diagnostic.place;
            prop_assert!(text.get(place.start..place.end).is_some(), "{diagnostic:?}");
            prop_assert!(place.line >= 1 && place.column >= 1);
        }
        lint(&compiled, 0);
        // Nothing is left out without a word.
        prop_assert!(compiled.rejected.is_empty() || compiled.has_errors());
        let shown = render(&compiled.diagnostics, &compiled.sources, false);
        prop_assert_eq!(shown.is_empty(), compiled.diagnostics.is_empty());
        for rule in &compiled.program.rules {
            prop_assert!(!explain::explain(rule, &compiled.program.lists).is_empty());
        }
    }

    /// Nor does text that never was a rule.
    #[test]
    fn nor_does_noise(text in "\\PC{0,200}") {
        let compiled = compile_text("x.weir", &text);
        render(&compiled.diagnostics, &compiled.sources, false);
    }
}
