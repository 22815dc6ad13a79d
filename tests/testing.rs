//! `weir test` as a user runs it.

use std::fs;

use crate::program::{json, run, stderr, stdout};

const RULES: &str = r#"
rule guesses {
  title "{count} guesses of {source.ip}"
  when authentication where event.outcome == "failure" by source.ip within 5m having count() >= 3
  except "our scanner" where source.ip in 10.0.0.0/8
  test "three are enough" {
    @0s x3 every 150s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    expect 1 { source.ip: 198.51.100.7 }
  }
  test "the window's end & <more>" {
    @0s x2 every 1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    @5m1s authentication { source.ip: 198.51.100.7, event.outcome: "failure" }
    expect 1
  }
}
"#;

#[test]
fn what_fails_is_said_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.weir"), RULES).unwrap();
    let report = folder.path().join("report.xml");
    let arguments = [folder.path().as_os_str(), "--coverage".as_ref(), "--junit".as_ref(), report.as_os_str()];
    let output = run(["test".as_ref()].into_iter().chain(arguments));
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    for part in [
        "FAILED",
        "r.weir:10: guesses: \"the window's end & <more>\"",
        "expected 1 alert, there is none",
        "2 of 3",
        "the exception \"our scanner\"",
        "no test shows when it stays silent",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("three are enough"), "{out}");
    assert!(err.contains("2 tests of 1 rule: 1 passed, 1 failed"), "{err}");
    let xml = fs::read_to_string(&report).unwrap();
    assert!(xml.contains("tests=\"2\" ") && xml.contains("failures=\"1\""), "{xml}");
    assert!(xml.contains("the window&apos;s end &amp; &lt;more&gt;"), "{xml}");
}

#[test]
fn results_are_json_and_one_test_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.weir"), RULES).unwrap();
    let path = folder.path().to_str().unwrap();
    let output = run(["test", path, "--only", "three", "--output", "json"]);
    let lines = json(&output);
    assert_eq!((output.status.code(), lines.len()), (Some(0), 1), "{}", stderr(&output));
    assert_eq!((lines[0]["rule"].as_str(), lines[0]["passed"].as_bool()), (Some("guesses"), Some(true)));
    let none = run(["test", path, "--only", "nothing"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("no test's rule or name contains `nothing`"), "{}", stderr(&none));
}

#[test]
fn rules_that_do_not_compile_are_an_error_and_the_others_are_tested() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.weir"), RULES.replace("5m1s", "5m")).unwrap();
    fs::write(folder.path().join("s.weir"), "rule broken { when process where user.nme == \"x\" }").unwrap();
    let output = run(["test", folder.path().to_str().unwrap()]);
    let err = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("W0101") && err.contains("2 tests of 1 rule: 2 passed, 0 failed"), "{err}");
    assert_eq!(run(["test", "/nowhere"]).status.code(), Some(2));
}

/// The built-in rules have tests, and they pass.
#[test]
fn the_pack_passes_its_tests() {
    let output = run(["test"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
}
