//! Raw lines → event batches. In: [`RawLog`] blocks of one source. Out: [`EventBatch`]es and [`Counts`].
//!
//! Finds each line's format, has it parsed and normalised, and adds what every event has: its id, its
//! time, the raw line and where it came from. Nothing is lost: a line that no format fits becomes an
//! event too, tagged `parse_failure`. What an event says never depends on the lines around it, except
//! that equal lines are numbered.

mod line;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::AddAssign;
use std::sync::Arc;

pub use settings::Settings;

use crate::event::earlier::Earlier;
use crate::event::occurrence::Occurrences;
use crate::event::raw::{RawLog, Source};
use crate::event::taken::Taken;
use crate::event::{BatchBuilder, EventBatch};
use crate::parse::Format;
use crate::parse::clock::Clock;

/// A batch is ended when its raw lines reach this many bytes: Arrow's offsets have 31 bits, and lossy decoding or
/// a second copy in a column may triple a line.
const BATCH_BYTES: usize = 64 << 20;

/// A line longer than this is cut into pieces, each an event. Collectors cut at 16 MiB already.
const LINE_BYTES: usize = 64 << 20;

/// A batch is ended when its `fields.*` columns have this many places, four bytes each.
const EXTRA_PLACES: usize = 8 << 20;

/// What was made of some lines. `lines = blank + duplicates + events − repeated`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Empty ones, which make no event.
    pub blank: u64,
    /// Those that were taken before, under the same id, which make no event.
    pub duplicates: u64,
    /// Events made.
    pub events: u64,
    /// Events that no format fitted; their line is kept whole.
    pub parse_failures: u64,
    /// Events beyond the first from `message repeated N times` lines.
    pub repeated: u64,
    /// Lines that were not UTF-8.
    pub invalid_utf8: u64,
    /// Events whose time is more than a day after their arrival.
    pub clock_skew: u64,
}

impl Counts {
    /// Of a block that was taken before as a whole.
    pub fn of_duplicate(block: &RawLog) -> Counts {
        let mut lines: Vec<&[u8]> = block.lines.split(|b| *b == b'\n').collect();
        lines.pop_if(|rest| rest.is_empty());
        let blank = lines.iter().filter(|line| line.strip_suffix(b"\r").unwrap_or(line).is_empty()).count() as u64;
        let lines = lines.len() as u64;
        Counts { lines, blank, duplicates: lines - blank, ..Counts::default() }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.lines += other.lines;
        self.blank += other.blank;
        self.duplicates += other.duplicates;
        self.events += other.events;
        self.parse_failures += other.parse_failures;
        self.repeated += other.repeated;
        self.invalid_utf8 += other.invalid_utf8;
        self.clock_skew += other.clock_skew;
    }
}

/// One pass over a block.
struct Pass<'t> {
    counts: Counts,
    /// What was taken before, where lines may come again.
    taken: Option<&'t mut Taken>,
}

/// Makes events of one source's lines.
pub struct Ingest {
    source: Source,
    batch_rows: usize,
    /// The format the source names, if it does.
    named: Option<Format>,
    /// Whose an access log is, as the source's format or name has it: its lines do not tell.
    access: Format,
    clock: Clock,
    json: crate::parse::json::Reader,
    occurrences: Occurrences,
    /// What was counted there of blocks that may still be refused: a line's hash, and how often.
    tentative: Vec<(u64, u64)>,
    earlier: Arc<Earlier>,
    /// A hash of the source's name.
    name: u128,
    builder: BatchBuilder,
    /// Bytes of raw lines in the builder.
    pending: usize,
}

impl Ingest {
    /// For one source. A format that the source names holds for all its lines. A name that does not exist is for
    /// whoever makes the source to refuse ([`Format::from_name`] says which there are); here it counts as none.
    pub fn new(settings: Settings, source: Source) -> Ingest {
        let named = source.format.as_deref().and_then(|name| Format::from_name(name).ok());
        Ingest {
            batch_rows: settings.batch_rows.clamp(1, 1 << 20),
            named,
            access: match named {
                Some(Format::NginxAccess) => Format::NginxAccess,
                None if source.name.contains("nginx") => Format::NginxAccess,
                Some(_) | None => Format::ApacheAccess,
            },
            clock: Clock::new(settings.zone, source.reference_time.unwrap_or(0)),
            json: Default::default(),
            occurrences: Occurrences::default(),
            tentative: Vec::new(),
            earlier: Arc::default(),
            name: xxhash_rust::xxh3::xxh3_128(source.name.as_bytes()),
            builder: BatchBuilder::new(),
            pending: 0,
            source,
        }
    }

    /// The source this is for.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The same after a restart: equal lines are numbered on from those of earlier events.
    pub fn after(self, earlier: Arc<Earlier>) -> Ingest {
        Ingest { earlier, ..self }
    }

    /// Makes events of a block's lines and appends all of them to `out`, in batches: what a block's sender is told
    /// is about exactly these.
    pub fn push(&mut self, block: &RawLog, out: &mut Vec<EventBatch>) -> Counts {
        self.pass(block, None, out)
    }

    /// The same for a block that may have been sent before: an event that has an `event.id` and was taken makes no other. It may
    /// also be refused, and come again: [`Ingest::settle`] or [`Ingest::give_back`] is told which.
    pub fn push_once(&mut self, block: &RawLog, taken: &mut Taken, out: &mut Vec<EventBatch>) -> Counts {
        self.pass(block, Some(taken), out)
    }

    /// What came since the last call is kept.
    pub fn settle(&mut self) {
        self.tentative.clear();
    }

    /// Blocks that could be refused since the last call were: their lines will have the same ids when they come again.
    pub fn give_back(&mut self) {
        for (hash, n) in self.tentative.drain(..) {
            self.occurrences.give_back(hash, n);
        }
    }

    fn pass(&mut self, block: &RawLog, taken: Option<&mut Taken>, out: &mut Vec<EventBatch>) -> Counts {
        let mut pass = Pass { counts: Counts::default(), taken };
        let at = line::At { received: block.received, offset: self.source.file.as_ref().map(|_| block.offset) };
        self.clock.set_reference(self.source.reference_time.unwrap_or(block.received));
        match std::str::from_utf8(&block.lines) {
            Ok(text) => self.lines(text, at, &mut pass, out),
            Err(_) => self.bytes(&block.lines, at, &mut pass, out),
        }
        self.flush(out);
        pass.counts
    }

    fn flush(&mut self, out: &mut Vec<EventBatch>) {
        if !self.builder.is_empty() {
            out.push(self.builder.finish());
        }
        self.pending = 0;
    }

    fn lines(&mut self, text: &str, at: line::At, pass: &mut Pass<'_>, out: &mut Vec<EventBatch>) {
        let mut start = 0;
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |n| start + n);
            let whole = &text[start..end];
            let mut rest = whole.strip_suffix('\r').unwrap_or(whole);
            while rest.len() > LINE_BYTES {
                let cut = (0..=LINE_BYTES).rev().find(|i| rest.is_char_boundary(*i)).unwrap_or(rest.len());
                let (piece, after) = rest.split_at(cut);
                self.line(piece, false, at.moved(start + offset_in(whole, piece)), pass, out);
                rest = after;
            }
            self.line(rest, false, at.moved(start + offset_in(whole, rest)), pass, out);
            start = end + 1;
        }
    }

    /// The same where some line is not UTF-8: only such a line is decoded lossily.
    fn bytes(&mut self, bytes: &[u8], at: line::At, pass: &mut Pass<'_>, out: &mut Vec<EventBatch>) {
        let mut start = 0;
        while start < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |n| start + n);
            let whole = &bytes[start..end];
            match std::str::from_utf8(whole) {
                Ok(text) => self.lines(text, at.moved(start), pass, out),
                Err(_) => {
                    for (i, piece) in whole.strip_suffix(b"\r").unwrap_or(whole).chunks(LINE_BYTES).enumerate() {
                        let place = at.moved(start + i * LINE_BYTES);
                        self.line(&String::from_utf8_lossy(piece), true, place, pass, out);
                    }
                }
            }
            if whole.is_empty() {
                self.line("", false, at, pass, out);
            }
            start = end + 1;
        }
    }

    fn line(&mut self, raw: &str, lossy: bool, at: line::At, pass: &mut Pass<'_>, out: &mut Vec<EventBatch>) {
        pass.counts.lines += 1;
        if raw.is_empty() {
            pass.counts.blank += 1;
            return;
        }
        pass.counts.invalid_utf8 += u64::from(lossy);
        self.pending += raw.len();
        self.read(raw, lossy, at, pass, out);
        if self.is_full() {
            self.flush(out);
        }
    }

    fn is_full(&self) -> bool {
        let rows = self.builder.len();
        rows >= self.batch_rows
            || self.pending >= BATCH_BYTES
            || self.builder.extra_columns().saturating_mul(rows) >= EXTRA_PLACES
    }
}

/// Where a piece begins in the whole it is a slice of.
fn offset_in(whole: &str, piece: &str) -> usize {
    piece.as_ptr() as usize - whole.as_ptr() as usize
}

/// A block of lines that came from nowhere in particular, at a given time (µs UTC).
pub fn block_of(name: impl Into<Arc<str>>, lines: impl Into<bytes::Bytes>, received: i64) -> RawLog {
    RawLog { source: Source::stream(name), lines: lines.into(), offset: 0, received, acknowledge: None }
}
