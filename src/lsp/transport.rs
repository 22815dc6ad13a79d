//! Messages over standard input and output. In: the bytes of a client. Out: messages; what is no message is answered
//! with an error, and reading goes on with the next.

use std::io::{self, BufRead, Write};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use lsp_server::{Connection, ErrorCode, Message};
use serde_json::{Value, json};

/// Bytes of the largest message that is taken.
const GREATEST: usize = 1 << 28;

/// What was read.
enum Frame {
    Message(Message),
    /// Bytes that are no message, and the error to answer with.
    Wrong(Value),
}

/// A connection over standard input and output, which ends with the input, and the thread that writes: it ends when the
/// connection is dropped and all is written.
pub(crate) fn stdio() -> (Connection, JoinHandle<()>) {
    let (to_us, receiver) = unbounded::<Message>();
    let (sender, from_us) = unbounded::<Message>();
    thread::spawn(move || read(&mut io::stdin().lock(), &to_us));
    let writer = thread::spawn(move || write(&from_us));
    (Connection { sender, receiver }, writer)
}

fn read(input: &mut impl BufRead, to_us: &Sender<Message>) {
    loop {
        match frame(input) {
            Ok(Some(Frame::Message(message))) => {
                if to_us.send(message).is_err() {
                    return;
                }
            }
            Ok(Some(Frame::Wrong(answer))) => {
                // The lock is held for the whole frame, so it cannot get into one of the other thread's.
                if send(&mut io::stdout().lock(), &answer.to_string()).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                // Where the next message starts is unknown.
                tracing::error!("the client's input cannot be read any further: {error}");
                return;
            }
        }
    }
}

fn write(from_us: &Receiver<Message>) {
    for message in from_us {
        if message.write(&mut io::stdout().lock()).is_err() {
            return;
        }
    }
}

fn send(output: &mut impl Write, body: &str) -> io::Result<()> {
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

/// The next message; `None` at the end.
fn frame(input: &mut impl BufRead) -> io::Result<Option<Frame>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut length = None;
    loop {
        let mut line = Vec::new();
        // A header is short; what is longer is none.
        if io::Read::take(&mut *input, 8_192).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(format!("`{line}` is no header")))?;
        if name.trim().eq_ignore_ascii_case("Content-Length") {
            let parsed = value.trim().parse().ok().filter(|length| *length <= GREATEST);
            length = Some(parsed.ok_or_else(|| invalid(format!("`{line}` says no length up to {GREATEST}")))?);
        }
    }
    let mut body = vec![0; length.ok_or_else(|| invalid("a message without Content-Length".to_owned()))?];
    input.read_exact(&mut body)?;
    let value: Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        Err(error) => return Ok(Some(wrong(Value::Null, ErrorCode::ParseError, &format!("not JSON: {error}")))),
    };
    let id = value.get("id").filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or(Value::Null);
    Ok(Some(match serde_json::from_value(value) {
        Ok(message) => Frame::Message(message),
        Err(_) => wrong(id, ErrorCode::InvalidRequest, "neither a request, a notification nor a response"),
    }))
}

fn wrong(id: Value, code: ErrorCode, message: &str) -> Frame {
    Frame::Wrong(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(input: &str) -> Vec<String> {
        let mut input = input.as_bytes();
        let mut out = Vec::new();
        loop {
            out.push(match frame(&mut input) {
                Ok(Some(Frame::Message(Message::Request(request)))) => format!("request {}", request.method),
                Ok(Some(Frame::Message(Message::Notification(note)))) => format!("notification {}", note.method),
                Ok(Some(Frame::Message(Message::Response(_)))) => "response".to_owned(),
                Ok(Some(Frame::Wrong(answer))) => format!("{} {}", answer["id"], answer["error"]["code"]),
                Ok(None) => return out,
                Err(error) => {
                    out.push(error.to_string());
                    return out;
                }
            });
        }
    }

    fn framed(bodies: &[&str]) -> String {
        bodies.iter().map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())).collect()
    }

    #[test]
    fn what_is_no_message_is_answered_and_passed_over() {
        let bodies = [
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}",
            "{nonsense",
            "[1]",
            "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":5}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"b\",\"params\":{}}",
        ];
        assert_eq!(
            frames(&framed(&bodies)),
            ["request a", "null -32700", "null -32600", "\"x\" -32600", "notification b"]
        );
    }

    #[test]
    fn headers_are_read_as_they_may_be_written() {
        let body = "{\"id\":2,\"method\":\"a\"}";
        let head =
            format!("Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:{}\r\n\r\n", body.len());
        assert_eq!(frames(&(head + body)), ["request a"]);
        assert_eq!(frames("\r\n"), ["a message without Content-Length"]);
        assert_eq!(frames("hello\r\n\r\n"), ["`hello` is no header"]);
        assert!(frames("Content-Length: 99999999999\r\n\r\n")[0].contains("no length"));
        assert_eq!(frames("Content-Length: 10\r\n\r\n{}").len(), 1, "it ends in the middle");
    }
}
