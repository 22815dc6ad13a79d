//! What goes over the pipes between whoever asks and the worker.
//!
//! To the worker goes a [`Job`] as JSON, until the end of its standard input. Back come frames on its standard output,
//! after [`BEGINNING`]: a tag, a length, and so many bytes. The frames of rows are one Arrow IPC stream in pieces; the last
//! frame says how it ended.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::super::shown::Files;
use super::Limits;
use super::value::Argument;

/// What a worker says first. Whatever a library prints before is passed over.
pub(super) const BEGINNING: &[u8] = b"\0weir sql-worker 1\n";

/// So much may come before [`BEGINNING`], bytes.
const PREAMBLE: u64 = 4096;

/// A frame that is longer is none of ours, bytes.
const LONGEST: u32 = 1 << 20;

const ROWS: u8 = 1;
const END: u8 = 2;
const FAILURE: u8 = 3;

/// A statement to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) sql: String,
    pub(super) arguments: BTreeMap<String, Argument>,
    pub(super) files: Files,
    pub(super) limits: Limits,
}

/// How a statement ended well.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct End {
    /// Whether there were more rows.
    pub(super) truncated: bool,
    /// What this kernel's Landlock lacks that a newer one has.
    pub(super) weaknesses: Vec<String>,
}

/// How it did not.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Failure {
    /// Not allowed.
    Refused(String),
    /// DuckDB says no.
    Sql(String),
    /// A parameter is missing, or unknown.
    Parameter(String),
    /// Out of memory.
    Memory,
    /// The kernel has not what it takes.
    Unconfined(String),
    /// The views cannot be set up.
    Setup(String),
    /// A bug.
    Broken(String),
}

/// A worker's whole reply.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// An Arrow IPC stream.
    pub(super) rows: Vec<u8>,
    pub(super) end: End,
}

/// Writes pieces of rows as frames.
pub(super) struct Pieces<W>(pub(super) W);

impl<W: Write> Write for Pieces<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(LONGEST as usize)];
        frame(&mut self.0, ROWS, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes the last frame.
pub(super) fn finish(out: &mut dyn Write, end: &Result<End, Failure>) -> io::Result<()> {
    let (tag, text) = match end {
        Ok(end) => (END, serde_json::to_vec(end)),
        Err(failure) => (FAILURE, serde_json::to_vec(failure)),
    };
    frame(out, tag, &text.map_err(io::Error::other)?)?;
    out.flush()
}

fn frame(out: &mut dyn Write, tag: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&[tag])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// Reads a whole reply. `None` when the worker ended before it was complete; an error when it says what it cannot say, or
/// more than `most` bytes.
pub(super) fn read(input: &mut dyn Read, most: usize) -> Result<Option<Result<Reply, Failure>>, String> {
    if !passed(input).map_err(super::pipe("read its answer"))? {
        return Ok(None);
    }
    let mut reply = Reply::default();
    loop {
        let mut head = [0; 5];
        if input.read_exact(&mut head).is_err() {
            return Ok(None);
        }
        let [tag, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if length > LONGEST || reply.rows.len() + length as usize > most {
            return Err(format!("it answers with more than {most} bytes"));
        }
        let mut bytes = vec![0; length as usize];
        if input.read_exact(&mut bytes).is_err() {
            return Ok(None);
        }
        let garbled = |error: serde_json::Error| format!("it says what cannot be understood: {error}");
        match tag {
            ROWS => reply.rows.append(&mut bytes),
            END => {
                reply.end = serde_json::from_slice(&bytes).map_err(garbled)?;
                return Ok(Some(Ok(reply)));
            }
            FAILURE => return Ok(Some(Err(serde_json::from_slice(&bytes).map_err(garbled)?))),
            tag => return Err(format!("it says what cannot be understood: a frame {tag}")),
        }
    }
}

/// Reads until the frames begin; whether they do.
fn passed(input: &mut dyn Read) -> io::Result<bool> {
    let mut seen = Vec::with_capacity(BEGINNING.len());
    for _ in 0..PREAMBLE {
        let mut byte = [0];
        if input.read(&mut byte)? == 0 {
            return Ok(false);
        }
        if seen.len() == BEGINNING.len() {
            seen.remove(0);
        }
        seen.push(byte[0]);
        if seen == BEGINNING {
            return Ok(true);
        }
    }
    Ok(false)
}
