//! What a disk and a power loss can do to the log: tails torn at every byte, flipped bits, writes that fail.

use super::*;
use crate::archive::log::OPENING;
use crate::archive::recover::recover;

/// A folder with three frames of one event each; the segment, its content, and where each frame ends.
fn three() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>, Vec<usize>) {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    let segment = dir.path().join("log/000000000001.log");
    let mut ends = vec![fs::metadata(&segment).map_or(OPENING as usize, |m| m.len() as usize)];
    for n in 0..3 {
        archive.append(&batch([T0 + n], n as u64), &[checkpoint(n as u64)]).unwrap();
        assert!(archive.taken().take(n as u128));
        archive.commit().unwrap();
        ends.push(fs::metadata(&segment).unwrap().len() as usize);
    }
    drop(archive);
    let whole = fs::read(&segment).unwrap();
    (dir, segment, whole, ends)
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_its_frame() {
    let (dir, segment, whole, ends) = three();
    for cut in ends[2]..=whole.len() {
        fs::write(&segment, &whole[..cut]).unwrap();
        let left = if cut == whole.len() { 3 } else { 2 };
        assert_eq!(numbers(dir.path()), upto(left), "cut at {cut}");
        let recovered = recover(dir.path()).unwrap();
        assert_eq!((recovered.sequence, recovered.ids.len()), (left as u64, left as usize));
        assert_eq!(numbers(dir.path()), upto(left), "cut at {cut}, recovered");
        assert!(!dir.path().join("log/000000000001.log.damaged").exists());
    }
    for cut in 0..ends[0] {
        fs::write(&segment, &whole[..cut]).unwrap();
        recover(dir.path()).unwrap();
        assert_eq!(numbers(dir.path()), upto(0));
    }
}

#[test]
fn a_flipped_bit_costs_at_most_its_frame_and_is_said() {
    let (dir, segment, whole, ends) = three();
    for frame in 0..3 {
        // Each byte of what leads the frame, and some of what it holds.
        let bytes = (ends[frame]..ends[frame] + 40).chain((ends[frame] + 40..ends[frame + 1]).step_by(211));
        for (n, at) in bytes.enumerate() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (n % 8);
            fs::write(&segment, &flipped).unwrap();
            recover(dir.path()).unwrap();
            let left = numbers(dir.path());
            let mut without = upto(3);
            without.remove(frame);
            let in_length = at < ends[frame] + 8;
            let expected = if in_length { upto(3) } else { without };
            assert_eq!(left, expected, "byte {at} of frame {frame}");
            let copy = dir.path().join("log/000000000001.log.damaged");
            assert_eq!(fs::read(&copy).unwrap(), flipped, "byte {at} of frame {frame}");
            fs::remove_file(copy).unwrap();
            // What is left is sound: nothing is to be mended again.
            recover(dir.path()).unwrap();
            assert_eq!(numbers(dir.path()), expected);
        }
    }
}

#[test]
fn damage_while_it_runs_costs_only_the_frame_it_strikes() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    for n in 0..3 {
        archive.append(&batch([T0 + n], n as u64), &[]).unwrap();
        archive.commit().unwrap();
    }
    let segment = dir.path().join("log/000000000001.log");
    let mut flipped = fs::read(&segment).unwrap();
    flipped[OPENING as usize + 16 + 30] ^= 4;
    fs::write(&segment, flipped).unwrap();
    archive.roll().unwrap();
    assert_eq!(numbers(dir.path()), [1, 2]);
    assert!(dir.path().join("log/000000000001.log.damaged").exists());
}

#[test]
fn a_frame_that_was_refused_does_not_count_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    archive.append(&batch([T0], 0), &[]).unwrap();
    archive.commit().unwrap();
    let segment = dir.path().join("log/000000000001.log");
    let length = fs::metadata(&segment).unwrap().len();
    // As it is after a write that went through and a sync that failed.
    let whole = fs::read(&segment).unwrap();
    let again = [&whole[..], &whole[OPENING as usize..]].concat();
    fs::write(&segment, again).unwrap();
    archive.roll().unwrap();
    assert_eq!(numbers(dir.path()), upto(1), "the segment ends at byte {length}");
}

#[test]
fn ids_are_known_after_a_restart_and_given_back_after_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    assert!(archive.taken().take(1));
    archive.append(&batch([T0], 0), &[]).unwrap();
    archive.commit().unwrap();
    drop(archive);
    // In the log, in files of their own, and in both.
    for round in 0..3 {
        let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
        assert!(!archive.taken().take(1), "round {round}");
        assert!(archive.taken().take(100 + round));
        archive.append(&batch([T0], 1), &[]).unwrap();
        if round == 2 {
            let log = dir.path().join("log");
            archive.roll().unwrap();
            fs::rename(&log, dir.path().join("away")).unwrap();
            assert!(archive.taken().take(7));
            archive.append(&batch([T0], 2), &[]).unwrap();
            assert!(archive.commit().is_err() && archive.probe().is_err());
            assert!(archive.taken().take(7));
            fs::rename(dir.path().join("away"), &log).unwrap();
            archive.probe().unwrap();
            archive.commit().unwrap();
        }
        archive.close().unwrap();
    }
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    assert!([1, 100, 101, 102, 7].iter().all(|id| !archive.taken().take(*id)) && archive.taken().take(8));
    assert_eq!(archive.sequence(), 4);
}

#[test]
fn the_latest_events_are_known_by_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(dir.path(), Settings::default()).unwrap();
    let events = |n: i64| {
        let mut b = BatchBuilder::new();
        b.set_time(field::TIMESTAMP, T0 + n);
        b.set_id(EventId::new(T0 + n, b"line", 0));
        b.set_text(field::LOG_FILE_PATH, "a.log");
        b.end_row();
        b.finish()
    };
    archive.append(&events(0), &[]).unwrap();
    archive.roll().unwrap();
    archive.append(&events(1), &[]).unwrap();
    archive.commit().unwrap();
    let earlier = earlier(&snapshot(dir.path()).unwrap()).unwrap();
    let count = |time, path| earlier.count(time, b"line", path);
    assert_eq!((count(T0, "a.log"), count(T0 + 1, "a.log"), count(T0 + 1, "b.log")), (1, 1, 0));
}
