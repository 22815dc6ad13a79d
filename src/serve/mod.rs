//! The page and the API, on warp.
//!
//! In: the live state ([`live::Hub`]), a channel to the engine for what is posted, and functions that
//! search the archive. Out: the page at `/`, JSON under `/api/v1`, `/ingest`, `/health` and
//! `/metrics`. There is no sign-in yet, so the server listens on a loopback address only, and
//! `guard` refuses what a foreign web page could make a browser send there.

mod api;
mod assets;
mod guard;
pub mod live;
mod problem;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::alert::Severity;
use crate::event::EventId;
use crate::event::raw::RawLog;
use crate::metrics::Metrics;
use crate::query::Argument;
use crate::query::sandbox::SandboxError;
use crate::rule::{Diagnostic, plan};

pub use live::Hub;
use problem::Problem;

/// How long open requests may take once the server goes down.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Everything the routes need.
pub struct Context {
    /// The live state.
    pub hub: Arc<Hub>,
    /// Where posted lines go. Closing the receiver refuses them.
    pub ingest: tokio::sync::mpsc::Sender<RawLog>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Searches the archive; events come newest first.
    pub search: Search,
    /// Finds events by id, in any order; those that are not found are left out.
    pub evidence: Lookup,
    /// Runs a stranger's statement.
    pub sql: Sql,
    /// The rules that run, by name; replaced when they are loaded anew.
    pub rules: RwLock<Vec<RuleInfo>>,
    /// Reads the rules again.
    pub reload: Reload,
    /// Bounds on what is posted.
    pub limits: Limits,
}

/// Searches the archive. Events are JSON objects with dotted names, as [`crate::event::EventBatch::to_json`] makes them.
pub type Search =
    Arc<dyn Fn(SearchRequest) -> BoxFuture<'static, Result<Vec<serde_json::Value>, SearchError>> + Send + Sync>;

/// Finds events by id.
pub type Lookup =
    Arc<dyn Fn(Vec<EventId>) -> BoxFuture<'static, Result<Vec<serde_json::Value>, SearchError>> + Send + Sync>;

/// Runs a stranger's statement where it can do no harm. Out comes what [`crate::query::sandbox::Answer::to_json`] makes.
pub type Sql = Arc<dyn Fn(SqlRequest) -> BoxFuture<'static, Result<serde_json::Value, SandboxError>> + Send + Sync>;

/// A stranger's statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SqlRequest {
    /// The statement.
    pub sql: String,
    /// Values of its parameters, by name.
    pub parameters: BTreeMap<String, Argument>,
    /// At most so many rows, if it says.
    pub rows: Option<usize>,
    /// At most so long, if it says.
    pub time: Option<Duration>,
}

/// Reads the rules again, and lets them run if they are right.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<Reloaded, Unloadable>> + Send + Sync>;

/// Rules that were read again, and run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reloaded {
    /// All of them, by name.
    #[serde(skip)]
    pub rules: Vec<RuleInfo>,
    /// Names of those that are new.
    pub added: Vec<String>,
    /// Names of those that say something else.
    pub changed: Vec<String>,
    /// Names of those that are gone.
    pub removed: Vec<String>,
    /// Paths of the lists that hold something else.
    pub lists: Vec<String>,
    /// Names of the settings that are others, and count from now on.
    pub settings: Vec<String>,
}

/// Rules that were read again and do not run: those of before do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unloadable {
    /// What is wrong, and where.
    pub message: String,
    /// All that is wrong in the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Context {
    /// Reads the rules again.
    pub async fn reload(&self) -> Result<Reloaded, Unloadable> {
        let reloaded = (self.reload)().await?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = reloaded.rules.clone();
        Ok(reloaded)
    }
}

/// What to search for; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// Text that the message or the raw line contains, without regard to case.
    pub text: Option<String>,
    /// Field names (known ones, or `fields.*`) and the value each must have; on a list one element must have it.
    pub filters: Vec<(String, String)>,
    /// Earliest time, µs UTC.
    pub from: Option<i64>,
    /// Latest time, µs UTC.
    pub to: Option<i64>,
    /// At most so many events.
    pub limit: usize,
}

/// Why a search gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It cannot be asked like that.
    #[error("{0}")]
    Refused(String),
    /// Too many searches run already.
    #[error("the archive is busy: try again in a moment")]
    Busy,
    /// It took too long.
    #[error("the search took too long: name a time range or another filter")]
    TimedOut,
    /// It went wrong.
    #[error("the search failed: {0}")]
    Failed(String),
}

/// Bounds on requests.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one `POST /api/v1/events`, unpacked.
    pub body: usize,
    /// Bytes of one uploaded file, unpacked.
    pub upload: u64,
    /// Bytes of a line of an uploaded file; a longer one is kept in pieces.
    pub line: usize,
    /// How long a request waits for room in the queue before it is told to come again.
    pub patience: Duration,
    /// How long a request waits until its events are durable.
    pub durable: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 32 << 20,
            upload: 8 << 30,
            line: 16 << 20,
            patience: Duration::from_secs(2),
            durable: Duration::from_secs(60),
        }
    }
}

/// What the page shows of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleInfo {
    /// Its unique name.
    pub name: String,
    /// Its title, with the names of its values in braces.
    pub title: String,
    /// Longer text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Severity of its alerts.
    pub severity: Severity,
    /// ATT&CK technique ids.
    pub attack: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The file it came from.
    pub file: String,
}

impl From<&plan::Rule> for RuleInfo {
    fn from(rule: &plan::Rule) -> RuleInfo {
        let hole = |field: Option<&plan::FieldRef>| field.map_or_else(String::new, |f| format!("{{{}}}", f.name()));
        let title = rule.title.pieces.iter().map(|piece| match piece {
            plan::Piece::Text(text) => text.clone(),
            plan::Piece::Count => "{count}".to_owned(),
            plan::Piece::Key(at) => hole(rule.key.get(*at)),
            plan::Piece::Value { slot, .. } => hole(rule.payload.get(*slot)),
        });
        RuleInfo {
            name: rule.name.clone(),
            title: title.collect(),
            description: rule.description.clone(),
            severity: rule.severity,
            attack: rule.attack.clone(),
            tags: rule.tags.clone(),
            file: rule.file.to_string(),
        }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Anybody on the network could read every log.
    #[error(
        "refusing to listen on {0}: there is no sign-in yet, so only a loopback address is safe; use `--listen 127.0.0.1:{port}` \
         and reach it from elsewhere through `ssh -L {port}:127.0.0.1:{port} HOST`",
        port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// Somebody listens there already.
    #[error(
        "port {port} of {ip} is in use: stop what listens there, or use another port (`--listen {address}`), or any free one (`--listen {any}`)",
        port = .0.port(),
        ip = .0.ip(),
        address = SocketAddr::new(.0.ip(), .0.port().checked_add(1).unwrap_or(8080)),
        any = SocketAddr::new(.0.ip(), 0)
    )]
    PortInUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// All routes. Every request gets an answer; none is rejected.
pub fn routes(context: Arc<Context>) -> BoxedFilter<(Response,)> {
    guard::guard()
        .and(api::routes(context).or(assets::routes()).unify())
        .recover(refuse)
        .unify()
        .map(guard::harden)
        .boxed()
}

async fn refuse(rejection: Rejection) -> Result<Response, Rejection> {
    Ok(Problem::from_rejection(&rejection).into())
}

/// [`reserve`] and [`serve`] in one.
pub async fn bind(
    address: SocketAddr,
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(SocketAddr, BoxFuture<'static, ()>), ServeError> {
    serve(reserve(address).await?, context, shutdown)
}

/// A loopback address to serve at.
pub struct Reserved {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

/// Takes the address, and says at once when it cannot be had.
pub async fn reserve(address: SocketAddr) -> Result<Reserved, ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::PortInUse(address),
        _ => ServeError::Listen(address, error),
    })?;
    Ok(Reserved { listener, address })
}

/// Serves there: the future runs until `shutdown`, then lets open requests end (streams at once, others within seconds).
pub fn serve(
    reserved: Reserved,
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(SocketAddr, BoxFuture<'static, ()>), ServeError> {
    let Reserved { listener, address } = reserved;
    let bound = listener.local_addr().map_err(|error| ServeError::Listen(address, error))?;
    let hub = context.hub.clone();
    let (going_down, gone_down) = tokio::sync::oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        hub.close();
        let _ = going_down.send(());
    };
    let server = warp::serve(routes(context)).incoming(listener).graceful(shutdown).run();
    let deadline = async {
        if gone_down.await.is_ok() {
            tokio::time::sleep(LAST_REQUESTS).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let run = async move {
        tokio::select! {
            () = server => {}
            () = deadline => {}
        }
    };
    Ok((bound, Box::pin(run)))
}

#[cfg(test)]
mod tests;
