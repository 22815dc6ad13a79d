//! Rules are read again while the engine runs: on request, and when their files change.
//!
//! In: a rules folder. Out: a [`Change`] for the pipeline, or what is wrong. A folder is one program:
//! while there is an error in it nothing of it takes effect, and the rules that run go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::rules::{Origin, Rules, Stamp};
use crate::matching::Matcher;
use crate::metrics::Metrics;
use crate::rule;
use crate::serve::live::Hub;
use crate::serve::{Reloaded, RuleInfo, Unloadable};

/// Another program for the pipeline.
pub(super) struct Change {
    pub(super) rules: Arc<Rules>,
    pub(super) matcher: Matcher,
    /// The rules before.
    pub(super) before: Arc<Rules>,
    /// For each rule which one of these it was.
    pub(super) continues: Vec<Option<u32>>,
}

/// Reads rules again. Shared; calls are one after the other.
pub struct Reloader {
    origin: Origin,
    state: Mutex<State>,
    out: mpsc::Sender<Change>,
    /// What runs after all, when the pipeline could not let the latest rules run.
    kept: Kept,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
}

/// Where the pipeline leaves the rules that go on because those after them cannot run.
pub(super) type Kept = Arc<Mutex<Option<Arc<Rules>>>>;

struct State {
    /// What runs.
    rules: Arc<Rules>,
    /// The folder as it was when it was read last.
    read: Stamp,
    /// The folder as it was seen last.
    seen: Stamp,
}

impl Reloader {
    pub(super) fn new(
        origin: Origin,
        rules: Arc<Rules>,
        out: mpsc::Sender<Change>,
        kept: Kept,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
    ) -> Reloader {
        let read = origin.stamp(&rules.lists);
        let reloader = Reloader {
            state: Mutex::new(State { rules: rules.clone(), seen: read.clone(), read }),
            origin,
            out,
            kept,
            hub,
            metrics,
        };
        reloader.metrics.rules(rules.program.rules.len());
        if rules.has_errors() {
            reloader.refuse(&rules, "rules with errors are left out");
        }
        reloader
    }

    /// The rules that run.
    pub fn rules(&self) -> Arc<Rules> {
        self.state().rules.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rules) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take() {
            state.rules = rules;
        }
        state
    }

    /// Whether files were changed since they were read, and are no longer being written: to be asked every second or so.
    pub fn is_stale(&self) -> bool {
        let mut state = self.state();
        let stamp = self.origin.stamp(&state.rules.lists);
        let still = stamp == state.seen;
        state.seen = stamp;
        still && state.seen != state.read
    }

    /// Reads the rules again, and lets them run if there is no error among them. Blocks for as long as that takes, but not for
    /// the past of new rules. Not to be called on a thread that runs async tasks.
    pub fn reload(&self) -> Result<Reloaded, Unloadable> {
        let mut state = self.state();
        state.read = self.origin.stamp(&state.rules.lists);
        let new = match self.origin.load() {
            Ok(rules) => rules,
            Err(error) => {
                tracing::error!("{error}; the rules that run go on");
                self.tell(1, Some(format!("{error}; the rules that run go on")));
                return Err(Unloadable { message: error.to_string(), diagnostics: Vec::new() });
            }
        };
        if new.has_errors() {
            return Err(self.refuse(&new, "the rules that run go on"));
        }
        let old = state.rules.clone();
        self.tell(0, None);
        // New lists are looked at from now on.
        state.read = self.origin.stamp(&new.lists);
        state.seen = state.read.clone();
        let continues = new.continues(&old);
        let report = report(&old, &new, &continues);
        if new.is_read_from(&old) {
            return Ok(report);
        }
        tracing::info!(
            "{}: {} rules, {} added, {} changed, {} removed, {} lists changed",
            Rules::folder(&self.origin),
            report.rules.len(),
            report.added.len(),
            report.changed.len(),
            report.removed.len(),
            report.lists.len()
        );
        self.metrics.rules(new.program.rules.len());
        let (matcher, rules) = (Matcher::live(&new.program), Arc::new(new));
        state.rules = rules.clone();
        match self.out.blocking_send(Change { rules, matcher, before: old, continues }) {
            Ok(()) => Ok(report),
            Err(_) => Err(Unloadable { message: "weir is stopping".to_owned(), diagnostics: Vec::new() }),
        }
    }

    /// Shows what is wrong.
    fn refuse(&self, rules: &Rules, consequence: &str) -> Unloadable {
        let errors: Vec<_> = rules.diagnostics.iter().filter(|d| d.is_error()).collect();
        let first = errors.first().map_or_else(String::new, |d| format!(": {}", rule::diagnostic::one_line(d)));
        let message = match errors.len() {
            1 => format!("{} has an error{first}", Rules::folder(&self.origin)),
            count => format!("{} has {count} errors{first}", Rules::folder(&self.origin)),
        };
        tracing::error!("{message}; {consequence}\n{}", rule::render(&rules.diagnostics, &rules.files, false));
        self.tell(errors.len(), Some(format!("{message}; {consequence}")));
        self.hub.rule_diagnostics(rules.diagnostics.clone());
        Unloadable { message: format!("{message}; {consequence}"), diagnostics: rules.diagnostics.clone() }
    }

    fn tell(&self, errors: usize, trouble: Option<String>) {
        self.metrics.rules_errors(errors);
        self.hub.rule_diagnostics(Vec::new());
        self.hub.rule_trouble(trouble);
    }
}

fn report(old: &Rules, new: &Rules, continues: &[Option<u32>]) -> Reloaded {
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for (rule, continued) in new.program.rules.iter().zip(continues) {
        match (continued, old.program.position(&rule.name)) {
            (Some(_), _) => {}
            (None, Some(_)) => changed.push(rule.name.clone()),
            (None, None) => added.push(rule.name.clone()),
        }
    }
    let gone = old.program.rules.iter().filter(|rule| new.program.position(&rule.name).is_none());
    let lists = new.lists.iter().filter(|(path, text)| old.lists.get(*path).is_some_and(|before| before != *text));
    Reloaded {
        rules: new.program.rules.iter().map(RuleInfo::from).collect(),
        added,
        changed,
        removed: gone.map(|rule| rule.name.clone()).collect(),
        lists: lists.map(|(path, _)| path.clone()).collect(),
    }
}
