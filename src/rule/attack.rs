//! The techniques of MITRE ATT&CK: names, and what became of those that were withdrawn. In: an id. Out: its entry.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// A technique a line: id, name, and of a withdrawn one how and what took its place.
const TABLE: &str = include_str!("attack.tsv");

/// What the table holds, in words.
pub const VERSIONS: &str = "ATT&CK Enterprise 18.1, ICS 15 and Mobile 15";

/// A technique or sub-technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Technique {
    /// `T1110.001`
    pub id: &'static str,
    /// `Password Guessing`; empty where only the id is known.
    pub name: &'static str,
    /// Whether it still stands.
    pub state: State,
}

/// What became of a technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It stands.
    Current,
    /// It was taken back, mostly for another one.
    Revoked(Option<&'static str>),
    /// It is not used any more.
    Deprecated(Option<&'static str>),
}

/// The technique of this id; `None` when no matrix has it.
pub fn technique(id: &str) -> Option<Technique> {
    static INDEX: LazyLock<FxHashMap<&str, Technique>> = LazyLock::new(|| {
        let lines = TABLE.lines().filter(|l| !l.starts_with('#'));
        lines.filter_map(read).map(|technique| (technique.id, technique)).collect()
    });
    INDEX.get(id).copied()
}

fn read(line: &'static str) -> Option<Technique> {
    let mut cells = line.split('\t');
    let id = cells.next()?;
    let name = cells.next().unwrap_or_default();
    let word = cells.next();
    let successor = cells.next();
    let state = match word {
        Some("revoked") => State::Revoked(successor),
        Some("deprecated") => State::Deprecated(successor),
        Some(_) | None => State::Current,
    };
    Some(Technique { id, name, state })
}

impl Technique {
    /// The name with that of the technique it is part of: `Brute Force: Password Guessing`.
    pub fn full_name(&self) -> String {
        match self.id.split_once('.').and_then(|(parent, _)| technique(parent)) {
            Some(parent) => format!("{}: {}", parent.name, self.name),
            None => self.name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_have_their_names() {
        let of = |id: &str| technique(id).map(|t| (t.full_name(), t.state));
        assert_eq!(of("T1110.001"), Some(("Brute Force: Password Guessing".to_owned(), State::Current)));
        assert_eq!(of("T0858").map(|t| t.1), Some(State::Current));
        assert_eq!(of("T1107").map(|t| t.1), Some(State::Revoked(Some("T1070.004"))));
        assert_eq!((of("T9999"), of("T1110.999"), of("")), (None, None, None));
    }

    /// What took the place of another stands itself.
    #[test]
    fn successors_stand() {
        let mut count = 0;
        for known in TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(read) {
            count += 1;
            if let State::Revoked(Some(next)) | State::Deprecated(Some(next)) = known.state {
                assert!(technique(next).is_some_and(|t| t.state == State::Current), "{} leads to {next}", known.id);
            }
        }
        assert!(count > 1_000, "{count}");
    }
}
