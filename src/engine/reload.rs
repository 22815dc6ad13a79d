//! Rules are read again while the engine runs: on request, and when their files change.
//!
//! In: a rules folder. Out: a `Change` for the pipeline, or what is wrong. A folder is one program:
//! while there is an error in it nothing of it takes effect, and the rules that run go on. Rules of several
//! processes are taken up at the next start of all.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::counted;
use super::rules::{Origin, Rules, Stamp};
use crate::archive::Lists;
use crate::correlate::CorrelateError;
use crate::correlate::roster::is_fixed;
use crate::matching::Matcher;
use crate::metrics::Metrics;
use crate::rule;
use crate::rule::plan::{List, Program};
use crate::serve::live::Hub;
use crate::serve::{Reloaded, RuleInfo, Unloadable};

/// So many rules and lists are named where many changed.
const NAMED: usize = 5;

/// Another program for the pipeline.
pub(super) struct Change {
    pub(super) rules: Arc<Rules>,
    pub(super) matcher: Matcher,
    /// The rules before.
    pub(super) before: Arc<Rules>,
    /// For each rule which one of these it was.
    pub(super) continues: Vec<Option<u32>>,
    /// The rules that run, with lists as they are now, where these change before the rules do.
    pub(super) relisted: Option<Relisted>,
}

/// Rules with other lists.
pub(super) struct Relisted {
    /// The rules with those before.
    pub(super) of: Arc<Rules>,
    pub(super) rules: Arc<Rules>,
    pub(super) matcher: Matcher,
}

/// How a program can follow the one that runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Its new rules join the dataflow.
    Join,
    /// It is the same but for what stands in its lists.
    Lists,
    /// In a dataflow of its own.
    Beside,
}

impl Change {
    /// How it can follow these rules.
    pub(super) fn way(&self, running: &Arc<Rules>) -> Way {
        let (old, new) = (&running.program, &self.rules.program);
        if !Arc::ptr_eq(running, &self.before) {
            Way::Beside
        } else if !is_fixed(old) && !is_fixed(new) {
            Way::Join
        } else if are_same(old, new, &self.continues) {
            Way::Lists
        } else {
            Way::Beside
        }
    }
}

impl Relisted {
    /// These rules with other lists; `None` when they have them, or would be others with them.
    pub(super) fn new(of: &Arc<Rules>, lists: &Lists) -> Option<Relisted> {
        if lists.iter().all(|(path, text)| of.lists.get(path).is_none_or(|before| before == text)) {
            return None;
        }
        let rules = of.with_lists(lists);
        if rules.has_errors() && !of.has_errors() || !are_same(&of.program, &rules.program, &rules.continues(of)) {
            return None;
        }
        Some(Relisted { of: of.clone(), matcher: Matcher::live(&rules.program), rules: Arc::new(rules) })
    }
}

/// Whether these are the same rules, but for what stands in their lists.
fn are_same(old: &Program, new: &Program, continues: &[Option<u32>]) -> bool {
    let lists = |program: &Program| -> Vec<_> {
        program.lists.iter().map(|List { name, file, .. }| (name.clone(), file.clone())).collect()
    };
    let same = (0..old.rules.len() as u32).map(Some).eq(continues.iter().copied());
    same && lists(old) == lists(new) && old.groups() == new.groups()
}

/// What the pipeline lets run.
pub(super) struct Runs {
    pub(super) rules: Arc<Rules>,
    /// Those after them could not be filled, and are forgotten.
    pub(super) kept: bool,
}

/// The same, as the pipeline and whoever reads the rules again see it.
pub(super) type Running = Arc<Mutex<Runs>>;

/// Reads rules again. Shared; calls are one after the other.
pub struct Reloader {
    origin: Origin,
    state: Mutex<State>,
    out: mpsc::Sender<Change>,
    running: Running,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    /// The rules are those of several processes.
    together: bool,
}

struct State {
    /// What runs, or will once it is filled.
    rules: Arc<Rules>,
    /// The lists that it named when it was read last.
    lists: BTreeSet<String>,
    /// The folder as it was then.
    read: Stamp,
    /// The folder as it was seen last.
    seen: Stamp,
}

impl Reloader {
    pub(super) fn new(
        origin: Origin,
        rules: Arc<Rules>,
        out: mpsc::Sender<Change>,
        running: Running,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
        together: bool,
    ) -> Reloader {
        let lists = rules.list_paths();
        let read = origin.stamp(&lists);
        let reloader = Reloader {
            state: Mutex::new(State { rules: rules.clone(), lists, seen: read.clone(), read }),
            origin,
            out,
            running,
            hub,
            metrics,
            together,
        };
        reloader.metrics.rules(rules.program.rules.len());
        if rules.has_errors() {
            // Whoever started it has shown the rest.
            let refused = reloader.refuse(&rules, "rules with errors are left out");
            tracing::error!("{}", refused.message);
        } else {
            reloader.hub.rule_diagnostics(rules.diagnostics.clone());
        }
        reloader
    }

    /// The rules that run, or will once they are filled.
    pub fn rules(&self) -> Arc<Rules> {
        self.state().rules.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runs = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut runs.kept) {
            state.rules = runs.rules.clone();
        }
        drop(runs);
        state
    }

    /// Whether files were changed since they were read, and are no longer being written: to be asked every second or so.
    pub fn is_stale(&self) -> bool {
        let mut state = self.state();
        let stamp = self.origin.stamp(&state.lists);
        let still = stamp == state.seen;
        state.seen = stamp;
        still && state.seen != state.read
    }

    /// Reads the rules again, and lets them run if there is no error among them. Blocks for as long as that takes, but not for
    /// the past of new rules. Not to be called on a thread that runs async tasks.
    pub fn reload(&self) -> Result<Reloaded, Unloadable> {
        let mut state = self.state();
        state.read = self.origin.stamp(&state.lists);
        let new = match self.origin.load() {
            Ok(rules) => rules,
            Err(error) => {
                tracing::error!("{error}; the rules that run go on");
                self.tell(1, Some(format!("{error}; the rules that run go on")));
                return Err(Unloadable { message: error.to_string(), diagnostics: Vec::new() });
            }
        };
        // All lists are looked at from now on.
        state.lists = new.list_paths();
        state.read = self.origin.stamp(&state.lists);
        state.seen = state.read.clone();
        if new.has_errors() {
            let refused = self.refuse(&new, "the rules that run go on");
            tracing::error!("{}\n{}", refused.message, rule::render(&new.diagnostics, &new.files, false));
            return Err(refused);
        }
        let old = state.rules.clone();
        if !new.is_read_from(&old)
            && let Some(refused) = self.together()
        {
            return Err(refused);
        }
        if self.hub.rules().trouble.is_some() {
            tracing::info!("{}: what was wrong is mended", Rules::folder(&self.origin));
        }
        self.tell(0, None);
        self.warn(&new);
        let continues = new.continues(&old);
        let report = report(&old, &new, &continues);
        if new.is_read_from(&old) {
            return Ok(report);
        }
        let parts = [
            ("added", &report.added),
            ("changed", &report.changed),
            ("removed", &report.removed),
            ("lists changed", &report.lists),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let told: String = parts.map(|(what, names)| format!("; {what}: {}", some(names))).collect();
        tracing::info!("{}: {} in all{told}", Rules::folder(&self.origin), counted(report.rules.len(), "rule"));
        self.metrics.rules(new.program.rules.len());
        let (matcher, rules) = (Matcher::live(&new.program), Arc::new(new));
        state.rules = rules.clone();
        let mut change = Change { rules, matcher, before: old, continues, relisted: None };
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).rules.clone();
        if change.way(&running) == Way::Beside {
            change.relisted = Relisted::new(&running, &change.rules.lists);
        }
        match self.out.blocking_send(change) {
            Ok(()) => Ok(report),
            Err(_) => Err(Unloadable { message: "weir is stopping".to_owned(), diagnostics: Vec::new() }),
        }
    }

    /// Refuses to change the rules of one process of several.
    fn together(&self) -> Option<Unloadable> {
        if !self.together {
            return None;
        }
        let message = format!("{}: {}", Rules::folder(&self.origin), CorrelateError::Together);
        tracing::error!("{message}");
        self.tell(1, Some(message.clone()));
        Some(Unloadable { message, diagnostics: Vec::new() })
    }

    /// Shows what is wrong.
    fn refuse(&self, rules: &Rules, consequence: &str) -> Unloadable {
        let errors: Vec<_> = rules.diagnostics.iter().filter(|d| d.is_error()).collect();
        let first = errors.first().map_or_else(String::new, |d| format!(": {}", rule::diagnostic::one_line(d)));
        let message = match errors.len() {
            1 => format!("{} has an error{first}", Rules::folder(&self.origin)),
            count => format!("{} has {count} errors{first}", Rules::folder(&self.origin)),
        };
        self.tell(errors.len(), Some(format!("{message}; {consequence}")));
        self.hub.rule_diagnostics(rules.diagnostics.clone());
        Unloadable { message: format!("{message}; {consequence}"), diagnostics: rules.diagnostics.clone() }
    }

    /// Shows what may be wrong with rules that run.
    fn warn(&self, rules: &Rules) {
        rules.diagnostics.iter().for_each(|found| tracing::warn!("{}", rule::diagnostic::one_line(found)));
        self.hub.rule_diagnostics(rules.diagnostics.clone());
    }

    fn tell(&self, errors: usize, trouble: Option<String>) {
        self.metrics.rules_errors(errors);
        self.hub.rule_diagnostics(Vec::new());
        self.hub.rule_trouble(trouble);
    }
}

/// Names, or the first of many.
fn some(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
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
        settings: Vec::new(),
    }
}
