//! `examples/tutorial.md`: its commands are run in their order, and say what the page says they say.
//!
//! A block of `sh` is run by bash, one of `text` holds lines that the block before it printed, one of `weir` goes into a
//! file. Marks behind the language tell the others apart: `build` and `own` are left out here, for the binary is built and the log at hand.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{run, stderr, stdout};
use crate::run::Server;

const PAGE: &str = include_str!("../examples/tutorial.md");

/// A fenced block of the page.
struct Block {
    /// What stands behind the fence.
    marks: Vec<&'static str>,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(info) => {
                inside = true;
                out.push(Block { marks: info.split(' ').collect(), text: String::new() });
            }
            None if inside => {
                let text = &mut out.last_mut().expect("a block was begun").text;
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    out
}

/// Runs the lines of a script in the folder, with `weir` on the path; what they printed.
fn shell(folder: &Path, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_weir")).parent().expect("it lies in a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut said = String::new();
    for line in script.lines() {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env_remove("WEIR_DATA").env_remove("WEIR_RULES").env("TZ", "UTC").env("PATH", &path);
        let output = command.current_dir(folder).stdin(Stdio::null()).output().expect("bash is there");
        said += &(stdout(&output) + &stderr(&output));
        // That there are alerts, or differences, is said by a 1.
        let most = i32::from(line.starts_with("weir scan ") || line.starts_with("weir diff "));
        assert!(output.status.code().is_some_and(|code| code <= most), "{line}\n{}\n{said}", output.status);
    }
    said
}

#[test]
fn the_tutorial_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/data/auth.log"), folder.join("auth.log")).unwrap();
    let (mut said, mut server, mut skipped) = (String::new(), None, 0);
    for Block { marks, text } in blocks() {
        match &marks[..] {
            ["sh"] => said = shell(folder, &text),
            ["sh", "build" | "own"] => skipped += 1,
            ["sh", "diff"] => said = shell(folder, &text),
            ["sh", "server"] => server = Some(serve(folder, &text)),
            ["text"] => {
                for line in text.lines() {
                    assert!(said.lines().any(|l| l == line), "nobody said {line}\nbut\n{said}");
                }
            }
            ["text", "server"] => {
                let server: &Server = server.as_ref().expect("it was started");
                server.wait_for("what the page shows", |alerts| {
                    alerts.iter().any(|alert| alert["title"] == text.trim_end())
                });
            }
            ["weir", file] => write(folder, file, &text),
            ["weir", file, after] => insert(folder, file, after, &text),
            other => panic!("what is a block of {other:?}?"),
        }
    }
    assert_eq!(skipped, 2);
    server.expect("the page starts one").stop();
}

/// Each recipe's own tests: src/rule/cookbook.rs looks at how they are written.
#[test]
fn the_cookbooks_tests_pass() {
    let output = run(["test", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cookbook")]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

/// The file of `file=…`.
fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file.strip_prefix("file=").expect("a file is named")), text).unwrap();
}

/// Puts lines above the first that begins with the word of `above=…`.
fn insert(folder: &Path, file: &str, above: &str, lines: &str) {
    let path = folder.join(file.strip_prefix("file=").expect("a file is named"));
    let above = above.strip_prefix("above=").expect("a place is named");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.lines().position(|l| l.trim_start().starts_with(above)).expect("the place is there");
    let mut all: Vec<&str> = text.lines().collect();
    all.splice(at..at, lines.lines());
    fs::write(path, all.join("\n") + "\n").unwrap();
}

/// Starts what the line says, in the folder.
fn serve(folder: &Path, line: &str) -> Server {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], "weir");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(folder);
    Server::start_in(command, &words[1..])
}
