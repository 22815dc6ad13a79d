//! Syslog listeners. In: datagrams and TCP connections. Out: [`RawLog`](crate::event::raw::RawLog) blocks named
//! `syslog+udp://ADDRESS` and `syslog+tcp://ADDRESS` after their sender.
//!
//! Syslog has no answers. A TCP sender is slowed down when the engine is slow, and its connection is closed in peace only once
//! everything is durable (see `connection`); datagrams that come meanwhile are dropped by the system once its buffer
//! is full.

mod connection;
mod frame;
mod tcp;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::event::raw::Source;

pub use tcp::tcp;
pub use udp::udp;

/// Bounds of the listeners.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The format, if the user named one.
    pub format: Option<Arc<str>>,
    /// A longer TCP message is handed on in pieces of this size, in bytes.
    pub max_message: usize,
    /// TCP connections beyond this are refused.
    pub max_connections: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { format: None, max_message: 1 << 20, max_connections: 1024 }
    }
}

/// A listener at work.
#[derive(Debug)]
pub struct Listener {
    /// The address it has: with the port that the system chose where 0 was asked for.
    pub address: SocketAddr,
    /// Ends, with everything sent on that was received, when its token is cancelled or the engine stops.
    pub task: JoinHandle<()>,
}

/// The source that stands for a sender.
fn source(protocol: &str, peer: IpAddr, format: &Option<Arc<str>>) -> Source {
    let peer = peer.to_canonical();
    let name = if peer.is_ipv6() { format!("{protocol}://[{peer}]") } else { format!("{protocol}://{peer}") };
    Source { format: format.clone(), ..Source::stream(name) }
}

#[cfg(test)]
mod tests;
