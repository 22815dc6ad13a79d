//! Functions of time for a DuckDB without ICU: all of UTC, all TIMESTAMP without a zone.
//!
//! A macro stands before the function of its name, which is still there as `system.main.NAME`. What DuckDB does
//! with zones only by ICU works for UTC, and says what to write for others.

/// The statements that make them.
pub(super) const MACROS: &str = "
CREATE MACRO now() AS system.main.now()::TIMESTAMP;
CREATE MACRO get_current_timestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO transaction_timestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO statement_timestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO clock_timestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO current_localtimestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO localtimestamp() AS system.main.now()::TIMESTAMP;
CREATE MACRO get_current_time() AS system.main.now()::TIMESTAMP::TIME;
CREATE MACRO current_localtime() AS system.main.now()::TIMESTAMP::TIME;
CREATE MACRO today() AS system.main.now()::TIMESTAMP::DATE;
CREATE MACRO current_date() AS system.main.now()::TIMESTAMP::DATE;
CREATE MACRO to_timestamp(seconds) AS system.main.to_timestamp(seconds)::TIMESTAMP;
CREATE MACRO make_timestamptz(y, mo, d, h, mi, s) AS system.main.make_timestamp(y, mo, d, h, mi, s);
CREATE MACRO date_sub(t, length) AS t - length, (part, a, b) AS system.main.date_sub(part, a, b);
CREATE MACRO timezone(zone, t) AS CASE WHEN lower(zone) IN ('utc', 'gmt', 'z', 'etc/utc', 'zulu') THEN t::TIMESTAMP
    ELSE error(concat('times are UTC, and the zone ', zone, ' is not known here: leave AT TIME ZONE out, or add its offset, ',
        'as in ts + INTERVAL ''2 hours''')) END;
";
