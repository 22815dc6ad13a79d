//! Runs the dataflow on worker threads: epochs in, changes of records out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use differential_dataflow::AsCollection;
use timely::communication::WorkerGuards;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle;

use super::episode::Record;
use super::listed::{Changes, ListChange};
use super::render::{Epoch, Mark, Update, render};
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// How many epochs may be under way before [`Input::send`] waits.
const EPOCHS_IN_FLIGHT: usize = 4;

/// Which episodes are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// Every one, as soon as it opens, and again when it changes: for live input.
    Running,
    /// Every one once, when it can no longer change: for finite input.
    Final,
}

/// What an epoch changed.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The epoch.
    pub epoch: u64,
    /// Records that came (+) and went (−), consolidated.
    pub changes: Vec<(Record, isize)>,
    /// How many (rule, key) pairs have state on all workers.
    pub keys: usize,
}

struct Command {
    number: Epoch,
    rows: Vec<MatchRow>,
    mark: Mark,
}

enum Report {
    Changes(Vec<(Record, Epoch, isize)>),
    Done { epoch: Epoch, keys: usize },
}

/// The dataflow could not be started or stopped before its input ended.
#[derive(Debug, thiserror::Error)]
pub enum CorrelateError {
    /// Timely refused its configuration.
    #[error("cannot start the dataflow: {0}")]
    Start(String),
    /// A worker thread panicked.
    #[error("a dataflow worker stopped: {0}; this is a bug in weir, please report it with the log")]
    Stopped(String),
}

/// Starts `workers` threads with the program. The dataflow ends when its [`Input`] is dropped.
pub fn start(program: Arc<Program>, workers: usize, emit: Emit) -> Result<(Input, Outputs), CorrelateError> {
    let workers = workers.max(1);
    let (commands, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| bounded(EPOCHS_IN_FLIGHT)).unzip();
    let receivers: Arc<Mutex<Vec<Option<Receiver<Command>>>>> =
        Arc::new(Mutex::new(receivers.into_iter().map(Some).collect()));
    let (report, reports) = unbounded();
    let config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    let guards = timely::execute(config, move |worker| {
        let commands = receivers
            .lock()
            .expect("no worker panics while it holds the lock")
            .get_mut(worker.index())
            .and_then(Option::take)
            .expect("each worker takes its own receiver once");
        run(worker, program.clone(), emit, &commands, &report);
    })
    .map_err(CorrelateError::Start)?;
    let outputs = Outputs { reports, guards: Some(guards), workers, next: 0, open: VecDeque::new() };
    Ok((Input { commands, next: 0, turn: 0, lists: Vec::new() }, outputs))
}

/// Where epochs go in.
pub struct Input {
    commands: Vec<Sender<Command>>,
    next: Epoch,
    turn: usize,
    /// Changes of lists that go with the next epoch.
    lists: Vec<ListChange>,
}

impl Input {
    /// Changes lists that rules follow ([`Rule::retro`](crate::rule::plan::Rule::retro)), from the next epoch on: with its
    /// rows, what the change makes of earlier events comes out. At first lists are as in the program. For [`Emit::Running`]; what
    /// changes nothing is passed over, and of several changes of one value the last one holds.
    pub fn change_lists(&mut self, changes: impl IntoIterator<Item = ListChange>) {
        self.lists.extend(changes);
    }

    /// Sends one epoch: its rows and the watermark that holds after them (µs; events before it will not come any more).
    /// Waits while a few epochs are under way. Returns the epoch's number, from 0.
    pub fn send(&mut self, rows: Vec<MatchRow>, watermark: i64) -> Result<u64, CorrelateError> {
        let number = self.next;
        self.next += 1;
        let mut rows = Some(rows);
        let lists: Changes = std::mem::take(&mut self.lists).into();
        // Rows go to one worker after the other, whole epochs at a time; the exchange spreads them by key.
        self.turn = (self.turn + 1) % self.commands.len();
        for (worker, commands) in self.commands.iter().enumerate() {
            let rows = if worker == self.turn { rows.take().unwrap_or_default() } else { Vec::new() };
            let command = Command { number, rows, mark: Mark { watermark, lists: lists.clone() } };
            commands.send(command).map_err(|_| CorrelateError::Stopped("its input is closed".to_owned()))?;
        }
        Ok(number)
    }
}

/// Where changes come out, epoch by epoch.
pub struct Outputs {
    reports: Receiver<Report>,
    guards: Option<WorkerGuards<()>>,
    workers: usize,
    /// The epoch that is delivered next.
    next: Epoch,
    /// Epochs of which something was reported, from [`Outputs::next`]: how many workers are done, what changed.
    open: VecDeque<(usize, Output)>,
}

impl Outputs {
    /// Waits for the next epoch, in order. `None` once the input was dropped and everything was delivered.
    pub fn receive(&mut self) -> Result<Option<Output>, CorrelateError> {
        loop {
            if self.open.front().is_some_and(|(done, _)| *done == self.workers) {
                let (_, mut output) = self.open.pop_front().expect("it was just seen");
                self.next += 1;
                // What only came cannot cancel out.
                if output.changes.iter().any(|(_, diff)| *diff < 0) {
                    differential_dataflow::consolidation::consolidate(&mut output.changes);
                }
                return Ok(Some(output));
            }
            match self.reports.recv() {
                Ok(report) => self.note(report),
                Err(_) => {
                    let Some(guards) = self.guards.take() else { return Ok(None) };
                    guards.join().into_iter().try_for_each(|r| r.map_err(CorrelateError::Stopped))?;
                }
            }
        }
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Changes(changes) => {
                for (record, epoch, diff) in changes {
                    self.epoch(epoch).1.changes.push((record, diff));
                }
            }
            Report::Done { epoch, keys } => {
                let (done, output) = self.epoch(epoch);
                *done += 1;
                output.keys += keys;
            }
        }
    }

    fn epoch(&mut self, epoch: Epoch) -> &mut (usize, Output) {
        let at = (epoch - self.next) as usize;
        while self.open.len() <= at {
            let epoch = self.next + self.open.len() as u64;
            self.open.push_back((0, Output { epoch, ..Output::default() }));
        }
        &mut self.open[at]
    }
}

fn run(
    worker: &mut timely::worker::Worker,
    program: Arc<Program>,
    emit: Emit,
    commands: &Receiver<Command>,
    report: &Sender<Report>,
) {
    let mut rows: InputHandle<Epoch, CapacityContainerBuilder<Vec<Update>>> = InputHandle::new();
    let mut marks: InputHandle<Epoch, CapacityContainerBuilder<Vec<Mark>>> = InputHandle::new();
    let keys = Rc::new(Cell::new(0));
    let changes: Rc<RefCell<Vec<(Record, Epoch, isize)>>> = Rc::default();
    let probe = worker.dataflow::<Epoch, _, _>(|scope| {
        let collection = rows.to_stream(scope).as_collection();
        let marks = marks.to_stream(scope);
        let records = render(program, emit, collection, marks, keys.clone());
        let sink = changes.clone();
        let probe: Handle<Epoch> = Handle::new();
        // An operator of its own, so that records are moved out and not copied.
        let drained = records.inner.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "drain", |_, _| {
            move |input, _| input.for_each_time(|_, data| data.for_each(|changes| sink.borrow_mut().append(changes)))
        });
        drained.probe_with(&probe);
        probe
    });
    while let Ok(Command { number, rows: new, mark }) = commands.recv() {
        // As one container: nothing is copied on the way to the operator while there is one worker.
        rows.send_batch(&mut new.into_iter().map(|row| (row, number, 1)).collect());
        marks.send(mark);
        rows.advance_to(number + 1);
        marks.advance_to(number + 1);
        worker.step_or_park_while(None, || probe.less_than(&(number + 1)));
        let batch = std::mem::take(&mut *changes.borrow_mut());
        if !batch.is_empty() && report.send(Report::Changes(batch)).is_err() {
            break;
        }
        if report.send(Report::Done { epoch: number, keys: keys.get() }).is_err() {
            break;
        }
    }
}
