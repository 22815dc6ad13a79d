//! Golden cases (`tests/rules/format`), and what must hold for any layout. `UPDATE_EXPECT=1` rewrites the golden files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::token::{self, File};
use super::{Unformattable, format};
use crate::rule::{Compiled, SourceFile, compile};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "weir"));
    files.sort();
    files
}

/// All texts that compile: the built-in rules and the cases of good rules.
fn seeds() -> Vec<String> {
    let folders = ["rules", "tests/rules/good", "tests/rules/format"];
    folders.iter().flat_map(|f| files(f)).map(|p| fs::read_to_string(p).unwrap()).collect()
}

fn compiled(text: &str) -> Compiled {
    let lists = |path: &str| match path {
        "lists/scanners.txt" => Ok("198.51.100.7\n10.0.0.0/8\n".to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    };
    compile(&[SourceFile { name: "x".into(), text: text.into() }], &lists)
}

/// All comments, in order.
fn comments<'a>(file: &File<'a>) -> Vec<&'a str> {
    let of = |t: &token::Token<'a>| t.comments.iter().map(|c| c.text).chain(t.trailing).collect::<Vec<_>>();
    file.tokens.iter().flat_map(of).chain(file.end.iter().map(|c| c.text)).collect()
}

/// What formatting must keep, and that it is stable.
fn holds(text: &str) -> String {
    let once = format(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"));
    let twice = format(&once).unwrap();
    assert_eq!(once, twice, "formatting again changes it; it was:\n{text}");
    let (before, after) = (compiled(text), compiled(&once));
    assert_eq!(before.program.rules, after.program.rules, "another meaning:\n{text}\n{once}");
    assert_eq!(before.program.lists, after.program.lists);
    assert_eq!(before.rejected, after.rejected);
    let (before, after) = (token::read(text).unwrap(), token::read(&once).unwrap());
    let sequence = |file: &File<'_>| file.tokens.iter().map(|t| t.text.to_owned()).collect::<Vec<_>>();
    assert_eq!(sequence(&before), sequence(&after));
    assert_eq!(comments(&before), comments(&after));
    assert!(
        !once.contains("\n\n\n") && !once.contains(" \n") && !once.contains('\t') || text.contains("\" "),
        "{once}"
    );
    once
}

#[test]
fn files_have_their_canonical_form() {
    let mut wrong = Vec::new();
    for case in files("tests/rules/format") {
        let got = holds(&fs::read_to_string(&case).unwrap());
        let expected = case.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, &got).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != got {
            wrong.push(format!("{} gives:\n{got}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 accepts:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_of_ours_can_be_formatted() {
    let seeds = seeds();
    assert!(seeds.len() > 12, "{}", seeds.len());
    seeds.iter().for_each(|text| drop(holds(text)));
}

#[test]
fn lines_are_short_where_they_can_be() {
    for path in files("rules") {
        for line in format(&fs::read_to_string(&path).unwrap()).unwrap().lines() {
            // A text, a regular expression and a comment is one token, however long it is.
            let token =
                line.contains(['#', '~', '\\']) || line.split('"').any(|part| part.len() > super::print::WIDTH / 3);
            assert!(token || line.chars().count() <= super::print::WIDTH, "{}: {line}", path.display());
        }
    }
}

/// `weir fmt rules examples` mends it.
#[test]
fn our_own_rules_are_formatted() {
    for folder in ["rules", "examples/cookbook"] {
        for path in files(folder) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(format(&text).unwrap() == text, "{} is not in canonical form", path.display());
        }
    }
}

#[test]
fn what_does_not_parse_is_left_alone() {
    for path in files("tests/rules/errors") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!matches!(format(&text), Err(Unformattable::Bug)), "{}", path.display());
    }
    let error = format("rule a {\n  when any wher\n}\n").unwrap_err().to_string();
    assert!(error.starts_with("line 2, column ") && error.contains("weir check"), "{error}");
    assert!(format("rule a { when b").unwrap_err().to_string().contains("never closed"));
}

#[test]
fn files_without_rules_stay() {
    assert_eq!(format("").unwrap(), "");
    assert_eq!(format(" \n\n\t").unwrap(), "");
    assert_eq!(format("\u{feff}# only this \r\n\r\n\r\n  # and this").unwrap(), "# only this\n\n# and this\n");
}

/// What is put between two tokens in the place of the blanks there: always a blank, maybe comments and lines.
fn filler() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just(" ".to_owned()),
        4 => "[ \t]{1,3}",
        3 => "(\r?\n[ \t]{0,3}){1,4} ",
        1 => "[ \t]{0,2}# ?[a-z{(\"/, \u{e4}]{0,9}\n {1,3}",
        1 => "\n{1,3} # ?[a-z})\"=]{0,9} ?\n{1,3} ",
        1 => " #a\n\n# ?[a-z]{0,3}\n # [b-d]{0,200}\n\n ",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_keeps_its_meaning(
        seed in any::<prop::sample::Index>(),
        fillers in prop::collection::vec(filler(), 1..64),
        plain in 0..8usize,
    ) {
        let seeds = seeds();
        let text = seed.get(&seeds);
        let file = token::read(text).unwrap();
        let starts: Vec<usize> = file.items.iter().map(|i| i.first).collect();
        let mut mixed = String::new();
        let mut fill = fillers.iter().cycle();
        for (at, token) in file.tokens.iter().enumerate() {
            // Items begin lines: it is how a file is cut into them.
            if starts.contains(&at) {
                mixed.push('\n');
                mixed.push_str(fill.next().unwrap().trim_end_matches(' '));
                if !mixed.ends_with('\n') {
                    mixed.push('\n');
                }
            } else if at % 8 >= plain {
                mixed.push_str(fill.next().unwrap());
            } else {
                mixed.push(' ');
            }
            mixed.push_str(token.text);
        }
        mixed.push_str(fill.next().unwrap());
        // A word that begins an item cannot begin a line elsewhere: no layout that the compiler could read.
        prop_assume!(token::read(&mixed).is_ok());
        holds(&mixed);
    }

    #[test]
    fn any_text_is_formatted_or_refused(text in "(rule|let|list|when|any|where|by|[a-z]|[{}()=,:#\"/ \n]|\u{e4}|\u{feff}){0,40}") {
        match format(&text) {
            Ok(once) => prop_assert_eq!(format(&once).unwrap(), once.clone()),
            Err(error) => prop_assert!(!matches!(error, Unformattable::Bug), "{}", text),
        }
    }
}
