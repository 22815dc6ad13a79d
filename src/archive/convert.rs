//! A segment of the log in, Parquet files and what the manifest is to say of them out.

use std::path::Path;

use super::background::Done;
use super::log::{Frame, Frames};
use super::sink::Sink;
use super::{ArchiveError, repair};

/// A segment that takes no more.
#[derive(Clone, Copy)]
pub(super) struct Sealed {
    pub(super) number: u64,
    /// What lies behind this byte does not count.
    pub(super) committed: u64,
}

/// Turns a segment into Parquet, up to a byte.
pub(super) fn convert(path: &Path, committed: u64, sink: impl Fn(u64) -> Sink) -> Result<Done, ArchiveError> {
    if let Some(converted) = convert_sound(path, committed, &sink)? {
        return Ok(converted);
    }
    // The disk has damaged what was sound when it was written.
    repair::repair(path)?;
    let damaged = || ArchiveError::Damaged { path: path.to_owned(), what: "it cannot be repaired".to_owned() };
    convert_sound(path, u64::MAX, &sink)?.ok_or_else(damaged)
}

/// The same of a segment that is sound; `None` when it is not.
fn convert_sound(path: &Path, committed: u64, new: &impl Fn(u64) -> Sink) -> Result<Option<Done>, ArchiveError> {
    let mut done = Done::default();
    // Its first event has the number that the segment says: others may have been imported meanwhile.
    let mut sink: Option<Sink> = None;
    let mut frames = Frames::open(path)?.until(committed);
    for frame in frames.by_ref() {
        let Frame { head, ids, batches } = frame?;
        let sink = sink.get_or_insert_with(|| new(head.sequence));
        batches.iter().try_for_each(|batch| sink.push(batch))?;
        done.ids.extend(ids);
        done.reached.follow(head);
    }
    if frames.torn() > 0 {
        return Ok(None);
    }
    done.files = sink.map_or(Ok(Vec::new()), Sink::finish)?;
    Ok(Some(done))
}
