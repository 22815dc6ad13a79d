//! Several processes as one dataflow: who they are.
//!
//! In: a hosts file, one `host:port` a line, and which of its processes this one is. Out: a [`Cluster`]. [`connect`] brings the
//! processes together and makes sure that they fit; [`crate::correlate::start_in`] runs the dataflow over
//! these connections; [`end_on_loss`] says what happens when one of them breaks.
//!
//! Connections are neither encrypted nor signed: they belong into a network of their own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

mod connect;
mod hello;
mod loss;

pub use connect::{Links, connect};
pub use loss::end_on_loss;

/// The processes that run one dataflow, and which one this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    process: usize,
    addresses: Vec<String>,
}

/// Why the processes do not come together.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The hosts file could not be read.
    #[error("cannot read the hosts file {path}: {cause}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A line of the hosts file is wrong.
    #[error("{path}:{line}: {what}")]
    Line {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
    /// There is nobody in the hosts file.
    #[error("{path}: no address: write one `host:port` a line, process 0 first")]
    Empty {
        /// The file.
        path: String,
    },
    /// There is no such process in the hosts file.
    #[error("--process {process}: {path} has {}", range(*.processes))]
    Process {
        /// The file.
        path: String,
        /// The number asked for.
        process: usize,
        /// How many there are.
        processes: usize,
    },
    /// This process's own address cannot be used.
    #[error("cannot listen for the other processes at {address}: {cause}; line {} of the hosts file must be an address of this machine with a free port", .process + 1)]
    Listen {
        /// The address.
        address: String,
        /// This process.
        process: usize,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another process is not what this one expects.
    #[error("process {process} at {address} {what}")]
    Unlike {
        /// The other process.
        process: usize,
        /// Where it is.
        address: String,
        /// How it differs, and what to do.
        what: String,
    },
    /// A connection could not be used.
    #[error("connection to process {process}: {cause}")]
    Socket {
        /// The other process.
        process: usize,
        /// What the system said.
        cause: std::io::Error,
    },
}

fn range(processes: usize) -> String {
    match processes {
        1 => "one address, for process 0".to_owned(),
        n => format!("{n} addresses, for processes 0 to {}", n - 1),
    }
}

impl Cluster {
    /// Reads a hosts file: one `host:port` a line, that of process 0 first; what follows a `#` and empty lines say nothing.
    pub fn read(path: &Path, process: usize) -> Result<Cluster, ClusterError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Cluster::parse(&text, &name, process),
            Err(cause) => Err(ClusterError::Read { path: name, cause }),
        }
    }

    fn parse(text: &str, path: &str, process: usize) -> Result<Cluster, ClusterError> {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        let mut addresses = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let address = text.split('#').next().unwrap_or_default().trim();
            if address.is_empty() {
                continue;
            }
            let wrong = |what: String| ClusterError::Line { path: path.to_owned(), line, what };
            check(address).map_err(|what| wrong(format!("`{address}` {what}")))?;
            if let Some(before) = lines.insert(address, line) {
                return Err(wrong(format!(
                    "{address} is on line {before}, too: each process has an address of its own"
                )));
            }
            addresses.push(address.to_owned());
        }
        match addresses.len() {
            0 => Err(ClusterError::Empty { path: path.to_owned() }),
            processes if process >= processes => {
                Err(ClusterError::Process { path: path.to_owned(), process, processes })
            }
            _ => Ok(Cluster { process, addresses }),
        }
    }

    /// Of these addresses, in order of the processes; `process` is one of them.
    pub fn new(addresses: Vec<String>, process: usize) -> Cluster {
        Cluster { process: process.min(addresses.len().saturating_sub(1)), addresses }
    }

    /// Which process this is.
    pub fn process(&self) -> usize {
        self.process
    }

    /// How many there are.
    pub fn processes(&self) -> usize {
        self.addresses.len()
    }

    /// Where a process listens.
    pub fn address(&self, process: usize) -> &str {
        self.addresses.get(process).map_or("an unknown address", String::as_str)
    }

    /// Takes the address of this process.
    pub fn listen(&self) -> Result<TcpListener, ClusterError> {
        let address = self.address(self.process).to_owned();
        TcpListener::bind(&address).map_err(|cause| ClusterError::Listen { address, process: self.process, cause })
    }
}

fn check(address: &str) -> Result<(), &'static str> {
    const FORM: &str = "is not `host:port`, like 10.0.0.1:2101 or [2001:db8::1]:2101";
    let (host, port) = address.rsplit_once(':').ok_or(FORM)?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(FORM);
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("is an IPv6 address without brackets: write [2001:db8::1]:2101");
    }
    match port.parse::<u16>() {
        Ok(0) => Err("has port 0: the other processes must know the port"),
        Ok(_) => Ok(()),
        Err(_) => Err("has no port from 1 to 65535 after the last colon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, process: usize) -> Result<Cluster, String> {
        Cluster::parse(text, "hosts", process).map_err(|e| e.to_string())
    }

    #[test]
    fn a_hosts_file_has_a_process_a_line() {
        let text = "# two machines\n10.0.0.1:2101\n\n  log-2.example:2101  # the second\n[2001:db8::1]:9\n";
        let cluster = parse(text, 1).unwrap();
        assert_eq!((cluster.process(), cluster.processes()), (1, 3));
        assert_eq!((cluster.address(0), cluster.address(1)), ("10.0.0.1:2101", "log-2.example:2101"));
        assert_eq!(parse("localhost:1", 0).map(|c| c.processes()), Ok(1));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let error = |text: &str, process| parse(text, process).unwrap_err();
        assert_eq!(error("# nobody\n", 0), "hosts: no address: write one `host:port` a line, process 0 first");
        assert_eq!(error("a:1\nb:1", 2), "--process 2: hosts has 2 addresses, for processes 0 to 1");
        assert_eq!(error("a:1", 1), "--process 1: hosts has one address, for process 0");
        assert_eq!(
            error("a:1\n\na:1 # again", 0),
            "hosts:3: a:1 is on line 1, too: each process has an address of its own"
        );
        assert!(error("a:1\nb", 0).starts_with("hosts:2: `b` is not `host:port`"));
        assert!(error("a:99999", 0).starts_with("hosts:1: `a:99999` has no port from 1"));
        assert!(error("a:0", 0).contains("port 0"));
        assert!(error("::1:2101", 0).contains("brackets"));
        assert!(error("a b:1", 0).contains("host:port"));
        assert!(Cluster::read(Path::new("/nowhere/hosts"), 0).unwrap_err().to_string().contains("/nowhere/hosts"));
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = Cluster::new(vec!["192.0.2.1:2101".into(), "b:1".into()], 0).listen().unwrap_err().to_string();
        assert!(error.contains("192.0.2.1:2101") && error.contains("line 1 of the hosts file"), "{error}");
    }
}
