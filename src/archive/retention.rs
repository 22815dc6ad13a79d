//! How long events are kept: by age and by size, for all of them or for a dataset.
//!
//! The age of an event counts from when it happened. Files go as a whole once the last of their events is too old; of a file that
//! holds datasets which are kept for different times, those that are over are left out and the rest is
//! written again. What a [hold](super::Hold) covers stays, and so does what the windows of the rules still reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::holds::Holds;
use super::manifest::StoredFile;
use crate::event::time;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Nothing older than this, µs.
    pub age: Option<i64>,
    /// No more bytes of Parquet than this; the oldest go first.
    pub bytes: Option<u64>,
}

/// How much of which events is kept; everything by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    all: Limit,
    datasets: BTreeMap<String, Limit>,
}

/// What an open archive keeps; it can be changed meanwhile, and copies change with it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<RwLock<Retention>>);

impl From<Retention> for Kept {
    fn from(retention: Retention) -> Kept {
        Kept(Arc::new(RwLock::new(retention)))
    }
}

impl Kept {
    /// How much is kept from now on.
    pub fn set(&self, retention: Retention) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// How much is kept now.
    pub fn get(&self) -> Retention {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What goes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    All,
    Datasets(BTreeSet<String>),
}

/// The events of a file that are of one dataset, or of a file of which that is not known.
struct Part<'f> {
    file: usize,
    dataset: Option<&'f str>,
    bytes: u64,
    /// Nothing keeps it but the limits.
    free: bool,
    gone: bool,
}

impl Retention {
    /// From what people write: `90d` or `50GB`, of one dataset `nginx.access=30d`. Says what is wrong with it.
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Retention, String> {
        let mut retention = Retention::default();
        for text in texts {
            let (limit, value) = match text.split_once('=') {
                Some((dataset, value)) if !dataset.trim().is_empty() => {
                    (retention.datasets.entry(dataset.trim().to_owned()).or_default(), value.trim())
                }
                Some(_) => return Err(format!("`{text}` names no dataset: write nginx.access=30d, or 30d for all")),
                None => (&mut retention.all, text.trim()),
            };
            match (time::duration(value), bytes(value)) {
                (Some(age), _) if age > 0 => limit.age = Some(age),
                (None, Some(bytes)) if bytes > 0 => limit.bytes = Some(bytes),
                (Some(_), _) | (None, Some(_) | None) => {
                    return Err(format!("`{value}` is no age or size: write 90d, 12h, 50GB or 500MiB"));
                }
            }
        }
        Ok(retention)
    }

    /// The shortest time for which events are kept, µs; `None` without a limit by age.
    pub fn shortest(&self) -> Option<i64> {
        std::iter::once(&self.all).chain(self.datasets.values()).filter_map(|limit| limit.age).min()
    }

    /// Whether everything is kept.
    pub fn is_unlimited(&self) -> bool {
        *self == Retention::default()
    }

    /// Whether it must be known which datasets are in a file.
    pub(super) fn asks_datasets(&self, holds: &Holds) -> bool {
        !self.datasets.is_empty() || (!self.is_unlimited() && holds.all().iter().any(|h| h.dataset.is_some()))
    }

    /// What goes of which of these files at a time (µs). Events from `needed` on (µs) stay.
    pub(super) fn expired(&self, files: &[StoredFile], holds: &Holds, now: i64, needed: i64) -> Vec<(usize, Goes)> {
        if self.is_unlimited() {
            return Vec::new();
        }
        let mut parts: Vec<Part<'_>> = Vec::new();
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|at| (files[*at].max_time, *at));
        for file in order {
            let held = &files[file];
            let part = |dataset: Option<&str>, rows: u64| -> (bool, u64) {
                let holds = holds.all().iter().any(|h| h.keeps(dataset, held.min_time, held.max_time));
                let bytes = u128::from(held.bytes) * u128::from(rows) / u128::from(held.rows.max(1));
                (!holds && held.max_time < needed, bytes as u64)
            };
            match &held.datasets {
                Some(datasets) if self.asks_datasets(holds) => {
                    for (dataset, rows) in datasets {
                        let (free, bytes) = part(Some(dataset), *rows);
                        parts.push(Part { file, dataset: Some(dataset), bytes, free, gone: false });
                    }
                }
                Some(_) | None => {
                    let (free, bytes) = part(None, held.rows);
                    parts.push(Part { file, dataset: None, bytes, free, gone: false });
                }
            }
        }
        for part in parts.iter_mut().filter(|p| p.free) {
            let own = part.dataset.and_then(|d| self.datasets.get(d)).and_then(|limit| limit.age);
            part.gone = own.or(self.all.age).is_some_and(|age| files[part.file].max_time < now.saturating_sub(age));
        }
        for (dataset, limit) in &self.datasets {
            shrink(&mut parts, limit.bytes, |part| part.dataset == Some(dataset));
        }
        shrink(&mut parts, self.all.bytes, |_| true);
        verdicts(&parts)
    }
}

/// Lets the oldest go until no more than so many bytes are left.
fn shrink(parts: &mut [Part<'_>], limit: Option<u64>, of: impl Fn(&Part<'_>) -> bool) {
    let Some(limit) = limit else { return };
    let mut left: u64 = parts.iter().filter(|p| !p.gone && of(p)).map(|p| p.bytes).sum();
    for part in parts.iter_mut() {
        if left <= limit {
            return;
        }
        if part.free && !part.gone && of(part) {
            part.gone = true;
            left -= part.bytes;
        }
    }
}

fn verdicts(parts: &[Part<'_>]) -> Vec<(usize, Goes)> {
    let mut verdicts = Vec::new();
    for file in parts.chunk_by(|a, b| a.file == b.file) {
        let gone = || file.iter().filter(|p| p.gone);
        if gone().count() == file.len() {
            verdicts.push((file[0].file, Goes::All));
        } else if gone().next().is_some() {
            let datasets = gone().filter_map(|p| p.dataset.map(str::to_owned)).collect();
            verdicts.push((file[0].file, Goes::Datasets(datasets)));
        }
    }
    verdicts
}

/// Reads a size: `500MB`, `10GiB`.
pub fn bytes(text: &str) -> Option<u64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let unit: u64 = match text[at..].to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "kib" => 1 << 10,
        "mb" => 1_000_000,
        "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    text[..at].trim().parse::<u32>().ok().map(|n| u64::from(n).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Hold;
    use crate::event::time::DAY;

    fn file(day: i64, datasets: &[(&str, u64)]) -> StoredFile {
        let rows = datasets.iter().map(|(_, rows)| rows).sum();
        StoredFile {
            path: format!("{day}"),
            rows,
            bytes: rows * 10,
            min_time: day * DAY,
            max_time: day * DAY + DAY - 1,
            min_sequence: 0,
            max_sequence: 0,
            datasets: Some(datasets.iter().map(|(d, n)| ((*d).to_owned(), *n)).collect()),
        }
    }

    fn hold(from: Option<i64>, to: Option<i64>, dataset: Option<&str>) -> Holds {
        Holds::of(Hold {
            name: "case 1".to_owned(),
            reason: String::new(),
            made: String::new(),
            from: from.map(|d| time::rfc3339(d * DAY)),
            to: to.map(|d| time::rfc3339(d * DAY)),
            dataset: dataset.map(str::to_owned),
        })
    }

    fn goes(texts: &[&str], files: &[StoredFile], holds: &Holds, needed: i64) -> Vec<String> {
        let retention = Retention::new(texts.iter().copied()).unwrap();
        let text = |(at, goes): &(usize, Goes)| match goes {
            Goes::All => files[*at].path.clone(),
            Goes::Datasets(d) => format!("{} {}", files[*at].path, d.iter().cloned().collect::<Vec<_>>().join(",")),
        };
        retention.expired(files, holds, 100 * DAY, needed).iter().map(text).collect()
    }

    #[test]
    fn the_shortest_age_is_told() {
        let shortest = |texts: &[&str]| Retention::new(texts.iter().copied()).unwrap().shortest();
        assert_eq!([shortest(&[]), shortest(&["5GB"])], [None; 2]);
        assert_eq!(shortest(&["20d", "5GB", "a=5d", "b=9d"]), Some(5 * DAY));
    }

    #[test]
    fn what_is_older_goes_and_what_is_held_or_needed_stays() {
        let files: Vec<StoredFile> = (90..100).map(|day| file(day, &[("auth", 10)])).collect();
        let none = Holds::default();
        let all = i64::MAX;
        assert_eq!(goes(&[], &files, &none, all), [""; 0]);
        assert_eq!(goes(&["7d"], &files, &none, all), ["90", "91", "92"]);
        assert_eq!(goes(&["7d"], &files, &none, 92 * DAY), ["90", "91"], "the rules still look at the rest");
        assert_eq!(goes(&["7d"], &files, &hold(Some(91), Some(92), None), all), ["90", "92"]);
        assert_eq!(goes(&["7d"], &files, &hold(None, None, Some("web")), all), ["90", "91", "92"]);
        assert_eq!(goes(&["7d"], &files, &hold(None, None, Some("auth")), all), [""; 0]);
        assert_eq!(goes(&["850B"], &files, &none, all), ["90", "91"]);
        assert_eq!(goes(&["850B", "9d"], &files, &hold(Some(90), Some(91), None), all), ["91", "92"]);
    }

    #[test]
    fn a_dataset_may_be_kept_for_another_time_than_the_rest() {
        let files = [file(90, &[("auth", 50), ("web", 50)]), file(95, &[("auth", 10), ("web", 90)])];
        let none = Holds::default();
        let all = i64::MAX;
        assert_eq!(goes(&["7d", "auth=30d"], &files, &none, all), ["90 web"]);
        assert_eq!(goes(&["web=3d"], &files, &none, all), ["90 web", "95 web"]);
        assert_eq!(goes(&["web=3d", "6d"], &files, &none, all), ["90", "95 web"]);
        assert_eq!(goes(&["web=900B"], &files, &none, all), ["90 web"]);
        assert_eq!(goes(&["web=3d"], &files, &hold(None, None, Some("web")), all), [""; 0]);
        assert_eq!(goes(&["3d"], &files, &hold(None, None, Some("web")), all), ["90 auth", "95 auth"]);
        let unknown = [StoredFile { datasets: None, ..files[0].clone() }];
        assert_eq!(goes(&["3d"], &unknown, &hold(None, None, Some("web")), all), [""; 0], "it may hold some");
    }

    #[test]
    fn what_is_no_limit_is_said() {
        let wrong = |text| Retention::new([text]).unwrap_err();
        for text in ["", "7", "d", "0d", "0GB", "7x", "-3d", "a=", "5 parsecs"] {
            assert!(wrong(text).contains("is no age or size"), "{text}");
        }
        assert!(wrong("=7d").contains("names no dataset"));
        let limit = Limit { age: Some(7 * DAY), bytes: Some(50_000_000_000) };
        let retention = Retention::new(["7d", "50GB", "a.b = 1TiB"]).unwrap();
        assert_eq!(retention.all, limit);
        assert_eq!(retention.datasets["a.b"], Limit { age: None, bytes: Some(1 << 40) });
    }
}
