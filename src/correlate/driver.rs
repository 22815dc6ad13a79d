//! Runs the dataflow on worker threads: epochs in, changes of records out.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::Thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks, WorkerGuards};

use super::cluster::Links;
use super::episode::Record;
use super::listed::{Changes, ListChange};
use super::render::{Epoch, Mark, Part};
use super::roster::{Roster, is_fixed};
use super::tide::{Peers, Stand, Tide};
use super::work::{Command, Place, Report, run};
use crate::matching::MatchRow;
use crate::rule::plan::Program;

/// How many epochs may be under way before [`Input::send`] waits.
const EPOCHS_IN_FLIGHT: usize = 4;
/// The same of finite input, whose epochs are large, and hurt by no wait.
const FINITE_EPOCHS_IN_FLIGHT: usize = 2;

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

/// The dataflow could not be started or stopped before its input ended.
#[derive(Debug, thiserror::Error)]
pub enum CorrelateError {
    /// Timely refused its configuration.
    #[error("cannot start the dataflow: {0}")]
    Start(String),
    /// A worker thread panicked.
    #[error("a dataflow worker stopped: {0}; this is a bug in weir, please report it with the log")]
    Stopped(String),
    /// The program of several processes stays as it is.
    #[error(
        "rules and lists of several processes are taken up when all processes are started again; the running rules go on"
    )]
    Together,
}

/// Starts `workers` threads with the program. The dataflow ends when its [`Input`] is dropped.
pub fn start(program: Arc<Program>, workers: usize, emit: Emit) -> Result<(Input, Outputs), CorrelateError> {
    let workers = workers.max(1);
    let config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    let (allocators, others) = config.communication.try_build().map_err(CorrelateError::Start)?;
    start_on(allocators, others, program, workers, emit, None)
}

/// Starts the workers of one process of several, over its connections to the others. Every process sends the epochs of the same
/// numbers, and none goes on before all have sent theirs. All changes come out of process 0. The dataflow
/// ends when all processes have dropped their [`Input`]s.
pub fn start_in(links: Links, program: Arc<Program>, emit: Emit) -> Result<(Input, Outputs), CorrelateError> {
    let Links { cluster, workers, sockets } = links;
    let hooks = Hooks::default();
    let inside = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
    let (allocators, guard) = initialize_networking_from_sockets(inside, sockets, cluster.process(), workers, hooks)
        .map_err(|error| CorrelateError::Start(error.to_string()))?;
    let allocators = allocators.into_iter().map(AllocatorBuilder::Tcp).collect();
    let place = Place { cluster, workers, peers: Arc::default() };
    start_on(allocators, Box::new(guard), program, workers, emit, Some(place))
}

fn start_on(
    allocators: Vec<AllocatorBuilder>,
    others: Box<dyn Any + Send>,
    program: Arc<Program>,
    workers: usize,
    emit: Emit,
    place: Option<Place>,
) -> Result<(Input, Outputs), CorrelateError> {
    let in_flight = match emit {
        Emit::Running => EPOCHS_IN_FLIGHT,
        Emit::Final => FINITE_EPOCHS_IN_FLIGHT,
    };
    let (commands, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| bounded(in_flight)).unzip();
    let receivers: Arc<Mutex<Vec<Option<Receiver<Command>>>>> =
        Arc::new(Mutex::new(receivers.into_iter().map(Some).collect()));
    let (report, reports) = unbounded();
    let roster = Arc::new(Roster::new(program));
    let (first, of) = (roster.clone(), place.clone());
    let guards = timely::execute::execute_from(allocators, others, timely::WorkerConfig::default(), move |worker| {
        let commands = receivers
            .lock()
            .expect("no worker panics while it holds the lock")
            .get_mut(worker.index() % workers)
            .and_then(Option::take)
            .expect("each worker takes its own receiver once");
        run(worker, first.clone(), emit, of.as_ref(), &commands, &report);
    })
    .map_err(CorrelateError::Start)?;
    let threads = guards.guards().iter().map(|guard| guard.thread().clone()).collect();
    let outputs = Outputs { reports, guards: Some(guards), workers, next: 0, open: VecDeque::new() };
    let lists = Vec::new();
    let (sending, quiet) = (false, false);
    let input =
        Input { commands, threads, place, next: 0, turn: 0, watermark: i64::MIN, roster, sending, lists, quiet };
    Ok((input, outputs))
}

/// Where epochs go in.
pub struct Input {
    commands: Vec<Sender<Command>>,
    /// Those of the workers, which sleep while there is nothing to do.
    threads: Vec<Thread>,
    /// Among several processes.
    place: Option<Place>,
    next: Epoch,
    turn: usize,
    watermark: i64,
    roster: Arc<Roster>,
    /// More of the past of the rules that joined may come.
    sending: bool,
    /// Changes of lists that go with the next epoch.
    lists: Vec<ListChange>,
    /// See [`Input::quiet`].
    quiet: bool,
}

impl Input {
    /// Changes lists that rules follow ([`Rule::retro`](crate::rule::plan::Rule::retro)), from the next epoch on: with its
    /// rows, what the change makes of earlier events comes out. At first lists are as in the program. For [`Emit::Running`]; what
    /// changes nothing is passed over, and of several changes of one value the last one holds.
    pub fn change_lists(&mut self, changes: impl IntoIterator<Item = ListChange>) {
        self.lists.extend(changes);
    }

    /// Whether, from the next epoch on, an alert that is open is left unsaid until it is over or an epoch is not quiet: for a
    /// past that is only looked at as a whole. The sum of what is said is the same. Rules over alerts hear of it at once.
    pub fn quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Sends one epoch: its rows and the watermark that holds after them (µs; events before it will not come any more).
    /// Waits while a few epochs are under way. Returns the epoch's number, from 0.
    pub fn send(&mut self, rows: Vec<MatchRow>, watermark: i64) -> Result<u64, CorrelateError> {
        self.stand(rows, Stand::Holds(watermark), false)
    }

    /// The same of one process of several, whatever its time; `leaving` says that it is the last one.
    pub fn stand(&mut self, rows: Vec<MatchRow>, stand: Stand, leaving: bool) -> Result<u64, CorrelateError> {
        if let Stand::Holds(watermark) = stand {
            self.watermark = self.watermark.max(watermark);
        }
        let tide = self.place.as_ref().map(|place| place.tide(stand, 0, leaving));
        self.epoch_with(rows, Part::Live, tide)
    }

    /// Sends an epoch with a word for the other processes, waits until all have sent theirs, and returns the words of all. Alone
    /// an epoch without rows is none.
    pub fn agree(&mut self, rows: Vec<MatchRow>, watermark: i64, word: i64) -> Result<Vec<i64>, CorrelateError> {
        let Some(place) = self.place.clone() else {
            if !rows.is_empty() {
                self.send(rows, watermark)?;
            }
            return Ok(vec![word]);
        };
        self.watermark = self.watermark.max(watermark);
        let tide = place.tide(Stand::Holds(self.watermark), word, false);
        self.epoch_with(rows, Part::Live, Some(tide))?;
        match place.peers.wait(self.next) {
            true => Ok(place.peers.words()),
            false => Err(CorrelateError::Stopped("it ended while it was being filled".to_owned())),
        }
    }

    /// What is known of the other processes, if there are any.
    pub fn peers(&self) -> Option<&Arc<Peers>> {
        self.place.as_ref().map(|place| &place.peers)
    }

    /// Number of the epoch that is sent next.
    pub fn next(&self) -> u64 {
        self.next
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
        if self.place.is_some() {
            return Err(CorrelateError::Together);
        }
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
        self.epoch_with(rows, part, None)
    }

    fn epoch_with(&mut self, rows: Vec<MatchRow>, part: Part, tide: Option<Tide>) -> Result<u64, CorrelateError> {
        let number = self.next;
        self.next += 1;
        let (mut rows, mut tide) = (Some(rows), tide);
        let lists: Changes = std::mem::take(&mut self.lists).into();
        // Rows go to one worker after the other, whole epochs at a time; the exchange spreads them by key.
        self.turn = (self.turn + 1) % self.commands.len();
        for (worker, commands) in self.commands.iter().enumerate() {
            let rows = if worker == self.turn { rows.take().unwrap_or_default() } else { Vec::new() };
            let (watermark, roster, lists) = (self.watermark, self.roster.clone(), lists.clone());
            let mark = Mark { watermark, part, roster, lists, quiet: self.quiet };
            let command = Command { number, rows, mark, tide: tide.take() };
            commands.send(command).map_err(|_| CorrelateError::Stopped("its input is closed".to_owned()))?;
        }
        self.wake();
        Ok(number)
    }

    /// Workers of several processes wait for the network and for us.
    fn wake(&self) {
        if self.place.is_some() {
            self.threads.iter().for_each(Thread::unpark);
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.commands.clear();
        self.wake();
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
