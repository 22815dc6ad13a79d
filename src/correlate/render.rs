//! The plan as a dataflow: collections in, collections out.

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
use super::window::Windows;
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// The arrival epoch: differential's time.
pub(super) type Epoch = u64;
/// A row with its epoch and multiplicity.
pub(super) type Update = (MatchRow, Epoch, isize);

/// Renders the whole program. `rows` is a collection of match rows, `watermarks` one watermark (µs) an epoch on
/// every worker; the result is the collection of episodes. `keys` is told how many keys have state.
pub(super) fn render<'scope>(
    program: Arc<Program>,
    emit: Emit,
    rows: VecCollection<'scope, Epoch, MatchRow, isize>,
    watermarks: Stream<'scope, Epoch, Vec<i64>>,
    keys: Rc<std::cell::Cell<usize>>,
) -> VecCollection<'scope, Epoch, Record, isize> {
    // A key lives on one worker; rules without state are spread by event.
    let placed = program.clone();
    let exchange = Exchange::new(move |(row, _, _): &Update| {
        use std::hash::BuildHasher;
        match placed.groups().get(row.group as usize) {
            Some(group) if !group.single => rustc_hash::FxBuildHasher.hash_one((row.group, &row.key)),
            _ => row.id.low(),
        }
    });
    rows.inner
        .binary_frontier::<_, CapacityContainerBuilder<Vec<(Record, Epoch, isize)>>, _, _, _, _>(
            watermarks,
            exchange,
            Pipeline,
            "windows",
            move |_, _| {
                let mut windows = Windows::new(program, emit);
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
                        pending.watermark = data.flat_map(|d| d.drain(..)).fold(pending.watermark, i64::max);
                    });
                    while let Some(epoch) = waiting.first_entry() {
                        let time = *epoch.key();
                        if rows_frontier.less_equal(&time) || marks_frontier.less_equal(&time) {
                            break;
                        }
                        let pending = epoch.remove();
                        windows.epoch(pending.rows, pending.watermark, &mut out);
                        keys.set(windows.len());
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
struct Pending {
    rows: Vec<Update>,
    watermark: i64,
    capability: Option<Capability<Epoch>>,
}

impl Default for Pending {
    fn default() -> Self {
        Pending { rows: Vec::new(), watermark: i64::MIN, capability: None }
    }
}

impl Pending {
    fn hold(&mut self, capability: impl FnOnce() -> Capability<Epoch>) {
        if self.capability.is_none() {
            self.capability = Some(capability());
        }
    }
}
