//! Sequence: steps one after the other, each with its number of events, in strict order. (Those that ask for more are
//! in `stages` and `joined`.)
//!
//! For each step the last `count` of its events are remembered that came when the steps before were
//! complete, each with the *latest-starting* chain it continues. Taking the latest events of every
//! step, the start of the chain that ends at an event is the latest possible; it only moves forward,
//! so nothing else has to be kept.

use std::collections::VecDeque;
use std::rc::Rc;

use super::amend::Amendment;
use super::episode::{Point, Proof};
use crate::event::fetch::fetch;
use crate::rule::plan::{Residual, Stage};

/// Partial chains of one key.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    steps: Vec<Step>,
    /// The event that completed the last match, and its start, where the last step takes one event.
    end: Option<(i64, Point)>,
}

#[derive(Clone, Debug)]
struct Step {
    /// How many events it takes.
    count: usize,
    links: VecDeque<Link>,
}

#[derive(Clone, Debug)]
struct Link {
    point: Point,
    /// The chain through all earlier steps; `None` on the first step.
    before: Option<Rc<Chain>>,
    /// The number of the chain's first event.
    first: u64,
}

#[derive(Debug)]
struct Chain {
    start: i64,
    /// Numbers do not count here: see [`Link::first`].
    events: Proof,
}

impl Sequence {
    /// Whether a rule asks for no more than numbers of events, one step after the other.
    pub(super) fn suffices(stages: &[Stage], residuals: &[Residual]) -> bool {
        let plain = |stage: &Stage| match stage {
            Stage::Present(having) => having.only_count().is_some(),
            Stage::Absent => false,
        };
        residuals.is_empty() && stages.iter().all(plain)
    }

    /// No chain yet.
    pub(super) fn new(stages: &[Stage]) -> Sequence {
        let step = |stage: &Stage| {
            let count = match stage {
                Stage::Present(having) => having.only_count().unwrap_or(1).max(1),
                Stage::Absent => 1,
            };
            Step { count, links: VecDeque::new() }
        };
        Sequence { steps: stages.iter().map(step).collect(), end: None }
    }

    /// Takes the next event, which fits the steps in the bit mask; whether it completes a match.
    pub(super) fn step(&mut self, within: i64, mask: u32, point: &Point) -> bool {
        let horizon = point.place.time.saturating_sub(within);
        let mut completed = false;
        // From the last step to the first, so that one event never serves two steps of a chain.
        for step in (0..self.steps.len()).rev() {
            if mask & (1 << step) == 0 {
                continue;
            }
            // Most sequences end with one event: whether the steps before are complete is then all that matters, as
            // long as the event is not one of theirs too.
            let is_last = step + 1 == self.steps.len();
            if step > 0 && is_last && self.steps[step].count == 1 && mask == 1 << step {
                self.end = self.complete(step - 1, horizon).map(|start| (start, point.clone()));
                completed |= self.end.is_some();
                continue;
            }
            let (before, first) = match step {
                0 => (None, point.ordinal),
                later => match self.chain(later - 1, horizon) {
                    Some((chain, first)) => (Some(chain), first),
                    None => continue,
                },
            };
            self.end = None;
            let Step { count, links } = &mut self.steps[step];
            links.push_back(Link { point: point.clone(), before, first });
            while links.len() > *count || links.front().is_some_and(|l| l.start() < horizon) {
                links.pop_front();
            }
            completed |= is_last && links.len() == *count;
        }
        completed
    }

    /// See [`Key::fetch`](super::key::Key::fetch).
    pub(super) fn fetch(&self) {
        fetch(&*self.steps);
    }

    /// See [`Key::fetch_inside`](super::key::Key::fetch_inside).
    pub(super) fn fetch_inside(&self) {
        let ends = self.steps.iter().flat_map(|step| [step.links.front(), step.links.back()]);
        ends.flatten().for_each(fetch);
    }

    /// An `until` event: no chain passes it.
    pub(super) fn reset(&mut self) {
        self.steps.iter_mut().for_each(|step| step.links.clear());
        self.end = None;
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        match &self.end {
            Some((start, _)) => *start,
            None => self.steps.last().and_then(|s| s.links.front()).map_or(i64::MIN, Link::start),
        }
    }

    /// The events of that match.
    pub(super) fn proof(&self) -> Proof {
        let last = self.steps.len() - 1;
        match &self.end {
            Some((_, point)) => {
                let mut events = self.events(last - 1);
                events.push((last, point.clone()));
                events
            }
            None => self.events(last),
        }
    }

    /// The start of the latest chain through `step`, if it is complete and starts no earlier than `horizon`.
    fn complete(&self, step: usize, horizon: i64) -> Option<i64> {
        let Step { count, links } = &self.steps[step];
        let start = links.front()?.start();
        (links.len() == *count && start >= horizon).then_some(start)
    }

    fn events(&self, step: usize) -> Proof {
        let links = &self.steps[step].links;
        let before = links.front().and_then(|l| l.before.as_ref()).map_or(&[][..], |c| &c.events);
        let mut events: Proof = before.iter().cloned().chain(links.iter().map(|l| (step, l.point.clone()))).collect();
        if let (Some((_, point)), Some(link)) = (events.first_mut(), links.front()) {
            point.ordinal = link.first;
        }
        events
    }

    /// The latest-starting chain through `step`, if it is complete and starts no earlier than `horizon`; and the number of its
    /// first event.
    fn chain(&self, step: usize, horizon: i64) -> Option<(Rc<Chain>, u64)> {
        let start = self.complete(step, horizon)?;
        let first = self.steps[step].links.front()?.first;
        Some((Rc::new(Chain { start, events: self.events(step) }), first))
    }

    pub(super) fn size(&self) -> usize {
        let chain = |l: &Link| l.before.as_ref().map_or(0, |c| c.events.len());
        self.steps.iter().flat_map(|s| &s.links).map(|l| 1 + chain(l)).sum()
    }

    pub(super) fn same(&self, other: &Sequence) -> bool {
        let same = |(a, b): (&Step, &Step)| {
            a.links.len() == b.links.len() && a.links.iter().zip(&b.links).all(|(a, b)| a.same(b))
        };
        self.steps.iter().zip(&other.steps).all(same)
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        self.steps.iter_mut().fold(false, |touched, step| touched | Link::amend(&mut step.links, amendment))
    }
}

impl Link {
    fn start(&self) -> i64 {
        self.before.as_ref().map_or(self.point.place.time, |c| c.start)
    }

    fn same(&self, other: &Link) -> bool {
        let same = match (&self.before, &other.before) {
            (None, None) => true,
            (Some(a), Some(b)) => Rc::ptr_eq(a, b) || a.same(b),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same && self.point.same(&other.point)
    }

    /// Corrects the numbers of a step's links; whether there was one that may have had to be.
    fn amend(links: &mut VecDeque<Link>, amendment: &Amendment) -> bool {
        let mut touched = false;
        for link in links {
            let place = link.before.as_ref().map_or(link.point.place, |c| c.events[0].1.place);
            // Later links have later events and chains that start later.
            if !amendment.number(place, &mut link.first) {
                break;
            }
            amendment.point(&mut link.point);
            touched = true;
        }
        touched
    }
}

impl Chain {
    fn same(&self, other: &Chain) -> bool {
        self.events.len() == other.events.len() && self.events.iter().zip(&other.events).all(|(a, b)| a.1.same(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::trial::{episodes, rule};
    use crate::rule::plan::Form;

    #[test]
    fn steps_follow_one_another() {
        let rule = rule(Form::sequence(10, [2, 1], None), 0);
        assert_eq!(episodes(&rule, "0a 1b", 0), "");
        assert_eq!(episodes(&rule, "0a 1a 2b", 0), "0-2×3");
        assert_eq!(episodes(&rule, "0a 1ab 2b", 0), "0-2×3", "an event does not prove itself");
        assert_eq!(episodes(&rule, "0a 5a 10b 11b", 0), "0-10×3");
        assert_eq!(episodes(&rule, "0a 1a 2a 3b", 0), "1-3×3", "the latest start");
    }

    #[test]
    fn until_breaks_what_has_begun() {
        let rule = rule(Form::sequence(10, [1, 1, 2], Some(3)), 3);
        assert_eq!(episodes(&rule, "0a 1b 2c 3c", 0), "0-3×4");
        assert_eq!(episodes(&rule, "0a 1b 2d 3c 4c", 0), "");
        assert_eq!(episodes(&rule, "0a 1b 2c 3c 4d 6a 7b 8c 9c", 0), "0-9×8", "the event that breaks is not counted");
    }
}
