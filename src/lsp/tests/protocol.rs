//! Conversations: what a client says, and what comes back.

use std::time::Duration;

use lsp_server::{Connection, Message, Notification, Request};
use serde_json::{Value, json};

use super::super::{Settings, server};

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
fn a_mistake_is_explained_where_it_is() {
    let mut client = Client::ready(json!({}));
    let uri = "untitled:one";
    client.open(uri, "rule a { when any where user.nam == \"x\" }");
    assert_eq!(client.told(), "untitled:one W0101 0:24-0:32");
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 25 } });
    let told = client.ask("textDocument/hover", at).unwrap();
    let told = told["contents"]["value"].as_str().unwrap();
    assert!(told.starts_with("W0101: A field is a name of the field table"), "{told}");
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
    assert_eq!(client.told(), "untitled:bytes W0101 0:46-0:54", "in bytes");
    let at = json!({ "textDocument": { "uri": "untitled:bytes" }, "position": { "line": 9, "character": 9 } });
    assert_eq!(client.ask("textDocument/hover", at), Ok(Value::Null), "past the end");
    assert!(client.stop());
}
