//! ATT&CK tactics of techniques. In: a technique's id, as rules have it. Out: the tactics it serves.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// A tactic a line, and the numbers of its techniques.
const TABLE: &str = include_str!("tactics.txt");

/// The tactics of a technique or sub-technique (`T1110`, `T1110.001`) in the order of the matrix, spelled as ATT&CK
/// does: `credential-access`. None for ids that the Enterprise matrix does not have.
pub fn tactics(technique: &str) -> &'static [&'static str] {
    static INDEX: LazyLock<FxHashMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let mut index: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
        for (tactic, number) in pairs() {
            index.entry(number).or_default().push(tactic);
        }
        index
    });
    let number = technique.strip_prefix('T').unwrap_or_default();
    let number = number.split_once('.').map_or(number, |(technique, _)| technique);
    INDEX.get(number).map_or(&[], Vec::as_slice)
}

/// All techniques of the Enterprise matrix, without sub-techniques: `T1110`, in the order of their numbers.
pub fn techniques() -> Vec<String> {
    let numbers: std::collections::BTreeSet<&str> = pairs().map(|(_, number)| number).collect();
    numbers.into_iter().map(|number| format!("T{number}")).collect()
}

/// Each tactic with each of its techniques' numbers.
fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let mut words = line.split(' ');
        let tactic = words.next().unwrap_or_default();
        words.map(move |number| (tactic, number))
    })
}

/// The tactics of all these techniques, each once, in the order they come.
pub fn of_all(techniques: &[String]) -> Vec<&'static str> {
    let mut out: Vec<&'static str> = Vec::new();
    for tactic in techniques.iter().flat_map(|t| tactics(t)) {
        if !out.contains(tactic) {
            out.push(tactic);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_have_their_tactics() {
        assert_eq!(tactics("T1110"), ["credential-access"]);
        assert_eq!(tactics("T1110.001"), ["credential-access"]);
        assert_eq!(
            tactics("T1078"),
            ["initial-access", "persistence", "privilege-escalation", "defense-evasion"],
            "in the matrix's order"
        );
        for unknown in ["", "T", "1110", "T9999", "T0855", "credential-access", "T1110x"] {
            assert!(tactics(unknown).is_empty(), "{unknown}");
        }
        let several = ["T1110.001".to_owned(), "T1003".to_owned(), "T1190".to_owned()];
        assert_eq!(of_all(&several), ["credential-access", "initial-access"]);
    }
}
