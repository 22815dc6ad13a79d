//! What goes over the pipes: answers within their limits, and whatever a worker may say.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::json;

use super::super::answer::{self, Rows, RowsError};
use super::super::job::{self, BEGINNING, End, Failure};
use super::super::{Answer, types};

/// Numbers, and a text of so many bytes beside each.
fn batch(from: i64, rows: i64, bytes: usize) -> RecordBatch {
    let numbers: ArrayRef = Arc::new((from..from + rows).collect::<Int64Array>());
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(bytes); rows as usize]));
    RecordBatch::try_from_iter([("n", numbers), ("text", texts)]).unwrap()
}

/// Sends batches through; how many rows come out, and whether some were left out.
fn sent(batches: &[RecordBatch], rows: usize, bytes: usize) -> Result<(usize, bool, usize), RowsError> {
    let mut wire = BEGINNING.to_vec();
    let mut writer = Rows::new(&mut wire, &batches[0].schema(), rows, bytes)?;
    for batch in batches {
        if !writer.add(batch)? {
            break;
        }
    }
    let truncated = writer.truncated;
    writer.finish()?;
    job::finish(&mut wire, &Ok(End { truncated, weaknesses: vec![] })).unwrap();
    let reply = job::read(&mut wire.as_slice(), bytes + (1 << 20)).unwrap().unwrap().unwrap();
    let (_, found) = answer::read(&reply.rows).unwrap();
    Ok((found.iter().map(RecordBatch::num_rows).sum(), reply.end.truncated, reply.rows.len()))
}

#[test]
fn an_answer_ends_at_its_limits() {
    let batches = [batch(0, 1000, 10), batch(1000, 1000, 10)];
    assert!(matches!(sent(&batches, 5000, 1 << 20).unwrap(), (2000, false, _)));
    assert!(matches!(sent(&batches, 2000, 1 << 20).unwrap(), (2000, false, _)));
    assert!(matches!(sent(&batches, 1999, 1 << 20).unwrap(), (1999, true, _)));
    assert!(matches!(sent(&batches, 1000, 1 << 20).unwrap(), (1000, true, _)));
    assert!(matches!(sent(&batches, 1, 1 << 20).unwrap(), (1, true, _)));
    let (rows, truncated, bytes) = sent(&batches, 5000, 32 << 10).unwrap();
    assert!(truncated && (900..1500).contains(&rows) && bytes < 34 << 10, "{rows} {bytes}");
    let large = [batch(0, 10, 1 << 20)];
    assert!(matches!(sent(&large, 5000, 5 << 20).unwrap(), (4, true, _)));
    assert!(matches!(sent(&large, 5000, 1 << 20), Err(RowsError::Large(1))));
    assert!(matches!(sent(&[batch(0, 0, 0)], 10, 1 << 20).unwrap(), (0, false, _)));
}

#[test]
fn whatever_a_worker_says_is_no_panic() {
    let mut wire = b"some library prints this\n".to_vec();
    wire.extend(BEGINNING);
    let mut writer = Rows::new(&mut wire, &batch(0, 1, 1).schema(), 10, 1 << 20).unwrap();
    writer.add(&batch(0, 3, 5)).unwrap();
    writer.finish().unwrap();
    job::finish(&mut wire, &Ok(End::default())).unwrap();
    let reply = job::read(&mut wire.as_slice(), 1 << 20).unwrap().unwrap().unwrap();
    assert_eq!(answer::read(&reply.rows).unwrap().1[0].num_rows(), 3);
    for end in 0..wire.len() {
        assert!(job::read(&mut &wire[..end], 1 << 20).unwrap().is_none(), "{end}");
    }
    assert!(job::read(&mut wire.as_slice(), 10).is_err());
    // Any byte may be any other.
    for at in 0..reply.rows.len() {
        for bits in [0xff, 0x01, 0x80] {
            let mut rows = reply.rows.clone();
            rows[at] ^= bits;
            drop(answer::read(&rows));
        }
    }
    let said = |tag: u8, text: &[u8]| {
        let mut wire = BEGINNING.to_vec();
        wire.push(tag);
        wire.extend((text.len() as u32).to_le_bytes());
        wire.extend(text);
        job::read(&mut wire.as_slice(), 1 << 20)
    };
    assert!(said(7, b"").is_err());
    assert!(said(2, b"no JSON").is_err());
    assert_eq!(said(3, b"\"Memory\"").unwrap().unwrap().unwrap_err(), Failure::Memory);
    assert!(job::read(&mut [BEGINNING, &[1, 0xff, 0xff, 0xff, 0xff]].concat().as_slice(), 1 << 20).is_err());
    assert!(job::read(&mut std::io::repeat(b'x'), 1 << 20).unwrap().is_none());
}

#[test]
fn rows_are_lists_in_the_order_of_columns() {
    let batches = vec![batch(1, 2, 1)];
    let answer = Answer {
        schema: batches[0].schema(),
        batches,
        truncated: true,
        elapsed: Duration::from_millis(1500),
        weaknesses: vec![],
    };
    let expected = json!({
        "columns": [{"name": "n", "type": "BIGINT"}, {"name": "text", "type": "VARCHAR"}],
        "rows": [[1, "x"], [2, "x"]],
        "truncated": true,
        "elapsed": 1.5,
    });
    assert_eq!(answer.to_json(), expected);
}

#[test]
fn types_have_the_names_that_sql_gives_them() {
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let sql = "SELECT 1, 2::UTINYINT, 'x', TRUE, now()::TIMESTAMP, DATE '2026-01-01', INTERVAL 1 DAY, sum(1), \
               1.5, 1.5::DOUBLE, [1], {'a b': 'x'}, MAP {'a': [1]}, uuid(), '{}'::JSON, NULL, 'a'::BLOB, TIME '10:00'";
    let mut statement = connection.prepare(sql).unwrap();
    let schema = statement.stream_arrow([]).unwrap().get_schema();
    let names: Vec<String> = schema.fields().iter().map(|field| types::name(field)).collect();
    let expected = expect_test::expect![[
        r#"INTEGER, UTINYINT, VARCHAR, BOOLEAN, TIMESTAMP, DATE, INTERVAL, HUGEINT, DECIMAL(2,1), DOUBLE, INTEGER[], STRUCT("a b" VARCHAR), MAP(VARCHAR, INTEGER[]), VARCHAR, VARCHAR, NULL, BLOB, TIME"#
    ]];
    expected.assert_eq(&names.join(", "));
}
