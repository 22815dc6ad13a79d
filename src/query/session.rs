//! A session: DuckDB in memory, with views over one moment of an archive.
//!
//! `events` is all Parquet files of the manifest and what is only in the log yet, `alerts` the alerts
//! that stand, `alert_changes` everything that was ever said of them. Times are UTC without a zone,
//! since this DuckDB has no ICU; `now()` and its like are macros of the same kind.
//!
//! A statement that cannot see raw lines is run where the view `events` does not put them together: a session has one
//! database, and a connection for each form of that view.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::{ArrowStream, Config, Connection, Statement, params_from_iter};

use super::QueryError;
use super::lean::{self, Sight};
use super::sources::{Sources, real};
use super::value::Argument;
use super::views::{self, Form};
use crate::archive::Snapshot;

/// Of the machine's memory, what a query may use before it spills to temporary files.
const MEMORY_SHARE: u64 = 2;
const LEAST_MEMORY: u64 = 512 << 20;

const MACROS: &str = "
CREATE MACRO now() AS system.main.now()::TIMESTAMP;
CREATE MACRO get_current_timestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO current_localtimestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO localtimestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO today() AS system.main.now()::TIMESTAMP::DATE;
CREATE MACRO current_date() AS system.main.now()::TIMESTAMP::DATE;
";

const ALERTS: &str = r#"
CREATE VIEW alert_changes AS
SELECT n, change, cause, "at"::TIMESTAMP AS changed_at, "by" AS superseded_by, alert.id AS id, alert.rule AS rule,
    alert.severity AS severity, alert.title AS title, alert.key AS key,
    alert.first::TIMESTAMP AS first, alert.last::TIMESTAMP AS last, alert.count AS count,
    alert.evidence AS evidence, alert.attack AS attack, alert.tags AS tags, alert.runbook AS runbook, alert.risk AS risk
FROM (SELECT row_number() OVER () AS n, * FROM stored_alerts);
CREATE VIEW alerts AS
SELECT id, rule, severity, title, key, first, last, count, evidence, attack, tags, runbook, risk, change, changed_at
FROM (FROM alert_changes QUALIFY row_number() OVER (PARTITION BY id ORDER BY n DESC) = 1)
WHERE change IN ('added', 'changed');
"#;

const ALERT_COLUMNS: &str = "{change: 'VARCHAR', cause: 'VARCHAR', \"at\": 'VARCHAR', \"by\": 'VARCHAR', alert: 'STRUCT(id VARCHAR, \
    rule VARCHAR, severity VARCHAR, title VARCHAR, \"key\" MAP(VARCHAR, VARCHAR), \"first\" VARCHAR, \"last\" VARCHAR, \"count\" UBIGINT, \
    evidence UUID[], attack VARCHAR[], tags VARCHAR[], runbook VARCHAR, risk BIGINT)'}";

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

/// DuckDB over an archive as it was when the session was opened.
pub struct Session {
    /// One for each form of `events`, in their order.
    places: [Place; 3],
    /// Parses statements, and runs none of them.
    parser: Connection,
    /// Whether a statement may have left something that only one connection knows.
    settled: Cell<bool>,
    /// Keeps the files from being removed.
    _snapshot: Option<Snapshot>,
    /// Holds the log's tail and what DuckDB spills.
    _temporary: Option<tempfile::TempDir>,
}

/// A connection that sees `events` in one form.
struct Place {
    form: Form,
    connection: Connection,
    /// Whether the view is there: it is made when it is first needed, since that reads the end of every file.
    made: Cell<bool>,
}

impl Place {
    fn new(form: Form, database: &Connection) -> duckdb::Result<Place> {
        let connection = database.try_clone()?;
        if form != Form::Whole {
            let schema = form.schema();
            connection.execute_batch(&format!("CREATE SCHEMA {schema}; SET search_path = '{schema},main'"))?;
        }
        Ok(Place { form, connection, made: Cell::new(false) })
    }

    fn prepare(&self, sql: &str) -> Result<Rows<'_>, QueryError> {
        if !self.made.get() {
            let make = views::events(self.form);
            self.connection.execute_batch(&make).map_err(|e| QueryError::Setup(e.to_string()))?;
            self.made.set(true);
        }
        prepare(&self.connection, sql)
    }
}

impl Session {
    /// Opens a session over a data folder, beside whoever writes to it.
    pub fn open(data: &Path) -> Result<Session, QueryError> {
        let sources = Sources::of(data)?;
        let folders = [real(data), sources.temporary.path().to_owned()];
        let room = Room {
            memory: memory(),
            threads: None,
            spill: Some(sources.temporary.path()),
            reads: Reads::Folders(&folders),
        };
        let session = Session::over(connect(&room)?, &sources.events, &sources.alerts, &room)?;
        Ok(Session { _snapshot: Some(sources.snapshot), _temporary: Some(sources.temporary), ..session })
    }

    /// Opens a session over files, in a database of [`connect`].
    pub(super) fn over(
        parser: Connection,
        events: &[PathBuf],
        alerts: &Path,
        room: &Room<'_>,
    ) -> Result<Session, QueryError> {
        let setup = || {
            if let Some(threads) = room.threads {
                parser.execute_batch(&format!("SET threads = {threads}; SET async_threads = {threads}"))?;
            }
            if room.spill.is_none() {
                parser.execute_batch("SET temp_directory = ''")?;
            }
            parser.execute_batch(MACROS)?;
            parser.execute_batch(&format!(
                "CREATE VIEW stored_events AS FROM read_parquet({}, union_by_name = true, hive_partitioning = false)",
                list(events)?
            ))?;
            parser.execute_batch(&format!(
                "CREATE VIEW stored_alerts AS FROM read_json({}, format = 'newline_delimited', ignore_errors = true, \
                 columns = {ALERT_COLUMNS})",
                literal(alerts)?
            ))?;
            parser.execute_batch(ALERTS)?;
            let place = |form| Place::new(form, &parser);
            let places = [place(Form::Whole)?, place(Form::Lean)?, place(Form::Lines)?];
            // Depth, not a wall: the session reads these and nothing else.
            let reads = match room.reads {
                Reads::Folders(folders) => format!("allowed_directories = {}", list(folders)?),
                Reads::Sources => {
                    let files: Vec<PathBuf> = events.iter().cloned().chain([alerts.to_owned()]).collect();
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
        Ok(Session { places, parser, settled: Cell::new(false), _snapshot: None, _temporary: None })
    }

    /// Prepares a statement; of several, all but the last are run.
    pub fn prepare(&self, sql: &str) -> Result<Rows<'_>, QueryError> {
        if sql.trim().is_empty() {
            return Err(QueryError::Sql("there is no statement".to_owned()));
        }
        let sight = if self.settled.get() { Sight::Lasting } else { self.sight(sql) };
        self.settled.set(sight == Sight::Lasting);
        let form = match sight {
            Sight::Parts => Form::Lean,
            Sight::Lines => Form::Lines,
            Sight::Everything | Sight::Lasting => Form::Whole,
        };
        self.prepare_in(form, sql)
    }

    /// Prepares a statement that sees `events` in this form.
    pub(super) fn prepare_in(&self, form: Form, sql: &str) -> Result<Rows<'_>, QueryError> {
        self.places[form as usize].prepare(sql)
    }

    /// Prepares a statement of ours over the stored columns.
    pub(super) fn prepare_stored(&self, sql: &str) -> Result<Rows<'_>, QueryError> {
        prepare(&self.places[Form::Lean as usize].connection, sql)
    }

    /// What a statement sees of events.
    pub(super) fn sight(&self, sql: &str) -> Sight {
        self.tree(lean::explained(sql)).map_or(Sight::Lasting, |tree| lean::sight(&tree))
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
        let handles = self.places.each_ref().map(|place| place.connection.interrupt_handle());
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let expired = waiting.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
                if expired {
                    handles.iter().for_each(|handle| handle.interrupt());
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

/// A path as an SQL text literal. It is ours or the user's own, and cannot be bound where views are defined.
fn literal(path: &Path) -> duckdb::Result<String> {
    match path.to_str() {
        Some(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        None => Err(duckdb::Error::InvalidPath(path.to_owned())),
    }
}

fn list(paths: &[PathBuf]) -> duckdb::Result<String> {
    let paths: Vec<String> = paths.iter().map(|path| literal(path)).collect::<duckdb::Result<_>>()?;
    Ok(format!("[{}]", paths.join(", ")))
}
