//! Stages: a sequence whose steps ask for more than numbers of events, or for the absence of some.
//!
//! For an event q of a step, the run of q is the shortest one of the step's events that ends with q and meets what is
//! asked; the chain before must be complete strictly before the run's first event. Runs and the starts of chains
//! only move forward, so the latest ones are all there is to keep.
//!
//! A step that asks for a number of events takes *any* of them (so `sequence` and the naive
//! evaluator count): when the chain that would go before its latest events is broken by an absent event, an earlier
//! event of the step may still begin them.

use std::borrow::{Borrow, BorrowMut};
use std::rc::Rc;

use super::amend::Amendment;
use super::episode::{Place, Point, Proof, condense};
use super::run::Run;
use super::waiting::Waiting;
use crate::rule::plan::{FieldRef, Having, Stage};

/// Partial chains of one key.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    outline: Rc<Outline>,
    steps: Vec<Progress>,
    waiting: Waiting,
}

/// The steps that are present, and where others must be absent.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) present: Vec<Present>,
    /// Those that must be absent at the end, as a bit mask.
    pub(super) end: u32,
}

/// A step that must be present.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) step: usize,
    /// The steps that must be absent before it, as a bit mask.
    pub(super) gap: u32,
    /// Asks for one event, no more.
    pub(super) single: bool,
    /// Asks for a number of events, which need not be the latest ones.
    pub(super) free: bool,
}

#[derive(Clone, Debug)]
struct Progress {
    run: Run<Link>,
    /// An event has completed the step, and nothing that must be absent has come since.
    ready: bool,
    /// The latest complete chain with the number of its first event: once it was needed, or because broken events took
    /// its place in the run.
    made: Option<(Rc<Chain>, u64)>,
}

/// An event of a step.
#[derive(Clone, Debug)]
struct Link {
    point: Point,
    before: Before,
    /// The number of the chain's first event.
    first: u64,
}

#[derive(Clone, Debug)]
enum Before {
    /// It is an event of the first step.
    Nothing,
    /// The latest chain through the steps before.
    Chain(Rc<Chain>),
    /// That one was broken; this is an earlier one with the event of this step that went on from it.
    Earlier(Rc<Chain>),
    /// There is none.
    Broken,
}

#[derive(Debug)]
struct Chain {
    start: Place,
    /// Numbers do not count here: see [`Link::first`].
    events: Proof,
}

impl Outline {
    pub(super) fn new(stages: &[Stage]) -> Outline {
        let (mut present, mut gap) = (Vec::new(), 0);
        for (step, stage) in stages.iter().enumerate() {
            match stage {
                Stage::Absent => gap |= 1 << step,
                Stage::Present(having) => {
                    let count = having.only_count();
                    let (single, free) = (count.is_some_and(|c| c < 2), count.is_some_and(|c| c >= 2));
                    present.push(Present { step, gap: std::mem::take(&mut gap), single, free });
                }
            }
        }
        Outline { present, end: gap }
    }
}

/// What a present stage asks for.
pub(super) fn having(stages: &[Stage], step: usize) -> &Having {
    match &stages[step] {
        Stage::Present(having) => having,
        Stage::Absent => unreachable!("an outline lists present stages"),
    }
}

impl Stages {
    /// No chain yet.
    pub(super) fn new(stages: &[Stage], payload: &[FieldRef]) -> Stages {
        let outline = Outline::new(stages);
        let progress =
            |p: &Present| Progress { run: Run::new(having(stages, p.step), payload), ready: false, made: None };
        Stages {
            steps: outline.present.iter().map(progress).collect(),
            outline: Rc::new(outline),
            waiting: Waiting::default(),
        }
    }

    /// Takes the next event, which fits the steps in the bit mask; whether it completes a match.
    pub(super) fn step(&mut self, within: i64, stages: &[Stage], mask: u32, point: &Point) -> bool {
        let outline = self.outline.clone();
        let horizon = point.place.time.saturating_sub(within);
        if mask & outline.end != 0 {
            self.waiting.cancel(point.place.time, within);
        }
        let mut completed = false;
        // From the last step to the first, so that one event never serves two steps of a chain, nor breaks what it begins.
        for (at, present) in outline.present.iter().enumerate().rev() {
            if outline.present.get(at + 1).is_some_and(|next| mask & next.gap != 0) {
                (self.steps[at].ready, self.steps[at].made) = (false, None);
            }
            if mask & (1 << present.step) == 0 {
                continue;
            }
            let Some(link) = self.link(at, present, horizon, point) else { continue };
            if present.gap != 0 && !present.free {
                // A run that begins with a broken event may take the place of this one, which stays complete.
                self.chain(at, horizon);
            }
            let having = having(stages, present.step);
            let progress = &mut self.steps[at];
            progress.run.push(link);
            progress.run.shorten(having, 1);
            progress.run.expire(having, |link| link.start() < horizon);
            if progress.run.holds() {
                (progress.ready, progress.made) = (true, None);
                completed |= at + 1 == outline.present.len();
            }
        }
        if completed && outline.end != 0 {
            self.waiting.push(self.proof());
            return false;
        }
        completed
    }

    /// The event as one of the step; `None` when nothing can come of it.
    fn link(&mut self, at: usize, present: &Present, horizon: i64, point: &Point) -> Option<Link> {
        let point = point.clone();
        let Some(earlier) = at.checked_sub(1) else {
            let first = point.ordinal;
            return Some(Link { point, before: Before::Nothing, first });
        };
        if let Some((chain, first)) = self.chain(earlier, horizon) {
            return Some(Link { point, before: Before::Chain(chain), first });
        }
        let last = self.steps[at].run.points().back()?;
        let (before, first) = match &last.before {
            Before::Chain(chain) if present.free => {
                let mut events = chain.events.clone();
                events.push((present.step, last.point.clone()));
                (Before::Earlier(Rc::new(Chain { start: chain.start, events })), last.first)
            }
            Before::Earlier(_) if present.free => (last.before.clone(), last.first),
            Before::Nothing | Before::Chain(_) | Before::Earlier(_) | Before::Broken => (Before::Broken, 0),
        };
        Some(Link { point, before, first })
    }

    /// An `until` event at `time` (µs): no chain passes it.
    pub(super) fn reset(&mut self, time: i64, within: i64, stages: &[Stage]) {
        for (progress, present) in self.steps.iter_mut().zip(&self.outline.present) {
            progress.run.clear(having(stages, present.step));
            (progress.ready, progress.made) = (false, None);
        }
        self.waiting.cancel(time, within);
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        self.steps.last().and_then(|p| p.run.front()).map_or(i64::MIN, Link::start)
    }

    /// The events of that match.
    pub(super) fn proof(&self) -> Proof {
        self.events(self.steps.len() - 1)
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

    fn events(&self, at: usize) -> Proof {
        let run = &self.steps[at].run;
        let mut events = match run.front().map(|link| &link.before) {
            Some(Before::Chain(chain) | Before::Earlier(chain)) => chain.events.clone(),
            Some(Before::Nothing | Before::Broken) | None => Proof::new(),
        };
        events.extend(run.proof(self.outline.present[at].step));
        if let (Some((_, point)), Some(link)) = (events.first_mut(), run.front()) {
            point.ordinal = link.first;
        }
        events
    }

    /// The latest-starting chain through a step, if it is complete, unbroken, and starts no earlier than `horizon`; and the
    /// number of its first event.
    fn chain(&mut self, at: usize, horizon: i64) -> Option<(Rc<Chain>, u64)> {
        let progress = &self.steps[at];
        if progress.made.is_none() && progress.ready && progress.run.holds() {
            let front = progress.run.front()?;
            let (first, start) = (front.first, front.start_place()?);
            let mut events = self.events(at);
            condense(&mut events);
            self.steps[at].made = Some((Rc::new(Chain { start, events }), first));
        }
        self.steps[at].made.clone().filter(|(chain, _)| chain.start.time >= horizon)
    }

    pub(super) fn size(&self) -> usize {
        self.steps.iter().map(|p| p.run.points().len()).sum::<usize>() + self.waiting.size()
    }

    pub(super) fn same(&self, other: &Stages) -> bool {
        self.steps.iter().zip(&other.steps).all(|(a, b)| a.same(b)) && self.waiting.same(&other.waiting)
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        let touched = self.waiting.amend(amendment);
        self.steps.iter_mut().fold(touched, |touched, p| touched | p.amend(amendment))
    }
}

impl Progress {
    fn same(&self, other: &Progress) -> bool {
        // While the run meets what is asked it is the latest complete chain.
        let kept = |p: &Progress| p.made.clone().filter(|_| !p.run.holds()).map(|(chain, _)| chain);
        let same = match (kept(self), kept(other)) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same(&b),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same && self.ready == other.ready && self.run.same(&other.run, Link::same)
    }

    fn amend(&mut self, amendment: &Amendment) -> bool {
        let made = self.made.as_mut();
        let mut touched = made.is_some_and(|(chain, first)| amendment.number(chain.start, first));
        for link in self.run.points_mut() {
            let point = amendment.point(&mut link.point);
            let chain = link.start_place().map(|start| amendment.number(start, &mut link.first));
            touched |= point;
            // Later events have chains that start later.
            if chain == Some(false) {
                break;
            }
            touched |= chain == Some(true);
        }
        touched
    }
}

impl Chain {
    fn same(&self, other: &Chain) -> bool {
        self.events.len() == other.events.len()
            && self.events.iter().zip(&other.events).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1))
    }
}

impl Link {
    fn start_place(&self) -> Option<Place> {
        match &self.before {
            Before::Nothing => Some(self.point.place),
            Before::Chain(chain) | Before::Earlier(chain) => Some(chain.start),
            Before::Broken => None,
        }
    }

    fn start(&self) -> i64 {
        self.start_place().map_or(i64::MIN, |start| start.time)
    }

    fn same(&self, other: &Link) -> bool {
        let same = match (&self.before, &other.before) {
            (Before::Nothing, Before::Nothing) | (Before::Broken, Before::Broken) => true,
            (Before::Chain(a), Before::Chain(b)) | (Before::Earlier(a), Before::Earlier(b)) => {
                Rc::ptr_eq(a, b) || a.same(b)
            }
            (Before::Nothing | Before::Chain(_) | Before::Earlier(_) | Before::Broken, _) => false,
        };
        same && self.point.same(&other.point)
    }
}

impl Borrow<Point> for Link {
    fn borrow(&self) -> &Point {
        &self.point
    }
}

impl BorrowMut<Point> for Link {
    fn borrow_mut(&mut self) -> &mut Point {
        &mut self.point
    }
}
