//! Syslog over TCP (RFC 6587): many connections, each with its own framing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Looked};
use super::frame::Framer;
use super::{Listener, Settings, source};
use crate::collect::live::{PATIENCE, Pending};
use crate::collect::{CollectError, Context, Counters};
use crate::event::raw::RawLog;

/// A silent peer is asked whether it is still there after this long; one that has gone frees its place.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Listens on `address`; port 0 lets the system choose. Connections may be idle for any time.
pub async fn tcp(
    address: SocketAddr,
    settings: Settings,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
) -> Result<Listener, CollectError> {
    let failed = |source| CollectError::Listen { protocol: "syslog over tcp", address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let task = tokio::spawn(accept(listener, Arc::new(settings), sender, stop, context));
    Ok(Listener { address, task })
}

async fn accept(
    listener: TcpListener,
    settings: Arc<Settings>,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
) {
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            () = sender.closed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(source) => {
                context.failed(&CollectError::Stream { name: "syslog over tcp".to_owned(), source });
                // Out of file handles, most likely: others may be freed meanwhile.
                tokio::time::sleep(PATIENCE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!("{peer}: refused, since {} syslog connections are open", settings.max_connections);
            Counters::add(&context.counters.refused_connections, 1);
            continue;
        };
        let (settings, sender, stop, context) = (settings.clone(), sender.clone(), stop.clone(), context.clone());
        connections.spawn(async move {
            receive(stream, peer, &settings, &sender, &stop, &context).await;
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    settings: &Settings,
    sender: &Sender<RawLog>,
    stop: &CancellationToken,
    context: &Context,
) {
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!("{peer}: no keepalive: {error}");
    }
    let pending = Pending::new(source("syslog+tcp", peer.ip(), &settings.format));
    let mut connection = Connection::new(stream, Framer::new(settings.max_message), pending);
    loop {
        let looked = tokio::select! {
            () = stop.cancelled() => break,
            () = sender.closed() => return,
            looked = connection.look(sender) => looked,
        };
        match looked {
            Ok(Looked::On) => {}
            Ok(Looked::End) => break,
            Ok(Looked::Stopped) => return,
            Err(source) => {
                context.failed(&CollectError::Stream { name: format!("syslog+tcp://{peer}"), source });
                break;
            }
        }
    }
    let framer = connection.end(sender).await;
    Counters::add(&context.counters.split_lines, framer.cuts);
    if framer.lost {
        tracing::warn!("{peer}: octet counts did not add up; the rest was read as lines");
        Counters::add(&context.counters.framing_errors, 1);
    }
}
