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
use crate::event::raw::{FileIdentity, Fingerprint};

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
        // Without a fingerprint, as of a file that was empty, the inode must do.
        let same = |c: &&Checkpoint| (c.fingerprint_len == 0 || c.print().fits(head)) && c.offset <= size;
        if let Some(own) = self.known.get(&id).filter(same) {
            return Start::At(own.offset, own.print());
        }
        // What a copy has and its original lost is taken from it when the original is truncated.
        let copied = |tail: &&Tail| {
            tail.path != path
                && rotated::is_relative(&tail.path, path)
                && tail::is_copy(file, &tail.file).unwrap_or(false)
        };
        match self.tails.iter().find(copied).map(|tail| tail.id) {
            Some(original) if !start => {
                self.copies.insert(id, (original, path.to_owned()));
                Start::Copy
            }
            Some(_) | None => {
                self.copies.remove(&id);
                Start::At(0, Fingerprint::default())
            }
        }
    }

    /// At the start: goes on with files that were rotated away while nobody looked, wherever they lie now.
    pub(super) fn find_moved(&mut self) {
        let gone: Vec<Checkpoint> = self.known.values().filter(|c| !in_place(c)).cloned().collect();
        for mut checkpoint in gone {
            let Some(watch) = self.watches.iter().find(|w| is_pattern_or_above(&w.path, &checkpoint.path)) else {
                continue;
            };
            let format = watch.format.clone();
            let Some(place) = rotated::find(&checkpoint) else { continue };
            let id = id_of(&place);
            if self.packed.contains(&id) || self.tails.iter().any(|tail| tail.id == id) {
                continue;
            }
            match self.known.get(&id) {
                Some(own) if place.packed => checkpoint.offset = own.offset.max(checkpoint.offset),
                // Another file that begins alike, with a checkpoint of its own.
                Some(_) if id != checkpoint.id() => continue,
                Some(_) | None => {}
            }
            if !place.packed && place.meta.len() == checkpoint.offset {
                let (device, inode) = id;
                self.known.insert(id, Checkpoint { device, inode, ..checkpoint });
            } else {
                self.take_over(&checkpoint, place, format);
            }
        }
    }

    /// After a truncation: reads on in the newest copy that has more than was read, whether there is one. The
    /// other copies hold nothing new.
    pub(super) fn find_copy(&mut self, checkpoint: &Checkpoint, format: Option<Arc<str>>) -> bool {
        let mut taken = false;
        self.copies.retain(|copy, (original, path)| {
            if *original == checkpoint.id()
                && let Some(end) = end_of(path).filter(|end| end.id() == *copy)
                && open::text_head(path).is_ok_and(|head| checkpoint.print().fits(&head))
            {
                self.known.insert(*copy, Checkpoint { offset: end.offset.min(checkpoint.offset), ..end });
            }
            *original != checkpoint.id()
        });
        for place in rotated::copies(checkpoint) {
            let id = id_of(&place);
            let read = self.known.get(&id).map(|known| known.offset);
            if self.tails.iter().any(|tail| tail.id == id) || read.is_some_and(|read| read >= place.meta.len()) {
                continue;
            }
            if !taken && place.meta.len() >= checkpoint.offset {
                taken = self.take_over(checkpoint, place, format.clone());
            } else if let Some(end) = end_of(&place.path) {
                self.known.insert(id, end);
            }
        }
        taken
    }

    /// Reads a compressed file beside the others, on a thread of its own.
    pub(super) fn read_packed(&mut self, path: &Path, id: Id, from: u64, format: Option<Arc<str>>) {
        self.packed.insert(id);
        let (path, sender, stop, context) =
            (path.to_owned(), self.sender.clone(), self.stop.clone(), self.context.clone());
        let options = Options { format, from, block: self.settings.block };
        self.threads.push(thread::spawn(move || {
            let blocks = match file::blocks_with(&path, &options) {
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

/// The checkpoint at a file's end.
fn end_of(path: &Path) -> Option<Checkpoint> {
    let meta = fs::metadata(path).ok()?;
    let print = Fingerprint::of(&open::text_head(path).ok()?);
    let file = FileIdentity { path: path.to_owned(), device: meta.dev(), inode: meta.ino(), fingerprint: print };
    Some(Checkpoint::new(&file, meta.len()))
}

/// Whether a checkpoint's file still stands at its path.
fn in_place(checkpoint: &Checkpoint) -> bool {
    let same = |meta: fs::Metadata| (meta.dev(), meta.ino()) == checkpoint.id();
    fs::metadata(&checkpoint.path).is_ok_and(same)
        && open::text_head(&checkpoint.path).is_ok_and(|head| checkpoint.print().fits(&head))
}
