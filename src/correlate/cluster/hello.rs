//! What two processes of a cluster tell each other first, and whether they fit.
//!
//! On the wire: `weir`, the length (4 bytes, big endian), JSON.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde::{Deserialize, Serialize};

const MAGIC: [u8; 4] = *b"weir";
/// A hello is shorter than this, bytes.
const MOST: usize = 4096;

/// How a process was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Version.
    pub(super) weir: String,
    pub(super) processes: usize,
    pub(super) process: usize,
    pub(super) workers: usize,
    /// What tells its rules and lists from others.
    pub(super) program: String,
}

impl Hello {
    /// How `other` differs from this one where both must be alike.
    pub(super) fn differs(&self, other: &Hello) -> Option<String> {
        if self.weir != other.weir {
            return Some(format!(
                "is weir {}, this one is weir {}: run the same version everywhere",
                other.weir, self.weir
            ));
        }
        if self.processes != other.processes {
            return Some(format!(
                "is one of {} processes, this one is one of {}: give all of them the same hosts file",
                other.processes, self.processes
            ));
        }
        if self.workers != other.workers {
            return Some(format!(
                "was started with --workers {}, this one with --workers {}: give all of them the same number",
                other.workers, self.workers
            ));
        }
        let what = "runs other rules or lists than this one: give all processes the same ones (--rules), then start them again";
        (self.program != other.program).then(|| what.to_owned())
    }

    pub(super) fn write(&self, mut out: &TcpStream) -> io::Result<()> {
        let text = serde_json::to_vec(self).expect("it has text keys only");
        let length = u32::try_from(text.len()).expect("it is short").to_be_bytes();
        out.write_all(&[&MAGIC, &length, &text[..]].concat())
    }

    /// Reads the hello of the other side and not a byte more. `waiting` is asked whether to go on each time nothing came for the
    /// stream's time-out.
    pub(super) fn read(from: &TcpStream, waiting: &mut dyn FnMut() -> bool) -> io::Result<Hello> {
        let mut head = [0; 8];
        fill(from, &mut head, waiting)?;
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head[..4] != MAGIC || length > MOST {
            return Err(io::Error::new(ErrorKind::InvalidData, "that is no weir"));
        }
        let mut text = vec![0; length];
        fill(from, &mut text, waiting)?;
        serde_json::from_slice(&text).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))
    }
}

fn fill(mut from: &TcpStream, buffer: &mut [u8], waiting: &mut dyn FnMut() -> bool) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut if waiting() => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_do_not_fit_say_how() {
        let hello = Hello { weir: "1".into(), processes: 2, process: 0, workers: 1, program: "a".into() };
        let like = Hello { process: 1, ..hello.clone() };
        assert_eq!(hello.differs(&like), None);
        let differs = |other: Hello| hello.differs(&other).unwrap();
        assert!(differs(Hello { weir: "2".into(), ..like.clone() }).contains("weir 2"));
        assert!(differs(Hello { processes: 3, ..like.clone() }).contains("one of 3 processes"));
        assert!(differs(Hello { workers: 4, ..like.clone() }).contains("--workers 4"));
        assert!(differs(Hello { program: "b".into(), ..like }).contains("other rules"));
    }
}
