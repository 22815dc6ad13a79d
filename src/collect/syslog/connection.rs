//! One syslog connection: its bytes in, blocks out, and an end that says whether all of them are durable.
//!
//! Syslog has no answers, but TCP tells a sender whether its connection was closed or broken off. While anything of a
//! connection would not survive power loss, the socket is set to linger for no time (`SO_LINGER`, see socket(7)): should weir be
//! killed, the system breaks the connection off, as it also does where something was not read. So a sender that ends its side
//! and then sees the connection closed knows that everything is kept; one that sees it broken off has to send again
//! what it holds.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::frame::Framer;
use crate::collect::live::Pending;
use crate::event::raw::{RawLog, Receipt};

/// Bytes read in one go.
const LOOK: usize = 64 << 10;

type Durable = oneshot::Receiver<Result<Receipt, String>>;

/// A connection being read.
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) framer: Framer,
    pending: Pending,
    buffer: Vec<u8>,
    /// Blocks on their way to disk.
    under_way: VecDeque<Durable>,
    /// It would be broken off.
    armed: bool,
    /// Something will never be known to be durable.
    lost: bool,
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
        let under_way = VecDeque::new();
        Connection { stream, framer, pending, buffer: vec![0; LOOK], under_way, armed: false, lost: false }
    }

    /// Waits for bytes, for a block to be durable or for lines to be due, whichever is first, and does what is to be done. May be
    /// given up at any time.
    pub(super) async fn look(&mut self, sender: &Sender<RawLog>) -> io::Result<Looked> {
        let due = self.pending.due();
        tokio::select! {
            biased;
            durable = first(&mut self.under_way), if !self.under_way.is_empty() => {
                self.under_way.pop_front();
                self.lost |= !durable;
                self.settle()?;
                Ok(Looked::On)
            }
            () = tokio::time::sleep_until(due) => Ok(self.send(sender).await),
            readable = self.stream.readable() => {
                readable?;
                self.take(sender).await
            }
        }
    }

    /// Takes what is there.
    async fn take(&mut self, sender: &Sender<RawLog>) -> io::Result<Looked> {
        self.arm()?;
        match self.stream.try_read(&mut self.buffer) {
            Ok(0) => return Ok(Looked::End),
            Ok(there) => self.framer.push(&self.buffer[..there], self.pending.lines()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.settle()?,
            Err(error) => return Err(error),
        }
        if self.pending.is_full() { Ok(self.send(sender).await) } else { Ok(Looked::On) }
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

    /// From here on something may be read that is not durable.
    fn arm(&mut self) -> io::Result<()> {
        if !self.armed {
            SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
            self.armed = true;
        }
        Ok(())
    }

    /// Once everything that was read is durable, the connection may be closed in peace.
    fn settle(&mut self) -> io::Result<()> {
        let is_safe = self.under_way.is_empty() && self.pending.is_empty() && self.framer.is_empty() && !self.lost;
        if self.armed && is_safe {
            SockRef::from(&self.stream).set_linger(None)?;
            self.armed = false;
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
            self.settle().unwrap_or_default();
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
