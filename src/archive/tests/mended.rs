//! What people and their tools do to a folder: files that are lost, made up or changed at once.

use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::archive::manifest::Manifest;
use crate::archive::recover::recover;

fn open(dir: &Path) -> Archive {
    Archive::open(dir, Settings::default()).unwrap()
}

/// A file of each batch.
fn fill(dir: &Path, batches: impl IntoIterator<Item = EventBatch>) {
    for batch in batches {
        let mut archive = open(dir);
        archive.append(&batch, &[]).unwrap();
        archive.close().unwrap();
    }
}

fn hold(name: String) -> Hold {
    let made = crate::event::time::rfc3339(T0);
    Hold { name, reason: String::new(), made, from: None, to: None, dataset: None }
}

#[test]
fn without_its_manifest_nothing_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), [batch([T0, T0 + 1], 0)]);
    let (manifest, away) = (dir.path().join("manifest.json"), dir.path().join("away"));
    fs::rename(&manifest, &away).unwrap();
    let said = Archive::open(dir.path(), Settings::default()).err().unwrap().to_string();
    assert!(said.contains("1 Parquet files and no manifest.json") && said.contains("archive import"), "{said}");
    assert!(BulkWriter::open(dir.path()).is_err() && !manifest.exists());
    fs::write(&manifest, "{").unwrap();
    let said = Archive::open(dir.path(), Settings::default()).err().unwrap().to_string();
    assert!(said.contains("put it back") && !said.contains("move it away"), "{said}");
    fs::rename(&away, &manifest).unwrap();
    open(dir.path()).close().unwrap();
    assert_eq!(numbers(dir.path()), upto(2));
    // A bulk writer that is killed leaves a manifest, and so nothing that stands in the way.
    let other = tempfile::tempdir().unwrap();
    let mut bulk = BulkWriter::open(other.path()).unwrap();
    bulk.append(&batch([T0], 0)).unwrap();
    drop(bulk);
    fill(other.path(), [batch([T0], 0)]);
    assert_eq!(numbers(other.path()), upto(1));
}

#[test]
fn what_somebody_wrote_into_an_event_is_no_frame() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    for n in 0..2 {
        archive.append(&batch([T0 + n], n as u64), &[]).unwrap();
        archive.commit().unwrap();
    }
    drop(archive);
    let segment = dir.path().join("log/000000000001.log");
    let whole = fs::read(&segment).unwrap();
    let head = br#"{"sequence":1,"events":0,"max_time":null,"watermark":4102444800000000}"#;
    let payload = [&(head.len() as u32).to_le_bytes(), &head[..]].concat();
    let forged = [&(payload.len() as u64).to_le_bytes(), &xxh3_64(&payload).to_le_bytes(), &payload[..]].concat();
    let mut torn = whole.clone();
    let at = whole.len() - 300;
    torn[at..at + forged.len()].copy_from_slice(&forged);
    torn.truncate(whole.len() - 40);
    fs::write(&segment, torn).unwrap();
    let recovered = recover(dir.path()).unwrap();
    assert_eq!((recovered.watermark, recovered.sequence), (None, 1));
    assert!(!dir.path().join("log/000000000001.log.damaged").exists(), "an ordinary torn tail");
    assert_eq!(numbers(dir.path()), upto(1));
}

#[test]
fn a_log_of_the_version_before_is_read_and_its_seed_mends_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    archive.append(&batch([T0], 0), &[]).unwrap();
    archive.commit().unwrap();
    drop(archive);
    let segment = dir.path().join("log/000000000001.log");
    let mut whole = fs::read(&segment).unwrap();
    whole[19] ^= 0x81;
    fs::write(&segment, &whole).unwrap();
    assert_eq!(numbers(dir.path()), upto(1));
    let payload = whole[super::super::log::OPENING as usize + 16..].to_vec();
    let before = [&b"weirlog1"[..], &(payload.len() as u64).to_le_bytes(), &xxh3_64(&payload).to_le_bytes(), &payload];
    fs::write(&segment, before.concat()).unwrap();
    assert_eq!(numbers(dir.path()), upto(1));
    open(dir.path()).close().unwrap();
    assert_eq!(numbers(dir.path()), upto(1));
}

#[test]
fn events_imported_beside_a_log_keep_the_numbers_apart() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(other.path(), [batch((0..5).map(|n| T0 + n), 100)]);
    let mut archive = open(dir.path());
    archive.append(&batch((0..3).map(|n| T0 + n), 0), &[]).unwrap();
    archive.commit().unwrap();
    drop(archive);
    assert_eq!(copy(&[other.path().to_owned()], dir.path(), &Selection::default(), &|_| ()).unwrap().events, 5);
    for _ in 0..2 {
        open(dir.path()).close().unwrap();
        let manifest = Manifest::load(dir.path()).unwrap().unwrap();
        assert_eq!(manifest.sequence, 8);
        let mut numbers: Vec<_> = manifest.files.iter().map(|f| (f.min_sequence, f.max_sequence)).collect();
        numbers.sort();
        assert_eq!(numbers, [(0, 2), (3, 7)]);
    }
}

#[test]
fn what_rules_needed_is_kept_when_none_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    archive.needs(T0 + DAY);
    for day in 0..3 {
        archive.append(&batch([T0 + day * DAY], day as u64), &[]).unwrap();
        archive.roll().unwrap();
    }
    archive.close().unwrap();
    let retention = Retention::new(["1d"]).unwrap();
    let gone = expired(dir.path(), &retention, T0 + 90 * DAY).unwrap();
    assert_eq!(gone.len(), 1, "{gone:?}");
    let mut archive =
        Archive::open(dir.path(), Settings { retention: retention.into(), ..Settings::default() }).unwrap();
    archive.tidy(T0 + 90 * DAY, &|_| ()).unwrap();
    assert_eq!(numbers(dir.path()), [1, 2]);
    assert_eq!(snapshot(dir.path()).unwrap().expired(), Some(T0));
}

#[test]
fn holds_made_at_once_all_hold() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), [batch([T0], 0)]);
    std::thread::scope(|scope| {
        for n in 0..12 {
            let dir = dir.path();
            scope.spawn(move || assert!(Holds::add(dir, hold(format!("case {n}"))).unwrap()));
        }
        scope.spawn(|| open(dir.path()).close().unwrap());
    });
    assert_eq!(Holds::load(dir.path()).unwrap().all().len(), 12);
}

#[test]
fn a_damaged_file_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    for n in 0..16 {
        archive.append(&batch([T0 + (n % 2) * DAY + n], n as u64), &[]).unwrap();
        archive.roll().unwrap();
    }
    let file = archive.manifest.files[0].path.clone();
    let path = dir.path().join(&file);
    let sound = fs::read(&path).unwrap();
    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    archive.tidy(T0 + 3600 * SECOND, &|_| ()).unwrap();
    assert!(archive.untidy().is_some_and(|said| said.contains(&file)), "{:?}", archive.untidy());
    // The other day is one file now.
    assert_eq!(archive.manifest.files.len(), 9);
    assert_eq!(archive.forget("events/date=2026-01-15/part-77.parquet").unwrap(), None);
    assert_eq!(archive.forget(&file).unwrap(), Some(1));
    archive.close().unwrap();
    assert_eq!(numbers(dir.path()), (1..16).collect::<Vec<_>>());
    assert!(dir.path().join("unlisted").join(&file).exists() && !path.exists());
    // One that is lost.
    let mut archive = open(dir.path());
    let file = archive.manifest.files[0].path.clone();
    fs::remove_file(dir.path().join(&file)).unwrap();
    assert_eq!(archive.forget(&file).unwrap(), Some(1));
}

#[test]
fn what_hinders_from_outside_is_no_fault_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    for n in 0..8 {
        archive.append(&batch([T0 + n], n as u64), &[]).unwrap();
        archive.roll().unwrap();
    }
    // The merged file cannot be written.
    let next = archive.manifest.next_file;
    let taken = dir.path().join(format!("events/date=2026-01-15/part-{next}.parquet"));
    fs::create_dir(&taken).unwrap();
    let tidy = |archive: &mut Archive| archive.tidy(T0 + 3600 * SECOND, &|_| ());
    assert!(tidy(&mut archive).is_err());
    assert!(archive.set_aside.is_empty(), "{:?}", archive.set_aside);
    fs::remove_dir(&taken).unwrap();
    tidy(&mut archive).unwrap();
    assert_eq!((archive.manifest.files.len(), numbers(dir.path())), (1, upto(8)));
}

#[test]
fn what_cannot_be_published_is_later_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    assert!(archive.taken().take(5));
    archive.append(&batch([T0], 0), &[]).unwrap();
    archive.commit().unwrap();
    let hinders = layout::temporary(&layout::manifest(dir.path()));
    fs::create_dir(&hinders).unwrap();
    assert!(archive.roll().is_err() && archive.roll().is_err());
    assert_eq!(numbers(dir.path()), upto(1));
    fs::remove_dir(&hinders).unwrap();
    archive.roll().unwrap();
    assert_eq!((archive.manifest.files.len(), numbers(dir.path())), (1, upto(1)));
    assert!(!layout::segment(dir.path(), 1).exists());
    let kept = log::Frames::open(&layout::ids(dir.path(), 1)).unwrap();
    assert_eq!(kept.flat_map(|frame| frame.unwrap().ids).collect::<Vec<_>>(), [5]);
}

#[test]
fn files_that_cannot_be_removed_are_said_until_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path());
    for n in 0..8 {
        archive.append(&batch([T0 + n], n as u64), &[]).unwrap();
        archive.roll().unwrap();
    }
    let mut now = T0 + 3600 * SECOND;
    let reader = snapshot(dir.path()).unwrap();
    archive.tidy(now, &|_| ()).unwrap();
    let step = |archive: &mut Archive, now| {
        for _ in 0..2 {
            while archive.background.as_ref().is_some_and(|background| !background.is_finished()) {
                std::thread::yield_now();
            }
            archive.tick(now).unwrap();
        }
    };
    step(&mut archive, now);
    assert_eq!((archive.manifest.retired.len(), archive.untidy()), (8, None), "somebody reads");
    drop(reader);
    let stuck = dir.path().join(&archive.manifest.retired[3]);
    fs::remove_file(&stuck).unwrap();
    fs::create_dir(&stuck).unwrap();
    for _ in 0..2 {
        now += 3600 * SECOND;
        step(&mut archive, now);
        assert!(archive.untidy().is_some_and(|said| said.contains("part-4")), "{:?}", archive.untidy());
    }
    fs::remove_dir(&stuck).unwrap();
    now += 3600 * SECOND;
    step(&mut archive, now);
    assert_eq!((archive.manifest.retired.len(), archive.untidy()), (0, None));
    assert_eq!(numbers(dir.path()), upto(8));
}

#[test]
fn foreign_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), [batch([T0], 0)]);
    fs::write(dir.path().join("events/date=2026-01-15.bak"), "").unwrap();
    fs::write(dir.path().join("log/5.log"), "").unwrap();
    fs::create_dir(dir.path().join("log/000000000007.log")).unwrap();
    fs::write(dir.path().join("events/date=2026-01-15/part-077.parquet"), "").unwrap();
    open(dir.path()).close().unwrap();
    assert_eq!(numbers(dir.path()), upto(1));
    assert!(dir.path().join("events/date=2026-01-15/part-077.parquet").exists());
}
