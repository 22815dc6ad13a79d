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
use super::render::{Epoch, Mark, Part, Shared, Status, Update, render};
use super::roster::{Roster, is_fixed};
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
    /// The program of the epoch: what the rules of [`Output::changes`] refer to.
    pub roster: Arc<Roster>,
    /// Whether [`Roster::filling`] are being filled still. When they no longer are, all that is to be said of their past
    /// was said in this epoch or before.
    pub filling: bool,
    /// Whether lists were changed with it.
    pub lists_changed: bool,
}

struct Command {
    number: Epoch,
    rows: Vec<MatchRow>,
    mark: Mark,
}

enum Report {
    Changes(Vec<(Record, Epoch, isize)>),
    Done { epoch: Epoch, status: Status, roster: Arc<Roster>, lists_changed: bool },
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
    let roster = Arc::new(Roster::new(program));
    let first = roster.clone();
    let config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    let guards = timely::execute(config, move |worker| {
        let commands = receivers
            .lock()
            .expect("no worker panics while it holds the lock")
            .get_mut(worker.index())
            .and_then(Option::take)
            .expect("each worker takes its own receiver once");
        run(worker, first.clone(), emit, &commands, &report);
    })
    .map_err(CorrelateError::Start)?;
    let outputs = Outputs { reports, guards: Some(guards), workers, next: 0, open: VecDeque::new() };
    let lists = Vec::new();
    Ok((Input { commands, next: 0, turn: 0, watermark: i64::MIN, roster, sending: false, lists }, outputs))
}

/// Where epochs go in.
pub struct Input {
    commands: Vec<Sender<Command>>,
    next: Epoch,
    turn: usize,
    watermark: i64,
    roster: Arc<Roster>,
    /// More of the past of the rules that joined may come.
    sending: bool,
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
        self.watermark = self.watermark.max(watermark);
        self.epoch(rows, Part::Live)
    }

    /// From this epoch on, which has no rows, another program runs. `continues` says for each of its rules which rule of the
    /// program before it is, if any: that one's state stays. The others start anew ([`Roster::filling`]): their
    /// past is expected by [`Input::fill`] and [`Input::filled`]. State of rules that are gone goes, and nothing is said of it. Rules that
    /// were being filled by a past that has not come to its end start anew, too. For [`Emit::Running`].
    ///
    /// The programs are not those that [are one with their dataflow](is_fixed).
    pub fn change(
        &mut self,
        program: Arc<Program>,
        continues: impl Fn(u32) -> Option<u32>,
    ) -> Result<Arc<Roster>, CorrelateError> {
        debug_assert!(!is_fixed(self.roster.program()) && !is_fixed(&program), "their dataflow is another one");
        let sending = self.sending;
        let next = self.roster.next(program, |position| {
            continues(position).filter(|before| !(sending && self.roster.is_filling(*before)))
        });
        self.sending = next.filling().next().is_some();
        self.roster = Arc::new(next);
        self.epoch(Vec::new(), Part::Live)?;
        Ok(self.roster.clone())
    }

    /// Sends an epoch with more of the past of the rules that joined with the present program: rows of theirs only, in time
    /// order over all chunks, and the time before which all have come, µs. A few ten thousand rows keep
    /// live epochs from waiting.
    pub fn fill(&mut self, rows: Vec<MatchRow>, reached: i64) -> Result<u64, CorrelateError> {
        self.epoch(rows, Part::Fill { reached })
    }

    /// The past of the rules that joined has come.
    pub fn filled(&mut self) -> Result<u64, CorrelateError> {
        self.sending = false;
        self.epoch(Vec::new(), Part::Filled)
    }

    /// The present program.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    fn epoch(&mut self, rows: Vec<MatchRow>, part: Part) -> Result<u64, CorrelateError> {
        let number = self.next;
        self.next += 1;
        let mut rows = Some(rows);
        let lists: Changes = std::mem::take(&mut self.lists).into();
        // Rows go to one worker after the other, whole epochs at a time; the exchange spreads them by key.
        self.turn = (self.turn + 1) % self.commands.len();
        for (worker, commands) in self.commands.iter().enumerate() {
            let rows = if worker == self.turn { rows.take().unwrap_or_default() } else { Vec::new() };
            let mark = Mark { watermark: self.watermark, part, roster: self.roster.clone(), lists: lists.clone() };
            let command = Command { number, rows, mark };
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
                output.roster.translate(&mut output.changes);
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
            Report::Done { epoch, status, roster, lists_changed } => {
                let (done, output) = self.epoch(epoch);
                *done += 1;
                output.keys += status.keys;
                output.filling |= status.filling;
                output.lists_changed |= lists_changed;
                output.roster = roster;
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
    roster: Arc<Roster>,
    emit: Emit,
    commands: &Receiver<Command>,
    report: &Sender<Report>,
) {
    let mut rows: InputHandle<Epoch, CapacityContainerBuilder<Vec<Update>>> = InputHandle::new();
    let mut marks: InputHandle<Epoch, CapacityContainerBuilder<Vec<Mark>>> = InputHandle::new();
    // INVARIANT: an epoch is done before the next one is sent, so that its roster is the one its rows are spread by.
    let shared = Rc::new(Shared { roster: RefCell::new(roster), status: Cell::default() });
    let changes: Rc<RefCell<Vec<(Record, Epoch, isize)>>> = Rc::default();
    let probe = worker.dataflow::<Epoch, _, _>(|scope| {
        let collection = rows.to_stream(scope).as_collection();
        let marks = marks.to_stream(scope);
        let records = render(emit, collection, marks, shared.clone());
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
        let (roster, lists_changed) = (mark.roster.clone(), !mark.lists.is_empty());
        shared.roster.replace(roster.clone());
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
        if report.send(Report::Done { epoch: number, status: shared.status.get(), roster, lists_changed }).is_err() {
            break;
        }
    }
}
