//! Answers, by folders written here: `§` is the cursor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::{Expect, expect};
use lsp_server::{Connection, Message, Notification, Request};
use serde_json::{Value, json};

use super::analysis::{Analysis, analyse};
use super::completion::complete;
use super::definition::{Target, definition, references};
use super::fix::fixes;
use super::folder::{Disk, Folder};
use super::hover::hover;
use super::rename::{prepare, rename};
use super::symbols::{Symbol, symbols};
use super::{Settings, server};
use crate::rule::ast::Span;

const FOLDER: &str = "
# Logins that did not work.
let failed = authentication where event.outcome == \"failure\"
list scanners = (198.51.100.7, 10.20.0.0/16)

rule bruteforce {
  title    \"{count} failures from {source.ip}\"
  severity high
  attack   T1110.001
  when failed by source.ip within 5m having count() >= 10
  except \"ours\" where source.ip in scanners
}

rule twice {
  title \"{made.user.target.name} used by {source.ip}\"
  when sequence within 1h {
    made: iam where event.action == \"user-created\" on user.target.name
    used: failed where source.ip not in list(\"scanners\") and source.ip != made.source.ip on user.name
  }
  test \"t\" { @0s iam { event.action: \"user-created\" } expect 0 }
}

rule over { when alert where rule.name in (\"bruteforce\", \"twice\") by source.ip within 1h having count() >= 2 }
";

fn folder(files: &[(&str, &str)]) -> Analysis {
    let open: Vec<_> = files.iter().map(|(name, text)| (PathBuf::from(*name), (*text).into())).collect();
    analyse(&Folder::Alone("a.weir".into()), &open, &mut Disk::default(), false)
}

/// The folder, its files, and the cursor in the first.
fn cursor(text: &str) -> (Analysis, String, usize) {
    let at = text.find('§').expect("the text has a cursor");
    let text = text.replace('§', "");
    (folder(&[("a.weir", &text), ("b.weir", FOLDER)]), text, at)
}

/// In the standing folder, with the cursor in front of this piece and so many bytes on.
fn standing(piece: &str, on: usize) -> (Analysis, usize) {
    let at = FOLDER.find(piece).unwrap_or_else(|| panic!("no {piece}"));
    (folder(&[("b.weir", FOLDER)]), at + on)
}

fn check_hover(text: &str, expected: Expect) {
    let (analysis, text, at) = cursor(text);
    let told = hover(&analysis, &text, at);
    let shown = told.map_or("nothing".to_owned(), |(told, span)| format!("[{}] {told}", &text[span.start..span.end]));
    expected.assert_eq(&shown);
}

#[test]
fn words_are_explained_by_where_they_stand() {
    check_hover("rule a { when any where source.§ip in scanners }", expect![""]);
    check_hover("rule a { when any where source.ip in scan§ners }", expect![""]);
    check_hover("rule a { when fai§led }", expect![""]);
    check_hover("rule a { sev§erity high when any }", expect![""]);
    check_hover("rule a { ta§gs linux when any where tags == \"x\" }", expect![""]);
    check_hover("rule a { tags linux when any where ta§gs == \"x\" }", expect![""]);
    check_hover("rule a { when alert where rule.name == \"brute§force\" }", expect![""]);
    check_hover("rule a { title \"{source.i§p} x\" when any where user.name == \"x\" }", expect![""]);
    check_hover("rule a { when any where fields.Target§Object == \"x\" }", expect![""]);
    check_hover("rule a { when any where user.name sta§rtswith \"x\" }", expect![""]);
    check_hover("rule a { when any by user.name within 5m having dist§inct(source.ip) > 3 }", expect![""]);
    check_hover("rule a { attack T111§0.001 when any }", expect![""]);
    check_hover("rule a { when proc§ess }", expect![""]);
    check_hover("rule a { title \"broken\n  when process where event.out§come == \"x\" }", expect![""]);
    check_hover("# a com§ment", expect!["nothing"]);
    check_hover("rule a { description \"some te§xt\" when any }", expect!["nothing"]);
}

#[test]
fn the_last_steps_fields_are_explained() {
    let (analysis, at) = standing("made.source.ip", 7);
    let (told, _) = hover(&analysis, FOLDER, at).unwrap();
    assert!(told.contains("Of the event of step `made`"), "{told}");
    let (analysis, at) = standing("{made.user.target", 8);
    let (told, _) = hover(&analysis, FOLDER, at).unwrap();
    assert!(told.starts_with("`user.target.name`: text") && told.contains("step `made`"), "{told}");
}

/// The first proposals that begin as the cursor's word does, and how many there are.
fn check_completion(text: &str, expected: Expect) {
    let (analysis, text, at) = cursor(text);
    let (proposals, span) = complete(&analysis, &text, at);
    let written = text[span.start..span.end].trim_matches('"');
    let fits: Vec<&str> =
        proposals.iter().filter(|p| p.label.trim_matches('"').starts_with(written)).map(|p| p.text.as_str()).collect();
    let shown: Vec<&str> = fits.iter().take(8).copied().collect();
    expected.assert_eq(&format!("{} of {}: {}", fits.len(), proposals.len(), shown.join(" ")));
}

#[test]
fn what_may_stand_there_is_proposed() {
    check_completion("§", expect![""]);
    check_completion("rule a { sev§", expect![""]);
    check_completion("rule a { severity hi§ when any }", expect![""]);
    check_completion("rule a { when fa§", expect![""]);
    check_completion("rule a { when seq§", expect![""]);
    check_completion("rule a { when any where source.geo.§", expect![""]);
    check_completion("rule a { when any where not ex§", expect![""]);
    check_completion("rule a { when any where source.ip §", expect![""]);
    check_completion("rule a { when any where user.name not §", expect![""]);
    check_completion("rule a { when any where event.outcome == §", expect![""]);
    check_completion("rule a { when any where event.outcome == \"fa§\" }", expect![""]);
    check_completion("rule a { when any where event.outcome in (\"success\", \"§", expect![""]);
    check_completion("rule a { when any where event.action == \"sudo§", expect![""]);
    check_completion("rule a { when any where source.ip in §", expect![""]);
    check_completion("rule a { when any where source.ip in list(\"§", expect![""]);
    check_completion("rule a { when alert where rule.name == \"§", expect![""]);
    check_completion("rule a { when any by user.name §", expect![""]);
    check_completion("rule a { when any within §", expect![""]);
    check_completion("rule a { when any by user.name within 5m having §", expect![""]);
    check_completion("rule a { when any by user.name within 5m having count() §", expect![""]);
    check_completion("rule a { when any by user.name within 5m having distinct(source.i§", expect![""]);
    check_completion("rule a { when any new (user.name) §", expect![""]);
    check_completion("rule a { attack T1110, T155§", expect![""]);
    check_completion("rule a { title \"{count} by {user.t§\" when any }", expect![""]);
    check_completion("rule a { when sequence within 1m { one: any two: any where user.name == §", expect![""]);
    check_completion("rule a { when any test \"x\" { @0s auth§", expect![""]);
    check_completion("rule a { when any test \"x\" { @0s iam { event.out§", expect![""]);
    check_completion("rule a { title \"broken\n  severity §", expect![""]);
    check_completion("rule a { description \"any §", expect![""]);
    check_completion("# sev§", expect![""]);
}

/// Places as `file:text`, with the line.
fn shown(analysis: &Analysis, targets: &[Target]) -> String {
    let one = |target: &Target| {
        let name = target.path.display();
        let Some(file) = analysis.file(&target.path) else { return format!("{name}") };
        let text = analysis.text(file);
        let line = text[..target.span.start].matches('\n').count() + 1;
        format!("{name}:{line} {}", &text[target.span.start..target.span.end])
    };
    targets.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn check_uses(piece: &str, on: usize, expected: Expect) {
    let (analysis, at) = standing(piece, on);
    let given = shown(&analysis, &definition(&analysis, 0, at));
    let used = shown(&analysis, &references(&analysis, 0, at, false));
    expected.assert_eq(&format!("given {given}\nused\n{used}"));
}

#[test]
fn names_lead_to_where_they_are_given_and_used() {
    check_uses("failed by", 2, expect![""]);
    check_uses("in scanners", 5, expect![""]);
    check_uses("\"bruteforce\"", 4, expect![""]);
    check_uses("made.source.ip", 1, expect![""]);
    check_uses("severity", 1, expect![""]);
}

#[test]
fn the_path_of_a_list_leads_to_its_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("l.txt"), "10.0.0.1\n").unwrap();
    let text = "list l from \"l.txt\"\nlist m from \"missing.txt\"\nrule a { when any where source.ip in l }";
    let file = dir.path().join("a.weir");
    let open = [(file.clone(), text.into())];
    let analysis = analyse(&Folder::Near(dir.path().to_owned()), &open, &mut Disk::default(), true);
    let found = definition(&analysis, 0, text.find("l.txt").unwrap());
    assert_eq!(found, [Target { path: dir.path().join("l.txt"), span: Span::default() }]);
    assert_eq!(definition(&analysis, 0, text.find("missing").unwrap()), []);
    let (told, _) = hover(&analysis, text, text.rfind('l').unwrap()).unwrap();
    assert!(told.contains("1 values:\n\n    10.0.0.1"), "{told}");
    assert!(prepare(&analysis, 0, text.find("l.txt").unwrap()).unwrap_err().contains("rename the file"));
}

fn check_rename(piece: &str, on: usize, new: &str, expected: Expect) {
    let (analysis, at) = standing(piece, on);
    let outcome = match rename(&analysis, 0, at, new) {
        Ok(places) => {
            let mut text = FOLDER.to_owned();
            for span in places[Path::new("b.weir")].iter().rev() {
                text.replace_range(span.start..span.end, new);
            }
            let lines = text.lines().zip(FOLDER.lines()).filter(|(after, before)| after != before);
            lines.map(|(after, _)| after.trim()).collect::<Vec<_>>().join("\n")
        }
        Err(why) => format!("refused: {why}"),
    };
    expected.assert_eq(&outcome);
}

#[test]
fn names_are_changed_everywhere_or_nowhere() {
    check_rename("failed by", 1, "bad_login", expect![""]);
    check_rename("scanners =", 1, "known.scanners", expect![""]);
    check_rename("bruteforce {", 1, "guessing", expect![""]);
    check_rename("made: iam", 1, "first", expect![""]);
    check_rename("made: iam", 1, "made", expect![""]);
    check_rename("made: iam", 1, "used", expect![""]);
    check_rename("made: iam", 1, "source", expect![""]);
    check_rename("failed by", 1, "network", expect![""]);
    check_rename("failed by", 1, "when", expect![""]);
    check_rename("failed by", 1, "two words", expect![""]);
    check_rename("scanners =", 1, "source.ip", expect![""]);
    check_rename("twice {", 1, "bruteforce", expect![""]);
    check_rename("severity", 1, "x", expect![""]);
}

#[test]
fn what_cannot_be_read_is_not_renamed_around() {
    let broken = "rule c { when failed by }";
    let analysis = folder(&[("b.weir", FOLDER), ("c.weir", broken)]);
    let why = rename(&analysis, 0, FOLDER.find("failed =").unwrap(), "bad").unwrap_err();
    assert!(why.contains("syntax error") && why.contains("c.weir:1"), "{why}");
    assert!(rename(&analysis, 0, FOLDER.find("scanners").unwrap(), "bad").is_ok(), "it is not in the broken one");
}

#[test]
fn a_file_has_an_outline() {
    fn lines(symbols: &[Symbol], indent: usize, out: &mut String) {
        for symbol in symbols {
            let whole = &FOLDER[symbol.whole.start..symbol.whole.end];
            let end = whole.char_indices().nth(12).map_or(whole.len(), |(at, _)| at);
            *out += &format!("{:indent$}{} ({}) {:?}\n", "", symbol.name, symbol.detail, &whole[..end]);
            lines(&symbol.inside, indent + 2, out);
        }
    }
    let analysis = folder(&[("b.weir", FOLDER)]);
    let mut out = String::new();
    lines(&symbols(&analysis, 0), 0, &mut out);
    expect![""].assert_eq(&out);
}

#[test]
fn fixes_are_those_of_the_diagnostics() {
    let text =
        "rule a { serverity high when any where user.name == \"x\" }\nrule b { when any where user.nam == \"x\" }";
    let analysis = folder(&[("a.weir", text)]);
    let at = |piece: &str| {
        let start = text.find(piece).unwrap();
        let found = fixes(&analysis, 0, Span { start, end: start });
        found.iter().map(|fix| format!("{} -> {}", &text[fix.span.start..fix.span.end], fix.text)).collect::<Vec<_>>()
    };
    assert_eq!(at("serverity"), ["serverity -> severity"]);
    assert_eq!(at("user.nam "), ["user.nam -> user.name"]);
    assert_eq!(at("rule b"), Vec::<String>::new());
}

/// A client of a server in a thread of its own.
struct Client {
    connection: Connection,
    next: i32,
    server: Option<std::thread::JoinHandle<bool>>,
}

impl Client {
    fn start() -> Client {
        let (ours, theirs) = Connection::memory();
        let server = std::thread::spawn(move || server::serve(&theirs, Settings::default()));
        Client { connection: ours, next: 0, server: Some(server) }
    }

    fn ready(capabilities: Value) -> Client {
        let mut client = Client::start();
        client.ask("initialize", json!({ "capabilities": capabilities })).unwrap();
        client.tell("initialized", json!({}));
        client
    }

    fn tell(&self, method: &str, params: Value) {
        self.connection.sender.send(Notification { method: method.to_owned(), params }.into()).unwrap();
    }

    fn receive(&self) -> Message {
        self.connection.receiver.recv_timeout(Duration::from_secs(60)).expect("the server says something")
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, i32> {
        self.next += 1;
        let id = self.next.into();
        self.connection.sender.send(Request { id, method: method.to_owned(), params }.into()).unwrap();
        loop {
            if let Message::Response(response) = self.receive() {
                return response.response_result.map_err(|error| error.code);
            }
        }
    }

    fn open(&self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "weir", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn change(&self, uri: &str, version: i32, change: Value) {
        let document = json!({ "uri": uri, "version": version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }

    /// The next diagnostics: the end of the address, the codes and their ranges.
    fn told(&self) -> String {
        loop {
            if let Message::Notification(note) = self.receive()
                && note.method == "textDocument/publishDiagnostics"
            {
                let place = |p: &Value| format!("{}:{}", p["line"], p["character"]);
                let one = |d: &Value| {
                    let range = &d["range"];
                    format!(" {} {}-{}", d["code"].as_str().unwrap(), place(&range["start"]), place(&range["end"]))
                };
                let all: String = note.params["diagnostics"].as_array().unwrap().iter().map(one).collect();
                return note.params["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned() + &all;
            }
        }
    }

    fn stop(mut self) -> bool {
        assert_eq!(self.ask("shutdown", Value::Null), Ok(Value::Null));
        assert_eq!(self.ask("textDocument/hover", json!({})), Err(-32600));
        self.tell("exit", Value::Null);
        self.server.take().unwrap().join().unwrap()
    }
}

#[test]
fn diagnostics_follow_the_edits() {
    let client = Client::ready(json!({}));
    let uri = "untitled:one";
    client.open(uri, "rule a { when any where user.nam == \"😀\" and sorce.ip == 10.0.0.1 }");
    assert_eq!(client.told(), "untitled:one W0101 0:24-0:32 W0101 0:45-0:53");
    let range = |line, from, to| json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } });
    client.change(uri, 2, json!({ "range": range(0, 45, 50), "text": "source" }));
    assert_eq!(client.told(), "untitled:one W0101 0:24-0:32");
    client.change(uri, 3, json!({ "text": "rule a { when any where user.name == \"x\" }" }));
    assert_eq!(client.told(), "untitled:one");
    client.change(uri, 4, json!({ "text": "rule a {" }));
    assert_eq!(client.told(), "untitled:one W0003 0:7-0:8");
    client.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(client.told(), "untitled:one");
    assert!(client.stop());
}

#[test]
fn a_folder_is_one_program() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("a.weir"), "rule a { when bad }").unwrap();
    std::fs::write(rules.join("b.weir"), "let bad = any where user.name == \"x\"").unwrap();
    let uri = |name: &str| url::Url::from_file_path(rules.join(name)).unwrap().to_string();
    let mut client = Client::ready(json!({}));
    client.open(&uri("b.weir"), "let bad = any where user.name == \"x\"");
    assert_eq!(client.told(), "b.weir");
    // What is not saved counts, and the file that is not open is told about too.
    client.change(&uri("b.weir"), 2, json!({ "text": "let worse = any where user.name == \"x\"" }));
    assert_eq!(client.told(), "a.weir W0102 0:14-0:17");
    client.change(&uri("b.weir"), 3, json!({ "text": "let bad = any where user.name == \"x\"\n" }));
    assert_eq!(client.told(), "a.weir");
    // An edit that is not compiled yet is, before a place is answered.
    client.change(&uri("b.weir"), 4, json!({ "text": "\n\nlet bad = any where user.name == \"x\"" }));
    client.open(&uri("a.weir"), "rule a { when bad }");
    let at = json!({ "textDocument": { "uri": uri("a.weir") }, "position": { "line": 0, "character": 15 } });
    let found = client.ask("textDocument/definition", at).unwrap();
    assert_eq!(found[0]["range"]["start"], json!({ "line": 2, "character": 4 }));
    // What changes on disk is seen when the client says so.
    std::fs::write(rules.join("c.weir"), "rule c { when nobody }").unwrap();
    client.tell("workspace/didChangeWatchedFiles", json!({ "changes": [] }));
    while client.told() != "c.weir W0102 0:14-0:20" {}
    std::fs::write(rules.join("c.weir"), [0xff, 0xfe]).unwrap();
    std::fs::remove_file(rules.join("c.weir")).unwrap();
    client.tell("workspace/didChangeWatchedFiles", json!({ "changes": [] }));
    assert_eq!(client.told(), "c.weir");
    assert!(client.stop());
}

#[test]
fn what_is_not_known_is_refused() {
    let mut client = Client::start();
    assert_eq!(client.ask("textDocument/hover", json!({})), Err(-32002), "before `initialize`");
    assert_eq!(client.ask("initialize", json!({ "capabilities": 5 })), Err(-32602));
    let offered = json!({ "capabilities": { "general": { "positionEncodings": ["utf-16", "utf-8"] } } });
    let started = client.ask("initialize", offered.clone()).unwrap();
    assert_eq!(started["capabilities"]["positionEncoding"], "utf-8");
    assert_eq!(started["serverInfo"]["name"], "weir");
    assert_eq!(client.ask("initialize", offered), Err(-32600), "once is enough");
    client.tell("initialized", json!({}));
    client.tell("$/whatever", json!({ "x": 1 }));
    client.tell("textDocument/didOpen", json!({ "nonsense": true }));
    assert_eq!(client.ask("weir/unknown", json!({})), Err(-32601));
    assert_eq!(client.ask("textDocument/hover", json!({ "x": 1 })), Err(-32602));
    let at = json!({ "textDocument": { "uri": "untitled:no" }, "position": { "line": 0, "character": 0 } });
    assert_eq!(client.ask("textDocument/hover", at), Err(-32602), "it is not open");
    client.open("untitled:bytes", "rule a { when any where user.name == \"é\" and sorce.ip == 10.0.0.1 }");
    assert_eq!(client.told(), "untitled:bytes W0101 0:45-0:53", "in bytes");
    let at = json!({ "textDocument": { "uri": "untitled:bytes" }, "position": { "line": 9, "character": 9 } });
    assert_eq!(client.ask("textDocument/hover", at), Ok(Value::Null), "past the end");
    assert!(client.stop());
}
