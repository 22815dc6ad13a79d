//! The pipeline of one process of several.
//!
//! Each process has collectors and an archive of its own, and takes part in every epoch. An event is late when the watermark
//! of this process has passed it, which is never behind the one of all. A process whose sources are silent
//! does not hold the others: before it takes lines again it hears how far they went meanwhile.
//!
//! What is recorded with the events is the watermark of all, as far as it is known, and what this process promises: that events
//! before that are late. A restart goes on from the greatest watermark that any process recorded, or from
//! where all promised, whichever is later.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::super::EngineError;
use super::super::rules::Rules;
use super::Pipeline;
use crate::archive::Role;
use crate::correlate::cluster::{self, Cluster};
use crate::correlate::{self, CorrelateError, Emit, Input, Outputs, Stand};
use crate::matching::MatchRow;

/// Starts the dataflow, alone or with the other processes once all are there.
pub(super) fn start(
    cluster: Option<&Cluster>,
    data: &Path,
    rules: &Rules,
    workers: usize,
) -> Result<(Input, Outputs), EngineError> {
    let Some(cluster) = cluster else {
        Role::ALONE.check(data)?;
        return Ok(correlate::start(rules.program.clone(), workers, Emit::Running)?);
    };
    let role = Role { process: cluster.process(), processes: cluster.processes() };
    role.check(data)?;
    let listener = cluster.listen()?;
    let say = |text: &str| eprintln!("weir: {text}");
    let links = cluster::connect(cluster, &listener, workers, &fingerprint(rules), &say)?;
    role.record(data)?;
    Ok(correlate::start_in(links, rules.program.clone(), Emit::Running)?)
}

/// What tells rules and lists from others.
fn fingerprint(rules: &Rules) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for file in &rules.files {
        // Folders may have other names on other machines.
        add(Path::new(&*file.name).file_name().and_then(|n| n.to_str()).unwrap_or(&file.name));
        add(&file.text);
    }
    for (path, text) in &rules.lists {
        add(path);
        add(text);
    }
    // A list that could not be read leaves out rules.
    rules.program.rules.iter().for_each(|rule| add(&rule.name));
    format!("{:032x}", hasher.digest128())
}

/// What the pipeline knows of the other processes.
pub(super) struct Others {
    left: watch::Sender<Option<usize>>,
    /// Our sources were silent in the last epoch that was sent.
    silent: bool,
    /// Time may pass to here when all are silent, µs.
    passed: Option<i64>,
    /// The watermark of all that was recorded last, µs.
    noted: i64,
}

impl Others {
    /// With where it is said that one has left, and what wakes the pipeline when others wait for it.
    pub(super) fn new(input: &Input) -> (Others, watch::Receiver<Option<usize>>, Arc<Notify>) {
        let (left, leaves) = watch::channel(None);
        let hurry = Arc::new(Notify::new());
        if let Some(peers) = input.peers() {
            let hurry = hurry.clone();
            peers.on_change(move || hurry.notify_one());
        }
        (Others { left, silent: false, passed: None, noted: i64::MIN }, leaves, hurry)
    }
}

impl Pipeline {
    /// Whether another process waits for our epoch.
    pub(super) fn is_waited_for(&self) -> bool {
        self.input.peers().is_some_and(|peers| peers.is_behind(self.input.next()))
    }

    /// Takes over what the other processes said, before lines are looked at.
    pub(super) fn hear(&mut self, lines: bool) -> Result<(), EngineError> {
        let Some(peers) = self.input.peers() else { return Ok(()) };
        // We did not hold the others: how far they went decides what is late.
        if lines && self.others.silent && !peers.wait(self.input.next()) {
            return Err(CorrelateError::Stopped("it ended before its input".to_owned()).into());
        }
        self.clock.pass(peers.watermark());
        if let Some(process) = peers.leaving() {
            self.others.left.send_if_modified(|left| left.replace(process).is_none());
        }
        Ok(())
    }

    /// Sends an epoch; it is the last one when the input is no longer open.
    pub(super) fn send(&mut self, rows: Vec<MatchRow>, open: bool) -> Result<(), EngineError> {
        let holds = Stand::Holds(self.clock.watermark());
        let stand = match self.input.peers() {
            Some(_) if self.clock.is_silent() => Stand::Silent(self.others.passed),
            Some(_) | None => holds,
        };
        self.others.silent = stand != holds;
        self.input.stand(rows, stand, !open)?;
        Ok(())
    }

    /// The watermark as far as all processes have reached it, µs.
    pub(super) fn reached(&self) -> i64 {
        self.input.peers().map_or(self.clock.watermark(), |peers| peers.watermark())
    }

    /// Has the archive record, with the lines of an epoch, how far time is.
    pub(super) fn note_time(&mut self) {
        let reached = self.reached();
        self.archive.set_watermark(reached);
        if self.input.peers().is_some() {
            self.archive.set_promise(self.clock.watermark());
            self.others.noted = reached;
        }
    }

    /// Records how far all processes are, without lines, where a rule waits for that: the last lines may have decided that something
    /// did not happen. While our sources are silent others record it.
    pub(super) fn note_reached(&mut self) {
        let Some(peers) = self.input.peers() else { return };
        let reached = peers.watermark();
        if reached <= self.others.noted || self.clock.is_silent() || !self.waits() || self.refusal.is_some() {
            return;
        }
        self.archive.pass(reached);
        match self.archive.commit() {
            Ok(()) => self.others.noted = reached,
            Err(error) => tracing::error!("{error}; how far time is will be recorded later"),
        }
    }

    /// Whether no source of any process speaks, as far as our own silence lets us ask.
    pub(super) fn all_silent(&self) -> bool {
        self.input.peers().is_none_or(|peers| peers.all_silent())
    }

    /// Time passes while all are silent.
    pub(super) fn passed(&mut self, watermark: i64) {
        self.others.passed = Some(watermark);
        self.clock.pass(watermark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::SourceFile;

    #[test]
    fn other_rules_have_another_fingerprint() {
        let rules = |name: &str, text: &str, list: &str| Rules {
            files: vec![SourceFile { name: name.into(), text: text.to_owned() }],
            lists: [("bad.txt".to_owned(), Arc::from(list))].into(),
            ..Rules::default()
        };
        let one = fingerprint(&rules("/etc/weir/a.weir", "rule a", "x"));
        assert_eq!(one, fingerprint(&rules("rules/a.weir", "rule a", "x")));
        for other in [rules("a.weir", "rule b", "x"), rules("a.weir", "rule a", "y"), rules("b.weir", "rule a", "x")] {
            assert_ne!(one, fingerprint(&other));
        }
    }
}
