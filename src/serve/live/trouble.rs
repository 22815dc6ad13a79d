//! What is wrong right now: a disk, the rules folder, the settings file. In: whoever notices. Out: the page and `/health`.

use super::Hub;

/// What cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The log: events are refused.
    Log,
    /// What stands in lists.
    Lists,
    /// Alerts.
    Alerts,
    /// Parquet: events stay in the log.
    Parquet,
}

impl Hub {
    /// What a stage cannot do right now (for a full disk), for the page and `/health`; `None` when it can.
    pub fn trouble(&self, stage: Stage, what: Option<String>) {
        let mut state = self.state();
        if state.trouble.get(&stage) != what.as_ref() {
            match what {
                Some(what) => state.trouble.insert(stage, what),
                None => state.trouble.remove(&stage),
            };
            self.tell_stats(&mut state);
        }
    }

    /// What is wrong right now.
    pub fn current_trouble(&self) -> Option<String> {
        self.state().trouble.values().next().cloned()
    }

    /// Why events are not taken right now; `None` when they are.
    pub fn refuses(&self) -> Option<String> {
        self.state().trouble.get(&Stage::Log).cloned()
    }

    /// Why the rules folder does not take effect, for the page and `/health`; `None` when it does.
    pub fn rule_trouble(&self, what: Option<String>) {
        let mut state = self.state();
        if state.rules.trouble != what {
            state.rules.trouble = what;
            self.tell_stats(&mut state);
        }
    }

    /// Why the settings file does not take effect, for the page and `/health`; `None` when it does.
    pub fn settings_trouble(&self, what: Option<String>) {
        let mut state = self.state();
        if state.settings != what {
            state.settings = what;
            self.tell_stats(&mut state);
        }
    }

    /// Why the settings file does not take effect.
    pub fn settings(&self) -> Option<String> {
        self.state().settings.clone()
    }
}
