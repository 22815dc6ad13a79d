//! Restart is replay: the state of the dataflow is rebuilt from the archive, which is the only checkpoint.
//!
//! Events are replayed from long enough before the cut that everything which can still change is exact:
//! the watermark at the cut, or the first event of an episode that was open then, less the longest
//! window and cooldown. What the replay finds is compared with what was said before; the difference,
//! and only it, is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{EngineError, drop_late};
use crate::alert::{Alert, AlertId};
use crate::archive::{self, Archive};
use crate::correlate::Input;
use crate::correlate::spool::{BUDGET, Overflow, Spool};
use crate::matching::{Matcher, Pruner, Scratch};
use crate::rule::plan::Program;

/// What a rebuilt dataflow stands at.
pub(super) struct Rebuilt {
    /// How many epochs the replay took; they say nothing by themselves.
    pub(super) epochs: u64,
    /// Episodes that start at or after this time (µs) are exact.
    pub(super) exact_from: i64,
    /// The watermark to go on from, µs.
    pub(super) watermark: i64,
}

/// Replays what the archive retains of the windows into the dataflow.
pub(super) fn rebuild(
    data: &Path,
    program: &Arc<Program>,
    archive: &Archive,
    said: &BTreeMap<AlertId, Alert>,
    lateness: i64,
    input: &mut Input,
) -> Result<Rebuilt, EngineError> {
    let Some(greatest) = archive.greatest_time() else {
        return Ok(Rebuilt { epochs: 0, exact_from: i64::MAX, watermark: i64::MIN });
    };
    // An archive that no live run wrote has no recorded watermark: as if all of it had just come in.
    let watermark = archive.watermark().unwrap_or_else(|| greatest.saturating_sub(lateness));
    let horizon = program.horizon();
    let exact_from = said
        .values()
        .filter(|a| a.last.saturating_add(horizon) >= watermark)
        .map(|a| a.first)
        .fold(watermark.saturating_sub(horizon), i64::min);
    let from = exact_from.saturating_sub(horizon);
    let matcher = Matcher::live(program);
    let mut scratch = Scratch::default();
    let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let mut spool = Spool::new(Overflow::Spill, BUDGET, &folder);
    let mut pruner = Pruner::new(&matcher);
    let stored = archive::read(data, Some(matcher.fields()), from..=i64::MAX)?;
    for batch in stored.only(Box::new(move |events| pruner.may_match(events))) {
        let batch = batch?;
        let mut rows = Vec::new();
        matcher.matches(&batch, &mut scratch, &mut rows);
        drop_late(program, &batch, &mut rows);
        rows.retain(|r| r.time >= from);
        spool.push(rows)?;
    }
    tracing::info!("rebuilding windows from {} match rows of the archive", spool.rows());
    let mut count = 0;
    while let Some((rows, reached)) = spool.next_epoch()? {
        input.send(rows, reached.min(watermark))?;
        count += 1;
    }
    Ok(Rebuilt { epochs: count, exact_from, watermark })
}
