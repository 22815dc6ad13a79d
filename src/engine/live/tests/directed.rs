//! Cases that were thought of.

use super::*;
use crate::alert::{Cause, Change as AlertsChange};

fn event(code: u8, ip: u8) -> Event {
    Event { at: 1, delay: 0, code, ip, user: 1 }
}

fn of_rule(dir: &Path, rule: &str) -> Vec<(String, Option<Cause>)> {
    let word = |change: &AlertsChange| match change {
        AlertsChange::Added => "added",
        AlertsChange::Changed => "changed",
        AlertsChange::Superseded { .. } => "superseded",
        AlertsChange::Withdrawn => "withdrawn",
    };
    let all = said(dir).into_iter().filter(|c| c.alert.rule == rule);
    all.map(|c| (word(&c.change).to_owned(), c.cause)).collect()
}

#[test]
fn a_list_reaches_back_and_rules_over_alerts_follow() {
    let dir = tempfile::tempdir().unwrap();
    let shape: Shape = [1, 0, 1, 1, 0, 1, 0, 0];
    write(dir.path(), &shape, [0, 0]);
    let mut run = Run::open(dir.path());
    run.epoch(&lines(0, &[event(3, 1)]));
    write(dir.path(), &shape, [0b10, 0]);
    run.reload();
    run.epoch(&lines(1, &[event(3, 1)]));
    write(dir.path(), &shape, [0, 0]);
    run.reload();
    assert!(run.pipeline.pending.is_none(), "the dataflow goes on");
    run.end();
    let listed = |word: &str| (word.to_owned(), Some(Cause::ListChanged));
    let came = ("added".to_owned(), None);
    assert_eq!(of_rule(dir.path(), "c"), [listed("added"), came, listed("withdrawn"), listed("withdrawn")]);
    let above = of_rule(dir.path(), "f");
    assert_eq!((above.first(), above.last()), (Some(&listed("added")), Some(&listed("withdrawn"))));
    assert!(current(dir.path()).is_empty());
    assert!(replayed::replay(dir.path(), 1, None).is_empty());
}

#[test]
fn a_rule_that_cannot_be_filled_leaves_the_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[1, 0, 1, 1, 0, 1, 0, 0], [0, 0]);
    let mut run = Run::open(dir.path());
    run.epoch(&lines(0, &[event(1, 1)]));
    write(dir.path(), &[1, 0, 2, 1, 0, 1, 0, 0], [0, 0]);
    let old = run.reloader.rules();
    // What is archived is somewhere else, all of a sudden.
    let data = std::mem::replace(&mut run.pipeline.data, dir.path().join("nowhere"));
    run.reload();
    run.settle(true);
    run.pipeline.data = data;
    assert!(run.hub.rules().trouble.is_some_and(|t| t.contains("nowhere") && t.contains("go on")));
    assert!(Arc::ptr_eq(&run.pipeline.rules, &run.reloader.rules()));
    run.epoch(&lines(1, &[event(1, 2), event(1, 2)]));
    run.reload();
    run.settle(true);
    assert_eq!(run.hub.rules().trouble, None);
    assert_eq!(run.pipeline.rules.program.rules.len(), old.program.rules.len());
    let hub = run.hub.clone();
    run.end();
    assert!(hub.rules().filling.is_empty());
    assert_eq!(current(dir.path()).values().map(|a| a.rule.as_str()).collect::<Vec<_>>(), ["a", "f"]);
}

#[test]
fn what_came_too_late_for_windows_stays_judged_by_the_lists_of_then() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[0; 8], [0, 0]);
    let single = "list bad from \"bad.txt\"
        rule s { when any where event.code == \"3\" and source.ip in bad retro 5s }
        rule w { when any where event.code == \"4\" by user.name within 1m having count() >= 2 }";
    let rules = |bits: u8| {
        write(dir.path(), &[0; 8], [bits, 0]);
        std::fs::write(dir.path().join("rules/a.weir"), single).unwrap();
    };
    rules(0b10);
    let mut run = Run::open(dir.path());
    let late = |ip: u8| Event { at: 1, delay: 15, code: 3, ip, user: 1 };
    run.epoch(&lines(1, &[event(3, 1)]));
    run.epoch(&lines(2, &[late(2)]));
    rules(0b100);
    run.reload();
    // By the new list, though before what its change reaches; so was the one that is no longer in it.
    run.epoch(&lines(3, &[late(2), late(1)]));
    let known = current(&run.end());
    assert_eq!(known.values().map(|a| a.rule.as_str()).collect::<Vec<_>>(), ["s"; 2], "{known:?}");
    for _ in 0..2 {
        assert_eq!(current(&Run::open(dir.path()).end()), known);
        assert_eq!(replayed::replay(dir.path(), 1, None), replayed::log(dir.path()));
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_looked_at_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[1, 0, 0, 0, 0, 0, 0, 0], [0, 0]);
    let mut run = Run::open(dir.path());
    let (rules, names) = (dir.path().join("rules"), |run: &Run| run.reloader.rules().program.rules.len());
    std::fs::write(rules.join("b.weir"), "list z from \"z.txt\"\nrule z { when any where source.ip in z }").unwrap();
    assert!(run.reloader.reload().is_err());
    assert!(!run.reloader.is_stale() && !run.reloader.is_stale());
    // It was missing, and is there.
    std::fs::write(rules.join("z.txt"), "192.0.2.1,bad\n192.0.2.2\n").unwrap();
    assert!(!run.reloader.is_stale() && run.reloader.is_stale());
    run.reload();
    assert_eq!(names(&run), 3);
    let warned = run.hub.rules().diagnostics;
    assert!(warned.iter().any(|d| d.message.contains("192.0.2.1,bad")), "{warned:?}");
    run.settle(true);
    std::fs::remove_file(rules.join("a.weir")).unwrap();
    std::fs::remove_file(rules.join("b.weir")).unwrap();
    let refused = run.reloader.reload().unwrap_err().message;
    assert!(refused.contains("no *.weir file"), "{refused}");
    assert!(names(&run) == 3 && run.hub.rules().trouble.is_some_and(|t| t.contains("go on")));
    run.end();
}
