//! Connections between all processes of a cluster, each with every other.
//!
//! A process asks those before it and is asked by those after it; both say how they were started before
//! anything else goes over the wire ([`Hello`]). Somebody else who asks is turned away.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::hello::Hello;
use super::{Cluster, ClusterError};

/// How long to wait before somebody who does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(250);
/// After so long it is said whom we wait for, and …
const PATIENCE: Duration = Duration::from_secs(1);
/// … again after so long.
const REMIND: Duration = Duration::from_secs(30);
/// Who asks and then says nothing for so long is none of us.
const SILENCE: Duration = Duration::from_secs(5);
/// Who confirms nothing of what was sent for so long is gone: a machine that lost its power, a cut cable.
const GONE: Duration = Duration::from_secs(60);

/// Connections to all other processes.
pub struct Links {
    pub(in crate::correlate) cluster: Cluster,
    pub(in crate::correlate) workers: usize,
    /// By process; `None` for this one.
    pub(in crate::correlate) sockets: Vec<Option<TcpStream>>,
}

impl Links {
    /// Which process this is.
    pub fn process(&self) -> usize {
        self.cluster.process()
    }
}

/// Waits until all processes are there. `listener` is at the address of this one ([`Cluster::listen`]), `program` tells the rules
/// and lists apart from others; `say` is told whom we wait for.
pub fn connect(
    cluster: &Cluster,
    listener: &TcpListener,
    workers: usize,
    program: &str,
    say: &dyn Fn(&str),
) -> Result<Links, ClusterError> {
    let hello = Hello {
        weir: env!("CARGO_PKG_VERSION").to_owned(),
        processes: cluster.processes(),
        process: cluster.process(),
        workers,
        program: program.to_owned(),
    };
    let mut meeting = Meeting { cluster, hello, say, started: Instant::now(), reminded: None };
    let mut sockets: Vec<Option<TcpStream>> = (0..cluster.processes()).map(|_| None).collect();
    for (process, socket) in sockets.iter_mut().enumerate().take(cluster.process()) {
        *socket = Some(meeting.ask(process)?);
    }
    while let Some(missing) = (cluster.process() + 1..cluster.processes()).find(|p| sockets[*p].is_none()) {
        if let Some((process, stream)) = meeting.answer(listener, missing)? {
            if process <= cluster.process() || sockets[process].is_some() {
                let what = "is there twice: two processes were started with the same number".to_owned();
                return Err(ClusterError::Unlike { process, address: cluster.address(process).to_owned(), what });
            }
            sockets[process] = Some(stream);
        }
    }
    for (process, stream) in sockets.iter().enumerate() {
        let Some(stream) = stream else { continue };
        let ready = || {
            stream.set_read_timeout(None)?;
            stream.set_nodelay(true)?;
            socket2::SockRef::from(stream).set_tcp_user_timeout(Some(GONE))
        };
        ready().map_err(|cause| ClusterError::Socket { process, cause })?;
    }
    Ok(Links { cluster: cluster.clone(), workers, sockets })
}

struct Meeting<'c> {
    cluster: &'c Cluster,
    hello: Hello,
    say: &'c dyn Fn(&str),
    started: Instant,
    /// Of whom it was said last that we wait for it, and when.
    reminded: Option<(usize, Instant)>,
}

impl Meeting<'_> {
    /// A connection to a process before this one, when that is there.
    fn ask(&mut self, process: usize) -> Result<TcpStream, ClusterError> {
        loop {
            match self.try_ask(process) {
                Ok((stream, theirs)) => {
                    self.check(process, &theirs)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    let what = "is something else than weir: look at the hosts file".to_owned();
                    return Err(self.unlike(process, what));
                }
                Err(_) => {
                    self.remind(process);
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }

    fn try_ask(&mut self, process: usize) -> io::Result<(TcpStream, Hello)> {
        let stream = TcpStream::connect(self.cluster.address(process))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        self.hello.write(&stream)?;
        // It may wait for others before it answers.
        let theirs = Hello::read(&stream, &mut || {
            self.remind(process);
            true
        })?;
        Ok((stream, theirs))
    }

    /// Whoever asks next, if it is a process of ours; `missing` is one that we wait for.
    fn answer(&mut self, listener: &TcpListener, missing: usize) -> Result<Option<(usize, TcpStream)>, ClusterError> {
        let failed = |cause| ClusterError::Socket { process: missing, cause };
        socket2::SockRef::from(listener).set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let (stream, from) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    self.remind(missing);
                    return Ok(None);
                }
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => return Ok(None),
                _ => return Err(failed(error)),
            },
        };
        let greet = || {
            stream.set_read_timeout(Some(SILENCE))?;
            self.hello.write(&stream)?;
            Hello::read(&stream, &mut || false)
        };
        let Ok(theirs) = greet() else {
            (self.say)(&format!("somebody at {from} who is no weir of this cluster was turned away"));
            return Ok(None);
        };
        self.check(theirs.process, &theirs)?;
        Ok(Some((theirs.process, stream)))
    }

    fn check(&self, expected: usize, theirs: &Hello) -> Result<(), ClusterError> {
        if let Some(what) = self.hello.differs(theirs) {
            return Err(self.unlike(expected, what));
        }
        if theirs.process != expected || theirs.process >= self.cluster.processes() {
            let what = format!("was started with --process {}: give all of them the same hosts file", theirs.process);
            return Err(self.unlike(expected, what));
        }
        Ok(())
    }

    fn unlike(&self, process: usize, what: String) -> ClusterError {
        ClusterError::Unlike { process, address: self.cluster.address(process).to_owned(), what }
    }

    fn remind(&mut self, process: usize) {
        let due = match self.reminded {
            Some((before, said)) => before != process || said.elapsed() >= REMIND,
            None => self.started.elapsed() >= PATIENCE.mul_f32(0.9),
        };
        if due {
            self.reminded = Some((process, Instant::now()));
            (self.say)(&format!("waiting for process {process} at {} …", self.cluster.address(process)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Two processes on free ports.
    fn two() -> ([TcpListener; 2], [Cluster; 2]) {
        let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses: Vec<String> = listeners.iter().map(|l| l.local_addr().unwrap().to_string()).collect();
        (listeners, [0, 1].map(|process| Cluster::new(addresses.clone(), process)))
    }

    fn meet(workers: [usize; 2], programs: [&str; 2]) -> [Result<Links, ClusterError>; 2] {
        let (listeners, clusters) = two();
        std::thread::scope(|scope| {
            let start = |i: usize| connect(&clusters[i], &listeners[i], workers[i], programs[i], &|_| ());
            let other = scope.spawn(move || start(1));
            [start(0), other.join().unwrap()]
        })
    }

    #[test]
    fn processes_that_fit_meet() {
        let links = meet([2, 2], ["a", "a"]).map(Result::unwrap);
        assert!(links[0].sockets[0].is_none() && links[0].sockets[1].is_some());
        assert!(links[1].sockets[0].is_some() && links[1].sockets[1].is_none());
    }

    #[test]
    fn both_refuse_when_they_do_not_fit() {
        for (workers, programs, word) in [([1, 2], ["a", "a"], "--workers"), ([1, 1], ["a", "b"], "other rules")] {
            for (process, link) in meet(workers, programs).into_iter().enumerate() {
                let error = link.err().unwrap().to_string();
                assert!(error.starts_with(&format!("process {} at 127.0.0.1:", 1 - process)), "{error}");
                assert!(error.contains(word), "{error}");
            }
        }
    }

    #[test]
    fn a_stranger_is_turned_away() {
        let (listeners, clusters) = two();
        let mut stranger = TcpStream::connect(clusters[0].address(0)).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let said = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let (listener, cluster) = (&listeners[1], &clusters[1]);
            let other = scope.spawn(move || connect(cluster, listener, 1, "a", &|_| ()));
            let say = |text: &str| said.lock().unwrap().push(text.to_owned());
            assert!(connect(&clusters[0], &listeners[0], 1, "a", &say).is_ok());
            assert!(other.join().unwrap().is_ok());
        });
        assert!(said.into_inner().unwrap()[0].contains("turned away"));
    }
}
