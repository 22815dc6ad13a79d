//! What the pipeline does next: it waits for blocks, another program or a chunk of the past, and for time to pass.
//!
//! The thread waits by itself, parked, without an async runtime: an idle engine wakes one thread a tick, and that once.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use super::super::past::Filled;
use super::super::reload::Change;
use crate::event::raw::RawLog;
use crate::event::time;

/// How long the first block of an epoch waits for others, from when it was received.
const GATHER: Duration = Duration::from_millis(30);
/// So long it waits in any case: those who waited for room in the queue come in.
const LEAST: Duration = Duration::from_millis(3);
/// How often time moves on while nothing arrives …
const TICK: Duration = Duration::from_millis(200);
/// … and where nothing waits for that.
const RESTING: Duration = Duration::from_secs(1);
/// So many epochs without news, a second apart, are sent before none is: the alert thread ends what it held back.
const IDLE_EPOCHS: u32 = 2;
/// An epoch ends early at this many bytes of lines.
const EPOCH_BYTES: usize = 4 << 20;

/// Whether there is anything for the dataflow.
pub(super) struct Pulse {
    /// Of the last epoch that was sent, µs.
    watermark: i64,
    /// When it was, µs UTC.
    at: i64,
    /// How many without news were sent since the last one with some.
    idle: u32,
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse { watermark: i64::MIN, at: i64::MIN, idle: 0 }
    }
}

impl Pulse {
    /// Whether an epoch is to be sent, which then is: it has news or a watermark of its own, or comes soon after such a one.
    pub(super) fn beats(&mut self, news: bool, watermark: i64, now: i64) -> bool {
        let idle = !news && watermark == self.watermark;
        if idle && (self.idle >= IDLE_EPOCHS || now.saturating_sub(self.at) < time::SECOND) {
            return false;
        }
        *self = Pulse { watermark, at: now, idle: if idle { self.idle + 1 } else { 0 } };
        true
    }

    /// How long the pipeline waits for something to arrive; `waits`: whether somebody waits for time to pass.
    pub(super) fn tick(&self, waits: bool) -> Duration {
        if waits || self.idle < IDLE_EPOCHS { TICK } else { RESTING }
    }
}

/// What comes to the pipeline.
pub(super) struct Inlets {
    blocks: mpsc::Receiver<RawLog>,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) fills: mpsc::Receiver<Filled>,
    /// When the last live epoch was gathered.
    ticked: Instant,
    /// Another process has begun an epoch.
    hurry: Arc<Notify>,
}

/// What the pipeline does next.
pub(super) enum Next {
    /// A live epoch of these blocks; and whether more can come.
    Epoch(Vec<RawLog>, bool),
    /// Another program takes over.
    Change(Change),
    /// More of the past of rules that joined.
    Fill(Filled),
}

/// What came first.
enum Came {
    Block(Option<RawLog>),
    Change(Change),
    Fill(Filled),
    Hurry,
}

impl Inlets {
    pub(super) fn new(
        blocks: mpsc::Receiver<RawLog>,
        changes: mpsc::Receiver<Change>,
        fills: mpsc::Receiver<Filled>,
        hurry: Arc<Notify>,
    ) -> Inlets {
        Inlets { blocks, changes, fills, ticked: Instant::now(), hurry }
    }

    /// What arrives within an epoch, which ends at once when other processes wait for it (`waited_for`). Another program, or a
    /// chunk of the past, is taken between epochs. While nothing arrives one is due every `tick`.
    pub(super) fn gather(&mut self, tick: Duration, waited_for: impl Fn() -> bool) -> Next {
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        let mut deadline = self.ticked + tick;
        let open = loop {
            let between = gathered.is_empty();
            match wait(deadline, self.receive(between)) {
                Some(Came::Change(change)) => return Next::Change(change),
                Some(Came::Fill(filled)) => return Next::Fill(filled),
                None => break true,
                Some(Came::Hurry) if waited_for() => break true,
                Some(Came::Hurry) => {}
                Some(Came::Block(None)) => break false,
                Some(Came::Block(Some(block))) => {
                    bytes += block.lines.len();
                    if between {
                        deadline = Instant::now() + left(block.received, time::now());
                    }
                    gathered.push(block);
                    if bytes >= EPOCH_BYTES {
                        break true;
                    }
                }
            }
        };
        self.ticked = Instant::now();
        Next::Epoch(gathered, open)
    }

    async fn receive(&mut self, between: bool) -> Came {
        tokio::select! {
            biased;
            Some(change) = self.changes.recv(), if between => Came::Change(change),
            block = self.blocks.recv() => Came::Block(block),
            () = self.hurry.notified() => Came::Hurry,
            Some(filled) = self.fills.recv(), if between => Came::Fill(filled),
        }
    }

    /// A chunk of the past that is there already.
    pub(super) fn filled(&mut self) -> Option<Filled> {
        self.fills.try_recv().ok()
    }
}

/// How long an epoch whose first block was received at a time (µs UTC) gathers from `now` on: what waited for the epoch before
/// does not wait again.
fn left(received: i64, now: i64) -> Duration {
    let waited = u64::try_from(now.saturating_sub(received)).unwrap_or(0);
    GATHER.saturating_sub(Duration::from_micros(waited)).max(LEAST)
}

/// Waits for something on this thread; `None` when the deadline comes first.
fn wait<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(came) = future.as_mut().poll(&mut context) {
            return Some(came);
        }
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::raw::Source;

    fn block(text: &str) -> RawLog {
        let lines = text.as_bytes().to_vec().into();
        RawLog { source: Source::stream("s".to_owned()), lines, offset: 0, received: 0, acknowledge: None }
    }

    #[test]
    fn blocks_that_come_together_are_one_epoch_and_the_end_is_seen() {
        let (blocks, receiver) = mpsc::channel(4);
        let ((_changes, changes), (_fills, fills)) = (mpsc::channel(1), mpsc::channel(1));
        let mut inlets = Inlets::new(receiver, changes, fills, Arc::default());
        blocks.blocking_send(block("a\n")).unwrap();
        blocks.blocking_send(block("b\n")).unwrap();
        drop(blocks);
        let Next::Epoch(gathered, open) = inlets.gather(TICK, || false) else { panic!("no epoch") };
        assert_eq!((gathered.len(), open), (2, false));
    }

    #[test]
    fn a_block_waits_for_others_once() {
        let now = 1_000 * time::SECOND;
        assert_eq!(left(now, now), GATHER);
        assert_eq!(left(now - 10_000, now), GATHER - Duration::from_millis(10));
        assert_eq!((left(now - time::SECOND, now), left(0, now)), (LEAST, LEAST));
        // The clock was set back.
        assert_eq!(left(now + time::SECOND, now), GATHER);
    }

    #[test]
    fn nothing_is_sent_for_long_while_nothing_happens() {
        let mut pulse = Pulse::default();
        let second = time::SECOND;
        assert!(pulse.beats(true, 5, 0));
        let sent: Vec<i64> = (1..30).filter(|n| pulse.beats(false, 5, n * second / 5)).collect();
        assert_eq!(sent, [5, 10]);
        assert_eq!((pulse.tick(false), pulse.tick(true)), (RESTING, TICK));
        assert!(pulse.beats(false, 6, 7 * second), "time went on");
        assert!(pulse.beats(true, 6, 7 * second), "an event");
        assert_eq!(pulse.tick(false), TICK);
    }

    #[test]
    fn time_moves_on_while_nothing_comes() {
        let (_blocks, receiver) = mpsc::channel(4);
        let ((_changes, changes), (fill, fills)) = (mpsc::channel(1), mpsc::channel(1));
        let mut inlets = Inlets::new(receiver, changes, fills, Arc::default());
        let Next::Epoch(gathered, open) = inlets.gather(TICK, || false) else { panic!("no epoch") };
        assert!(gathered.is_empty() && open);
        fill.blocking_send(Filled::End(1)).unwrap();
        assert!(matches!(inlets.gather(TICK, || false), Next::Fill(Filled::End(1))));
        assert!(inlets.filled().is_none());
    }
}
