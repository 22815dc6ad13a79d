//! Lists that changed since events came, and what a key may be.

use std::sync::Arc;

use super::stage::{Stage, events, program, why, why_not};
use crate::alert::{AlertChange, Cause, Change};
use crate::archive::AlertLog;
use crate::why::{Asked, RuleState, Rules, WhyError};

const LOG: &str = "\
0s x2 every 1s authentication source.ip=192.0.2.1
600s x2 every 1s authentication source.ip=192.0.2.1";

fn listing(address: &str) -> String {
    format!(
        "list bad = ({address})\nrule known_bad {{ when authentication where source.ip in bad by source.ip within 1m having count() >= 2 }}"
    )
}

#[test]
fn events_are_judged_by_the_lists_of_their_time() {
    let batch = events(LOG);
    // The first half of the events is in Parquet, the other in the log.
    let stage = Stage::new(program(&listing("\"192.0.2.1\"")), &batch, true).run(&batch);
    let now = program(&listing("\"192.0.2.9\""));
    let then = [(0..2, Arc::clone(&stage.program)), (2..u64::MAX, Arc::new(program(&listing("\"192.0.2.9\""))))];
    let rules = Rules { now: &now, then: &then };
    let told = |alert: usize, rules: Rules<'_>| {
        crate::why::why(stage.folder.path(), rules, &stage.alerts[alert].id.to_string()).unwrap()
    };
    let first = told(0, rules);
    assert_eq!(first.rule.state, RuleState::Same, "{}", first.text());
    assert!(first.first_match.iter().all(|e| e.because.as_ref().is_some_and(|b| b.holds)), "{}", first.text());
    assert!(matches!(told(1, rules).rule.state, RuleState::Changed { .. }));
    assert!(matches!(told(0, (&now).into()).rule.state, RuleState::Changed { .. }));
    let asked = |from: Option<i64>| Asked {
        rule: "known_bad".into(),
        key: vec!["source.ip=192.0.2.1".into()],
        from,
        ..Asked::default()
    };
    let fired = crate::why::why_not(stage.folder.path(), rules, &asked(None)).unwrap();
    assert_eq!(fired.fired.len(), 1, "{}", fired.text());
    let later = crate::why::why_not(stage.folder.path(), rules, &asked(Some(stage.alerts[1].first))).unwrap();
    assert!(later.fired.is_empty() && later.text().contains("192.0.2.9"), "{}", later.text());
}

#[test]
fn keys_are_values_and_given_once() {
    let batch = events(LOG);
    let stage = Stage::new(program(&listing("\"192.0.2.1\"")), &batch, false);
    let refused = |key: &[&str]| {
        let key = key.iter().map(|k| (*k).to_owned()).collect();
        let asked = Asked { rule: "known_bad".into(), key, ..Asked::default() };
        why_not(stage.folder.path(), &stage.program, &asked).unwrap_err().to_string()
    };
    assert!(refused(&["source.ip=abc"]).starts_with("`abc` is not an address"));
    assert!(refused(&["source.ip=1.1.1.1", "source.ip=1.1.1.2"]).starts_with("`source.ip` is given twice"));
    let asked = Asked { rule: "known_bad".into(), key: vec!["source.ip=1.1.1.1".into()], ..Asked::default() };
    let nowhere = why_not(&stage.folder.path().join("nowhere"), &stage.program, &asked).unwrap_err();
    assert!(matches!(&nowhere, WhyError::Archive(crate::archive::ArchiveError::Missing(_))), "{nowhere}");
}

#[test]
fn a_withdrawn_alert_says_why() {
    let batch = events(LOG);
    let stage = Stage::new(program(&listing("\"192.0.2.1\"")), &batch, false).run(&batch);
    let alert = stage.alerts[0].clone();
    for (cause, words) in [
        (Cause::LateEvent, "an event came after later ones"),
        (Cause::RuleChanged, "the rule, or one whose alerts it looks at, was changed"),
        (Cause::ListChanged, "a list that the rule follows"),
    ] {
        let change = AlertChange { change: Change::Withdrawn, at: 0, cause: Some(cause), alert: alert.clone() };
        AlertLog::open(stage.folder.path()).unwrap().append(&[change]).unwrap();
        let told = why(stage.folder.path(), &stage.program, &alert.id.to_string()).unwrap();
        assert_eq!(told.standing, "withdrawn");
        let last = &told.history.last().unwrap().text;
        assert!(last.starts_with("withdrawn") && last.contains(words), "{last}");
    }
}
