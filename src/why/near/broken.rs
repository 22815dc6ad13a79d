//! Why a sequence is none: each rule of the form is left aside in turn, and where there is a match then, that rule was it.

use super::chain::Stages;
use super::sequence::{Parts, breakers, complete, found};
use super::{Kind, Match, Miss, Row, all, members, residual, shown, step_name};
use crate::rule::plan::{Having, Rule, Stage};
use crate::why::sentence;
use crate::why::value::{counted, duration, instant};

pub(super) fn misses(rule: &Rule, rows: &[Row], end: i64) -> Vec<Miss> {
    let Some(parts) = Parts::of(rule) else { return Vec::new() };
    let mut out = Vec::new();
    out.extend(until(rule, parts, rows, end));
    out.extend(absence(rule, parts, rows, end));
    out.extend(condition(rule, parts, rows, end));
    let late = window(rule, parts, rows);
    let far = late.as_ref().is_none_or(|(_, over)| *over > parts.within);
    out.extend(late.map(|(miss, _)| miss));
    if out.is_empty() {
        out.extend(order(rule, parts, rows));
    }
    if far && out.iter().all(|m| m.finding.kind == Kind::Window) {
        let progress = progress(rule, parts, rows);
        out.splice(0..0, progress);
    }
    if out.is_empty() {
        out.extend(cut_short(rule, parts, rows));
    }
    out
}

/// An `until` event came before the first step was complete, again and again.
fn cut_short(rule: &Rule, parts: Parts<'_>, rows: &[Row]) -> Option<Miss> {
    let step = parts.until?;
    let last = *members(rows, step).last()?;
    let text = format!(
        "{} came before the steps were complete, the last time at {}",
        step_name(rule, step),
        instant(rows[last].time)
    );
    Some(Miss::new(Kind::Until, text).events(vec![(step, last)]))
}

/// Broken by an `until` event.
fn until(rule: &Rule, parts: Parts<'_>, rows: &[Row], end: i64) -> Option<Miss> {
    let step = parts.until?;
    let bit = 1u32.checked_shl(step as u32).unwrap_or(0);
    let relaxed = found(Parts { until: None, ..parts }, rows, end).pop()?;
    let mut events = relaxed.events(rule, rows);
    let first = events[0].1;
    let inside = |at: &usize| rows[*at].steps & bit != 0 && rows[*at].time <= relaxed.end;
    let at = (first..rows.len()).find(inside)?;
    events.push((step, at));
    events.sort_by_key(|(_, row)| *row);
    let text = format!(
        "the chain was broken by {} at {}, {} after its first event",
        step_name(rule, step),
        instant(rows[at].time),
        duration(rows[at].time - relaxed.start)
    );
    Some(Miss::new(Kind::Until, text).events(events))
}

/// Something came that had to stay away.
fn absence(rule: &Rule, parts: Parts<'_>, rows: &[Row], end: i64) -> Option<Miss> {
    let absent = |(step, stage): (usize, &Stage)| match stage {
        Stage::Absent => Some(step),
        Stage::Present(_) => None,
    };
    let away: Vec<usize> = parts.stages.iter().enumerate().filter_map(absent).collect();
    if away.is_empty() {
        return None;
    }
    let strict = Stages::new(parts.stages, parts.until, true, rows);
    if strict.trailing != 0 {
        // Those in between hold: then it is the silence at the end.
        let between: Vec<Stage> = parts.stages.iter().rev().skip_while(|s| **s == Stage::Absent).cloned().collect();
        let between: Vec<Stage> = between.into_iter().rev().collect();
        let chains = found(Parts { stages: &between, ..parts }, rows, end);
        if let Some(miss) = silence(rule, parts, rows, &chains, &strict) {
            return Some(miss);
        }
    }
    let relaxed = found(Parts { absences: false, ..parts }, rows, end).pop()?;
    let mut events = relaxed.events(rule, rows);
    let (first, last) = (events[0].1, events[events.len() - 1].1);
    let hit = (first..=last).find_map(|at| {
        let step = away.iter().find(|s| rows[at].steps & 1u32.checked_shl(**s as u32).unwrap_or(0) != 0)?;
        (!events.iter().any(|(_, row)| *row == at)).then_some((*step, at))
    })?;
    events.push(hit);
    events.sort_by_key(|(_, row)| *row);
    let text = format!(
        "{} had to stay away and came at {}, {} after the first event",
        step_name(rule, hit.0),
        instant(rows[hit.1].time),
        duration(rows[hit.1].time - relaxed.start)
    );
    Some(Miss::new(Kind::Absence, text).events(events))
}

/// The longest silence that was broken.
fn silence(rule: &Rule, parts: Parts<'_>, rows: &[Row], chains: &[Match], stages: &Stages<'_>) -> Option<Miss> {
    let (bits, breaks) = (stages.trailing, breakers(stages, None, rows));
    let broken = |m: &Match| {
        let at = breaks[m.last]?;
        let lasted = rows[at].time - m.start;
        (lasted <= parts.within).then_some((lasted, at))
    };
    let longest = chains.iter().filter_map(|m| broken(m).map(|(lasted, at)| (lasted, at, m)));
    let (lasted, at, chain) = longest.max_by_key(|(lasted, _, _)| *lasted)?;
    let step = (0..32).find(|s| rows[at].steps & bits & (1u32 << s) != 0)? as usize;
    let mut events = chain.events(rule, rows);
    events.push((step, at));
    let text = format!(
        "no absence: {} came at {}, after {} of {}",
        step_name(rule, step),
        instant(rows[at].time),
        duration(lasted),
        duration(parts.within)
    );
    Some(Miss::new(Kind::Absence, text).of(lasted, parts.within).events(events))
}

/// A condition between steps does not hold: on the chain where the fewest do not.
fn condition(rule: &Rule, parts: Parts<'_>, rows: &[Row], end: i64) -> Option<Miss> {
    if parts.residuals.is_empty() {
        return None;
    }
    let relaxed = found(Parts { residuals: &[], ..parts }, rows, end);
    let values = residual::Values::new(parts.residuals, rows);
    let chains = relaxed.iter().rev().take(LOOKED_AT).map(|m| {
        let events = m.events(rule, rows);
        (values.broken(parts.residuals, &events), events)
    });
    let (failing, events) = chains.filter(|(failing, _)| !failing.is_empty()).min_by_key(|(f, _)| f.len())?;
    let row = |step: usize| events.iter().rev().find(|(s, _)| *s == step).map(|(_, row)| *row);
    let value = |step: usize, slot: usize| {
        row(step).and_then(|r| rows[r].values.get(slot)).unwrap_or_else(|| "missing".to_owned())
    };
    let shown = failing.iter().map(|r| {
        let (left, right) = (value(r.step, r.slot), value(r.other, r.other_slot));
        format!("{} does not hold: {left} and {right}", sentence::residual(rule, r))
    });
    let text = format!("all steps came in order, but {}", shown.collect::<Vec<_>>().join("; "));
    Some(Miss::new(Kind::Condition, text).events(events))
}

/// Of so many chains the one with the fewest failing conditions is shown.
const LOOKED_AT: usize = 1_000;

/// The chain took too long; and by how much, µs.
fn window(rule: &Rule, parts: Parts<'_>, rows: &[Row]) -> Option<(Miss, i64)> {
    let endless = Parts { within: i64::MAX, ..parts };
    let stages = Stages::new(parts.stages, parts.until, true, rows);
    let chains = complete(&stages, endless, rows).into_iter().enumerate().filter_map(|(at, c)| c.map(|c| (at, c)));
    let (last, chain) = chains.min_by_key(|(last, chain)| rows[*last].time - chain.start)?;
    let took = rows[last].time - chain.start;
    let over = took.saturating_sub(parts.within);
    if over <= 0 {
        return None;
    }
    let step = stages.present.last()?.step;
    let text = format!(
        "the chain took {} of {}: {} came {} too late, at {}",
        duration(took),
        duration(parts.within),
        step_name(rule, step),
        duration(over),
        instant(rows[last].time)
    );
    let chain = Match { start: chain.start, end: rows[last].time, last, pending: false, proof: chain.link };
    let events = chain.events(rule, rows);
    Some((Miss::new(Kind::Window, text).of(took, parts.within).events(events), over))
}

/// All steps came within the window, in another order.
fn order(rule: &Rule, parts: Parts<'_>, rows: &[Row]) -> Option<Miss> {
    // Steps keep their numbers, so only sequences without absences are looked at.
    let having = |stage: &Stage| match stage {
        Stage::Present(having) => Some(having.clone()),
        Stage::Absent => None,
    };
    let stages: Vec<Having> = parts.stages.iter().map(having).collect::<Option<_>>()?;
    let together = all::ends(&stages, rows).into_iter().find(|m| m.end - m.start <= parts.within)?;
    let events = together.events(rule, rows);
    // The first step that began before the one before it was complete.
    let ends = |step: usize| events.iter().filter(move |(s, _)| *s == step).map(|(_, row)| *row);
    let early = (1..stages.len()).find_map(|step| {
        let (before, own) = (ends(step - 1).max()?, ends(step).min()?);
        (own <= before).then_some((step, own, before))
    });
    let (step, own, before) = early?;
    let text = format!(
        "all steps came, in another order: {} at {} before {} at {}",
        step_name(rule, step),
        instant(rows[own].time),
        step_name(rule, step - 1),
        instant(rows[before].time)
    );
    Some(Miss::new(Kind::Order, text).events(events))
}

/// How far the steps came within the window.
fn progress(rule: &Rule, parts: Parts<'_>, rows: &[Row]) -> Option<Miss> {
    let stages = Stages::new(parts.stages, parts.until, true, rows);
    let chains = stages.chains(rows);
    let inside = |table: &Vec<Option<super::chain::Chain>>| -> Vec<(usize, i64)> {
        let each = table.iter().enumerate().filter_map(|(at, c)| c.as_ref().map(|c| (at, c.start)));
        each.filter(|(at, start)| rows[*at].time - start <= parts.within).collect()
    };
    let reached: Vec<Vec<(usize, i64)>> = chains.iter().map(inside).take_while(|c| !c.is_empty()).collect();
    let next = stages.present.get(reached.len())?;
    let Some(done) = reached.last() else {
        return all::missing(rule, next.step, next.having, parts.within, rows);
    };
    let before = &stages.present[reached.len() - 1];
    let after = |(row, start): &(usize, i64)| {
        let from = next.members.partition_point(|m| m <= row);
        let to = next.members.partition_point(|m| rows[*m].time <= start.saturating_add(parts.within));
        (to.saturating_sub(from), *row, from)
    };
    let (most, row, from) = done.iter().map(after).max_by_key(|(most, row, _)| (*most, *row))?;
    let (name, done_name) = (step_name(rule, next.step), step_name(rule, before.step));
    let complete = instant(rows[row].time);
    let wanted = next.having.only_count();
    let text = match (most, wanted) {
        (0, _) => {
            let earlier = members(rows, next.step).iter().rev().find(|m| **m <= row).map(|m| instant(rows[*m].time));
            let earlier = earlier.map_or(String::new(), |t| format!(" (the last before it was at {t})"));
            format!("{done_name} was complete at {complete}, but no event satisfied {name} after it in time{earlier}")
        }
        (most, Some(count)) => {
            format!(
                "{done_name} was complete at {complete}; of {name} came {most} of {} after it",
                counted(count, "event")
            )
        }
        (_, None) => {
            let having = sentence::having(next.having, &rule.payload);
            format!("{done_name} was complete at {complete}; of {name} after it {having} did not hold")
        }
    };
    let link = chains[reached.len() - 1][row].as_ref()?;
    let chain = Match { start: link.start, end: rows[row].time, last: row, pending: false, proof: link.link.clone() };
    let mut events = chain.events(rule, rows);
    events.extend(shown(next.step, &next.members[from..from + most]));
    let miss = Miss::new(Kind::Step, text).events(events);
    Some(match wanted {
        Some(count) => miss.of(most, count),
        None => miss,
    })
}
