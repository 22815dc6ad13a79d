//! All: steps in any order within the window.
//!
//! The latest start of a match that ends at event r is the least of the steps' latest starts.

use super::amend::Amendment;
use super::episode::{Point, Proof, condense};
use super::run::Run;
use crate::rule::plan::{FieldRef, Having};

/// For each step the shortest run of its events that meets what is asked of it, or all of the window.
#[derive(Clone, Debug)]
pub(super) struct All {
    runs: Vec<Run<Point>>,
    /// The latest event, with one of its steps.
    last: Option<(usize, Point)>,
}

impl All {
    /// No event yet.
    pub(super) fn new(stages: &[Having], payload: &[FieldRef]) -> All {
        All { runs: stages.iter().map(|having| Run::new(having, payload)).collect(), last: None }
    }

    /// Takes the next event, which fits the steps in the bit mask; whether it completes a match.
    pub(super) fn step(&mut self, within: i64, stages: &[Having], mask: u32, point: &Point) -> bool {
        let horizon = point.place.time.saturating_sub(within);
        let mut holds = true;
        for (step, (run, having)) in self.runs.iter_mut().zip(stages).enumerate() {
            run.expire(having, |p| p.place.time < horizon);
            if mask & (1 << step) != 0 {
                run.push(point.clone());
                run.shorten(having, 0);
            }
            holds &= run.holds();
        }
        self.last = Some((mask.trailing_zeros() as usize, point.clone()));
        holds
    }

    /// Start of the match the last event completed, µs.
    pub(super) fn start(&self) -> i64 {
        let points = self.runs.iter().filter_map(Run::front).chain(self.last.iter().map(|(_, last)| last));
        points.map(|p| p.place.time).min().unwrap_or(i64::MIN)
    }

    /// The events of that match: the first ones and each step's last one.
    pub(super) fn proof(&self) -> Proof {
        let mut proof: Proof = self.runs.iter().enumerate().flat_map(|(step, run)| run.proof(step)).collect();
        if let Some((step, last)) = &self.last
            && proof.iter().all(|(_, point)| point.place != last.place)
        {
            // A step that asks for no event at all has kept none.
            proof.push((*step, last.clone()));
        }
        proof.sort_by_key(|(step, point)| (point.place, *step));
        condense(&mut proof);
        proof
    }

    pub(super) fn size(&self) -> usize {
        self.runs.iter().map(|run| run.points().len()).sum()
    }

    pub(super) fn same(&self, other: &All) -> bool {
        self.runs.iter().zip(&other.runs).all(|(a, b)| a.same(b, Point::same))
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) -> bool {
        self.runs.iter_mut().fold(false, |touched, run| touched | run.amend(amendment))
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::trial::{episodes, rule};
    use crate::rule::plan::{Form, Having};

    #[test]
    fn steps_come_in_any_order() {
        let rule = rule(Form::All { within: 10, stages: vec![Having::one(), Having::count(2)] }, 0);
        assert_eq!(episodes(&rule, "0b 1a", 0), "");
        assert_eq!(episodes(&rule, "0b 1a 2b", 0), "0-2×3");
        assert_eq!(episodes(&rule, "0a 1b 2b 3a", 0), "0-3×4");
        assert_eq!(episodes(&rule, "0b 1b 10a", 0), "0-10×3", "the window's end is in it");
        assert_eq!(episodes(&rule, "0b 1b 11a", 0), "");
    }

    #[test]
    fn one_event_serves_several_steps() {
        let rule = rule(Form::All { within: 10, stages: vec![Having::one(), Having::one()] }, 0);
        assert_eq!(episodes(&rule, "5ab", 0), "5-5×1");
    }

    #[test]
    fn the_start_is_the_latest() {
        let rule = rule(Form::All { within: 10, stages: vec![Having::one(), Having::one()] }, 0);
        assert_eq!(episodes(&rule, "0a 1b 2a 5b", 0), "0-5×4");
        assert_eq!(episodes(&rule, "0a 20b 21a", 0), "20-21×2");
    }
}
