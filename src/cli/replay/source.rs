//! What is replayed: data folders, and Parquet files of whoever.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use super::super::input::{Workers, zone};
use super::super::store::Store;
use super::Range;
use crate::archive::{self, ListHistory, Mapping, Misfits, Outlook, Reader, Tables};
use crate::engine::batch::{Closed, Feed};
use crate::engine::findings::Wanted;
use crate::engine::judge::Judge;
use crate::engine::replay::{AsOf, Replay, Settings};
use crate::event::field::FieldRef;

/// How others' Parquet files are read.
#[derive(clap::Args)]
pub(in crate::cli) struct Foreign {
    /// Which columns of others' files are which fields, e.g. @timestamp=EventTime,source.ip=src.addr
    #[arg(long, value_name = "FIELD=COLUMN,…")]
    map: Vec<String>,
    /// A value that a field has in all events of others' files, e.g. event.category=network
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Time zone of times in others' files that name none, e.g. Europe/Oslo
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: String,
}

impl Foreign {
    pub(in crate::cli) fn mapping(&self) -> anyhow::Result<Mapping> {
        Ok(Mapping::parse(&self.map, &self.set, zone(&self.timezone)?)?)
    }
}

/// Fields that a message names.
const NAMED: usize = 12;

/// Where events come from.
pub(in crate::cli) struct Sources {
    archives: Vec<PathBuf>,
    tables: Vec<PathBuf>,
    mapping: Mapping,
    /// What is known of the files of others.
    outlook: Mutex<(Outlook, BTreeSet<FieldRef>)>,
}

/// By which lists events are judged, and how far time is in the end.
pub(in crate::cli) struct Lists {
    pub(super) history: ListHistory,
    pub(super) as_of: AsOf,
    end: Option<i64>,
}

/// What was read.
#[derive(Default)]
pub(in crate::cli) struct Read {
    pub(in crate::cli) events: u64,
    /// Events that no rule can match.
    pub(super) skipped: u64,
    misfits: Vec<Misfits>,
    absent: Vec<String>,
}

impl Lists {
    /// How a range of events is replayed: until its end, or that of time if it comes before.
    pub(in crate::cli) fn settings(&self, range: &Range, workers: Workers) -> Settings {
        let until = (*range.end() != i64::MAX).then(|| range.end().saturating_add(1));
        let until = until.into_iter().chain(self.end).min();
        Settings { workers: workers.count(), from: *range.start(), until, wanted: Wanted::Json }
    }
}

impl Sources {
    pub(in crate::cli) fn open(paths: &[PathBuf], store: &Store, mapping: Mapping) -> anyhow::Result<Sources> {
        match paths {
            [_, _, ..] if store.is_named() => bail!("--store is the home of one data folder: name one"),
            folders => folders.iter().try_for_each(|folder| store.read(folder))?,
        }
        let (archives, tables): (Vec<PathBuf>, Vec<PathBuf>) =
            paths.iter().cloned().partition(|path| archive::is_archive(path));
        if let ([], [folder, ..], false) = (&tables[..], &archives[..], mapping.is_empty()) {
            bail!(
                "{} is a data folder, whose events have fields: --map and --set are for files of others",
                folder.display()
            );
        }
        Ok(Sources { archives, tables, mapping, outlook: Mutex::default() })
    }

    /// The data folder with the alerts that were raised live; of several processes one has those of all.
    pub(super) fn raised(&self) -> anyhow::Result<&Path> {
        let has_alerts = |folder: &&PathBuf| std::fs::metadata(archive::alerts_file(folder)).is_ok_and(|m| m.len() > 0);
        let mut with_alerts = self.archives.iter().filter(has_alerts);
        match (&self.archives[..], with_alerts.next(), with_alerts.next()) {
            (_, Some(folder), None) if self.tables.is_empty() => Ok(folder),
            ([folder], None, _) if self.tables.is_empty() => Ok(folder),
            _ => bail!(
                "--output diff compares with what a run of weir raised: name its data folder, or those of all its processes, and nothing else"
            ),
        }
    }

    pub(in crate::cli) fn lists(&self, as_of: AsOf) -> anyhow::Result<Lists> {
        // An archive tells how far the run that wrote it had come; the last commit may have been before the last change of lists.
        let mut end = None;
        for folder in self.archives.iter().filter(|_| self.tables.is_empty()) {
            let changed = ListHistory::read(folder)?.watermark();
            end = end.max(archive::end_of_time(folder)?.map(|end| changed.map_or(end, |changed| changed.max(end))));
        }
        if let [folder] = &self.archives[..] {
            return Ok(Lists { history: ListHistory::read(folder)?, as_of, end });
        }
        if let AsOf::Time(_) = as_of {
            bail!("--as-of asks for lists as they stood at a time, which a data folder tells: name one");
        }
        for folder in &self.archives {
            if ListHistory::read(folder)?.watermark().is_some() && as_of == AsOf::Live {
                eprintln!("weir: lists are taken as their files are now, since there are several data folders");
                break;
            }
        }
        Ok(Lists { history: ListHistory::default(), as_of: AsOf::Now, end })
    }

    /// Looks whether all can be read.
    pub(in crate::cli) fn examine(&self, replay: &Replay) -> anyhow::Result<()> {
        for folder in &self.archives {
            archive::snapshot(folder).map(drop).with_context(|| cannot(folder))?;
        }
        let wanted: BTreeSet<FieldRef> =
            replay.judges(false).next().map(|(_, judge)| judge.columns().clone()).unwrap_or_default();
        let mut outlook = Outlook::default();
        for path in &self.tables {
            archive::examine(path, &self.mapping, &wanted, &mut outlook)?;
        }
        if outlook.files == 0 && !self.mapping.is_empty() {
            bail!(
                "weir wrote all of these files, so that their columns are fields: --map and --set are for files of others"
            );
        }
        if let Ok(mut known) = self.outlook.lock() {
            *known = (outlook, wanted);
        }
        Ok(())
    }

    /// Sends all events, each judged by the lists of its time.
    pub(in crate::cli) fn feed(
        &self,
        feed: &mut Feed,
        replay: &Replay,
        range: &Range,
        paced: bool,
        bar: &ProgressBar,
    ) -> anyhow::Result<Read> {
        let read = RefCell::new(Read::default());
        let send = |reader: &mut Reader, feed: &mut Feed| -> anyhow::Result<Result<(), Closed>> {
            let mut read = read.borrow_mut();
            for batch in reader.by_ref() {
                let batch = batch?;
                read.events += batch.len() as u64;
                bar.set_position(read.events);
                if feed.send(batch).is_err() {
                    return Ok(Err(Closed));
                }
            }
            let left_out = reader.skipped();
            read.skipped += left_out.events;
            Ok(if left_out.events > 0 { feed.passed(left_out.latest) } else { Ok(()) })
        };
        for folder in &self.archives {
            let stored = archive::snapshot(folder).with_context(|| cannot(folder))?;
            for (numbers, judge) in replay.judges(paced) {
                let reader = stored.read(Some(judge.columns()), range.clone(), numbers.clone());
                let mut reader = reader.with_context(|| cannot(folder))?.only(judge.keep());
                feed.judged_by(judge, numbers.start);
                if send(&mut reader, feed)?.is_err() {
                    return Ok(read.into_inner());
                }
            }
        }
        let mut tables = Tables::new(self.mapping.clone());
        for path in &self.tables {
            let judge: Judge = replay.judge(paced);
            let reader = archive::read_tables(path, Some(judge.columns()), range.clone(), tables);
            let mut reader = reader?.only(judge.keep());
            feed.judged_by(judge, u64::MAX);
            let sent = send(&mut reader, feed)?;
            tables = reader.into_tables();
            if sent.is_err() {
                break;
            }
        }
        let mut read = read.into_inner();
        read.misfits = tables.misfits().cloned().collect();
        if let Ok(known) = self.outlook.lock()
            && known.0.files > 0
            && self.archives.is_empty()
        {
            read.absent = known.1.difference(&known.0.present).map(FieldRef::name).collect();
        }
        Ok(read)
    }
}

fn cannot(path: &Path) -> String {
    format!("cannot replay {}", path.display())
}

impl Read {
    /// Says what was left out or missing.
    pub(in crate::cli) fn say(&self, replay: &Replay) {
        for Misfits { field, column, count, rows, example } in &self.misfits {
            let example = if example.is_empty() { "a missing value".to_owned() } else { format!("`{example}`") };
            let (what, then) = match field.as_str() {
                "@timestamp" => ("no time", "those rows are left out"),
                "event.id" => ("no id", "their rows are told apart by their time only"),
                _ => ("no value for it", "it is missing there"),
            };
            eprintln!("weir: {field} from {column}: {count} of {rows} rows have {what}, e.g. {example}; {then}");
        }
        // weir itself makes ids and tags.
        let made = ["event.id", "tags"];
        let absent: Vec<&str> = self.absent.iter().map(String::as_str).filter(|name| !made.contains(name)).collect();
        if !absent.is_empty() && !replay.program().rules.is_empty() {
            let named = absent.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = absent.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            eprintln!(
                "weir: fields that rules name and no file has: {named}{more}; --map FIELD=COLUMN or --set FIELD=VALUE gives them"
            );
        }
    }
}
