//! Rules with tests in, what is said of them out.

use expect_test::{Expect, expect};

use super::{coverage, report, run};
use crate::rule::{compile_alone, render};

/// What is said of the tests of these rules, and what they miss.
fn said(text: &str) -> (String, String) {
    let compiled = compile_alone("r.weir", text);
    assert!(!compiled.has_errors(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
    let trials: Vec<_> = compiled.trials.iter().collect();
    let ran = run(&compiled.program, &trials, &|_| {}).unwrap();
    let mut out = String::new();
    for ran in &ran {
        match report::failure(ran) {
            None => out += &format!("ok {}\n", report::title(ran)),
            Some(text) => out += &format!("FAILED {}\n{text}", report::title(ran)),
        }
    }
    assert_eq!(report::junit(&ran).unwrap().matches("<testcase ").count(), ran.len());
    (out, report::coverage(&coverage::of(&compiled.program, &ran)))
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&said(text).0);
}

const GUESSED: &str = r#"
rule guessed {
  title "{source.ip} guessed the password of {ok.user.name}"
  when sequence by source.ip within 5m {
    fail: authentication where event.outcome == "failure" having count() >= 3
    ok:   authentication where event.outcome == "success"
    until network where event.action == "blocked"
  }
  except "scanner" where source.ip in 10.0.0.0/8
"#;

#[test]
fn sequences_late_events_and_the_windows_edge() {
    let tests = r#"
  test "the window's end is included" {
    @0s x3 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @5m authentication { source.ip: 198.51.100.7, event.outcome: "success", user.name: "root" }
    expect 1 { source.ip: 198.51.100.7 }
  }
  test "but not a moment more" {
    @0s x3 authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @5m1s authentication { source.ip: 198.51.100.7, event.outcome: "success" }
    expect 0
  }
  test "a late block withdraws it" {
    @0s x3 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @60s authentication { source.ip: 198.51.100.7, event.outcome: "success" }
    @30s late network { source.ip: 198.51.100.7, event.action: "blocked" }
    expect 1 then 0
  }
  test "late failures raise it, and at the end that counts" {
    @60s authentication { source.ip: 198.51.100.7, event.outcome: "success" }
    @0s late x2 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @9s late authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    expect 0 then 0 then 1
  }
}"#
    .replace("late x2 every 1s", "x2 every 1s late");
    check(
        &format!("{GUESSED}{tests}"),
        expect![[r#"
        ok r.weir:11: guessed: "the window's end is included"
        ok r.weir:16: guessed: "but not a moment more"
        ok r.weir:21: guessed: "a late block withdraws it"
        ok r.weir:27: guessed: "late failures raise it, and at the end that counts"
    "#]],
    );
}

#[test]
fn a_failure_says_what_there_was_instead() {
    let tests = r#"
  test "one too few" {
    @0s x2 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @60s authentication { source.ip: 198.51.100.7, event.outcome: "success" }
    expect 1 { source.ip: 198.51.100.7 }
  }
  test "fires" {
    @0s x3 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @60s authentication { source.ip: 198.51.100.7, event.outcome: "success", user.name: "root" }
    expect 0
  }
  test "another key" {
    @0s x3 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @60s authentication { source.ip: 198.51.100.7, event.outcome: "success", user.name: "root" }
    expect 1 { source.ip: 198.51.100.8 }
  }
}"#;
    check(
        &format!("{GUESSED}{tests}"),
        expect![[r#"
        FAILED r.weir:11: guessed: "one too few"
        expected 1 alert with source.ip = 198.51.100.7, there is none
          | guessed did not fire for source.ip = 198.51.100.7
          |   step `fail` 3 times, then step `ok` by source.ip within 5m, unless the `until` event comes between
          | 
          | nearest miss: step `fail`: 2 of 3 events within 5m at most, 2026-01-01 00:00:00 to 00:00:01
          |   2026-01-01 00:00:00      +0 s  fail 1 of 2  @0s x2 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
          |       event.category = authentication → == "authentication" ✓
          |       event.outcome = failure → == "failure" ✓
          |       source.ip = 198.51.100.7 → not in 10.0.0.0/8 ✓
          |              00:00:01      +1 s  fail 2 of 2  @0s x2 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
          | 
          | the events, by step
          |   step `fail`: 2 of 3 satisfy it
          |     1 does not:
          |       event.outcome = success → == "failure" ✗
          |   step `ok`: 1 of 3 satisfy it
          |     2 do not:
          |       event.outcome = failure → == "success" ✗
          |   the `until` event: 0 of 3 satisfy it
          | 
          | looked at 3 events, 3 of this key
          | the archive covers 2026-01-01 00:00:00 to 2026-01-01 00:01:00
        FAILED r.weir:16: guessed: "fires"
        expected no alert, there is 1
          fired: 198.51.100.7 guessed the password of root [source.ip = 198.51.100.7], @0s to @1m, 4 events
        FAILED r.weir:21: guessed: "another key"
        expected 1 alert with source.ip = 198.51.100.8, its key is another one
          fired: 198.51.100.7 guessed the password of root [source.ip = 198.51.100.7], @0s to @1m, 4 events
    "#]],
    );
}

#[test]
fn every_form_can_be_tested() {
    check(
        r#"
rule silent {
  when sequence by host.name within 5m { host where event.action == "heartbeat" not host where event.action == "heartbeat" }
  test "nothing more comes" { @0s host { host.name: "a", event.action: "heartbeat" } expect 1 { host.name: "a" } }
}
rule new_source {
  when authentication where event.outcome == "success" new (user.name, source.ip) over 30d learn 1d
  test "learnt on the first day" {
    @0s authentication { event.outcome: "success", user.name: "eve", source.ip: 192.0.2.1 }
    @1h authentication { event.outcome: "success", user.name: "eve", source.ip: 192.0.2.2 }
    @2d authentication { event.outcome: "success", user.name: "eve", source.ip: 192.0.2.1 }
    @3d authentication { event.outcome: "success", user.name: "eve", source.ip: 192.0.2.3 }
    expect 1
  }
}
rule spike {
  when network by user.name every 1h baseline sum(source.bytes) over 14d above 4 mad min 1MB
  test "an hour that stands out" {
    @0s x336 every 1h network { user.name: "eve", source.bytes: 1_000 }
    @14d5m network { user.name: "eve", source.bytes: 2GB }
    expect 1 { user.name: "eve" }
  }
}
rule indicator {
  when network where destination.ip in bad retro 30d
  test "listed" { @0s network { destination.ip: 203.0.113.9 } expect 1 }
  test "not listed" { @0s network { destination.ip: 203.0.113.8 } expect 0 }
}
list bad = (203.0.113.9)
rule at_risk {
  when alert where risk > 0 by user.name within 24h having sum(risk) >= 50
  test "made-up alerts" {
    @0s x2 every 1h alert { user.name: "eve", risk: 30, rule.name: "x" }
    expect 1 { user.name: "eve" }
  }
  test "alerts of the rules below" {
    @2026-01-02T00:00:00Z x3 every 1m process { process.name: "nc", user.name: "eve" }
    expect 1 { user.name: "eve" }
  }
}
rule nc { risk 20 when process where process.name == "nc" by user.name }
"#,
        expect![[r#"
            ok r.weir:4: silent: "nothing more comes"
            ok r.weir:8: new_source: "learnt on the first day"
            ok r.weir:18: spike: "an hour that stands out"
            ok r.weir:26: indicator: "listed"
            ok r.weir:27: indicator: "not listed"
            ok r.weir:32: at_risk: "made-up alerts"
            ok r.weir:36: at_risk: "alerts of the rules below"
        "#]],
    );
}

#[test]
fn coverage_names_what_no_test_reaches() {
    let tests = r#"
  test "fires" {
    @0s x3 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @60s authentication { source.ip: 198.51.100.7, event.outcome: "success" }
    expect 1
  }
}
rule untested { when process }"#;
    expect![[r#"
        guessed (2 of 4 parts reached)
          no event satisfies step 3
          no event meets the exception "scanner"
          no test shows when it stays silent
        untested (0 of 1 parts reached)
          it has no test
        2 of 5 steps and exceptions are reached (40 %), 0 of 2 rules miss nothing
    "#]]
    .assert_eq(&said(&format!("{GUESSED}{tests}")).1);
}
