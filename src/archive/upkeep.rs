//! What the live archive does from time to time: segments become files, files are merged and removed.
//!
//! The work itself is done beside (`background`); here it is started, and what came of it is published.

use super::background::{self, Background, Task, Tidy};
use super::convert::Sealed;
use super::sink::Sink;
use super::store::{Archive, Current};
use super::{ArchiveError, convert, layout};
use crate::event::time;

/// A failed conversion is tried again after this, µs.
const RETRY: i64 = 10 * time::SECOND;
/// How often it is looked what is too old, µs; what came new is looked at when it came.
const TIDY: i64 = 600 * time::SECOND;

impl Archive {
    /// Events from this time on (µs) are needed by what runs, and are kept whatever their age; until it is said, none are.
    pub fn needs(&mut self, from: i64) {
        self.needed = from;
    }

    /// To be called every second or so, with the time in µs: seals a segment that is large or old, starts its conversion,
    /// merges and removes files, publishes what came of it. Never waits for that. After an error nothing is lost, and
    /// it is tried again later.
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
            }
            ended?;
        }
        if self.retry_at.is_none_or(|at| now >= at) {
            self.start_rolling()?;
        }
        if now >= self.tidy_at {
            self.start_tidying(now)?;
        }
        if now < self.remove_at {
            return Ok(());
        }
        self.remove_at = now.saturating_add(RETRY);
        self.remove_retired()
    }

    /// Whether the last conversion failed, and none succeeded since.
    pub fn is_behind(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Turns the whole log into Parquet, and waits for it. What else is under way is left off.
    pub fn roll(&mut self) -> Result<(), ArchiveError> {
        self.commit()?;
        self.seal();
        match self.background.as_ref().map(|background| (background.task, background.hurry())) {
            // What was not tidied now is another time.
            Some((Task::Tidy, ())) => match self.end_background() {
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
                return self.remove_retired();
            }
        }
    }

    /// Commits, turns the log into Parquet and lets the folder go.
    pub fn close(mut self) -> Result<(), ArchiveError> {
        self.roll()?;
        self.remove_retired()
    }

    /// Makes sinks for new files.
    fn sinks(&self) -> impl Fn() -> Sink + Send + 'static {
        let (dir, encoding) = (self.dir.clone(), self.settings.encoding.clone());
        let (next_file, sequence) = (self.manifest.next_file, self.manifest.sequence);
        move || Sink::new(&dir, encoding.clone(), next_file, sequence)
    }

    pub(super) fn start_rolling(&mut self) -> Result<(), ArchiveError> {
        let (None, Some(&Sealed { number, committed })) = (&self.background, self.sealed.front()) else {
            return Ok(());
        };
        let (path, sinks) = (layout::segment(&self.dir, number), self.sinks());
        let convert = move |_: &_| convert::convert(&path, committed, sinks);
        self.background = Some(Background::start(&self.dir, self.lock.clone(), Task::Convert(number), convert)?);
        Ok(())
    }

    fn start_tidying(&mut self, now: i64) -> Result<(), ArchiveError> {
        if self.background.is_some() {
            return Ok(());
        }
        let tidy = Tidy {
            dir: self.dir.clone(),
            files: self.manifest.files.clone(),
            retention: self.settings.retention.clone(),
            now,
            needed: self.needed,
        };
        let sinks = self.sinks();
        let step = move |stop: &_| tidy.step(sinks(), stop);
        self.background = Some(Background::start(&self.dir, self.lock.clone(), Task::Tidy, step)?);
        Ok(())
    }

    /// Waits for what runs beside, if anything, and publishes what came of it. Says whether that changed something.
    fn end_background(&mut self) -> Result<bool, ArchiveError> {
        let Some(background) = self.background.take() else { return Ok(false) };
        let task = background.task;
        let done = background.join(&self.dir)?;
        let changes = done.changes();
        self.taken_log.keep(&done.ids)?;
        let mut manifest = self.manifest.clone();
        manifest.next_file += done.files.len() as u64;
        manifest.files.retain(|f| !done.replaced.contains(&f.path));
        manifest.retired.extend(done.replaced);
        for file in &mut manifest.files {
            file.datasets = done.counted.get(&file.path).or(file.datasets.as_ref()).cloned();
        }
        manifest.files.extend(done.files);
        match task {
            Task::Tidy if !changes => return Ok(false),
            Task::Tidy => {}
            Task::Convert(number) => {
                manifest.archived_through = number;
                manifest.sequence = done.sequence.unwrap_or(manifest.sequence);
                manifest.checkpoints = self.checkpoints();
                manifest.watermark = self.watermark;
                manifest.promise = self.promise;
            }
        }
        manifest.publish(&self.dir)?;
        self.manifest = manifest;
        if let Task::Convert(number) = task {
            self.sealed.pop_front();
            self.retry_at = None;
            layout::remove(&layout::segment(&self.dir, number))?;
        }
        Ok(changes)
    }

    /// Removes the files that were replaced, when nobody reads.
    fn remove_retired(&mut self) -> Result<(), ArchiveError> {
        if self.manifest.retired.is_empty() || !background::remove(&self.dir, &self.manifest.retired)? {
            return Ok(());
        }
        self.manifest.retired.clear();
        self.manifest.publish(&self.dir)
    }
}
