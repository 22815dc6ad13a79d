//! Figures that stand out from a key's history. In: its events. Out: matches, and how far the nearest one stood out.

use std::collections::VecDeque;
use std::rc::Rc;

use super::gauge::{Gauge, bucket_start};
use super::usual::Usual;
use super::{Kind, Link, Match, Miss, Row, members, shown};
use crate::rule::plan::{Aggregate, Bound, Compare, Deviation, Form, Having, Rule};
use crate::why::sentence;
use crate::why::value::{counted, duration, instant, instant_beside};

/// The parts of the form.
struct Baseline {
    every: i64,
    over: i64,
    learn: i64,
    aggregate: Aggregate,
    above: Deviation,
    least: Option<i128>,
}

/// A bucket up to an event, beside what was usual.
struct Standing {
    /// Positions of the bucket's first event, and of this one, among the members.
    first: usize,
    at: usize,
    known: i64,
    value: f64,
    centre: f64,
    spread: f64,
    /// What it must be above.
    needed: f64,
    /// Of so many buckets.
    buckets: u64,
}

fn parts(form: &Form) -> Option<Baseline> {
    match form {
        Form::Baseline { every, over, learn, aggregate, above, least } => Some(Baseline {
            every: (*every).max(1),
            over: *over,
            learn: *learn,
            aggregate: *aggregate,
            above: *above,
            least: *least,
        }),
        Form::Single
        | Form::Threshold { .. }
        | Form::Distinct { .. }
        | Form::Aggregate { .. }
        | Form::Sequence { .. }
        | Form::All { .. }
        | Form::Novel { .. } => None,
    }
}

/// What is remembered from event to event.
struct History {
    /// Buckets that are over and lie in reach, with their figures.
    past: VecDeque<(i64, f64)>,
    usual: Usual,
    /// The bucket that goes on: its number, its first member, its figure.
    current: Option<(i64, usize, f64)>,
    /// Time of the first and the latest event of the present activity.
    activity: Option<(i64, i64)>,
}

impl Baseline {
    fn standings(&self, rows: &[Row], members: &[usize]) -> Vec<Standing> {
        let asked = Having::Bound(Bound { aggregate: self.aggregate, compare: Compare::AtLeast, value: i128::MIN });
        let mut gauge = Gauge::new(&asked, rows, members);
        let mut history = History { past: VecDeque::new(), usual: Usual::default(), current: None, activity: None };
        let mut out = Vec::new();
        for (at, row) in members.iter().enumerate() {
            let time = rows[*row].time;
            let bucket = time.div_euclid(self.every);
            let since = match history.activity {
                Some((since, last)) if time.saturating_sub(last) <= self.over => since,
                Some(_) | None => {
                    history.past.clear();
                    history.usual = Usual::default();
                    if let Some((_, first, _)) = history.current.take() {
                        (first..at).for_each(|m| gauge.remove(m));
                    }
                    time
                }
            };
            history.activity = Some((since, time));
            if let Some((number, first, figure)) = history.current.filter(|(number, _, _)| *number != bucket) {
                history.past.push_back((number, figure));
                history.usual.add(figure);
                (first..at).for_each(|m| gauge.remove(m));
                history.current = None;
            }
            gauge.add(at);
            let value = gauge.figure(self.aggregate).map_or(0.0, |(n, by)| n as f64 / by as f64);
            let first = history.current.map_or(at, |(_, first, _)| first);
            history.current = Some((bucket, first, value));
            // Buckets of [t − over, t) that are over, from that of the first event of the activity.
            let reach = time.saturating_sub(self.over).saturating_add(self.every - 1).div_euclid(self.every);
            let reach = reach.max(since.div_euclid(self.every));
            while let Some((_, figure)) = history.past.front().copied().filter(|(number, _)| *number < reach) {
                history.past.pop_front();
                history.usual.remove(figure);
            }
            let buckets = u64::try_from(bucket - reach).unwrap_or(0);
            history.usual.zeros = buckets.saturating_sub(history.past.len() as u64);
            let known = time - since;
            if let Some((centre, spread, needed)) = self.usual(&history.usual) {
                out.push(Standing { first, at, known, value, centre, spread, needed, buckets });
            }
        }
        out
    }

    /// What is usual, its spread, and what must be passed; `None` without a past.
    fn usual(&self, usual: &Usual) -> Option<(f64, f64, f64)> {
        let times = |k: i64| k as f64 / 1000.0;
        Some(match self.above {
            Deviation::Mad(k) => {
                let centre = usual.median()?;
                let spread = usual.deviation(centre)?;
                (centre, spread, centre + times(k) * spread)
            }
            Deviation::Sigma(k) => {
                let (mean, sigma) = usual.mean()?;
                (mean, sigma, mean + times(k) * sigma)
            }
            Deviation::Times(k) => {
                let (mean, _) = usual.mean()?;
                (mean, mean, times(k) * mean)
            }
        })
    }

    fn fires(&self, s: &Standing) -> bool {
        s.known >= self.learn && s.value > s.needed && self.least.is_none_or(|l| s.value >= l as f64)
    }
}

pub(super) fn matches(rule: &Rule, rows: &[Row]) -> Vec<Match> {
    let Some(baseline) = parts(&rule.form) else { return Vec::new() };
    let members = members(rows, 0);
    let one = |s: Standing| {
        let link = Link { step: 0, members: members.clone(), from: s.at, to: s.at, before: None };
        Match::at(rows, members[s.at], Rc::new(link))
    };
    baseline.standings(rows, &members).into_iter().filter(|s| baseline.fires(s)).map(one).collect()
}

pub(super) fn misses(rule: &Rule, rows: &[Row]) -> Vec<Miss> {
    let Some(baseline) = parts(&rule.form) else { return Vec::new() };
    let members = members(rows, 0);
    let all = baseline.standings(rows, &members);
    // What share of what it needs it has.
    let share =
        |s: &&Standing| s.value / s.needed.max(baseline.least.unwrap_or_default() as f64).max(f64::MIN_POSITIVE);
    let best = all.iter().filter(|s| s.known >= baseline.learn).max_by(|a, b| share(a).total_cmp(&share(b)));
    let Some(best) = best else { return learning(&baseline, rows, &members).into_iter().collect() };
    let events = shown(0, &members[best.first..=best.at]);
    let mut text = baseline.tell(rule, best, rows[members[best.at]].time);
    let least = baseline.least.unwrap_or_default();
    if best.value < least as f64 {
        let wanted = sentence::figure(baseline.aggregate, &rule.payload, least);
        text.push_str(&format!("; at least {wanted} is wanted"));
    }
    if best.value > best.needed {
        return vec![Miss::new(Kind::Deviation, text).of(best.value as i128, least).events(events)];
    }
    let (reached, wanted) = best.scale(baseline.above);
    let mut miss = Miss::new(Kind::Deviation, text).events(events);
    (miss.finding.reached, miss.finding.wanted) = (Some(reached), Some(wanted));
    vec![miss]
}

/// How far the event at this row stood out.
pub(super) fn met(rule: &Rule, rows: &[Row], row: usize) -> Option<String> {
    let baseline = parts(&rule.form)?;
    let members = members(rows, 0);
    let standings = baseline.standings(rows, &members);
    let standing = standings.iter().find(|s| members[s.at] == row)?;
    Some(baseline.tell(rule, standing, rows[row].time))
}

impl Baseline {
    fn tell(&self, rule: &Rule, standing: &Standing, time: i64) -> String {
        let figure = |v: f64| sentence::figure(self.aggregate, &rule.payload, v.round() as i128);
        let from = bucket_start(time, self.every);
        let to = from.saturating_add(self.every);
        let usual = match self.above {
            Deviation::Mad(_) => format!("median {}, mad {}", figure(standing.centre), figure(standing.spread)),
            Deviation::Sigma(_) => format!("mean {}, sigma {}", figure(standing.centre), figure(standing.spread)),
            Deviation::Times(_) => format!("mean {}", figure(standing.centre)),
        };
        format!(
            "{:.1} of {}: {} = {} in the bucket from {} to {}; usual in the {} before: {usual}; above {} stands out",
            standing.scale(self.above).0,
            sentence::deviation(self.above),
            sentence::aggregate(self.aggregate, &rule.payload),
            figure(standing.value),
            instant(from),
            instant_beside(to, from),
            counted(standing.buckets as usize, "bucket"),
            figure(standing.needed)
        )
    }
}

impl Standing {
    /// How far it is above what is usual, and how far it must be, in the unit of the rule.
    fn scale(&self, above: Deviation) -> (f64, f64) {
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        match above {
            Deviation::Mad(k) | Deviation::Sigma(k) => {
                (ratio(self.value - self.centre, self.spread), k as f64 / 1000.0)
            }
            Deviation::Times(k) => (ratio(self.value, self.centre), k as f64 / 1000.0),
        }
    }
}

/// The key is not known for long enough.
fn learning(baseline: &Baseline, rows: &[Row], members: &[usize]) -> Option<Miss> {
    let last = rows[*members.last()?].time;
    let near = |later: i64, row: &usize| later.saturating_sub(rows[*row].time) <= baseline.over;
    let mut since = last;
    for row in members.iter().rev() {
        if !near(since, row) {
            break;
        }
        since = rows[*row].time;
    }
    let text = format!(
        "the key was being learnt: it was known for {} of {}, since {}",
        duration(last - since),
        duration(baseline.learn),
        instant(since)
    );
    Some(Miss::new(Kind::Learning, text).of(last - since, baseline.learn).events(shown(0, members)))
}
