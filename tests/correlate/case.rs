//! Random events for random rules: many of one time, many at a window's edge, few keys and values, and the order and the
//! epochs in which they come.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weir::event::EventId;
use weir::rule::plan::{Form, Program, Stage, Tuple};

use super::generate;
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
    /// The rows that the events make for these rules.
    pub(crate) fn new(program: Program, arrivals: &Arrivals) -> Case {
        let of = |events: &Vec<Event>| events.iter().flat_map(|event| rows(&program, event)).collect();
        let epochs = arrivals.epochs.iter().map(|(events, watermark)| (of(events), *watermark)).collect();
        Case { program: Arc::new(program), epochs, choice: arrivals.choice }
    }

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
        let next = epochs.iter().skip(1).map(|rows| rows[0].time).chain([last + 1]);
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

/// Events as they arrive, whatever the rules.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    /// µs of a unit of time.
    pub(crate) unit: i64,
    /// In order of arrival: events, and the watermark after them.
    pub(crate) epochs: Vec<(Vec<Event>, i64)>,
    /// Any number.
    pub(crate) choice: usize,
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// µs.
    pub(crate) time: i64,
    jitter: i64,
    id: u16,
    key: u8,
    word: Option<usize>,
    amount: Option<u8>,
    figure: Option<i8>,
    steps: [u8; 3],
    delay: i64,
}

impl Event {
    /// Its id; a few are not made of their time.
    pub(crate) fn id(&self) -> EventId {
        match self.id % 32 {
            7 => EventId::from_bits(self.id.into()),
            _ => EventId::from_hash(self.time, self.id.into()),
        }
    }

    /// The value of the key.
    pub(crate) fn key(&self) -> String {
        self.key.to_string()
    }

    /// Those of [`plans::PAYLOAD`].
    pub(crate) fn values(&self) -> [Option<String>; 3] {
        let word = self.word.map(|w| ["a", "b", "B", "c"][w].to_owned());
        let amount = self.amount.map(|a| if a == 10 { "many".to_owned() } else { a.to_string() });
        let figure = self.figure.map(|a| if a == 6 { "none".to_owned() } else { a.to_string() });
        [word, amount, figure]
    }
}

/// How events come.
#[derive(Clone, Debug)]
struct Arrival {
    /// µs of a unit of time.
    unit: i64,
    /// Times are multiples of so many units.
    grain: i64,
    /// What is added to all times, units.
    offset: i64,
    lateness: i64,
    /// Sizes of epochs, again and again.
    sizes: Vec<usize>,
    /// The watermark stays so far behind what would be possible, units.
    slack: i64,
    /// The last one is so far after the last event, units.
    beyond: i64,
    choice: usize,
}

/// Cases of `rules` rules of a form with up to `most` events.
pub(crate) fn cases(form: BoxedStrategy<Form>, rules: Range<usize>, most: usize) -> impl Strategy<Value = Case> {
    (shapes(form, rules), arrivals(most)).prop_map(|(shapes, arrivals)| {
        let program = plans::program(scaled(shapes, arrivals.unit));
        Case::new(program, &arrivals)
    })
}

/// Forms with their cooldowns.
pub(crate) fn shapes(form: BoxedStrategy<Form>, rules: Range<usize>) -> impl Strategy<Value = Vec<(Form, i64)>> {
    vec((form, prop_oneof![1 => Just(0i64), 1 => 1i64..7]), rules)
}

/// Their times in units of so many µs.
pub(crate) fn scaled(shapes: Vec<(Form, i64)>, unit: i64) -> Vec<(Form, i64)> {
    shapes.into_iter().map(|(form, cooldown)| (generate::scaled(form, unit), cooldown * unit)).collect()
}

/// Events and how they come, `most` at most.
pub(crate) fn arrivals(most: usize) -> impl Strategy<Value = Arrivals> {
    (vec(event(), 0..most), arrival()).prop_map(|(mut events, arrival)| {
        events.sort_by_key(|e| (e.time + e.delay.min(arrival.lateness), e.id ^ 0x55));
        let mut ids = BTreeSet::new();
        events.retain(|e| ids.insert(e.id));
        for e in &mut events {
            let jitter = if arrival.unit > 1 { e.jitter } else { 0 };
            e.time = (e.time / arrival.grain * arrival.grain + arrival.offset) * arrival.unit + jitter;
        }
        Arrivals { unit: arrival.unit, choice: arrival.choice, epochs: epochs(&events, &arrival) }
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

/// The events in order of arrival, cut into epochs. None is late.
fn epochs(events: &[Event], arrival: &Arrival) -> Vec<(Vec<Event>, i64)> {
    let Arrival { unit, sizes, slack, beyond, .. } = arrival;
    let mut out = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = events;
    while let Some(least) = rest.iter().map(|e| e.time).min() {
        // Sizes may all be 0.
        let size = if out.len() > 4 { 1 } else { 0 }.max(*sizes.next().expect("there is a size"));
        let (now, later) = rest.split_at(size.min(rest.len()));
        let watermark = later.iter().map(|e| e.time).min().unwrap_or(least) - slack * unit;
        out.push((now.to_vec(), watermark));
        rest = later;
    }
    let last = events.iter().map(|e| e.time).max().unwrap_or(0);
    out.push((Vec::new(), last + beyond * unit));
    out
}

/// The rows of an event: one for each rule over events in which it takes part.
fn rows(program: &Program, event: &Event) -> Vec<Row> {
    let (key, values) = (event.key(), event.values());
    let mut out = Vec::new();
    for ((number, rule), pick) in program.rules.iter().enumerate().zip(event.steps.iter().cycle()) {
        let steps = steps(&rule.form, *pick);
        let misses = rule.form.required_slot().is_some_and(|slot| values[slot].is_none());
        if steps != 0 && !misses && rule.level == 0 {
            let key = if rule.form == Form::Single { Tuple::default() } else { Tuple::new([Some(key.as_str())]) };
            let values = Tuple::new(values.each_ref().map(Option::as_deref));
            out.push(Row { rule: number as u32, steps, time: event.time, id: event.id(), key, values });
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
