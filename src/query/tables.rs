//! The views beside `events`: alerts, their changes, rules and sources, and what each column of them is.
//!
//! In come the stored events, the alert log and the rules that ran last, as DuckDB reads them; out come SQL texts that
//! make views, and a table of their columns for `.schema` and completion.

use super::views;
use crate::event::field::{self, Type};

/// A view, and what it has.
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// A column of a view, or a field in a column of `events`.
pub struct Column {
    /// As SQL names it: `source.ip`.
    pub name: String,
    /// Its SQL type.
    pub ty: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// All views.
pub const VIEWS: &[View] = &[
    View { name: "events", doc: "everything that was accepted" },
    View { name: "alerts", doc: "the alerts that stand" },
    View { name: "alert_changes", doc: "all that was ever said of alerts, in order" },
    View { name: "rules", doc: "the rules that ran last, and what stands of theirs" },
    View { name: "sources", doc: "where events came from: files, senders, uploads" },
];

type Docs = &'static [(&'static str, &'static str, &'static str)];

const ALERT: Docs = &[
    ("id", "VARCHAR", "the same in every run; `weir why` takes its beginning"),
    ("rule", "VARCHAR", "name of its rule"),
    ("severity", "VARCHAR", "informational, low, medium, high or critical"),
    ("title", "VARCHAR", "what happened, in a line"),
    ("key", "MAP(VARCHAR, VARCHAR)", "whom it is about: key['source.ip']"),
    ("first", "TIMESTAMP", "time of its first event"),
    ("last", "TIMESTAMP", "time of its last event"),
    ("count", "UBIGINT", "how many events it is made of"),
    ("evidence", "UUID[]", "ids of its events, the first and last ones of many"),
    ("attack", "VARCHAR[]", "ATT&CK techniques"),
    ("tags", "VARCHAR[]", "tags of its rule"),
    ("runbook", "VARCHAR", "what to do"),
    ("risk", "BIGINT", "risk points of its rule"),
];

const CHANGE: Docs = &[
    ("change", "VARCHAR", "what was said last: added, changed, superseded or withdrawn"),
    ("changed_at", "TIMESTAMP", "when that was"),
];

const ONLY_CHANGES: Docs = &[
    ("n", "BIGINT", "its place in the order in which changes were said"),
    ("cause", "VARCHAR", "why it was changed or withdrawn"),
    ("superseded_by", "VARCHAR", "id of the alert that took its place"),
];

const RULE: Docs = &[
    ("name", "VARCHAR", "as alerts have it in `rule`"),
    ("title", "VARCHAR", "title of its alerts, {field} where a value stands"),
    ("severity", "VARCHAR", "severity of its alerts"),
    ("kind", "VARCHAR", "single, threshold, distinct, aggregate, sequence, all, new, rare or baseline"),
    ("level", "BIGINT", "0 for rules over events, more for rules over alerts"),
    ("key", "VARCHAR[]", "the fields that make its key"),
    ("attack", "VARCHAR[]", "ATT&CK techniques"),
    ("tactics", "VARCHAR[]", "ATT&CK tactics of these"),
    ("tags", "VARCHAR[]", "its tags"),
    (
        "enabled",
        "BOOLEAN",
        "whether it ran last; false for one that is gone, or has an error, and has alerts that stand",
    ),
    ("file", "VARCHAR", "the file it is in"),
    ("alerts", "BIGINT", "how many alerts of it stand"),
    ("last_fired", "TIMESTAMP", "time of the last event of these"),
    ("description", "VARCHAR", "longer text"),
    ("runbook", "VARCHAR", "what to do"),
    ("risk", "BIGINT", "risk points of an alert"),
];

const SOURCE: Docs = &[
    ("name", "VARCHAR", "path of the file or address of the sender: log.file.path of its events"),
    ("kind", "VARCHAR", "file, syslog, stdin, http or demo"),
    ("datasets", "VARCHAR[]", "the logs in it: event.dataset of its events"),
    ("first", "TIMESTAMP", "time of its earliest event"),
    ("last", "TIMESTAMP", "time of its latest event"),
    ("events", "BIGINT", "how many events it gave"),
    ("parse_failures", "BIGINT", "how many of them were not understood, and kept as they are"),
    ("late", "BIGINT", "how many came too late for windows"),
];

/// The columns of a view; of `events` the fields, by their dotted names. `None` when there is no such view.
pub fn columns(view: &str) -> Option<Vec<Column>> {
    let docs: Vec<Docs> = match view {
        "events" => return Some(fields()),
        "alerts" => vec![ALERT, CHANGE],
        "alert_changes" => vec![ALERT, CHANGE, ONLY_CHANGES],
        "rules" => vec![RULE],
        "sources" => vec![SOURCE],
        _ => return None,
    };
    let column = |(name, ty, doc): &(&str, &'static str, &'static str)| Column { name: (*name).to_owned(), ty, doc };
    Some(docs.concat().iter().map(column).collect())
}

fn fields() -> Vec<Column> {
    let shown = field::all().filter(|id| *id != field::LOG_MESSAGE_OFFSET);
    let field = |id: field::FieldId| match id {
        field::TIMESTAMP => Column { name: "ts".to_owned(), ty: "TIMESTAMP", doc: "when it happened, UTC" },
        id => Column { name: id.name().to_owned(), ty: sql_type(id.ty()), doc: id.field().doc },
    };
    let extra =
        Column { name: "fields".to_owned(), ty: "MAP(VARCHAR, VARCHAR)", doc: "what has no column: fields['NAME']" };
    shown.map(field).chain([extra]).collect()
}

fn sql_type(ty: Type) -> &'static str {
    match ty {
        Type::Text | Type::LongText | Type::Ip => "VARCHAR",
        Type::TextList => "VARCHAR[]",
        Type::U16 => "USMALLINT",
        Type::U32 => "UINTEGER",
        Type::U64 => "UBIGINT",
        Type::I64 => "BIGINT",
        Type::Timestamp => "TIMESTAMP",
        Type::Id => "UUID",
    }
}

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

const RULES: &str = r#"
CREATE VIEW rules AS
SELECT coalesce(r.name, a.rule) AS name, r.title, coalesce(r.severity, a.severity) AS severity, r.kind, r.level, r.key,
    r.attack, r.tactics, r.tags,
    CASE WHEN r.name IS NOT NULL THEN true WHEN EXISTS (FROM main.stored_rules) THEN false END AS enabled,
    r.file, coalesce(a.alerts, 0) AS alerts, a.last_fired, r.description, r.runbook, r.risk
FROM main.stored_rules r
FULL JOIN (
    SELECT rule, any_value(severity) AS severity, count(*) AS alerts, max(last) AS last_fired
    FROM main.alerts GROUP BY rule
) a ON a.rule = r.name
ORDER BY name;
"#;

/// The columns of the alert log.
pub(super) const ALERT_COLUMNS: &str = "{change: 'VARCHAR', cause: 'VARCHAR', \"at\": 'VARCHAR', \"by\": 'VARCHAR', alert: 'STRUCT(id VARCHAR, \
    rule VARCHAR, severity VARCHAR, title VARCHAR, \"key\" MAP(VARCHAR, VARCHAR), \"first\" VARCHAR, \"last\" VARCHAR, \"count\" UBIGINT, \
    evidence UUID[], attack VARCHAR[], tags VARCHAR[], runbook VARCHAR, risk BIGINT)'}";

/// The columns of the rules that ran last.
pub(super) const RULE_COLUMNS: &str = "{name: 'VARCHAR', title: 'VARCHAR', description: 'VARCHAR', severity: 'VARCHAR', \
    kind: 'VARCHAR', level: 'BIGINT', attack: 'VARCHAR[]', tactics: 'VARCHAR[]', tags: 'VARCHAR[]', \"key\": 'VARCHAR[]', \
    runbook: 'VARCHAR', risk: 'BIGINT', file: 'VARCHAR'}";

/// The statements that make the views, all but `events`, over `stored_alerts` and `stored_rules`.
pub(super) fn make() -> String {
    format!("{ALERTS}{RULES}")
}

/// The statement that makes `sources` in a schema, over `stored_events`: apart, since it reads the end of every file.
///
/// Events are counted by source and dataset first, which is one pass over three narrow columns.
pub(super) fn sources(schema: &str) -> String {
    let (time, name, dataset) =
        (views::quoted(field::TIMESTAMP), views::quoted(field::LOG_FILE_PATH), views::quoted(field::EVENT_DATASET));
    format!(
        "CREATE VIEW {schema}.sources AS
        SELECT name, CASE WHEN name LIKE 'syslog+%' THEN 'syslog' WHEN name LIKE 'demo/%' THEN 'demo'
            WHEN name IN ('stdin', 'http') THEN name WHEN name IS NOT NULL THEN 'file' END AS kind,
            list_sort(list(dataset) FILTER (dataset IS NOT NULL)) AS datasets, min(first) AS first, max(last) AS last,
            sum(n)::BIGINT AS events, sum(failures)::BIGINT AS parse_failures, sum(late)::BIGINT AS late
        FROM (
            SELECT {name} AS name, {dataset} AS dataset, min({time}) AS first, max({time}) AS last, count(*) AS n,
                count(*) FILTER (list_contains(tags, 'parse_failure')) AS failures,
                count(*) FILTER (list_contains(tags, 'late')) AS late
            FROM main.stored_events GROUP BY ALL
        )
        GROUP BY name ORDER BY name"
    )
}
