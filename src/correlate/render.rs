//! The plan as a dataflow: collections in, collections out.
//!
//! ```text
//!  rows of events ──▶ lists ──▶ windows of level 0 ──▶ records ─────────┐
//!                                      │ alerts that opened               │
//!                                      ▼                                  ▼
//!                               climb ──▶ rows ──▶ windows of level 1 ──▶ records of all levels
//!                                                         └──▶ … (level 2 hears of levels 0 and 1)
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::generic::Operator;

use super::climb::{Climb, Opened};
use super::driver::Emit;
use super::episode::Record;
pub(super) use super::epochs::Epoch;
use super::epochs::{Updates, by_epoch};
use super::listed::Changes;
use super::lists::Lists;
use super::roster::Roster;
use super::window::Windows;
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// A row with its epoch and multiplicity.
pub(super) type Update = super::epochs::Update<MatchRow>;

/// What an epoch is besides its rows; every worker gets it.
#[derive(Clone)]
pub(super) struct Mark {
    /// The watermark after it, µs.
    pub(super) watermark: i64,
    pub(super) part: Part,
    /// What its rows refer to.
    pub(super) roster: Arc<Roster>,
    /// What changed in lists before its rows.
    pub(super) lists: Changes,
    /// What can be said later is not said yet.
    pub(super) quiet: bool,
}

/// Where an epoch's rows come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The rows of all rules, as events come.
    Live,
    /// The past of the rules that joined, of which all before this time (µs) has come.
    Fill { reached: i64 },
    /// That past has come to its end.
    Filled,
}

/// What the dataflow of a worker and the loop that feeds it tell each other.
pub(super) struct Shared {
    /// Of the epoch that is under way.
    pub(super) roster: RefCell<Arc<Roster>>,
    pub(super) status: Cell<Status>,
}

/// How a worker stands after an epoch.
#[derive(Clone, Copy, Default)]
pub(super) struct Status {
    /// How many keys of rules have state.
    pub(super) keys: usize,
    /// Rules are being filled.
    pub(super) filling: bool,
}

/// Renders all programs that come. `rows` is a collection of match rows, `marks` one mark an epoch on
/// every worker; the result is the collection of episodes, their rules by [`Roster::number`]. Levels and lists are those of
/// the first program: one that has more than its one level, or lists that change, is followed by none ([`is_fixed`](super::roster::is_fixed)).
pub(super) fn render<'scope>(
    emit: Emit,
    rows: VecCollection<'scope, Epoch, MatchRow, isize>,
    marks: Stream<'scope, Epoch, Vec<Mark>>,
    shared: Rc<Shared>,
) -> VecCollection<'scope, Epoch, Record, isize> {
    let scope = rows.inner.scope();
    let program = shared.roster.borrow().program().clone();
    let rows = match emit {
        Emit::Running => lists(&program, rows.inner, marks.clone()),
        // Matching looked at the lists, which stay as they are.
        Emit::Final => rows.inner,
    };
    let (records, new) = windows(emit, 0, rows, marks.clone(), shared.clone());
    if program.levels() == 1 {
        return records.as_collection();
    }
    let (mut records, mut opened) = (vec![records], vec![new]);
    for level in 1..program.levels() {
        let rows = climb(program.clone(), level, scope.concatenate(opened.clone()));
        let (more, new) = windows(emit, level, rows, marks.clone(), shared.clone());
        records.push(more);
        opened.push(new);
    }
    scope.concatenate(records).as_collection()
}

/// The rows of events, with those of rules that follow lists as these make them.
fn lists<'scope>(
    program: &Arc<Program>,
    rows: Updates<'scope, MatchRow>,
    marks: Stream<'scope, Epoch, Vec<Mark>>,
) -> Updates<'scope, MatchRow> {
    let Some(mut lists) = Lists::new(program.clone()) else { return rows };
    let (rows, _) = by_epoch("lists", rows, Pipeline, marks, move |rows, mark, out, _: &mut Vec<((), isize)>| {
        lists.epoch(rows.into_iter().map(|(row, _, diff)| (row, diff)), &mark.lists, mark.watermark, out);
    });
    rows
}

/// The windows of a level: its records, and the alerts that opened and went again.
fn windows<'scope>(
    emit: Emit,
    level: u32,
    rows: Updates<'scope, MatchRow>,
    marks: Stream<'scope, Epoch, Vec<Mark>>,
    shared: Rc<Shared>,
) -> (Updates<'scope, Record>, Updates<'scope, Opened>) {
    // A key lives on one worker; rules without state are spread by event.
    let placed = shared.clone();
    let exchange = Exchange::new(move |(row, _, _): &Update| {
        use std::hash::BuildHasher;
        match placed.roster.borrow().salt(row.group) {
            Some(salt) => rustc_hash::FxBuildHasher.hash_one((salt, &row.key)),
            None => row.id.low(),
        }
    });
    let mut windows = Windows::new(shared.roster.borrow().clone(), emit, level);
    let mut counted = 0;
    by_epoch("windows", rows, exchange, marks, move |rows, mark, records, opened| {
        windows.epoch(rows, mark, records);
        opened.append(&mut windows.opened());
        let before = shared.status.get();
        let Status { keys, filling } = windows.status();
        shared.status.set(Status { keys: before.keys - counted + keys, filling });
        counted = keys;
    })
}

/// The rows of a level's rules on the alerts of the levels below.
fn climb<'scope>(program: Arc<Program>, level: u32, alerts: Updates<'scope, Opened>) -> Updates<'scope, MatchRow> {
    let mut climb = Climb::new(program, level);
    alerts.unary::<CapacityContainerBuilder<Vec<Update>>, _, _, _>(Pipeline, "climb", |_, _| {
        let (mut alerts, mut rows) = (Vec::new(), Vec::new());
        move |input, output| {
            input.for_each_time(|time, data| {
                let epoch = *time.time();
                alerts.extend(data.flat_map(|d| d.drain(..)).map(|(alert, _, diff)| (alert, diff)));
                climb.rows(&alerts, &mut rows);
                alerts.clear();
                output.session(&time).give_iterator(rows.drain(..).map(|(row, diff)| (row, epoch, diff)));
            });
        }
    })
}
