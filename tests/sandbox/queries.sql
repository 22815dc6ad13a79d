-- What an analyst asks: each of these is answered. `$ip` is 203.0.113.7.

-- query: a count
SELECT count(*) AS n FROM events

-- query: groups
SELECT source.ip, user.name, count(*) AS n, min(ts) AS first, max(ts) AS last FROM events WHERE event.outcome = 'failure' GROUP BY ALL HAVING n > 1 ORDER BY n DESC, source.ip LIMIT 10

-- query: time
SELECT ts, message FROM events WHERE ts > now() - interval '1 hour' OR ts BETWEEN TIMESTAMP '2026-01-01' AND current_date + INTERVAL 1 DAY

-- query: buckets
SELECT time_bucket(INTERVAL '5 minutes', ts) AS span, count(*) FILTER (WHERE event.outcome = 'failure') AS failures FROM events GROUP BY span ORDER BY span

-- query: windows
SELECT source.ip, ts - lag(ts) OVER (PARTITION BY source.ip ORDER BY ts) AS gap, row_number() OVER w, sum(1) OVER (w ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM events WINDOW w AS (PARTITION BY user.name ORDER BY ts) QUALIFY row_number() OVER w <= 3

-- query: definitions
WITH failed AS MATERIALIZED (SELECT source.ip AS ip, count(*) AS n FROM events WHERE event.outcome = 'failure' GROUP BY 1), top AS (FROM failed ORDER BY n DESC, ip LIMIT 5) SELECT * FROM (FROM top UNION ALL SELECT NULL, sum(n) FROM failed) ORDER BY n, ip

-- query: a recursive definition
WITH RECURSIVE days(d) AS (SELECT DATE '2026-01-10' UNION ALL SELECT d + 1 FROM days WHERE d < DATE '2026-01-20') SELECT d, count(ts) FROM days LEFT JOIN events ON ts::DATE = d GROUP BY d ORDER BY d

-- query: joins
SELECT a.rule, e.ts, e.message FROM alerts a JOIN events e ON list_contains(a.evidence, e.event.id) ORDER BY e.ts

-- query: an as-of join
SELECT e.ts, p.ts FROM events e ASOF JOIN (SELECT ts, source.ip AS ip FROM events) p ON e.source.ip = p.ip AND e.ts > p.ts

-- query: other fields
SELECT fields['note'] AS note, map_keys(fields) AS names, len(tags) AS tags FROM events WHERE fields['note'] IS NULL

-- query: lists
SELECT list_transform(event.category, lambda c: upper(c)), [x * 2 FOR x IN range(5) IF x > 1], list_filter([1, 2, 3], lambda x: x > 1), unnest([1, 2]) FROM events LIMIT 2

-- query: regular expressions
SELECT regexp_extract(message, 'port (\d+)', 1)::INT AS port, regexp_replace(message, '[0-9]+', '#', 'g') FROM events WHERE regexp_matches(event.original, '(?i)failed') AND message ILIKE '%password%' AND message NOT LIKE 'x#%%' ESCAPE '#'

-- query: dates in texts
SELECT strptime('2026-01-15 10:30', '%Y-%m-%d %H:%M'), strftime(ts, '%H:%M'), date_trunc('hour', ts), extract(hour FROM ts), epoch_ms(ts), date_diff('minute', ts, now()) FROM events LIMIT 1

-- query: JSON
SELECT json_extract_string('{"a": {"b": 1}}', '$.a.b'), '{"a": [1, 2]}'::JSON -> 'a' ->> 0, to_json(source) FROM events LIMIT 1

-- query: subqueries
SELECT DISTINCT ON (user.name) user.name, ts FROM events e WHERE ts = (SELECT max(ts) FROM events i WHERE i.user.name = e.user.name) AND EXISTS (SELECT 1 FROM alerts) AND source.ip IN (SELECT source.ip FROM events) AND source.port > ANY (SELECT 1) ORDER BY ALL

-- query: cases and casts
SELECT CASE WHEN source.port < 1024 THEN 'low' ELSE 'high' END, try_cast(message AS INTEGER), coalesce(user.name, '?'), nullif(1, 1), if(true, 1, 2), (1, 2), {'a': 1}.a, source.port::DECIMAL(10, 2), TRY(1 / 0) FROM events LIMIT 3

-- query: statistics
SELECT approx_count_distinct(source.ip), median(source.port), quantile_cont(source.port, [0.5, 0.99]), stddev(source.port), mode(user.name), arg_max(message, ts), histogram(event.outcome), string_agg(DISTINCT user.name, ', ' ORDER BY user.name) FROM events

-- query: grouping sets
SELECT user.name AS account, event.outcome AS outcome, grouping(account) AS g, count(*) FROM events GROUP BY ROLLUP (account, outcome) ORDER BY ALL

-- query: stars
SELECT * EXCLUDE (message) REPLACE (upper(rule) AS rule) FROM (SELECT rule, title, title AS message FROM alerts)

-- query: columns by pattern
SELECT COLUMNS('(rule|title)') FROM alerts

-- query: a pivot
FROM (SELECT user.name AS account, event.outcome AS outcome FROM events) PIVOT (count(*) FOR outcome IN ('success', 'failure')) ORDER BY account

-- query: values
SELECT * FROM (VALUES (1, 'one'), (2, 'two')) v(n, word) CROSS JOIN range(2) t(x) ORDER BY ALL LIMIT 50%

-- query: a sample
SELECT ts FROM events USING SAMPLE 2 ROWS

-- query: what there is
DESCRIBE events

-- query: a summary
SUMMARIZE SELECT source.ip AS ip, source.port AS port FROM events

-- query: a parameter
SELECT count(*) FROM events WHERE source.ip = $ip

-- query: methods
SELECT user.name.upper(), message.regexp_extract('for (\w+)', 1) FROM events LIMIT 1

-- query: hashes and encodings
SELECT sha256(message), md5(message), to_base64(encode(message)), url_decode('a%20b'), hex(255), levenshtein('abc', 'abd'), jaro_winkler_similarity('abc', 'abd') FROM events LIMIT 1

-- query: raw lines
SELECT event.original FROM events ORDER BY ts LIMIT 3

-- query: whole events
FROM events ORDER BY ts LIMIT 3

-- query: everything said of alerts
SELECT change, cause, count(*) FROM alert_changes GROUP BY ALL ORDER BY ALL
