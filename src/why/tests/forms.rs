//! Forms by hand, for rules whose text has their steps in a simpler form.

use crate::event::field;
use crate::event::time::{DAY, SECOND};
use crate::rule::plan::{Aggregate, Bound, Compare, Deviation, FieldRef, Form, Having, Residual, Rule, Stage, Window};

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

pub(super) fn bound(aggregate: Aggregate, compare: Compare, value: i128) -> Having {
    Having::Bound(Bound { aggregate, compare, value })
}

/// Gives a rule another form, and the payload that it needs.
pub(super) fn put(name: &str, rule: &mut Rule) {
    let mut slot = |id| {
        let field = FieldRef::Column(id);
        rule.payload.iter().position(|f| *f == field).unwrap_or_else(|| {
            rule.payload.push(field);
            rule.payload.len() - 1
        })
    };
    let one = || Stage::Present(Having::one());
    rule.form = match name {
        "sum" => {
            let sum = Aggregate::Sum { slot: slot(field::SOURCE_BYTES), unsigned: true };
            Form::Aggregate { window: Window::Sliding(5 * MINUTE), having: bound(sum, Compare::AtLeast, 100_000_000) }
        }
        "sum and distinct" => {
            let sum = Aggregate::Sum { slot: slot(field::SOURCE_BYTES), unsigned: true };
            let ports = Aggregate::Distinct { slot: slot(field::DESTINATION_PORT) };
            let all = vec![bound(sum, Compare::AtLeast, 100_000_000), bound(ports, Compare::AtLeast, 3)];
            Form::Aggregate { window: Window::Sliding(5 * MINUTE), having: Having::And(all) }
        }
        "average below, by the hour" => {
            let average = Aggregate::Average { slot: slot(field::SOURCE_BYTES) };
            Form::Aggregate { window: Window::Tumbling(HOUR), having: bound(average, Compare::Less, 1_000) }
        }
        "five by the hour" => Form::Aggregate { window: Window::Tumbling(HOUR), having: Having::count(5) },
        "silence" => Form::Sequence {
            within: 5 * MINUTE,
            stages: vec![one(), Stage::Absent],
            until: None,
            residuals: Vec::new(),
        },
        "nothing in between" => Form::Sequence {
            within: 5 * MINUTE,
            stages: vec![one(), Stage::Absent, one()],
            until: None,
            residuals: Vec::new(),
        },
        "from elsewhere" => {
            let source = slot(field::SOURCE_IP);
            let residual = Residual {
                step: 1,
                slot: source,
                compare: Compare::Equal,
                negated: true,
                other: 0,
                other_slot: source,
                numbers: false,
            };
            Form::Sequence { within: HOUR, stages: vec![one(), one()], until: None, residuals: vec![residual] }
        }
        "all" => Form::All { within: HOUR, stages: vec![Having::count(2), Having::one()] },
        "novel" => {
            let slot = slot(field::SOURCE_GEO_COUNTRY);
            Form::Novel { over: 30 * DAY, learn: 14 * DAY, fewer_than: 1, slot }
        }
        "baseline" => {
            let aggregate = Aggregate::Sum { slot: slot(field::SOURCE_BYTES), unsigned: true };
            let (above, least) = (Deviation::Mad(4_000), Some(50_000_000));
            Form::Baseline { every: HOUR, over: DAY, learn: 6 * HOUR, aggregate, above, least }
        }
        other => panic!("no form {other}"),
    };
}
