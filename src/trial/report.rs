//! What came of tests: as text for people, as JUnit XML for CI, as JSON.

use std::fmt::Write;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::{Coverage, Failure, Ran, START, plain};
use crate::alert::Alert;
use crate::rule::explain::duration;
use crate::rule::trial::Expected;

/// So many alerts of a failure are shown.
const ALERTS: usize = 5;

/// A test's result for other programs.
#[derive(Serialize)]
pub struct Note<'a> {
    rule: &'a str,
    test: &'a str,
    file: &'a str,
    line: usize,
    passed: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<&'a [Alert]>,
}

impl<'a> From<&'a Ran<'a>> for Note<'a> {
    fn from(ran: &'a Ran<'a>) -> Note<'a> {
        Note {
            rule: &ran.trial.rule,
            test: &ran.trial.name,
            file: &ran.trial.file,
            line: ran.trial.line,
            passed: ran.failure.is_none(),
            seconds: ran.took.as_secs_f64(),
            failure: ran.failure.as_ref().map(|failure| reason(ran, failure)),
            alerts: ran.failure.as_ref().map(|failure| failure.alerts.as_slice()),
        }
    }
}

/// `rules/ssh.weir:34: ssh_bruteforce: "nine are none"`
pub fn title(ran: &Ran<'_>) -> String {
    let trial = ran.trial;
    format!("{}:{}: {}: \"{}\"", trial.file, trial.line, trial.rule, trial.name)
}

/// What was expected, and what there was instead, in lines.
pub fn failure(ran: &Ran<'_>) -> Option<String> {
    let failure = ran.failure.as_ref()?;
    let mut text = reason(ran, failure);
    text.push('\n');
    for alert in failure.alerts.iter().take(ALERTS) {
        let _ = writeln!(text, "  {}", self::alert(alert));
    }
    if failure.alerts.len() > ALERTS {
        let _ = writeln!(text, "  and {} more", failure.alerts.len() - ALERTS);
    }
    for line in failure.why_not.iter().flat_map(|why| why.lines()) {
        let _ = writeln!(text, "  | {line}");
    }
    Some(text)
}

/// `expected 1 alert with source.ip = 192.0.2.1, there is none`
fn reason(ran: &Ran<'_>, failure: &Failure) -> String {
    let Expected { count, key } = &failure.expected;
    let key: Vec<String> = key.iter().map(|(field, value)| format!("{} = {value}", field.name())).collect();
    let key = if key.is_empty() { String::new() } else { format!(" with {}", key.join(", ")) };
    let alerts = |n: u64| match n {
        0 => "no alert".to_owned(),
        1 => "1 alert".to_owned(),
        n => format!("{n} alerts"),
    };
    let when = match (ran.trial.expected.len(), failure.wave) {
        (1, _) => String::new(),
        (_, 0) => " before late events come".to_owned(),
        (_, n) => format!(" after late line {n}"),
    };
    let there = match failure.alerts.len() as u64 {
        n if n == *count => "its key is another one".to_owned(),
        0 => "there is none".to_owned(),
        1 => "there is 1".to_owned(),
        n => format!("there are {n}"),
    };
    format!("expected {}{key}{when}, {there}", alerts(*count))
}

/// An alert with its times as tests write them.
fn alert(alert: &Alert) -> String {
    let at = |time: i64| match time.checked_sub(START) {
        Some(offset @ 0..) => format!("@{}", duration(offset)),
        _ => format!("@{}", crate::event::time::rfc3339(time)),
    };
    let span =
        if alert.first == alert.last { at(alert.first) } else { format!("{} to {}", at(alert.first), at(alert.last)) };
    let key: Vec<String> = alert.key.iter().map(|(field, value)| format!("{field} = {}", plain(value))).collect();
    let key = if key.is_empty() { String::new() } else { format!(" [{}]", key.join(", ")) };
    format!("fired: {}{key}, {span}, {} events", alert.title, alert.count)
}

/// JUnit XML, a suite a file.
pub fn junit(ran: &[Ran<'_>]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("weir test");
    let mut suites: Vec<TestSuite> = Vec::new();
    for ran in ran {
        let trial = ran.trial;
        let status = match failure(ran) {
            None => TestCaseStatus::success(),
            Some(text) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(text.lines().next().unwrap_or_default()).set_description(text);
                status
            }
        };
        let mut case = TestCase::new(trial.name.clone(), status);
        case.set_classname(trial.rule.clone()).set_time(ran.took);
        case.extra.insert("file".into(), trial.file.to_string().into());
        case.extra.insert("line".into(), trial.line.to_string().into());
        match suites.iter_mut().find(|suite| suite.name.as_str() == &*trial.file) {
            Some(suite) => {
                suite.add_test_case(case);
            }
            None => {
                let mut suite = TestSuite::new(trial.file.to_string());
                suite.add_test_case(case);
                suites.push(suite);
            }
        }
    }
    report.add_test_suites(suites);
    report.to_string()
}

/// What tests miss, a line each; rules of which nothing is missing are counted.
pub fn coverage(coverage: &[Coverage]) -> String {
    let mut text = String::new();
    for rule in coverage.iter().filter(|c| !c.missing.is_empty()) {
        let _ = writeln!(text, "{} ({} of {} parts reached)", rule.rule, rule.reached, rule.parts);
        rule.missing.iter().for_each(|missing| {
            let _ = writeln!(text, "  {missing}");
        });
    }
    let (reached, parts) = coverage.iter().fold((0, 0), |(r, p), c| (r + c.reached, p + c.parts));
    let whole = coverage.iter().filter(|c| c.missing.is_empty()).count();
    let percent = if parts == 0 { 100.0 } else { 100.0 * reached as f64 / parts as f64 };
    let _ = writeln!(
        text,
        "{reached} of {parts} steps and exceptions are reached ({percent:.0} %), {whole} of {} rules miss nothing",
        coverage.len()
    );
    text
}
