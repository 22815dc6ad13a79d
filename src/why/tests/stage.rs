//! A stage for cases: an archive of made-up events, and the alerts that rules raise over it.

use std::path::Path;
use std::sync::Arc;

use crate::alert::{Alert, AlertChange, AlertId, Change};
use crate::archive::{AlertLog, Archive, BulkWriter, Settings};
use crate::engine::batch::{self, Feed};
use crate::engine::findings::Wanted;
use crate::event::batch::BatchBuilder;
use crate::event::field::{self, EXTRA_PREFIX, Type};
use crate::event::time::{SECOND, parse_rfc3339};
use crate::event::{EventBatch, EventId};
use crate::rule::plan::{Program, Tuple};
use crate::rule::{compile_alone, render};
use crate::why::{Asked, Explanation, Verdict, WhyError};

/// Time of offset 0 in cases.
pub(super) fn zero() -> i64 {
    parse_rfc3339("2026-01-15T10:00:00Z").unwrap()
}

/// `30s`, `5m`, `2h`, `3d`, `0`
fn offset(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len()));
    let unit = match unit {
        "s" | "" => SECOND,
        "ms" => SECOND / 1000,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        "d" => 86_400 * SECOND,
        other => panic!("no unit {other}"),
    };
    number.parse::<i64>().unwrap() * unit
}

/// Events, one a line: `OFFSET [xN every STEP] CATEGORY field=value …`; the line is also the raw line.
pub(super) fn events(text: &str) -> EventBatch {
    let mut builder = BatchBuilder::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let mut words = line.split_whitespace().peekable();
        let start = offset(words.next().unwrap());
        let mut repeat = (1, 0);
        if let Some(times) = words.peek().and_then(|w| w.strip_prefix('x')).and_then(|n| n.parse().ok()) {
            words.next();
            assert_eq!(words.next(), Some("every"));
            repeat = (times, offset(words.next().unwrap()));
        }
        let words: Vec<&str> = words.collect();
        for number in 0..repeat.0 {
            let time = zero() + start + number * repeat.1;
            builder.set_time(field::TIMESTAMP, time);
            builder.set_id(EventId::new(time, line.as_bytes(), number as u64));
            builder.set_text(field::EVENT_ORIGINAL, &words.join(" "));
            builder.set_list(field::EVENT_CATEGORY, &[words[0]]);
            for word in &words[1..] {
                let (name, value) = word.split_once('=').unwrap();
                if let Some(extra) = name.strip_prefix(EXTRA_PREFIX) {
                    builder.set_extra(extra, value);
                    continue;
                }
                let id = field::by_name(name).unwrap_or_else(|| panic!("no field {name}"));
                match id.ty() {
                    Type::Ip => assert!(builder.set_ip(id, value)),
                    Type::TextList => builder.set_list(id, &value.split(',').collect::<Vec<_>>()),
                    Type::Text | Type::LongText => builder.set_text(id, value),
                    Type::Timestamp | Type::Id => panic!("{name} is set for each event"),
                    Type::U16 | Type::U32 | Type::U64 | Type::I64 => {
                        assert!(builder.set_number(id, value.parse().unwrap()))
                    }
                }
            }
            builder.end_row();
        }
    }
    builder.finish()
}

/// The rules of a text, which must be right.
pub(super) fn program(text: &str) -> Program {
    let compiled = compile_alone("case.weir", text);
    assert!(!compiled.has_errors(), "{}", render(&compiled.diagnostics, &compiled.sources, false));
    compiled.program
}

/// [`crate::why::why`] over lists that never changed.
pub(super) fn why(data: &Path, program: &Program, id: &str) -> Result<Explanation, WhyError> {
    crate::why::why(data, program.into(), id)
}

/// [`crate::why::why_not`], likewise.
pub(super) fn why_not(data: &Path, program: &Program, asked: &Asked) -> Result<Verdict, WhyError> {
    crate::why::why_not(data, program.into(), asked)
}

/// A data folder and the rules over it.
pub(super) struct Stage {
    pub(super) folder: tempfile::TempDir,
    pub(super) program: Arc<Program>,
    pub(super) alerts: Vec<Alert>,
}

impl Stage {
    /// With events in Parquet and, where `logged`, the last half of them in the log.
    pub(super) fn new(program: Program, batch: &EventBatch, logged: bool) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let half = if logged { batch.len() / 2 } else { batch.len() };
        let mut writer = BulkWriter::open(folder.path()).unwrap();
        writer.append(&batch.slice(0, half)).unwrap();
        writer.finish().unwrap();
        if half < batch.len() {
            let mut archive = Archive::open(folder.path(), Settings::default()).unwrap();
            archive.append(&batch.slice(half, batch.len() - half), &[]).unwrap();
            archive.commit().unwrap();
        }
        Stage { folder, program: Arc::new(program), alerts: Vec::new() }
    }

    /// Has the engine raise the alerts.
    pub(super) fn run(mut self, batch: &EventBatch) -> Stage {
        let settings = batch::Settings {
            program: self.program.clone(),
            workers: 1,
            archive: None,
            once: false,
            until: None,
            wanted: Wanted::Json,
        };
        let (_, mut found) =
            batch::run(&settings, &|feed: &mut Feed| feed.send(batch.clone()).unwrap(), &|_| {}).unwrap();
        let mut alerts = Vec::new();
        found
            .for_each(|json| {
                alerts.push(serde_json::from_slice(json).unwrap());
                Ok(())
            })
            .unwrap();
        self.say(&alerts.iter().map(|a| (Change::Added, a)).collect::<Vec<_>>());
        self.alerts = alerts;
        self
    }

    /// Writes to the alert log, a minute after another.
    pub(super) fn say(&self, changes: &[(Change, &Alert)]) {
        let at = |n: usize| zero() + (n as i64 + 600) * 60 * SECOND;
        let change = |(n, (change, alert)): (usize, &(Change, &Alert))| AlertChange {
            change: change.clone(),
            at: at(n),
            cause: None,
            alert: (*alert).clone(),
        };
        let changes: Vec<AlertChange> = changes.iter().enumerate().map(change).collect();
        AlertLog::open(self.folder.path()).unwrap().append(&changes).unwrap();
    }

    /// Puts an alert into the log that the engine does not raise yet: of a rule, its key and its evidence.
    pub(super) fn raise(&mut self, rule: usize, key: &[(&str, &str)], evidence: &[(i64, EventId)]) {
        let rule = &self.program.rules[rule];
        let tuple = match key {
            [] => Tuple::default(),
            key => Tuple::new(key.iter().map(|(_, v)| Some(*v))),
        };
        let alert = Alert {
            id: AlertId::new(&rule.name, &tuple.0, evidence[0].1),
            rule: rule.name.clone(),
            severity: rule.severity,
            title: rule.name.clone(),
            key: key.iter().map(|(f, v)| ((*f).to_owned(), (*v).into())).collect(),
            first: evidence[0].0,
            last: evidence[evidence.len() - 1].0,
            count: evidence.len() as u64,
            evidence: evidence.iter().map(|(_, id)| *id).collect(),
            attack: Vec::new(),
            tags: Vec::new(),
            runbook: None,
            risk: None,
        };
        self.say(&[(Change::Added, &alert)]);
        self.alerts.push(alert);
    }
}
