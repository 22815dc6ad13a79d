//! Segments that are not sound from end to end: a tail that was being written, or damage.
//!
//! In: a segment. Out: the same with sound frames only. A frame that was being written when the process was stopped was
//! never acknowledged, and is cut off. Damage in front of sound frames costs only the frames that it struck:
//! the others are kept, and the damaged file is kept beside them.

use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::log::{FRAME_HEAD, Frames, Opening};
use super::{ArchiveError, layout};

const HEAD: usize = FRAME_HEAD as usize;

/// Leaves nothing but sound frames in a segment. Returns whether anything else was in it.
pub(super) fn repair(path: &Path) -> Result<bool, ArchiveError> {
    let mut frames = Frames::open(path)?;
    frames.pass()?;
    if frames.torn() == 0 {
        return Ok(false);
    }
    let (sound, opening) = (frames.sound, frames.opening);
    drop(frames);
    let bytes = fs::read(path).map_err(ArchiveError::io("read", path))?;
    let start = sound as usize;
    let rest = bytes.get(start..).unwrap_or_default();
    let kept = opening.map_or(Vec::new(), |opening| salvage(opening, rest));
    if kept.is_empty() && !is_whole(rest) {
        tracing::warn!(
            "{}: cut off {} bytes that were being written when weir was stopped; they had not been acknowledged",
            path.display(),
            rest.len()
        );
        return cut(path, sound).map(|()| true);
    }
    let copy = keep(path)?;
    let mut whole = bytes[..start].to_vec();
    for (payload, opening) in kept.iter().zip(opening.iter().cycle()) {
        let payload = &rest[payload.clone()];
        whole.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        whole.extend_from_slice(&opening.checksum(payload).to_le_bytes());
        whole.extend_from_slice(payload);
    }
    let saved: usize = kept.iter().map(|payload| payload.len() + HEAD).sum();
    tracing::error!(
        "{} is damaged from byte {sound} on: {} bytes of it cannot be read and are left out, {saved} after them are kept; \
         the file as it was is {}, and the disk should be looked at",
        path.display(),
        rest.len() - saved,
        copy.display()
    );
    layout::replace(path, &whole)?;
    Ok(true)
}

/// Cuts a file back.
fn cut(path: &Path, length: u64) -> Result<(), ArchiveError> {
    let file = OpenOptions::new().write(true).open(path).map_err(ArchiveError::io("open", path))?;
    file.set_len(length).and_then(|()| file.sync_all()).map_err(ArchiveError::io("cut back", path))
}

/// Copies a damaged file, beside what was kept of it before.
fn keep(path: &Path) -> Result<PathBuf, ArchiveError> {
    let name = |number: u64| {
        let mut copy = path.as_os_str().to_owned();
        copy.push(if number == 1 { ".damaged".to_owned() } else { format!(".damaged-{number}") });
        PathBuf::from(copy)
    };
    let copy = (1..).map(name).find(|copy| !copy.exists()).expect("no folder holds so many files");
    let synced = || fs::copy(path, &copy).and_then(|_| File::open(&copy)?.sync_all());
    synced().map_err(ArchiveError::io("keep a copy of", path))?;
    layout::sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    Ok(copy)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes were cut out")))
}

/// Whether a frame's bytes are all there, in spite of a wrong checksum: it may have been acknowledged.
fn is_whole(bytes: &[u8]) -> bool {
    number(bytes, 0).is_some_and(|length| length > 0 && length <= (bytes.len() - HEAD.min(bytes.len())) as u64)
}

/// Where the payloads of sound frames are in bytes that begin with a damaged one. A frame of which only the length is
/// damaged is sound: it goes on to the next sound one, or to the end.
fn salvage(opening: Opening, bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut at, mut damaged) = (0, true);
    // The first frame of a damaged stretch is here.
    let mut begin = 0;
    while at + HEAD < bytes.len() {
        match sound(opening, bytes, at) {
            Some(payload) => {
                found.extend(misjudged(opening, bytes, begin, at).filter(|_| damaged));
                at = payload.end;
                (begin, damaged) = (at, false);
                found.push(payload);
            }
            None => {
                (at, damaged) = (at + 1, true);
            }
        }
    }
    if begin < bytes.len() {
        found.extend(misjudged(opening, bytes, begin, bytes.len()));
    }
    found
}

/// The payload of a sound frame at a place.
fn sound(opening: Opening, bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let length = usize::try_from(number(bytes, at)?).ok()?;
    let payload = at + HEAD..(at + HEAD).checked_add(length)?;
    // What a frame says of itself is an object: few places look like one.
    let is_likely = length > 4 && bytes.get(payload.start + 4) == Some(&b'{') && payload.end <= bytes.len();
    (is_likely && Some(opening.checksum(&bytes[payload.clone()])) == number(bytes, at + 8)).then_some(payload)
}

/// The payload of a frame that goes from one place to another, if its checksum says so.
fn misjudged(opening: Opening, bytes: &[u8], from: usize, to: usize) -> Option<Range<usize>> {
    let payload = from + HEAD..to;
    let checksum = number(bytes, from + 8)?;
    (payload.len() > 4 && opening.checksum(bytes.get(payload.clone())?) == checksum).then_some(payload)
}
