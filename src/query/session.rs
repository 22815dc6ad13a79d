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
use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::{ArrowStream, Config, Connection, Statement, params_from_iter};

use super::QueryError;
use super::lean::{self, Sight};
use super::value::Argument;
use super::views::{self, Form};
use crate::archive::{self, Encoding, Snapshot};
use crate::event::schema::Columns;

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

/// DuckDB over an archive as it was when the session was opened.
pub struct Session {
    /// One for each form of `events`, in their order.
    places: [Place; 3],
    /// Parses statements, and runs none of them.
    parser: Connection,
    /// Whether a statement may have left something that only one connection knows.
    settled: Cell<bool>,
    /// Keeps the files from being removed.
    _snapshot: Snapshot,
    /// Holds the log's tail and what DuckDB spills.
    _temporary: tempfile::TempDir,
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
        let snapshot = archive::snapshot(data)?;
        let temporary = tempfile::Builder::new()
            .prefix("weir-sql-")
            .tempdir()
            .map_err(|source| QueryError::Io { action: "cannot make a temporary folder", source })?;
        let parser = connect(temporary.path()).map_err(|e| QueryError::Setup(e.to_string()))?;
        let files = event_files(&snapshot, temporary.path())?;
        let alerts = archive::alerts_file(data);
        let alerts = if alerts.exists() { alerts } else { empty_file(temporary.path())? };
        let setup = || {
            parser.execute_batch(MACROS)?;
            parser.execute_batch(&format!(
                "CREATE VIEW stored_events AS FROM read_parquet([{}], union_by_name = true, hive_partitioning = false)",
                files.join(", ")
            ))?;
            parser.execute_batch(&format!(
                "CREATE VIEW stored_alerts AS FROM read_json({}, format = 'newline_delimited', ignore_errors = true, \
                 columns = {ALERT_COLUMNS})",
                literal(&alerts)?
            ))?;
            parser.execute_batch(ALERTS)?;
            let place = |form| Place::new(form, &parser);
            let places = [place(Form::Whole)?, place(Form::Lean)?, place(Form::Lines)?];
            // Depth, not a wall: the session reads these folders and nothing else.
            parser.execute_batch(&format!(
                "SET allowed_directories = [{}, {}]; SET enable_external_access = false; SET lock_configuration = true",
                literal(&data.canonicalize().unwrap_or_else(|_| data.to_owned()))?,
                literal(temporary.path())?
            ))?;
            Ok(places)
        };
        let places = setup().map_err(|e: duckdb::Error| QueryError::Setup(e.to_string()))?;
        Ok(Session { places, parser, settled: Cell::new(false), _snapshot: snapshot, _temporary: temporary })
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
        let tree = self.parser.prepare_cached(lean::PARSE).and_then(|mut parse| {
            let tree: String = parse.query_row([lean::explained(sql)], |row| row.get(0))?;
            Ok(tree)
        });
        tree.map_or(Sight::Lasting, |tree| lean::sight(&tree))
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

fn connect(temporary: &Path) -> duckdb::Result<Connection> {
    let config = Config::default()
        .enable_autoload_extension(false)?
        .max_memory(&format!("{}MiB", memory() >> 20))?
        .with("temp_directory", temporary.to_string_lossy())?;
    Connection::open_in_memory_with_flags(config)
}

fn memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    (total.unwrap_or(4 << 20) * 1024 / MEMORY_SHARE).max(LEAST_MEMORY)
}

/// The Parquet files, after one that is empty and has all columns: it gives them their order and types. The log's tail
/// becomes a file like the others.
fn event_files(snapshot: &Snapshot, temporary: &Path) -> Result<Vec<String>, QueryError> {
    let encoding = Encoding { level: 1, bloom: false, ..Encoding::default() };
    let schema = temporary.join("schema.parquet");
    archive::write_file(&schema, &[], &Columns::all(), &encoding)?;
    let mut files = vec![schema];
    files.extend(snapshot.paths());
    let tail = snapshot.tail()?;
    if !tail.is_empty() {
        let mut columns = Columns::none();
        tail.iter().for_each(|batch| columns.extend(&Columns::of(batch)));
        let path = temporary.join("tail.parquet");
        archive::write_file(&path, &tail, &columns, &encoding)?;
        files.push(path);
    }
    files
        .iter()
        .map(|path| {
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            literal(&path).map_err(|e| QueryError::Setup(e.to_string()))
        })
        .collect()
}

fn empty_file(temporary: &Path) -> Result<std::path::PathBuf, QueryError> {
    let path = temporary.join("alerts.ndjson");
    fs::write(&path, "").map_err(|source| QueryError::Io { action: "cannot write a temporary file", source })?;
    Ok(path)
}

/// A path as an SQL text literal. It is ours or the user's own, and cannot be bound where views are defined.
fn literal(path: &Path) -> duckdb::Result<String> {
    match path.to_str() {
        Some(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        None => Err(duckdb::Error::InvalidPath(path.to_owned())),
    }
}
