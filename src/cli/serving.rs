//! What `weir run` and `weir demo` share: engine, collectors and page, started and stopped together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::store::{self, Writing};
use crate::archive;
use crate::archive::remote::Uploads;
use crate::collect::{self, follow, generate, stdin, syslog};
use crate::engine::counted;
use crate::engine::live::{self, Cluster};
use crate::engine::reload::Reloader;
use crate::engine::rules::{Origin, Rules};
use crate::event::raw::{RawLog, Source};
use crate::event::time;
use crate::metrics::Metrics;
use crate::query::sandbox::{Limits, Sandbox, SandboxError};
use crate::serve::{self, Hub, Lookup, Reload, RuleInfo, Search, SearchError, Sql, Unloadable};
use crate::{ingest, query};

/// How often it is looked whether rule files changed.
const LOOK: Duration = Duration::from_secs(1);
/// Searches of the archive at a time.
const SEARCHES: usize = 2;

/// Statements of strangers at a time.
const STATEMENTS: usize = 2;

/// What to run.
pub(super) struct Settings {
    pub(super) rules: Rules,
    /// Where the rules are read again from.
    pub(super) origin: Origin,
    pub(super) data: PathBuf,
    /// Its home.
    pub(super) store: Writing,
    pub(super) archive: archive::Settings,
    pub(super) listen: SocketAddr,
    /// µs.
    pub(super) lateness: i64,
    pub(super) workers: usize,
    /// The processes that run the rules together, if they are several.
    pub(super) cluster: Option<Cluster>,
    pub(super) ingest: ingest::Settings,
    pub(super) collectors: Collectors,
}

/// Where lines come from.
#[derive(Default)]
pub(super) struct Collectors {
    pub(super) files: Vec<PathBuf>,
    pub(super) stdin: bool,
    pub(super) syslog_udp: Option<SocketAddr>,
    pub(super) syslog_tcp: Option<SocketAddr>,
    pub(super) format: Option<String>,
    pub(super) demo: Option<Demo>,
}

/// Made-up logs in real time.
pub(super) struct Demo {
    /// Lines a second.
    pub(super) rate: u64,
    pub(super) seed: u64,
}

/// Runs until Ctrl-C or SIGTERM, then stores what was received and ends.
pub(super) fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(run(settings));
    // A thread may still wait for a line of standard input; it must not hold the end back.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let Settings { rules, origin, data, store: home, archive, listen, lateness, workers, cluster, ingest, collectors } =
        settings;
    let (hub, metrics) = (Hub::new(serve::live::Settings::default()), Arc::new(Metrics::new()));
    // An address that cannot be had is said before anything is opened.
    let stop = CancellationToken::new();
    let reserved = serve::reserve(listen).await?;
    home.claim(&data)?;
    let held: Vec<String> = collectors.files.iter().map(|f| f.to_string_lossy().into_owned()).collect();
    if let Some(cluster) = &cluster {
        live::end_on_loss(cluster);
    }
    let engine = live::start(
        live::Settings {
            data: data.clone(),
            rules,
            origin,
            workers,
            cluster: cluster.clone(),
            lateness,
            ingest,
            archive,
            held,
        },
        hub.clone(),
        metrics.clone(),
    )?;
    let uploads = Uploads::start(&data, store::told(metrics.clone()))?;
    let rules = engine.reloader.rules();
    let context = Arc::new(serve::Context {
        hub: hub.clone(),
        ingest: engine.blocks.clone(),
        metrics,
        search: search(&data),
        evidence: lookup(&data),
        sql: sql(&data),
        rules: RwLock::new(rules.program.rules.iter().map(RuleInfo::from).collect()),
        reload: reload(engine.reloader.clone()),
        limits: serve::Limits::default(),
    });
    let checkpoints = engine.checkpoints.iter().map(position).collect();
    start(collectors, checkpoints, &engine.blocks, &stop).await?;
    let going = stop.clone();
    // From here on a hang-up is a request to read the rules again, and no longer the end.
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    tokio::spawn(watch(engine.reloader.clone(), context.clone(), hangup, stop.clone()));
    let (address, server) = serve::serve(reserved, context, async move { going.cancelled().await })?;
    eprintln!(
        "weir: http://{address}/ shows {} at work on {}; Ctrl-C stops",
        counted(rules.program.rules.len(), "rule"),
        data.display()
    );
    if let Some(cluster) = &cluster {
        eprintln!("weir: {}", place(cluster));
    }
    let server = tokio::spawn(server);
    let mut left = engine.left.clone();
    let ended = tokio::select! {
        interrupted = interrupted() => {
            interrupted?;
            eprintln!("weir: stopping, storing what was received");
            ExitCode::SUCCESS
        }
        Some(process) = another(&mut left) => {
            let address = cluster.as_ref().map_or("", |cluster| cluster.address(process));
            eprintln!(
                "weir: process {process} at {address} was stopped, so this one stops, too, and stores what was received; \
                 start it again, then start this process again"
            );
            ExitCode::from(2)
        }
    };
    stop.cancel();
    // The server's clone of the channel goes with it.
    server.await.context("the web server panicked; please report it with the log")?;
    let joined = tokio::task::spawn_blocking(move || engine.join());
    tokio::select! {
        joined = joined => joined??,
        // The other processes may take their time.
        interrupted = interrupted(), if cluster.is_some() => {
            interrupted?;
            anyhow::bail!("stopped before the other processes did; what was accepted is on disk");
        }
    }
    if let Some(uploads) = uploads {
        let finished = tokio::task::spawn_blocking(move || uploads.finish());
        tokio::select! {
            finished = finished => finished?,
            interrupted = interrupted() => {
                interrupted?;
                anyhow::bail!("stopped before all was in the store; it is kept in {}, and goes there later", data.display());
            }
        }
    }
    Ok(ended)
}

/// What this process is among several.
fn place(cluster: &Cluster) -> String {
    let (process, processes) = (cluster.process(), cluster.processes());
    match process {
        0 => format!("process 0 of {processes}: the alerts of all are kept and shown here"),
        _ => format!(
            "process {process} of {processes}: alerts are kept and shown by process 0 at {}",
            cluster.address(0)
        ),
    }
}

/// Another process that has stopped; `None` when the engine has ended.
async fn another(left: &mut tokio::sync::watch::Receiver<Option<usize>>) -> Option<usize> {
    left.wait_for(Option::is_some).await.ok().and_then(|process| *process)
}

/// Reads the rules again, beside what goes on.
fn reload(reloader: Arc<Reloader>) -> Reload {
    Arc::new(move || {
        let reloader = reloader.clone();
        Box::pin(async move {
            let failed = |error: tokio::task::JoinError| {
                Err(Unloadable { message: format!("reading the rules failed: {error}"), diagnostics: Vec::new() })
            };
            tokio::task::spawn_blocking(move || reloader.reload()).await.unwrap_or_else(failed)
        })
    })
}

/// Reads the rules again when their files change and on SIGHUP.
async fn watch(
    reloader: Arc<Reloader>,
    context: Arc<serve::Context>,
    mut hangup: tokio::signal::unix::Signal,
    stop: CancellationToken,
) {
    loop {
        let wanted = tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK) => {
                let reloader = reloader.clone();
                tokio::task::spawn_blocking(move || reloader.is_stale()).await.unwrap_or(false)
            }
        };
        if wanted {
            // What is wrong is logged and shown.
            drop(context.reload().await);
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub(super) async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

async fn start(
    collectors: Collectors,
    checkpoints: Vec<collect::Checkpoint>,
    blocks: &Sender<RawLog>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
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
    if !collectors.files.is_empty() {
        let watches = collectors.files.into_iter().map(|path| follow::Watch { path, format: format.clone() }).collect();
        follow::follow(watches, checkpoints, follow::Settings::default(), blocks.clone(), stop.clone(), context)?;
    }
    if let Some(demo) = collectors.demo {
        tokio::spawn(play(demo, blocks.clone(), stop.clone()));
    }
    Ok(())
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

fn position(checkpoint: &crate::archive::Checkpoint) -> collect::Checkpoint {
    collect::Checkpoint {
        path: checkpoint.path.clone(),
        device: checkpoint.device,
        inode: checkpoint.inode,
        offset: checkpoint.offset,
        fingerprint: checkpoint.fingerprint,
        fingerprint_len: checkpoint.fingerprint_len,
    }
}

/// Searches the archive, a few at a time, beside the engine.
fn search(data: &Path) -> Search {
    let (data, places) = (data.to_owned(), Arc::new(tokio::sync::Semaphore::new(SEARCHES)));
    Arc::new(move |request| {
        let (data, places) = (data.clone(), places.clone());
        Box::pin(async move {
            let wanted = query::Search {
                text: request.text,
                filters: request.filters,
                from: request.from,
                to: request.to,
                limit: request.limit,
                ..query::Search::default()
            };
            ask(places, move || query::search(&query::Session::open(&data)?, &wanted)).await
        })
    })
}

/// Finds events by their ids.
fn lookup(data: &Path) -> Lookup {
    let (data, places) = (data.to_owned(), Arc::new(tokio::sync::Semaphore::new(SEARCHES)));
    Arc::new(move |ids| {
        let (data, places) = (data.clone(), places.clone());
        Box::pin(async move { ask(places, move || query::events_by_id(&query::Session::open(&data)?, &ids)).await })
    })
}

/// Runs strangers' statements, each in a process of its own, a few at a time.
fn sql(data: &Path) -> Sql {
    let (data, places) = (data.to_owned(), Arc::new(tokio::sync::Semaphore::new(STATEMENTS)));
    let told = Arc::new(std::sync::Once::new());
    Arc::new(move |request| {
        let (data, places, told) = (data.clone(), places.clone(), told.clone());
        Box::pin(async move {
            let Ok(Ok(place)) = tokio::time::timeout(Duration::from_secs(2), places.acquire_owned()).await else {
                return Err(SandboxError::Busy);
            };
            let answer = tokio::task::spawn_blocking(move || {
                let usual = Limits::default();
                let time = request.time.map_or(usual.time, |time| time.min(usual.time));
                let rows = request.rows.unwrap_or(usual.rows);
                let answer =
                    Sandbox::new(&data, Limits { time, rows, ..usual }).ask(&request.sql, &request.parameters)?;
                drop(place);
                if !answer.weaknesses().is_empty() {
                    let weaknesses = answer.weaknesses().join(", ");
                    told.call_once(|| {
                        tracing::warn!(
                            "this kernel's Landlock keeps SQL of strangers from files, but does not know: {weaknesses}"
                        );
                    });
                }
                Ok(answer.to_json())
            });
            answer.await.unwrap_or_else(|error| Err(SandboxError::Worker(error.to_string())))
        })
    })
}

async fn ask(
    places: Arc<tokio::sync::Semaphore>,
    query: impl FnOnce() -> Result<Vec<serde_json::Value>, query::QueryError> + Send + 'static,
) -> Result<Vec<serde_json::Value>, SearchError> {
    let Ok(Ok(place)) = tokio::time::timeout(Duration::from_secs(5), places.acquire_owned()).await else {
        return Err(SearchError::Busy);
    };
    let answer = tokio::task::spawn_blocking(move || {
        let answer = query();
        drop(place);
        answer
    });
    match answer.await {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(error)) if error.is_users() => Err(SearchError::Refused(error.to_string())),
        Ok(Err(error)) => Err(SearchError::Failed(error.to_string())),
        Err(error) => Err(SearchError::Failed(error.to_string())),
    }
}
