//! Which process of a cluster a data folder belongs to.
//!
//! A restart needs what every process archived, and the alerts that process 0 said before. So a folder stays with its process:
//! `cluster.json` says which one that is, and a start that would mix them up is refused.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArchiveError, layout};

/// A process among several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Which one.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
}

impl Role {
    /// Who runs alone.
    pub const ALONE: Role = Role { process: 0, processes: 1 };

    /// Whether a data folder may be used in this role. The caller holds the folder's lock.
    pub fn check(self, dir: &Path) -> Result<(), ArchiveError> {
        let wrong = |why: String| Err(ArchiveError::Role { path: dir.to_owned(), why });
        let was = Role::load(dir)?;
        match was {
            Some(was) if was.process != self.process => wrong(format!(
                "belongs to process {} of {}, and this is process {} of {}: name that process's own folder with --data",
                was.process, was.processes, self.process, self.processes
            )),
            Some(was) if self.processes < was.processes => wrong(format!(
                "belongs to process {} of {}, and what the others archived would be missing: start all {} with \
                 --process and --hosts, or name a new folder with --data",
                was.process, was.processes, was.processes
            )),
            None if self.process > 0 && has_alerts(dir) => wrong(format!(
                "holds alerts, and in a cluster process 0 keeps them: make it the folder of process 0, or name a new folder \
                 with --data for process {}",
                self.process
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes the role in the folder, from when on it counts.
    pub fn record(self, dir: &Path) -> Result<(), ArchiveError> {
        if Role::load(dir)?.unwrap_or(Role::ALONE) == self {
            return Ok(());
        }
        let text = serde_json::to_vec(&self).expect("numbers are JSON");
        layout::replace(&layout::role(dir), &text)
    }

    fn load(dir: &Path) -> Result<Option<Role>, ArchiveError> {
        let path = layout::role(dir);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|e| ArchiveError::Damaged { path: path.clone(), what: e.to_string() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ArchiveError::io("read", &path)(error)),
        }
    }
}

fn has_alerts(dir: &Path) -> bool {
    std::fs::metadata(layout::alerts(dir)).is_ok_and(|alerts| alerts.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let role = |process, processes| Role { process, processes };
        assert!(Role::ALONE.record(dir).is_ok() && !layout::role(dir).exists());
        assert!(role(1, 2).check(dir).is_ok() && role(1, 2).record(dir).is_ok());
        assert!(role(1, 2).check(dir).is_ok() && role(1, 3).check(dir).is_ok(), "more may join");
        let error = |role: Role| role.check(dir).unwrap_err().to_string();
        assert!(error(role(0, 2)).contains("belongs to process 1 of 2, and this is process 0 of 2"));
        assert!(error(Role::ALONE).contains("process 1 of 2"));
        role(1, 3).record(dir).unwrap();
        assert!(error(role(1, 2)).contains("start all 3"));
    }

    #[test]
    fn alerts_stay_with_process_0() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(layout::alerts(folder.path()), "{}\n").unwrap();
        let check = |process| Role { process, processes: 2 }.check(folder.path());
        assert!(check(0).is_ok() && check(1).unwrap_err().to_string().contains("process 0 keeps them"));
    }
}
