//! Alerts as a Parquet file, with the columns of the SQL view `alerts`.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Builder, ListBuilder, MapBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
    UInt64Builder,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::alert::Alert;
use crate::engine::findings::Findings;

/// Alerts of a batch.
const ROWS: usize = 16 * 1024;

#[derive(Default)]
struct Columns {
    rows: usize,
    texts: [StringBuilder; 4],
    key: Option<MapBuilder<StringBuilder, StringBuilder>>,
    times: [TimestampMicrosecondBuilder; 2],
    count: UInt64Builder,
    lists: [ListBuilder<StringBuilder>; 3],
    runbook: StringBuilder,
    risk: Int64Builder,
}

/// Writes all alerts. INVARIANT: JSON is what is wanted of them.
pub(in crate::cli) fn write(found: &mut Findings, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut columns = Columns::default();
    let schema = columns.finish()?.schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION"), " alerts").to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(io::Error::other)?;
    found.for_each(|json| {
        columns.push(&serde_json::from_slice(json)?);
        if columns.rows >= ROWS {
            writer.write(&columns.finish()?).map_err(io::Error::other)?;
        }
        Ok(())
    })?;
    writer.write(&columns.finish()?).map_err(io::Error::other)?;
    writer.close().map(drop).map_err(io::Error::other)
}

impl Columns {
    fn push(&mut self, alert: &Alert) {
        self.rows += 1;
        let Alert { id, rule, severity, title, key, first, last, count, evidence, attack, tags, runbook, risk } = alert;
        let texts = [&id.to_string(), rule, severity.word(), title];
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_value(text));
        let map = self.key.get_or_insert_with(|| MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()));
        for (field, value) in key {
            map.keys().append_value(field);
            match value {
                Value::String(text) => map.values().append_value(text),
                other => map.values().append_value(other.to_string()),
            }
        }
        map.append(true).expect("as many keys as values were appended");
        self.times.iter_mut().zip([first, last]).for_each(|(column, micros)| column.append_value(*micros));
        self.count.append_value(*count);
        let evidence: Vec<String> = evidence.iter().map(ToString::to_string).collect();
        for (column, list) in self.lists.iter_mut().zip([&evidence, attack, tags]) {
            list.iter().for_each(|text| column.values().append_value(text));
            column.append(true);
        }
        self.runbook.append_option(runbook.as_deref());
        self.risk.append_option(*risk);
    }

    fn finish(&mut self) -> io::Result<RecordBatch> {
        self.rows = 0;
        let [id, rule, severity, title] = self.texts.each_mut().map(|c| Arc::new(c.finish()) as ArrayRef);
        let key = self.key.get_or_insert_with(|| MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()));
        let key: ArrayRef = Arc::new(key.finish());
        let [first, last] = self.times.each_mut().map(|c| Arc::new(c.finish()) as ArrayRef);
        let [evidence, attack, tags] = self.lists.each_mut().map(|c| Arc::new(c.finish()) as ArrayRef);
        let columns: [(&str, ArrayRef); 13] = [
            ("id", id),
            ("rule", rule),
            ("severity", severity),
            ("title", title),
            ("key", key),
            ("first", first),
            ("last", last),
            ("count", Arc::new(self.count.finish())),
            ("evidence", evidence),
            ("attack", attack),
            ("tags", tags),
            ("runbook", Arc::new(self.runbook.finish())),
            ("risk", Arc::new(self.risk.finish())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
            .map_err(io::Error::other)
    }
}
