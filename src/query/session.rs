//! A session: DuckDB in memory, with views over one moment of an archive, which can be moved on.
//!
//! `events` is all Parquet files of the manifest and what is only in the log yet; [`super::tables`] has the other
//! views. Times are UTC without a zone, since this DuckDB has no ICU; `now()` and its like are macros of the same kind.
//!
//! A statement that cannot see raw lines is run where the view `events` does not put them together: a session has one
//! database, and a connection for each form of that view.

use std::cell::{Cell, RefCell};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::{ArrowStream, Config, Connection, InterruptHandle, Statement, params_from_iter};

use super::lean::{self, Seen, Sight, Wanted};
use super::place::Place;
use super::shown::{Files, Shown, Waiting, list, real, temporary};
use super::value::Argument;
use super::views::Form;
use super::{QueryError, instants, macros, times};
use crate::archive::{self, Snapshot};
use crate::event::time;

/// Of the machine's memory, what a query may use before it spills to temporary files.
const MEMORY_SHARE: u64 = 2;
const LEAST_MEMORY: u64 = 512 << 20;

/// What a session may use.
pub(super) struct Room<'a> {
    /// Bytes.
    pub(super) memory: u64,
    /// As many as there are cores, unless said.
    pub(super) threads: Option<i64>,
    /// Where to put what does not fit into memory, if anywhere.
    pub(super) spill: Option<&'a Path>,
    /// What a statement could read beside the views.
    pub(super) reads: Reads<'a>,
}

/// What a statement could read beside the views.
pub(super) enum Reads<'a> {
    /// Anything in these folders.
    Folders(&'a [PathBuf]),
    /// The files that the views are made of.
    Sources,
    /// Anything, by whatever setting: where other walls are put to the test.
    #[cfg(test)]
    Anything,
}

/// The data folder of a session, as it is shown.
struct Live {
    data: PathBuf,
    /// What of the archive is shown.
    shown: RefCell<Shown>,
    /// Keeps its files from being removed.
    held: RefCell<Option<Snapshot>>,
    /// Holds the log's tail and what DuckDB spills.
    temporary: tempfile::TempDir,
}

/// DuckDB over an archive as it was when the session was opened, or refreshed.
pub struct Session {
    /// None where it is over files alone.
    live: Option<Live>,
    /// One for each form of `events`, in their order.
    places: [Place; 3],
    /// Parses statements, and runs none of them.
    parser: Connection,
    waiting: RefCell<Waiting>,
    /// Whether a statement may have left something that only one connection knows.
    settled: Cell<bool>,
}

/// Stops what a session runs, from another thread.
#[derive(Clone)]
pub struct Stopper([Arc<InterruptHandle>; 3]);

impl Stopper {
    /// Stops the statement that runs, if any; the session is good for others.
    pub fn stop(&self) {
        self.0.iter().for_each(|handle| handle.interrupt());
    }
}

/// Why views cannot be made over these files: DuckDB does not say which of them it is.
fn unread(files: Option<&Files>, error: &duckdb::Error) -> QueryError {
    let damaged = files.and_then(|files| archive::first_damaged(files.events.iter().map(PathBuf::as_path)));
    damaged.map_or_else(|| QueryError::Setup(error.to_string()), QueryError::from)
}

impl Session {
    /// Opens a session over a data folder, beside whoever writes to it.
    pub fn open(data: &Path) -> Result<Session, QueryError> {
        let (snapshot, temporary) = (archive::snapshot(data)?, temporary()?);
        let shown = Shown::new(data, &snapshot, temporary.path(), 0, None)?;
        let folders = [real(data), temporary.path().to_owned()];
        let reads = Reads::Folders(&folders);
        let room = Room { memory: memory(), threads: None, spill: Some(temporary.path()), reads };
        let session = Session::over(connect(&room)?, &shown.files, &room)?;
        let (data, shown, held) = (data.to_owned(), RefCell::new(shown), RefCell::new(Some(snapshot)));
        Ok(Session { live: Some(Live { data, shown, held, temporary }), ..session })
    }

    /// Opens a session over files, in a database of [`connect`].
    pub(super) fn over(parser: Connection, files: &Files, room: &Room<'_>) -> Result<Session, QueryError> {
        let setup = || {
            if let Some(threads) = room.threads {
                parser.execute_batch(&format!("SET threads = {threads}; SET async_threads = {threads}"))?;
            }
            if room.spill.is_none() {
                parser.execute_batch("SET temp_directory = ''")?;
            }
            // Each statement, on each connection, would read the ends of all files again. They stay as they are.
            parser.execute_batch("SET GLOBAL parquet_metadata_cache = true")?;
            parser.execute_batch(macros::MACROS)?;
            let place = |form| Place::new(form, &parser);
            let places = [place(Form::Whole)?, place(Form::Lean)?, place(Form::Lines)?];
            // Depth, not a wall: the session reads these and nothing else.
            let reads = match room.reads {
                Reads::Folders(folders) => format!("allowed_directories = {}", list(folders)?),
                Reads::Sources => {
                    let files: Vec<PathBuf> = files.all().collect();
                    format!("allowed_paths = {}", list(&files)?)
                }
                #[cfg(test)]
                Reads::Anything => return Ok(places),
            };
            parser.execute_batch(&format!(
                "SET {reads}; SET enable_external_access = false; SET lock_configuration = true"
            ))?;
            Ok(places)
        };
        let places = setup().map_err(|e: duckdb::Error| QueryError::Setup(e.to_string()))?;
        let waiting = Waiting::new(files).map_err(|e| QueryError::Setup(e.to_string()))?;
        Ok(Session { live: None, places, parser, waiting: RefCell::new(waiting), settled: Cell::new(false) })
    }

    /// Shows the archive as it is now. What statements left behind (tables, macros) stays.
    pub fn refresh(&self) -> Result<(), QueryError> {
        let Some(Live { data, shown, held, temporary }) = &self.live else { return Ok(()) };
        let snapshot = archive::snapshot(data)?;
        let next = match shown.borrow().next(data, &snapshot)? {
            Some(number) => Some(Shown::new(data, &snapshot, temporary.path(), number, None)?),
            None => None,
        };
        if let Some(next) = next {
            self.show(&next.files)?;
            shown.replace(next).forget();
        }
        held.replace(Some(snapshot));
        Ok(())
    }

    /// Has these files shown instead of those before.
    fn show(&self, files: &Files) -> Result<(), QueryError> {
        self.waiting.borrow_mut().renew(files, &self.parser).map_err(|e| unread(Some(files), &e))
    }

    /// Makes sure that all events of these times (µs) are shown: in an archive whose home is an object store, files may have
    /// to be fetched.
    pub(super) fn reach(&self, times: &RangeInclusive<i64>) -> Result<(), QueryError> {
        let Some(Live { data, shown, held, temporary }) = &self.live else { return Ok(()) };
        let (held, next) = (held.borrow(), shown.borrow().wider(times));
        let (Some(snapshot), Some((number, times))) = (held.as_ref(), next) else { return Ok(()) };
        let next = Shown::new(data, snapshot, temporary.path(), number, Some(times))?;
        self.show(&next.files)?;
        shown.replace(next).forget();
        Ok(())
    }

    /// Whether files would have to be fetched to show all events; if so, the times of these events, µs.
    pub(super) fn lacks(&self) -> Option<RangeInclusive<i64>> {
        let live = self.live.as_ref()?;
        live.shown.borrow().wider(&times::ALL)?;
        let held = live.held.borrow();
        let files = || held.iter().flat_map(|held| held.files());
        Some(files().map(|f| f.min_time).min()?..=files().map(|f| f.max_time).max()?)
    }

    /// Lets the files go, which may be replaced by others then: before the next statement comes [`Session::refresh`].
    pub fn rest(&self) {
        if let Some(live) = &self.live {
            live.held.replace(None);
        }
    }

    /// Names of all functions and macros.
    pub fn functions(&self) -> Result<Vec<String>, QueryError> {
        let sql = "SELECT DISTINCT function_name FROM duckdb_functions() \
                   WHERE regexp_full_match(function_name, '[a-z][a-z0-9_]*') ORDER BY ALL";
        let names = |parser: &Connection| {
            let mut statement = parser.prepare(sql)?;
            statement.query_map([], |row| row.get(0))?.collect::<duckdb::Result<Vec<String>>>()
        };
        names(&self.parser).map_err(|e| QueryError::sql(&e))
    }

    /// What stops the statements of this session.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.places.each_ref().map(|place| place.connection.interrupt_handle()))
    }

    /// Prepares a statement; of several, all but the last are run.
    pub fn prepare(&self, sql: &str) -> Result<Rows<'_>, QueryError> {
        if sql.trim().is_empty() {
            return Err(QueryError::Sql("there is no statement".to_owned()));
        }
        instants::check(sql).map_err(QueryError::Sql)?;
        let Seen { sight, wanted } = if self.settled.get() { Seen::LASTING } else { self.seen(sql) };
        self.settled.set(sight == Sight::Lasting);
        match sight {
            Sight::Lasting => self.reach(&times::ALL)?,
            Sight::Parts | Sight::Lines | Sight::Everything if self.lacks().is_some() => {
                let tree = self.tree(lean::explained(sql));
                let wanted = tree.map_or(Some(times::ALL), |tree| times::times(&tree, time::now()));
                wanted.map_or(Ok(()), |wanted| self.reach(&wanted))?;
            }
            Sight::Parts | Sight::Lines | Sight::Everything => {}
        }
        let form = match sight {
            Sight::Parts => Form::Lean,
            Sight::Lines => Form::Lines,
            Sight::Everything | Sight::Lasting => Form::Whole,
        };
        self.prepare_in(form, wanted, sql)
    }

    /// Prepares a statement that sees `events` in this form, and needs these views.
    pub(super) fn prepare_in(&self, form: Form, wanted: Wanted, sql: &str) -> Result<Rows<'_>, QueryError> {
        let place = &self.places[form as usize];
        let mut waiting = self.waiting.borrow_mut();
        if wanted.alerts {
            self.once(&mut waiting.alerts)?;
        }
        if wanted.events || wanted.sources {
            self.once(&mut waiting.events)?;
        }
        place.make(wanted)?;
        prepare(&place.connection, sql)
    }

    /// Runs a statement that shows files, if it was not.
    fn once(&self, statement: &mut Option<String>) -> Result<(), QueryError> {
        if let Some(sql) = statement {
            let files = self.live.as_ref().map(|live| live.shown.borrow());
            let unread = |error| unread(files.as_ref().map(|shown| &shown.files), &error);
            self.parser.execute_batch(sql).map_err(unread)?;
            *statement = None;
        }
        Ok(())
    }

    /// Prepares a statement of ours over the stored columns.
    pub(super) fn prepare_stored(&self, sql: &str) -> Result<Rows<'_>, QueryError> {
        self.once(&mut self.waiting.borrow_mut().events)?;
        prepare(&self.places[Form::Lean as usize].connection, sql)
    }

    /// What a statement sees of events, and needs.
    pub(super) fn seen(&self, sql: &str) -> Seen {
        self.tree(lean::explained(sql)).map_or(Seen::LASTING, |tree| lean::seen(&tree))
    }

    /// A statement as DuckDB's own parser reads it, in JSON; nothing is run.
    pub(super) fn tree(&self, sql: &str) -> Result<String, QueryError> {
        let tree = self.parser.prepare_cached(lean::PARSE).and_then(|mut parse| {
            let tree: String = parse.query_row([sql], |row| row.get(0))?;
            Ok(tree)
        });
        tree.map_err(|e| QueryError::sql(&e))
    }

    /// Does something, and stops whatever this session runs when that takes longer than `limit`.
    pub fn within<T>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Session) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let stopper = self.stopper();
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let expired = waiting.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
                if expired {
                    stopper.stop();
                }
                expired
            });
            let result = work(self);
            drop(done);
            match (watch.join(), result) {
                (Ok(true), Err(_)) => Err(QueryError::TimedOut(limit.as_secs())),
                (_, result) => result,
            }
        })
    }
}

/// Takes a statement's columns, first alone and then with each batch of rows; says whether it wants more.
pub type Each<'a> = dyn FnMut(&SchemaRef, Option<RecordBatch>) -> Result<bool, QueryError> + 'a;

/// A prepared statement, and then its rows.
pub struct Rows<'session> {
    statement: Statement<'session>,
}

impl Rows<'_> {
    /// Names of the statement's parameters, `$name` without the dollar, in the order in which values are bound.
    pub fn parameters(&self) -> Result<Vec<String>, QueryError> {
        (1..=self.statement.parameter_count())
            .map(|at| self.statement.parameter_name(at).map_err(|e| QueryError::sql(&e)))
            .collect()
    }

    /// Runs it with these values; calls `each` with the columns and then with every batch of rows, until it says stop.
    pub fn run(&mut self, values: &[Argument], each: &mut Each<'_>) -> Result<(), QueryError> {
        let stream: ArrowStream<'_> =
            self.statement.stream_arrow(params_from_iter(values)).map_err(|e| QueryError::sql(&e))?;
        let schema = stream.get_schema();
        if !each(&schema, None)? {
            return Ok(());
        }
        for batch in stream {
            if !each(&schema, Some(batch.map_err(|e| QueryError::sql(&e))?))? {
                break;
            }
        }
        Ok(())
    }

    /// All rows at once, for answers that are known to be small.
    pub fn collect(&mut self, values: &[Argument]) -> Result<Vec<RecordBatch>, QueryError> {
        let mut batches = Vec::new();
        self.run(values, &mut |_, batch| {
            batches.extend(batch);
            Ok(true)
        })?;
        Ok(batches)
    }
}

fn prepare<'session>(connection: &'session Connection, sql: &str) -> Result<Rows<'session>, QueryError> {
    connection.prepare(sql).map(|statement| Rows { statement }).map_err(|e| QueryError::sql(&e))
}

/// A database without tables. It has no threads yet when their number is given.
pub(super) fn connect(room: &Room<'_>) -> Result<Connection, QueryError> {
    let open = || {
        let mut config = Config::default()
            .enable_autoload_extension(false)?
            .with("autoinstall_known_extensions", "false")?
            .max_memory(&format!("{}MiB", room.memory >> 20))?;
        if let Some(path) = room.spill {
            config = config.with("temp_directory", path.to_string_lossy())?;
        }
        if room.threads.is_some() {
            // Unless said, the last follows from the number of threads, and the machine is looked at again.
            config = config.threads(1)?.with("async_threads", "0")?.with("http_client_pool_capacity", "1")?;
        }
        Connection::open_in_memory_with_flags(config)
    };
    open().map_err(|e: duckdb::Error| QueryError::Setup(e.to_string()))
}

/// What a query may use of the machine's memory, bytes.
pub(super) fn memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    (total.unwrap_or(4 << 20) * 1024 / MEMORY_SHARE).max(LEAST_MEMORY)
}
