//! Random events for random rules: many of one time, many at a window's edge, few keys and values, and the order and the
//! epochs in which they come.

use std::fmt;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weir::event::EventId;
use weir::rule::plan::{Form, Program, Stage, Tuple};

use super::generate::scaled;
use crate::reference::Row;
use crate::reference::plans;

/// Rules, rows, and how they reach the engine.
#[derive(Clone)]
pub(crate) struct Case {
    /// The rules.
    pub(crate) program: Arc<Program>,
    /// Epochs in order of arrival: rows, and the watermark after them.
    pub(crate) epochs: Vec<(Vec<Row>, i64)>,
    /// Any number, for what a test wants to choose.
    pub(crate) choice: usize,
}

impl Case {
    /// All rows, as they arrive.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.epochs.iter().flat_map(|(rows, _)| rows.clone()).collect()
    }

    /// All rows in epochs as a finite input has them: each has all rows before its watermark.
    pub(crate) fn in_order(&self) -> Vec<(Vec<Row>, i64)> {
        let mut rows = self.rows();
        rows.sort_by_key(|r| (r.time, r.id));
        let (first, last) = (rows.first().map_or(0, |r| r.time), rows.last().map_or(0, |r| r.time));
        let length = (last - first) / (1 + self.choice as i64 % 20) + 1;
        let epoch = |row: &Row| (row.time - first) / length;
        let epochs: Vec<&[Row]> = rows.chunk_by(|a, b| epoch(a) == epoch(b)).collect();
        let next = epochs.iter().skip(1).map(|rows| rows[0].time).chain([super::run::LATER]);
        epochs.iter().zip(next).map(|(rows, next)| (rows.to_vec(), next)).collect()
    }

    /// The last watermark.
    pub(crate) fn end(&self) -> i64 {
        self.epochs.last().map_or(i64::MIN, |(_, watermark)| *watermark)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rule) in self.program.rules.iter().enumerate() {
            writeln!(f, "rule {i}: {:?} cooldown {}", rule.form, rule.cooldown)?;
        }
        for (i, (rows, watermark)) in self.epochs.iter().enumerate() {
            writeln!(f, "epoch {i}, then watermark {watermark}")?;
            rows.iter().try_for_each(|row| writeln!(f, "    {row:?}"))?;
        }
        write!(f, "choice {}", self.choice)
    }
}

/// An event before rules and units are known.
#[derive(Clone, Debug)]
struct Event {
    time: i64,
    jitter: i64,
    id: u16,
    key: u8,
    word: Option<usize>,
    amount: Option<u8>,
    figure: Option<i8>,
    steps: [u8; 3],
    delay: i64,
}

/// How events come.
#[derive(Clone, Debug)]
struct Arrival {
    /// µs of a unit of time.
    unit: i64,
    /// Times are multiples of so many units.
    grain: i64,
    /// Before all times, units.
    offset: i64,
    lateness: i64,
    /// Sizes of epochs, again and again.
    sizes: Vec<usize>,
    /// The watermark stays so far behind what would be possible, units.
    slack: i64,
    /// The last one is so far behind the last event, units.
    beyond: i64,
    choice: usize,
}

/// Cases of `rules` rules of a form with up to `most` events.
pub(crate) fn cases(
    form: BoxedStrategy<Form>,
    rules: std::ops::Range<usize>,
    most: usize,
) -> impl Strategy<Value = Case> {
    let cooldown = prop_oneof![1 => Just(0i64), 1 => 1i64..7];
    (vec((form, cooldown), rules), vec(event(), 0..most), arrival()).prop_map(|(rules, events, arrival)| {
        let unit = arrival.unit;
        let program = plans::program(rules.into_iter().map(|(form, cooldown)| (scaled(form, unit), cooldown * unit)));
        let epochs = epochs(&program, events, &arrival);
        Case { program: Arc::new(program), epochs, choice: arrival.choice }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let place = (0i64..40, prop_oneof![6 => Just(0i64), 1 => Just(1), 1 => Just(-1)], any::<u16>());
    let key = prop::sample::select(vec![0u8, 0, 0, 1, 2]);
    let values = (option::weighted(0.9, 0usize..4), option::weighted(0.9, 0u8..11), option::weighted(0.9, -5i8..7));
    (place, key, values, any::<[u8; 3]>(), 0i64..30).prop_map(|(place, key, values, steps, delay)| {
        let ((time, jitter, id), (word, amount, figure)) = (place, values);
        Event { time, jitter, id, key, word, amount, figure, steps, delay }
    })
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let unit = prop_oneof![Just(1i64), Just(1_000_000)];
    let times = (unit, prop::sample::select(vec![1i64, 1, 2, 5]), prop_oneof![Just(0i64), Just(-20)]);
    let lateness = prop::sample::select(vec![0i64, 5, 30]);
    let watermark = (prop_oneof![1 => Just(0i64), 1 => 0i64..10], prop_oneof![2 => 0i64..30, 1 => Just(1000)]);
    (times, lateness, vec(0usize..12, 1..5), watermark, 0usize..1000).prop_map(
        |((unit, grain, offset), lateness, sizes, (slack, beyond), choice)| Arrival {
            unit,
            grain,
            offset,
            lateness,
            sizes,
            slack,
            beyond,
            choice,
        },
    )
}

/// The rows of the events in order of arrival, cut into epochs. No row is late.
fn epochs(program: &Program, mut events: Vec<Event>, arrival: &Arrival) -> Vec<(Vec<Row>, i64)> {
    let Arrival { unit, grain, offset, lateness, sizes, slack, beyond, .. } = arrival;
    events.sort_by_key(|e| (e.time + e.delay.min(*lateness), e.id ^ 0x55));
    let mut ids = std::collections::BTreeSet::new();
    events.retain(|e| ids.insert(e.id));
    let jitter = |e: &Event| if *unit > 1 { e.jitter } else { 0 };
    let time = |e: &Event| (e.time / grain * grain + offset) * unit + jitter(e);
    let mut out = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = &events[..];
    while let Some(least) = rest.iter().map(time).min() {
        // Sizes may all be 0.
        let size = if out.len() > 40 { rest.len() } else { *sizes.next().expect("there is a size") };
        let (now, later) = rest.split_at(size.min(rest.len()));
        let watermark = later.iter().map(time).min().unwrap_or(least) - slack * unit;
        out.push((now.iter().flat_map(|e| rows(program, e, time(e))).collect(), watermark));
        rest = later;
    }
    let last = events.iter().map(time).max().unwrap_or(0);
    out.push((Vec::new(), last + beyond * unit));
    out
}

/// The rows of an event: one for each rule in which it takes part.
fn rows(program: &Program, event: &Event, time: i64) -> Vec<Row> {
    let word = event.word.map(|w| ["a", "b", "B", "c"][w].to_owned());
    let amount = event.amount.map(|a| if a == 10 { "many".to_owned() } else { a.to_string() });
    let figure = event.figure.map(|a| if a == 6 { "none".to_owned() } else { a.to_string() });
    let (key, values) = (event.key.to_string(), [word, amount, figure]);
    let mut out = Vec::new();
    for ((number, rule), pick) in program.rules.iter().enumerate().zip(event.steps.iter().cycle()) {
        let steps = steps(&rule.form, *pick);
        let misses = rule.form.required_slot().is_some_and(|slot| values[slot].is_none());
        if steps != 0 && !misses {
            let key = if rule.form == Form::Single { Tuple::default() } else { Tuple::new([Some(key.as_str())]) };
            let values = Tuple::new(values.each_ref().map(Option::as_deref));
            let id = EventId::from_bits(event.id.into());
            out.push(Row { rule: number as u32, steps, time, id, key, values });
        }
    }
    out
}

/// Steps that an event satisfies: mostly one, and one that must be there more often than one that must not.
fn steps(form: &Form, pick: u8) -> u32 {
    let often = |step: usize| match form {
        Form::Sequence { stages, .. } => match stages.get(step) {
            Some(Stage::Present(_)) => 3,
            Some(Stage::Absent) | None => 1,
        },
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::All { .. }
        | Form::Novel { .. }
        | Form::Baseline { .. } => 1,
    };
    let wheel: Vec<usize> = (0..plans::steps(form)).flat_map(|s| std::iter::repeat_n(s, often(s))).collect();
    let one = |n: u8| 1u32 << wheel[usize::from(n) % wheel.len()];
    match pick {
        // Of other rules only.
        250.. => 0,
        200.. => one(pick) | one(pick / 3),
        _ => one(pick),
    }
}
