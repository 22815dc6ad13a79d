//! Syslog over UDP (RFC 5426): one datagram is one event.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Listener, Settings, source};
use crate::collect::live::{self, FULL, PATIENCE, Pending};
use crate::collect::{CollectError, Context};
use crate::event::raw::RawLog;

/// What is asked of the system for datagrams that wait, in bytes; it grants what its own limit allows.
const RECEIVE_BUFFER: usize = 8 << 20;

/// At the end, how long to look for datagrams that have arrived and were not yet read.
const DREGS: Duration = Duration::from_millis(5);

/// Listens on `address`; port 0 lets the system choose.
pub async fn udp(
    address: SocketAddr,
    settings: Settings,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
) -> Result<Listener, CollectError> {
    let failed = |source| CollectError::Listen { protocol: "syslog over udp", address, source };
    let socket = UdpSocket::bind(address).await.map_err(failed)?;
    if let Err(error) = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!("the receive buffer of udp {address} stays as it is: {error}");
    }
    let address = socket.local_addr().map_err(failed)?;
    let task = tokio::spawn(receive(socket, settings, sender, stop, context));
    Ok(Listener { address, task })
}

/// Lines by sender, all sent together.
struct Gathered {
    pending: HashMap<IpAddr, Pending>,
    bytes: usize,
    due: Option<Instant>,
}

impl Gathered {
    fn push(&mut self, peer: IpAddr, datagram: &[u8], settings: &Settings) {
        let new = || Pending::new(source("syslog+udp", peer, &settings.format));
        live::append_message(self.pending.entry(peer).or_insert_with(new).lines(), datagram);
        self.bytes += datagram.len();
        self.due.get_or_insert_with(|| Instant::now() + PATIENCE);
    }

    async fn send(&mut self, sender: &Sender<RawLog>) -> bool {
        self.due = None;
        self.bytes = 0;
        for (_, mut pending) in self.pending.drain() {
            if !pending.send(sender).await {
                return false;
            }
        }
        true
    }
}

async fn receive(
    socket: UdpSocket,
    settings: Settings,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
) {
    let mut gathered = Gathered { pending: HashMap::new(), bytes: 0, due: None };
    let mut buffer = vec![0; 64 << 10];
    loop {
        let due = gathered.due.unwrap_or_else(|| Instant::now() + PATIENCE * 1000);
        let received = tokio::select! {
            () = stop.cancelled() => break,
            received = timeout_at(due, socket.recv_from(&mut buffer)) => received,
        };
        match received {
            Ok(Ok((length, peer))) => gathered.push(peer.ip(), &buffer[..length], &settings),
            Ok(Err(source)) => {
                context.failed(&CollectError::Stream { name: "syslog over udp".to_owned(), source });
                // Errors of this kind pass (a full network buffer); the pause keeps a lasting one from filling the log.
                tokio::time::sleep(PATIENCE).await;
            }
            Err(_) => {}
        }
        let over = gathered.due.is_some_and(|due| due <= Instant::now());
        if (over || gathered.bytes >= FULL) && !gathered.send(&sender).await {
            return;
        }
    }
    // What has already arrived is taken along.
    while let Ok(Ok((length, peer))) = timeout_at(Instant::now() + DREGS, socket.recv_from(&mut buffer)).await {
        gathered.push(peer.ip(), &buffer[..length], &settings);
        if gathered.bytes >= FULL && !gathered.send(&sender).await {
            return;
        }
    }
    gathered.send(&sender).await;
}
