//! What is written is what is read, by us and by DuckDB, whatever the values are.

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;

use super::*;
use crate::event::schema;

/// Repeatable numbers.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) % n
    }
}

/// Texts that are long, alike for long, empty, and not ASCII.
fn text(random: &mut Random, distinct: u64) -> String {
    let n = random.below(distinct);
    match n % 5 {
        0 => String::new(),
        1 => format!("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell{n}.exe"),
        2 => "é".repeat(n as usize % 40) + &n.to_string(),
        3 => "\u{7f}".repeat(33) + &n.to_string(),
        _ => n.to_string(),
    }
}

/// Events with values of every type; about `share` of 16 are there. A column of constants, one without any value.
pub(super) fn events(random: &mut Random, rows: usize, distinct: u64, share: u64) -> EventBatch {
    let mut b = BatchBuilder::new();
    let numbers = [0, 1, 22, i128::from(u16::MAX), i128::from(u32::MAX), i128::from(i64::MAX), i128::from(u64::MAX)];
    for row in 0..rows {
        let time = T0 + random.below(DAY as u64 / 4) as i64;
        b.set_time(field::TIMESTAMP, time);
        b.set_id(EventId::new(time, b"x", random.below(u64::MAX)));
        b.set_text(field::EVENT_KIND, "event");
        b.set_list(field::EVENT_CATEGORY, &["authentication"]);
        let mut there = || random.below(16) < share;
        let set: Vec<bool> = (0..12).map(|_| there()).collect();
        if set[0] {
            b.set_text(field::USER_NAME, &text(random, distinct));
        }
        if set[1] {
            b.set_ip(
                field::SOURCE_IP,
                &format!("10.0.{}.{}", random.below(distinct) % 256, random.below(distinct) % 256),
            );
        }
        if set[2] {
            let many: Vec<String> = (0..1 + random.below(4)).map(|_| format!("t{}", random.below(9))).collect();
            b.set_list(field::TAGS, &many.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if set[3] {
            b.set_text(field::EVENT_ORIGINAL, &format!("{row} {}", text(random, u64::MAX)));
        }
        for (at, id) in [field::SOURCE_PORT, field::PROCESS_PID, field::NETWORK_BYTES].into_iter().enumerate() {
            if set[4 + at] {
                let value = numbers[random.below(7) as usize];
                b.set_number(id, if random.below(2) == 0 { value } else { random.below(65_536).into() });
            }
        }
        if set[7] {
            b.set_number(field::EVENT_SEVERITY, if random.below(2) == 0 { i128::from(i64::MIN) } else { -7 });
        }
        for (name, there) in ["one", "two", "three"].into_iter().zip(&set[8..]) {
            if *there {
                b.set_extra(name, &text(random, distinct));
            }
        }
        b.end_row();
    }
    b.finish()
}

pub(super) fn written(dir: &Path, batches: &[EventBatch]) -> Vec<EventBatch> {
    let encoding = Encoding { pieces_from: 0, ..Encoding::default() };
    let mut writer = BulkWriter::with_encoding(dir, encoding).unwrap();
    batches.iter().for_each(|batch| writer.append(batch).unwrap());
    writer.finish().unwrap();
    read(dir, None, i64::MIN..=i64::MAX).unwrap().map(Result::unwrap).collect()
}

/// In the order of their times.
pub(super) fn expected(batches: &[EventBatch]) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let rows = batches.iter().flat_map(|b| (0..b.len()).map(|row| (b.times()[row], b.to_json(row))));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(time, _)| *time);
    rows.into_iter().map(|(_, json)| json).collect()
}

pub(super) fn as_read(batches: &[EventBatch]) -> Vec<serde_json::Map<String, serde_json::Value>> {
    batches.iter().flat_map(|b| (0..b.len()).map(|row| b.to_json(row))).collect()
}

fn through_duckdb(path: &Path) -> Vec<EventBatch> {
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let sql = format!("SELECT * FROM read_parquet('{}') ORDER BY \"@timestamp\", file_row_number", path.display());
    let sql = sql.replace(".parquet'", ".parquet', file_row_number = true");
    let records: Vec<RecordBatch> = connection.prepare(&sql).unwrap().query_arrow([]).unwrap().collect();
    records.iter().map(|record| schema::from_record_batch(record).unwrap()).collect()
}

#[test]
fn all_values_come_back() {
    for (rows, distinct, share) in
        [(1, 3, 16), (9, 2, 0), (100, 7, 8), (300, 1000, 15), (40_000, 50, 8), (40_000, 100_000, 16)]
    {
        let mut random = Random(rows as u64 + distinct);
        let batches: Vec<EventBatch> =
            [rows / 3, rows - rows / 3].into_iter().map(|rows| events(&mut random, rows, distinct, share)).collect();
        let dir = tempfile::tempdir().unwrap();
        let read = written(dir.path(), &batches);
        let expected = expected(&batches);
        assert!(as_read(&read) == expected, "{rows} rows, {distinct} distinct, {share} of 16");
        for file in files(dir.path()).unwrap() {
            assert!(
                as_read(&through_duckdb(&file)) == expected,
                "DuckDB: {rows} rows, {distinct} distinct, {share} of 16"
            );
        }
    }
}

#[test]
fn statistics_hold_for_every_page() {
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    let mut random = Random(5);
    let batch = events(&mut random, 40_000, 3000, 12);
    let dir = tempfile::tempdir().unwrap();
    let stored = written(dir.path(), &[batch]);
    let users: Vec<Option<String>> =
        stored.iter().flat_map(|b| (0..b.len()).map(|r| b.text(field::USER_NAME, r).map(str::to_owned))).collect();
    let file = fs::File::open(&files(dir.path()).unwrap()[0]).unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&file, options).unwrap();
    let leaves = metadata.parquet_schema().columns().to_vec();
    let at = |path: &str| leaves.iter().position(|c| c.path().string() == path).unwrap();
    let index = metadata.metadata().page_index_for_row_group(0);
    let ColumnIndexMetaData::BYTE_ARRAY(names) = index.column_index(at("user.name")).unwrap() else {
        panic!("user.name is text")
    };
    let pages = index.offset_index(at("user.name")).unwrap().page_locations();
    assert!(pages.len() > 2);
    for (page, location) in pages.iter().enumerate() {
        let end = pages.get(page + 1).map_or(users.len(), |next| next.first_row_index as usize);
        let (least, greatest) = (names.min_value(page).unwrap(), names.max_value(page).unwrap());
        assert!(least.len() <= 32 && greatest.len() <= 33);
        for user in users[location.first_row_index as usize..end].iter().flatten() {
            assert!(least <= user.as_bytes() && user.as_bytes() <= greatest, "{user}");
        }
    }
    let times = index.column_index(at("@timestamp")).unwrap();
    assert_eq!(times.get_boundary_order(), Some(parquet::basic::BoundaryOrder::ASCENDING));
    let ColumnIndexMetaData::INT64(times) = times else { panic!("times are numbers") };
    assert_eq!(times.min_value(0), Some(&stored[0].times()[0]));
    let group = metadata.metadata().row_group(0);
    let bytes = group.column(at("network.bytes")).statistics().unwrap();
    // Numbers without a sign are compared as such.
    assert_eq!(bytes.max_bytes_opt(), Some(&u64::MAX.to_le_bytes()[..]));
    // Addresses are all different here, and are looked up all the same.
    let bloom = |path: &str| group.column(at(path)).bloom_filter_offset().is_some();
    assert!(bloom("user.name") && bloom("source.ip") && !bloom("event.kind"));
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
    let filter = reader.get_row_group_column_bloom_filter(0, at("user.name")).unwrap().unwrap();
    assert!(users.iter().flatten().all(|user| filter.check(user.as_str())) && !filter.check("nobody"));
}
