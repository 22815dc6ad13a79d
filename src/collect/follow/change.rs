//! Other files are to be followed than before.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Closed, Follower};
use crate::collect::discover::{self, Purpose};

impl Follower {
    /// Takes what is to be followed now, if that changed: files that are not wanted any more are let go, and remembered.
    pub(super) fn change(&mut self) -> Result<(), Closed> {
        // An error says that it stays as it is.
        if !self.wanted.has_changed().unwrap_or(false) {
            return Ok(());
        }
        self.watches = self.wanted.borrow_and_update().clone();
        let found = |path| discover::expand(path, Purpose::Follow).0.into_iter().map(|found| found.path);
        let wanted: HashSet<PathBuf> = self.watches.iter().flat_map(|watch| found(&watch.path)).collect();
        // One that was rotated away is read to its end.
        let gone = |tail: &mut super::Tail| tail.leaving.is_none() && !wanted.contains(&tail.path);
        for tail in self.tails.extract_if(.., gone) {
            self.known.insert(tail.id, tail.checkpoint());
        }
        self.complaints.clear();
        self.list(false)
    }
}
