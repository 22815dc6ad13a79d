//! A worker of the dataflow: it is given epochs one after the other, and says what changed with each.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract, Pipeline};
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::cluster::Cluster;
use super::driver::Emit;
use super::episode::Record;
use super::epochs::Updates;
use super::render::{Epoch, Mark, Part, Shared, Status, Update, render};
use super::roster::Roster;
use super::tide::{Peers, Stand, Tide, marks_of_all};
use crate::matching::MatchRow;

/// After so long it is said for which process an epoch waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// An epoch of this process, for one worker.
pub(super) struct Command {
    pub(super) number: Epoch,
    pub(super) rows: Vec<MatchRow>,
    pub(super) mark: Mark,
    /// One worker says for its process how it stands.
    pub(super) tide: Option<Tide>,
}

/// A record that came (+) or went (−).
pub(super) type Change = super::epochs::Update<Record>;

/// What a worker says of an epoch.
pub(super) enum Report {
    Changes(Vec<Change>),
    Done { epoch: Epoch, status: Status, roster: Arc<Roster>, lists_changed: bool },
}

/// Where a process stands among several.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) cluster: Cluster,
    /// Of each process.
    pub(super) workers: usize,
    pub(super) peers: Arc<Peers>,
}

impl Place {
    /// What this process says with an epoch.
    pub(super) fn tide(&self, stand: Stand, word: i64, leaving: bool) -> Tide {
        Tide { to: 0, process: self.cluster.process() as u32, stand, word, leaving }
    }
}

/// Runs one worker until the input of this process ends.
pub(super) fn run(
    worker: &mut Worker,
    roster: Arc<Roster>,
    emit: Emit,
    place: Option<&Place>,
    commands: &Receiver<Command>,
    report: &Sender<Report>,
) {
    let mut rows: InputHandle<Epoch, CapacityContainerBuilder<Vec<Update>>> = InputHandle::new();
    let mut marks: InputHandle<Epoch, CapacityContainerBuilder<Vec<Mark>>> = InputHandle::new();
    let mut tides: InputHandle<Epoch, CapacityContainerBuilder<Vec<Tide>>> = InputHandle::new();
    let changes: Rc<RefCell<Vec<Change>>> = Rc::default();
    // One worker of a process listens to the others.
    let end = place.filter(|place| worker.index().is_multiple_of(place.workers)).map(|place| End(place.peers.clone()));
    // INVARIANT: an epoch is done before the next one is sent, so that its roster is the one its rows are spread by.
    let shared = Rc::new(Shared { roster: RefCell::new(roster.clone()), status: Cell::default() });
    let peers = worker.peers();
    let listens = end.as_ref().map(|end| end.0.clone());
    let probe = worker.dataflow::<Epoch, _, _>(|scope| {
        let collection = rows.to_stream(scope).as_collection();
        let marks = marks.to_stream(scope);
        let marks = match place {
            None => marks,
            Some(place) => {
                let last = Mark { watermark: i64::MIN, part: Part::Live, roster, lists: Arc::default(), quiet: false };
                marks_of_all(marks, tides.to_stream(scope), last, place.cluster.processes(), listens)
            }
        };
        let records = render(emit, collection, marks, shared.clone()).inner;
        // Those of several processes go to the first worker.
        match place {
            None => drain(records, Pipeline, changes.clone()),
            Some(_) => drain(records, Exchange::new(|_: &Change| 0), changes.clone()),
        }
    });
    while let Some(Command { number, rows: new, mark, tide }) = next(worker, place.is_some(), commands) {
        let (roster, lists_changed) = (mark.roster.clone(), !mark.lists.is_empty());
        shared.roster.replace(roster.clone());
        // As one container: nothing is copied on the way to the operator while there is one worker.
        rows.send_batch(&mut new.into_iter().map(|row| (row, number, 1)).collect());
        marks.send(mark);
        rows.advance_to(number + 1);
        marks.advance_to(number + 1);
        if place.is_some() {
            tide.iter().for_each(|tide| (0..peers as u32).for_each(|to| tides.send(Tide { to, ..tide.clone() })));
            tides.advance_to(number + 1);
        }
        complete(worker, &probe, number, place.filter(|_| end.is_some()));
        let batch = std::mem::take(&mut *changes.borrow_mut());
        if !batch.is_empty() && report.send(Report::Changes(batch)).is_err() {
            break;
        }
        if report.send(Report::Done { epoch: number, status: shared.status.get(), roster, lists_changed }).is_err() {
            break;
        }
    }
}

/// Does the worker's part of an epoch, until all workers have done theirs. Says for whom we wait when that takes long.
fn complete(worker: &mut Worker, probe: &Handle<Epoch>, number: Epoch, says: Option<&Place>) {
    let Some(place) = says else {
        worker.step_or_park_while(None, || probe.less_than(&(number + 1)));
        return;
    };
    let (started, mut waited) = (Instant::now(), None);
    while probe.less_than(&(number + 1)) {
        worker.step_or_park(Some(PATIENCE));
        if waited.is_none() && started.elapsed() >= PATIENCE {
            waited = place.peers.missing(number, place.cluster.processes());
            if let Some(process) = waited {
                let address = place.cluster.address(process);
                tracing::warn!(
                    "process {process} at {address} takes no part for {PATIENCE:?}; all wait for it, and nothing is lost"
                );
            }
        }
    }
    if let Some(process) = waited {
        tracing::warn!("process {process} takes part again, after {:.0?}", started.elapsed());
    }
}

/// Moves all changes into `sink`, in an operator of its own, so that they are not copied.
fn drain<P: ParallelizationContract<Epoch, Vec<Change>>>(
    records: Updates<'_, Record>,
    pact: P,
    sink: Rc<RefCell<Vec<Change>>>,
) -> Handle<Epoch> {
    let probe = Handle::new();
    let drained = records.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(pact, "drain", |_, _| {
        move |input, _| input.for_each_time(|_, data| data.for_each(|changes| sink.borrow_mut().append(changes)))
    });
    drained.probe_with(&probe);
    probe
}

/// The next epoch of this process. While there is none, the worker does its part of those of the others.
fn next(worker: &mut Worker, together: bool, commands: &Receiver<Command>) -> Option<Command> {
    if !together {
        return commands.recv().ok();
    }
    loop {
        match commands.try_recv() {
            Ok(command) => return Some(command),
            Err(TryRecvError::Disconnected) => return None,
            // Who sends something wakes us.
            Err(TryRecvError::Empty) => worker.step_or_park(None),
        };
    }
}

/// Nobody waits for a dataflow that ended.
struct End(Arc<Peers>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}
