//! Where the lines of a running engine come from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::archive::Checkpoint;
use crate::collect::follow::Watch;
use crate::collect::{self, follow, generate, stdin, syslog};
use crate::event::raw::{RawLog, Source};
use crate::event::time;

/// Where lines come from.
#[derive(Default)]
pub(in crate::cli) struct Collectors {
    pub(in crate::cli) files: Vec<PathBuf>,
    pub(in crate::cli) stdin: bool,
    pub(in crate::cli) syslog_udp: Option<SocketAddr>,
    pub(in crate::cli) syslog_tcp: Option<SocketAddr>,
    pub(in crate::cli) format: Option<String>,
    pub(in crate::cli) demo: Option<Demo>,
}

/// Made-up logs in real time.
pub(in crate::cli) struct Demo {
    /// Lines a second.
    pub(in crate::cli) rate: u64,
    pub(in crate::cli) seed: u64,
}

/// The files that are followed, which may become others.
pub(super) struct Followed {
    watches: watch::Sender<Vec<Watch>>,
    format: Option<Arc<str>>,
}

impl Followed {
    /// Follows these files, folders and patterns from now on.
    pub(super) fn set(&self, paths: Vec<PathBuf>) {
        self.watches.send_replace(watches(paths, self.format.as_ref()));
    }
}

fn watches(paths: Vec<PathBuf>, format: Option<&Arc<str>>) -> Vec<Watch> {
    paths.into_iter().map(|path| Watch { path, format: format.cloned() }).collect()
}

/// Starts all of them. `changes` says that other files may have to be followed later.
pub(super) async fn start(
    collectors: Collectors,
    checkpoints: &[Checkpoint],
    blocks: &Sender<RawLog>,
    stop: &CancellationToken,
    changes: bool,
) -> anyhow::Result<Followed> {
    let context = collect::Context::default();
    let format: Option<Arc<str>> = collectors.format.as_deref().map(Arc::from);
    if let Some(address) = collectors.syslog_udp {
        let settings = syslog::Settings { format: format.clone(), ..syslog::Settings::default() };
        let listener = syslog::udp(address, settings, blocks.clone(), stop.clone(), context.clone()).await?;
        eprintln!("weir: takes syslog+udp://{}", listener.address);
    }
    if let Some(address) = collectors.syslog_tcp {
        let settings = syslog::Settings { format: format.clone(), ..syslog::Settings::default() };
        let listener = syslog::tcp(address, settings, blocks.clone(), stop.clone(), context.clone()).await?;
        eprintln!("weir: takes syslog+tcp://{}", listener.address);
    }
    if collectors.stdin {
        tokio::spawn(stdin::read(format.clone(), blocks.clone(), stop.clone(), context.clone()));
    }
    let follows = changes || !collectors.files.is_empty();
    let (watches, wanted) = watch::channel(watches(collectors.files, format.as_ref()));
    if follows {
        let checkpoints = checkpoints.iter().map(position).collect();
        follow::follow(wanted, checkpoints, follow::Settings::default(), blocks.clone(), stop.clone(), context)?;
    }
    if let Some(demo) = collectors.demo {
        tokio::spawn(play(demo, blocks.clone(), stop.clone()));
    }
    Ok(Followed { watches, format })
}

/// Sends each made-up line when its time has come.
async fn play(demo: Demo, blocks: Sender<RawLog>, stop: CancellationToken) {
    let start = time::now();
    let settings = generate::Settings { rate: demo.rate as f64, ..generate::Settings::demo(demo.seed, start) };
    let mut lines = generate::Generator::new(settings).peekable();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let now = time::now();
        let mut due: std::collections::BTreeMap<&'static str, String> = std::collections::BTreeMap::new();
        while let Some(line) = lines.next_if(|l| l.time <= now) {
            let text = due.entry(line.source.file()).or_default();
            text.push_str(&line.text);
            text.push('\n');
        }
        for (name, text) in due {
            let block = RawLog {
                source: Source::stream(format!("demo/{name}")),
                lines: text.into(),
                offset: 0,
                received: now,
                acknowledge: None,
            };
            if blocks.send(block).await.is_err() {
                return;
            }
        }
    }
}

fn position(checkpoint: &Checkpoint) -> collect::Checkpoint {
    collect::Checkpoint {
        path: checkpoint.path.clone(),
        device: checkpoint.device,
        inode: checkpoint.inode,
        offset: checkpoint.offset,
        fingerprint: checkpoint.fingerprint,
        fingerprint_len: checkpoint.fingerprint_len,
    }
}
