//! What an edit of rules touches: which rules came, went, changed or got another name, and which must run to compare.
//!
//! In: the rules before and after. Out: of both those whose alerts may differ, and what these see of other rules' alerts.
//! Whatever is the same in both and sees no alert of another that differs raises the same alerts, and need not run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rules::Rules;
use crate::rule::plan::{Program, Rule};
use crate::rule::sees;

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It, or a list that it reads, is another.
    Edited,
    /// It is the same and had this name.
    Renamed(String),
    /// It is the same, and is over alerts that may differ.
    Reached,
}

/// Two states of the same rules.
#[derive(Debug)]
pub struct Edit {
    /// Of the rules before those that must run.
    pub old: Rules,
    /// Of the rules after.
    pub new: Rules,
    /// The rules whose alerts may differ, by their names after (of those that are gone: before).
    pub fates: BTreeMap<String, Fate>,
    /// How many rules of both raise the same alerts for sure.
    pub untouched: usize,
}

impl Edit {
    /// What lies between these.
    pub fn between(old: Rules, new: Rules) -> Edit {
        let (before, after) = (&old.program, &new.program);
        let mut fates = BTreeMap::new();
        let gone: BTreeSet<u32> = numbers(before).filter(|r| after.position(name(before, *r)).is_none()).collect();
        let mut went = gone.clone();
        for rule in numbers(after) {
            let fate = match before.position(name(after, rule)) {
                Some(was) if same(after, rule, before, was) => continue,
                Some(_) => Fate::Edited,
                None => match went.iter().copied().find(|was| same(after, rule, before, *was)) {
                    Some(was) => {
                        went.remove(&was);
                        Fate::Renamed(name(before, was).to_owned())
                    }
                    None => Fate::Added,
                },
            };
            fates.insert(name(after, rule).to_owned(), fate);
        }
        fates.extend(went.iter().map(|rule| (name(before, *rule).to_owned(), Fate::Removed)));
        let mut touched: BTreeSet<String> = fates.keys().cloned().collect();
        touched.extend(gone.iter().map(|rule| name(before, *rule).to_owned()));
        let edges = [(&**before, sees(&before.rules)), (&**after, sees(&after.rules))];
        while let Some(reached) = reached(&edges, &touched) {
            fates.insert(reached.clone(), Fate::Reached);
            touched.insert(reached);
        }
        let untouched = numbers(after).filter(|rule| !touched.contains(name(after, *rule))).count();
        let [before, after] = edges.map(|(program, sees)| Arc::new(needed(program, &sees, &touched)));
        let (old, new) = (Rules { program: before, ..old }, Rules { program: after, ..new });
        Edit { old, new, fates, untouched }
    }
}

/// A rule over alerts that can see one of a touched rule and is not touched itself.
fn reached(edges: &[(&Program, Vec<Vec<usize>>)], touched: &BTreeSet<String>) -> Option<String> {
    edges.iter().find_map(|(program, sees)| {
        let is_touched = |rule: usize| touched.contains(&program.rules[rule].name);
        let found = (0..sees.len()).find(|rule| !is_touched(*rule) && sees[*rule].iter().any(|seen| is_touched(*seen)));
        found.map(|rule| program.rules[rule].name.clone())
    })
}

/// The touched rules of a program, with all whose alerts they see.
fn needed(program: &Program, sees: &[Vec<usize>], touched: &BTreeSet<String>) -> Program {
    let mut wanted: Vec<bool> = program.rules.iter().map(|rule| touched.contains(&rule.name)).collect();
    let mut open: Vec<usize> = (0..wanted.len()).filter(|rule| wanted[*rule]).collect();
    while let Some(rule) = open.pop() {
        for seen in &sees[rule] {
            if !std::mem::replace(&mut wanted[*seen], true) {
                open.push(*seen);
            }
        }
    }
    let rules: Vec<Rule> = program.rules.iter().zip(wanted).filter(|(_, w)| *w).map(|(rule, _)| rule.clone()).collect();
    Program::new(rules, program.lists.clone())
}

fn numbers(program: &Program) -> impl Iterator<Item = u32> + use<> {
    0..program.rules.len() as u32
}

fn name(program: &Program, rule: u32) -> &str {
    &program.rules[rule as usize].name
}

/// Whether two rules raise the same but for their name: their texts and what the lists hold that they meet while running.
fn same(program: &Program, rule: u32, other: &Program, that: u32) -> bool {
    let held = |program: &Program, rule: u32| {
        let mut held = BTreeMap::new();
        for step in program.rules[rule as usize].retroactive().map(|retro| retro.steps).unwrap_or_default() {
            step.lists(&mut |_, list| {
                if let Some(list) = program.lists.get(list as usize) {
                    held.insert(list.name.clone(), (list.values.clone(), list.networks.clone()));
                }
            });
        }
        held
    };
    program.alike(rule, other, that) && held(program, rule) == held(other, that)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Origin;

    const RULES: &str =
        "rule a { when authentication where event.outcome == \"failure\" by source.ip within 5m having count() >= 10 }
rule b { title \"one\" when any where event.code == \"1\" }
rule c { title \"c\" when any where event.code == \"2\" by host.name }
rule over_a { title \"o\" when alert where rule.name == \"a\" by source.ip }
rule over_over { title \"o\" when alert where rule.name in (\"over_a\", \"c\") }
list bad from \"bad.txt\"
rule listed { title \"l\" when any where source.ip in bad retro 1h }
";

    fn rules(text: &str, list: &str) -> Rules {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.weir"), text).unwrap();
        std::fs::write(folder.path().join("bad.txt"), list).unwrap();
        let rules = Origin::Folder(folder.path().to_owned()).load().unwrap();
        assert!(!rules.has_errors(), "{:?}", rules.diagnostics);
        rules
    }

    fn edit(text: &str, list: &str) -> (String, String, String, usize) {
        let edit = Edit::between(rules(RULES, "192.0.2.1"), rules(text, list));
        let names = |rules: &Rules| rules.program.rules.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(" ");
        (format!("{:?}", edit.fates), names(&edit.old), names(&edit.new), edit.untouched)
    }

    #[test]
    fn what_is_the_same_does_not_run() {
        let moved = format!("# moved\n{}", RULES.replace("rule b {", "rule b { description \"d\""));
        assert_eq!(edit(&moved, "192.0.2.1"), ("{}".into(), String::new(), String::new(), 6));
    }

    #[test]
    fn who_sees_an_edited_rule_runs_with_all_that_it_sees() {
        let (fates, old, new, untouched) = edit(&RULES.replace(">= 10", ">= 5"), "192.0.2.1");
        assert_eq!(fates, r#"{"a": Edited, "over_a": Reached, "over_over": Reached}"#);
        assert_eq!((old.as_str(), new.as_str(), untouched), ("a c over_a over_over", "a c over_a over_over", 3));
    }

    #[test]
    fn a_list_that_rules_meet_while_running_is_part_of_them() {
        let (fates, old, _, _) = edit(RULES, "192.0.2.2");
        assert_eq!((fates.as_str(), old.as_str()), (r#"{"listed": Edited}"#, "listed"));
    }

    #[test]
    fn another_name_is_told_from_another_rule() {
        let (fates, old, new, _) = edit(&RULES.replace("rule b", "rule z"), "192.0.2.1");
        assert_eq!((fates.as_str(), old.as_str(), new.as_str()), (r#"{"z": Renamed("b")}"#, "b", "z"));
        let (fates, ..) = edit(&RULES.replace("rule b", "rule z").replace("\"1\"", "\"3\""), "192.0.2.1");
        assert_eq!(fates, r#"{"b": Removed, "z": Added}"#);
    }
}
