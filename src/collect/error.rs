//! What can go wrong while collecting, each with the place and what to do next.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A source that cannot be read. The other sources go on.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Nothing is at the path.
    #[error("file `{path}` does not exist: check the spelling")]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// Nothing is at the path yet.
    #[error("file `{path}` does not exist yet: waiting for it")]
    Awaited {
        /// The path as it was given.
        path: PathBuf,
    },
    /// No file matches.
    #[error("no file matches `{path}`: quote the pattern, and check its folder")]
    NoMatch {
        /// The pattern as it was given.
        path: PathBuf,
    },
    /// Nothing in a folder can be read as lines.
    #[error(
        "there is no log in folder `{path}`: hidden files, archives (.zip, .tar …) and binary logs (.evtx, .journal, .pcap …) are left out"
    )]
    NoLog {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be opened or read.
    #[error("cannot read `{path}`: {source}: {}", advice(.source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder cannot be listed.
    #[error("cannot list folder `{path}`: {source}: {}", advice(.source))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder where a file is wanted.
    #[error("`{path}` is a folder: name the files in it, as in `{path}/*`")]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A pipe or device, which cannot be followed.
    #[error("`{path}` is not a regular file and cannot be followed: pipe it to standard input and name the source `-`")]
    NotRegular {
        /// The pipe, socket or device.
        path: PathBuf,
    },
    /// Content of a kind that is not a log of lines.
    #[error("`{path}` is {kind}: {advice}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What its first bytes say it is.
        kind: &'static str,
        /// What to do with it.
        advice: &'static str,
    },
    /// A compressed file breaks off or is damaged; the text before that was handed on.
    #[error(
        "compressed file `{path}` is damaged after {offset} bytes of text: {source}: what came before was read; get a whole copy for the rest"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How much text was read.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// Standard input or a connection failed.
    #[error("cannot read {name}: {source}")]
    Stream {
        /// The source's name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A listener cannot have its address.
    #[error("cannot listen on {protocol} {address}: {source}: {}", bind_advice(.source, .address))]
    Listen {
        /// `syslog over udp` or `syslog over tcp`.
        protocol: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread that follows files cannot be started.
    #[error("cannot start a thread to follow files: {source}: check the process limit (ulimit -u)")]
    Thread {
        /// Why.
        source: io::Error,
    },
    /// The engine takes no more lines.
    #[error("the engine has stopped: nothing more is collected")]
    Stopped,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as a user that may read it (group `adm` for /var/log)",
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a folder",
        _ if error.raw_os_error() == Some(libc::ELOOP) => "its symbolic links go in a circle; name the file itself",
        _ if error.raw_os_error() == Some(libc::EMFILE) => "raise the limit of open files (ulimit -n)",
        _ => "check that it is a readable file",
    }
}

fn bind_advice(error: &io::Error, address: &SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program has port {port}; stop it (`ss -lpn` names it) or choose another port")
        }
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a privilege; choose one above, such as {}", port.saturating_add(5000))
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; 0.0.0.0 listens on all of them".to_owned()
        }
        _ => "check the address".to_owned(),
    }
}
