//! An epoch becomes durable, or is refused: a full disk, a folder that cannot be written.
//!
//! In: the events of some blocks. Out: a commit of the archive. While the disk refuses, whoever waits for an answer is
//! told so and asked to come again, collectors of files and connections stand still, and it is tried every second:
//! nothing is lost, and nobody has to start anything again.

use std::time::{Duration, Instant};

use super::{Accepted, Pipeline};
use crate::archive::ArchiveError;
use crate::serve::live::Stage;

/// How long the pipeline waits before it tries a failed write again.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// What goes on for long is logged this often.
const REMINDER: Duration = Duration::from_secs(60);

/// The disk refuses.
pub(super) struct Refusal {
    since: Instant,
    logged: Instant,
    reason: String,
}

impl Accepted {
    /// Whether whoever sent it can be told to send it again.
    fn is_refusable(&self) -> bool {
        self.acknowledge.as_ref().is_some_and(|waiting| !waiting.is_patient)
    }
}

impl Pipeline {
    /// Makes an epoch durable. While the disk refuses, blocks that somebody waits for are given back to them with the
    /// reason, and the others are held until it takes them.
    pub(super) fn store(&mut self, accepted: &mut Vec<Accepted>) {
        let started = Instant::now();
        while !accepted.is_empty() {
            match self.write(accepted) {
                Ok(()) => {
                    self.metrics.committed(started.elapsed().as_secs_f64());
                    self.settle(accepted);
                    return self.takes_again();
                }
                Err(error) => {
                    let reason = self.refuses(&error);
                    self.give_back(accepted);
                    for block in accepted.extract_if(.., |block| block.is_refusable()) {
                        // Whoever waited may be gone, which changes nothing.
                        drop(block.acknowledge.map(|waiting| waiting.send(Err(reason.clone()))));
                    }
                    if !accepted.is_empty() {
                        std::thread::sleep(RETRY);
                    }
                }
            }
        }
    }

    /// Blocks that could be refused were not.
    fn settle(&mut self, accepted: &[Accepted]) {
        for block in accepted.iter().filter(|block| block.is_refusable()) {
            if let Some((ingest, _)) = self.sources.get_mut(&block.source) {
                ingest.settle();
            }
        }
    }

    /// Blocks that can be refused are.
    fn give_back(&mut self, accepted: &[Accepted]) {
        for block in accepted.iter().filter(|block| block.is_refusable()) {
            if let Some((ingest, _)) = self.sources.get_mut(&block.source) {
                ingest.give_back();
            }
        }
    }

    /// Sees, where nothing is held that could be tried, whether the disk takes events again.
    pub(super) fn probe(&mut self) {
        if self.refusal.is_none() {
            return;
        }
        match self.archive.probe() {
            Ok(()) => self.takes_again(),
            Err(error) => drop(self.refuses(&error)),
        }
    }

    fn refuses(&mut self, error: &ArchiveError) -> String {
        let reason = error.to_string();
        let now = Instant::now();
        let known = self.refusal.as_ref().filter(|known| known.reason == reason && known.logged.elapsed() < REMINDER);
        if known.is_none() {
            tracing::error!("{reason}; no event is taken until it works again, which is tried every second");
            let since = self.refusal.as_ref().map_or(now, |known| known.since);
            self.refusal = Some(Refusal { since, logged: now, reason: reason.clone() });
        }
        self.hub.trouble(Stage::Log, Some(reason.clone()));
        reason
    }

    fn takes_again(&mut self) {
        if let Some(refusal) = self.refusal.take() {
            tracing::info!(
                "the log is written again after {:.0} s: events are taken",
                refusal.since.elapsed().as_secs_f64()
            );
            self.hub.trouble(Stage::Log, None);
        }
    }

    fn write(&mut self, accepted: &[Accepted]) -> Result<(), ArchiveError> {
        self.note_time();
        for block in accepted {
            let checkpoint = block.checkpoint.as_slice();
            match block.batches.split_last() {
                None => self.archive.advance(checkpoint)?,
                Some((last, before)) => {
                    before.iter().try_for_each(|batch| self.archive.append(batch, &[]))?;
                    self.archive.append(last, checkpoint)?;
                }
            }
        }
        self.archive.commit()
    }

    /// Turns what is due into Parquet.
    pub(super) fn roll(&mut self, now: i64) {
        match self.archive.tick(now) {
            Ok(()) if self.archive.is_behind() => {}
            Ok(()) => self.hub.trouble(Stage::Parquet, self.archive.untidy().map(str::to_owned)),
            Err(error) => {
                tracing::error!("{error}; the events stay in the log, and it is tried again every ten seconds");
                self.hub.trouble(Stage::Parquet, Some(error.to_string()));
            }
        }
    }
}
