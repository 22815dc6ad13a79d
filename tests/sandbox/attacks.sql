-- What a stranger may try: name and told (part of the answer, or `time`, `memory`, `harmless`), then the statement.
-- {data} is the archive, {out} a file that is not there yet, {secret} a file beside the archive, {link} a link in the archive
-- that leads to it.

-- attack: writes a file
-- told: only a SELECT
COPY (SELECT 1) TO '{out}'

-- attack: writes a file inside of WITH
-- told: COPY is not allowed
WITH x AS (COPY (SELECT 1) TO '{out}') SELECT 1

-- attack: writes a file inside of WITH inside of a subquery
-- told: COPY is not allowed
SELECT (WITH x AS (COPY (SELECT * FROM events) TO '{out}' (FORMAT parquet)) SELECT 1) AS one

-- attack: replaces a file of the archive
-- told: COPY is not allowed
WITH x AS (COPY (SELECT 1) TO '{data}/manifest.json' (FORMAT csv)) SELECT 1

-- attack: exports the database
-- told: only a SELECT
EXPORT DATABASE '{out}'

-- attack: attaches a database file
-- told: only a SELECT
ATTACH '{out}' AS stolen

-- attack: installs an extension
-- told: only a SELECT
INSTALL httpfs

-- attack: loads an extension
-- told: only a SELECT
LOAD '{out}'

-- attack: reads a file as text
-- told: table function `read_text`
SELECT content FROM read_text('{secret}')

-- attack: reads a file as bytes
-- told: table function `read_blob`
SELECT content FROM read_blob('{secret}')

-- attack: reads a file as lines
-- told: table function `read_csv`
SELECT * FROM read_csv('{secret}', header = false, sep = '\0')

-- attack: reads a file by its name alone
-- told: there is no table
FROM '{secret}'

-- attack: reads a file through a link in the archive
-- told: there is no table
SELECT * FROM '{link}'

-- attack: reads a file through the archive's folder
-- told: table function `read_text`
FROM read_text('{data}/../secret.csv')

-- attack: reads the password file
-- told: table function `read_csv_auto`
SELECT * FROM events, read_csv_auto('/etc/passwd')

-- attack: lists folders
-- told: table function `glob`
SELECT * FROM glob('/**')

-- attack: reads what the archive has beside events
-- told: table function `read_parquet`
SELECT * FROM read_parquet('{data}/events/**/*.parquet')

-- attack: reads the environment
-- told: function `getenv`
SELECT getenv('PATH')

-- attack: reads another process
-- told: table function `read_text`
SELECT * FROM read_text('/proc/self/environ')

-- attack: fetches from the network
-- told: table function `read_csv`
SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')

-- attack: fetches from the network by name alone
-- told: there is no table
SELECT * FROM 's3://bucket/file.parquet'

-- attack: asks for settings by PRAGMA
-- told: only a SELECT
PRAGMA database_list

-- attack: changes a setting
-- told: only a SELECT
SET memory_limit = '100GB'

-- attack: takes a lock off
-- told: only a SELECT
SET enable_external_access = true

-- attack: takes a lock off by RESET
-- told: only a SELECT
RESET allowed_paths

-- attack: reads settings
-- told: table function `duckdb_settings`
SELECT * FROM duckdb_settings()

-- attack: reads settings through a view of DuckDB's
-- told: there is no table `duckdb_settings`
SELECT * FROM duckdb_settings

-- attack: reads a setting
-- told: function `current_setting`
SELECT current_setting('allowed_paths')

-- attack: reads secrets
-- told: table function `duckdb_secrets`
FROM duckdb_secrets()

-- attack: lists tables
-- told: there is no table `information_schema.tables`
SELECT * FROM information_schema.tables

-- attack: shows tables
-- told: SHOW is not allowed
SHOW ALL TABLES

-- attack: makes a secret
-- told: only a SELECT
CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')

-- attack: makes a macro
-- told: only a SELECT
CREATE MACRO now() AS 1

-- attack: makes a table
-- told: only a SELECT
CREATE TABLE t AS SELECT * FROM events

-- attack: inserts inside of WITH
-- told: INSERT is not allowed
WITH x AS (INSERT INTO alerts SELECT * FROM alerts RETURNING *) SELECT * FROM x

-- attack: deletes
-- told: only a SELECT
DELETE FROM events

-- attack: stacks statements
-- told: one SELECT
SELECT 1; SELECT 2

-- attack: has all but the last run when it is prepared
-- told: only a SELECT
COPY (SELECT 1) TO '{out}'; SELECT 1

-- attack: stacks after a comment
-- told: only a SELECT
SELECT 1 --
; COPY (SELECT 1) TO '{out}'

-- attack: hides a function in a comment
-- told: table function `read_text`
SELECT content FROM /* events */ read_text/**/('{secret}') -- FROM events

-- attack: hides a statement behind what looks like the end of a comment
-- told: there is no statement
/* SELECT 1; /* */ COPY (SELECT 1) TO '{out}' -- */

-- attack: hides a statement between comments
-- told: only a SELECT
/* SELECT */ COPY /* 1 */ (SELECT 1) TO '{out}' -- FROM events

-- attack: prepares a statement
-- told: only a SELECT
PREPARE p AS SELECT * FROM read_text('{secret}')

-- attack: runs text as a statement
-- told: table function `query`
SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')

-- attack: reads a table that text names
-- told: table function `query_table`
SELECT * FROM query_table('{secret}')

-- attack: runs a tree as a statement
-- told: table function `json_execute_serialized_sql`
FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''{secret}'')'))

-- attack: plans text as a statement
-- told: function `json_serialize_plan`
SELECT json_serialize_plan('FROM read_text(''{secret}'')')

-- attack: names a definition like a file and reads it elsewhere
-- told: cannot be defined
SELECT * FROM (WITH "{secret}" AS (SELECT 1) SELECT * FROM "{secret}"), '{secret}'

-- attack: names a definition like a table of DuckDB and reads that in it
-- told: cannot be defined
WITH duckdb_settings AS (SELECT * FROM duckdb_settings) SELECT * FROM duckdb_settings

-- attack: reads what is defined later
-- told: there is no table `b`
WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a

-- attack: reads what is defined elsewhere
-- told: there is no table `a`
SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a

-- attack: calls a function by its whole name
-- told: function `current_setting`
SELECT system.main.current_setting('allowed_paths')

-- attack: calls a function in capitals and quotes
-- told: function `current_setting`
SELECT "CURRENT_SETTING"('allowed_paths')

-- attack: calls a function behind a value
-- told: function `current_setting`
SELECT 'allowed_paths'.current_setting()

-- attack: calls a function in a list of a list
-- told: function `current_setting`
SELECT list_transform(['allowed_paths'], lambda name: [current_setting(n) FOR n IN [name]])

-- attack: calls a function in the order of a window
-- told: function `getvariable`
SELECT row_number() OVER (ORDER BY getvariable('x')) FROM events

-- attack: calls a function in LIMIT
-- told: function `current_setting`
SELECT 1 FROM events LIMIT current_setting('threads')::BIGINT

-- attack: waits
-- told: function `sleep_ms`
SELECT sleep_ms(100000)

-- attack: writes to the log
-- told: function `write_log`
SELECT write_log('x')

-- attack: explains and runs
-- told: only a SELECT
EXPLAIN ANALYZE SELECT * FROM read_text('{secret}')

-- attack: calls a procedure
-- told: only a SELECT
CALL enable_logging()

-- attack: checks the database point
-- told: table function `force_checkpoint`
SELECT * FROM force_checkpoint()

-- attack: reads the past of a table
-- told: AT
SELECT * FROM events AT (VERSION => 1)

-- attack: fills memory with a list
-- told: memory
SELECT len(list(x)) FROM range(10000000000) t(x)

-- attack: fills memory with a text
-- told: memory
SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(100000)

-- attack: fills memory with copies of a text
-- told: memory
SELECT max(length(repeat(repeat('x', 100000), 20000 + x::INT))) FROM range(9) t(x)

-- attack: fills memory with a sort
-- told: memory
SELECT x, repeat(x::VARCHAR, 50) AS y FROM range(1000000000) t(x) ORDER BY hash(y) DESC LIMIT 1000000 OFFSET 900000000

-- attack: fills memory with groups
-- told: memory
SELECT count(*) FROM (SELECT repeat(x::VARCHAR, 100) AS y, count(*) FROM range(1000000000) t(x) GROUP BY y)

-- attack: fills the answer
-- told: a row has more than
SELECT repeat('x', 200000000) AS x

-- attack: joins without end
-- told: time
SELECT count(*) FROM range(100000) a(x), range(100000) b(y), range(100000) c(z) WHERE x * y * z % 7919 = 3

-- attack: recurs without end
-- told: time
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n % 1000 + 1 FROM t) SELECT count(*) FROM t

-- attack: matches a regular expression without end
-- told: harmless
SELECT regexp_matches(repeat('a', 100000) || 'b', '^(a+)+$') AS matches
