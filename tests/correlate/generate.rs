//! Random rules of every form, with small parameters: windows and counts of a few units.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weir::rule::plan::{Aggregate, Bound, Compare, Deviation, Form, Having, Residual, Stage, Window};

/// Payload slots: see [`crate::reference::plans::PAYLOAD`].
const WORD: usize = 0;
const AMOUNT: usize = 1;
const FIGURE: usize = 2;

/// A rule of any form.
pub(crate) fn any_form() -> BoxedStrategy<Form> {
    prop_oneof![
        1 => single(),
        2 => threshold(),
        2 => distinct(),
        3 => aggregate(),
        4 => sequence(),
        2 => all(),
        2 => novel(),
        2 => baseline(),
    ]
    .boxed()
}

/// Single events.
pub(crate) fn single() -> BoxedStrategy<Form> {
    Just(Form::Single).boxed()
}

/// Thresholds.
pub(crate) fn threshold() -> BoxedStrategy<Form> {
    (0i64..10, 1usize..5).prop_map(|(within, count)| Form::Threshold { within, count }).boxed()
}

/// Distinct counts.
pub(crate) fn distinct() -> BoxedStrategy<Form> {
    (0i64..10, 1usize..5).prop_map(|(within, count)| Form::Distinct { within, count, slot: WORD }).boxed()
}

/// Conditions on figures.
pub(crate) fn aggregate() -> BoxedStrategy<Form> {
    let window = prop_oneof![2 => (0i64..12).prop_map(Window::Sliding), 1 => (1i64..12).prop_map(Window::Tumbling)];
    let having = prop_oneof![nested(bound()), nested(growing_bound())];
    (window, having).prop_map(|(window, having)| Form::Aggregate { window, having }).boxed()
}

/// Steps in any order.
pub(crate) fn all() -> BoxedStrategy<Form> {
    (0i64..12, vec(growing(), 1..4)).prop_map(|(within, stages)| Form::All { within, stages }).boxed()
}

/// Steps in order.
pub(crate) fn sequence() -> BoxedStrategy<Form> {
    let stage = prop_oneof![3 => growing().prop_map(Stage::Present), 1 => Just(Stage::Absent)];
    let parts = (0i64..16, growing(), vec(stage, 1..4), prop::bool::weighted(0.3), vec(residual(), 0..3));
    parts
        .prop_map(|(within, first, mut stages, until, mut residuals)| {
            stages.insert(0, Stage::Present(first));
            let until = until.then_some(stages.len());
            // They compare two different steps of one event each, the later one with the earlier one.
            let ones: Vec<usize> = (0..stages.len()).filter(|s| stages[*s] == Stage::Present(Having::one())).collect();
            residuals.retain_mut(|r| {
                if ones.len() < 2 {
                    return false;
                }
                let later = 1 + r.step % (ones.len() - 1);
                (r.step, r.other) = (ones[later], ones[r.other % later]);
                true
            });
            Form::Sequence { within, stages, until, residuals }
        })
        .boxed()
}

/// Values seen never or seldom.
pub(crate) fn novel() -> BoxedStrategy<Form> {
    (1i64..14, 0i64..14, 1usize..4)
        .prop_map(|(over, learn, fewer_than)| Form::Novel { over, learn, fewer_than, slot: WORD })
        .boxed()
}

/// More than usual.
pub(crate) fn baseline() -> BoxedStrategy<Form> {
    let thousandths = || prop::sample::select(vec![0i64, 500, 1000, 1001, 1500, 2000, 3000]);
    let above = prop_oneof![
        thousandths().prop_map(Deviation::Mad),
        thousandths().prop_map(Deviation::Sigma),
        thousandths().prop_map(Deviation::Times),
    ];
    let least = option::weighted(0.3, -2i128..10);
    (1i64..6, 1i64..6, 0i64..3, 0i64..14, figure(), above, least)
        .prop_map(|(every, buckets, rest, learn, aggregate, above, least)| {
            let over = every * buckets + rest;
            Form::Baseline { every, over, learn, aggregate, above, least }
        })
        .boxed()
}

fn residual() -> BoxedStrategy<Residual> {
    let text = (any::<bool>(), Just(WORD), Just(Compare::Equal), Just(false));
    let number = (any::<bool>(), prop_oneof![Just(AMOUNT), Just(FIGURE)], compare(), Just(true));
    (prop_oneof![text, number], 0usize..4, 0usize..4)
        .prop_map(|((negated, slot, compare, numbers), step, other)| Residual {
            step,
            slot,
            compare,
            negated,
            other,
            other_slot: slot,
            numbers,
        })
        .boxed()
}

fn compare() -> BoxedStrategy<Compare> {
    prop::sample::select(vec![
        Compare::Equal,
        Compare::Unequal,
        Compare::Less,
        Compare::AtMost,
        Compare::Greater,
        Compare::AtLeast,
    ])
    .boxed()
}

fn figure() -> BoxedStrategy<Aggregate> {
    let slot = || prop_oneof![Just(AMOUNT), Just(FIGURE)];
    let thousandths = prop_oneof![
        prop::sample::select(vec![1u32, 25_000, 33_333, 50_000, 66_667, 75_000, 90_000, 99_900, 100_000]),
        1u32..=100_000
    ];
    prop_oneof![
        2 => Just(Aggregate::Count),
        2 => (0usize..3).prop_map(|slot| Aggregate::Distinct { slot }),
        2 => any::<bool>().prop_map(|unsigned| Aggregate::Sum { slot: if unsigned { AMOUNT } else { FIGURE }, unsigned }),
        1 => slot().prop_map(|slot| Aggregate::Average { slot }),
        1 => slot().prop_map(|slot| Aggregate::Least { slot }),
        1 => slot().prop_map(|slot| Aggregate::Greatest { slot }),
        1 => (slot(), thousandths).prop_map(|(slot, thousandths)| Aggregate::Percentile { slot, thousandths }),
    ]
    .boxed()
}

/// Any comparison of any figure, with a value in its reach.
fn bound() -> BoxedStrategy<Having> {
    (figure(), compare(), -6i128..12)
        .prop_map(|(aggregate, compare, value)| {
            let value = match aggregate {
                Aggregate::Count | Aggregate::Distinct { .. } => value.rem_euclid(5),
                Aggregate::Sum { .. }
                | Aggregate::Average { .. }
                | Aggregate::Least { .. }
                | Aggregate::Greatest { .. }
                | Aggregate::Percentile { .. } => value,
            };
            Having::Bound(Bound { aggregate, compare, value })
        })
        .boxed()
}

/// A bound that more events can only make true.
fn growing_bound() -> BoxedStrategy<Having> {
    let of = |aggregate| move |(compare, value)| Having::Bound(Bound { aggregate, compare, value });
    let lower = || prop_oneof![Just(Compare::AtLeast), Just(Compare::Greater)];
    prop_oneof![
        (lower(), 1i128..4).prop_map(of(Aggregate::Count)),
        (lower(), 1i128..4).prop_map(of(Aggregate::Distinct { slot: WORD })),
        (lower(), 1i128..16).prop_map(of(Aggregate::Sum { slot: AMOUNT, unsigned: true })),
    ]
    .boxed()
}

/// What a step can ask for: mostly one event or a few.
fn growing() -> BoxedStrategy<Having> {
    prop_oneof![4 => Just(Having::one()), 2 => (2usize..4).prop_map(Having::count), 2 => nested(growing_bound())]
        .boxed()
}

fn nested(bound: BoxedStrategy<Having>) -> BoxedStrategy<Having> {
    bound
        .prop_recursive(2, 4, 3, |inner| {
            prop_oneof![vec(inner.clone(), 1..4).prop_map(Having::And), vec(inner, 1..4).prop_map(Having::Or)]
        })
        .boxed()
}

/// The form with its times in units of so many µs.
pub(crate) fn scaled(mut form: Form, unit: i64) -> Form {
    match &mut form {
        Form::Single => {}
        Form::Threshold { within, .. }
        | Form::Distinct { within, .. }
        | Form::Sequence { within, .. }
        | Form::All { within, .. }
        | Form::Aggregate { window: Window::Sliding(within) | Window::Tumbling(within), .. } => *within *= unit,
        Form::Novel { over, learn, .. } => (*over, *learn) = (*over * unit, *learn * unit),
        Form::Baseline { every, over, learn, .. } => {
            (*every, *over, *learn) = (*every * unit, *over * unit, *learn * unit);
        }
    }
    form
}
