//! Chains through the steps of a sequence, without conditions between them: for each event the chain with the latest start.
//!
//! In: the events of a key and the stages. Out: for each stage and event the latest-starting chain that the
//! event completes up to that stage. Windows are not looked at here: a later start is never worse.

use std::rc::Rc;

use super::gauge::sweep;
use super::{Link, Row};
use crate::rule::plan::{Having, Stage};

/// A chain through some stages.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Time of its first event, µs.
    pub(super) start: i64,
    pub(super) link: Rc<Link>,
}

/// A stage that events complete, and what must stay away before it.
pub(super) struct Present<'p> {
    pub(super) step: usize,
    pub(super) having: &'p Having,
    /// Bits of the steps that must not come between the stage before and this one.
    pub(super) absent: u32,
    /// Positions of its events among the rows.
    pub(super) members: Rc<[usize]>,
    /// For each of them the first of the shortest run that ends there and satisfies the stage.
    pub(super) starts: Vec<Option<usize>>,
}

/// The stages of a sequence over some events.
pub(super) struct Stages<'p> {
    pub(super) present: Vec<Present<'p>>,
    /// Bits of the steps that must stay away after the last of them.
    pub(super) trailing: u32,
    /// How many `until` events came up to each row: no chain goes from one number to another.
    pub(super) segments: Vec<u32>,
}

fn bit(step: usize) -> u32 {
    1u32.checked_shl(step as u32).unwrap_or(0)
}

impl<'p> Stages<'p> {
    /// The stages over these events; without an `until` nothing breaks a chain, without `absences` nothing has to stay away.
    pub(super) fn new(stages: &'p [Stage], until: Option<usize>, absences: bool, rows: &[Row]) -> Stages<'p> {
        let breaks = until.map_or(0, bit);
        let mut segment = 0;
        let count = |row: &Row| {
            segment += u32::from(row.steps & breaks != 0);
            segment
        };
        let segments: Vec<u32> = rows.iter().map(count).collect();
        let mut present: Vec<Present<'p>> = Vec::new();
        let mut absent = 0;
        for (step, stage) in stages.iter().enumerate() {
            match stage {
                Stage::Absent => absent |= if absences { bit(step) } else { 0 },
                Stage::Present(having) => {
                    // An `until` event is nothing else.
                    let fits = |(_, row): &(usize, &Row)| row.steps & bit(step) != 0 && row.steps & breaks == 0;
                    let members: Rc<[usize]> = rows.iter().enumerate().filter(fits).map(|(at, _)| at).collect();
                    let mut starts = sweep(having, None, rows, &members).starts;
                    for (at, start) in starts.iter_mut().enumerate() {
                        *start = start.filter(|s| segments[members[*s]] == segments[members[at]]);
                    }
                    present.push(Present { step, having, absent: std::mem::take(&mut absent), members, starts });
                }
            }
        }
        Stages { present, trailing: absent, segments }
    }

    /// For each stage, and each row, the latest-starting chain that is complete there.
    pub(super) fn chains(&self, rows: &[Row]) -> Vec<Vec<Option<Chain>>> {
        let mut tables: Vec<Vec<Option<Chain>>> = Vec::new();
        for stage in &self.present {
            let mut table = vec![None; rows.len()];
            let before = tables.last().map(|previous| self.before(stage, previous, rows));
            for (to, from) in stage.starts.iter().enumerate().filter_map(|(to, from)| from.map(|from| (to, from))) {
                let link = |before| Link { step: stage.step, members: stage.members.clone(), from, to, before };
                table[stage.members[to]] = match &before {
                    None => Some(Chain { start: rows[stage.members[from]].time, link: Rc::new(link(None)) }),
                    Some(Before { at, up_to }) => {
                        let chain = if from == to { &at[from] } else { &up_to[from] };
                        chain.as_ref().map(|c| Chain { start: c.start, link: Rc::new(link(Some(c.link.clone()))) })
                    }
                };
            }
            tables.push(table);
        }
        tables
    }

    /// The chains that the events of a stage can go on.
    fn before(&self, stage: &Present<'_>, previous: &[Option<Chain>], rows: &[Row]) -> Before {
        let mut out = Before { at: Vec::new(), up_to: Vec::new() };
        let mut best: Option<Chain> = None;
        let mut so_far: Option<Chain> = None;
        let mut members = stage.members.iter().peekable();
        for (at, row) in rows.iter().enumerate() {
            if at > 0 && self.segments[at] != self.segments[at - 1] {
                best = None;
                so_far = None;
            }
            if members.next_if_eq(&&at).is_some() {
                so_far = later(so_far, best.as_ref());
                out.at.push(best.clone());
                out.up_to.push(so_far.clone());
            }
            if row.steps & stage.absent != 0 {
                best = None;
            }
            best = later(best, previous[at].as_ref());
        }
        out
    }
}

/// By position among a stage's events: the best chain before that event, and before it or one of those before it.
struct Before {
    at: Vec<Option<Chain>>,
    up_to: Vec<Option<Chain>>,
}

fn later(a: Option<Chain>, b: Option<&Chain>) -> Option<Chain> {
    match (&a, b) {
        (Some(x), Some(y)) if y.start >= x.start => b.cloned(),
        (None, Some(_)) => b.cloned(),
        (Some(_) | None, _) => a,
    }
}
