//! The plan as a dataflow: collections in, collections out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use super::driver::Emit;
use super::episode::Record;
use super::roster::Roster;
use super::window::Windows;
use crate::matching::MatchRow;

/// The arrival epoch: differential's time.
pub(super) type Epoch = u64;
/// A row with its epoch and multiplicity.
pub(super) type Update = (MatchRow, Epoch, isize);

/// What an epoch is besides its rows; every worker gets it.
#[derive(Clone)]
pub(super) struct Mark {
    /// The watermark after it, µs.
    pub(super) watermark: i64,
    pub(super) part: Part,
    /// What its rows refer to.
    pub(super) roster: Arc<Roster>,
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
/// every worker; the result is the collection of episodes, their rules by [`Roster::number`].
pub(super) fn render<'scope>(
    emit: Emit,
    rows: VecCollection<'scope, Epoch, MatchRow, isize>,
    marks: Stream<'scope, Epoch, Vec<Mark>>,
    shared: Rc<Shared>,
) -> VecCollection<'scope, Epoch, Record, isize> {
    // A key lives on one worker; rules without state are spread by event.
    let placed = shared.clone();
    let exchange = Exchange::new(move |(row, _, _): &Update| {
        use std::hash::BuildHasher;
        match placed.roster.borrow().salt(row.group) {
            Some(salt) => rustc_hash::FxBuildHasher.hash_one((salt, &row.key)),
            None => row.id.low(),
        }
    });
    rows.inner
        .binary_frontier::<_, CapacityContainerBuilder<Vec<(Record, Epoch, isize)>>, _, _, _, _>(
            marks,
            exchange,
            Pipeline,
            "windows",
            move |_, _| {
                let mut windows = Windows::new(shared.roster.borrow().clone(), emit);
                let mut waiting: BTreeMap<Epoch, Pending> = BTreeMap::new();
                let mut out = Vec::new();
                move |(rows, rows_frontier), (marks, marks_frontier), output| {
                    rows.for_each_time(|time, data| {
                        let pending = waiting.entry(*time.time()).or_default();
                        pending.hold(|| time.retain(0));
                        for container in data {
                            match pending.rows.is_empty() {
                                true => pending.rows = std::mem::take(container),
                                false => pending.rows.append(container),
                            }
                        }
                    });
                    marks.for_each_time(|time, data| {
                        let pending = waiting.entry(*time.time()).or_default();
                        pending.hold(|| time.retain(0));
                        pending.mark = data.flat_map(|d| d.drain(..)).last().or(pending.mark.take());
                    });
                    while let Some(epoch) = waiting.first_entry() {
                        let time = *epoch.key();
                        if rows_frontier.less_equal(&time) || marks_frontier.less_equal(&time) {
                            break;
                        }
                        let pending = epoch.remove();
                        let Some(mark) = pending.mark else { continue };
                        windows.epoch(pending.rows, &mark, &mut out);
                        shared.status.set(windows.status());
                        if let Some(capability) = pending.capability {
                            let mut session = output.session(&capability);
                            session.give_iterator(out.drain(..).map(|(record, diff)| (record, time, diff)));
                        }
                    }
                }
            },
        )
        .as_collection()
}

/// An epoch whose input is not complete.
#[derive(Default)]
struct Pending {
    rows: Vec<Update>,
    mark: Option<Mark>,
    capability: Option<Capability<Epoch>>,
}

impl Pending {
    fn hold(&mut self, capability: impl FnOnce() -> Capability<Epoch>) {
        if self.capability.is_none() {
            self.capability = Some(capability());
        }
    }
}
