//! Merging and removing files: beside readers, over restarts, with limits and holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::lines::lines;
use super::stored::{Random, as_read, events};
use super::*;
use crate::archive::background::Tidy;
use crate::archive::manifest::Manifest;
use crate::archive::sink::Sink;

/// A time by which nothing of [`T0`]'s day is over.
const NOW: i64 = T0 + 3600 * SECOND;

fn settings(keep: &[&str]) -> Settings {
    Settings { retention: Retention::new(keep.iter().copied()).unwrap().into(), ..Settings::default() }
}

/// Makes a file of each batch.
fn fill(archive: &mut Archive, batches: impl IntoIterator<Item = EventBatch>) {
    for batch in batches {
        archive.append(&batch, &[]).unwrap();
        archive.roll().unwrap();
    }
}

fn tidy(archive: &mut Archive, now: i64) {
    archive.tidy(now, &|_| ()).unwrap();
}

/// Three events of one minute.
fn three(n: u64) -> EventBatch {
    batch((0..3).map(|i| T0 + n as i64 * 60 * SECOND + i), n * 3)
}

/// Names of the Parquet files that are there, and of those that count.
fn parts(dir: &Path) -> (Vec<String>, Vec<String>) {
    let mut there = Vec::new();
    for day in fs::read_dir(dir.join("events")).unwrap() {
        let day = day.unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let folder = day.file_name().into_string().unwrap();
        there.extend(fs::read_dir(day.path()).unwrap().map(|e| format!("events/{folder}/{}", name(e))));
    }
    let mut count: Vec<String> = Manifest::load(dir).unwrap().unwrap().files.into_iter().map(|f| f.path).collect();
    there.sort();
    count.sort();
    (there, count)
}

#[test]
fn small_files_become_one_and_go_when_nobody_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    fill(&mut archive, (0..9).map(three));
    let before = snapshot(dir.path()).unwrap();
    let mut reader = before.read(None, i64::MIN..=i64::MAX, 0..u64::MAX).unwrap();
    drop(before);
    let first = reader.next().unwrap().unwrap();
    tidy(&mut archive, NOW);
    assert_eq!(numbers(dir.path()), upto(27));
    let (there, count) = parts(dir.path());
    assert_eq!((there.len(), count.len()), (10, 2), "nine that somebody reads, and one in the place of eight");
    let rest: usize = reader.by_ref().map(|batch| batch.unwrap().len()).sum();
    assert_eq!(first.len() + rest, 27);
    drop(reader);
    tidy(&mut archive, NOW);
    let (there, count) = parts(dir.path());
    assert_eq!((there.len(), &there), (2, &count));
    drop(archive);
    let archive = Archive::open(dir.path(), settings(&[])).unwrap();
    assert_eq!((archive.sequence(), numbers(dir.path())), (27, upto(27)));
}

#[test]
fn what_was_replaced_goes_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    fill(&mut archive, (0..8).map(three));
    let held = snapshot(dir.path()).unwrap();
    tidy(&mut archive, NOW);
    archive.close().unwrap();
    assert_eq!(parts(dir.path()).0.len(), 9);
    drop(held);
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    tidy(&mut archive, NOW);
    let (there, count) = parts(dir.path());
    assert_eq!((there.len(), &there), (1, &count));
}

#[test]
fn readers_beside_a_merge_see_every_event_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    fill(&mut archive, [three(0)]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut last, mut times) = (0, 0);
                    while !done.load(Ordering::Relaxed) || times == 0 {
                        let seen = numbers(dir.path());
                        assert_eq!(seen, upto(seen.len() as i128));
                        assert!(seen.len() >= last, "{} after {last}", seen.len());
                        (last, times) = (seen.len(), times + 1);
                    }
                })
            })
            .collect();
        for n in 1..100 {
            archive.append(&three(n), &[]).unwrap();
            archive.commit().unwrap();
            archive.cut();
            archive.tick(NOW + n as i64 * 20 * SECOND).unwrap();
            if n % 10 == 0 {
                archive.roll().unwrap();
                tidy(&mut archive, NOW);
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|r| r.join().unwrap());
    });
    archive.roll().unwrap();
    tidy(&mut archive, NOW);
    assert_eq!(numbers(dir.path()), upto(300));
    let (there, count) = parts(dir.path());
    assert_eq!(there, count);
    assert!(count.len() < 16, "{}", count.len());
}

#[test]
fn a_merge_that_was_not_published_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    fill(&mut archive, (0..8).map(three));
    let (retention, needed) = (Retention::default(), i64::MAX);
    archive.close().unwrap();
    let manifest = Manifest::load(dir.path()).unwrap().unwrap();
    let step = |stop| {
        let (files, retention) = (manifest.files.clone(), retention.clone());
        let tidy = Tidy { dir: dir.path().to_owned(), files, retention, now: NOW, needed, set_aside: BTreeSet::new() };
        let next_file = Arc::new(AtomicU64::new(manifest.next_file));
        let sink = Sink::new(dir.path(), Encoding::default(), next_file, manifest.sequence);
        tidy.step(sink, &AtomicBool::new(stop)).unwrap()
    };
    let done = step(false);
    assert_eq!((done.files.len(), done.replaced.len()), (1, 8));
    assert_eq!((parts(dir.path()).0.len(), numbers(dir.path())), (9, upto(24)));
    assert!(!step(true).changes(), "it was told to stop");
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    assert_eq!((parts(dir.path()).0.len(), numbers(dir.path())), (8, upto(24)));
    fill(&mut archive, [three(8)]);
    tidy(&mut archive, NOW);
    assert_eq!(numbers(dir.path()), upto(27));
}

#[test]
fn events_stay_with_the_lists_they_were_judged_by() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
    let mut log = ListLog::open(dir.path()).unwrap();
    let lists = |text: &str| Lists::from([("ips.txt".to_owned(), text.into())]);
    for n in 0..30 {
        fill(&mut archive, [three(n)]);
        if n == 11 {
            log.record(archive.cut(), NOW, T0, &lists("192.0.2.1")).unwrap();
        }
    }
    let between = |numbers: std::ops::Range<u64>| {
        let held = snapshot(dir.path()).unwrap();
        let batches = held.read(None, i64::MIN..=i64::MAX, numbers).unwrap();
        batches.map(|b| b.unwrap().len()).sum::<usize>()
    };
    assert_eq!((between(0..36), between(36..90)), (36, 54));
    tidy(&mut archive, NOW);
    assert_eq!(parts(dir.path()).1.len(), (12 - 7) + (18 - 14));
    tidy(&mut archive, NOW + 3 * DAY);
    assert_eq!((between(0..36), between(36..90)), (36, 54));
}

fn of(datasets: &[&str], time: i64, first: u64) -> EventBatch {
    let mut b = BatchBuilder::new();
    for (n, dataset) in datasets.iter().enumerate() {
        let n = first + n as u64;
        b.set_time(field::TIMESTAMP, time);
        b.set_id(EventId::new(time, dataset.as_bytes(), n));
        b.set_number(field::LOG_OFFSET, n.into());
        if !dataset.is_empty() {
            b.set_text(field::EVENT_DATASET, dataset);
        }
        b.end_row();
    }
    b.finish()
}

#[test]
fn what_is_too_old_goes_by_dataset_and_what_is_held_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), settings(&["7d", "auth=30d"])).unwrap();
    fill(&mut archive, [of(&["auth", "web", "", "auth"], T0 - 20 * DAY, 0), of(&["web", ""], T0 - 10 * DAY, 4)]);
    fill(&mut archive, [of(&["auth", "web"], T0, 6), of(&["web"], T0 - 40 * DAY, 8)]);
    // As a version before wrote it.
    let forget = |dir: &Path| {
        let mut manifest = Manifest::load(dir).unwrap().unwrap();
        manifest.files.iter_mut().for_each(|f| f.datasets = None);
        manifest.publish(dir).unwrap();
    };
    archive.close().unwrap();
    forget(dir.path());
    let hold = Hold {
        name: "case 7".to_owned(),
        reason: "a subpoena".to_owned(),
        made: crate::event::time::rfc3339(T0),
        from: None,
        to: Some(crate::event::time::rfc3339(T0 - 30 * DAY)),
        dataset: Some("web".to_owned()),
    };
    assert!(Holds::add(dir.path(), hold.clone()).unwrap());
    assert!(!Holds::add(dir.path(), hold).unwrap(), "there is one of that name");
    let open = || Archive::open(dir.path(), settings(&["7d", "auth=30d"])).unwrap();
    let mut archive = open();
    archive.needs(T0 - 15 * DAY);
    tidy(&mut archive, T0 + SECOND);
    assert_eq!(numbers(dir.path()), [0, 3, 4, 5, 6, 7, 8], "4 and 5 are in the windows of the rules");
    archive.needs(T0);
    tidy(&mut archive, T0 + SECOND);
    assert_eq!(numbers(dir.path()), [0, 3, 6, 7, 8]);
    assert!(Holds::release(dir.path(), "case 7").unwrap());
    tidy(&mut archive, T0 + SECOND);
    assert_eq!(numbers(dir.path()), [0, 3, 6, 7]);
    archive.close().unwrap();
    let (there, count) = parts(dir.path());
    assert_eq!(there, count);
    assert_eq!(Manifest::load(dir.path()).unwrap().unwrap().sequence, 9, "how many were ever accepted");
    fs::write(dir.path().join("holds.json"), "[{").unwrap();
    let mut archive = open();
    let refused = archive.tidy(T0 + 90 * DAY, &|_| ()).unwrap_err().to_string();
    assert!(refused.contains("holds.json is damaged"), "{refused}");
    assert_eq!(numbers(dir.path()), [0, 3, 6, 7], "nothing goes while it is not known what is held");
}

#[test]
fn events_are_copied_once() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut archive = Archive::open(one.path(), settings(&[])).unwrap();
    let day = |n: u64| of(&["auth", "web", "auth"], T0 + n as i64 * DAY, n * 3);
    fill(&mut archive, (0..4).map(day));
    archive.append(&day(4), &[]).unwrap();
    archive.commit().unwrap();
    let sources = [one.path().to_owned()];
    let copy = |selection: &Selection| {
        let copied = copy(&sources, other.path(), selection, &|_| ()).unwrap();
        (copied.events, copied.known)
    };
    let two = Selection { range: T0..=T0 + DAY, datasets: ["auth".to_owned()].into() };
    assert_eq!(copy(&two), (4, 0));
    assert_eq!(numbers(other.path()), [0, 2, 3, 5]);
    assert_eq!(copy(&two), (0, 4));
    assert_eq!(copy(&Selection::default()), (11, 4), "from the log, too");
    assert_eq!(numbers(other.path()), upto(15));
    assert_eq!(copy(&Selection { range: T0 - DAY..=T0 - 1, ..Selection::default() }), (0, 0));
}

#[test]
fn merged_events_are_as_they_were() {
    let mut random = Random(5);
    let sizes = [3, 5000, 40, 3000, 1, 2500, 7, 4000];
    let mixed: Vec<EventBatch> = sizes.iter().map(|rows| events(&mut random, *rows, 50, 10)).collect();
    let logs: Vec<EventBatch> = sizes.iter().map(|rows| lines(&mut random, 0, *rows)).collect();
    for batches in [mixed, logs] {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(dir.path(), settings(&[])).unwrap();
        fill(&mut archive, batches);
        let rows = || {
            let batches: Vec<EventBatch> =
                read(dir.path(), None, i64::MIN..=i64::MAX).unwrap().map(Result::unwrap).collect();
            let mut rows: Vec<String> =
                as_read(&batches).into_iter().map(|row| serde_json::Value::from(row).to_string()).collect();
            rows.sort_unstable();
            rows
        };
        let (before, files) = (rows(), parts(dir.path()).1.len());
        tidy(&mut archive, i64::MAX / 2);
        let merged = parts(dir.path()).1.len();
        assert!(merged < files, "{merged} of {files}");
        assert!(rows() == before);
    }
}
