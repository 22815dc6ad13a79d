//! One watermark for several processes.
//!
//! With each epoch every process says how its time stands ([`Stand`]); every worker hears all of them and puts the watermark
//! of all into the marks of its operators, so that they know nothing of processes. Epochs are numbered alike
//! everywhere, and each process takes part in each: as soon as one has begun an epoch the others hear of it
//! ([`Peers::is_behind`]) and send theirs.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::render::{Epoch, Mark, Part};

/// How the time of a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stand {
    /// None of the rows that it will send is before this, µs.
    Holds(i64),
    /// It has no source that speaks, and does not hold the others: rows that it will send are not before the watermark of the
    /// epochs it took part in. If no process has one, time may pass to here, µs.
    Silent(Option<i64>),
}

/// What a process says with an epoch, to each worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tide {
    /// The worker.
    pub(super) to: u32,
    /// Who says it.
    pub(super) process: u32,
    pub(super) stand: Stand,
    /// For [`Input::agree`](super::Input::agree).
    pub(super) word: i64,
    /// It is the last one.
    pub(super) leaving: bool,
}

/// What is known of the other processes.
#[derive(Default)]
pub struct Peers {
    state: Mutex<Heard>,
    changed: Condvar,
    wake: Mutex<Option<Box<dyn Fn() + Send>>>,
}

struct Heard {
    /// Epochs before this one were begun, by process.
    begun: Vec<Epoch>,
    /// Of epochs before this one all processes were heard.
    done: Epoch,
    watermark: i64,
    /// Of the last of these epochs, by process.
    words: Vec<i64>,
    silent: bool,
    leaving: Option<usize>,
    /// The dataflow ended.
    ended: bool,
}

impl Default for Heard {
    fn default() -> Heard {
        let (silent, leaving, ended) = (false, None, false);
        Heard { begun: Vec::new(), done: 0, watermark: i64::MIN, words: Vec::new(), silent, leaving, ended }
    }
}

impl Peers {
    fn state(&self) -> MutexGuard<'_, Heard> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `wake` called, on a worker's thread, when another process has begun an epoch, or leaves.
    pub fn on_change(&self, wake: impl Fn() + Send + 'static) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    }

    /// Whether another process waits for this epoch of ours.
    pub fn is_behind(&self, epoch: u64) -> bool {
        self.state().begun.iter().any(|begun| *begun > epoch)
    }

    /// The watermark of all processes, µs.
    pub fn watermark(&self) -> i64 {
        self.state().watermark
    }

    /// Whether no process has a source that speaks.
    pub fn all_silent(&self) -> bool {
        self.state().silent
    }

    /// A process that has stopped, if any has: it takes part in no further epoch.
    pub fn leaving(&self) -> Option<usize> {
        self.state().leaving
    }

    /// Waits until all processes were heard of all epochs before this one. `false` when the dataflow ended before.
    pub fn wait(&self, epoch: u64) -> bool {
        let wait = self.changed.wait_while(self.state(), |heard| heard.done < epoch && !heard.ended);
        wait.unwrap_or_else(PoisonError::into_inner).done >= epoch
    }

    /// What was said with the last epoch of which all were heard, by process.
    pub(super) fn words(&self) -> Vec<i64> {
        self.state().words.clone()
    }

    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn wake(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// A process that has not begun this epoch.
    pub(super) fn missing(&self, epoch: Epoch, processes: usize) -> Option<usize> {
        let heard = self.state();
        (0..processes).find(|process| heard.begun.get(*process).is_none_or(|begun| *begun <= epoch))
    }

    /// An epoch was begun by a process.
    fn begun(&self, epoch: Epoch, process: usize) {
        let mut heard = self.state();
        if heard.begun.len() <= process {
            heard.begun.resize(process + 1, 0);
        }
        heard.begun[process] = heard.begun[process].max(epoch + 1);
        drop(heard);
        self.wake();
    }

    /// All were heard of an epoch.
    fn heard(&self, epoch: Epoch, sea: &Sea, tides: &[Tide]) {
        let mut heard = self.state();
        heard.done = epoch + 1;
        heard.watermark = sea.watermark;
        heard.silent = sea.is_silent();
        heard.words.resize(sea.stands.len(), 0);
        tides.iter().for_each(|tide| heard.words[tide.process as usize] = tide.word);
        let leaving = tides.iter().find(|tide| tide.leaving).map(|tide| tide.process as usize);
        heard.leaving = heard.leaving.or(leaving);
        drop(heard);
        self.changed.notify_all();
        if leaving.is_some() {
            self.wake();
        }
    }
}

/// The tides of all processes.
struct Sea {
    /// The last ones, by process.
    stands: Vec<Option<Stand>>,
    watermark: i64,
}

impl Sea {
    fn new(processes: usize) -> Sea {
        Sea { stands: vec![None; processes], watermark: i64::MIN }
    }

    /// Takes what was said with an epoch. Returns the watermark of all.
    fn take(&mut self, tides: &[Tide]) -> i64 {
        tides.iter().for_each(|tide| self.stands[tide.process as usize] = Some(tide.stand));
        let holding = |stand: &Option<Stand>| match stand {
            Some(Stand::Holds(watermark)) => Some(*watermark),
            Some(Stand::Silent(_)) => None,
            // Nothing is known of it.
            None => Some(i64::MIN),
        };
        let passing = |stand: &Option<Stand>| match stand {
            Some(Stand::Silent(passed)) => *passed,
            Some(Stand::Holds(_)) | None => None,
        };
        let held = self.stands.iter().filter_map(holding).min();
        let reached = held.or_else(|| self.stands.iter().filter_map(passing).min());
        self.watermark = self.watermark.max(reached.unwrap_or(i64::MIN));
        self.watermark
    }

    fn is_silent(&self) -> bool {
        self.stands.iter().all(|stand| matches!(stand, Some(Stand::Silent(_))))
    }
}

/// The marks of this process with the watermark of all; on every worker there is one for each epoch, even after this process
/// has left. `peers` is told what is heard, by one worker of the process.
pub(super) fn marks_of_all<'scope>(
    marks: Stream<'scope, Epoch, Vec<Mark>>,
    tides: Stream<'scope, Epoch, Vec<Tide>>,
    mut last: Mark,
    processes: usize,
    peers: Option<Arc<Peers>>,
) -> Stream<'scope, Epoch, Vec<Mark>> {
    let mut builder = OperatorBuilder::new("tides".to_owned(), marks.scope());
    let mut marks = builder.new_input(marks, Pipeline);
    let mut tides = builder.new_input(tides, Exchange::new(|tide: &Tide| u64::from(tide.to)));
    let (output, stream) = builder.new_output();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Mark>>>::from(output);
    builder.build(move |_| {
        let mut sea = Sea::new(processes);
        let mut waiting: BTreeMap<Epoch, Pending> = BTreeMap::new();
        move |frontiers| {
            marks.for_each_time(|time, data| {
                let pending = waiting.entry(*time.time()).or_default();
                pending.capability.get_or_insert_with(|| time.retain(0));
                pending.mark = data.flat_map(|d| d.drain(..)).last().or(pending.mark.take());
            });
            tides.for_each_time(|time, data| {
                let pending = waiting.entry(*time.time()).or_default();
                pending.capability.get_or_insert_with(|| time.retain(0));
                for tide in data.flat_map(|d| d.drain(..)) {
                    if let Some(peers) = &peers {
                        peers.begun(*time.time(), tide.process as usize);
                    }
                    pending.tides.push(tide);
                }
            });
            let mut output = output.activate();
            while let Some(epoch) = waiting.first_entry() {
                let number = *epoch.key();
                if frontiers.iter().any(|f| f.less_equal(&number)) {
                    break;
                }
                let Pending { mark, tides, capability } = epoch.remove();
                let watermark = sea.take(&tides);
                if let Some(peers) = &peers {
                    peers.heard(number, &sea, &tides);
                }
                last = Mark { watermark, ..mark.unwrap_or_else(|| last.again()) };
                if let Some(capability) = capability {
                    output.session(&capability).give(last.clone());
                }
            }
        }
    });
    stream
}

impl Mark {
    /// The same for an epoch of which nothing else is known.
    fn again(&self) -> Mark {
        let (roster, lists) = (self.roster.clone(), Arc::default());
        Mark { part: Part::Live, lists, roster, watermark: self.watermark, quiet: false }
    }
}

#[derive(Default)]
struct Pending {
    mark: Option<Mark>,
    tides: Vec<Tide>,
    capability: Option<Capability<Epoch>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(sea: &mut Sea, stands: &[Stand]) -> i64 {
        let tide = |(process, stand): (usize, &Stand)| Tide {
            to: 0,
            process: process as u32,
            stand: *stand,
            word: 0,
            leaving: false,
        };
        sea.take(&stands.iter().enumerate().map(tide).collect::<Vec<_>>())
    }

    #[test]
    fn the_least_of_those_who_speak_holds() {
        use Stand::{Holds, Silent};
        let mut sea = Sea::new(2);
        assert_eq!(take(&mut sea, &[Holds(5)]), i64::MIN, "the other was never heard");
        assert_eq!(take(&mut sea, &[Holds(7), Holds(6)]), 6);
        assert_eq!(take(&mut sea, &[Holds(9), Silent(None)]), 9);
        assert_eq!(take(&mut sea, &[Holds(10), Holds(2)]), 9, "it never goes back");
        assert!(!sea.is_silent());
        assert_eq!(take(&mut sea, &[Silent(Some(20)), Holds(11)]), 11, "who speaks decides");
        assert_eq!(take(&mut sea, &[Silent(Some(20)), Silent(None)]), 20);
        assert_eq!(take(&mut sea, &[Silent(Some(30)), Silent(Some(25))]), 25);
        assert!(sea.is_silent());
    }
}
