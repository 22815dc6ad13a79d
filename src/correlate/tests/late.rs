//! A key whose events come and go in any order says what it says of the same events in order. (The stretches between its
//! checkpoints are of two events here.)

use proptest::prelude::*;

use crate::correlate::episode::Record;
use crate::correlate::key::Key;
use crate::correlate::machine::Row;
use crate::correlate::trial::{at_once, bound, records, rule};
use crate::event::EventId;
use crate::rule::plan::{Aggregate, Compare, Deviation, Form, Having, Residual, Rule, Stage, Tuple, Window};

const SUM: Aggregate = Aggregate::Sum { slot: 0, unsigned: true };

fn forms() -> Vec<Form> {
    let sequence = |stages: Vec<Stage>, until: bool, residuals: Vec<Residual>| {
        let until = until.then_some(stages.len());
        Form::Sequence { within: 9, stages, until, residuals }
    };
    let present = |count| Stage::Present(Having::count(count));
    let sum = || Stage::Present(bound(SUM, Compare::AtLeast, 4));
    let tie = |step, other, negated| Residual {
        step,
        slot: 1,
        compare: Compare::Equal,
        negated,
        other,
        other_slot: 1,
        numbers: false,
    };
    let aggregate =
        |window, aggregate, compare, value| Form::Aggregate { window, having: bound(aggregate, compare, value) };
    let percentile = Aggregate::Percentile { slot: 0, thousandths: 50_000 };
    let history = |aggregate, above| Form::Baseline { every: 3, over: 12, learn: 4, aggregate, above, least: None };
    vec![
        Form::Threshold { within: 4, count: 3 },
        Form::Distinct { within: 6, count: 2, slot: 1 },
        aggregate(Window::Sliding(7), SUM, Compare::Greater, 5),
        aggregate(Window::Tumbling(5), Aggregate::Average { slot: 0 }, Compare::AtLeast, 2),
        aggregate(Window::Sliding(6), percentile, Compare::Equal, 1),
        aggregate(Window::Sliding(6), Aggregate::Least { slot: 0 }, Compare::Greater, 0),
        Form::sequence(9, [2, 1], None),
        Form::sequence(9, [1, 2, 1], Some(3)),
        sequence(vec![sum(), present(1)], false, vec![]),
        sequence(vec![present(1), Stage::Absent, sum(), present(1)], true, vec![]),
        sequence(vec![present(1), Stage::Absent, present(2)], false, vec![]),
        sequence(vec![present(2), Stage::Absent], true, vec![]),
        sequence(vec![present(1), present(1), present(1)], false, vec![tie(2, 0, false), tie(1, 0, true)]),
        sequence(vec![present(1), Stage::Absent, present(1), Stage::Absent], false, vec![tie(2, 0, false)]),
        Form::All { within: 5, stages: vec![Having::count(2), bound(SUM, Compare::AtLeast, 3)] },
        Form::Novel { over: 8, learn: 3, fewer_than: 2, slot: 1 },
        history(Aggregate::Count, Deviation::Mad(1000)),
        history(SUM, Deviation::Sigma(1500)),
    ]
}

/// What an operator does with a key.
struct Watched {
    rule: Rule,
    key: Key,
    /// What may have to be taken back, and what is said for good.
    said: Vec<Record>,
    good: Vec<Record>,
}

impl Watched {
    fn epoch(&mut self, came: &[Row], went: &[Row], horizon: i64, watermark: i64) {
        self.key.freeze(&self.rule, horizon);
        let kept = self.key.episodes().count().min(self.said.len());
        self.good.extend(self.said.drain(..self.said.len() - kept));
        came.iter().for_each(|row| self.key.push(&self.rule, row.clone()));
        went.iter().for_each(|row| self.key.retract(&self.rule, row));
        let same = self.key.settle(&self.rule, watermark);
        let now = records(&self.key);
        assert_eq!(self.said[..same], now[..same], "said to be as they were");
        self.said = now;
    }

    fn all(&self) -> Vec<Record> {
        let mut all: Vec<Record> = self.good.iter().chain(&self.said).cloned().collect();
        all.sort();
        all
    }
}

/// What is said of events that come in order.
fn in_order(rule: &Rule, rows: &[Row], watermark: i64) -> Vec<Record> {
    let mut key = Key::new(rule);
    rows.iter().for_each(|row| key.push(rule, row.clone()));
    key.settle(rule, watermark);
    let mut all = records(&key);
    all.sort();
    all
}

/// `WEIR_CASES` sets how many random cases are tried.
fn cases() -> u32 {
    std::env::var("WEIR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

/// Events with many ties and few values, in the order in which they come.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let one = (0i64..30, 1u32..32, prop::option::weighted(0.9, 0u8..4), prop::option::weighted(0.9, 0u8..3));
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let row = |(number, (time, steps, amount, word)): (usize, (i64, u32, Option<u8>, Option<u8>))| {
            let text = [amount.map(|a| a.to_string()), word.map(|w| ["a", "A", "b"][usize::from(w)].to_owned())];
            let values = Tuple::new(text.iter().map(Option::as_deref));
            Row { time, id: EventId::from_hash(time, (number * 7919 % 41) as u128), steps, values }
        };
        all.into_iter().enumerate().map(row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_says_the_same(
        rows in rows(), sizes in prop::collection::vec(2usize..9, 40), slack in 0i64..6, retro in 0i64..10,
        cooldown in 0i64..4, goes in prop::collection::vec(0usize..60, 40)
    ) {
        for form in forms() {
            let rule = rule(form, cooldown);
            let mask = (1 << rule.steps.len()) - 1;
            let fit = |row: &Row| Row { steps: (row.steps & mask).max(1), ..row.clone() };
            let rows: Vec<Row> = rows.iter().map(fit).collect();
            let key = Key::new(&rule);
            let mut watched = Watched { rule, key, said: Vec::new(), good: Vec::new() };
            let (mut there, mut next, mut before) = (Vec::new(), 0, i64::MIN);
            for (size, goes) in sizes.iter().zip(&goes) {
                let came = &rows[next..(next + size).min(rows.len())];
                next += came.len();
                let watermark = rows[next..].iter().map(|r| r.time).min().unwrap_or(100).saturating_sub(slack).max(before);
                let horizon = before.saturating_sub(retro);
                let movable = there.iter().position(|r: &Row| r.time >= horizon).map(|from| from + goes);
                let went: Vec<Row> = movable.and_then(|at| there.get(at)).into_iter().cloned().collect();
                watched.epoch(came, &went, horizon, watermark);
                there.extend_from_slice(came);
                there.retain(|row| !went.contains(row));
                there.sort();
                let expected = in_order(&watched.rule, &there, watermark);
                prop_assert_eq!(watched.all(), expected, "{:?} at {}", watched.rule.form, watermark);
                before = watermark;
            }
            let mut expected = at_once(&watched.rule, &there, before);
            expected.sort();
            prop_assert_eq!(watched.all(), expected, "{:?} at the end", watched.rule.form);
        }
    }
}
