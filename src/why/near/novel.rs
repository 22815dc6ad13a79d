//! Values that are new for a key. In: its events. Out: matches, and when a value was seen before.

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{Kind, Link, Match, Miss, Row, members};
use crate::rule::explain;
use crate::rule::plan::{FieldRef, Form, Rule};
use crate::why::value::{counted, duration, instant, printable};

/// The parts of the form.
struct Novel {
    over: i64,
    learn: i64,
    fewer_than: usize,
    slot: usize,
}

/// What an event is for a key: how long the key was known, and the value's earlier sightings.
struct Seen {
    /// Position among the rows.
    row: usize,
    known: i64,
    times: usize,
    /// The first and the last earlier one, as positions among the rows.
    earlier: Option<(usize, usize)>,
}

fn parts(form: &Form) -> Option<Novel> {
    match form {
        Form::Novel { over, learn, fewer_than, slot } => {
            Some(Novel { over: *over, learn: *learn, fewer_than: *fewer_than, slot: *slot })
        }
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::All { .. }
        | Form::Baseline { .. } => None,
    }
}

fn sightings(novel: &Novel, rows: &[Row], members: &[usize]) -> Vec<Seen> {
    let mut values: FxHashMap<String, VecDeque<usize>> = FxHashMap::default();
    let mut activity: Option<(i64, i64)> = None;
    let mut out = Vec::with_capacity(members.len());
    for row in members {
        let (time, Some(value)) = (rows[*row].time, rows[*row].values.get(novel.slot)) else { continue };
        let since = match activity {
            Some((since, last)) if time.saturating_sub(last) <= novel.over => since,
            Some(_) | None => time,
        };
        activity = Some((since, time));
        let before = values.entry(value).or_default();
        while before.front().is_some_and(|r| rows[*r].time < time.saturating_sub(novel.over)) {
            before.pop_front();
        }
        let earlier = before.front().copied().zip(before.back().copied());
        out.push(Seen { row: *row, known: time - since, times: before.len(), earlier });
        before.push_back(*row);
    }
    out
}

pub(super) fn matches(rule: &Rule, rows: &[Row]) -> Vec<Match> {
    let Some(novel) = parts(&rule.form) else { return Vec::new() };
    let members = members(rows, 0);
    let fires = |seen: &Seen| seen.known >= novel.learn && seen.times < novel.fewer_than;
    let one = |seen: Seen| {
        let at = members.binary_search(&seen.row).ok()?;
        let link = Link { step: 0, members: members.clone(), from: at, to: at, before: None };
        Some(Match::at(rows, seen.row, Rc::new(link)))
    };
    sightings(&novel, rows, &members).into_iter().filter(fires).filter_map(one).collect()
}

pub(super) fn misses(rule: &Rule, rows: &[Row]) -> Vec<Miss> {
    let Some(novel) = parts(&rule.form) else { return Vec::new() };
    let all = sightings(&novel, rows, &members(rows, 0));
    let mut out = Vec::new();
    let field = rule.payload.get(novel.slot).map(FieldRef::name).unwrap_or_default();
    let value = |row: usize| rows[row].values.get(novel.slot).map(|v| printable(&v)).unwrap_or_default();
    let learnt = all.iter().filter(|s| s.known >= novel.learn);
    // The value with the fewest sightings, the latest of them.
    if let Some(seen) = learnt.min_by_key(|s| (s.times, std::cmp::Reverse(s.row)))
        && let Some((first, last)) = seen.earlier
        && seen.times >= novel.fewer_than
    {
        let again = match seen.times {
            1 => String::new(),
            _ => format!(", last at {}", instant(rows[last].time)),
        };
        let text = format!(
            "{field} = {} at {} was not new: seen {} in the {} before, first at {}{again}",
            value(seen.row),
            instant(rows[seen.row].time),
            counted(seen.times, "time"),
            explain::duration(novel.over),
            instant(rows[first].time)
        );
        let mut events = vec![(0, first), (0, last), (0, seen.row)];
        events.dedup();
        out.push(Miss::new(Kind::Seen, text).of(seen.times, novel.fewer_than.saturating_sub(1)).events(events));
    }
    // What would have been new, had the key been known.
    let early = all.iter().filter(|s| s.known < novel.learn && s.times < novel.fewer_than);
    if let Some(seen) = early.max_by_key(|s| (s.known, s.row)) {
        let text = format!(
            "{field} = {} at {} came while the key was being learnt: it was known for {} of {}, since {}",
            value(seen.row),
            instant(rows[seen.row].time),
            duration(seen.known),
            duration(novel.learn),
            instant(rows[seen.row].time - seen.known)
        );
        out.push(Miss::new(Kind::Learning, text).of(seen.known, novel.learn).events(vec![(0, seen.row)]));
    }
    out
}
