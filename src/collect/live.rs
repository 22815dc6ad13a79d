//! Gathers what trickles in from a live stream into blocks, so that the engine is not handed single lines.
//! In: bytes as they come. Out: [`RawLog`] blocks, at most [`PATIENCE`] after their first byte.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::event::raw::{Acknowledge, RawLog, Receipt, Source};
use crate::event::time;

/// How long a line may wait for others: half of what a person notices.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
/// Bytes that are sent on without waiting for more.
pub(super) const FULL: usize = 256 << 10;

/// Whole lines of one source that are about to be sent.
pub(super) struct Pending {
    source: Source,
    lines: Vec<u8>,
    due: Option<Instant>,
}

impl Pending {
    pub(super) fn new(source: Source) -> Pending {
        Pending { source, lines: Vec::new(), due: None }
    }

    /// Where a line is to be appended, newline included.
    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        self.due.get_or_insert_with(|| Instant::now() + PATIENCE);
        &mut self.lines
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= FULL
    }

    /// When the lines must be sent at the latest; far away when there are none.
    pub(super) fn due(&self) -> Instant {
        self.due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Sends what there is; false when the engine has stopped.
    pub(super) async fn send(&mut self, sender: &Sender<RawLog>) -> bool {
        self.hand_on(sender, None).await.is_some()
    }

    /// The same; `waiting` is told once it is durable. Whether there was anything; `None` when the engine has stopped.
    pub(super) async fn send_awaited(
        &mut self,
        sender: &Sender<RawLog>,
        waiting: oneshot::Sender<Result<Receipt, String>>,
    ) -> Option<bool> {
        self.hand_on(sender, Some(Acknowledge::patient(waiting))).await
    }

    /// May be given up while there is no room: then nothing was taken.
    async fn hand_on(&mut self, sender: &Sender<RawLog>, acknowledge: Option<Acknowledge>) -> Option<bool> {
        if self.lines.is_empty() {
            self.due = None;
            return Some(false);
        }
        let place = sender.reserve().await.ok()?;
        self.due = None;
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        place.send(RawLog { source: self.source.clone(), lines, offset: 0, received: time::now(), acknowledge });
        Some(true)
    }
}

/// Appends one message as one line: newlines inside become `#012`, as rsyslog writes them; trailing line ends and NULs
/// are dropped. An empty message adds nothing.
pub(super) fn append_message(lines: &mut Vec<u8>, message: &[u8]) {
    let end = message.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |last| last + 1);
    if end == 0 {
        return;
    }
    let mut rest = &message[..end];
    while let Some(newline) = memchr::memchr(b'\n', rest) {
        lines.extend_from_slice(&rest[..newline]);
        lines.extend_from_slice(b"#012");
        rest = &rest[newline + 1..];
    }
    lines.extend_from_slice(rest);
    lines.push(b'\n');
}
