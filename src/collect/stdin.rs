//! Standard input as a live source: lines go on as they come, the last one with or without a newline.
//! In: bytes on standard input (or any reader). Out: [`RawLog`] blocks named `stdin`.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::live::Pending;
use super::{CollectError, Context, Counters, MAX_LINE};
use crate::event::raw::{RawLog, Source};

/// Reads standard input until its end, until `stop` is cancelled, or until the engine stops.
pub async fn read(format: Option<Arc<str>>, sender: Sender<RawLog>, stop: CancellationToken, context: Context) {
    let source = Source { format, ..Source::stream("stdin") };
    read_from(io::stdin(), source, sender, stop, context).await;
}

/// The same for any reader. Its thread is left behind when it blocks at the end: a read cannot be interrupted.
pub async fn read_from(
    reader: impl Read + Send + 'static,
    source: Source,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
) {
    let name = source.name.clone();
    let (chunks_in, mut chunks) = mpsc::channel(4);
    let thread = thread::Builder::new().name("weir-stdin".to_owned());
    if let Err(source) = thread.spawn(move || read_chunks(reader, &chunks_in)) {
        return context.failed(&CollectError::Thread { source });
    }
    let mut lines = Lines { pending: Pending::new(source), unfinished: Vec::new(), cuts: 0 };
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => break,
            next = timeout_at(lines.pending.due(), chunks.recv()) => next,
        };
        match next {
            Ok(Some(Ok(chunk))) => lines.push(&chunk),
            Ok(Some(Err(source))) => context.failed(&CollectError::Stream { name: name.to_string(), source }),
            Ok(None) => break,
            Err(_) => {
                if !lines.pending.send(&sender).await {
                    return;
                }
            }
        }
        if lines.pending.is_full() && !lines.pending.send(&sender).await {
            return;
        }
    }
    lines.finish();
    lines.pending.send(&sender).await;
    Counters::add(&context.counters.split_lines, lines.cuts);
}

fn read_chunks(mut reader: impl Read, chunks: &Sender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let chunk = match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => Ok(buffer[..n].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if chunks.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

/// Turns chunks into whole lines.
struct Lines {
    pending: Pending,
    unfinished: Vec<u8>,
    cuts: u64,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) {
        match memchr::memrchr(b'\n', chunk) {
            Some(newline) => {
                let lines = self.pending.lines();
                lines.append(&mut self.unfinished);
                lines.extend_from_slice(&chunk[..=newline]);
                self.unfinished.extend_from_slice(&chunk[newline + 1..]);
            }
            None => self.unfinished.extend_from_slice(chunk),
        }
        if self.unfinished.len() >= MAX_LINE {
            self.cuts += 1;
            self.finish();
        }
    }

    /// Ends the unfinished line where it stands.
    fn finish(&mut self) {
        if !self.unfinished.is_empty() {
            let lines = self.pending.lines();
            lines.append(&mut self.unfinished);
            lines.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collect(reader: impl Read + Send + 'static) -> Vec<u8> {
        let (sender, mut receiver) = mpsc::channel(2);
        let source = Source::stream("stdin");
        tokio::spawn(read_from(reader, source, sender, CancellationToken::new(), Context::default()));
        let mut all = Vec::new();
        while let Some(block) = receiver.recv().await {
            assert!(block.lines.ends_with(b"\n"));
            all.extend_from_slice(&block.lines);
        }
        all
    }

    #[tokio::test]
    async fn lines_come_whole_and_the_last_needs_no_newline() {
        assert_eq!(collect(&b""[..]).await, b"");
        assert_eq!(collect(&b"a\nb"[..]).await, b"a\nb\n");
        let text: Vec<u8> = (0..100_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        assert_eq!(collect(io::Cursor::new(text.clone())).await, text);
    }

    #[tokio::test]
    async fn a_line_goes_on_while_the_stream_stays_open() {
        let (sender, mut receiver) = mpsc::channel(2);
        let (reader, mut writer) = io::pipe().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(read_from(reader, Source::stream("stdin"), sender, stop.clone(), Context::default()));
        io::Write::write_all(&mut writer, b"first\nhalf").unwrap();
        assert_eq!(receiver.recv().await.unwrap().lines, "first\n");
        stop.cancel();
        assert_eq!(receiver.recv().await.unwrap().lines, "half\n");
        task.await.unwrap();
    }
}
