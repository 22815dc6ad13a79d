//! `weir new`: a first version of a rule, with tests that pass, to be changed into what is wanted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::rule::{self, LoadError, ast::Item};

/// Begin a rule: a file with its clauses and two tests that pass
///
/// Writes NAME.weir into the rules folder, with everything that a rule should say about itself: what to change is
/// in plain words, and the tests show how it is tried. Nothing is ever overwritten.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weir new root_login                                    an alert for each kind of event
  weir new ssh_guessing --form sequence --rules rules    one thing after the other
  weir new known_bad --form list                         what a list of addresses names

Exit codes: 0 written, 2 an error (there is such a file or rule already).")]
pub(super) struct Arguments {
    /// The rule's name: letters, digits, `_` and `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// What the rule looks for
    #[arg(long, value_enum, default_value_t = Form::Single)]
    form: Form,
    /// Folder of rule files; it is made when it is not there
    #[arg(long, value_name = "DIR", env = "WEIR_RULES", default_value = "rules")]
    rules: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Each event of a kind
    Single,
    /// Many events of one key within a time
    Threshold,
    /// Many different values within a time
    Distinct,
    /// One thing after the other
    Sequence,
    /// Something that did not happen
    Absence,
    /// Several things, in any order
    All,
    /// A value of a list, in the past too when the list changes
    List,
    /// A value never seen before
    New,
    /// A value seldom seen before
    Rare,
    /// More than usual
    Baseline,
    /// Alerts of other rules that add up
    Alerts,
}

impl Form {
    /// The file, with `NAME` where the rule's name goes.
    fn template(self) -> &'static str {
        match self {
            Form::Single => include_str!("new/single.weir"),
            Form::Threshold => include_str!("new/threshold.weir"),
            Form::Distinct => include_str!("new/distinct.weir"),
            Form::Sequence => include_str!("new/sequence.weir"),
            Form::Absence => include_str!("new/absence.weir"),
            Form::All => include_str!("new/all.weir"),
            Form::List => include_str!("new/list.weir"),
            Form::New => include_str!("new/new.weir"),
            Form::Rare => include_str!("new/rare.weir"),
            Form::Baseline => include_str!("new/baseline.weir"),
            Form::Alerts => include_str!("new/alerts.weir"),
        }
    }

    /// The file of a rule of this name. Where lines break depends on the name.
    fn text(self, name: &str) -> String {
        let text = self.template().replace("NAME", name);
        rule::format::format(&text).unwrap_or(text)
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { name, form, rules } = arguments;
    let path = write(&name, form, &rules)?;
    let folder = shown(&rules);
    println!("wrote {}", path.display());
    eprintln!(
        "Change what it looks for, what it says and its tests. Then:\n\
        \x20 weir check --rules {folder}    finds the mistakes\n\
        \x20 weir test {folder}             runs the tests",
    );
    Ok(ExitCode::SUCCESS)
}

/// The folder as a shell takes it.
fn shown(folder: &Path) -> String {
    let text = folder.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+@%:,".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Writes the file; where it lies.
fn write(name: &str, form: Form, folder: &Path) -> anyhow::Result<PathBuf> {
    well_named(name)?;
    if folder.exists() && !folder.is_dir() {
        bail!("{} is not a folder: give the one of your rules with --rules", folder.display());
    }
    let text = form.text(name);
    let path = folder.join(format!("{name}.weir"));
    clashes(&text, folder)?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut file = std::fs::File::create_new(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{} is there already: choose another name, or remove it", path.display())
        }
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Whether the language takes the name for a rule's. No other than such a name becomes part of a path.
fn well_named(name: &str) -> anyhow::Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || !name.chars().all(good) {
        bail!(
            "`{name}` cannot name a rule: use letters, digits, `_` and `-`, beginning with a letter, as in ssh_guessing"
        );
    }
    if rule::compile_alone("new", &format!("rule {name} {{ when process where process.name == \"x\" }}")).has_errors() {
        bail!("`{name}` is a word of the rule language: choose another name, such as {name}_seen");
    }
    Ok(())
}

/// Fails when the folder has a rule or a list of a name that the text declares too.
fn clashes(text: &str, folder: &Path) -> anyhow::Result<()> {
    let there = match rule::load(folder) {
        Ok(there) => there,
        Err(LoadError::Missing(_) | LoadError::Empty(_)) => return Ok(()),
        Err(other @ LoadError::Unreadable { .. }) => return Err(other.into()),
    };
    let new = rule::compile_alone("new", text);
    for (kind, name) in new.trees.iter().flat_map(|tree| &tree.items).map(declared) {
        for tree in &there.trees {
            if tree.items.iter().map(declared).any(|other| other == (kind, name)) {
                bail!("there already is a {kind} `{name}`, in {}: choose another name", tree.name);
            }
        }
    }
    Ok(())
}

/// What an item declares: kind and name.
fn declared(item: &Item) -> (&'static str, &str) {
    match item {
        Item::Rule(rule) => ("rule", rule.name.text.as_str()),
        Item::Let(define) => ("let", define.name.text.as_str()),
        Item::List(list) => ("list", list.name.text.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::trial;

    #[test]
    fn every_form_compiles_without_a_word() {
        for form in Form::value_variants() {
            let text = form.text("my-rule_1");
            let compiled = rule::compile_alone("new", &text);
            let found = rule::render(&compiled.diagnostics, &compiled.sources, false);
            assert!(found.is_empty(), "{form:?}:\n{found}");
            assert!(compiled.program.position("my-rule_1").is_some(), "{form:?}");
            assert_eq!(
                rule::format::format(form.template()).unwrap(),
                form.template(),
                "{form:?}: weir fmt src/cli/new"
            );
            let [.., Item::Rule(rule)] = &compiled.trees[0].items[..] else { panic!("{form:?}") };
            let has = |word: &str| rule.clauses.iter().filter(|c| c.kind.keyword() == word).count();
            for word in ["title", "description", "severity", "attack", "tags", "runbook", "falsepositives", "when"] {
                assert_eq!(has(word), 1, "{form:?} {word}");
            }
            assert_eq!(has("test"), 2, "{form:?}");
        }
    }

    #[test]
    fn the_tests_of_every_form_pass() {
        for form in Form::value_variants() {
            let compiled = rule::compile_alone("new", &form.text("mine"));
            let trials: Vec<_> = compiled.trials.iter().collect();
            assert_eq!(trials.len(), 2, "{form:?}");
            for ran in trial::run(&compiled.program, &trials, &|_| {}).unwrap() {
                assert!(ran.failure.is_none(), "{form:?}: {:?}", ran.failure);
            }
        }
    }

    #[test]
    fn all_forms_live_in_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not/yet/there");
        for form in Form::value_variants() {
            let name = format!("my_{form:?}").to_lowercase();
            let path = write(&name, *form, &folder).unwrap();
            assert_eq!(path, folder.join(format!("{name}.weir")));
        }
        let all = rule::load(&folder).unwrap();
        assert!(all.diagnostics.is_empty(), "{}", rule::render(&all.diagnostics, &all.sources, false));
        assert_eq!(all.program.rules.len(), Form::value_variants().len() + 1);
    }

    #[test]
    fn nothing_is_overwritten_and_no_name_taken_twice() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let fails = |name: &str, form: Form| write(name, form, dir.path()).unwrap_err().to_string();
        put("a.weir", "rule taken { when process }\nrule broken { when nothing }\nlist bad_values = (\"x\")");
        put("file.weir", "# empty");
        assert!(fails("taken", Form::Single).contains("there already is a rule `taken`, in "));
        assert!(fails("broken", Form::Single).contains("there already is a rule `broken`"));
        assert!(fails("bad", Form::List).contains("there already is a list `bad_values`"));
        assert!(fails("file", Form::Single).contains("is there already"));
        assert_eq!(std::fs::read_to_string(dir.path().join("file.weir")).unwrap(), "# empty");
        write("bad", Form::New, dir.path()).unwrap();
        for wrong in ["", "../x", "a b", "1st", "naïve", "-x", "a.b"] {
            assert!(fails(wrong, Form::Single).contains("cannot name a rule"), "{wrong}");
        }
        for word in ["all", "when", "list", "true"] {
            assert!(fails(word, Form::Single).contains("a word of the rule language"), "{word}");
        }
        let file = dir.path().join("a.weir");
        assert!(write("x", Form::Single, &file).unwrap_err().to_string().contains("is not a folder"));
    }
}
