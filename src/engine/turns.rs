//! When the lists that rules follow were changed: what a replay hands to correlation, at the watermarks at which it came.
//!
//! A change of a list reaches back from the watermark that held when it came, so that each event is judged by
//! the last list that reached it. A replay that changes lists where they were changed ends as the live run did.

use std::collections::VecDeque;
use std::path::Path;

use super::rules::{Rules, list_changes};
use crate::archive::{ListHistory, Lists};
use crate::correlate::ListChange;
use crate::rule::plan::List;

/// The changes that are still to come.
pub(super) struct Turns {
    /// The lists as they are in the program.
    present: Vec<List>,
    stands: Vec<List>,
    coming: VecDeque<(i64, u64, Vec<List>)>,
}

/// Lists change.
#[derive(Debug)]
pub(super) struct Turn {
    /// At this watermark, µs.
    pub(super) at: i64,
    pub(super) changes: Vec<ListChange>,
}

impl Turns {
    /// For a replay of what happened from a time on (µs).
    pub(super) fn new(history: &ListHistory, rules: &Rules, from: i64) -> Turns {
        let present = rules.program.lists.clone();
        let mut turns = Turns { stands: present.clone(), present, coming: VecDeque::new() };
        if !turns.present.is_empty() {
            let all = history.turns(&rules.lists).into_iter();
            turns.coming = all.map(|turn| (turn.watermark, turn.from, turns.then(&turn.lists))).collect();
            // What came before reached all that is replayed.
            let before = turns.coming.iter().take_while(|(at, ..)| *at <= from).count().saturating_sub(1);
            turns.coming.drain(..before);
        }
        turns
    }

    /// Lists stay as they are in the program.
    pub(super) fn none() -> Turns {
        Turns { present: Vec::new(), stands: Vec::new(), coming: VecDeque::new() }
    }

    fn then(&self, lists: &Lists) -> Vec<List> {
        let text = |list: &List| lists.get(list.file.as_deref().and_then(Path::to_str)?);
        self.present.iter().map(|list| text(list).map_or_else(|| list.clone(), |text| list.read(text))).collect()
    }

    /// What leads from the lists of the program to those at the beginning.
    pub(super) fn begin(&mut self) -> Vec<ListChange> {
        self.coming.pop_front().map(|(.., lists)| self.turn(lists)).unwrap_or_default()
    }

    /// The next change, if it came up to this watermark.
    pub(super) fn next(&mut self, until: i64) -> Option<Turn> {
        self.coming.front().filter(|(at, ..)| *at <= until)?;
        let (at, _, lists) = self.coming.pop_front()?;
        Some(Turn { at, changes: self.turn(lists) })
    }

    /// Number of the first event that was judged by the change that comes next; none where no more comes.
    pub(super) fn before(&self) -> Option<u64> {
        self.coming.front().map(|(_, from, _)| *from)
    }

    fn turn(&mut self, lists: Vec<List>) -> Vec<ListChange> {
        let changes = list_changes(&self.stands, &lists);
        self.stands = lists;
        changes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::ListLog;
    use crate::engine::rules::Origin;

    #[test]
    fn a_replay_meets_the_lists_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        let text = "list bad from \"bad.txt\"
            rule a { when network where destination.ip in bad retro 1h }";
        std::fs::write(rules.join("a.weir"), text).unwrap();
        std::fs::write(rules.join("bad.txt"), "192.0.2.3").unwrap();
        let rules = Origin::Folder(rules).load().unwrap();
        assert!(!rules.has_errors(), "{:?}", rules.diagnostics);
        let mut log = ListLog::open(dir.path()).unwrap();
        for (watermark, text) in
            [(i64::MIN, "192.0.2.1"), (50, "192.0.2.1\n192.0.2.2"), (90, "192.0.2.2"), (90, "192.0.2.3")]
        {
            let lists: Lists = [("bad.txt".to_owned(), Arc::from(text))].into();
            log.record(0, 0, watermark, &lists).unwrap();
        }
        let changes = |changes: Vec<ListChange>| -> Vec<String> {
            changes.iter().map(|c| format!("{}{}", if c.present { "+" } else { "-" }, &c.value[8..])).collect()
        };
        let mut turns = Turns::new(log.history(), &rules, 49);
        assert_eq!(changes(turns.begin()), ["+1", "-3"]);
        assert!(turns.next(49).is_none());
        let at = |turn: Option<Turn>| turn.map(|turn| (turn.at, changes(turn.changes)));
        assert_eq!(turns.before(), Some(0));
        assert_eq!(at(turns.next(50)), Some((50, vec!["+2".to_owned()])));
        assert_eq!(at(turns.next(100)), Some((90, vec!["-1".to_owned()])));
        assert_eq!(at(turns.next(100)), Some((90, vec!["-2".to_owned(), "+3".to_owned()])));
        assert!(turns.next(i64::MAX).is_none() && turns.before().is_none());
        let mut late = Turns::new(log.history(), &rules, 50);
        assert_eq!(changes(late.begin()), ["+1", "+2", "-3"]);
    }
}
