//! `POST /ingest`: a log file by multipart form, in any format weir reads.
//!
//! In: a part `file` (plain, gzip or zstd), and by choice `source` and `format`, as parts or in the query.
//! Out: a receipt once every line is durable. The file streams through in blocks of whole lines, so its
//! size does not matter; what came before an error is kept, and the answer says how much that was. Sent again under the same
//! `Idempotency-Key`, only the rest of it is taken.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use warp::Buf;
use warp::http::HeaderMap;
use warp::multipart::{FormData, Part};

use super::intake::{self, Pending, RequestId};
use super::params::Params;
use super::unpack::{Unpack, UnpackError};
use super::{Answer, json};
use crate::event::raw::{Receipt, Source};
use crate::serve::Context;
use crate::serve::problem::Problem;

/// Bytes of a block: large enough to be cheap, small enough to go through while the rest comes.
const BLOCK: usize = 1 << 20;
/// Blocks on their way at a time.
const UNDER_WAY: usize = 8;
/// Bytes held back until a `source` part has come, which may stand behind the file.
const HELD: usize = 32 << 20;
/// Bytes of a text part.
const LONGEST_TEXT: usize = 1_000;

/// Takes an uploaded file.
pub(super) async fn upload(
    context: Arc<Context>,
    mut params: Params,
    headers: HeaderMap,
    mut form: FormData,
) -> Answer {
    let mut upload = Upload::new(&context, RequestId::of(&headers)?);
    upload.source = params.take("source").map(|given| intake::name(&given)).transpose()?;
    upload.format = params.take("format");
    params.end()?;
    let mut files = 0;
    while let Some(part) = form.next().await {
        let part = part.map_err(broken_form)?;
        let result = match part.name() {
            "file" => {
                files += 1;
                upload.file(part).await
            }
            "source" => upload.name_source(part).await,
            "format" => text(part).await.map(|format| upload.format = Some(format)),
            _ => Ok(()),
        };
        if let Err(problem) = result {
            return Err(upload.failed(problem).await);
        }
    }
    if files == 0 {
        return Err(Problem::bad_request(
            "the form has no part `file`: curl -F file=@auth.log -F source=web1 …/ingest",
        ));
    }
    let source = upload.name();
    if let Err(problem) = upload.finish().await {
        return Err(upload.failed(problem).await);
    }
    let Receipt { events, parse_failures, duplicates } = upload.receipt;
    let counts =
        json!({ "events": events, "parse_failures": parse_failures, "duplicates": duplicates, "source": source });
    Ok(json(&counts))
}

struct Upload<'a> {
    context: &'a Context,
    id: Option<RequestId>,
    source: Option<String>,
    format: Option<String>,
    file_name: Option<String>,
    /// Blocks that wait for a `source` part: the file's own name, the offset, the lines.
    held: Vec<(String, u64, Bytes)>,
    held_bytes: usize,
    /// Whether a block went out: its source's name stands.
    sent: bool,
    under_way: VecDeque<Pending>,
    receipt: Receipt,
}

impl<'a> Upload<'a> {
    fn new(context: &'a Context, id: Option<RequestId>) -> Upload<'a> {
        Upload {
            context,
            id,
            source: None,
            format: None,
            file_name: None,
            held: Vec::new(),
            held_bytes: 0,
            sent: false,
            under_way: VecDeque::new(),
            receipt: Receipt::default(),
        }
    }

    fn name(&self) -> String {
        self.source.clone().or_else(|| self.file_name.clone()).unwrap_or_else(|| "upload".to_owned())
    }

    async fn name_source(&mut self, part: Part) -> Result<(), Problem> {
        let given = intake::name(&text(part).await?)?;
        if self.sent && given != self.name() {
            let detail = format!(
                "put `source` before `file`: the file is large, and its lines were already taken in as `{}`",
                self.name()
            );
            return Err(Problem::bad_request(detail));
        }
        self.source = Some(given);
        Ok(())
    }

    async fn file(&mut self, mut part: Part) -> Result<(), Problem> {
        if let Some(name) = part.filename().filter(|n| !n.is_empty()) {
            self.file_name = intake::name(name).ok();
        }
        let limits = &self.context.limits;
        let mut lines = Lines::new(limits.line);
        let mut head = Vec::new();
        let mut unpack: Option<Unpack> = None;
        while let Some(piece) = part.data().await {
            let mut piece = piece.map_err(broken_form)?;
            let mut piece = piece.copy_to_bytes(piece.remaining());
            // Four bytes tell how it is packed.
            if unpack.is_none() {
                head.extend_from_slice(&piece);
                if head.len() < 4 {
                    continue;
                }
                piece = std::mem::take(&mut head).into();
            }
            let unpack = match &mut unpack {
                Some(unpack) => unpack,
                none => none.insert(Unpack::by_content(&piece).map_err(damaged)?),
            };
            // In small steps, so that what unpacks to much more goes out as it comes.
            for step in piece.chunks(1 << 10) {
                unpack.push(step, &mut lines.text, limits.line + (64 << 20)).map_err(damaged)?;
                self.blocks(&mut lines).await?;
            }
        }
        match unpack {
            Some(unpack) => unpack.finish(&mut lines.text, usize::MAX).map_err(damaged)?,
            None => lines.text = head,
        }
        self.blocks(&mut lines).await?;
        match lines.rest() {
            Some((offset, rest)) => self.block(offset, rest).await,
            None => Ok(()),
        }
    }

    async fn blocks(&mut self, lines: &mut Lines) -> Result<(), Problem> {
        while let Some((offset, block)) = lines.block() {
            if offset + block.len() as u64 > self.context.limits.upload {
                let gib = self.context.limits.upload >> 30;
                return Err(Problem::too_large(format!("the file is over {gib} GiB: send the rest as another one")));
            }
            self.block(offset, block).await?;
        }
        Ok(())
    }

    async fn block(&mut self, offset: u64, block: Bytes) -> Result<(), Problem> {
        let name = self.name();
        if self.source.is_none() && !self.sent && self.held_bytes + block.len() <= HELD {
            self.held_bytes += block.len();
            self.held.push((name, offset, block));
            return Ok(());
        }
        self.release().await?;
        self.send(name, offset, block).await
    }

    async fn release(&mut self) -> Result<(), Problem> {
        for (name, offset, block) in std::mem::take(&mut self.held) {
            let name = self.source.clone().unwrap_or(name);
            self.send(name, offset, block).await?;
        }
        Ok(())
    }

    async fn send(&mut self, name: String, offset: u64, block: Bytes) -> Result<(), Problem> {
        if self.under_way.len() >= UNDER_WAY {
            self.settle().await?;
        }
        let source = Source { format: self.format.as_deref().map(Into::into), ..Source::stream(name) };
        let pending = intake::send(self.context, source, block, offset, self.id.as_ref()).await?;
        self.sent = true;
        self.under_way.push_back(pending);
        Ok(())
    }

    /// Waits for the oldest block under way.
    async fn settle(&mut self) -> Result<(), Problem> {
        if let Some(pending) = self.under_way.pop_front() {
            intake::add(&mut self.receipt, intake::durable(pending).await?);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Problem> {
        self.release().await?;
        while !self.under_way.is_empty() {
            self.settle().await?;
        }
        Ok(())
    }

    /// The problem, with what was kept in spite of it.
    async fn failed(&mut self, problem: Problem) -> Problem {
        while !self.under_way.is_empty() {
            // A later failure of the same upload adds nothing to the first.
            let _ = self.settle().await;
        }
        let Receipt { events, parse_failures, duplicates } = self.receipt;
        problem.with("events", events).with("parse_failures", parse_failures).with("duplicates", duplicates)
    }
}

/// Cuts a stream of bytes into blocks of whole lines.
struct Lines {
    text: Vec<u8>,
    /// How much of the text is known to hold no line end: a long line is looked through once.
    searched: usize,
    offset: u64,
    longest: usize,
}

impl Lines {
    fn new(longest: usize) -> Lines {
        Lines { text: Vec::new(), searched: 0, offset: 0, longest }
    }

    /// A block, once there is enough for one. Where it ends is for the text alone to say, so that a file that is sent again is cut
    /// alike.
    fn block(&mut self) -> Option<(u64, Bytes)> {
        if self.text.len() < BLOCK {
            return None;
        }
        let within = if self.searched == 0 { memchr::memrchr(b'\n', &self.text[..BLOCK]) } else { None };
        let from = self.searched.max(BLOCK);
        let behind = || memchr::memchr(b'\n', &self.text[from..self.text.len().min(self.longest).max(from)]);
        let end = match within.or_else(|| behind().map(|end| from + end)) {
            Some(end) => end + 1,
            None if self.text.len() >= self.longest => self.longest,
            None => {
                self.searched = self.text.len();
                return None;
            }
        };
        let rest = self.text.split_off(end);
        self.cut(rest)
    }

    fn rest(&mut self) -> Option<(u64, Bytes)> {
        if self.text.is_empty() { None } else { self.cut(Vec::new()) }
    }

    fn cut(&mut self, rest: Vec<u8>) -> Option<(u64, Bytes)> {
        let block = std::mem::replace(&mut self.text, rest);
        self.searched = 0;
        let offset = self.offset;
        self.offset += block.len() as u64;
        Some((offset, block.into()))
    }
}

async fn text(mut part: Part) -> Result<String, Problem> {
    let name = part.name().to_owned();
    let mut bytes = Vec::new();
    while let Some(piece) = part.data().await {
        let mut piece = piece.map_err(broken_form)?;
        bytes.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
        if bytes.len() > LONGEST_TEXT {
            return Err(Problem::bad_request(format!("the part `{name}` is longer than {LONGEST_TEXT} bytes")));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::bad_request(format!("the part `{name}` is not UTF-8")))
}

fn broken_form(_: warp::Error) -> Problem {
    Problem::bad_request("the form is broken or ended early: curl -F file=@auth.log -F source=web1 …/ingest")
}

fn damaged(error: UnpackError) -> Problem {
    Problem::bad_request(format!("the file cannot be unpacked: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines_and_lose_nothing() {
        let line = b"Dec 10 06:55:46 LabSZ sshd[24200]: reverse mapping\n";
        let all: Vec<u8> = line.iter().copied().cycle().take(3 * BLOCK + 17).collect();
        let mut lines = Lines::new(2 * BLOCK);
        let mut out = Vec::new();
        for piece in all.chunks(10_007) {
            lines.text.extend_from_slice(piece);
            while let Some((offset, block)) = lines.block() {
                assert_eq!(offset, out.len() as u64);
                assert!(block.ends_with(b"\n"));
                out.extend_from_slice(&block);
            }
        }
        out.extend_from_slice(&lines.rest().unwrap().1);
        assert!(out == all && lines.rest().is_none());
    }

    #[test]
    fn a_file_that_comes_again_is_cut_alike() {
        let text: Vec<u8> = (0..400_000).flat_map(|n: u64| format!("{}\n", n * n * n).into_bytes()).collect();
        let cuts = |piece: usize| -> Vec<u64> {
            let mut lines = Lines::new(2 * BLOCK);
            let mut cuts = Vec::new();
            for piece in text.chunks(piece) {
                lines.text.extend_from_slice(piece);
                cuts.extend(std::iter::from_fn(|| lines.block()).map(|(offset, _)| offset));
            }
            cuts
        };
        assert!(cuts(999).len() > 2);
        assert_eq!(cuts(999), cuts(3_000_000));
    }

    #[test]
    fn an_endless_line_is_kept_in_pieces() {
        let mut lines = Lines { text: vec![b'x'; 5 * BLOCK], ..Lines::new(2 * BLOCK) };
        assert_eq!(lines.block().unwrap().1.len(), 2 * BLOCK);
        assert_eq!(lines.block().unwrap().1.len(), 2 * BLOCK);
        assert!(lines.block().is_none());
        assert_eq!(lines.rest().unwrap().1.len(), BLOCK);
    }
}
