//! Agreement with the engine, bounds on cost, changes of alerts and rules.

use proptest::prelude::*;

use super::forms;
use super::stage::{Stage, events, program, why, why_not, zero};
use crate::alert::Change;
use crate::event::EventId;
use crate::event::time::SECOND;
use crate::rule::plan::{Aggregate, Compare, Deviation, Form, Having, Residual, Rule, Stage as Step, Tuple, Window};
use crate::why::near::{Row, matches, misses};
use crate::why::{Asked, RuleState, WhyError};

const RULES: &str = r#"
let fail = authentication where event.outcome == "failure"
rule t { when fail by source.ip within 5s having count() >= 3 cooldown 4s }
rule d { when fail by source.ip within 6s having distinct(user.name) >= 2 }
rule s { when sequence by source.ip within 9s { f: fail having count() >= 2  ok: authentication where event.outcome == "success"
  until authentication where event.outcome == "unknown" } }
rule o { when fail where user.name == "a" }
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What the engine raises is what is found here, and nothing else; every alert is explained by its rule.
    #[test]
    fn the_engine_and_the_explanation_agree(seed in prop::collection::vec((0i64..40, 0usize..4, 0usize..3), 1..60)) {
        let line = |(time, outcome, user): &(i64, usize, usize)| {
            let outcome = ["failure", "failure", "success", "unknown"][*outcome];
            format!("{time}s authentication source.ip=1.1.1.1 event.outcome={outcome} user.name={}", ["a", "b", "c"][*user])
        };
        let mut lines: Vec<String> = seed.iter().map(line).collect();
        lines.sort();
        lines.dedup();
        let batch = events(&lines.join("\n"));
        let stage = Stage::new(program(RULES), &batch, false).run(&batch);
        for rule in ["t", "d", "s", "o"] {
            let mut asked = Asked { rule: rule.into(), ..Asked::default() };
            match rule {
                "o" => asked.from = Some(0),
                _ => asked.key.push("source.ip=1.1.1.1".into()),
            }
            let verdict = why_not(stage.folder.path(), &stage.program, &asked).unwrap();
            let mut raised: Vec<_> = stage.alerts.iter().filter(|a| a.rule == rule).map(|a| a.id).collect();
            let mut found: Vec<_> = verdict.fired.iter().map(|f| f.alert.as_ref().map(|a| a.id).unwrap_or(crate::alert::AlertId(0))).collect();
            raised.sort();
            found.sort();
            prop_assert_eq!(&raised, &found, "{} over\n{}", rule, lines.join("\n"));
            prop_assert!(!verdict.fired.is_empty() || !verdict.findings.is_empty());
        }
        for alert in stage.alerts.iter().take(5) {
            let explained = why(stage.folder.path(), &stage.program, &alert.id.to_string()).unwrap();
            prop_assert_eq!(&explained.rule.state, &RuleState::Same, "{}", explained.text());
        }
    }
}

fn rule(form: Form, steps: usize) -> Rule {
    let mut program = program("rule r { when sequence by host.name within 1h { a: host  b: host  c: host  d: host } }");
    let mut rule = program.rules.remove(0);
    rule.payload = vec![crate::rule::plan::FieldRef::Column(crate::event::field::SOURCE_BYTES)];
    rule.steps.truncate(steps);
    rule.form = form;
    rule
}

/// A hundred thousand events of a key, none of which makes a match: as large as it gets.
#[test]
fn a_large_key_is_answered() {
    let row = |n: i64, steps: u32| Row {
        time: zero() + n * SECOND,
        id: EventId::new(n, b"x", n as u64),
        steps,
        excepted: 0,
        exception: None,
        values: Tuple::new([Some((n % 1_000).to_string().as_str())]),
    };
    let all = |steps: &dyn Fn(i64) -> u32| (0..100_000).map(|n| row(n, steps(n))).collect::<Vec<Row>>();
    let same = all(&|_| 1);
    let day = 86_400 * SECOND;
    let sum = Aggregate::Sum { slot: 0, unsigned: true };
    let middle = Aggregate::Percentile { slot: 0, thousandths: 50_000 };
    let present = |n| Step::Present(Having::count(n));
    let residual =
        Residual { step: 1, slot: 0, compare: Compare::Less, negated: false, other: 0, other_slot: 0, numbers: true };
    let never = Residual { compare: Compare::Greater, ..residual.clone() };
    let steps: &dyn Fn(i64) -> u32 = &|n| 1 << (n % 3).min(2);
    let sequence = |stages: Vec<Step>, until, residuals| Form::Sequence { within: day, stages, until, residuals };
    let every =
        |above| Form::Baseline { every: SECOND, over: day, learn: 0, aggregate: sum, above, least: Some(1 << 40) };
    let cases: Vec<(&str, Rule, Vec<Row>)> = vec![
        ("threshold", rule(Form::Threshold { within: day, count: 90_000 }, 1), same.clone()),
        ("distinct", rule(Form::Distinct { within: day, count: 2_000, slot: 0 }, 1), same.clone()),
        (
            "sum",
            rule(
                Form::Aggregate { window: Window::Sliding(day), having: forms::bound(sum, Compare::AtLeast, 1 << 60) },
                1,
            ),
            same.clone(),
        ),
        (
            "median",
            rule(Form::Aggregate { window: Window::Sliding(day), having: forms::bound(middle, Compare::Less, -1) }, 1),
            same.clone(),
        ),
        (
            "order",
            rule(sequence(vec![present(1), present(50_000)], None, vec![]), 2),
            all(&|n| if n < 50_000 { 2 } else { 1 }),
        ),
        ("until", rule(sequence(vec![present(2), present(3)], Some(2), vec![]), 3), all(steps)),
        ("silence", rule(sequence(vec![present(1), Step::Absent], None, vec![]), 2), all(&|_| 3)),
        (
            "condition",
            rule(sequence(vec![present(1), present(1)], None, vec![residual, never]), 2),
            all(&|n| 1 << (n % 2)),
        ),
        (
            "all",
            rule(Form::All { within: day, stages: vec![present_having(1), present_having(60_000)] }, 2),
            all(&|n| 1 << (n % 2)),
        ),
        ("novel", rule(Form::Novel { over: day, learn: 0, fewer_than: 1, slot: 0 }, 1), all(&|n| u32::from(n > 3))),
        ("mad", rule(every(Deviation::Mad(4_000)), 1), same.clone()),
        ("times", rule(every(Deviation::Times(4_000)), 1), same),
    ];
    for (name, rule, rows) in cases {
        let found = matches(&rule, &rows, i64::MAX);
        let missed = misses(&rule, &rows, i64::MAX);
        assert!(!found.is_empty() || !missed.is_empty(), "{name}");
        assert!(missed.iter().all(|m| m.events.len() <= 100_000), "{name}");
    }
}

fn present_having(count: usize) -> Having {
    Having::count(count)
}

const LOG: &str = "\
0s x4 every 1s authentication source.ip=203.0.113.7 event.outcome=failure
9s x4 every 1s authentication source.ip=203.0.113.8 event.outcome=failure";

fn stage() -> Stage {
    let batch = events(LOG);
    let rules = "rule fails { when authentication where event.outcome == \"failure\" by source.ip within 1m having count() >= 3 }";
    Stage::new(program(rules), &batch, false).run(&batch)
}

#[test]
fn what_was_said_of_an_alert_is_told() {
    let stage = stage();
    let (first, other) = (&stage.alerts[0], &stage.alerts[1]);
    stage.say(&[(Change::Changed, first), (Change::Superseded { by: first.id }, other), (Change::Withdrawn, first)]);
    let told = why(stage.folder.path(), &stage.program, &first.id.to_string()).unwrap();
    let history: Vec<String> =
        told.history.iter().map(|s| s.text.split([':', ' ']).next().unwrap().to_owned()).collect();
    assert_eq!(history, ["added", "changed", "took", "withdrawn"]);
    assert_eq!(told.standing, "withdrawn");
    let told = why(stage.folder.path(), &stage.program, &other.id.to_string()).unwrap();
    assert_eq!(told.standing, format!("superseded by {}", first.id));
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["first_match"].as_array().unwrap().len(), 3, "{json}");
    assert_eq!(json["first_match"][0]["because"]["parts"][1]["value"], "failure");
    assert_eq!(json["history"][0]["at"], "2026-01-15T20:01:00.000000Z");
}

#[test]
fn rules_that_changed_or_went_are_named() {
    let stage = stage();
    let id = stage.alerts[0].id.to_string();
    let told = |rules: &str| why(stage.folder.path(), &program(rules), &id).unwrap();
    let gone = told("rule other { when file }");
    assert_eq!((gone.rule.state, gone.first_match.len()), (RuleState::Removed, 4));
    let stricter = told(
        "rule fails { when authentication where event.outcome == \"failure\" by source.ip within 1m having count() >= 9 }",
    );
    assert!(matches!(&stricter.rule.state, RuleState::Changed { .. }), "{}", stricter.text());
    assert!(stricter.first_match[0].because.as_ref().is_some_and(|b| b.holds));
    let other_key = told("rule fails { when authentication by host.name within 1m having count() >= 3 }");
    assert!(
        matches!(&other_key.rule.state, RuleState::Changed { how } if how.contains("host.name")),
        "{}",
        other_key.text()
    );
}

#[test]
fn ids_may_be_short_but_must_be_one() {
    let stage = stage();
    let ask = |id: &str| why(stage.folder.path(), &stage.program, id).map(|e| e.alert.id);
    let id = stage.alerts[0].id;
    assert_eq!(ask(&id.to_string()[..10]).unwrap(), id);
    assert!(matches!(ask("no"), Err(WhyError::NotAnId(_))));
    assert!(matches!(ask(&"0".repeat(32)), Err(WhyError::NoAlert { .. })));
    let many: String =
        (0..40).map(|n| format!("{n}s authentication source.ip=10.0.0.{n} event.outcome=failure\n")).collect();
    let batch = events(&many);
    let many = Stage::new(program("rule each { when authentication }"), &batch, false).run(&batch);
    let shared = (0..16)
        .map(|d| format!("{d:x}"))
        .find(|d| many.alerts.iter().filter(|a| a.id.to_string().starts_with(d.as_str())).count() > 1);
    let error = why(many.folder.path(), &many.program, &shared.unwrap()).unwrap_err();
    assert!(
        matches!(&error, WhyError::Ambiguous { count, .. } if *count > 1) && error.to_string().contains("each"),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(why(empty.path(), &many.program, "abc"), Err(WhyError::Archive(_))));
}
