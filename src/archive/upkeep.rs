//! What the live archive does from time to time: segments become files, files are merged and removed.
//!
//! The work itself is done and published beside (`background`, `publish`); here it is started, and what is published is
//! taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::background::{self, Background, Done, Task, Tidy};
use super::convert::Sealed;
use super::manifest::Manifest;
use super::publish::{Known, Published, publish};
use super::sink::Sink;
use super::store::{Archive, Current};
use super::{ArchiveError, convert, layout};
use crate::event::time;

/// A failed conversion is tried again after this, µs.
const RETRY: i64 = 10 * time::SECOND;
/// How often it is looked what is too old, µs; what came new is looked at when it came.
const TIDY: i64 = 600 * time::SECOND;

impl Archive {
    /// Events from this time on (µs) are needed by what runs, and are kept whatever their age; until it is said, those that were
    /// needed by what ran last are.
    pub fn needs(&mut self, from: i64) {
        self.needed.store(from, Ordering::Relaxed);
    }

    /// To be called every second or so, with the time in µs: seals a segment that is large or old, starts its conversion,
    /// merges and removes files. Never waits for that. After an error nothing is lost, and it is tried again later.
    pub fn tick(&mut self, now: i64) -> Result<(), ArchiveError> {
        let due = |c: &Current| {
            c.segment.committed >= self.settings.segment_bytes || now - c.opened >= self.settings.segment_age
        };
        if self.current.as_ref().is_some_and(due) {
            self.seal();
        }
        if let Some(task) = self.background.as_ref().filter(|b| b.is_finished()).map(|b| b.task) {
            let ended = self.end_background();
            match task {
                Task::Convert(_) if ended.is_err() => self.retry_at = Some(now.saturating_add(RETRY)),
                Task::Convert(_) => self.tidy_at = now,
                Task::Tidy => self.tidy_at = if matches!(ended, Ok(true)) { now } else { now.saturating_add(TIDY) },
                Task::Clear => {}
            }
            match (task, ended) {
                (Task::Convert(_), ended) => drop(ended?),
                (Task::Tidy | Task::Clear, Ok(_)) => {}
                (Task::Tidy, Err(error)) => {
                    tracing::error!(
                        "{error}; old and small files stay as they are, and it is tried again in ten minutes"
                    );
                    self.untidy = Some(error.to_string());
                }
                (Task::Clear, Err(error)) => {
                    tracing::error!(
                        "{error}; files that were replaced may still be there, and it is tried again every ten seconds"
                    );
                    self.uncleared = Some(error.to_string());
                }
            }
        }
        if now >= self.remove_at && self.start_clearing()? {
            self.remove_at = now.saturating_add(RETRY);
        }
        if self.retry_at.is_none_or(|at| now >= at) {
            self.start_rolling()?;
        }
        if now >= self.tidy_at {
            self.start_tidying(now)?;
        }
        Ok(())
    }

    /// Whether the last conversion failed, and none succeeded since.
    pub fn is_behind(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Takes a Parquet file (its path in the data folder) off the list: one that is lost or damaged for good. What is left of
    /// it goes to the folder `unlisted`. Its number of events; `None` when no such file is listed.
    pub fn forget(&mut self, path: &str) -> Result<Option<u64>, ArchiveError> {
        self.roll()?;
        let Some(at) = self.manifest.files.iter().position(|file| file.path == path) else { return Ok(None) };
        let mut manifest = Manifest::clone(&self.manifest);
        let file = manifest.files.remove(at);
        // What was said of its events stands.
        manifest.expired = manifest.expired.max(Some(file.max_time));
        let (from, to) = (self.dir.join(path), self.dir.join("unlisted").join(path));
        if from.exists() {
            layout::make_folder(to.parent().unwrap_or(&self.dir))?;
            std::fs::hard_link(&from, &to).map_err(ArchiveError::io("keep a copy of", &from))?;
        }
        manifest.publish(&self.dir)?;
        self.manifest = Arc::new(manifest);
        layout::remove(&from)?;
        Ok(Some(file.rows))
    }

    /// Why some files cannot be merged or removed, if that is so; nothing is lost by it.
    pub fn untidy(&self) -> Option<&str> {
        self.untidy.as_deref().or(self.uncleared.as_deref())
    }

    /// Turns the whole log into Parquet, and waits for it. Tidying that is under way is left off.
    pub fn roll(&mut self) -> Result<(), ArchiveError> {
        self.commit()?;
        self.seal();
        match self.background.as_ref().map(|background| (background.task, background.hurry())) {
            // What was not tidied now is another time.
            Some((Task::Tidy | Task::Clear, ())) => match self.end_background() {
                Ok(_) => {}
                Err(error) => tracing::error!("{error}"),
            },
            Some((Task::Convert(_), ())) | None => drop(self.end_background()?),
        }
        while !self.sealed.is_empty() {
            self.start_rolling()?;
            self.end_background()?;
        }
        Ok(())
    }

    /// Merges and removes files until nothing more is to be done, and waits for it. `progress` is told how many files there
    /// are after each step.
    pub fn tidy(&mut self, now: i64, progress: &dyn Fn(usize)) -> Result<(), ArchiveError> {
        self.end_background()?;
        loop {
            self.start_tidying(now)?;
            let changed = self.end_background()?;
            progress(self.manifest.files.len());
            if !changed {
                return self.clear();
            }
        }
    }

    /// Commits, turns the log into Parquet and lets the folder go.
    pub fn close(mut self) -> Result<(), ArchiveError> {
        self.roll()?;
        self.clear()
    }

    /// Removes the files that were replaced, when nobody reads, and waits for it.
    fn clear(&mut self) -> Result<(), ArchiveError> {
        self.start_clearing()?;
        self.end_background().map(|_| ())
    }

    /// Makes sinks for new files, whose first event has a number.
    fn sinks(&self) -> impl Fn(u64) -> Sink + Send + 'static {
        let (dir, encoding, next_file) = (self.dir.clone(), self.settings.encoding.clone(), self.next_file.clone());
        move |sequence| Sink::new(&dir, encoding.clone(), next_file.clone(), sequence)
    }

    pub(super) fn start_rolling(&mut self) -> Result<(), ArchiveError> {
        let (None, Some(&Sealed { number, committed })) = (&self.background, self.sealed.front()) else {
            return Ok(());
        };
        let (path, sinks) = (layout::segment(&self.dir, number), self.sinks());
        self.start(Task::Convert(number), move |_| convert::convert(&path, committed, sinks))
    }

    fn start_tidying(&mut self, now: i64) -> Result<(), ArchiveError> {
        if self.background.is_some() {
            return Ok(());
        }
        let (dir, manifest, set_aside) = (self.dir.clone(), self.manifest.clone(), self.set_aside.clone());
        let (retention, needed) = (self.settings.retention.get(), self.needed.load(Ordering::Relaxed));
        let (sinks, sequence) = (self.sinks(), self.manifest.sequence);
        self.start(Task::Tidy, move |stop| {
            let files = manifest.files.clone();
            Tidy { dir, files, retention, now, needed, set_aside }.step(sinks(sequence), stop)
        })
    }

    /// Says whether there is something to remove and nothing else is under way.
    fn start_clearing(&mut self) -> Result<bool, ArchiveError> {
        if self.background.is_some() || self.manifest.retired.is_empty() {
            return Ok(false);
        }
        let (dir, manifest) = (self.dir.clone(), self.manifest.clone());
        self.start(Task::Clear, move |_| background::clear(&dir, &manifest.retired)).map(|()| true)
    }

    fn start(
        &mut self,
        task: Task,
        work: impl FnOnce(&AtomicBool) -> Result<Done, ArchiveError> + Send + 'static,
    ) -> Result<(), ArchiveError> {
        let known = Known {
            dir: self.dir.clone(),
            manifest: self.manifest.clone(),
            needed: self.needed.clone(),
            next_file: self.next_file.clone(),
            taken: self.taken_log.clone(),
        };
        let run = move |stop: &_| publish(&known, task, work(stop)?);
        self.background = Some(Background::start(&self.dir, self.lock.clone(), task, run)?);
        Ok(())
    }

    /// Waits for what runs beside, if anything. Says whether that changed something.
    fn end_background(&mut self) -> Result<bool, ArchiveError> {
        let Some(background) = self.background.take() else { return Ok(false) };
        let task = background.task;
        let Published { manifest, changes, failed, error } = background.join(&self.dir)?;
        let is_sound = failed.is_none();
        if let Some(failed) = failed {
            let (file, error) = *failed;
            tracing::error!("{error}; the file is neither merged nor cleared until the next start");
            self.untidy = Some(error.to_string());
            self.set_aside.insert(file);
        }
        if let Some(error) = error {
            return Err(error);
        }
        match task {
            Task::Convert(_) => {
                self.sealed.pop_front();
                self.retry_at = None;
            }
            Task::Tidy if is_sound && self.set_aside.is_empty() => self.untidy = None,
            Task::Tidy => {}
            Task::Clear => self.uncleared = None,
        }
        if let Some(manifest) = manifest {
            self.manifest = Arc::new(manifest);
        }
        Ok(changes)
    }
}
