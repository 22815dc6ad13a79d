//! Names: where they are given and used, and what becomes of them.

use std::path::Path;

use expect_test::{Expect, expect};

use super::super::analysis::{Analysis, analyse};
use super::super::definition::{Target, definition, references};
use super::super::fix::fixes;
use super::super::folder::{Disk, Folder};
use super::super::hover::hover;
use super::super::rename::{prepare, rename};
use super::super::symbols::{Symbol, symbols};
use super::{FOLDER, folder, standing};
use crate::rule::Parsed;
use crate::rule::ast::Span;

/// Places as `file:text`, with the line.
fn shown(analysis: &Analysis, targets: &[Target]) -> String {
    let one = |target: &Target| {
        let name = target.path.display();
        let Some(file) = analysis.file(&target.path) else { return format!("{name}") };
        let text = analysis.text(file);
        let line = text[..target.span.start].matches('\n').count() + 1;
        format!("{name}:{line} {}", &text[target.span.start..target.span.end])
    };
    targets.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn check_uses(piece: &str, on: usize, expected: Expect) {
    let (analysis, at) = standing(piece, on);
    let given = shown(&analysis, &definition(&analysis, 0, at));
    let used = shown(&analysis, &references(&analysis, 0, at, false));
    expected.assert_eq(&format!("given {given}\nused\n{used}"));
}

#[test]
fn names_lead_to_where_they_are_given_and_used() {
    check_uses(
        "failed by",
        2,
        expect![[r#"
        given b.weir:3 failed
        used
        b.weir:10 failed
        b.weir:18 failed"#]],
    );
    check_uses(
        "in scanners",
        5,
        expect![[r#"
        given b.weir:4 scanners
        used
        b.weir:11 scanners
        b.weir:18 scanners"#]],
    );
    check_uses(
        "\"bruteforce\"",
        4,
        expect![[r#"
        given b.weir:6 bruteforce
        used
        b.weir:23 bruteforce"#]],
    );
    check_uses(
        "made.source.ip",
        1,
        expect![[r#"
        given b.weir:17 made
        used
        b.weir:15 made
        b.weir:18 made"#]],
    );
    check_uses(
        "severity",
        1,
        expect![[r#"
        given 
        used
    "#]],
    );
}

#[test]
fn the_path_of_a_list_leads_to_its_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("l.txt"), "10.0.0.1\n").unwrap();
    let text = "list l from \"l.txt\"\nlist m from \"missing.txt\"\nrule a { when any where source.ip in l }";
    let file = dir.path().join("a.weir");
    let open = [(file.clone(), text.into())];
    let analysis =
        analyse(&Folder::Near(dir.path().to_owned()), &open, &mut Disk::default(), &mut Parsed::default(), true);
    let found = definition(&analysis, 0, text.find("l.txt").unwrap());
    assert_eq!(found, [Target { path: dir.path().join("l.txt"), span: Span::default() }]);
    assert_eq!(definition(&analysis, 0, text.find("missing").unwrap()), []);
    let (told, _) = hover(&analysis, text, text.rfind('l').unwrap()).unwrap();
    assert!(told.contains("1 values:\n\n    10.0.0.1"), "{told}");
    assert!(prepare(&analysis, 0, text.find("l.txt").unwrap()).unwrap_err().contains("rename the file"));
}

fn check_rename(piece: &str, on: usize, new: &str, expected: Expect) {
    let (analysis, at) = standing(piece, on);
    let outcome = match rename(&analysis, 0, at, new) {
        Ok(places) => {
            let mut text = FOLDER.to_owned();
            for span in places[Path::new("b.weir")].iter().rev() {
                text.replace_range(span.start..span.end, new);
            }
            let lines = text.lines().zip(FOLDER.lines()).filter(|(after, before)| after != before);
            lines.map(|(after, _)| after.trim()).collect::<Vec<_>>().join("\n")
        }
        Err(why) => format!("refused: {why}"),
    };
    expected.assert_eq(&outcome);
}

#[test]
fn names_are_changed_everywhere_or_nowhere() {
    check_rename(
        "failed by",
        1,
        "bad_login",
        expect![[r#"
        let bad_login = authentication where event.outcome == "failure"
        when bad_login by source.ip within 5m having count() >= 10
        used: bad_login where source.ip not in list("scanners") and source.ip != made.source.ip on user.name"#]],
    );
    check_rename(
        "scanners =",
        1,
        "known.scanners",
        expect![[r#"
        list known.scanners = (198.51.100.7, 10.20.0.0/16)
        except "ours" where source.ip in known.scanners
        used: failed where source.ip not in list("known.scanners") and source.ip != made.source.ip on user.name"#]],
    );
    check_rename(
        "bruteforce {",
        1,
        "guessing",
        expect![[r#"
        rule guessing {
        rule over { when alert where rule.name in ("guessing", "twice") by source.ip within 1h having count() >= 2 }"#]],
    );
    check_rename(
        "made: iam",
        1,
        "first",
        expect![[r#"
        title "{first.user.target.name} used by {source.ip}"
        first: iam where event.action == "user-created" on user.target.name
        used: failed where source.ip not in list("scanners") and source.ip != first.source.ip on user.name"#]],
    );
    check_rename("made: iam", 1, "made", expect![""]);
    check_rename("made: iam", 1, "used", expect!["refused: there already is a step `used`: b.weir:18"]);
    check_rename(
        "made: iam",
        1,
        "source",
        expect![[r#"
        title "{source.user.target.name} used by {source.ip}"
        source: iam where event.action == "user-created" on user.target.name
        used: failed where source.ip not in list("scanners") and source.ip != source.source.ip on user.name"#]],
    );
    check_rename("failed by", 1, "network", expect!["refused: `network` would clash: `network` is a category"]);
    check_rename(
        "failed by",
        1,
        "when",
        expect![
            "refused: `when` cannot be a name: letters, digits, `_` and `-`, a letter first, and no word of the language"
        ],
    );
    check_rename(
        "failed by",
        1,
        "two words",
        expect![
            "refused: `two words` cannot be a name: letters, digits, `_` and `-`, a letter first, and no word of the language"
        ],
    );
    check_rename("scanners =", 1, "source.ip", expect!["refused: `source.ip` would clash: `source.ip` is a field"]);
    check_rename("twice {", 1, "bruteforce", expect!["refused: there already is a rule `bruteforce`: b.weir:6"]);
    check_rename("severity", 1, "x", expect!["refused: only rules, `let`s, lists and steps can be renamed"]);
}

#[test]
fn what_cannot_be_read_is_not_renamed_around() {
    let broken = "rule c { when failed by }";
    let analysis = folder(&[("b.weir", FOLDER), ("c.weir", broken)]);
    let why = rename(&analysis, 0, FOLDER.find("failed =").unwrap(), "bad").unwrap_err();
    assert!(why.contains("syntax error") && why.contains("c.weir:1"), "{why}");
    assert!(rename(&analysis, 0, FOLDER.find("scanners").unwrap(), "bad").is_ok(), "it is not in the broken one");
}

#[test]
fn a_file_has_an_outline() {
    fn lines(symbols: &[Symbol], indent: usize, out: &mut String) {
        for symbol in symbols {
            let whole = &FOLDER[symbol.whole.start..symbol.whole.end];
            let end = whole.char_indices().nth(12).map_or(whole.len(), |(at, _)| at);
            *out += &format!("{:indent$}{} ({}) {:?}\n", "", symbol.name, symbol.detail, &whole[..end]);
            lines(&symbol.inside, indent + 2, out);
        }
    }
    let analysis = folder(&[("b.weir", FOLDER)]);
    let mut out = String::new();
    lines(&symbols(&analysis, 0), 0, &mut out);
    expect![[r#"
        failed (let, authentication) "let failed ="
        scanners (list) "list scanner"
        bruteforce (rule, high) "rule brutefo"
        twice (rule) "rule twice {"
          made (step) "made: iam wh"
          used (step) "used: failed"
          t (test) "test \"t\" { @"
        over (rule) "rule over { "
    "#]]
    .assert_eq(&out);
}

#[test]
fn fixes_are_those_of_the_diagnostics() {
    let text =
        "rule a { serverity high when any where user.name == \"x\" }\nrule b { when any where user.nam == \"x\" }";
    let analysis = folder(&[("a.weir", text)]);
    let at = |piece: &str| {
        let start = text.find(piece).unwrap();
        let found = fixes(&analysis, 0, Span { start, end: start });
        found.iter().map(|fix| format!("{} -> {}", &text[fix.span.start..fix.span.end], fix.text)).collect::<Vec<_>>()
    };
    assert_eq!(at("serverity"), ["serverity -> severity"]);
    assert_eq!(at("user.nam "), ["user.nam -> user.name"]);
    assert_eq!(at("rule b"), Vec::<String>::new());
}
