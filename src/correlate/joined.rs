//! Joined: a sequence with conditions between events of different steps.
//!
//! The latest chain need not be one that meets the conditions, so the events that chains can go through are kept for
//! the window ([`candidates`](super::candidates)). Each event of a step looks for the latest-starting chain before it: from step to step
//! backwards, from the latest event to the earliest, never further than what could still start later than the best
//! chain found. Runs, absent steps and the meaning of counts are as in [`stages`](super::stages).

use std::collections::VecDeque;
use std::rc::Rc;

use super::amend::Amendment;
use super::candidates::{Candidate, Candidates, Chain};
use super::episode::{Place, Point, Proof, ends};
use super::residual::{holds, identity, is_equality};
use super::run::Run;
use super::stages::{Outline, having};
use super::waiting::Waiting;
use crate::rule::plan::{FieldRef, Residual, Stage, Tuple};

/// The key's events of the window that matter.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    outline: Rc<Outline>,
    ties: Rc<[Tie]>,
    steps: Vec<Progress>,
    waiting: Waiting,
    /// The match the last event completed.
    found: Option<(Rc<Chain>, u64)>,
}

/// A condition between two present steps, by their positions among these.
#[derive(Debug)]
struct Tie {
    later: usize,
    earlier: usize,
    residual: Residual,
}

#[derive(Clone, Debug)]
struct Progress {
    candidates: Candidates,
    /// The shortest run of events that meets what is asked, where that is more than one event.
    run: Option<Run<Point>>,
    /// All events of the step, where an earlier one than the run's may have to begin it.
    events: VecDeque<Point>,
    /// The events that must not come before the step.
    breaks: VecDeque<Place>,
}

/// The best chain so far, with the number of its first event.
type Best = Option<(Rc<Chain>, u64)>;

/// The events chosen for later steps.
struct Chosen<'a> {
    at: usize,
    values: &'a Tuple,
    /// The candidate, and with which event its run begins; the event that looks for a chain is none.
    candidate: Option<(&'a Candidate, Option<Place>)>,
    later: Option<&'a Chosen<'a>>,
}

impl Joined {
    /// No event yet.
    pub(super) fn new(stages: &[Stage], residuals: &[Residual], payload: &[FieldRef]) -> Joined {
        let outline = Outline::new(stages);
        let find = |step: usize| outline.present.iter().position(|p| p.step == step);
        let tie = |r: &Residual| Some(Tie { later: find(r.step)?, earlier: find(r.other)?, residual: r.clone() });
        let ties: Rc<[Tie]> = residuals.iter().filter_map(tie).collect();
        let progress = |(at, present): (usize, &super::stages::Present)| {
            let of = |equality| ties.iter().filter(move |t| t.earlier == at && is_equality(&t.residual) == equality);
            let value = |t: &Tie| (t.residual.other_slot, t.residual.numbers);
            let alike = of(false).next().map(value);
            let run = (!present.single).then(|| Run::new(having(stages, present.step), payload));
            let candidates = Candidates::new(of(true).map(value), alike);
            Progress { candidates, run, events: VecDeque::new(), breaks: VecDeque::new() }
        };
        let steps = outline.present.iter().enumerate().map(progress).collect();
        Joined { steps, ties: ties.clone(), outline: Rc::new(outline), waiting: Waiting::default(), found: None }
    }

    /// Takes the next event, which fits the steps in the bit mask; whether it completes a match.
    pub(super) fn step(&mut self, within: i64, stages: &[Stage], mask: u32, point: &Point) -> bool {
        let outline = self.outline.clone();
        let horizon = point.place.time.saturating_sub(within);
        if mask & outline.end != 0 {
            self.waiting.cancel(point.place.time, within);
        }
        self.found = None;
        for (at, present) in outline.present.iter().enumerate().rev() {
            let progress = &mut self.steps[at];
            progress.expire(horizon);
            if mask & present.gap != 0 {
                progress.breaks.push_back(point.place);
            }
            if mask & (1 << present.step) == 0 {
                continue;
            }
            if let Some(run) = &mut progress.run {
                let having = having(stages, present.step);
                run.expire(having, |p| p.place.time < horizon);
                run.push(point.clone());
                run.shorten(having, 1);
                if present.free && present.gap != 0 && at > 0 {
                    progress.events.push_back(point.clone());
                }
                if !run.holds() {
                    continue;
                }
            }
            let Some((chain, ordinal)) = self.chain(at, horizon, point) else { continue };
            if at + 1 == outline.present.len() {
                self.found = Some((chain, ordinal));
            } else {
                let first = self.steps[at].first(point);
                self.steps[at].candidates.push(first, chain, ordinal);
            }
        }
        if self.found.is_some() && outline.end != 0 {
            self.waiting.push(self.proof());
            return false;
        }
        self.found.is_some()
    }

    /// The latest-starting chain that ends with this event of a step.
    fn chain(&self, at: usize, horizon: i64, point: &Point) -> Best {
        let progress = &self.steps[at];
        let run: Vec<Point> = match &progress.run {
            Some(run) => ends(run.points().iter()).filter(|p| p.place != point.place).cloned().collect(),
            None => Vec::new(),
        };
        let (step, last) = (self.outline.present[at].step, point.clone());
        let Some(earlier) = at.checked_sub(1) else {
            let first = run.first().unwrap_or(point);
            let (start, ordinal) = (first.place, first.ordinal);
            return Some((Rc::new(Chain { start, step, last, run, before: None }), ordinal));
        };
        let mut best = None;
        let first = progress.first(point);
        for begin in progress.begins(first) {
            let chosen = Chosen { at, values: &point.values, candidate: None, later: None };
            let before = best.as_ref().map(|(chain, _): &(Rc<Chain>, u64)| chain.start);
            let from = begin.unwrap_or(first);
            if before.is_some_and(|before| from <= before) {
                break;
            }
            let mut found = best.clone();
            self.search(earlier, from, horizon, &chosen, &mut found);
            if let Some((chain, ordinal)) = found
                && before.is_none_or(|before| chain.start > before)
            {
                let (run, last) = (progress.run_from(begin, first, &run), last.clone());
                let chain = Chain { start: chain.start, step, last, run, before: Some(chain) };
                best = Some((Rc::new(chain), ordinal));
            }
        }
        best
    }

    /// Looks for a better chain through the steps up to `at`, which ends before `next`.
    fn search(&self, at: usize, next: Place, horizon: i64, chosen: &Chosen<'_>, best: &mut Best) {
        let progress = &self.steps[at];
        let broken = self.steps[at + 1].last_break(next);
        let top = chosen.top();
        let tied = |t: &&Tie| t.earlier == at && t.later <= top;
        // Whether what comes before is no matter of the events chosen for later steps.
        let closed = !self.ties.iter().any(|t| t.later > at && t.later <= top && t.earlier < at);
        // Whether the latest event that fits is the best: any earlier one has fewer before it.
        let latest = self.outline.present[at].gap == 0 && !self.ties.iter().any(|t| t.later == at);
        let equality = self.ties.iter().filter(tied).find(|t| is_equality(&t.residual));
        let mut walk = match equality {
            None => progress.candidates.before(next),
            Some(Tie { later, residual: r, .. }) => {
                let values = chosen.find(*later).values;
                let Some(identity) = identity(values, r.slot, r.numbers) else { return };
                let Some(walk) = progress.candidates.with((r.other_slot, r.numbers), &identity, next) else { return };
                walk
            }
        };
        while let Some((candidate, greatest)) = walk.next() {
            let hopeless = greatest.time < horizon || best.as_ref().is_some_and(|(chain, _)| greatest <= chain.start);
            if hopeless || broken.is_some_and(|broken| candidate.place() < broken) {
                return;
            }
            let fails = |t: &&Tie| !holds(&t.residual, chosen.find(t.later).values, candidate.values());
            if let Some(tie) = self.ties.iter().filter(tied).find(fails) {
                walk.leave_alike(candidate, (tie.residual.other_slot, tie.residual.numbers));
                continue;
            }
            if closed {
                self.better(candidate, horizon, chosen, best);
            } else if let Some(earlier) = at.checked_sub(1) {
                for begin in progress.begins(candidate.first) {
                    let from = begin.unwrap_or(candidate.first);
                    if best.as_ref().is_some_and(|(chain, _)| from <= chain.start) {
                        break;
                    }
                    let taken = Some((candidate, begin));
                    let chosen = Chosen { at, values: candidate.values(), candidate: taken, later: Some(chosen) };
                    self.search(earlier, from, horizon, &chosen, best);
                }
            }
            if latest {
                return;
            }
        }
    }

    /// Takes the candidate's own chain, with the events chosen after it, if it is better.
    fn better(&self, candidate: &Candidate, horizon: i64, chosen: &Chosen<'_>, best: &mut Best) {
        let start = candidate.chain.start;
        if start.time < horizon || best.as_ref().is_some_and(|(chain, _)| start <= chain.start) {
            return;
        }
        let mut chain = candidate.chain.clone();
        let mut next = Some(chosen);
        while let Some(Chosen { at, candidate: Some((taken, begin)), later, .. }) = next {
            let Chain { step, last, run, .. } = &*taken.chain;
            let run = self.steps[*at].run_from(*begin, taken.first, run);
            chain = Rc::new(Chain { start, step: *step, last: last.clone(), run, before: Some(chain) });
            next = *later;
        }
        *best = Some((chain, candidate.ordinal));
    }

    /// An `until` event at `time` (µs): no chain passes it.
    pub(super) fn reset(&mut self, time: i64, within: i64, stages: &[Stage]) {
        for (progress, present) in self.steps.iter_mut().zip(&self.outline.present) {
            progress.candidates.clear();
            if let Some(run) = &mut progress.run {
                run.clear(having(stages, present.step));
            }
            progress.events.clear();
            progress.breaks.clear();
        }
        self.waiting.cancel(time, within);
    }

    /// The events of the match that the last event completed.
    pub(super) fn proof(&self) -> Proof {
        self.found.as_ref().map(|(chain, ordinal)| chain.proof(*ordinal)).unwrap_or_default()
    }

    /// The chains that wait for their deadline.
    pub(super) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    pub(super) fn waiting_mut(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    /// Whether matches wait for a deadline.
    pub(super) fn waits(&self) -> bool {
        self.outline.end != 0
    }

    pub(super) fn size(&self) -> usize {
        self.steps.iter().map(Progress::size).sum::<usize>() + self.waiting.size()
    }

    pub(super) fn same(&self, other: &Joined) -> bool {
        self.steps.iter().zip(&other.steps).all(|(a, b)| a.same(b)) && self.waiting.same(&other.waiting)
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let touched = self.waiting.amend(amendment);
        self.steps.iter_mut().fold(touched, |touched, p| touched | p.amend(amendment))
    }
}

impl<'a> Chosen<'a> {
    fn find(&self, at: usize) -> &Chosen<'a> {
        let mut chosen = self;
        while chosen.at != at
            && let Some(later) = chosen.later
        {
            chosen = later;
        }
        chosen
    }

    fn top(&self) -> usize {
        self.later.map_or(self.at, Chosen::top)
    }
}

impl Progress {
    fn expire(&mut self, horizon: i64) {
        self.candidates.expire(horizon);
        while self.events.front().is_some_and(|p| p.place.time < horizon) {
            self.events.pop_front();
        }
        while self.breaks.front().is_some_and(|p| p.time < horizon) {
            self.breaks.pop_front();
        }
    }

    /// Where the run that ends with the latest event starts.
    fn first(&self, point: &Point) -> Place {
        self.run.as_ref().and_then(Run::front).map_or(point.place, |p| p.place)
    }

    /// With which events the run may begin: `None` for the one it does begin with, then earlier ones, latest first.
    fn begins(&self, first: Place) -> impl Iterator<Item = Option<Place>> {
        let count = self.events.partition_point(|p| p.place < first);
        std::iter::once(None).chain(self.events.range(..count).rev().map(|p| Some(p.place)))
    }

    /// The events of the run before its last one, begun with an earlier one.
    fn run_from(&self, begin: Option<Place>, first: Place, run: &[Point]) -> Vec<Point> {
        let begin = begin.and_then(|place| self.events.iter().find(|p| p.place == place));
        begin.into_iter().chain(run.iter().filter(|p| p.place >= first)).cloned().collect()
    }

    fn last_break(&self, before: Place) -> Option<Place> {
        let count = self.breaks.partition_point(|p| *p < before);
        count.checked_sub(1).map(|at| self.breaks[at])
    }

    fn size(&self) -> usize {
        let run = self.run.as_ref().map_or(0, |run| run.points().len());
        self.candidates.size() + run + self.events.len() + self.breaks.len()
    }

    fn same(&self, other: &Progress) -> bool {
        let run = match (&self.run, &other.run) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same(b, Point::same),
            (Some(_), None) | (None, Some(_)) => false,
        };
        run && self.breaks == other.breaks
            && self.events.len() == other.events.len()
            && self.events.iter().zip(&other.events).all(|(a, b)| a.same(b))
            && self.candidates.same(&other.candidates)
    }

    fn amend(&mut self, amendment: &Amendment) -> bool {
        let run = self.run.as_mut().is_some_and(|run| run.amend(amendment));
        let events = amendment.points(&mut self.events);
        self.candidates.amend(amendment) || run || events
    }
}
