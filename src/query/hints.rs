//! What to write instead, where DuckDB's own message leads nowhere here: it has no ICU, no extensions and no zones.
//!
//! In comes its message, out comes a sentence for the end of it.

/// Part of a message, in lower case, and what helps.
const HINTS: &[(&str, &str)] = &[
    (
        "time zone, interval)",
        "times are UTC without a zone: cast with ::TIMESTAMP first, as in (t::TIMESTAMP - INTERVAL '1 hour')",
    ),
    ("(timestamp, string_literal)", "write INTERVAL before a length of time, as in now() - INTERVAL '1 hour'"),
    ("(date, string_literal)", "write INTERVAL before a length of time, as in current_date - INTERVAL '1 day'"),
    (
        "(timestamp, integer_literal)",
        "write a length of time as in ts + INTERVAL '1 hour'; numbers can be added to dates only",
    ),
    ("timestamp, string_literal)'. you might", "write INTERVAL before a length of time, as in INTERVAL '1 hour' + ts"),
    ("invalid timestamp field format: \"now\"", "write now()"),
    ("invalid timestamp field format: \"today\"", "write today()"),
    ("invalid timestamp field format: \"yesterday\"", "write today() - 1"),
    ("invalid timestamp field format: \"-", "write how long ago as in now() - INTERVAL '1 hour'"),
    ("setting with name \"timezone\"", "times are UTC throughout"),
    ("option \"\"timezone\"\"", "times are UTC throughout"),
    ("name to_char ", "write strftime(ts, '%Y-%m-%d %H:%M')"),
    ("name date_format ", "write strftime(ts, '%Y-%m-%d %H:%M')"),
    ("name str_to_date ", "write strptime(text, '%Y-%m-%d %H:%M')"),
    ("name from_unixtime ", "write to_timestamp(seconds)"),
    ("name fromunixtime ", "write to_timestamp(seconds)"),
    ("name unix_timestamp ", "write epoch(ts), or epoch(now())"),
    ("name getdate ", "write now()"),
    ("name sysdate ", "write now()"),
    ("name datetime ", "write now(), or a time as in '2026-01-15 10:30:00'"),
    ("name date_bin ", "write time_bucket(INTERVAL '5 minutes', ts)"),
    ("name bin ", "write time_bucket(INTERVAL '5 minutes', ts)"),
    ("name tumble ", "write time_bucket(INTERVAL '5 minutes', ts)"),
    ("name dcount ", "write count(DISTINCT x), or approx_count_distinct(x)"),
    ("name regexp_like ", "write regexp_matches(text, 'pattern')"),
    ("name rlike ", "write regexp_matches(text, 'pattern')"),
    ("column \"sysdate\"", "write now()"),
    (
        "could not choose a best candidate function for the function call \"time_bucket",
        "its third value is an origin, as in TIMESTAMP '2026-01-01', or an offset, as in INTERVAL '30 minutes'; there are no zones: times are UTC",
    ),
    (
        "in the inet extension",
        "addresses are texts here: compare them as in source.ip = '203.0.113.7' or source.ip LIKE '10.%'",
    ),
    ("<<(varchar", "addresses are texts here: compare them as in source.ip LIKE '10.%'"),
    (
        "icu extension",
        "this needs time zones, and times are UTC here: leave the zone out, and cast with ::TIMESTAMP where there is one",
    ),
    (
        "extension 'icu",
        "this needs time zones, and times are UTC here: leave the zone out, and cast with ::TIMESTAMP where there is one",
    ),
    ("configuration has been locked", "settings stay as they are"),
    (
        "file system operations are disabled",
        "SQL reads the data folder and nothing else; answers go to a file with --out FILE",
    ),
    ("permission error", "SQL reads the data folder and nothing else; answers go to a file with --out FILE"),
    ("table with name event does not exist", "the table is named events"),
    ("table with name logs does not exist", "the table is named events"),
    ("table with name alert does not exist", "the table is named alerts"),
];

/// What helps with this message, if anything is known.
pub(super) fn hint(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    HINTS.iter().find(|(part, _)| message.contains(part)).map(|(_, help)| *help)
}
