-- title: Lines that were not understood
-- description: What no parser could read, by source, with one example each. Digits are left out to bring like lines together.
-- param since: timestamp = all    Only events from this time on
-- param limit: int = 20           How many rows
SELECT
    log.file.path AS file,
    count(*) AS lines,
    left(regexp_replace(coalesce(event.original, message), '[0-9]+', '#', 'g'), 60) AS looks_like,
    any_value(left(coalesce(event.original, message), 200)) AS example
FROM events
WHERE ts >= $since AND list_contains(tags, 'parse_failure')
GROUP BY ALL
ORDER BY lines DESC, file, looks_like
LIMIT $limit
