//! Syslog over real sockets.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::collect::{CollectError, Context};
use crate::event::raw::RawLog;

const LOCAL: &str = "127.0.0.1:0";

struct World {
    listener: Listener,
    blocks: Receiver<RawLog>,
    stop: CancellationToken,
    context: Context,
}

async fn listen(over_tcp: bool, settings: Settings) -> World {
    let (sender, blocks) = mpsc::channel(1);
    let (stop, context) = (CancellationToken::new(), Context::default());
    let address = LOCAL.parse().unwrap();
    let listener = if over_tcp {
        tcp(address, settings, sender, stop.clone(), context.clone()).await
    } else {
        udp(address, settings, sender, stop.clone(), context.clone()).await
    };
    World { listener: listener.unwrap(), blocks, stop, context }
}

impl World {
    /// Reads until `count` lines came; the lines by source.
    async fn lines(&mut self, count: usize) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        while all.values().map(|text| text.lines().count()).sum::<usize>() < count {
            let block = timeout(Duration::from_secs(20), self.blocks.recv()).await.expect("in time").expect("open");
            assert!(block.lines.ends_with(b"\n"));
            all.entry(block.source.name.to_string()).or_default().push_str(&String::from_utf8_lossy(&block.lines));
        }
        all
    }

    async fn end(mut self) -> String {
        self.stop.cancel();
        let mut rest = String::new();
        while let Some(block) = self.blocks.recv().await {
            rest.push_str(&String::from_utf8_lossy(&block.lines));
        }
        self.listener.task.await.unwrap();
        rest
    }
}

#[tokio::test]
async fn a_datagram_is_an_event() {
    let mut world = listen(false, Settings::default()).await;
    let socket = UdpSocket::bind(LOCAL).unwrap();
    for message in [&b"<13>one\n"[..], b"<13>two\nlines\n", b"", b"\n", b"<13>\xff\x00bin\0"] {
        socket.send_to(message, world.listener.address).unwrap();
    }
    let lines = world.lines(3).await;
    assert_eq!(lines["syslog+udp://127.0.0.1"], "<13>one\n<13>two#012lines\n<13>\u{fffd}\0bin\n");
    socket.send_to(b"<13>last", world.listener.address).unwrap();
    assert_eq!(world.end().await, "<13>last\n");
}

#[tokio::test]
async fn many_connections_each_with_its_framing() {
    let mut world = listen(true, Settings::default()).await;
    let address = world.listener.address;
    let senders: Vec<_> = (0..20)
        .map(|n| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                for line in 0..500 {
                    let message = format!("<13>host{n} line {line}");
                    let framed =
                        if n % 2 == 0 { format!("{message}\n") } else { format!("{} {message}", message.len()) };
                    stream.write_all(framed.as_bytes()).unwrap();
                }
                // Without its newline: whole or not, it counts when the connection ends.
                stream.write_all(if n % 2 == 0 { b"<13>end" } else { b"7 <13>end" }).unwrap();
            })
        })
        .collect();
    let lines = world.lines(20 * 501).await;
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let text = &lines["syslog+tcp://127.0.0.1"];
    let mut got: Vec<&str> = text.lines().collect();
    got.sort_unstable();
    let lines = (0..20).flat_map(|n| (0..500).map(move |line| format!("<13>host{n} line {line}")));
    let mut expected: Vec<String> = lines.chain(std::iter::repeat_n("<13>end".to_owned(), 20)).collect();
    expected.sort_unstable();
    assert_eq!(got, expected);
    assert_eq!(world.end().await, "");
}

#[tokio::test]
async fn stopping_gives_out_what_was_received() {
    let mut world = listen(true, Settings::default()).await;
    let mut stream = TcpStream::connect(world.listener.address).unwrap();
    stream.write_all(b"<13>a\n<13>unfinished").unwrap();
    assert_eq!(world.lines(1).await["syslog+tcp://127.0.0.1"], "<13>a\n");
    assert_eq!(world.end().await, "<13>unfinished\n");
}

/// What a sender sees that has ended its side: true when the connection was closed, false when it was broken off.
async fn outcome(mut stream: TcpStream) -> bool {
    let read = move || std::io::Read::read(&mut stream, &mut [0]).is_ok_and(|n| n == 0);
    tokio::task::spawn_blocking(read).await.unwrap()
}

fn sent(address: std::net::SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_closed_in_peace_once_everything_is_durable() {
    // Lines, a message without its end, counted messages, more than is looked at in one go.
    let many = "<13>a line of some length that comes often\n".repeat(20_000);
    for text in ["<13>a\n<13>b\n", "<13>unfinished", "5 <13>a7 <13>abc", &many] {
        let mut world = listen(true, Settings::default()).await;
        let stream = sent(world.listener.address, text);
        let outcome = tokio::spawn(outcome(stream));
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        let expected =
            if text.ends_with('\n') { text.len() } else { text.replace("5 <", "<").replace("7 <", "\n<").len() + 1 };
        while bytes < expected {
            let block = timeout(Duration::from_secs(20), world.blocks.recv()).await.unwrap().unwrap();
            bytes += block.lines.len();
            blocks.push(block);
        }
        assert_eq!(bytes, expected);
        assert!(!outcome.is_finished(), "nothing is durable yet");
        for block in blocks {
            block.acknowledge.unwrap().send(Ok(Default::default())).unwrap();
        }
        assert!(timeout(Duration::from_secs(20), outcome).await.unwrap().unwrap());
        assert_eq!(world.end().await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_broken_off_when_weir_dies_before() {
    let mut world = listen(true, Settings::default()).await;
    let outcome = tokio::spawn(outcome(sent(world.listener.address, "<13>a\n<13>b\n")));
    let block = timeout(Duration::from_secs(20), world.blocks.recv()).await.unwrap().unwrap();
    assert_eq!(block.lines, "<13>a\n<13>b\n");
    // Its sockets go, as they do when the process is killed.
    world.listener.task.abort();
    assert!(!timeout(Duration::from_secs(20), outcome).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stays_open_is_read_on() {
    let mut world = listen(true, Settings::default()).await;
    let mut stream = TcpStream::connect(world.listener.address).unwrap();
    for n in 0..20 {
        writeln!(stream, "<13>{n}").unwrap();
        let block = timeout(Duration::from_secs(20), world.blocks.recv()).await.unwrap().unwrap();
        assert_eq!(block.lines, format!("<13>{n}\n"));
        // Some are durable before the next comes, some only later.
        if n % 3 > 0 {
            block.acknowledge.unwrap().send(Ok(Default::default())).unwrap();
        }
    }
}

#[tokio::test]
async fn long_messages_are_cut_and_counted() {
    let mut world = listen(true, Settings { max_message: 1000, ..Settings::default() }).await;
    let mut stream = TcpStream::connect(world.listener.address).unwrap();
    stream.write_all(&[vec![b'x'; 2500], b"\n<13>b\n".to_vec()].concat()).unwrap();
    drop(stream);
    let lines = world.lines(4).await;
    let lengths: Vec<usize> = lines["syslog+tcp://127.0.0.1"].lines().map(str::len).collect();
    assert_eq!(lengths, [1000, 1000, 500, 5]);
    let context = world.context.clone();
    world.end().await;
    assert_eq!(context.counters.split_lines.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn too_many_connections_are_refused_and_the_others_go_on() {
    let mut world = listen(true, Settings { max_connections: 1, ..Settings::default() }).await;
    let mut first = TcpStream::connect(world.listener.address).unwrap();
    first.write_all(b"<13>a\n").unwrap();
    world.lines(1).await;
    let second = TcpStream::connect(world.listener.address).unwrap();
    let closed = tokio::task::spawn_blocking(move || std::io::Read::read(&mut &second, &mut [0]));
    assert!(matches!(closed.await.unwrap(), Ok(0) | Err(_)));
    assert_eq!(world.context.counters.refused_connections.load(Ordering::Relaxed), 1);
    first.write_all(b"<13>b\n").unwrap();
    assert_eq!(world.lines(1).await["syslog+tcp://127.0.0.1"], "<13>b\n");
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let world = listen(true, Settings::default()).await;
    let (sender, _blocks) = mpsc::channel(1);
    let again = tcp(world.listener.address, Settings::default(), sender, world.stop.clone(), Context::default()).await;
    let Err(error @ CollectError::Listen { .. }) = again else { panic!("two listeners on one port") };
    let port = world.listener.address.port();
    assert!(error.to_string().contains(&format!("another program has port {port}")), "{error}");
}

#[tokio::test]
async fn a_stopped_engine_ends_the_listener() {
    let world = listen(true, Settings::default()).await;
    drop(world.blocks);
    timeout(Duration::from_secs(20), world.listener.task).await.expect("in time").unwrap();
}
