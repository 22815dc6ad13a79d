//! Answers as Parquet and Arrow, with the types of the statement and its rows; and rows that are too wide for a table.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType, UInt16Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;

use super::*;

fn written(session: &Session, sql: &str, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut session.prepare(sql).unwrap(), &Default::default(), format, None, &mut out).unwrap();
    out
}

fn read(format: Format, bytes: Vec<u8>) -> Vec<RecordBatch> {
    let bytes = bytes::Bytes::from(bytes);
    let cursor = std::io::Cursor::new(bytes.clone());
    match format {
        Format::Parquet => {
            ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap().map(Result::unwrap).collect()
        }
        Format::ArrowFile => {
            arrow::ipc::reader::FileReader::try_new(cursor, None).unwrap().map(Result::unwrap).collect()
        }
        Format::ArrowStream => {
            arrow::ipc::reader::StreamReader::try_new(cursor, None).unwrap().map(Result::unwrap).collect()
        }
        Format::Table | Format::Csv | Format::Json => unreachable!("they are text"),
    }
}

const COLUMNAR: [Format; 3] = [Format::Parquet, Format::ArrowFile, Format::ArrowStream];

#[test]
fn types_are_kept() {
    let (_dir, session) = opened();
    let sql = "SELECT ts, source.port AS port, event.category AS category, source, fields, tags FROM events \
               WHERE event.outcome = 'success' ORDER BY ts LIMIT 3";
    for format in COLUMNAR {
        let batches = read(format, written(&session, sql, format));
        let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(batch.num_rows(), 3);
        let schema = batch.schema();
        assert_eq!(schema.field(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None), "{format:?}");
        assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().value(1), T0 + 4 * SECOND);
        assert_eq!(batch.column(1).as_primitive::<UInt16Type>().value(0), 22);
        assert_eq!(batch.column(2).as_list::<i32>().value(0).as_string::<i32>().value(0), "authentication");
        assert_eq!(batch.column(3).as_struct().column_by_name("ip").unwrap().as_string::<i32>().value(0), "10.0.0.0");
        assert_eq!(batch.column(4).as_map().value(0).column(1).as_string::<i32>().value(0), "it's \"x\"");
        assert_eq!(batch.column(5).null_count(), 3);
    }
}

#[test]
fn whole_events_and_empty_answers_are_written() {
    let (_dir, session) = opened();
    for (sql, rows) in [("FROM events", 102), ("FROM events WHERE false", 0), ("FROM alerts", 1)] {
        for format in COLUMNAR {
            let batches = read(format, written(&session, sql, format));
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{sql} {format:?}");
        }
    }
}

#[test]
fn row_groups_are_of_a_size_to_read_in_parallel() {
    let (_dir, session) = opened();
    let bytes = written(&session, "SELECT range AS n, 'x' || range AS text FROM range(300000)", Format::Parquet);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    let groups: Vec<i64> = builder.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [122_880, 122_880, 54_240]);
    assert!(matches!(builder.metadata().row_group(0).column(1).compression(), Compression::ZSTD(_)));
}

#[test]
fn what_parquet_cannot_hold_is_told_before_anything_is_written() {
    let (_dir, session) = opened();
    let mut out = Vec::new();
    for sql in ["SELECT now() - ts AS since FROM events", "SELECT [INTERVAL 1 HOUR] AS since"] {
        let mut rows = session.prepare(sql).unwrap();
        let error = write(&mut rows, &Default::default(), Format::Parquet, None, &mut out).unwrap_err();
        assert!(error.is_users() && error.to_string().contains("INTERVAL in column since"), "{error}");
    }
    assert!(out.is_empty());
    let arrow = written(&session, "SELECT now() - ts AS since FROM events", Format::ArrowStream);
    assert_eq!(read(Format::ArrowStream, arrow).iter().map(RecordBatch::num_rows).sum::<usize>(), 102);
}

#[test]
fn rows_too_wide_for_the_terminal_are_lists_of_values() {
    let (_dir, session) = opened();
    let shown = |sql: &str, width| {
        let mut out = Vec::new();
        write(&mut session.prepare(sql).unwrap(), &Default::default(), Format::Table, width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    expect_test::expect![[r#"
        ── 1 ──
        ts              2026-01-15T10:30:45.000000Z
        @timestamp      2026-01-15T10:30:45.000000Z
        message         Failed password for u0 from 10.0.0.0 port 22 ssh2
        event.category  authentication
        event.dataset   system.auth
        event.id        019bc135-2808-8418-b795-3c048f57e5ca
        event.original  Jan 15 10:30:45 web1 sshd[7]: Failed password for u0 from 10.0.0.0 port 22 ssh2
        event.outcome   success
        user.name       u0
        source.ip       10.0.0.0
        source.port     22
        fields.note     it's "x"
    "#]]
    .assert_eq(&shown("FROM events ORDER BY ts LIMIT 1", Some(120)));
    assert!(shown("SELECT 1 AS a, 'x\u{1b}' AS b", Some(19)).contains("── 1 ──\na  1\nb  x\u{fffd}\n"));
    for table in [shown("SELECT 1 AS a, 2 AS b", Some(20)), shown("FROM events LIMIT 1", None)] {
        assert!(table.starts_with('┌'), "{table}");
    }
}
