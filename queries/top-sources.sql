-- title: Top sources
-- description: Addresses that appear in most events, and what they did.
-- param since: timestamp = all    Only events from this time on
-- param limit: int = 20           How many rows
SELECT
    source.ip AS source,
    count(*) AS events,
    count(*) FILTER (event.outcome = 'failure') AS failures,
    count(DISTINCT user.name) AS users,
    min(ts) AS first,
    max(ts) AS last
FROM events
WHERE ts >= $since AND source.ip IS NOT NULL
GROUP BY source.ip
ORDER BY events DESC, source
LIMIT $limit
