//! Uploading while weir runs, on a thread of its own: acceptance, conversion and compaction never wait for the store.
//!
//! In: what the data folder holds, looked at every second. Out: the same in the store, and a word for each step. While the
//! store cannot be reached it is tried again, less and less often, and everything stays here.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::bucket::Bucket;
use super::folder::{self, Settings};
use super::{ArchiveError, Moved, beside, layout, status, sync};
use crate::event::time;

/// How often it is looked whether something is new.
const LOOK: Duration = Duration::from_secs(1);
/// What only lies beside is uploaded at most this often.
const BESIDE: Duration = Duration::from_secs(30);
/// How often it is looked what is to be removed there, and whether the cache is too large.
const TIDY: Duration = Duration::from_secs(60);
/// A failed upload is tried again after this, then after twice as long …
const RETRY: Duration = Duration::from_secs(1);
/// … and so on up to this.
const RETRY_MOST: Duration = Duration::from_secs(120);
/// What goes on for long is logged this often.
const REMINDER: Duration = Duration::from_secs(600);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// All that there was is in the store.
    Done(Moved),
    /// It could not be brought there; why, and how many files wait.
    Failed(String, u64),
}

/// The thread.
pub struct Uploads {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

type Tell = Box<dyn Fn(Step) + Send>;

impl Uploads {
    /// Starts uploading what is in a folder that this process writes to; nothing where the folder is its own home.
    pub fn start(dir: &Path, tell: Tell) -> Result<Option<Uploads>, ArchiveError> {
        let Some(settings) = Settings::load(dir)?.filter(|settings| settings.writer.is_some()) else { return Ok(None) };
        let bucket = Bucket::open(&settings.address)?;
        let (stop, stopped) = mpsc::channel();
        let work = Work { dir: dir.to_owned(), settings, bucket, tell, wait: RETRY, logged: None };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || work.run(&stopped));
        let thread = thread.map_err(ArchiveError::io("start a thread for", Path::new("the store")))?;
        Ok(Some(Uploads { stop, thread }))
    }

    /// Uploads what there is, once the archive is closed, and lets the store go. What cannot be uploaded now stays here.
    pub fn finish(self) {
        // The thread ends when it hears of it, or has ended.
        if self.stop.send(()).is_err() {
            tracing::debug!("uploading has ended before");
        }
        drop(self.thread.join());
    }
}

/// What tells that something is new.
#[derive(PartialEq)]
struct Seen {
    manifest: Option<(SystemTime, u64)>,
    beside: Vec<Option<(SystemTime, u64)>>,
}

struct Work {
    dir: PathBuf,
    settings: Settings,
    bucket: Bucket,
    tell: Tell,
    /// Before the next try.
    wait: Duration,
    /// What was logged last, and when.
    logged: Option<(String, Instant)>,
}

impl Work {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut done: Option<(Seen, Instant)> = None;
        let mut tidied: Option<Instant> = None;
        let mut pause = Duration::ZERO;
        loop {
            match stopped.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            pause = LOOK;
            let seen = self.look();
            let is_new = done.as_ref().is_none_or(|(before, at)| {
                before.manifest != seen.manifest || (*before != seen && at.elapsed() >= BESIDE)
            });
            let is_time = tidied.is_none_or(|at| at.elapsed() >= TIDY);
            let is_due = is_time && sync::is_due(&self.dir, &self.settings, time::now());
            if is_time {
                tidied = Some(Instant::now());
            }
            if is_new || is_due {
                match self.sync(true) {
                    Ok(_) => done = Some((seen, Instant::now())),
                    Err(error) => {
                        self.failed(&error);
                        pause = self.wait;
                        self.wait = (self.wait * 2).min(RETRY_MOST);
                        continue;
                    }
                }
            }
            if (is_new || is_time)
                && let Err(error) = sync::trim(&self.dir, &self.settings, &self.bucket)
            {
                tracing::warn!("{error}; local files stay");
            }
        }
    }

    fn sync(&mut self, open: bool) -> Result<Moved, ArchiveError> {
        let moved = sync::sync(&self.dir, &self.settings, &self.bucket, open, &|_| {})?;
        if self.logged.take().is_some() {
            tracing::info!("{} takes files again: all that waited is there", self.settings.address);
        }
        self.wait = RETRY;
        folder::note_trouble(&self.dir, None);
        (self.tell)(Step::Done(moved));
        Ok(moved)
    }

    fn failed(&mut self, error: &ArchiveError) {
        let text = error.to_string();
        let waiting = status::status(&self.dir).ok().flatten().map_or(0, |status| status.waiting);
        let is_new = self.logged.as_ref().is_none_or(|(said, at)| *said != text || at.elapsed() >= REMINDER);
        if is_new {
            let files = if waiting == 1 { "1 file waits".to_owned() } else { format!("{waiting} files wait") };
            tracing::error!("{text}; {files} here, nothing is lost, and it is tried again");
            self.logged = Some((text.clone(), Instant::now()));
        }
        folder::note_trouble(&self.dir, Some(&text));
        (self.tell)(Step::Failed(text, waiting));
    }

    fn end(mut self) {
        match self.sync(false) {
            Ok(_) => {
                if let Err(error) = sync::trim(&self.dir, &self.settings, &self.bucket) {
                    tracing::warn!("{error}; local files stay");
                }
            }
            Err(error) => {
                self.logged = None;
                self.failed(&error);
                tracing::warn!("`weir archive upload --data {}` does it without a start", self.dir.display());
            }
        }
    }

    fn look(&self) -> Seen {
        let of = |path: &Path| std::fs::metadata(path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
        Seen {
            manifest: of(&layout::manifest(&self.dir)),
            beside: beside::names().map(|name| of(&self.dir.join(name))).collect(),
        }
    }
}
