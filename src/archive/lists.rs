//! The list log: what stood in the files of lists, and from which event on, one JSON object a line.
//!
//! An event is judged by the lists as they were when it was accepted; a replay reads here what they were.
//! A line holds the lists whose content is another than before, whole, and the watermark that held then: a rule that
//! follows its lists looks at so much of the past again as there was before it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ArchiveError, layout};
use crate::event::time;

/// What stands in lists, by their path in the rules folder.
pub type Lists = BTreeMap<String, Arc<str>>;

/// Lists over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListHistory {
    changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Change {
    /// Number of the first event that was judged by it.
    from: u64,
    /// When it was written (RFC 3339).
    at: String,
    /// The watermark then (RFC 3339); none before the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watermark: Option<String>,
    lists: BTreeMap<String, String>,
}

/// Lists from some time on.
#[derive(Clone, Debug, PartialEq)]
pub struct ListTurn {
    /// The watermark at which they came, µs.
    pub watermark: i64,
    /// Number of the first event that was judged by them.
    pub from: u64,
    /// What stands in them.
    pub lists: Lists,
}

/// Appends to the history.
pub struct ListLog {
    file: File,
    path: PathBuf,
    /// Length up to which lines are whole and durable.
    committed: u64,
    history: ListHistory,
}

impl ListLog {
    /// Opens the list log of a data folder; makes it when there is none. A last line that was being written when the
    /// process was killed is cut off. The caller holds the folder's lock (see [`super::Archive`]).
    pub fn open(dir: &Path) -> Result<ListLog, ArchiveError> {
        let path = layout::lists(dir);
        let (history, whole) = ListHistory::load(&path)?;
        let open = || {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.set_len(whole as u64)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(ArchiveError::io("open", &path))?;
        layout::sync_folder(dir)?;
        Ok(ListLog { file, path, committed: whole as u64, history })
    }

    /// What was recorded.
    pub fn history(&self) -> &ListHistory {
        &self.history
    }

    /// Whether some of these lists stand otherwise than what was recorded last.
    pub fn differs(&self, lists: &Lists) -> bool {
        !self.history.news(lists).is_empty()
    }

    /// Records that events from this number on are judged by these lists, which came when this was the watermark (µs;
    /// `i64::MIN` before the first event); durable once it returns.
    pub fn record(&mut self, from: u64, at: i64, watermark: i64, lists: &Lists) -> Result<(), ArchiveError> {
        let lists = self.history.news(lists);
        if lists.is_empty() {
            return Ok(());
        }
        let watermark = (watermark != i64::MIN).then(|| time::rfc3339(watermark));
        let change = Change { from, at: time::rfc3339(at), watermark, lists };
        let mut line = serde_json::to_vec(&change).expect("a change of lists has text keys only");
        line.push(b'\n');
        let write = || {
            self.file.set_len(self.committed)?;
            (&self.file).write_all(&line)?;
            self.file.sync_data()
        };
        write().map_err(ArchiveError::io("append to", &self.path))?;
        self.committed += line.len() as u64;
        self.history.changes.push(change);
        Ok(())
    }
}

impl Change {
    /// Puts its contents in the place of those before.
    fn apply(&self, lists: &mut Lists) {
        for (path, text) in lists.iter_mut() {
            if let Some(new) = self.lists.get(path) {
                *text = Arc::from(new.as_str());
            }
        }
    }

    fn watermark(&self) -> Option<i64> {
        time::parse_rfc3339(self.watermark.as_deref()?)
    }
}

impl ListHistory {
    /// What was recorded in a data folder; nothing where there is no list log. Takes no lock.
    pub fn read(dir: &Path) -> Result<ListHistory, ArchiveError> {
        Ok(ListHistory::load(&layout::lists(dir))?.0)
    }

    /// What a list log holds, and the length of its whole lines.
    fn load(path: &Path) -> Result<(ListHistory, usize), ArchiveError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(ArchiveError::io("read", path)(error)),
        };
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = |(number, line): (usize, &[u8])| {
            serde_json::from_slice(line)
                .map_err(|e| ArchiveError::Damaged { path: path.to_owned(), what: format!("line {}: {e}", number + 1) })
        };
        let lines = text[..whole].split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        Ok((ListHistory { changes: lines.map(line).collect::<Result<_, _>>()? }, whole))
    }

    /// Numbers of the first events after changes of lists, ascending.
    pub(super) fn cuts(&self) -> Vec<u64> {
        let mut cuts: Vec<u64> = self.changes.iter().map(|c| c.from).collect();
        cuts.sort_unstable();
        cuts
    }

    /// The latest watermark at which lists changed, µs.
    pub fn watermark(&self) -> Option<i64> {
        self.changes.iter().filter_map(Change::watermark).max()
    }

    /// The lists from each watermark (µs) on at which they changed, in order. The first ones stood from the beginning: lists at
    /// their first recorded content, those that never were recorded as they are now.
    pub fn turns(&self, now: &Lists) -> Vec<ListTurn> {
        let mut first = now.clone();
        for change in self.changes.iter().rev() {
            change.apply(&mut first);
        }
        let mut turns = vec![ListTurn { watermark: i64::MIN, from: 0, lists: first }];
        for change in &self.changes {
            let ListTurn { watermark, mut lists, .. } = turns[turns.len() - 1].clone();
            change.apply(&mut lists);
            if lists != turns[turns.len() - 1].lists {
                // Time does not go back.
                let watermark = change.watermark().unwrap_or(watermark).max(watermark);
                turns.push(ListTurn { watermark, from: change.from, lists });
            }
        }
        turns
    }

    /// The lists as they stood at a time (µs UTC, of the clock). Before it was first recorded a list stood at its first
    /// recorded content; one that never was recorded stands as it does now.
    pub fn as_of(&self, now: &Lists, at: i64) -> Lists {
        let mut lists = now.clone();
        self.changes.iter().rev().for_each(|change| change.apply(&mut lists));
        let before = |change: &&Change| time::parse_rfc3339(&change.at).is_some_and(|written| written <= at);
        self.changes.iter().filter(before).for_each(|change| change.apply(&mut lists));
        lists
    }

    /// The lists as they were recorded last.
    pub fn latest(&self, now: &Lists) -> Lists {
        self.as_of(now, i64::MAX)
    }

    /// The contents that are not those recorded last.
    fn news(&self, lists: &Lists) -> BTreeMap<String, String> {
        let last = |path: &str| self.changes.iter().rev().find_map(|c| c.lists.get(path));
        let new = lists.iter().filter(|(path, text)| last(path).map(String::as_str) != Some(text));
        new.map(|(path, text)| (path.clone(), text.to_string())).collect()
    }

    /// Spans of event numbers, in order and without gaps up to `before`, each with these lists as they stood then. A list
    /// stood at its first recorded content before that was recorded; one that never was stands as it does now.
    pub fn spans(&self, now: &Lists, before: u64) -> Vec<(Range<u64>, Lists)> {
        let starts = std::iter::once(0).chain(self.changes.iter().map(|c| c.from)).filter(|from| *from < before);
        let mut spans: Vec<(Range<u64>, Lists)> = Vec::new();
        for start in starts {
            let content = |path: &String| {
                let known = self.changes.iter().filter_map(|c| Some((c.from, c.lists.get(path)?)));
                let stood = known.clone().take_while(|(from, _)| *from <= start).last();
                stood.or_else(|| known.clone().next()).map(|(_, text)| Arc::from(text.as_str()))
            };
            let lists: Lists =
                now.iter().map(|(path, text)| (path.clone(), content(path).unwrap_or_else(|| text.clone()))).collect();
            match spans.last_mut() {
                // Several changes before one event: the last counts.
                Some((span, held)) if span.start == start => *held = lists,
                Some((_, held)) if *held == lists => {}
                Some((span, _)) => {
                    span.end = start;
                    spans.push((start..before, lists));
                }
                None => spans.push((start..before, lists)),
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(all: &[(&str, &str)]) -> Lists {
        all.iter().map(|(path, text)| ((*path).to_owned(), Arc::from(*text))).collect()
    }

    #[test]
    fn what_stood_when_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = ListLog::open(dir.path()).unwrap();
        assert!(!log.differs(&Lists::new()));
        log.record(0, 0, i64::MIN, &lists(&[("a", "1")])).unwrap();
        log.record(10, 0, 1_000_001, &lists(&[("a", "1"), ("b", "x")])).unwrap();
        log.record(20, 0, 2_000_002, &lists(&[("a", "2"), ("b", "x")])).unwrap();
        log.record(20, 0, 2_000_002, &lists(&[("a", "3"), ("b", "x")])).unwrap();
        let now = lists(&[("a", "3"), ("b", "x"), ("c", "new")]);
        assert!(log.differs(&now) && !log.differs(&lists(&[("b", "x")])));
        // A line that was being written.
        std::fs::OpenOptions::new()
            .append(true)
            .open(layout::lists(dir.path()))
            .unwrap()
            .write_all(b"{\"from\":9")
            .unwrap();
        let mut log = ListLog::open(dir.path()).unwrap();
        log.record(30, 0, 1_500_000, &lists(&[("a", "1")])).unwrap();
        let log = ListLog::open(dir.path()).unwrap();
        let stood = |a: &str| lists(&[("a", a), ("b", "x"), ("c", "new")]);
        let turn = |watermark, from, a| ListTurn { watermark, from, lists: stood(a) };
        assert_eq!(
            log.history().turns(&now),
            [turn(i64::MIN, 0, "1"), turn(2_000_002, 20, "2"), turn(2_000_002, 20, "3"), turn(2_000_002, 30, "1")],
            "a watermark never goes back"
        );
        assert_eq!(log.history().as_of(&now, -1), stood("1"));
        assert_eq!((log.history().as_of(&now, 0), log.history().latest(&now)), (stood("1"), stood("1")));
        assert_eq!((log.history().watermark(), ListHistory::default().watermark()), (Some(2_000_002), None));
        assert_eq!(ListHistory::default().turns(&now), [ListTurn { watermark: i64::MIN, from: 0, lists: now.clone() }]);
        assert_eq!(ListHistory::default().latest(&now), now);
        assert_eq!(
            log.history().spans(&now, 100),
            [(0..20, stood("1")), (20..30, stood("3")), (30..100, stood("1"))],
            "a list that comes is no change of what others saw"
        );
        assert_eq!(log.history().spans(&now, 15), [(0..15, stood("1"))]);
        assert_eq!(ListHistory::default().spans(&now, 5), [(0..5, now.clone())]);
        assert!(log.history().spans(&now, 0).is_empty());
    }
}
