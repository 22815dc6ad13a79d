//! One syslog connection: its bytes in, blocks out, and its last byte left to the system until all is durable.
//!
//! Syslog has no answers, but TCP tells a sender whether its connection was closed or broken off. While anything of a
//! connection would not survive power loss, the last byte of it is looked at and not taken: should weir be
//! killed, the system breaks the connection off, as it does where something was not read. So a sender that ends its side and
//! then sees the connection closed knows that everything is kept; one that sees it broken off has to send again what it
//! holds.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::frame::Framer;
use crate::collect::live::{PATIENCE, Pending};
use crate::event::raw::{RawLog, Receipt};

/// Bytes looked at in one go.
const LOOK: usize = 64 << 10;
/// While the last byte is held, the system cannot say that more have come: it is asked this often.
const ASK: Duration = PATIENCE;

type Durable = oneshot::Receiver<Result<Receipt, String>>;

/// A connection being read.
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) framer: Framer,
    pending: Pending,
    buffer: Vec<u8>,
    /// Blocks on their way to disk.
    under_way: VecDeque<Durable>,
    /// The last byte was looked at and is still the system's.
    held: bool,
    /// Something will never be known to be durable.
    lost: bool,
    /// When to ask again, while a byte is held.
    ask: Instant,
}

/// What came of a look.
pub(super) enum Looked {
    /// Something, or nothing yet.
    On,
    /// The sender has ended its side, or was ended.
    End,
    /// The engine takes no more.
    Stopped,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, framer: Framer, pending: Pending) -> Connection {
        let (under_way, ask) = (VecDeque::new(), Instant::now());
        Connection { stream, framer, pending, buffer: vec![0; LOOK], under_way, held: false, lost: false, ask }
    }

    /// Waits for bytes, for a block to be durable or for lines to be due, whichever is first, and does what is to be done. May be
    /// given up at any time.
    pub(super) async fn look(&mut self, sender: &Sender<RawLog>) -> io::Result<Looked> {
        let (due, ask) = (self.pending.due(), self.ask);
        tokio::select! {
            biased;
            durable = first(&mut self.under_way), if !self.under_way.is_empty() => {
                self.under_way.pop_front();
                self.lost |= !durable;
                self.let_go().await?;
            }
            () = tokio::time::sleep_until(due) => return Ok(self.send(sender).await),
            () = tokio::time::sleep_until(ask), if self.held => return self.take(sender).await,
            readable = self.stream.readable(), if !self.held => {
                readable?;
                return self.take(sender).await;
            }
        }
        Ok(Looked::On)
    }

    /// Takes what is there, but for the last byte.
    async fn take(&mut self, sender: &Sender<RawLog>) -> io::Result<Looked> {
        self.ask = Instant::now() + ASK;
        loop {
            let ready = self.stream.ready(Interest::READABLE).await?;
            let there = self.stream.peek(&mut self.buffer).await?;
            let known = usize::from(self.held);
            if there <= known {
                // Whether more can come is known without taking the held byte.
                let ended = if self.held { ready.is_read_closed() } else { there == 0 };
                return Ok(if ended { Looked::End } else { Looked::On });
            }
            self.framer.push(&self.buffer[known..there], self.pending.lines());
            self.stream.read_exact(&mut self.buffer[..there - 1]).await?;
            self.held = true;
            if self.pending.is_full()
                && let Looked::Stopped = self.send(sender).await
            {
                return Ok(Looked::Stopped);
            }
            if there < LOOK {
                return Ok(Looked::On);
            }
        }
    }

    async fn send(&mut self, sender: &Sender<RawLog>) -> Looked {
        let (waiting, durable) = oneshot::channel();
        match self.pending.send_awaited(sender, waiting).await {
            Some(true) => self.under_way.push_back(durable),
            Some(false) => {}
            None => return Looked::Stopped,
        }
        Looked::On
    }

    /// Takes the last byte, once everything before it is durable.
    async fn let_go(&mut self) -> io::Result<()> {
        let is_safe = self.under_way.is_empty() && self.pending.is_empty() && self.framer.is_empty() && !self.lost;
        if self.held && is_safe {
            self.stream.read_exact(&mut [0]).await?;
            self.held = false;
        }
        Ok(())
    }

    /// At the end: hands on what is left, and closes the connection once it is durable.
    pub(super) async fn end(mut self, sender: &Sender<RawLog>) -> Framer {
        self.framer.finish(self.pending.lines());
        let sent = self.send(sender).await;
        while !self.under_way.is_empty() {
            self.lost |= !first(&mut self.under_way).await;
            self.under_way.pop_front();
        }
        if let Looked::On = sent {
            // An error is the sender's: it has gone.
            drop(self.let_go().await);
        }
        self.framer
    }
}

/// Whether the first of these blocks became durable, once that is known.
async fn first(under_way: &mut VecDeque<Durable>) -> bool {
    match under_way.front_mut() {
        Some(durable) => matches!(durable.await, Ok(Ok(_))),
        None => true,
    }
}
