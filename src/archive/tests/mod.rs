//! The archive on a real disk: crashes, torn tails, conversions, reading back.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::alert::{Alert, AlertChange, AlertId, Change, Severity};
use crate::event::field::FieldRef;
use crate::event::schema::Columns;
use crate::event::time::{DAY, SECOND};
use crate::event::{BatchBuilder, EventBatch, EventId, field, line};

mod damage;
mod lines;
mod mended;
mod stored;
mod tidy;

/// Columns that raw lines are stored in besides their own.
const PIECES: usize = line::SLOTS.len() + 1;

const T0: i64 = 1_768_473_045_000_000;

/// Events of the given times; each line is told by its number.
fn batch(times: impl IntoIterator<Item = i64>, first: u64) -> EventBatch {
    let mut b = BatchBuilder::new();
    for (n, time) in times.into_iter().enumerate() {
        let n = first + n as u64;
        let line = format!("Jan 15 10:30:45 h{} sshd[{n}]: Failed password for u{}", n % 3, n % 7);
        b.set_time(field::TIMESTAMP, time);
        b.set_id(EventId::new(time, line.as_bytes(), n));
        b.set_text(field::EVENT_ORIGINAL, &line);
        b.set_number(field::LOG_MESSAGE_OFFSET, 20);
        b.set_text(field::USER_NAME, &format!("u{}", n % 7));
        b.set_list(field::EVENT_CATEGORY, &["authentication"]);
        b.set_number(field::LOG_OFFSET, n.into());
        if n.is_multiple_of(5) {
            b.set_extra("odd one", &n.to_string());
        }
        b.end_row();
    }
    b.finish()
}

fn checkpoint(offset: u64) -> Checkpoint {
    let (source, path) = ("auth".to_owned(), "/var/log/auth.log".into());
    Checkpoint { source, path, device: 1, inode: 2, offset, fingerprint: 3, fingerprint_len: 4 }
}

/// What an archive holds, by line number.
fn numbers(dir: &Path) -> Vec<i128> {
    let mut all: Vec<i128> = read(dir, None, i64::MIN..=i64::MAX)
        .unwrap()
        .flat_map(|batch| {
            let batch = batch.unwrap();
            (0..batch.len()).map(|row| batch.number(field::LOG_OFFSET, row).unwrap()).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all
}

fn upto(n: i128) -> Vec<i128> {
    (0..n).collect()
}

#[test]
fn what_is_committed_survives_and_the_rest_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    archive.append(&batch([T0, T0 + 1], 0), &[checkpoint(10)]).unwrap();
    assert_eq!(numbers(dir.path()), upto(0));
    archive.commit().unwrap();
    archive.append(&batch([T0 + 2], 2), &[]).unwrap();
    archive.append(&batch([T0 + 3], 3), &[checkpoint(20)]).unwrap();
    archive.commit().unwrap();
    archive.append(&batch([T0 + 4], 4), &[checkpoint(30)]).unwrap();
    assert_eq!(numbers(dir.path()), upto(4));
    drop(archive);
    let archive = Archive::open(dir.path(), Settings::default()).unwrap();
    assert_eq!(archive.checkpoints(), [checkpoint(20)]);
    assert_eq!((archive.greatest_time(), archive.sequence()), (Some(T0 + 3), 4));
    archive.close().unwrap();
    assert_eq!(numbers(dir.path()), upto(4));
    assert!(fs::read_dir(dir.path().join("log")).unwrap().next().is_none());
    assert_eq!(snapshot(dir.path()).unwrap().files().len(), 1);
    let archive = Archive::open(dir.path(), Settings::default()).unwrap();
    assert_eq!(archive.checkpoints(), [checkpoint(20)]);
    assert_eq!((archive.greatest_time(), archive.sequence()), (Some(T0 + 3), 4));
}

#[test]
fn a_torn_log_is_cut_at_the_last_whole_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    let segment = dir.path().join("log/000000000001.log");
    let mut lengths = vec![];
    for n in 0..3 {
        archive.append(&batch([T0 + n], n as u64), &[]).unwrap();
        archive.commit().unwrap();
        lengths.push(fs::metadata(&segment).unwrap().len());
    }
    drop(archive);
    let whole = fs::read(&segment).unwrap();
    for cut in (0..whole.len()).step_by(97).chain([whole.len() - 1, whole.len()]) {
        fs::write(&segment, &whole[..cut]).unwrap();
        let expected = lengths.iter().filter(|l| **l <= cut as u64).count();
        assert_eq!(numbers(dir.path()), upto(expected as i128), "cut at {cut}");
        super::recover::recover(dir.path()).unwrap();
        assert_eq!(numbers(dir.path()), upto(expected as i128), "cut at {cut}, recovered");
    }
    let mut flipped = whole.clone();
    flipped[lengths[0] as usize + 40] ^= 1;
    fs::write(&segment, &flipped).unwrap();
    super::recover::recover(dir.path()).unwrap();
    assert_eq!(numbers(dir.path()), [0, 2]);
    assert_eq!(fs::read(dir.path().join("log/000000000001.log.damaged")).unwrap(), flipped);
}

#[test]
fn the_log_becomes_parquet_while_more_comes() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { segment_bytes: 20_000, ..Settings::default() };
    let mut archive = Archive::open(dir.path(), settings.clone()).unwrap();
    for n in 0..200 {
        let times = (0..10).map(|i| T0 + (n * 10 + i) * DAY / 500);
        archive.append(&batch(times, n as u64 * 10), &[]).unwrap();
        archive.commit().unwrap();
        archive.tick(0).unwrap();
        if n % 20 == 0 {
            assert_eq!(numbers(dir.path()), upto((n as i128 + 1) * 10));
        }
    }
    // As after a kill: no close.
    drop(archive);
    assert_eq!(numbers(dir.path()), upto(2000));
    Archive::open(dir.path(), settings).unwrap().close().unwrap();
    assert_eq!(numbers(dir.path()), upto(2000));
    let manifest = Manifest::load(dir.path()).unwrap().unwrap();
    assert_eq!(manifest.files.iter().map(|f| f.rows).sum::<u64>(), 2000);
    assert_eq!(manifest.sequence, 2000);
}

#[test]
fn a_crash_before_the_manifest_is_replaced_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    archive.append(&batch([T0, T0 + DAY], 0), &[]).unwrap();
    archive.commit().unwrap();
    let before = fs::read(dir.path().join("manifest.json")).unwrap();
    let log = fs::read(dir.path().join("log/000000000001.log")).unwrap();
    archive.close().unwrap();
    let after = fs::read(dir.path().join("manifest.json")).unwrap();
    // The manifest is the new one, but the segment is still there.
    fs::write(dir.path().join("log/000000000001.log"), &log).unwrap();
    assert_eq!(numbers(dir.path()), upto(2));
    super::recover::recover(dir.path()).unwrap();
    assert_eq!(numbers(dir.path()), upto(2));
    assert_eq!(fs::read(dir.path().join("manifest.json")).unwrap(), after);
    // The Parquet files are there, the manifest is the old one, the segment is still there.
    fs::write(dir.path().join("manifest.json"), before).unwrap();
    fs::write(dir.path().join("log/000000000001.log"), log).unwrap();
    fs::write(dir.path().join("manifest.json.tmp"), "{").unwrap();
    assert_eq!(numbers(dir.path()), upto(2));
    super::recover::recover(dir.path()).unwrap();
    assert!(!dir.path().join("events/date=2026-01-15/part-1.parquet").exists());
    assert!(!dir.path().join("manifest.json.tmp").exists());
    assert_eq!(numbers(dir.path()), upto(2));
}

#[test]
fn a_commit_that_fails_counts_nothing_and_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    let log = dir.path().join("log");
    fs::remove_dir(&log).unwrap();
    for _ in 0..2 {
        archive.append(&batch([T0], 0), &[checkpoint(10)]).unwrap();
        let error = archive.commit().unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
    }
    assert_eq!((archive.sequence(), archive.checkpoints()), (0, vec![]));
    fs::create_dir(&log).unwrap();
    archive.append(&batch([T0], 0), &[checkpoint(10)]).unwrap();
    archive.commit().unwrap();
    // A folder stands where the day's folder should be: the events stay in the log.
    fs::remove_dir(dir.path().join("events")).unwrap();
    fs::write(dir.path().join("events"), "").unwrap();
    assert!(archive.roll().is_err());
    assert_eq!(numbers(dir.path()), upto(1));
    fs::remove_file(dir.path().join("events")).unwrap();
    archive.roll().unwrap();
    assert_eq!(numbers(dir.path()), upto(1));
}

#[test]
fn a_finite_input_is_published_at_once_and_by_day() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = BulkWriter::open(dir.path()).unwrap();
    let mut times: Vec<i64> = (0..5000).map(|n| T0 + (n * 7919 % 5000) * DAY / 250).collect();
    writer.append(&batch(times.iter().copied(), 0)).unwrap();
    assert_eq!(numbers(dir.path()), upto(0));
    drop(writer);
    assert_eq!(numbers(dir.path()), upto(0));
    let mut writer = BulkWriter::open(dir.path()).unwrap();
    for (at, chunk) in times.chunks(64).enumerate() {
        writer.append(&batch(chunk.iter().copied(), at as u64 * 64)).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(numbers(dir.path()), upto(5000));
    times.sort();
    let files = snapshot(dir.path()).unwrap().files().to_vec();
    assert_eq!(files.len(), 21);
    assert_eq!(files.iter().map(|f| f.min_time).min(), times.first().copied());
    for file in &files {
        assert!(file.path.contains(&crate::event::time::day(file.min_time)));
        let stored: Vec<i64> = read(&dir.path().join(&file.path), None, i64::MIN..=i64::MAX)
            .unwrap()
            .flat_map(|b| b.unwrap().times().to_vec())
            .collect();
        assert!(stored.is_sorted());
    }
}

#[test]
fn events_come_back_as_they_were_and_only_what_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let written = batch((0..100).map(|n| T0 + n * SECOND), 0);
    let mut writer = BulkWriter::open(dir.path()).unwrap();
    writer.append(&written).unwrap();
    writer.finish().unwrap();
    let all: Vec<EventBatch> = read(dir.path(), None, i64::MIN..=i64::MAX).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len(), 1);
    for row in 0..100 {
        assert_eq!(all[0].to_json(row), written.to_json(row));
    }
    let columns = BTreeSet::from([FieldRef::Column(field::MESSAGE), FieldRef::Extra("odd one".into())]);
    let range = T0 + 10 * SECOND..=T0 + 19 * SECOND;
    let some: Vec<EventBatch> = read(dir.path(), Some(&columns), range).unwrap().map(Result::unwrap).collect();
    assert_eq!(some.len(), 1);
    assert_eq!(some[0].len(), 10);
    assert_eq!(some[0].message(0), written.message(10));
    assert_eq!(some[0].id(0), written.id(10));
    assert!(some[0].column(field::EVENT_CATEGORY).is_none() && some[0].extra("odd one").is_some());
    assert_eq!(read(dir.path(), None, T0 - 5..=T0 - 1).unwrap().count(), 0);
}

#[test]
fn parquet_that_is_not_ours_is_mapped_by_name_or_refused() {
    use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let write = |columns: Vec<(&str, ArrayRef)>| {
        let record = RecordBatch::try_from_iter(columns).unwrap();
        let file = fs::File::create(&path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, record.schema(), None).unwrap();
        writer.write(&record).unwrap();
        writer.close().unwrap();
    };
    let times = || std::sync::Arc::new(TimestampMillisecondArray::from(vec![T0 / 1000, T0 / 1000])) as ArrayRef;
    let text = |a, b| std::sync::Arc::new(StringArray::from(vec![a, b])) as ArrayRef;
    write(vec![("@timestamp", times()), ("source.ip", text("10.0.0.1", "10.0.0.2")), ("else", text("a", "b"))]);
    for source in [&path, &dir.path().to_owned()] {
        let columns = BTreeSet::from([FieldRef::Column(field::SOURCE_IP)]);
        let batch = read(source, Some(&columns), T0..=T0).unwrap().next().unwrap().unwrap();
        assert_eq!((batch.len(), batch.text(field::SOURCE_IP, 1)), (2, Some("10.0.0.2")));
        assert_ne!(batch.id(0), batch.id(1));
    }
    write(vec![("time", times()), ("src", text("a", "b"))]);
    let error = read(&path, None, i64::MIN..=i64::MAX).unwrap().next().unwrap().err().unwrap();
    assert!(error.to_string().ends_with("its columns are time, src"), "{error}");
    fs::write(&path, "no parquet").unwrap();
    assert!(read(&path, None, i64::MIN..=i64::MAX).unwrap().next().unwrap().is_err());
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path(), Settings::default()).unwrap();
    let error = BulkWriter::open(dir.path()).err().unwrap();
    assert!(matches!(&error, ArchiveError::Locked(folder) if folder == dir.path()), "{error}");
    drop(archive);
    BulkWriter::open(dir.path()).unwrap();
    let file = dir.path().join("manifest.json");
    assert!(Archive::open(&file, Settings::default()).is_err());
}

#[test]
fn a_file_holds_the_columns_of_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.parquet");
    write_file(&path, &[], &Columns::all(), &Encoding::default()).unwrap();
    let file = fs::File::open(&path).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(builder.parquet_schema().num_columns(), field::COUNT + 2 + PIECES);
    let path = dir.path().join("some.parquet");
    let events = batch([T0], 1);
    write_file(
        &path,
        std::slice::from_ref(&events),
        &Columns::of(&events),
        &Encoding { level: 3, ..Encoding::default() },
    )
    .unwrap();
    let file = fs::File::open(&path).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let columns = builder.parquet_schema().columns();
    let has = |path: &str| columns.iter().any(|column| column.path().string() == path);
    // Of structs within others one column is there in any case.
    assert!(has("user.name") && !has("line.end") && has("user.target.name"));
    assert!(!has("source.ip") && !has("user.id"));
}

fn change(change: Change, key: &str, count: u64) -> AlertChange {
    let alert = Alert {
        id: AlertId::new("r", key, EventId::from_bits(1)),
        rule: "r".into(),
        severity: Severity::High,
        title: "t".into(),
        key: Default::default(),
        first: T0,
        last: T0 + count as i64,
        count,
        evidence: vec![EventId::from_bits(1)],
        attack: vec![],
        tags: vec![],
        runbook: None,
        risk: None,
    };
    AlertChange { change, at: T0, cause: None, alert }
}

#[test]
fn alerts_stand_until_they_are_superseded_or_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = AlertLog::open(dir.path()).unwrap();
    let b = change(Change::Added, "b", 1).alert.id;
    log.append(&[change(Change::Added, "a", 1), change(Change::Added, "b", 1), change(Change::Added, "c", 1)]).unwrap();
    log.append(&[change(Change::Changed, "a", 2), change(Change::Superseded { by: b }, "c", 1)]).unwrap();
    let path = alerts_file(dir.path());
    let mut torn = fs::read(&path).unwrap();
    torn.extend_from_slice(b"{\"change\":\"add");
    fs::write(&path, torn).unwrap();
    let mut log = AlertLog::open(dir.path()).unwrap();
    let counts: Vec<u64> = log.current().values().map(|a| a.count).collect();
    assert_eq!(counts.iter().sum::<u64>(), 3);
    log.append(&[change(Change::Withdrawn, "b", 1)]).unwrap();
    let log = AlertLog::open(dir.path()).unwrap();
    assert_eq!(log.current().len(), 1);
    assert_eq!(
        log.history(b).unwrap().iter().map(|c| c.change.clone()).collect::<Vec<_>>(),
        [Change::Added, Change::Withdrawn]
    );
}
