//! What `weir run` and `weir demo` share: engine, collectors and page, started and stopped together.

mod again;
mod collectors;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::settings::SettingsFile;
use super::signals::Signals;
use super::store::{self, Writing};
use crate::archive;
use crate::archive::remote::Uploads;
use crate::engine::counted;
use crate::engine::live::{self, Cluster};
use crate::engine::rules::{Origin, Rules};
use crate::metrics::Metrics;
use crate::query::sandbox::{Limits, Sandbox, SandboxError};
use crate::serve::{self, Hub, Lookup, RuleInfo, Search, SearchError, Sql};
use crate::{ingest, query};

pub(super) use collectors::{Collectors, Demo};

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
    /// What some of this was read from.
    pub(super) file: Option<SettingsFile>,
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
    let Settings { rules, origin, data, store: home, archive, listen, lateness, workers, cluster, .. } = settings;
    let Settings { ingest, collectors, file, .. } = settings;
    let kept = archive.retention.clone();
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
    let followed = collectors::start(collectors, &engine.checkpoints, &engine.blocks, &stop, file.is_some()).await?;
    let again = Arc::new(again::Again {
        rules: engine.reloader.clone(),
        settings: file,
        followed,
        kept,
        hub: hub.clone(),
        metrics: metrics.clone(),
    });
    let context = Arc::new(serve::Context {
        hub: hub.clone(),
        ingest: engine.blocks.clone(),
        metrics,
        search: search(&data),
        evidence: lookup(&data),
        sql: sql(&data),
        rules: RwLock::new(rules.program.rules.iter().map(RuleInfo::from).collect()),
        reload: again::reload(again.clone()),
        limits: serve::Limits::default(),
    });
    let going = stop.clone();
    // From here on a hang-up is a request to read the rules again, and no longer the end.
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    tokio::spawn(again::watch(again, context.clone(), hangup, stop.clone()));
    // Who reads that it serves may stop it in the same moment.
    let mut signals = Signals::listen()?;
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
        () = signals.next() => {
            eprintln!("weir: stopping, storing what was received; Ctrl-C again does not wait for that");
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
        // The other processes may take their time, and a full disk for ever.
        () = signals.next() => {
            let before = if cluster.is_some() { "the other processes did" } else { "all was stored" };
            anyhow::bail!("stopped before {before}; what was accepted is on disk, and files are read on from there");
        }
    }
    if let Some(uploads) = uploads {
        let finished = tokio::task::spawn_blocking(move || uploads.finish());
        tokio::select! {
            finished = finished => finished?,
            () = signals.next() => {
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
