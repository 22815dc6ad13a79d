//! Rules whose lists change: the rows of events under the lists as they are now.
//!
//! In: events with all their fields as text, and the values of each list. Out: the rows of every rule, as if the lists
//! had always been so. A rule reaches [`Rule::retro`](weir::rule::plan::Rule::retro) back; events from before are for the caller to leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use weir::event::EventId;
use weir::rule::plan::{Atom, FieldRef, Form, Predicate, Program, Test, Tuple};

use super::Row;

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Event time, µs.
    pub(crate) time: i64,
    /// Event id.
    pub(crate) id: EventId,
    /// Its fields by name; all are single values.
    pub(crate) fields: BTreeMap<String, String>,
}

/// The values of each list of the program, in its order.
pub(crate) type Lists = [BTreeSet<String>];

/// The rows that the events make with these lists.
pub(crate) fn rows(program: &Program, events: &[Event], lists: &Lists) -> Vec<Row> {
    let mut out = Vec::new();
    for (number, rule) in program.rules.iter().enumerate() {
        for event in events {
            // The steps that the event satisfies, by the key under which it does.
            let mut keys: BTreeMap<Tuple, u32> = BTreeMap::new();
            for (i, step) in rule.steps.iter().enumerate() {
                let key: Vec<Option<&String>> = step.key.iter().map(|field| event.fields.get(&field.name())).collect();
                if key.iter().all(Option::is_some) && holds(&step.predicate, event, lists) {
                    *keys.entry(tuple(event, if rule.form == Form::Single { &[] } else { &step.key })).or_default() |=
                        1 << i;
                }
            }
            let values = tuple(event, &rule.payload);
            out.extend(keys.into_iter().map(|(key, steps)| {
                let (time, id, values) = (event.time, event.id, values.clone());
                Row { rule: number as u32, steps, time, id, key, values }
            }));
        }
    }
    out
}

/// What a change of the lists adds to the rows and takes from them.
pub(crate) fn difference(before: &[Row], after: &[Row]) -> (Vec<Row>, Vec<Row>) {
    let without = |rows: &[Row], others: &[Row]| rows.iter().filter(|r| !others.contains(r)).cloned().collect();
    (without(after, before), without(before, after))
}

fn tuple(event: &Event, fields: &[FieldRef]) -> Tuple {
    let values: Vec<Option<&str>> = fields.iter().map(|f| event.fields.get(&f.name()).map(String::as_str)).collect();
    if values.is_empty() { Tuple::default() } else { Tuple::new(values) }
}

/// Whether the predicate holds of the event; a test of a field that it misses does not.
fn holds(predicate: &Predicate, event: &Event, lists: &Lists) -> bool {
    match predicate {
        Predicate::Constant(constant) => *constant,
        Predicate::Atom(Atom { field, test }) => {
            event.fields.get(&field.name()).is_some_and(|value| passes(test, value, lists))
        }
        Predicate::And(all) => all.iter().all(|p| holds(p, event, lists)),
        Predicate::Or(any) => any.iter().any(|p| holds(p, event, lists)),
        Predicate::Not(not) => !holds(not, event, lists),
    }
}

fn passes(test: &Test, value: &str, lists: &Lists) -> bool {
    let number = value.parse::<i128>();
    let address = value.parse::<IpAddr>();
    match test {
        Test::Exists => true,
        Test::OneOf { values, fold: true } => values.contains(&value.to_lowercase()),
        Test::OneOf { values, fold: false } => values.contains(value),
        Test::Like { pattern, fold: true } => like(pattern, &value.to_lowercase()),
        Test::Like { pattern, fold: false } => like(pattern, value),
        Test::Regex(regex) => regex::Regex::new(regex).expect("plans hold regexes that compile").is_match(value),
        Test::Range(least, greatest) => number.is_ok_and(|n| n >= *least && n <= *greatest),
        Test::Numbers(numbers) => number.is_ok_and(|n| numbers.contains(&n)),
        Test::Network(networks) => address.is_ok_and(|a| networks.iter().any(|n| n.contains(a))),
        Test::Listed(list) => {
            let list = &lists[*list as usize];
            let network = |v: &String| v.parse::<weir::rule::plan::Network>();
            list.iter().any(|v| v.to_lowercase() == value.to_lowercase())
                || address.is_ok_and(|a| list.iter().any(|v| network(v).is_ok_and(|n| n.contains(a))))
        }
    }
}

fn like(pattern: &str, value: &str) -> bool {
    let rest = |text: &str| text.chars().next().map(|c| (c, text[c.len_utf8()..].to_owned()));
    match rest(pattern) {
        None => value.is_empty(),
        Some(('*', pattern)) => (0..=value.len()).any(|i| value.get(i..).is_some_and(|value| like(&pattern, value))),
        Some(('?', pattern)) => rest(value).is_some_and(|(_, value)| like(&pattern, &value)),
        Some(('\\', pattern)) => match (rest(&pattern), rest(value)) {
            (Some((c, pattern)), Some((d, value))) => c == d && like(&pattern, &value),
            (None, _) | (_, None) => false,
        },
        Some((c, pattern)) => rest(value).is_some_and(|(d, value)| c == d && like(&pattern, &value)),
    }
}
