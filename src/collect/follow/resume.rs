//! Where reading a file begins: at its checkpoint, wherever it has gone since, or at its start.
//! In: a file, what is known of others. Out: an offset.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::tail::{self, Id, Tail};
use super::{Follower, id_of, rotated};
use crate::collect::file::{self, Options};
use crate::collect::{Checkpoint, discover, open};
use crate::event::raw::Fingerprint;

/// Where reading a file begins.
pub(super) enum Start {
    /// At this offset; the fingerprint as far as known.
    At(u64, Fingerprint),
    /// It is the copy that a rotation by truncation begins with.
    Copy,
}

impl Follower {
    /// Where reading a file begins.
    pub(super) fn start_of(&mut self, path: &Path, id: Id, file: &File, head: &[u8], start: bool) -> Start {
        let size = file.metadata().map_or(0, |meta| meta.len());
        if let Some(own) = self.known.get(&id).filter(|c| c.print().fits(head) && c.offset <= size) {
            return Start::At(own.offset, own.print());
        }
        let copied = |tail: &Tail| {
            tail.print.fits(head)
                && rotated::is_relative(&tail.path, path)
                && tail::is_copy(file, &tail.file).unwrap_or(false)
        };
        if !start {
            // What the copy has and its original lost is taken from it when the original is truncated.
            return if self.tails.iter().any(copied) { Start::Copy } else { Start::At(0, Fingerprint::default()) };
        }
        let moved = |c: &&Checkpoint| {
            c.print().fits(head) && c.offset <= size && !in_place(c) && rotated::find(c).is_none_or(|p| id_of(&p) == id)
        };
        match self.known.values().find(moved).cloned() {
            Some(checkpoint) => {
                self.known.remove(&checkpoint.id());
                Start::At(checkpoint.offset, checkpoint.print())
            }
            None => Start::At(0, Fingerprint::default()),
        }
    }

    /// After a start: goes on with files that were rotated away while nobody looked, to where no watch leads.
    pub(super) fn find_moved(&mut self) {
        let followed = |id: Id, tails: &[Tail]| tails.iter().any(|tail| tail.id == id);
        let gone: Vec<Checkpoint> = self.known.values().filter(|c| !in_place(c)).cloned().collect();
        for checkpoint in gone {
            let Some(watch) = self.watches.iter().find(|w| is_pattern_or_above(&w.path, &checkpoint.path)) else {
                continue;
            };
            let format = watch.format.clone();
            let Some(place) = rotated::find(&checkpoint) else { continue };
            let done = !place.packed && place.meta.len() == checkpoint.offset;
            if !done && !followed(id_of(&place), &self.tails) && !self.packed.contains(&id_of(&place)) {
                self.take_over(&checkpoint, place, format);
            }
        }
    }

    /// Reads a compressed file beside the others, on a thread of its own.
    pub(super) fn read_packed(&mut self, path: &Path, id: Id, from: u64, format: Option<Arc<str>>) {
        self.packed.insert(id);
        let (path, sender, stop, context) =
            (path.to_owned(), self.sender.clone(), self.stop.clone(), self.context.clone());
        let options = Options { format, from, block: self.settings.block };
        self.threads.push(thread::spawn(move || {
            let blocks = match file::blocks(&path, &options) {
                Ok(blocks) => blocks,
                Err(error) => return context.failed(&error),
            };
            for block in blocks {
                match block {
                    Ok(block) => {
                        if stop.is_cancelled() || sender.blocking_send(block).is_err() {
                            return;
                        }
                    }
                    Err(error) => context.failed(&error),
                }
            }
        }));
    }
}

fn is_pattern_or_above(watch: &Path, path: &Path) -> bool {
    path.starts_with(watch) || discover::is_pattern(watch)
}

/// Whether a checkpoint's file still stands at its path.
fn in_place(checkpoint: &Checkpoint) -> bool {
    let same = |meta: fs::Metadata| (meta.dev(), meta.ino()) == checkpoint.id();
    fs::metadata(&checkpoint.path).is_ok_and(same)
        && open::text_head(&checkpoint.path).is_ok_and(|head| checkpoint.print().fits(&head))
}
