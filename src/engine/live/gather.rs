//! What the pipeline does next: an epoch of the blocks that arrive within some tens of milliseconds, or something between two.

use std::time::Duration;

use tokio::sync::mpsc;

use super::super::past::Filled;
use super::super::reload::Change;
use crate::event::raw::RawLog;

/// How long an epoch gathers blocks after its first one.
const GATHER: Duration = Duration::from_millis(40);
/// How often time moves on while nothing arrives.
const TICK: Duration = Duration::from_millis(200);
/// An epoch ends early at this many bytes of lines.
const EPOCH_BYTES: usize = 4 << 20;

/// What comes to the pipeline.
pub(super) struct Inlets {
    pub(super) blocks: mpsc::Receiver<RawLog>,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) fills: mpsc::Receiver<Filled>,
    /// When the last live epoch was gathered.
    pub(super) ticked: tokio::time::Instant,
}

/// What the pipeline does next.
pub(super) enum Next {
    /// A live epoch of these blocks; and whether more can come.
    Epoch(Vec<RawLog>, bool),
    Change(Change),
    Fill(Filled),
}

/// What arrives within an epoch. Another program, or a chunk of the past, is taken between epochs.
pub(super) async fn gather(inlets: &mut Inlets) -> Next {
    let mut gathered = Vec::new();
    let mut bytes = 0;
    let mut deadline = inlets.ticked + TICK;
    let open = loop {
        let between = gathered.is_empty();
        tokio::select! {
            biased;
            Some(change) = inlets.changes.recv(), if between => return Next::Change(change),
            block = inlets.blocks.recv() => {
                let Some(block) = block else { break false };
                bytes += block.lines.len();
                if between {
                    deadline = tokio::time::Instant::now() + GATHER;
                }
                gathered.push(block);
                if bytes >= EPOCH_BYTES {
                    break true;
                }
            }
            () = tokio::time::sleep_until(deadline) => break true,
            Some(filled) = inlets.fills.recv(), if between => return Next::Fill(filled),
        }
    };
    inlets.ticked = tokio::time::Instant::now();
    Next::Epoch(gathered, open)
}
