//! The nearest of known names to one that is not known: "did you mean …?".

/// The candidate with the fewest typing slips, if there are few enough for a name of this length.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: Vec<char> = wrong.chars().take(MOST).flat_map(char::to_lowercase).collect();
    let allowed = (wrong.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter_map(|name| {
            let chars: Vec<char> = name.chars().take(MOST).flat_map(char::to_lowercase).collect();
            if chars.len().abs_diff(wrong.len()) > allowed {
                return None;
            }
            Some((slips(&wrong, &chars), name))
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Longer names are not compared to their end, so that a hostile file costs no time.
const MOST: usize = 80;

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
pub(crate) fn slips(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_mended() {
        assert_eq!(nearest("source.adress", ["source.address", "source.ip"]), Some("source.address"));
        assert_eq!(nearest("serverity", ["severity", "title"]), Some("severity"));
        assert_eq!(nearest("wiht", ["with"]), Some("with"));
        assert_eq!(nearest("zebra", ["severity", "title"]), None);
        assert_eq!(nearest("", ["a", "bcd"]), Some("a"));
    }
}
