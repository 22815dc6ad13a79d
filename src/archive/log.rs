//! The log: segments of committed epochs, each one frame that counts wholly or not at all.
//!
//! ```text
//! segment   8 bytes "weirlog2", u64 seed three times, then frames; or 8 bytes "weirlog1", of which the seed is 0
//! frame     u64 length of the payload, u64 xxh3 of the payload with the seed, payload          (little-endian)
//! payload   u32 length of the head, head (JSON), ids that senders gave (16 bytes each, as many as the head says),
//!           then for each batch u64 length, Arrow IPC stream
//! ```
//!
//! The seed is a random number. What is in an event was written by somebody else, and must not be taken for a frame where
//! frames are looked for in a damaged file. Of its three copies each bit is what two of them say.
//!
//! A batch is written flat, one Arrow column a field by its dotted name, only those that it has.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, Schema, UInt32Type};
use arrow::ipc::MetadataVersion;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::manifest::Checkpoint;
use super::{ArchiveError, layout};
use crate::event::field::{self, EXTRA_PREFIX};
use crate::event::{EventBatch, FieldId};

const MAGIC: [u8; 8] = *b"weirlog2";
/// Bytes that a file begins with.
pub(super) const OPENING: u64 = 32;
const MAGIC_WITHOUT_SEED: [u8; 8] = *b"weirlog1";
pub(super) const FRAME_HEAD: u64 = 16;

/// Bytes of an id.
const ID: usize = size_of::<u128>();

/// What a frame says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Head {
    /// How many events were accepted before it.
    pub(super) sequence: u64,
    /// How many it holds.
    pub(super) events: u64,
    /// Time of its latest event, µs; `None` when it has no events.
    pub(super) max_time: Option<i64>,
    /// How far sources were read with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) checkpoints: Vec<Checkpoint>,
    /// The watermark that holds after its events, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) watermark: Option<i64>,
    /// Events of this process before this are late, µs; of one process of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) promise: Option<i64>,
    /// How many ids follow, of requests and events that may be sent again.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) ids: u32,
}

fn is_none(ids: &u32) -> bool {
    *ids == 0
}

/// What a file of frames begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// What checksums are made with.
    seed: u64,
    /// Bytes of it.
    length: u64,
}

impl Opening {
    /// One that nobody can foresee.
    fn new() -> Opening {
        let seed = RandomState::new().hash_one(std::process::id());
        Opening { seed, length: OPENING }
    }

    fn bytes(self) -> Vec<u8> {
        let seed = self.seed.to_le_bytes();
        [MAGIC, seed, seed, seed].concat()
    }

    /// That of a file of this length; `None` when it is shorter, as one is that was being created.
    fn read(file: &mut impl Read, length: u64, path: &Path) -> Result<Option<Opening>, ArchiveError> {
        let mut word = || -> std::io::Result<[u8; 8]> {
            let mut word = [0; 8];
            file.read_exact(&mut word).map(|()| word)
        };
        let failed = ArchiveError::io("read", path);
        let mut read = || match length {
            ..8 => Ok(None),
            8.. => match word()? {
                MAGIC_WITHOUT_SEED => Ok(Some(Ok(Opening { seed: 0, length: 8 }))),
                MAGIC if length < OPENING => Ok(None),
                MAGIC => {
                    let [a, b, c] = [word()?, word()?, word()?].map(u64::from_le_bytes);
                    Ok(Some(Ok(Opening { seed: a & b | a & c | b & c, length: OPENING })))
                }
                _ => Ok(Some(Err("it does not begin like a log of weir"))),
            },
        };
        let damaged = |what: &str| ArchiveError::Damaged { path: path.to_owned(), what: what.to_owned() };
        read().map_err(failed)?.transpose().map_err(damaged)
    }

    /// The checksum of a payload.
    pub(super) fn checksum(self, payload: &[u8]) -> u64 {
        xxh3_64_with_seed(payload, self.seed)
    }
}

/// One committed epoch.
pub(super) struct Frame {
    pub(super) head: Head,
    /// See [`Taken`](crate::event::taken::Taken).
    pub(super) ids: Vec<u128>,
    pub(super) batches: Vec<EventBatch>,
}

/// Appends frames to a segment.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    opening: Opening,
    pub(super) number: u64,
    /// Length up to which everything is durable.
    pub(super) committed: u64,
    /// Bytes beyond `committed` may be there.
    dirty: bool,
}

impl Segment {
    /// A new, empty segment.
    pub(super) fn create(dir: &Path, number: u64) -> Result<Segment, ArchiveError> {
        let (path, opening) = (layout::segment(dir, number), Opening::new());
        let create = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.set_len(0)?;
            file.write_all(&opening.bytes())?;
            file.sync_all()?;
            Ok(file)
        };
        let file = create().map_err(ArchiveError::io("write", &path))?;
        layout::sync_folder(&layout::log_folder(dir))?;
        Ok(Segment { file, path, opening, number, committed: opening.length, dirty: false })
    }

    /// Goes on with a file of frames that are all sound; makes it where there is none.
    pub(super) fn reopen(path: PathBuf, number: u64) -> Result<Segment, ArchiveError> {
        let io = || ArchiveError::io("write", &path);
        let (mut file, opening) = open_or_begin(&path, Opening::new())?;
        file.sync_all().map_err(io())?;
        let committed = file.seek(SeekFrom::End(0)).map_err(io())?;
        layout::sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Segment { file, path, opening, number, committed, dirty: false })
    }

    /// Cuts off what an error left behind the last commit, if anything.
    pub(super) fn clean(&mut self) -> Result<(), ArchiveError> {
        if self.dirty {
            let cut = self.file.set_len(self.committed).and_then(|()| self.file.sync_data());
            cut.map_err(ArchiveError::io("cut back", &self.path))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Appends a frame; once this returns it survives power loss. After an error nothing of it counts.
    pub(super) fn commit(&mut self, head: &Head, ids: &[u128], batches: &[u8]) -> Result<(), ArchiveError> {
        let frame = frame(self.opening, head, ids, batches);
        let done = self.append(&frame);
        match done {
            Ok(()) => {
                self.committed += frame.len() as u64;
                self.dirty = false;
            }
            // A frame that was written whole, and could not be made durable, must not count after all. Otherwise it is
            // cut off before the next.
            Err(_) => drop(self.clean()),
        }
        done
    }

    /// Whether so many bytes more could be made durable, of which nothing stays.
    pub(super) fn probe(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        // No frame has this length: it reads as a torn tail.
        let done = self.append(&vec![0xff; bytes]);
        let cleaned = self.clean();
        done.and(cleaned)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.clean()?;
        self.dirty = true;
        let done = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        done.map_err(ArchiveError::io("append to", &self.path))
    }
}

/// Appends a frame to a file that need not survive anything.
pub(super) fn spill(path: &Path, batches: &[EventBatch]) -> Result<(), ArchiveError> {
    let mut encoded = Vec::new();
    for batch in batches {
        encode(batch, &mut encoded).map_err(ArchiveError::arrow(path))?;
    }
    let (mut file, opening) = open_or_begin(path, Opening::new())?;
    file.write_all(&frame(opening, &Head::default(), &[], &encoded)).map_err(ArchiveError::io("write", path))
}

/// Opens a file of sound frames to append some; one that is empty or not there begins like this.
fn open_or_begin(path: &Path, otherwise: Opening) -> Result<(File, Opening), ArchiveError> {
    let io = || ArchiveError::io("write", path);
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(io())?;
    let length = file.metadata().map_err(io())?.len();
    if let Some(opening) = Opening::read(&mut file, length, path)? {
        return Ok((file, opening));
    }
    file.set_len(0).and_then(|()| file.write_all(&otherwise.bytes())).map_err(io())?;
    Ok((file, otherwise))
}

fn frame(opening: Opening, head: &Head, ids: &[u128], batches: &[u8]) -> Vec<u8> {
    let head = Head { ids: ids.len() as u32, ..head.clone() };
    let head = serde_json::to_vec(&head).expect("a frame's head has text keys only");
    let length = 4 + head.len() + ids.len() * ID + batches.len();
    let mut frame = Vec::with_capacity(FRAME_HEAD as usize + length);
    frame.extend_from_slice(&(length as u64).to_le_bytes());
    frame.extend_from_slice(&[0; 8]);
    frame.extend_from_slice(&(head.len() as u32).to_le_bytes());
    frame.extend_from_slice(&head);
    ids.iter().for_each(|id| frame.extend_from_slice(&id.to_le_bytes()));
    frame.extend_from_slice(batches);
    let checksum = opening.checksum(&frame[FRAME_HEAD as usize..]);
    frame[8..16].copy_from_slice(&checksum.to_le_bytes());
    frame
}

/// Appends the encoded form of a batch.
pub(super) fn encode(batch: &EventBatch, out: &mut Vec<u8>) -> Result<(), arrow::error::ArrowError> {
    let record = flat(batch)?;
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?;
    let mut writer = StreamWriter::try_new_with_options(&mut *out, record.schema_ref(), options)?;
    writer.write(&record)?;
    writer.finish()?;
    drop(writer);
    let length = (out.len() - at - 8) as u64;
    out[at..at + 8].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn flat(batch: &EventBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = field::all().filter_map(|id| Some((id.name().to_owned(), batch.column(id)?.clone())));
    let extra = batch.extras().iter().map(|(n, d)| (format!("{EXTRA_PREFIX}{n}"), Arc::new(d.clone()) as ArrayRef));
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
        columns.chain(extra).map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).unzip();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

fn unflatten(record: &RecordBatch) -> EventBatch {
    let mut columns: Vec<(FieldId, ArrayRef)> = Vec::new();
    let mut extra = Vec::new();
    for (field, array) in record.schema_ref().fields().iter().zip(record.columns()) {
        if let Some(id) = field::by_name(field.name()) {
            columns.push((id, array.clone()));
        } else if let Some(name) = field.name().strip_prefix(EXTRA_PREFIX)
            && let Some(column) = array.as_dictionary_opt::<UInt32Type>()
        {
            extra.push((name.into(), column.clone()));
        }
    }
    EventBatch::from_columns(record.num_rows(), columns, extra)
}

/// Reads the frames of a segment. Ends at the first byte that is not part of a whole, sound frame.
pub(super) struct Frames {
    file: BufReader<File>,
    path: PathBuf,
    /// `None` of a file that was being created.
    pub(super) opening: Option<Opening>,
    length: u64,
    /// Everything before this byte is sound.
    pub(super) sound: u64,
    ended: bool,
}

impl Frames {
    pub(super) fn open(path: &Path) -> Result<Frames, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::io("open", path))?;
        Frames::new(file, path)
    }

    /// Reads what the file holds now.
    pub(super) fn new(file: File, path: &Path) -> Result<Frames, ArchiveError> {
        let length = file.metadata().map_err(ArchiveError::io("read", path))?.len();
        let mut file = BufReader::with_capacity(1 << 18, file);
        let opening = Opening::read(&mut file, length, path)?;
        let (sound, ended) = (opening.map_or(0, |opening| opening.length), opening.is_none());
        Ok(Frames { file, path: path.to_owned(), opening, length, sound, ended })
    }

    /// Reads no further than this byte.
    pub(super) fn until(self, length: u64) -> Frames {
        Frames { length: self.length.min(length), ..self }
    }

    /// Bytes after the last sound frame.
    pub(super) fn torn(&self) -> u64 {
        self.length - self.sound
    }

    /// Goes to the end without decoding anything.
    pub(super) fn pass(&mut self) -> Result<(), ArchiveError> {
        while !self.ended && self.payload().map_err(ArchiveError::io("read", &self.path))?.is_some() {}
        self.ended = true;
        Ok(())
    }

    fn payload(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let left = self.length - self.sound;
        let Some(opening) = self.opening.filter(|_| left >= FRAME_HEAD) else { return Ok(None) };
        let mut head = [0; FRAME_HEAD as usize];
        self.file.read_exact(&mut head)?;
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes were cut out"));
        let (length, checksum) = (number(&head[..8]), number(&head[8..]));
        if length > left - FRAME_HEAD {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        self.file.read_exact(&mut payload)?;
        if opening.checksum(&payload) != checksum || length < 4 {
            return Ok(None);
        }
        self.sound += FRAME_HEAD + length;
        Ok(Some(payload))
    }

    fn decode(&self, payload: &[u8]) -> Result<Frame, ArchiveError> {
        let short =
            || ArchiveError::Damaged { path: self.path.clone(), what: "a frame is shorter than it says".into() };
        let (length, rest) = payload.split_at_checked(4).ok_or_else(short)?;
        let length = u32::from_le_bytes(length.try_into().expect("four bytes were cut out")) as usize;
        let (head, mut rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|e| ArchiveError::Damaged { path: self.path.clone(), what: e.to_string() })?;
        let (ids, more) = rest.split_at_checked(head.ids as usize * ID).ok_or_else(short)?;
        let id = |bytes: &[u8]| u128::from_le_bytes(bytes.try_into().expect("sixteen bytes were cut out"));
        let ids = ids.chunks_exact(ID).map(id).collect();
        rest = more;
        let mut batches = Vec::new();
        while !rest.is_empty() {
            let (length, more) = rest.split_at_checked(8).ok_or_else(short)?;
            let length = u64::from_le_bytes(length.try_into().expect("eight bytes were cut out")) as usize;
            let (stream, more) = more.split_at_checked(length).ok_or_else(short)?;
            for record in StreamReader::try_new(stream, None).map_err(ArchiveError::arrow(&self.path))? {
                batches.push(unflatten(&record.map_err(ArchiveError::arrow(&self.path))?));
            }
            rest = more;
        }
        Ok(Frame { head, ids, batches })
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.payload() {
            Ok(Some(payload)) => Some(self.decode(&payload)),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(ArchiveError::io("read", &self.path)(error)))
            }
        }
    }
}
