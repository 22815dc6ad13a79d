//! What is left unsaid in quiet epochs is said by the next one that is not, whatever came between.

use proptest::test_runner::TestCaseError;
use weir::correlate::Emit;

use super::case::{Case, cases};
use super::generate::any_form;
use super::run::Running;
use super::{levels, try_cases};

/// Runs the epochs twice, once with quiet ones among them. After those that are not both have said the same.
fn nothing_stays_unsaid(case: &Case) -> Result<(), TestCaseError> {
    let workers = if case.choice.is_multiple_of(20) { 2 } else { 1 };
    let [mut loud, mut other] = [1, workers].map(|workers| Running::start(&case.program, workers, Emit::Running));
    for (i, (rows, watermark)) in case.epochs.iter().enumerate() {
        let quiet = i + 1 < case.epochs.len() && !(case.choice >> (i % 16)).is_multiple_of(4);
        other.quiet(quiet);
        loud.epoch(rows, *watermark);
        other.epoch(rows, *watermark);
        if !quiet {
            proptest::prop_assert_eq!(&other.answer, &loud.answer, "after epoch {}", i);
        }
    }
    Ok(())
}

#[test]
fn any_form_is_said_after_quiet_epochs() {
    try_cases(2000, cases(any_form(), 1..4, 60), nothing_stays_unsaid);
}

#[test]
fn rules_over_alerts_are_said_after_quiet_epochs() {
    try_cases(500, levels::cases(), nothing_stays_unsaid);
}
