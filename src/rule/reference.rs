//! The language reference, as Markdown. In: the tables that the compiler works by. Out: a text; `rules/REFERENCE.md` is
//! a copy of it, and a test compares them.

use std::fmt::Write;

use super::code::Code;
use super::literal::SIZES;
use super::words::Entry;
use super::words::condition::{AGGREGATES, Family, LOGIC, OPERATORS};
use super::words::form::{self, DEVIATIONS, FORMS, SETTINGS, TUNINGS};
use super::words::top::{CATEGORY_TABLE, CLAUSES, ITEMS, SOURCES, TESTING};
use crate::alert::Severity;
use crate::event::field::{EXTRA_PREFIX, TABLE};
use crate::event::time::UNITS;

const HEAD: &str = "\
# The rule language: reference

Made by `weir reference` of the tables that the compiler works by. [README.md](README.md) explains the language;
[../examples/tutorial.md](../examples/tutorial.md) is a first hour with it, [../examples/cookbook.md](../examples/cookbook.md) has recipes.
";

/// The whole reference.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    entries(&mut out, "A file", "A folder of `*.weir` files is one program. A `#` starts a comment.", ITEMS);
    entries(&mut out, "Clauses of a rule", &clauses(), CLAUSES);
    entries(&mut out, "Before `where`", "A category, one of these, or the name of a `let`.", SOURCES);
    entries(&mut out, "Categories", "An event has one or more.", CATEGORY_TABLE);
    operators(&mut out);
    entries(&mut out, "Conditions", "A condition is made of comparisons and these words, with parentheses.", LOGIC);
    values(&mut out);
    forms(&mut out);
    entries(&mut out, "Settings", &settings(), SETTINGS);
    entries(&mut out, "Parameters", &parameters(), TUNINGS);
    entries(&mut out, "Units of `above`", "", DEVIATIONS);
    entries(&mut out, "Aggregates", "In `having` and `baseline`.", AGGREGATES);
    entries(&mut out, "Tests", "A test stands in its rule.", TESTING);
    fields(&mut out);
    codes(&mut out);
    out
}

/// A code span in a table cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn heading(out: &mut String, title: &str, about: &str) {
    write!(out, "\n## {title}\n\n").expect("a string takes all");
    if !about.is_empty() {
        write!(out, "{about}\n\n").expect("a string takes all");
    }
}

fn table(out: &mut String, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut row = |cells: &[String]| writeln!(out, "| {} |", cells.join(" | ")).expect("a string takes all");
    row(&columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
    row(&columns.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    rows.into_iter().for_each(|cells| row(&cells));
}

fn entries(out: &mut String, title: &str, about: &str, entries: &[Entry]) {
    heading(out, title, about);
    // Where the usage is the word again, one column says it.
    if entries.iter().all(|e| e.word == e.usage) {
        table(out, &["word", "meaning"], entries.iter().map(|e| vec![code(e.word), e.doc.to_owned()]));
    } else {
        let row = |e: &Entry| vec![code(e.word), code(e.usage), e.doc.to_owned()];
        table(out, &["word", "write", "meaning"], entries.iter().map(row));
    }
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn clauses() -> String {
    format!(
        "In any order, each at most once but `except` and `test`. Severities: {}.",
        words(Severity::ALL.iter().map(|s| s.word()))
    )
}

fn operators(out: &mut String) {
    heading(
        out,
        "Operators by type",
        "A field, an operator, a value of the field's type; nothing is converted. A comparison with a missing field is \
         false, so `!=` and `not in` are true there. A list field matches when any of its elements does.",
    );
    let rows = Family::ALL
        .iter()
        .map(|family| vec![family.word().to_owned(), words(family.operators().map(|o| o.word).chain(["exists"]))]);
    table(out, &["type", "operators"], rows);
    out.push('\n');
    let rows = OPERATORS.iter().map(|o| vec![code(o.word), code(o.example), o.doc.to_owned()]);
    table(out, &["operator", "write", "holds when"], rows);
}

fn values(out: &mut String) {
    heading(out, "Values", "");
    let sizes = words(SIZES.iter().map(|(word, _)| *word));
    let units = UNITS.iter().map(|(word, _, name)| format!("`{word}` {name}")).collect::<Vec<_>>().join(", ");
    let rows = [
        (
            "text",
            "`\"root\"`, `c\"Root\"`",
            "`\\\\`, `\\\"`, `\\n`, `\\r`, `\\t` in it; with `c`, letters count as they are".to_owned(),
        ),
        ("number", "`10`, `-3`, `1_000`", "whole".to_owned()),
        ("size", "`100MB`, `1GiB`", format!("a number with a unit: {sizes}")),
        ("address", "`10.0.0.5`, `2001:db8::1`", "IPv4 or IPv6".to_owned()),
        ("network", "`10.0.0.0/8`, `2001:db8::/32`", "after `in`".to_owned()),
        ("time", "`2027-01-01`, `2027-01-01T10:30:00Z`", "a day is its first moment, UTC".to_owned()),
        ("duration", "`500ms`, `5m`, `1h30m`", format!("{units}; at most 366 days")),
        (
            "several",
            "`(\"a\", \"b\")`, `scanners`, `list(\"scanners\")`",
            "after `in`, and texts after the operators that are words".to_owned(),
        ),
        ("regular expression", "`/\\.php$/i`", "after `~`; `\\/` is a slash".to_owned()),
    ];
    table(out, &["kind", "write", "note"], rows.map(|(kind, write, note)| vec![kind.into(), write.into(), note]));
}

fn forms(out: &mut String) {
    heading(out, "Forms", "What follows `when`.");
    for form in FORMS {
        write!(out, "**{}**: {}.\n\n```weir\nwhen {}\n```\n\n", form.name, form.doc, form.example)
            .expect("a string takes all");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn settings() -> String {
    let of = |what: &str, taken: &[&str]| format!("{what}: {}", words(taken.iter().copied()));
    [
        of("After one kind of event", form::SINGLE),
        of("before the brace of `sequence` and `all`", form::STEPS),
        of("after a step", form::STEP),
        of("after a `not` step and after `until`", form::NO_STEP),
    ]
    .join("; ")
        + "."
}

fn parameters() -> String {
    let of = |what: &str, taken: &[&str]| format!("`{what}` takes {}", words(taken.iter().copied()));
    [of("new", form::NEW), of("rare", form::RARE), of("baseline", form::BASELINE)].join("; ") + "."
}

fn fields(out: &mut String) {
    heading(
        out,
        "Fields",
        &format!(
            "Names are those of the Elastic Common Schema, the same in rules, SQL, JSON and on the page. What has no field of \
             its own is text under `{EXTRA_PREFIX}`: `fields.TargetObject`, `fields.\"a b\"`."
        ),
    );
    let rows = TABLE.iter().map(|f| vec![code(f.name), f.ty.word().to_owned(), f.doc.to_owned()]);
    table(out, &["field", "type", "meaning"], rows);
}

fn codes(out: &mut String) {
    heading(out, "Codes", "What `weir check` says begins with one of these.");
    let rows = Code::ALL.iter().map(|code| vec![code.number().to_owned(), code.doc().to_owned()]);
    table(out, &["code", "about"], rows);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::words::{condition, top};
    use super::*;
    use crate::rule::{compile_alone, render};

    fn found(text: &str) -> String {
        let compiled = compile_alone("x.weir", text);
        render(&compiled.diagnostics, &compiled.sources, false)
    }

    #[test]
    fn the_copy_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/REFERENCE.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let copy = std::fs::read_to_string(path).unwrap_or_default();
        assert!(copy == markdown(), "UPDATE_EXPECT=1 writes rules/REFERENCE.md anew");
    }

    /// Words of the grammar that its tables must have.
    fn alternatives(rule: &str) -> BTreeSet<String> {
        let grammar = include_str!("grammar.pest");
        let line = grammar.lines().find(|l| l.split(' ').next() == Some(rule)).unwrap();
        line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn tables_have_the_words_of_the_grammar() {
        let set = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<BTreeSet<_>>();
        let operators: Vec<&str> = OPERATORS.iter().map(|o| o.word).collect();
        assert_eq!(alternatives("operator"), set(&operators));
        assert_eq!(alternatives("tuning_word"), set(form::TUNING_WORDS));
        assert_eq!(alternatives("tuning_unit"), set(form::DEVIATION_WORDS));
        let told = [top::ITEM_WORDS, top::CLAUSE_WORDS, top::TEST_WORDS, condition::LOGIC_WORDS].concat();
        let told = [&told, form::SETTING_WORDS, form::JOINT_WORDS].concat();
        for line in include_str!("grammar.pest").lines().filter(|l| l.starts_with("kw_")) {
            let word = line.split('"').nth(1).unwrap();
            assert!(told.contains(&word), "{word} is in no table");
        }
        for taken in [form::SINGLE, form::STEPS, form::STEP, form::NO_STEP].concat() {
            assert!(form::SETTING_WORDS.contains(&taken), "{taken}");
        }
        for taken in [form::NEW, form::RARE, form::BASELINE].concat() {
            assert!(form::TUNING_WORDS.contains(&taken), "{taken}");
        }
    }

    #[test]
    fn every_example_compiles() {
        let fine = |text: String| {
            let found = found(&text);
            assert!(found.is_empty(), "{text}\n{found}");
        };
        for operator in OPERATORS {
            fine(format!("rule r {{ when web where {} and exists source.ip }}", operator.example));
        }
        for entry in LOGIC.iter().filter(|e| e.word != "true" && e.word != "false") {
            fine(format!("rule r {{ when web where {} }}", entry.usage));
        }
        for entry in AGGREGATES {
            fine(format!("rule r {{ when web by host.name within 1h having {} >= 1 }}", entry.usage));
        }
        for example in FORMS {
            let base = "rule base { risk 5 when process where process.name == \"nc\" by user.name }";
            fine(format!("{base}\nrule r {{ when {} }}", example.example));
        }
        for entry in CLAUSES.iter().filter(|e| !["when", "retro"].contains(&e.word)) {
            fine(format!(
                "rule r {{ when authentication where event.outcome == \"failure\" by source.ip {} }}",
                entry.usage
            ));
        }
        for category in CATEGORY_TABLE {
            fine(format!("rule r {{ when {} where exists host.name }}", category.word));
        }
    }

    /// The compiler refuses exactly what the table does not have.
    #[test]
    fn operators_are_for_these_types() {
        let samples = [
            (Family::Text, "user.name", "\"x\""),
            (Family::Address, "source.ip", "10.0.0.5"),
            (Family::Number, "source.port", "5"),
            (Family::Time, "@timestamp", "2027-01-01"),
            (Family::Id, "event.id", "\"x\""),
        ];
        for (family, field, value) in samples {
            for operator in OPERATORS {
                let value = match operator.word {
                    "~" => "/x/".to_owned(),
                    "in" => format!("({value})"),
                    _ => value.to_owned(),
                };
                let found = found(&format!("rule r {{ when any where {field} {} {value} }}", operator.word));
                let refused = found.contains("does not apply to");
                assert_eq!(refused, !operator.families.contains(&family), "{field} {}\n{found}", operator.word);
            }
        }
    }
}
