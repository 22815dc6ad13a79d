//! Following real files through growth, rotation and restarts.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::sync::mpsc::{self, Receiver};

use super::*;

/// A follower of a temporary folder, and what it said.
struct World {
    blocks: Receiver<RawLog>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
    errors: Arc<Mutex<Vec<String>>>,
    checkpoints: HashMap<Id, Checkpoint>,
    text: String,
}

fn fast() -> Settings {
    let (poll, list) = (Duration::from_millis(2), Duration::from_millis(10));
    Settings { poll, list, quiet: Duration::from_millis(300), block: 64, finish_lines: false }
}

fn start(path: &Path, checkpoints: Vec<Checkpoint>) -> World {
    start_with(path, checkpoints, fast())
}

fn start_with(path: &Path, checkpoints: Vec<Checkpoint>, settings: Settings) -> World {
    let (sender, blocks) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let heard = errors.clone();
    let report = Arc::new(move |error: &CollectError| heard.lock().unwrap().push(error.to_string()));
    let context = Context { report, counters: Arc::default() };
    let watches = vec![Watch { path: path.to_owned(), format: None }];
    let kept = checkpoints.iter().map(|c| (c.id(), c.clone())).collect();
    let thread = follow(watch::channel(watches).1, checkpoints, settings, sender, stop.clone(), context).unwrap();
    World { blocks, stop, thread, errors, checkpoints: kept, text: String::new() }
}

impl World {
    fn take(&mut self, block: RawLog) {
        let file = block.source.file.as_ref().unwrap();
        let next = Checkpoint::new(file, block.offset + block.lines.len() as u64);
        self.checkpoints.insert(next.id(), next);
        self.text.push_str(&String::from_utf8_lossy(&block.lines));
    }

    /// Waits until this many lines came in all.
    #[track_caller]
    fn wait(&mut self, lines: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.text.lines().count() < lines {
            match self.blocks.try_recv() {
                Ok(block) => self.take(block),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
            assert!(Instant::now() < deadline, "only {:?}", self.text);
        }
    }

    #[track_caller]
    fn wait_for_error(&self, part: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.errors.lock().unwrap().iter().any(|error| error.contains(part)) {
            thread::sleep(Duration::from_millis(1));
            assert!(Instant::now() < deadline, "{:?}", self.errors);
        }
    }

    /// Stops; everything that came, and where reading would go on.
    fn end(mut self) -> (String, Vec<Checkpoint>) {
        self.stop.cancel();
        while let Some(block) = self.blocks.blocking_recv() {
            self.take(block);
        }
        self.thread.join().unwrap();
        (self.text, self.checkpoints.into_values().collect())
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn numbered(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line {n} of a log that is a little longer\n")).collect()
}

/// The lines of `text` are those of `range`, each once.
#[track_caller]
fn assert_lines(text: &str, range: std::ops::Range<u32>) {
    let expected = numbered(range);
    let (mut got, mut wanted): (Vec<_>, Vec<_>) = (text.lines().collect(), expected.lines().collect());
    got.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(got, wanted);
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.log");
    (folder, path)
}

#[test]
fn a_growing_file_gives_whole_lines() {
    let (_folder, path) = folder();
    append(&path, "one\ntw");
    let mut world = start(&path, Vec::new());
    world.wait(1);
    assert_eq!(world.text, "one\n");
    append(&path, "o\nthree");
    world.wait(2);
    let (text, checkpoints) = world.end();
    assert_eq!(text, "one\ntwo\n");
    assert_eq!(checkpoints[0].offset, 8);
    append(&path, "\n");
    let mut world = start(&path, checkpoints);
    world.wait(1);
    assert_eq!(world.end().0, "three\n");
}

#[test]
fn an_unfinished_line_is_given_out_at_the_end_when_asked() {
    let (_folder, path) = folder();
    append(&path, "one\ntwo");
    let mut world = start_with(&path, Vec::new(), Settings { finish_lines: true, ..fast() });
    world.wait(1);
    assert_eq!(world.end().0, "one\ntwo");
}

#[test]
fn a_missing_file_is_waited_for() {
    let (_folder, path) = folder();
    let mut world = start(&path, Vec::new());
    world.wait_for_error("does not exist yet");
    append(&path, &numbered(0..3));
    world.wait(3);
    assert_eq!(world.errors.lock().unwrap().len(), 1);
    assert_lines(&world.end().0, 0..3);
}

#[test]
fn rotation_by_rename_loses_and_repeats_nothing() {
    for watch_folder in [false, true] {
        let (folder, path) = folder();
        append(&path, &numbered(0..10));
        let mut world = start(if watch_folder { folder.path() } else { &path }, Vec::new());
        world.wait(10);
        for round in 1..4_u32 {
            // The program keeps its handle for a while, as it does until it is told.
            let mut old = OpenOptions::new().append(true).open(&path).unwrap();
            for n in (1..round).rev() {
                fs::rename(
                    folder.path().join(format!("auth.log.{n}")),
                    folder.path().join(format!("auth.log.{}", n + 1)),
                )
                .unwrap();
            }
            fs::rename(&path, folder.path().join("auth.log.1")).unwrap();
            old.write_all(numbered(round * 10..round * 10 + 5).as_bytes()).unwrap();
            append(&path, &numbered(round * 10 + 5..round * 10 + 9));
            old.write_all(numbered(round * 10 + 9..round * 10 + 10).as_bytes()).unwrap();
            world.wait(round as usize * 10 + 10);
        }
        // Long enough for the old files to be let go and looked at again.
        thread::sleep(Duration::from_millis(400));
        assert_lines(&world.end().0, 0..40);
    }
}

#[test]
fn a_rotated_file_ends_its_last_line() {
    let (folder, path) = folder();
    append(&path, "one\ntwo");
    let mut world = start(&path, Vec::new());
    world.wait(1);
    fs::rename(&path, folder.path().join("auth.log.1")).unwrap();
    world.wait(2);
    assert_eq!(world.end().0, "one\ntwo");
}

#[test]
fn rotation_by_copy_and_truncation_loses_and_repeats_nothing() {
    for watch_folder in [false, true] {
        let (folder, path) = folder();
        append(&path, &numbered(0..10));
        let mut world = start(if watch_folder { folder.path() } else { &path }, Vec::new());
        world.wait(10);
        for round in 1..4_u32 {
            // Unlike a rotation program this one is so quick that some lines are only in the copy.
            append(&path, &numbered(round * 10..round * 10 + 5));
            fs::copy(&path, folder.path().join(format!("auth.log.{}", 10 - round))).unwrap();
            OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
            append(&path, &numbered(round * 10 + 5..round * 10 + 10));
            world.wait(round as usize * 10 + 10);
        }
        thread::sleep(Duration::from_millis(400));
        assert_lines(&world.end().0, 0..40);
    }
}

#[test]
fn a_copy_is_no_news() {
    let (folder, path) = folder();
    append(&path, &numbered(0..10));
    let mut world = start(folder.path(), Vec::new());
    world.wait(10);
    fs::copy(&path, folder.path().join("auth.log.copy")).unwrap();
    append(&path, &numbered(10..11));
    world.wait(11);
    // Another log that begins alike is no copy.
    append(&folder.path().join("auth2.log"), &(numbered(0..1) + &numbered(50..52)));
    world.wait(14);
    let (text, _) = world.end();
    assert_eq!(text.lines().count(), 14);
}

#[test]
fn truncation_starts_over() {
    let (_folder, path) = folder();
    append(&path, &numbered(0..10));
    let mut world = start(&path, Vec::new());
    world.wait(10);
    // Longer than before: only the first bytes tell.
    fs::write(&path, numbered(10..30)).unwrap();
    world.wait(30);
    fs::write(&path, numbered(30..31)).unwrap();
    world.wait(31);
    assert_lines(&world.end().0, 0..31);
}

#[test]
fn re_creation_starts_over() {
    let (_folder, path) = folder();
    append(&path, &numbered(0..10));
    let mut world = start(&path, Vec::new());
    world.wait(10);
    append(&path, &numbered(10..12));
    fs::remove_file(&path).unwrap();
    append(&path, &numbered(12..40));
    world.wait(40);
    fs::remove_file(&path).unwrap();
    world.wait_for_error("does not exist yet");
    append(&path, &numbered(40..41));
    world.wait(41);
    assert_lines(&world.end().0, 0..41);
}

/// What happens to a log while nobody looks.
#[test]
fn a_restart_goes_on_where_the_file_has_gone() {
    type Change = fn(&Path, &Path);
    let changes: [(&str, Change); 6] = [
        ("grown", |path, _| append(path, &numbered(20..30))),
        ("renamed", |path, folder| {
            append(path, &numbered(20..25));
            fs::rename(path, folder.join("auth.log.1")).unwrap();
            append(path, &numbered(25..30));
        }),
        ("copied and truncated", |path, folder| {
            append(path, &numbered(20..25));
            fs::copy(path, folder.join("auth.log.1")).unwrap();
            fs::write(path, numbered(25..30)).unwrap();
        }),
        ("replaced", |path, _| {
            fs::remove_file(path).unwrap();
            append(path, &numbered(20..30));
        }),
        ("overwritten", |path, _| fs::write(path, numbered(20..30)).unwrap()),
        ("renamed, then nothing", |path, folder| {
            append(path, &numbered(20..30));
            fs::rename(path, folder.join("auth.log.1")).unwrap();
        }),
    ];
    for (name, change) in changes {
        for watch_folder in [false, true] {
            let (folder, path) = folder();
            let watched = if watch_folder { folder.path() } else { &path };
            append(&path, &numbered(0..20));
            let mut world = start(watched, Vec::new());
            world.wait(20);
            let (text, checkpoints) = world.end();
            assert_lines(&text, 0..20);
            change(&path, folder.path());
            let mut world = start(watched, checkpoints);
            world.wait(10);
            let (text, _) = world.end();
            assert_lines(&text, 20..30);
            println!("{name}: fine");
        }
    }
}

#[test]
fn a_restart_finds_the_rest_in_a_packed_file() {
    let (folder, path) = folder();
    append(&path, &numbered(0..20));
    let mut world = start(&path, Vec::new());
    world.wait(20);
    let (_, checkpoints) = world.end();
    let packed = File::create(folder.path().join("auth.log.1.gz")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(packed, flate2::Compression::default());
    packer.write_all(numbered(0..25).as_bytes()).unwrap();
    packer.finish().unwrap();
    fs::write(&path, numbered(25..30)).unwrap();
    let mut world = start(&path, checkpoints);
    world.wait(10);
    let (text, checkpoints) = world.end();
    assert_lines(&text, 20..30);
    let mut world = start(&path, checkpoints);
    append(&path, &numbered(30..31));
    world.wait(1);
    assert_lines(&world.end().0, 30..31);
}

#[test]
fn a_folder_is_watched_for_new_files() {
    let (folder, path) = folder();
    append(&path, &numbered(0..5));
    append(&folder.path().join(".hidden"), "hidden\n");
    fs::write(folder.path().join("wtmp"), [1, 0, 0, 2, b'\n']).unwrap();
    fs::write(folder.path().join("old.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    symlink(folder.path(), folder.path().join("sub/circle")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();
    let mut world = start(folder.path(), Vec::new());
    world.wait(5);
    append(&folder.path().join("sub/new.log"), &numbered(5..8));
    world.wait(8);
    let errors = world.errors.clone();
    assert_lines(&world.end().0, 0..8);
    let errors = errors.lock().unwrap();
    assert!(errors.len() == 1 && errors[0].contains("circle"), "{errors:?}");
}

#[test]
fn a_packed_file_is_read_once() {
    let (folder, _) = folder();
    let path = folder.path().join("auth.log.zst");
    fs::write(&path, zstd::encode_all(numbered(0..100).as_bytes(), 3).unwrap()).unwrap();
    let mut world = start(&path, Vec::new());
    world.wait(100);
    let (text, checkpoints) = world.end();
    assert_lines(&text, 0..100);
    let half = Checkpoint { offset: numbered(0..50).len() as u64, ..checkpoints[0].clone() };
    let mut world = start(&path, vec![half]);
    world.wait(50);
    assert_lines(&world.end().0, 50..100);
}

#[test]
fn what_cannot_be_followed_is_said_and_the_rest_goes_on() {
    let (folder, path) = folder();
    append(&path, "one\n");
    let mut world = start(&path.join("below"), Vec::new());
    world.wait_for_error("a part of the path is a file");
    world.stop.cancel();
    world = start(Path::new("/dev/null"), Vec::new());
    world.wait_for_error("cannot be followed");
    world.stop.cancel();
    fs::write(folder.path().join("book.zip"), b"PK\x03\x04").unwrap();
    world = start(&folder.path().join("book.zip"), Vec::new());
    world.wait_for_error("zip archive");
    world.stop.cancel();
}

#[test]
fn a_line_of_40_mb_is_cut_and_counted() {
    let (_folder, path) = folder();
    fs::write(&path, [vec![b'x'; 40 << 20], b"\nnext\n".to_vec()].concat()).unwrap();
    let mut world = start_with(&path, Vec::new(), Settings { block: 1 << 20, ..fast() });
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < (40 << 20) + 6 {
        sizes.push(world.blocks.blocking_recv().unwrap().lines.len());
    }
    assert_eq!(sizes, [16 << 20, 16 << 20, (8 << 20) + 6]);
    world.end();
}
