//! Rules over alerts: level by level, each episode of a lower level becomes a row of the rules above.

use std::collections::BTreeSet;

use weir::rule::plan::Program;

use super::{Episode, Row, episodes};

/// All episodes of all levels. `rows` are those of rules over events; `alert_row` is the row that an episode's alert makes for the
/// rule of this number, if it takes part in it; `watermark` is how far the rows of a level are known to be there.
pub(crate) fn all_levels(
    program: &Program,
    rows: &[Row],
    watermark: &dyn Fn(u32) -> i64,
    alert_row: &dyn Fn(&Episode, u32) -> Option<Row>,
) -> BTreeSet<Episode> {
    let level = |rule: u32| program.rules[rule as usize].level;
    let mut found = episodes(program, rows, watermark(0));
    for above in 1..=program.rules.iter().map(|r| r.level).max().unwrap_or(0) {
        let rules = (0..program.rules.len() as u32).filter(|rule| level(*rule) == above);
        let below: Vec<&Episode> = found.iter().filter(|e| level(e.rule) < above).collect();
        let rows: Vec<Row> = rules.flat_map(|rule| below.iter().filter_map(move |e| alert_row(e, rule))).collect();
        found.extend(episodes(program, &rows, watermark(above)));
    }
    found
}
