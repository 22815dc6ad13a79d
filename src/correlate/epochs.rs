//! The frame of the stateful operators: whole epochs in, changes out.
//!
//! An operator's logic is called once an epoch, in order, when everything of the epoch has come: with its
//! rows and its mark. What it says leaves in the same epoch, on two outputs.

use std::collections::BTreeMap;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::render::Mark;

/// The arrival epoch: differential's time.
pub(super) type Epoch = u64;
/// Data with its epoch and multiplicity.
pub(super) type Update<D> = (D, Epoch, isize);
/// A stream of updates.
pub(super) type Updates<'scope, D> = Stream<'scope, Epoch, Vec<Update<D>>>;

/// An operator that is given whole epochs: their rows, their mark, and where its two kinds of changes go.
pub(super) fn by_epoch<'scope, D, A, B, P>(
    name: &str,
    rows: Updates<'scope, D>,
    pact: P,
    marks: Stream<'scope, Epoch, Vec<Mark>>,
    mut logic: impl FnMut(Vec<Update<D>>, &Mark, &mut Vec<(A, isize)>, &mut Vec<(B, isize)>) + 'static,
) -> (Updates<'scope, A>, Updates<'scope, B>)
where
    D: Clone + 'static,
    A: Clone + 'static,
    B: Clone + 'static,
    P: ParallelizationContract<Epoch, Vec<Update<D>>>,
{
    let mut builder = OperatorBuilder::new(name.to_owned(), rows.scope());
    let mut rows = builder.new_input(rows, pact);
    let mut marks = builder.new_input(marks, Pipeline);
    let (first, first_stream) = builder.new_output();
    let (second, second_stream) = builder.new_output();
    let mut first = OutputBuilder::<_, CapacityContainerBuilder<Vec<Update<A>>>>::from(first);
    let mut second = OutputBuilder::<_, CapacityContainerBuilder<Vec<Update<B>>>>::from(second);
    builder.build(move |_| {
        let mut waiting: BTreeMap<Epoch, Pending<D>> = BTreeMap::new();
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        move |frontiers| {
            rows.for_each_time(|time, data| {
                let pending = waiting.entry(*time.time()).or_default();
                pending.hold(|output| time.retain(output));
                for container in data {
                    match pending.rows.is_empty() {
                        true => pending.rows = std::mem::take(container),
                        false => pending.rows.append(container),
                    }
                }
            });
            marks.for_each_time(|time, data| {
                let pending = waiting.entry(*time.time()).or_default();
                pending.hold(|output| time.retain(output));
                pending.mark = data.flat_map(|d| d.drain(..)).last().or(pending.mark.take());
            });
            let (mut first, mut second) = (first.activate(), second.activate());
            while let Some(epoch) = waiting.first_entry() {
                let time = *epoch.key();
                if frontiers.iter().any(|f| f.less_equal(&time)) {
                    break;
                }
                let Pending { rows, mark, capabilities } = epoch.remove();
                let mark = mark.expect("every epoch has a mark on every worker");
                logic(rows, &mark, &mut ones, &mut others);
                if let Some([one, other]) = capabilities {
                    first.session(&one).give_iterator(ones.drain(..).map(|(data, diff)| (data, time, diff)));
                    second.session(&other).give_iterator(others.drain(..).map(|(data, diff)| (data, time, diff)));
                }
            }
        }
    });
    (first_stream, second_stream)
}

/// An epoch whose input is not complete.
struct Pending<D> {
    rows: Vec<Update<D>>,
    mark: Option<Mark>,
    capabilities: Option<[Capability<Epoch>; 2]>,
}

impl<D> Default for Pending<D> {
    fn default() -> Self {
        Pending { rows: Vec::new(), mark: None, capabilities: None }
    }
}

impl<D> Pending<D> {
    fn hold(&mut self, capability: impl Fn(usize) -> Capability<Epoch>) {
        if self.capabilities.is_none() {
            self.capabilities = Some([capability(0), capability(1)]);
        }
    }
}
